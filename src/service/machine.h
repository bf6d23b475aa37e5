/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>

#include "model/service_state.h"

typedef enum MachineEvent {
        MACHINE_START_ASKED,
        MACHINE_EXEC_OK,
        MACHINE_EXEC_FAILED, /* value: the errno */
        MACHINE_EXITED_CLEAN,
        MACHINE_EXITED_FAILURE, /* value: the exit status */
        MACHINE_EXITED_SIGNAL,  /* value: the signal */
        MACHINE_EXITED_OOM,     /* value: the signal */
        MACHINE_VANISHED,       /* it ended, and how cannot be known */
        MACHINE_STOP_ASKED,
        MACHINE_ALL_GONE,     /* no process of the service is left */
        MACHINE_ALL_GONE_OOM, /* the same, after a stop for memory */
        MACHINE_STOP_TIMEOUT, /* force did not help either: we gave up */
        MACHINE_ADOPTED,      /* it turned out to be running */
        _MACHINE_EVENT_MAX,
} MachineEvent;

/* Life of one service. All zero: stopped, and nothing known. */
typedef struct Machine {
        ServiceState state;
        ExitCause exit_cause;
        int exit_value;
} Machine;

/* Moves on. False, and nothing changed, when the event means nothing in this state. Pure. */
bool machine_step(Machine *machine, MachineEvent event, int value);

/* What an exit as told by waitid(2) means. `stop_signal` is the one we sent, 0 when we sent none: an exit by it, or with
 * the status a shell gives for it (128 + signal), is clean. Pure. */
MachineEvent
machine_event_of_exit(int code, int status, int stop_signal, bool is_oom, int *ret_value);
