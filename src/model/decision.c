/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Decision: the codes of what is wanted, why, and why not.
 *
 * A refusal has a sentence as well as a code, because "no" is what a person asks about: why was it
 * not restarted? The reasons for acting get theirs from whoever tells the event, with its numbers.
 */

#include "model/decision.h"

#include <assert.h>

#include "base/i18n.h"
#include "base/macro.h"

static const char *const actions[] = {
        [ACTION_NONE] = "none",
        [ACTION_START] = "start",
        [ACTION_RESTART] = "restart",
        [ACTION_STOP] = "stop",
};

static const char *const reasons[] = {
        [REASON_NONE] = "none",
        [REASON_CONSECUTIVE_FAILURES] = "consecutive-failures",
        [REASON_CRASH] = "crash",
        [REASON_FIRST_START] = "first-start",
        [REASON_MEMORY_MAX] = "memory-max",
        [REASON_OPERATOR] = "operator",
        [REASON_SLOW_RETRY] = "slow-retry",
};

static const struct {
        const char *code;
        const char *words;
} refusals[] = {
        [REFUSAL_NONE] = { "none", N_("nothing stands against it") },
        [REFUSAL_COOLDOWN] = { "cooldown", N_("cool-down after the last restart") },
        [REFUSAL_BUDGET] = { "budget", N_("the restart budget is spent") },
        [REFUSAL_GRACE] = { "grace", N_("it has only just started") },
        [REFUSAL_PAUSED] = { "paused", N_("it is paused") },
        [REFUSAL_HELD] = { "held", N_("it is held after too many restarts") },
        [REFUSAL_OPERATOR_STOP] = { "operator-stop", N_("a person stopped it") },
        [REFUSAL_HOST_STARVED] = { "host-starved", N_("the machine itself is short of resources") },
        [REFUSAL_OUTSIDE_UNREACHABLE] = { "outside-unreachable",
                                          N_("the outside cannot be reached") },
        [REFUSAL_DISK_FULL] = { "disk-full", N_("the disk is full") },
        [REFUSAL_SYSTEMD_PENDING] = { "systemd-pending", N_("systemd is about to restart it") },
};

static_assert(ELEMENTSOF(actions) == _ACTION_MAX, "a name for each action");
static_assert(ELEMENTSOF(reasons) == _REASON_MAX, "a code for each reason");
static_assert(ELEMENTSOF(refusals) == _REFUSAL_MAX, "a code and words for each refusal");

const char *action_to_string(ActionKind action) {
        assert(action < _ACTION_MAX);
        return actions[action];
}

const char *reason_to_string(ReasonCode reason) {
        assert(reason < _REASON_MAX);
        return reasons[reason];
}

const char *refusal_to_string(RefusalCode refusal) {
        assert(refusal < _REFUSAL_MAX);
        return refusals[refusal].code;
}

const char *refusal_to_words(RefusalCode refusal) {
        assert(refusal < _REFUSAL_MAX);
        return _(refusals[refusal].words);
}
