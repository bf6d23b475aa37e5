/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reload: a changed configuration, taken whole or not at all.
 *
 * The new file is read, checked and turned into everything that hangs on it before anything of the old
 * is touched. What was learnt about a service is carried over by its name; its process is let go of and
 * taken over again, exactly as after a restart of ours. A bad file changes nothing and is told.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/watch.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/log.h"
#include "base/text.h"

int reload_read_text(const char *path,
                     char **ret_text,
                     size_t *ret_length,
                     ConfigError *reterr_error) {
        int r = file_read_alloc(path, CONFIG_BYTES_MAX, ret_text, ret_length);

        if (r < 0)
                (void) snprintf(reterr_error->message, sizeof(reterr_error->message), "%s: %s",
                                path, strerror(-r));
        return r;
}

/* What a configuration leaves to the machine. */
void reload_complete(Config *config) {
        uint64_t total = gather_total_memory_bytes();

        for (unsigned i = 0; i < config->n_services; i++)
                if (config->services[i].memory_max_bytes == 0)
                        config->services[i].memory_max_bytes =
                                total / 1000 * config->max_memory_permille;
}

void reload_init_snapshot(const Config *config, Snapshot *snapshot) {
        snapshot->n_services = config->n_services;

        for (unsigned i = 0; i < config->n_services; i++) {
                const ServiceConfig *service = &config->services[i];
                CheckReading *checks = snapshot->services[i].checks;

                checks[CHECK_SERVICE].is_configured = true;
                checks[CHECK_PROCESS].is_configured = true;
                checks[CHECK_API].is_configured = service->api.url[0] != '\0';
                checks[CHECK_LOGS].is_configured =
                        service->logs.n_files > 0 || service->logs.is_journal;
                checks[CHECK_HEARTBEAT].is_configured = service->heartbeat.file[0] != '\0';
                checks[CHECK_MEMORY].is_configured = true;
                checks[CHECK_CPU].is_configured = true;
                checks[CHECK_DESCRIPTORS].is_configured = true;
                checks[CHECK_CONNECTIONS].is_configured = true;
        }
}

/* An act that waits for its record was decided after the snapshot was last looked at. */
static bool is_any_busy(Warden *warden) {
        for (unsigned i = 0; i < warden->config->n_services; i++) {
                ward_refresh(warden, i);
                if (warden->snapshot->services[i].is_busy)
                        return true;
        }

        return false;
}

/* What cannot be guarded must be found before anything of the old is let go of. */
static int check_services(const Config *config, ConfigError *reterr_error) {
        for (unsigned i = 0; i < config->n_services; i++)
                if (!service_is_supported(&config->services[i])) {
                        (void) snprintf(reterr_error->message, sizeof(reterr_error->message),
                                        _("cannot guard %s"), config->services[i].name);
                        return -EOPNOTSUPP;
                }

        return 0;
}

/* The readings of disks go with their paths, which may stand in another order now. */
static void adopt_host(HostFacts *host,
                       const HostConfig *config,
                       const HostFacts *old,
                       const HostConfig *old_config) {
        *host = *old;
        memset(host->disks, 0, sizeof(host->disks));

        for (unsigned i = 0; i < config->n_disk_paths; i++)
                for (unsigned k = 0; k < old_config->n_disk_paths; k++)
                        if (strcmp(config->disk_paths[i], old_config->disk_paths[k]) == 0)
                                host->disks[i] = old->disks[k];
}

/* Replaces everything that hangs on the configuration. Whatever can fail is made before anything is dropped; takes
 * `config` and `text`, also on failure. */
static int adopt_config_take(Warden *warden, Config *config, char *text, size_t length) {
        JudgeState *judge = calloc(1, sizeof(*judge));
        Snapshot *snapshot = calloc(1, sizeof(*snapshot));
        PendingAct *pending = calloc(MAX(config->n_services, 1U), sizeof(*pending));
        Ward *wards = calloc(MAX(config->n_services, 1U), sizeof(*wards));
        Gather *gather = NULL;

        int r = judge && snapshot && pending && wards ? gather_new(config, &gather) : -ENOMEM;
        if (r < 0) {
                free(judge);
                free(snapshot);
                free(pending);
                free(wards);
                free(text);
                (void) config_free(config);
                return r;
        }

        Config *old_config = warden->config;
        Ward *old_wards = warden->wards;

        judge_adopt(judge, config, warden->judge, old_config);
        reload_init_snapshot(config, snapshot);
        adopt_host(&snapshot->host, &config->host, &warden->snapshot->host, &old_config->host);
        for (unsigned i = 0; i < config->n_services; i++) {
                int old = config_find_service(old_config, config->services[i].name);

                for (CheckKind kind = 0; old >= 0 && kind < _CHECK_MAX; kind++) {
                        bool is_configured = snapshot->services[i].checks[kind].is_configured;

                        snapshot->services[i].checks[kind] =
                                warden->snapshot->services[old].checks[kind];
                        snapshot->services[i].checks[kind].is_configured = is_configured;
                }
        }

        warden->clerk = clerk_link_free(warden->clerk);
        free(warden->judge);
        free(warden->snapshot);
        free(warden->pending);
        free(warden->config_text);
        (void) gather_free(warden->gather);
        warden->judge = judge;
        warden->snapshot = snapshot;
        warden->pending = pending;
        warden->wards = wards;
        warden->gather = gather;
        warden->config = config;
        warden->config_text = text;
        warden->config_length = length;
        herald_open(&warden->herald, config->root, warden->writer);

        r = ward_open_all(warden, old_config, old_wards);
        for (unsigned i = 0; i < old_config->n_services; i++)
                if (old_wards[i].service) {
                        log_notice(_("%s is no longer guarded; it keeps running"),
                                   old_config->services[i].name);
                        (void) service_free(old_wards[i].service);
                }
        free(old_wards);
        (void) config_free(old_config);

        return r < 0 ? r : desk_start_clerk(warden);
}

ControlOutcome reload_config(void *userdata, char ret_answer[static CONTROL_ANSWER_SIZE]) {
        Warden *warden = userdata;
        ConfigError error = { 0 };
        Config *config = NULL;
        CLEANUP_FREE char *text = NULL;
        size_t length = 0;

        if (warden->options->config_path[0] == '\0') {
                (void) text_copy(ret_answer, CONTROL_ANSWER_SIZE,
                                 _("there is no configuration file to read again"));
                return CONTROL_REFUSED;
        }
        if (is_any_busy(warden)) {
                (void) text_copy(ret_answer, CONTROL_ANSWER_SIZE,
                                 _("a service is being started or stopped; try again in a moment"));
                return CONTROL_BUSY;
        }

        int r = reload_read_text(warden->options->config_path, &text, &length, &error);
        if (r >= 0)
                r = config_parse(text, length, warden->options->config_path, &config, &error);
        if (r >= 0 && (strcmp(config->state_dir, warden->config->state_dir) != 0 ||
                       strcmp(config->run_dir, warden->config->run_dir) != 0)) {
                (void) snprintf(
                        error.message, sizeof(error.message), "%s",
                        _("state_dir and run_dir cannot change while running; restart albraguard"));
                r = -EINVAL;
        }
        if (r >= 0)
                r = check_services(config, &error);
        if (r < 0) {
                config = config_free(config);
                (void) text_copy(ret_answer, CONTROL_ANSWER_SIZE, error.message);
                record_tell(
                        warden, EVENT_CONFIG_REJECTED, LEVEL_WARNING,
                        "{\"code\":\"config-rejected\"}",
                        _("the changed configuration is not good and the old one stays in force: %s"),
                        error.message);
                return CONTROL_REFUSED;
        }

        reload_complete(config);
        r = adopt_config_take(warden, config, TAKE_PTR(text), length);
        if (r < 0) {
                (void) snprintf(ret_answer, CONTROL_ANSWER_SIZE, "%s", strerror(-r));
                return CONTROL_FAILED;
        }

        i18n_open(config->language);
        record_tell(warden, EVENT_CONFIG_RELOADED, LEVEL_NORMAL, "{\"code\":\"config-reloaded\"}",
                    ngettext("the configuration was read again: %u service",
                             "the configuration was read again: %u services", config->n_services),
                    config->n_services);
        (void) text_copy(ret_answer, CONTROL_ANSWER_SIZE, _("the configuration was read again"));
        warden_step(warden);
        return CONTROL_DONE;
}
