/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>

#include <systemd/sd-event.h>

#include "app/eventlog.h"
#include "io/bus.h"
#include "judge/judge.h"
#include "model/check.h"
#include "model/event.h"

enum {
        CONTROL_CONNECTIONS_MAX =
                32, /* the clerk has a place of its own; one more is closed at once */
        CONTROL_STRANGERS_MAX = 24,                   /* of these, by those who may only look */
        CONTROL_BEHIND_MAX = 2 * DECISION_EVENTS_MAX, /* messages a listener has not read yet */
        CONTROL_UNREAD_MAX = 4, /* beyond so many, no large answers are added */
        CONTROL_ANSWER_SIZE = 512,
        CONTROL_EVENTS_MAX = 512, /* per GetEvents */
};

/* How a request ended. */
typedef enum ControlOutcome {
        CONTROL_DONE,
        CONTROL_NO_SUCH_SERVICE,
        CONTROL_REFUSED,
        CONTROL_BUSY,
        CONTROL_FAILED,
        _CONTROL_OUTCOME_MAX,
} ControlOutcome;

/* What the interface stands for; everything is called on the loop. `ret_answer` is a sentence for the caller. */
typedef struct ControlHandlers {
        int (*get_status)(void *userdata, char **ret_json);
        unsigned (*list_events)(
                void *userdata, uint64_t since_seq, unsigned most, EventShow show, void *show_data);
        ControlOutcome (*command)(void *userdata,
                                  const BusPeer *by,
                                  const char *service,
                                  CommandKind command,
                                  usec_t for_usec,
                                  char ret_answer[static CONTROL_ANSWER_SIZE]);
        ControlOutcome (*reload)(void *userdata, char ret_answer[static CONTROL_ANSWER_SIZE]);

        /* From the clerk only. */
        void (*on_hello)(void *userdata, uint64_t last_seq);
        void (*on_acknowledge)(void *userdata, uint64_t seq);
        void (*on_reading)(void *userdata,
                           const char *service,
                           CheckKind kind,
                           const CheckReading *reading);
        void (*on_outside)(void *userdata, bool is_reachable);
        void (*on_history)(void *userdata, bool is_writable, const char *why);
        void (*on_alive)(void *userdata);
        void *userdata;
} ControlHandlers;

/* The private socket: the one interface that the tool and the clerk speak to the warden. */
typedef struct Control Control;

/* Listens at `path`. The instance lock must be held. Negative errno. */
int control_new(sd_event *loop,
                const char *path,
                const ControlHandlers *handlers,
                Control **ret_control);
Control *control_free(Control *control);

/* Serves the clerk on its inherited socket (taken, also on failure), in place of an earlier one. */
int control_set_clerk_take(Control *control, int socket_fd);

/* Shows an event to everyone who is connected, the clerk excepted. */
void control_show_event(Control *control, const Event *event);

/* Sends the clerk an event, or a set of samples. -ENOTCONN when there is none. */
int control_send_event(Control *control, const Event *event);

typedef struct ControlSample {
        const char *metric;
        const char *service;
        int64_t value;
} ControlSample;

int control_send_samples(Control *control,
                         usec_t realtime_usec,
                         const ControlSample *samples,
                         unsigned n_samples);
