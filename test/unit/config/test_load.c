/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The whole way from a file to the typed configuration.
 *
 * Loading: the documented file is the default, every key goes where it belongs, paths come out
 * absolute, and nothing that is too large, too deep or cut short gets in or does harm.
 */

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "config/key.h"
#include "config/load.h"
#include "unit.h"

static const char *folder;

static Config *parse(const char *text) {
        Config *config = NULL;
        ConfigError error = { .message = "" };

        if (config_parse(text, strlen(text), "/etc/albraguard/config.yaml", &config, &error) < 0)
                fail_msg("%s", error.message);
        return config;
}

static Config *load(const char *name) {
        char path[PATH_MAX];
        Config *config = NULL;
        ConfigError error = { .message = "" };

        (void) snprintf(path, sizeof(path), "%s/whole/%s", folder, name);
        if (config_load(path, &config, &error) < 0)
                fail_msg("%s", error.message);
        return config;
}

static void assert_refused(const char *text, size_t length, const char *expected) {
        Config *config = NULL;
        ConfigError error = { .message = "" };

        assert_int_equal(config_parse(text, length, "/c.yaml", &config, &error), -EINVAL);
        assert_null(config);
        assert_string_equal(error.message, expected);
}

static void assert_text_equal(const char *key, const void *a, const void *b) {
        const char *text_a;
        const char *text_b;

        memcpy(&text_a, a, sizeof(text_a));
        memcpy(&text_b, b, sizeof(text_b));
        print_message("%s\n", key);
        assert_non_null(text_a);
        assert_string_equal(text_a, text_b);
}

static void assert_list_equal(const Key *key, const char *a, const char *b) {
        unsigned n_a;
        unsigned n_b;

        memcpy(&n_a, a + key->offset_count, sizeof(n_a));
        memcpy(&n_b, b + key->offset_count, sizeof(n_b));
        assert_int_equal(n_a, n_b);
        for (unsigned i = 0; i < n_a; i++)
                assert_text_equal(key->path, a + key->offset + i * sizeof(char *),
                                  b + key->offset + i * sizeof(char *));
}

/* One struct of a scope against another, key by key. Lists of records are the caller's. */
static void assert_scope_equal(KeyScope scope, const void *a, const void *b) {
        for (size_t i = 0; i < n_config_keys; i++) {
                const Key *key = &config_keys[i];
                const char *field_a = (const char *) a + key->offset;
                const char *field_b = (const char *) b + key->offset;

                if (key->scope != scope || !key->is_stored || key->type == VALUE_RECORDS)
                        continue;

                print_message("%s\n", key->path);
                if (key->most > 0)
                        assert_list_equal(key, a, b);
                else if (key->type == VALUE_TEXT || key->type == VALUE_NAME ||
                         key->type == VALUE_UNIT || key->type == VALUE_PATH ||
                         key->type == VALUE_URL || key->type == VALUE_LISTEN ||
                         key->type == VALUE_CHOICE)
                        assert_text_equal(key->path, field_a, field_b);
                else
                        assert_memory_equal(field_a, field_b, key->size);
        }
}

static void test_the_documented_file_is_the_default(void **state) {
        CLEANUP_CONFIG Config *file = load("default.yaml");
        CLEANUP_CONFIG Config *none = parse("");

        (void) state;
        assert_scope_equal(SCOPE_CONFIG, file, none);
        assert_int_equal(file->n_services, 1);
        assert_int_equal(none->n_services, 1);
        assert_scope_equal(SCOPE_SERVICE, &file->services[0], &none->services[0]);
        assert_int_equal(file->services[0].logs.n_patterns, 6);
        assert_int_equal(none->services[0].logs.n_patterns, 6);
        for (unsigned i = 0; i < 6; i++)
                assert_scope_equal(SCOPE_PATTERN, &file->services[0].logs.patterns[i],
                                   &none->services[0].logs.patterns[i]);
}

/* The same once more in plain numbers: two wrongs that agree would pass above. */
static void test_the_defaults_are_the_guides(void **state) {
        CLEANUP_CONFIG Config *config = parse("# nothing but a comment\n");
        const ServiceConfig *service = &config->services[0];

        (void) state;
        assert_string_equal(config->path, "/etc/albraguard/config.yaml");
        assert_string_equal(config->language, "en");
        assert_string_equal(config->root, "/home/ubuntu/AlbraTrading");
        assert_string_equal(config->state_dir, "/var/lib/albraguard");
        assert_int_equal(config->watch.interval_usec, 30 * USEC_PER_SEC);
        assert_int_equal(config->watch.sample_usec, 5 * USEC_PER_SEC);
        assert_int_equal(config->watch.failures, 3);
        assert_int_equal(config->watch.successes, 2);
        assert_int_equal(config->watch.grace_usec, 60 * USEC_PER_SEC);
        assert_int_equal(config->watch.cooldown_usec, 5 * USEC_PER_MINUTE);
        assert_int_equal(config->watch.max_restarts, 3);
        assert_int_equal(config->watch.per_usec, USEC_PER_HOUR);
        assert_int_equal(config->watch.n_outside, 0);
        assert_int_equal(config->host.cpu.warning, 700);
        assert_int_equal(config->host.cpu.critical, 850);
        assert_int_equal(config->host.memory.critical, 800);
        assert_int_equal(config->host.disk.critical, 900);
        assert_int_equal(config->host.n_disk_paths, 1);
        assert_string_equal(config->host.disk_paths[0], "/");

        assert_string_equal(service->name, "albratrading-multi");
        assert_string_equal(service->unit, "albratrading-multi.service");
        assert_int_equal(service->n_words, 0);
        assert_null(service->command[0]);
        assert_true(service->is_started);
        assert_true(service->has_agent);
        assert_string_equal(service->directory, "/home/ubuntu/AlbraTrading");
        assert_string_equal(service->user, "");
        assert_int_equal(service->stop_signal, SIGTERM);
        assert_int_equal(service->restart_delay_usec, 30 * USEC_PER_SEC);
        assert_int_equal(service->start_limit, 3);
        assert_int_equal(service->start_limit_per_usec, 600 * USEC_PER_SEC);
        assert_int_equal(service->memory_max_bytes, 0);
        assert_string_equal(service->api.url, "http://localhost:5000/api/status");
        assert_int_equal(service->api.timeout_usec, 10 * USEC_PER_SEC);
        assert_int_equal(service->api.latency.warning, USEC_PER_SEC);
        assert_int_equal(service->api.latency.critical, 5 * USEC_PER_SEC);
        assert_string_equal(service->api.fresh_field, "last_update");
        assert_int_equal(service->api.fresh_max_age_usec, 300 * USEC_PER_SEC);
        assert_true(service->api.may_restart);
        assert_string_equal(service->logs.files[1],
                            "/home/ubuntu/AlbraTrading/logs/systemd_multi_error.log");
        assert_string_equal(service->logs.patterns[2].match, "ERROR.*Connection lost");
        assert_int_equal(service->logs.patterns[2].level, LEVEL_WARNING);
        assert_int_equal(service->logs.patterns[0].level, LEVEL_CRITICAL);
        assert_int_equal(service->logs.error_rate.warning, 10);
        assert_false(service->logs.may_restart);
        assert_string_equal(service->heartbeat.file, "/home/ubuntu/AlbraTrading/state/heartbeat");
        assert_int_equal(service->heartbeat.max_age_usec, 120 * USEC_PER_SEC);
        assert_int_equal(service->drain.n_words, 0);
        assert_int_equal(service->drain.timeout_usec, 10 * USEC_PER_SEC);
        assert_int_equal(service->cpu.critical, 0);
        assert_int_equal(service->descriptors.warning, 800);
        assert_int_equal(service->descriptors.critical, 950);
        assert_int_equal(service->connections.warning, 800);
        assert_int_equal(service->connections.critical, 1000);

        assert_int_equal(config->prevention.collect_permille, 700);
        assert_int_equal(config->prevention.force_permille, 850);
        assert_int_equal(config->prevention.rotate_permille, 800);
        assert_int_equal(config->prevention.keep_usec, 7 * USEC_PER_DAY);
        assert_int_equal(config->prevention.total_max_bytes, 1ULL << 30);
        assert_int_equal(config->gc_interval_usec, 300 * USEC_PER_SEC);
        assert_int_equal(config->max_memory_permille, 750);
        assert_string_equal(config->log_level, "WARNING");
        assert_int_equal(config->log_max_file_bytes, 100 << 20);
        assert_int_equal(config->log_backup_count, 5);
        assert_int_equal(config->pool_limit, 100);
        assert_int_equal(config->pool_limit_per_host, 30);
        assert_int_equal(config->pool_ttl_dns_cache_usec, 300 * USEC_PER_SEC);
        assert_string_equal(config->serve_listen, "127.0.0.1:8787");
        assert_int_equal(config->history_max_bytes, 256 << 20);
        assert_int_equal(config->history_keep_usec, 30 * USEC_PER_DAY);
}

/* A key that goes into its neighbour's field would pass as long as both are at their defaults. */
static void test_every_key_goes_where_it_belongs(void **state) {
        CLEANUP_CONFIG Config *config = load("every-key.yaml");
        const ServiceConfig *first = &config->services[0];
        const ServiceConfig *second = &config->services[1];
        char path[PATH_MAX];

        (void) state;
        (void) snprintf(path, sizeof(path), "%s/whole/bot", folder);
        assert_string_equal(config->language, "ko");
        assert_string_equal(config->root, path);
        (void) snprintf(path, sizeof(path), "%s/whole/bot/var/state", folder);
        assert_string_equal(config->state_dir, path);
        assert_string_equal(config->run_dir, "/run/other");
        assert_string_equal(config->clerk_user, "nobody");

        assert_int_equal(config->watch.interval_usec, 10 * USEC_PER_SEC);
        assert_int_equal(config->watch.sample_usec, USEC_PER_SEC);
        assert_int_equal(config->watch.failures, 4);
        assert_int_equal(config->watch.successes, 1);
        assert_int_equal(config->watch.grace_usec, 30 * USEC_PER_SEC);
        assert_int_equal(config->watch.cooldown_usec, USEC_PER_MINUTE);
        assert_int_equal(config->watch.max_restarts, 5);
        assert_int_equal(config->watch.per_usec, 30 * USEC_PER_MINUTE);
        assert_int_equal(config->watch.n_outside, 2);
        assert_string_equal(config->watch.outside[1], "http://[::1]:8080/x?y=z");
        assert_int_equal(config->watch.remind_usec, USEC_PER_HOUR);

        assert_int_equal(config->host.cpu.warning, 600);
        assert_int_equal(config->host.cpu.critical, 755);
        assert_int_equal(config->host.memory.warning, 610);
        assert_int_equal(config->host.memory.critical, 760);
        assert_int_equal(config->host.disk.warning, 620);
        assert_int_equal(config->host.disk.critical, 770);
        assert_int_equal(config->host.n_disk_paths, 2);
        (void) snprintf(path, sizeof(path), "%s/whole/bot/data", folder);
        assert_string_equal(config->host.disk_paths[1], path);

        assert_int_equal(config->n_services, 2);
        assert_int_equal(config_find_service(config, "second@1"), 1);
        assert_int_equal(config_find_service(config, "third"), -ENOENT);

        assert_string_equal(first->name, "first");
        assert_string_equal(first->unit, "");
        assert_int_equal(first->n_words, 5);
        (void) snprintf(path, sizeof(path), "%s/whole/bot/venv/bin/python", folder);
        assert_string_equal(first->command[0], path);
        assert_string_equal(first->command[1], "src/main.py");
        assert_string_equal(first->command[3], "");
        assert_string_equal(first->command[4], "~");
        assert_null(first->command[5]);
        (void) snprintf(path, sizeof(path), "%s/whole/bot/work", folder);
        assert_string_equal(first->directory, path);
        assert_string_equal(first->user, "trader");
        (void) snprintf(path, sizeof(path), "%s/whole/bot/logs/out.log", folder);
        assert_string_equal(first->output, path);
        assert_false(first->is_started);
        assert_int_equal(first->stop_signal, SIGINT);
        assert_int_equal(first->stop_timeout_usec, 45 * USEC_PER_SEC);
        assert_int_equal(first->restart_delay_usec, 5 * USEC_PER_SEC);
        assert_int_equal(first->start_limit, 2);
        assert_int_equal(first->start_limit_per_usec, USEC_PER_MINUTE);
        assert_int_equal(first->memory_max_bytes, 3ULL << 30);
        assert_int_equal(first->descriptors_max, 4096);
        assert_int_equal(first->processes_max, 64);
        assert_string_equal(first->api.url, "https://user:secret@localhost/health");
        assert_int_equal(first->api.timeout_usec, 3 * USEC_PER_SEC);
        assert_int_equal(first->api.latency.warning, 100 * USEC_PER_MSEC);
        assert_int_equal(first->api.latency.critical, 2 * USEC_PER_SEC);
        assert_string_equal(first->api.fresh_field, "data.updated");
        assert_int_equal(first->api.fresh_max_age_usec, USEC_PER_MINUTE);
        assert_false(first->api.may_restart);
        assert_int_equal(first->logs.n_files, 3);
        (void) snprintf(path, sizeof(path), "%s/whole/bot/logs/b.log", folder);
        assert_string_equal(first->logs.files[1], path);
        assert_string_equal(first->logs.files[2], "/var/log/c.log");
        assert_false(first->logs.is_journal);
        assert_int_equal(first->logs.window_usec, 10 * USEC_PER_MINUTE);
        assert_int_equal(first->logs.n_patterns, 2);
        assert_string_equal(first->logs.patterns[1].match, "\\bslow\\b");
        assert_int_equal(first->logs.patterns[1].level, LEVEL_WARNING);
        assert_int_equal(first->logs.patterns[1].line, 50);
        assert_int_equal(first->logs.error_rate.warning, 20);
        assert_int_equal(first->logs.error_rate.critical, 500);
        assert_true(first->logs.may_restart);
        (void) snprintf(path, sizeof(path), "%s/whole/bot/beat", folder);
        assert_string_equal(first->heartbeat.file, path);
        assert_int_equal(first->heartbeat.max_age_usec, 15 * USEC_PER_SEC);
        assert_false(first->heartbeat.may_restart);
        assert_false(first->has_agent);
        assert_int_equal(first->drain.n_words, 2);
        (void) snprintf(path, sizeof(path), "%s/whole/bot/drain.sh", folder);
        assert_string_equal(first->drain.command[0], path);
        assert_int_equal(first->drain.timeout_usec, 20 * USEC_PER_SEC);
        assert_int_equal(first->memory.warning, 500);
        assert_int_equal(first->memory.critical, 600);
        assert_int_equal(first->cpu.warning, 400);
        assert_int_equal(first->cpu.critical, 450);
        assert_int_equal(first->descriptors.warning, 300);
        assert_int_equal(first->descriptors.critical, 350);
        assert_int_equal(first->connections.warning, 20);
        assert_int_equal(first->connections.critical, 25);

        assert_string_equal(second->unit, "second@1.service");
        assert_true(second->is_started);
        assert_true(second->has_agent);
        assert_string_equal(second->api.url, "");
        assert_true(second->logs.is_journal);
        assert_int_equal(second->logs.n_patterns, 0);
        assert_string_equal(second->heartbeat.file, "");
        assert_string_equal(second->drain.url, "http://127.0.0.1:9/drain");
        assert_int_equal(second->descriptors.warning, 600);
        assert_int_equal(second->descriptors.critical, 900);
        assert_int_equal(second->connections.warning, 80);
        assert_int_equal(second->connections.critical, 100);
        assert_int_equal(second->cpu.warning, 0);
        assert_int_equal(second->cpu.critical, 900);

        assert_int_equal(config->prevention.collect_permille, 500);
        assert_int_equal(config->prevention.force_permille, 650);
        assert_int_equal(config->prevention.rotate_permille, 550);
        assert_int_equal(config->prevention.n_log_dirs, 2);
        assert_string_equal(config->prevention.log_dirs[1], "/var/log/bot");
        assert_int_equal(config->prevention.keep_usec, 14 * USEC_PER_DAY);
        assert_int_equal(config->prevention.keep_forced_usec, USEC_PER_DAY);
        assert_int_equal(config->prevention.total_max_bytes, 2ULL << 30);
        assert_int_equal(config->gc_interval_usec, 120 * USEC_PER_SEC);
        assert_int_equal(config->max_memory_permille, 500);
        assert_string_equal(config->log_level, "DEBUG");
        assert_int_equal(config->log_max_file_bytes, 10 << 20);
        assert_int_equal(config->log_backup_count, 2);
        assert_int_equal(config->pool_limit, 50);
        assert_int_equal(config->pool_limit_per_host, 10);
        assert_int_equal(config->pool_ttl_dns_cache_usec, 60 * USEC_PER_SEC);
        assert_string_equal(config->serve_listen, "[::1]:9000");
        assert_int_equal(config->history_max_bytes, 64 << 20);
        assert_int_equal(config->history_keep_usec, 10 * USEC_PER_DAY);
}

/* The file above would be no proof for a key that is not in it. */
static void test_that_file_has_every_key(void **state) {
        char path[PATH_MAX];
        CLEANUP_FREE char *text = NULL;
        size_t length;

        (void) state;
        (void) snprintf(path, sizeof(path), "%s/whole/every-key.yaml", folder);
        assert_int_equal(file_read_alloc(path, CONFIG_BYTES_MAX, &text, &length), 0);
        for (size_t i = 0; i < n_config_keys; i++) {
                char key[64];

                (void) snprintf(key, sizeof(key), "%s:", key_name(&config_keys[i]));
                print_message("%s\n", config_keys[i].path);
                assert_non_null(strstr(text, key));
        }
}

static void test_a_service_is_checked_for_what_it_is_told(void **state) {
        CLEANUP_CONFIG Config *config = parse("services:\n"
                                              "  - { name: bot, unit: bot.service }\n");
        const ServiceConfig *service = &config->services[0];

        (void) state;
        assert_string_equal(service->api.url, "");
        assert_int_equal(service->logs.n_files, 0);
        assert_int_equal(service->logs.n_patterns, 0);
        assert_false(service->logs.is_journal);
        assert_string_equal(service->heartbeat.file, "");
        assert_string_equal(service->drain.url, "");
}

static void test_logs_have_the_guides_patterns(void **state) {
        CLEANUP_CONFIG Config *config = parse("services:\n"
                                              "  - name: bot\n"
                                              "    unit: bot.service\n"
                                              "    logs: { files: [x.log] }\n");

        (void) state;
        assert_int_equal(config->services[0].logs.n_patterns, 6);
        assert_string_equal(config->services[0].logs.patterns[5].match, "KeyboardInterrupt");
        assert_int_equal(config->services[0].logs.patterns[5].line, 0);
}

static void test_no_service_at_all(void **state) {
        CLEANUP_CONFIG Config *config = parse("services: []\n");

        (void) state;
        assert_int_equal(config->n_services, 0);
        assert_int_equal(config_find_service(config, "albratrading-multi"), -ENOENT);
}

static void test_order_of_keys_does_not_matter(void **state) {
        CLEANUP_CONFIG Config *config = parse("state_dir: here\n"
                                              "services: [{unit: b.service, name: b}]\n"
                                              "prevention: {connections: {critical: 10}}\n"
                                              "root: /r/\n");

        (void) state;
        assert_string_equal(config->state_dir, "/r/here");
        assert_string_equal(config->prevention.log_dirs[0], "/r/logs");
        assert_int_equal(config->services[0].connections.critical, 10);
        assert_int_equal(config->services[0].connections.warning, 8);
}

static void test_root_may_be_the_top(void **state) {
        CLEANUP_CONFIG Config *config = parse("root: /\nstate_dir: .\nrun_dir: ./run//\n");

        (void) state;
        assert_string_equal(config->root, "/");
        assert_string_equal(config->state_dir, "/");
        assert_string_equal(config->run_dir, "/run");
        assert_string_equal(config->prevention.log_dirs[0], "/logs");
}

static void test_a_page_can_be_switched_off(void **state) {
        CLEANUP_CONFIG Config *config = parse("serve: {listen: off}\n");

        (void) state;
        assert_string_equal(config->serve_listen, "");
}

static void test_editors_leave_traces(void **state) {
        CLEANUP_CONFIG Config *marked = parse("\xEF\xBB\xBFlanguage: ko\n");
        CLEANUP_CONFIG Config *windows = parse("language: ko\r\nwatch:\r\n  interval: 10s\r\n");
        CLEANUP_CONFIG Config *unended = parse("language: ko");
        CLEANUP_CONFIG Config *json =
                parse("{\"language\": \"ko\", \"watch\": {\"interval\": 10}}");
        CLEANUP_CONFIG Config *explicit = parse("%YAML 1.1\n---\nlanguage: ko\n...\n");

        (void) state;
        assert_string_equal(marked->language, "ko");
        assert_string_equal(windows->language, "ko");
        assert_int_equal(windows->watch.interval_usec, 10 * USEC_PER_SEC);
        assert_string_equal(unended->language, "ko");
        assert_int_equal(json->watch.interval_usec, 10 * USEC_PER_SEC);
        assert_string_equal(explicit->language, "ko");
}

/* Repeats a piece of text between a head and a tail. */
static char *
repeat(const char *head, const char *piece, size_t n, const char *tail, size_t *ret_length) {
        size_t size = strlen(head) + n * strlen(piece) + strlen(tail) + 1;
        char *text = malloc(size);
        char *p = text;

        assert_non_null(text);
        p = mempcpy(p, head, strlen(head));
        for (size_t i = 0; i < n; i++)
                p = mempcpy(p, piece, strlen(piece));
        memcpy(p, tail, strlen(tail) + 1);
        *ret_length = size - 1;
        return text;
}

static void test_too_large(void **state) {
        size_t length;
        CLEANUP_FREE char *text = repeat("", "# comment\n", CONFIG_BYTES_MAX / 10 + 1, "", &length);
        CLEANUP_CONFIG Config *config = NULL;
        ConfigError error;

        (void) state;
        assert_int_equal(config_parse(text, length, "/c.yaml", &config, &error), -EFBIG);
        assert_string_equal(error.message, "/c.yaml: larger than 1 MB, which no configuration is");
        assert_int_equal(error.line, 0);

        assert_int_equal(config_parse(text, CONFIG_BYTES_MAX - 1, "/c.yaml", &config, &error), 0);
}

static void test_bombs(void **state) {
        size_t length;

        (void) state;
        CLEANUP_FREE char *lists = repeat("watch: ", "[", 500000, "", &length);
        assert_refused(lists, length, "/c.yaml:1:19: nested too deeply");

        CLEANUP_FREE char *maps = repeat("", "{a: ", 200000, "", &length);
        assert_refused(maps, length, "/c.yaml:1:49: nested too deeply");

        CLEANUP_FREE char *many = repeat("watch: [", "1,", 400000, "]", &length);
        assert_refused(many, length, "/c.yaml:1:100003: too many values for a configuration");
}

static void test_too_many_services(void **state) {
        size_t length;
        CLEANUP_FREE char *text = repeat("services:\n", "  - {name: x, unit: x.service}\n",
                                         SERVICES_MAX + 1, "", &length);

        (void) state;
        assert_refused(text, length,
                       "/c.yaml:2:3: services: 65 entries are too many; there is room for 64");
}

static void test_as_many_as_there_is_room_for(void **state) {
        size_t length = 0;
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);
        ConfigError error;
        CLEANUP_CONFIG Config *config = NULL;

        (void) state;
        assert_non_null(stream);
        (void) fputs("services:\n", stream);
        for (unsigned i = 0; i < SERVICES_MAX; i++) {
                (void) fprintf(stream, "  - name: bot%u\n    command: [", i);
                for (unsigned word = 0; word < COMMAND_WORDS_MAX; word++)
                        (void) fprintf(stream, "w%u,", word);
                (void) fputs("]\n    logs:\n      files: [x]\n      patterns:\n", stream);
                for (unsigned pattern = 0; pattern < LOG_PATTERNS_MAX; pattern++)
                        (void) fprintf(stream, "        - {match: p%u, level: warning}\n", pattern);
        }
        assert_int_equal(fclose(stream), 0);
        length = size;

        int r = config_parse(text, length, "/c.yaml", &config, &error);
        free(text);
        if (r < 0)
                fail_msg("%s", error.message);
        assert_int_equal(config->n_services, SERVICES_MAX);
        assert_string_equal(config->services[63].name, "bot63");
        assert_int_equal(config->services[63].n_words, COMMAND_WORDS_MAX);
        assert_string_equal(config->services[63].command[63], "w63");
        assert_null(config->services[63].command[64]);
        assert_string_equal(config->services[63].logs.patterns[63].match, "p63");
}

static void test_one_word_too_many(void **state) {
        size_t length;
        CLEANUP_FREE char *text = repeat("services:\n- name: x\n  command: [", "w,",
                                         COMMAND_WORDS_MAX + 1, "]\n", &length);

        (void) state;
        assert_refused(
                text, length,
                "/c.yaml:3:12: services[0].command: 65 entries are too many; there is room for 64");
}

/* What a half-written file gives is an error or a whole configuration, and never a crash. */
static void test_every_shortened_file(void **state) {
        char path[PATH_MAX];
        CLEANUP_FREE char *text = NULL;
        size_t length;

        (void) state;
        (void) snprintf(path, sizeof(path), "%s/whole/every-key.yaml", folder);
        assert_int_equal(file_read_alloc(path, CONFIG_BYTES_MAX, &text, &length), 0);
        for (size_t i = 0; i < length; i++) {
                char *part = malloc(i + 1); /* exact, so that a read beyond it shows */
                CLEANUP_CONFIG Config *config = NULL;
                ConfigError error = { .message = "" };

                assert_non_null(part);
                memcpy(part, text, i);
                int r = config_parse(part, i, "/c.yaml", &config, &error);
                free(part);
                assert_true(r < 0 ? !config && *error.message : config != NULL);
        }
}

static void test_files_that_cannot_be_read(void **state) {
        Config *config = NULL;
        ConfigError error;

        (void) state;
        assert_int_equal(config_load("/nowhere/config.yaml", &config, &error), -ENOENT);
        assert_string_equal(error.message,
                            "/nowhere/config.yaml: cannot be read: No such file or directory");
        assert_int_equal(config_load("/proc", &config, &error), -EISDIR);
        assert_string_equal(error.message, "/proc: cannot be read: Is a directory");
        assert_null(config);
        assert_null(config_free(NULL));
}

static void test_a_relative_file_is_known_by_its_whole_name(void **state) {
        CLEANUP_CONFIG Config *config = NULL;
        ConfigError error;
        char path[PATH_MAX];

        (void) state;
        assert_int_equal(chdir(folder), 0);
        assert_int_equal(config_load("whole/every-key.yaml", &config, &error), 0);
        (void) snprintf(path, sizeof(path), "%s/whole/every-key.yaml", folder);
        assert_string_equal(config->path, path);
        (void) snprintf(path, sizeof(path), "%s/whole/bot", folder);
        assert_string_equal(config->root, path);
        assert_int_equal(chdir("/"), 0);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_documented_file_is_the_default),
                cmocka_unit_test(test_the_defaults_are_the_guides),
                cmocka_unit_test(test_every_key_goes_where_it_belongs),
                cmocka_unit_test(test_that_file_has_every_key),
                cmocka_unit_test(test_a_service_is_checked_for_what_it_is_told),
                cmocka_unit_test(test_logs_have_the_guides_patterns),
                cmocka_unit_test(test_no_service_at_all),
                cmocka_unit_test(test_order_of_keys_does_not_matter),
                cmocka_unit_test(test_root_may_be_the_top),
                cmocka_unit_test(test_a_page_can_be_switched_off),
                cmocka_unit_test(test_editors_leave_traces),
                cmocka_unit_test(test_too_large),
                cmocka_unit_test(test_bombs),
                cmocka_unit_test(test_too_many_services),
                cmocka_unit_test(test_as_many_as_there_is_room_for),
                cmocka_unit_test(test_one_word_too_many),
                cmocka_unit_test(test_every_shortened_file),
                cmocka_unit_test(test_files_that_cannot_be_read),
                cmocka_unit_test(test_a_relative_file_is_known_by_its_whole_name),
        };

        if (argc != 2)
                return 2;
        folder = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
