/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

/* Where a service is in its life, whoever runs it. */
typedef enum ServiceState {
        SERVICE_STOPPED, /* not running, and nobody wants it to: clean exit, or stopped by a person */
        SERVICE_STARTING,
        SERVICE_RUNNING,
        SERVICE_STOPPING,
        SERVICE_FAILED, /* died, or could not be started */
        SERVICE_HELD,   /* we gave up for now; only shown, never sensed */
        _SERVICE_STATE_MAX,
} ServiceState;

/* How its main process ended last. */
typedef enum ExitCause {
        EXIT_CAUSE_NONE,    /* it has not ended yet */
        EXIT_CAUSE_CLEAN,   /* exit status 0, or the stop signal we sent */
        EXIT_CAUSE_FAILURE, /* exit status other than 0; value: the status */
        EXIT_CAUSE_SIGNAL,  /* value: the signal */
        EXIT_CAUSE_OOM,     /* killed for memory, by the kernel or by us */
        EXIT_CAUSE_EXEC,    /* it could not be executed; value: the errno */
        EXIT_CAUSE_UNKNOWN, /* it ended while nobody who may know the status was looking */
        _EXIT_CAUSE_MAX,
} ExitCause;

const char *service_state_to_string(ServiceState state);
const char *service_state_to_words(ServiceState state);
const char *exit_cause_to_string(ExitCause cause);

/* "exit status 1", "killed by SIGSEGV", translated. Returns `buffer`. */
#define EXIT_WORDS_SIZE 96
const char *exit_to_words(char buffer[static EXIT_WORDS_SIZE], ExitCause cause, int value);
