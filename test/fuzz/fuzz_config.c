/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a configuration: they are refused with a sentence and a place that exists, or become a
 * configuration that keeps all its promises. The file may be written by a person in a hurry or by a
 * program gone wrong, and it is read by the process that must not die of it.
 */

#include <string.h>

#include "config/load.h"
#include "fuzz.h"

static void check_error(const ConfigError *error) {
        assert(*error->message);
        assert(!strpbrk(error->message, "\n\r"));
        assert((error->line == 0) == (error->column == 0));
}

static void check_levels(const Thresholds *levels) {
        assert(levels->warning >= 0 && levels->critical >= 0);
        assert(levels->warning == 0 || levels->critical == 0 || levels->warning < levels->critical);
}

static void check_words(unsigned n, const char *const *words) {
        assert(n <= COMMAND_WORDS_MAX);
        for (unsigned i = 0; i < n; i++)
                assert(words[i]);
        assert(!words[n]);
}

static void check_logs(const LogsConfig *logs) {
        assert(logs->n_files <= LOG_FILES_MAX);
        for (unsigned i = 0; i < logs->n_files; i++)
                assert(*logs->files[i] == '/');
        assert(logs->n_patterns <= LOG_PATTERNS_MAX);
        for (unsigned i = 0; i < logs->n_patterns; i++) {
                assert(*logs->patterns[i].match);
                assert(logs->patterns[i].level == LEVEL_WARNING ||
                       logs->patterns[i].level == LEVEL_CRITICAL);
        }
        check_levels(&logs->error_rate);
}

static void check_service(const Config *config, const ServiceConfig *service) {
        assert(*service->name && strlen(service->name) < NAME_SIZE);
        assert(!strpbrk(service->name, "/ \n"));
        assert(config_find_service(config, service->name) == (int) (service - config->services));
        assert((*service->unit != '\0') == (service->n_words == 0));
        check_words(service->n_words, service->command);
        check_words(service->drain.n_words, service->drain.command);
        assert(*service->directory == '/');
        assert(*service->output == '\0' || *service->output == '/');
        assert(*service->heartbeat.file == '\0' || *service->heartbeat.file == '/');
        assert(service->user && service->api.url && service->api.fresh_field && service->drain.url);
        assert(service->stop_signal > 0);
        assert(service->start_limit >= 1 && service->start_limit <= LEDGER_MAX);
        check_logs(&service->logs);
        check_levels(&service->api.latency);
        check_levels(&service->memory);
        check_levels(&service->cpu);
        check_levels(&service->descriptors);
        check_levels(&service->connections);
}

static void check_config(const Config *config) {
        assert(*config->root == '/' && *config->state_dir == '/' && *config->run_dir == '/');
        assert(strlen(config->state_dir) < PATH_SIZE);
        assert(config->language && config->clerk_user && config->log_level && config->serve_listen);
        assert(config->watch.sample_usec > 0 &&
               config->watch.sample_usec <= config->watch.interval_usec);
        assert(config->watch.failures >= 1 && config->watch.max_restarts <= LEDGER_MAX);
        assert(config->host.n_disk_paths <= DISKS_MAX);
        assert(config->watch.n_outside <= OUTSIDE_URLS_MAX);
        check_levels(&config->host.cpu);
        check_levels(&config->host.memory);
        check_levels(&config->host.disk);
        assert(config->n_services <= SERVICES_MAX);
        for (unsigned i = 0; i < config->n_services; i++)
                check_service(config, &config->services[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CLEANUP_CONFIG Config *config = NULL;
        ConfigError error = { .message = "" };
        static const char nothing[1] = "";

        const char *text = size > 0 ? (const char *) data : nothing;
        int r = config_parse(text, size, "/etc/albraguard/config.yaml", &config, &error);
        if (r < 0) {
                assert(!config);
                check_error(&error);
        } else
                check_config(config);

        return 0;
}
