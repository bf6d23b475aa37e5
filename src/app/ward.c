/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Ward: one service in our care, and what is under way for it.
 *
 * A pending act is begun when its record is on disk, ends when the service says so, and is told by the
 * judge. When the watch itself ended in between, the next one finds the act in the checkpoint: done by
 * now, or still to be done; either way it was charged once.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/watch.h"
#include "base/i18n.h"
#include "base/log.h"

void ward_refresh(Warden *warden, unsigned index) {
        ServiceFacts *facts = &warden->snapshot->services[index];
        uint64_t incarnation = facts->incarnation;
        pid_t pid = facts->pid;

        service_facts(warden->wards[index].service, facts);
        /* What is not begun when the watch ends is the next one's, and nothing to wait for. */
        facts->is_busy |= warden->pending[index].action != ACTION_NONE && !warden->is_stopping;
        if (facts->incarnation != incarnation || facts->pid != pid)
                gather_forget(warden->gather, warden->snapshot, index);
}

static void
ward_finish_act(Ward *ward, ActionKind action, bool is_done, const char *why, usec_t took_usec) {
        Warden *warden = ward->warden;

        warden->pending[ward->index] = (PendingAct){ 0 };
        ward->is_begun = false;
        ward_refresh(warden, ward->index);
        judge_outcome(warden->judge, warden->config, ward->index, action, is_done, why, took_usec,
                      warden_now(warden), warden->decision);
        record_apply(warden);
        if (warden->decision->n_events == 0)
                (void) record_save(warden);
}

void ward_begin_act(Ward *ward) {
        const PendingAct *pending = &ward->warden->pending[ward->index];
        int r = -EINVAL;

        if (ward->warden->is_stopping)
                return;

        ward->is_begun = true;
        switch (pending->action) {
        case ACTION_NONE:
        case _ACTION_MAX:
                break;
        case ACTION_START:
                r = service_begin_start(ward->service);
                break;
        case ACTION_RESTART:
                r = service_begin_restart(ward->service);
                break;
        case ACTION_STOP:
                r = service_begin_stop(ward->service, pending->reason == REASON_OPERATOR
                                                              ? STOP_WHY_OPERATOR
                                                              : STOP_WHY_MEMORY);
                break;
        }

        if (r < 0)
                ward_finish_act(ward, pending->action, /* is_done= */ false, strerror(-r), 0);
}

/* Acts that were decided and not finished when the last watch ended. */
void ward_resume_acts(Warden *warden) {
        for (unsigned i = 0; i < warden->config->n_services; i++) {
                PendingAct *pending = &warden->pending[i];
                Ward *ward = &warden->wards[i];

                if (pending->action == ACTION_NONE)
                        continue;
                service_facts(ward->service, &warden->snapshot->services[i]);

                const ServiceFacts *facts = &warden->snapshot->services[i];
                bool is_running = facts->pid > 0;
                /* A new number says that it was started, even if it is dead again by now: that is another death, with
                 * another place in the budget. */
                bool was_started = facts->incarnation > pending->incarnation;
                bool is_done = pending->action == ACTION_STOP    ? !is_running
                               : pending->action == ACTION_START ? is_running || was_started
                                                                 : was_started;

                log_notice(
                        is_done ? _("%s: what was being done when the last watch ended is done")
                                : _("%s: going on with what was being done when the last watch ended"),
                        warden->config->services[i].name);
                if (is_done)
                        ward_finish_act(ward, pending->action, /* is_done= */ true, "", 0);
                else
                        ward_begin_act(ward);
        }
}

/* An embedded service ends with a watch that is ended from a terminal. */
void ward_stop_for_exit(Ward *ward) {
        const ServiceConfig *config = &ward->warden->config->services[ward->index];

        ward_refresh(ward->warden, ward->index);
        if (config->n_words == 0 || ward->warden->snapshot->services[ward->index].pid == 0)
                return;

        log_notice(_("stopping %s"), config->name);
        (void) service_begin_stop(ward->service,
                                  STOP_WHY_RESTART); /* -EALREADY: again when that act is done */
}

static void on_service_changed(Service *service, void *userdata) {
        Ward *ward = userdata;

        (void) service;
        warden_step(ward->warden);
        warden_maybe_exit(ward->warden);
}

static void on_service_done(Service *service,
                            ActionKind action,
                            bool is_done,
                            const char *why,
                            usec_t took_usec,
                            void *userdata) {
        Ward *ward = userdata;

        (void) service;
        if (ward->warden->is_stopping)
                ward_stop_for_exit(ward);
        else
                ward_finish_act(ward, action, is_done, why, took_usec);
        warden_step(ward->warden);
        warden_maybe_exit(ward->warden);
}

int ward_open_all(Warden *warden, const Config *old_config, Ward *old_wards) {
        const Config *config = warden->config;

        for (unsigned i = 0; i < config->n_services; i++) {
                Ward *ward = &warden->wards[i];
                int old = old_config ? config_find_service(old_config, config->services[i].name)
                                     : -ENOENT;
                const ServiceHandlers handlers = {
                        .on_change = on_service_changed,
                        .on_done = on_service_done,
                        .userdata = ward,
                };

                *ward = (Ward){ .warden = warden, .index = i };
                /* The handle is made anew and takes the running process over, exactly as after our own restart. */
                if (old >= 0)
                        old_wards[old].service = service_free(old_wards[old].service);

                int r = service_new(&config->services[i], config, warden->loop, &handlers,
                                    &ward->service);
                if (r < 0)
                        return log_errno(LOG_LEVEL_ERROR, r, _("cannot guard %s"),
                                         config->services[i].name);

                service_set_clock_offset(ward->service, warden->clock.offset_usec);
                service_set_incarnation(ward->service, warden->judge->services[i].incarnation);
        }

        return 0;
}
