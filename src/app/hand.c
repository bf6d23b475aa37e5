/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Hand: what a person asks for, and what they are shown.
 *
 * A command goes the same way as a decision of our own: judged, recorded, then done. The answer is the
 * first event it made, which is also what everybody else will read about it.
 */

#include <stdio.h>

#include "app/watch.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/log.h"

StatusView hand_view(Warden *warden) {
        return (StatusView){
                .config = warden->config,
                .snapshot = warden->snapshot,
                .judge = warden->judge,
                .now_usec = warden_now(warden),
                .realtime_usec = clock_realtime_usec(),
                .clerk_pid = clerk_link_peek_pid(warden->clerk),
                .uptime_usec = clock_boottime_usec() - warden->started_usec,
                .own_memory_bytes = gather_own_memory_bytes(warden->gather),
                .trouble = warden->is_checkpoint_failing ? _("the state cannot be written to disk")
                           : warden->is_history_failing  ? _("history cannot be written")
                                                         : "",
        };
}

int hand_get_status(void *userdata, char **ret_json) {
        Warden *warden = userdata;

        for (unsigned i = 0; i < warden->config->n_services; i++)
                ward_refresh(warden, i);

        StatusView view = hand_view(warden);
        return status_render_json(&view, ret_json);
}

unsigned hand_list_events(
        void *userdata, uint64_t since_seq, unsigned most, EventShow show, void *show_data) {
        const Warden *warden = userdata;

        return eventlog_list(warden->events, since_seq, most, show, show_data);
}

static ControlOutcome command_one(Warden *warden,
                                  unsigned index,
                                  CommandKind command,
                                  usec_t for_usec,
                                  char ret_answer[static CONTROL_ANSWER_SIZE]) {
        const char *name = warden->config->services[index].name;
        usec_t now_usec = warden_now(warden);
        bool is_act =
                command == COMMAND_START || command == COMMAND_STOP || command == COMMAND_RESTART;
        Buf answer;

        buf_init(&answer, ret_answer, CONTROL_ANSWER_SIZE);
        ward_refresh(warden, index);
        const ServiceFacts *facts = &warden->snapshot->services[index];

        if (is_act && facts->is_busy) {
                buf_printf(&answer,
                           _("%s: something is being done to it already; try again in a moment"),
                           name);
                return CONTROL_BUSY;
        }
        if (command == COMMAND_START && facts->pid > 0) {
                buf_printf(&answer, _("%s is running already (pid %d)"), name, (int) facts->pid);
                return CONTROL_DONE;
        }

        judge_command(warden->judge, warden->config, warden->snapshot, index, command,
                      for_usec == USEC_INFINITY || for_usec == 0 ? USEC_INFINITY
                                                                 : usec_add(now_usec, for_usec),
                      now_usec, warden->decision);

        if (warden->decision->n_events > 0)
                buf_put(&answer, warden->decision->events[0].text);
        else
                buf_printf(&answer, _("%s: nothing to do"), name);
        record_apply(warden);
        return CONTROL_DONE;
}

ControlOutcome hand_command(void *userdata,
                            const BusPeer *by,
                            const char *service,
                            CommandKind command,
                            usec_t for_usec,
                            char ret_answer[static CONTROL_ANSWER_SIZE]) {
        Warden *warden = userdata;

        log_info(_("asked by uid %u (pid %d): %s %s"), (unsigned) by->uid, (int) by->pid,
                 command == COMMAND_PAUSE     ? "pause"
                 : command == COMMAND_RESUME  ? "resume"
                 : command == COMMAND_START   ? "start"
                 : command == COMMAND_STOP    ? "stop"
                 : command == COMMAND_RESTART ? "restart"
                 : command == COMMAND_RELEASE ? "release"
                                              : "ack",
                 service);

        if (service[0] != '\0') {
                int index = config_find_service(warden->config, service);

                if (index >= 0)
                        return command_one(warden, (unsigned) index, command, for_usec, ret_answer);
                (void) snprintf(ret_answer, CONTROL_ANSWER_SIZE,
                                _("there is no service called %s; albraguard status lists them"),
                                service);
                return CONTROL_NO_SUCH_SERVICE;
        }

        ControlOutcome outcome = CONTROL_DONE;
        for (unsigned i = 0; i < warden->config->n_services && outcome == CONTROL_DONE; i++)
                outcome = command_one(warden, i, command, for_usec, ret_answer);

        return outcome;
}
