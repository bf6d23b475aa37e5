/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Service state: words for where a service is in its life, and for how it ended last.
 *
 * "Exited with status 1" and "killed by SIGSEGV" send a person to different places, so the ending is
 * told as the kernel told it, with the signal by its name.
 */

#include "model/service_state.h"

#include <assert.h>
#include <signal.h>
#include <string.h>

#include "base/buf.h"
#include "base/i18n.h"
#include "base/macro.h"

static const struct {
        const char *name;
        const char *words;
} states[] = {
        [SERVICE_STOPPED] = { "stopped", N_("stopped") },
        [SERVICE_STARTING] = { "starting", N_("starting") },
        [SERVICE_RUNNING] = { "running", N_("running") },
        [SERVICE_STOPPING] = { "stopping", N_("stopping") },
        [SERVICE_FAILED] = { "failed", N_("failed") },
        [SERVICE_HELD] = { "held", N_("held") },
};

static const char *const exit_causes[] = {
        [EXIT_CAUSE_NONE] = "none",       [EXIT_CAUSE_CLEAN] = "clean",
        [EXIT_CAUSE_FAILURE] = "failure", [EXIT_CAUSE_SIGNAL] = "signal",
        [EXIT_CAUSE_OOM] = "oom",         [EXIT_CAUSE_EXEC] = "exec",
        [EXIT_CAUSE_UNKNOWN] = "unknown",
};

static_assert(ELEMENTSOF(states) == _SERVICE_STATE_MAX, "names for each state");
static_assert(ELEMENTSOF(exit_causes) == _EXIT_CAUSE_MAX, "a name for each way to end");

const char *service_state_to_string(ServiceState state) {
        assert(state < _SERVICE_STATE_MAX);
        return states[state].name;
}

const char *service_state_to_words(ServiceState state) {
        assert(state < _SERVICE_STATE_MAX);
        return _(states[state].words);
}

const char *exit_cause_to_string(ExitCause cause) {
        assert(cause < _EXIT_CAUSE_MAX);
        return exit_causes[cause];
}

static void put_signal(Buf *buf, int value) {
        const char *name = sigabbrev_np(value);

        if (name)
                buf_printf(buf, _("killed by SIG%s"), name);
        else
                buf_printf(buf, _("killed by signal %d"), value);
}

const char *exit_to_words(char buffer[static EXIT_WORDS_SIZE], ExitCause cause, int value) {
        Buf buf;

        assert(cause < _EXIT_CAUSE_MAX);
        buf_init(&buf, buffer, EXIT_WORDS_SIZE);

        switch (cause) {
        case EXIT_CAUSE_NONE:
                buf_put(&buf, _("has not ended yet"));
                break;
        case EXIT_CAUSE_CLEAN:
                buf_put(&buf, _("ended cleanly"));
                break;
        case EXIT_CAUSE_FAILURE:
                buf_printf(&buf, _("exit status %d"), value);
                break;
        case EXIT_CAUSE_SIGNAL:
                put_signal(&buf, value);
                break;
        case EXIT_CAUSE_OOM:
                buf_put(&buf, _("killed for want of memory"));
                break;
        case EXIT_CAUSE_EXEC:
                buf_printf(&buf, _("could not be executed: %s"), strerror(value));
                break;
        case EXIT_CAUSE_UNKNOWN:
                buf_put(&buf, _("ended while nobody was looking"));
                break;
        case _EXIT_CAUSE_MAX:
                break;
        }

        return buffer;
}
