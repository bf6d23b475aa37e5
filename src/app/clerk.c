/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Clerk: everything that listens to strangers or waits for a disk.
 *
 *     HTTP answers, log lines ──► clerk ──► Report()  ──► warden
 *                 history.db ◄── clerk ◄── Event, Sample ── warden
 *
 * It asks each service's API and the outside once per interval, follows the logs, and writes events
 * and samples into the store. What it reports are readings, never wishes. It runs without rights,
 * and if it dies or hangs its readings grow old, which the judge knows from bad ones.
 *
 * Events are acknowledged only when they are in the store; while the store cannot be written they
 * stay in the warden's spool and are offered again.
 */

#include "app/clerk.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "app/clerk_protocol.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/log.h"
#include "base/macro.h"
#include "config/load.h"
#include "hear/follower.h"
#include "hear/probe.h"
#include "io/bus.h"
#include "io/fetch.h"
#include "store/store.h"

enum {
        EVENTS_BATCH = CLERK_WINDOW,
        SAMPLES_BATCH = 512,
};

/* How long to wait before a store that refused is tried again, and how often positions are kept. */
#define STORE_RETRY_USEC (10 * USEC_PER_SEC)
#define POSITIONS_USEC (5 * USEC_PER_SEC)
#define PRUNE_USEC (10 * USEC_PER_MINUTE)

typedef struct Clerk Clerk;

typedef struct Hearing {
        Clerk *clerk;
        const ServiceConfig *config;
        Probe probe;
        Logs *logs;
} Hearing;

struct Clerk {
        Config *config;
        sd_event *loop;
        sd_bus *bus;
        Fetch *fetch;
        Follower *follower;
        Store *store;
        Hearing *hearings; /* one per service */
        unsigned n_outside_waiting;
        bool is_outside_seen;
        sd_event_source *tick;
        sd_event_source *upkeep;

        /* Events that came and are not in the store yet. The warden sends no more than fit before we acknowledge. */
        Event events[EVENTS_BATCH];
        size_t n_events;
        bool is_store_failing;
        usec_t store_retry_usec; /* boot clock */
        usec_t prune_usec;
};

static void clerk_say(Clerk *clerk, const char *method, const char *types, ...) {
        va_list arguments;

        sd_bus_message *message = NULL;
        int r = sd_bus_message_new_method_call(clerk->bus, &message, NULL, BUS_OBJECT,
                                               BUS_INTERFACE, method);

        if (r >= 0 && types) {
                va_start(arguments, types);
                r = sd_bus_message_appendv(message, types, arguments);
                va_end(arguments);
        }
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(message, 0);
        if (r >= 0)
                r = sd_bus_send(clerk->bus, message, NULL);
        (void) sd_bus_message_unref(message);

        if (r < 0)
                log_errno(LOG_LEVEL_WARNING, r, _("cannot reach the warden with %s"), method);
}

static void report(Clerk *clerk, const char *service, CheckKind kind, const CheckReading *reading) {
        clerk_say(clerk, "Report", "ssssxx", service, check_to_string(kind),
                  outcome_to_string(reading->outcome), cause_to_string(reading->cause),
                  reading->value, reading->detail);
}

static void on_probed(const CheckReading *reading, void *userdata) {
        Hearing *hearing = userdata;

        report(hearing->clerk, hearing->config->name, CHECK_API, reading);
}

static void on_outside(const FetchResult *result, void *userdata) {
        Clerk *clerk = userdata;

        /* Any answer will do, also a refusal by the server: somebody out there is talking to us. */
        if (result->outcome == FETCH_OK || result->outcome == FETCH_TOO_LARGE)
                clerk->is_outside_seen = true;

        if (--clerk->n_outside_waiting == 0)
                clerk_say(clerk, "Outside", "b", (int) clerk->is_outside_seen);
}

static void ask_outside(Clerk *clerk) {
        const WatchConfig *watch = &clerk->config->watch;

        if (clerk->n_outside_waiting > 0)
                return;

        clerk->is_outside_seen = false;
        for (unsigned i = 0; i < watch->n_outside; i++) {
                FetchRequest request = {
                        .url = watch->outside[i],
                        .method = "HEAD",
                        .timeout_usec = MIN(watch->interval_usec, 10 * USEC_PER_SEC),
                };
                uint64_t id;

                if (fetch_begin(clerk->fetch, &request, on_outside, clerk, &id) >= 0)
                        clerk->n_outside_waiting++;
        }
}

static void tell_store(Clerk *clerk, int r) {
        bool is_failing = r < 0;

        if (is_failing)
                clerk->store_retry_usec = clock_boottime_usec() + STORE_RETRY_USEC;
        if (is_failing == clerk->is_store_failing)
                return;

        clerk->is_store_failing = is_failing;
        clerk_say(clerk, "History", "bs", (int) !is_failing, is_failing ? strerror(-r) : "");
}

/* Puts what waits into the store and acknowledges it. */
static void store_events(Clerk *clerk) {
        uint64_t last_seq = 0;

        if (clerk->n_events == 0)
                return;
        if (clerk->is_store_failing && clock_boottime_usec() < clerk->store_retry_usec)
                return;

        int r = store_put_events(clerk->store, clerk->events, clerk->n_events, &last_seq);
        tell_store(clerk, r);
        if (r < 0)
                return;

        clerk->n_events = 0;
        clerk_say(clerk, "Acknowledge", "t", last_seq);
}

static int on_event(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Clerk *clerk = userdata;
        uint64_t seq;
        const char *line;

        (void) error;
        if (sd_bus_message_read(message, "ts", &seq, &line) < 0)
                return 0;
        if (clerk->n_events == EVENTS_BATCH)
                return 0; /* more than agreed: it stays in the spool and comes again */

        if (event_parse_json(line, strlen(line), &clerk->events[clerk->n_events]) < 0)
                log_warning(_("the warden sent an event that cannot be read: %.80s"), line);
        else
                clerk->n_events++;

        return 0;
}

static int on_sample(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Clerk *clerk = userdata;
        Sample samples[SAMPLES_BATCH];
        size_t n = 0;
        uint64_t realtime_usec;

        (void) error;
        int r = sd_bus_message_read(message, "t", &realtime_usec);
        if (r >= 0)
                r = sd_bus_message_enter_container(message, 'a', "(ssx)");
        while (r >= 0 && n < SAMPLES_BATCH) {
                Sample *sample = &samples[n];

                r = sd_bus_message_read(message, "(ssx)", &sample->metric, &sample->service,
                                        &sample->value);
                if (r <= 0)
                        break;
                sample->realtime_usec = realtime_usec;
                n++;
        }
        if (n == 0 || (clerk->is_store_failing && clock_boottime_usec() < clerk->store_retry_usec))
                return 0;

        tell_store(clerk, store_put_samples(clerk->store, samples, n));
        return 0;
}

static void
position_key(char key[static NAME_SIZE + PATH_SIZE], const Hearing *hearing, unsigned file) {
        (void) snprintf(key, NAME_SIZE + PATH_SIZE, "follow:%s:%s", hearing->config->name,
                        hearing->config->logs.files[file]);
}

static void keep_positions(Clerk *clerk) {
        for (unsigned i = 0; i < clerk->config->n_services; i++) {
                Hearing *hearing = &clerk->hearings[i];

                for (unsigned file = 0; hearing->logs && file < hearing->config->logs.n_files;
                     file++) {
                        char key[NAME_SIZE + PATH_SIZE];
                        FollowPosition position;

                        if (!follower_save(hearing->logs, file, &position))
                                continue;
                        position_key(key, hearing, file);
                        /* Not kept: a restart reads a little again, which the window allows for. */
                        (void) store_put_position(clerk->store, key, &position, sizeof(position));
                }
        }
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
        Clerk *clerk = userdata;

        for (unsigned i = 0; i < clerk->config->n_services; i++) {
                Hearing *hearing = &clerk->hearings[i];
                CheckReading reading;

                if (hearing->config->api.url[0] != '\0')
                        (void) probe_begin(
                                &hearing->probe); /* -EALREADY: the last look has its deadline */
                if (!hearing->logs)
                        continue;
                logs_check(hearing->logs, clock_boottime_usec(), &reading);
                report(clerk, hearing->config->name, CHECK_LOGS, &reading);
        }

        ask_outside(clerk);
        clerk_say(clerk, "Alive", NULL);

        /* Absolute deadlines; after a long sleep (suspend) the missed ones are not made up for. */
        usec_t now_usec = clock_boottime_usec();
        usec_t next_usec = usec + clerk->config->watch.interval_usec;
        (void) sd_event_source_set_time(source, MAX(next_usec, now_usec));
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_upkeep(sd_event_source *source, uint64_t usec, void *userdata) {
        Clerk *clerk = userdata;

        (void) usec;
        store_events(clerk);

        usec_t now_usec = clock_boottime_usec();
        if (!clerk->is_store_failing || now_usec >= clerk->store_retry_usec)
                keep_positions(clerk);
        if (now_usec >= clerk->prune_usec) {
                int r = store_prune(clerk->store, clock_realtime_usec());

                clerk->prune_usec = now_usec + (r > 0 ? POSITIONS_USEC : PRUNE_USEC);
        }

        (void) sd_event_source_set_time(source, now_usec + POSITIONS_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Events come in bursts: they are stored together when nothing else is to be read. */
static int on_idle(sd_event_source *source, void *userdata) {
        (void) source;
        store_events(userdata);
        return 0;
}

static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Clerk *clerk = userdata;

        (void) message;
        (void) error;
        return sd_event_exit(clerk->loop, 0);
}

static int read_config(Clerk *clerk, const char *config_path) {
        ConfigError error;
        struct stat st;

        if (fstat(CLERK_CONFIG_FD, &st) < 0)
                return log_errno(LOG_LEVEL_ERROR, -errno, _("no configuration was handed over"));
        if (st.st_size < 0 || st.st_size > CONFIG_BYTES_MAX)
                return log_errno(LOG_LEVEL_ERROR, -EFBIG, _("no configuration was handed over"));

        CLEANUP_FREE char *text = malloc((size_t) st.st_size + 2);
        size_t length;
        if (!text)
                return -ENOMEM;

        int r = file_read_fd(CLERK_CONFIG_FD, text, (size_t) st.st_size + 2, &length);
        if (r < 0)
                return log_errno(LOG_LEVEL_ERROR, r,
                                 _("cannot read the configuration handed over"));

        r = config_parse(text, length, config_path, &clerk->config, &error);
        if (r < 0)
                return log_errno(LOG_LEVEL_ERROR, r,
                                 _("the configuration handed over is not good"));

        (void) close(CLERK_CONFIG_FD); /* only read */
        return 0;
}

static int open_hearing(Clerk *clerk, Hearing *hearing, const ServiceConfig *config) {
        char why[MATCHER_ERROR_SIZE];

        hearing->clerk = clerk;
        hearing->config = config;
        probe_init(&hearing->probe, clerk->fetch, &config->api, on_probed, hearing);

        if (config->logs.n_files == 0 && !config->logs.is_journal)
                return 0;

        int r = follower_add(clerk->follower, &config->logs, config->unit, NULL, NULL, why,
                             &hearing->logs);
        if (r == -EINVAL) {
                /* One bad pattern costs this check, not the clerk: its reading stays unknown, and this is said. */
                log_error("%s: %s", config->name, why);
                return 0;
        }
        if (r < 0)
                return r;

        for (unsigned file = 0; file < config->logs.n_files; file++) {
                char key[NAME_SIZE + PATH_SIZE];
                FollowPosition position;

                position_key(key, hearing, file);
                if (store_get_position(clerk->store, key, &position, sizeof(position)) >= 0)
                        follower_load(hearing->logs, file, &position);
        }

        return 0;
}

static int open_all(Clerk *clerk) {
        const Config *config = clerk->config;
        char path[PATH_SIZE];

        int r = sd_event_default(&clerk->loop);
        if (r < 0)
                return r;
        r = fetch_new(clerk->loop, &clerk->fetch);
        if (r < 0)
                return r;
        r = follower_new(clerk->loop, &clerk->follower);
        if (r < 0)
                return r;

        StoreLimits limits = { .max_bytes = config->history_max_bytes,
                               .keep_usec = config->history_keep_usec };
        (void) snprintf(path, sizeof(path), "%s/history.db", config->state_dir);
        r = store_open(path, &limits, &clerk->store);
        if (r < 0)
                return log_errno(LOG_LEVEL_ERROR, r, _("cannot use %s"), path);
        if (store_was_damaged(clerk->store))
                log_warning(_("%s was damaged: it was set aside and a new one begun"), path);

        clerk->hearings = calloc(MAX(config->n_services, 1U), sizeof(*clerk->hearings));
        if (!clerk->hearings)
                return -ENOMEM;
        for (unsigned i = 0; i < config->n_services && r >= 0; i++)
                r = open_hearing(clerk, &clerk->hearings[i], &config->services[i]);
        if (r < 0)
                return r;

        return follower_start(clerk->follower);
}

static int open_bus(Clerk *clerk) {
        uint64_t last_seq = 0;

        int r = bus_open_client_take(CLERK_BUS_FD, clerk->loop, &clerk->bus);
        if (r < 0)
                return r;
        r = sd_bus_match_signal_async(clerk->bus, NULL, NULL, BUS_OBJECT, BUS_INTERFACE, "Event",
                                      on_event, NULL, clerk);
        if (r < 0)
                return r;
        r = sd_bus_match_signal_async(clerk->bus, NULL, NULL, BUS_OBJECT, BUS_INTERFACE, "Sample",
                                      on_sample, NULL, clerk);
        if (r < 0)
                return r;
        r = sd_bus_match_signal_async(clerk->bus, NULL, NULL, "/org/freedesktop/DBus/Local",
                                      "org.freedesktop.DBus.Local", "Disconnected", on_disconnected,
                                      NULL, clerk);
        if (r < 0)
                return r;

        /* Unreadable history: everything that is still in the spool is sent again, and passed over if it is there. */
        (void) store_last_seq(clerk->store, &last_seq);
        clerk_say(clerk, "Hello", "t", last_seq);
        return 0;
}

static int add_sources(Clerk *clerk) {
        usec_t now_usec = clock_boottime_usec();
        sd_event_source *idle = NULL;

        int r = sd_event_add_time(clerk->loop, &clerk->tick, CLOCK_BOOTTIME, now_usec, 0, on_tick,
                                  clerk);
        if (r < 0)
                return r;
        r = sd_event_add_time(clerk->loop, &clerk->upkeep, CLOCK_BOOTTIME,
                              now_usec + POSITIONS_USEC, 0, on_upkeep, clerk);
        if (r < 0)
                return r;
        r = sd_event_add_post(clerk->loop, &idle, on_idle, clerk);
        if (r < 0)
                return r;
        (void) sd_event_source_set_floating(idle, 1);
        (void) sd_event_source_unref(idle);

        return sd_event_add_signal(clerk->loop, NULL, SIGTERM, NULL, NULL);
}

static void clerk_done(Clerk *clerk) {
        if (clerk->store) {
                store_events(clerk);
                keep_positions(clerk);
        }
        for (unsigned i = 0; clerk->hearings && i < clerk->config->n_services; i++)
                if (clerk->hearings[i].clerk)
                        probe_done(&clerk->hearings[i].probe);
        free(clerk->hearings);
        (void) sd_event_source_disable_unref(clerk->tick);
        (void) sd_event_source_disable_unref(clerk->upkeep);
        (void) follower_free(clerk->follower);
        (void) fetch_free(clerk->fetch);
        (void) store_close(clerk->store);
        (void) sd_bus_flush_close_unref(clerk->bus);
        (void) sd_event_unref(clerk->loop);
        (void) config_free(clerk->config);
        free(clerk);
}

int clerk_run(const char *config_path) {
        sigset_t mask;

        log_open("clerk", LOG_LEVEL_INFO, getenv("JOURNAL_STREAM") != NULL);
        /* Ctrl-C at a terminal is the warden's to answer: it ends us in order. */
        (void) signal(SIGINT, SIG_IGN);
        (void) signal(SIGPIPE, SIG_IGN);
        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);

        Clerk *clerk = calloc(1, sizeof(*clerk));
        if (!clerk)
                return EXIT_FAILURE;

        int r = read_config(clerk, config_path);
        if (r >= 0) {
                assert(clerk->config);
                i18n_open(clerk->config->language);
                r = open_all(clerk);
        }
        if (r >= 0)
                r = open_bus(clerk);
        if (r >= 0)
                r = add_sources(clerk);
        if (r >= 0)
                r = sd_event_loop(clerk->loop);
        if (r < 0)
                log_errno(LOG_LEVEL_ERROR, r, _("the clerk cannot work"));

        clerk_done(clerk);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
