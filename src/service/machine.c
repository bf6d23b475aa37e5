/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Machine: the life of a service as a table, state by event.
 *
 *                 start asked            exec ok, adopted
 *      stopped ───────────────▶ starting ───────────────▶ running
 *         ▲                        │ exec failed            │  │ exits
 *         │ all gone               ▼                        │  └────▶ stopped (clean) or failed
 *      stopping ◀── stop asked ── failed ◀──────────────────┘
 *
 * An empty cell means that the event says nothing in that state: a second exit of what is already
 * gone, a deadline that came too late. While it is stopping, the exit of the main process is only
 * noted; the stop is over when *no* process is left, and not before. A restart goes from stopping
 * straight to starting, so that nobody sees a stop that nobody asked for.
 *
 * Held is a judgement about the service, not a part of its life, so it has no row.
 *
 * Pure: no clock, no memory, no process. The unit test walks every cell.
 */

#include "service/machine.h"

#include <assert.h>
#include <signal.h>

#include "base/macro.h"

typedef struct Cell {
        bool is_known;
        bool is_ending; /* the exit is to be remembered */
        bool is_birth;  /* the last exit is to be forgotten */
        ServiceState next;
} Cell;

#define TO(state) \
        { .is_known = true, .next = (state) }
#define ENDS(state) \
        { .is_known = true, .is_ending = true, .next = (state) }
#define BORN(state) \
        { .is_known = true, .is_birth = true, .next = (state) }

static const Cell table[_SERVICE_STATE_MAX][_MACHINE_EVENT_MAX] = {
        [SERVICE_STOPPED] = {
                [MACHINE_START_ASKED] = BORN(SERVICE_STARTING),
                [MACHINE_STOP_ASKED] = TO(SERVICE_STOPPING),
                [MACHINE_ADOPTED] = BORN(SERVICE_RUNNING),
                /* It ran when we last looked, and nobody stopped it since. */
                [MACHINE_VANISHED] = ENDS(SERVICE_FAILED),
        },
        [SERVICE_STARTING] = {
                [MACHINE_EXEC_OK] = BORN(SERVICE_RUNNING),
                [MACHINE_EXEC_FAILED] = ENDS(SERVICE_FAILED),
                [MACHINE_ADOPTED] = BORN(SERVICE_RUNNING),
                /* What the last life left behind does not go away. */
                [MACHINE_STOP_TIMEOUT] = TO(SERVICE_FAILED),
        },
        [SERVICE_RUNNING] = {
                [MACHINE_EXITED_CLEAN] = ENDS(SERVICE_STOPPED),
                [MACHINE_EXITED_FAILURE] = ENDS(SERVICE_FAILED),
                [MACHINE_EXITED_SIGNAL] = ENDS(SERVICE_FAILED),
                [MACHINE_EXITED_OOM] = ENDS(SERVICE_FAILED),
                [MACHINE_VANISHED] = ENDS(SERVICE_FAILED),
                [MACHINE_STOP_ASKED] = TO(SERVICE_STOPPING),
        },
        [SERVICE_STOPPING] = {
                [MACHINE_EXITED_CLEAN] = ENDS(SERVICE_STOPPING),
                [MACHINE_EXITED_FAILURE] = ENDS(SERVICE_STOPPING),
                [MACHINE_EXITED_SIGNAL] = ENDS(SERVICE_STOPPING),
                [MACHINE_EXITED_OOM] = ENDS(SERVICE_STOPPING),
                [MACHINE_VANISHED] = ENDS(SERVICE_STOPPING),
                [MACHINE_ALL_GONE] = TO(SERVICE_STOPPED),
                [MACHINE_ALL_GONE_OOM] = ENDS(SERVICE_FAILED),
                [MACHINE_STOP_TIMEOUT] = TO(SERVICE_FAILED),
                /* The second half of a restart. */
                [MACHINE_START_ASKED] = BORN(SERVICE_STARTING),
        },
        [SERVICE_FAILED] = {
                [MACHINE_START_ASKED] = BORN(SERVICE_STARTING),
                [MACHINE_STOP_ASKED] = TO(SERVICE_STOPPING),
                [MACHINE_ADOPTED] = BORN(SERVICE_RUNNING),
        },
};

static const ExitCause causes[_MACHINE_EVENT_MAX] = {
        [MACHINE_EXEC_FAILED] = EXIT_CAUSE_EXEC,       [MACHINE_EXITED_CLEAN] = EXIT_CAUSE_CLEAN,
        [MACHINE_EXITED_FAILURE] = EXIT_CAUSE_FAILURE, [MACHINE_EXITED_SIGNAL] = EXIT_CAUSE_SIGNAL,
        [MACHINE_EXITED_OOM] = EXIT_CAUSE_OOM,         [MACHINE_VANISHED] = EXIT_CAUSE_UNKNOWN,
        [MACHINE_ALL_GONE_OOM] = EXIT_CAUSE_OOM,
};

static_assert(ELEMENTSOF(table) == _SERVICE_STATE_MAX, "a row for every state");

bool machine_step(Machine *machine, MachineEvent event, int value) {
        assert(machine);
        assert(machine->state < _SERVICE_STATE_MAX);
        assert(event < _MACHINE_EVENT_MAX);

        const Cell *cell = &table[machine->state][event];
        if (!cell->is_known)
                return false;

        machine->state = cell->next;

        if (cell->is_ending) {
                machine->exit_cause = causes[event];
                machine->exit_value = value;
        } else if (cell->is_birth) {
                machine->exit_cause = EXIT_CAUSE_NONE;
                machine->exit_value = 0;
        }

        return true;
}

MachineEvent
machine_event_of_exit(int code, int status, int stop_signal, bool is_oom, int *ret_value) {
        assert(ret_value);

        if (code == CLD_EXITED) {
                bool is_clean = status == 0 || (stop_signal > 0 && status == 128 + stop_signal);

                *ret_value = is_clean ? 0 : status;
                return is_clean ? MACHINE_EXITED_CLEAN : MACHINE_EXITED_FAILURE;
        }

        if (is_oom && status == SIGKILL) {
                *ret_value = status;
                return MACHINE_EXITED_OOM;
        }

        if (stop_signal > 0 && status == stop_signal) {
                *ret_value = 0;
                return MACHINE_EXITED_CLEAN;
        }

        *ret_value = status;
        return MACHINE_EXITED_SIGNAL;
}
