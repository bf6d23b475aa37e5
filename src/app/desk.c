/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Desk: where the clerk's papers come in, and ours go out.
 *
 * Readings it reports go into the snapshot as they are; that we have not heard of it for long shows in
 * their age. Events go out in order and in a window: no more than it can hold before the first is
 * acknowledged, beginning behind the last one its store has.
 */

#include "app/clerk_protocol.h"
#include "app/watch.h"
#include "base/i18n.h"
#include "base/log.h"
#include "base/text.h"

/* More often than this in an hour it is not told, only logged: a clerk in a loop must not fill the history. */
enum {
        CLERK_DEATHS_TOLD_MAX = 6,
};

typedef struct Sending {
        Warden *warden;
        bool is_failed; /* the order is kept: behind a failure nothing is sent before it has been tried again */
} Sending;

static void send_to_clerk(void *userdata, const Event *event) {
        Sending *sending = userdata;

        if (sending->is_failed)
                return;

        sending->is_failed = control_send_event(sending->warden->control, event) < 0;
        if (!sending->is_failed)
                sending->warden->sent_seq = event->seq;
}

void desk_pump(Warden *warden) {
        if (!warden->control || warden->sent_seq == UINT64_MAX)
                return;

        uint64_t outstanding = warden->sent_seq - MIN(warden->sent_seq, warden->acknowledged_seq);
        if (outstanding >= CLERK_WINDOW)
                return;

        Sending sending = { .warden = warden };
        (void) eventlog_list(warden->events, warden->sent_seq,
                             (unsigned) (CLERK_WINDOW - outstanding), send_to_clerk, &sending);
}

void desk_on_hello(void *userdata, uint64_t last_seq) {
        Warden *warden = userdata;

        /* The last word of one that has died since. */
        if (clerk_link_peek_pid(warden->clerk) == 0)
                return;

        uint64_t next_seq = eventlog_peek_next_seq(warden->events);

        /* A store from another life may be ahead of us: our numbers go on above its. What waits for a checkpoint under
         * its old number gets one under the new. */
        eventlog_set_floor(warden->events, last_seq + 1);
        if (eventlog_peek_next_seq(warden->events) != next_seq &&
            eventlog_peek_unspooled(warden->events) > 0)
                (void) record_save(warden);
        warden->sent_seq = last_seq;
        warden->acknowledged_seq = last_seq;
        eventlog_acknowledge(warden->events, last_seq);

        if (warden->is_clerk_lost) {
                warden->is_clerk_lost = false;
                record_tell(warden, EVENT_CLERK_RESTARTED, LEVEL_NORMAL,
                            "{\"code\":\"clerk-restarted\"}", _("the clerk is back"));
        }
        desk_pump(warden);
}

void desk_on_acknowledge(void *userdata, uint64_t seq) {
        Warden *warden = userdata;

        warden->acknowledged_seq = MAX(warden->acknowledged_seq, seq);
        eventlog_acknowledge(warden->events, seq);
        desk_pump(warden);
}

void desk_on_reading(void *userdata,
                     const char *service,
                     CheckKind kind,
                     const CheckReading *reading) {
        Warden *warden = userdata;
        int index = config_find_service(warden->config, service);

        if (index < 0 || (kind != CHECK_API && kind != CHECK_LOGS))
                return;

        CheckReading *at = &warden->snapshot->services[index].checks[kind];
        *at = *reading;
        at->at_usec = warden_now(warden);
        warden_step(warden);
}

void desk_on_outside(void *userdata, bool is_reachable) {
        Warden *warden = userdata;

        warden->snapshot->host.is_outside_reachable =
                (Metric){ .is_valid = true, .at_usec = warden_now(warden), .value = is_reachable };
}

void desk_on_history(void *userdata, bool is_writable, const char *why) {
        Warden *warden = userdata;

        if (is_writable != warden->is_history_failing)
                return;

        warden->is_history_failing = !is_writable;
        if (is_writable)
                record_tell(warden, EVENT_HISTORY_WRITABLE, LEVEL_NORMAL,
                            "{\"code\":\"history-writable\"}", _("history can be written again"));
        else
                record_tell(
                        warden, EVENT_HISTORY_UNWRITABLE, LEVEL_WARNING,
                        "{\"code\":\"history-unwritable\"}",
                        _("history cannot be written (%s); watching goes on, events wait in %s/spool"),
                        why, warden->config->state_dir);
}

void desk_on_alive(void *userdata) {
        const Warden *warden = userdata;

        if (warden->clerk)
                clerk_link_note_alive(warden->clerk);
}

static void on_clerk_died(void *userdata, const char *why, usec_t wait_usec) {
        Warden *warden = userdata;
        char wait[DURATION_TEXT_SIZE];

        warden->sent_seq = UINT64_MAX; /* nothing is sent before the next one has said hello */
        (void) text_render_duration(wait, wait_usec);
        if (warden_now(warden) - warden->clerk_hour_usec >= USEC_PER_HOUR) {
                warden->clerk_hour_usec = warden_now(warden);
                warden->n_clerk_deaths_told = 0;
        }
        if (warden->is_clerk_lost || warden->n_clerk_deaths_told >= CLERK_DEATHS_TOLD_MAX) {
                log_info(_("the clerk ended again (%s); next try in %s"), why, wait);
                return;
        }

        warden->is_clerk_lost = true;
        warden->n_clerk_deaths_told++;
        record_tell(
                warden, EVENT_CLERK_DIED, LEVEL_WARNING, "{\"code\":\"clerk-died\"}",
                _("the clerk ended (%s); HTTP and log checks are unknown until it is back, in %s"),
                why, wait);
}

int desk_start_clerk(Warden *warden) {
        const ClerkHandlers handlers = {
                .on_died = on_clerk_died,
                .userdata = warden,
        };

        warden->sent_seq = UINT64_MAX;
        return clerk_link_new(warden->loop, warden->control, warden->config, warden->config_text,
                              warden->config_length, &handlers, &warden->clerk);
}

void desk_send_samples(Warden *warden) {
        ControlSample samples[4 + DISKS_MAX + 5 * SERVICES_MAX];
        const HostFacts *host = &warden->snapshot->host;
        unsigned n = 0;

#define ADD_METRIC(name, metric) \
        if ((metric).is_valid)   \
        samples[n++] = (ControlSample){ name, "", (metric).value }
#define ADD_FACT(name, field)                       \
        if (facts->pid > 0 && facts->field >= 0)    \
                samples[n++] = (ControlSample) {    \
                        name, service, facts->field \
                }

        ADD_METRIC("cpu_permille", host->cpu_permille);
        ADD_METRIC("steal_permille", host->steal_permille);
        ADD_METRIC("memory_permille", host->memory_permille);
        ADD_METRIC("swap_permille", host->swap_permille);
        for (unsigned i = 0; i < warden->config->host.n_disk_paths; i++)
                if (host->disks[i].used_permille.is_valid)
                        samples[n++] = (ControlSample){ "disk_permille",
                                                        warden->config->host.disk_paths[i],
                                                        host->disks[i].used_permille.value };

        for (unsigned i = 0; i < warden->config->n_services; i++) {
                const ServiceFacts *facts = &warden->snapshot->services[i];
                const char *service = warden->config->services[i].name;
                const CheckReading *api = &facts->checks[CHECK_API];

                ADD_FACT("cpu_permille", cpu_permille);
                ADD_FACT("memory_bytes", memory_bytes);
                ADD_FACT("descriptors", descriptors);
                ADD_FACT("connections", connections);
                if (api->is_configured && api->outcome == OUTCOME_OK)
                        samples[n++] = (ControlSample){ "api_latency_usec", service, api->value };
        }
#undef ADD_METRIC
#undef ADD_FACT

        /* Without a clerk there is nobody to keep them: history has a gap then. */
        (void) control_send_samples(warden->control, clock_realtime_usec(), samples, n);
}
