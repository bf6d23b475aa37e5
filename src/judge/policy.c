/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Policy: everything that speaks against an act, asked in order.
 *
 * First whoever has the say (a person's pause, systemd), then the evidence that it is not the
 * service's fault (full disk, starved machine, unreachable outside), then patience (grace, hold,
 * budget, cool-down). The first that objects gives the code, so the order is the order in which a
 * person would want to hear it: "it is paused" before "the cool-down lasts 3 more minutes".
 *
 * The evidence is used where it explains something. A machine without processor time explains a slow
 * answer and an old heartbeat; it does not explain a dead process or a refused connection. A dead
 * exchange explains data that does not move. Evidence that is old or missing objects to nothing.
 */

#include "judge/policy.h"

#include <assert.h>

#include "base/macro.h"
#include "judge/look.h"

/* Half of the last ten seconds and more spent waiting for a processor: on two processors that is a run queue of more
 * than twice what they serve, and a healthy answer takes seconds. */
static const int64_t STARVED_PSI_PERMILLE = 600;

/* A burstable machine out of credits shows 50 % and more; noisy neighbours a few per cent. */
static const int64_t STARVED_STEAL_PERMILLE = 200;

/* Less than a log line burst and a state file: whatever starts now fails on its first write. */
static const int64_t DISK_FULL_BYTES = 16 << 20;
static const int64_t DISK_FULL_INODES_PERMILLE = 995;

/* Held, one attempt per half hour, then per hour: often enough to come back by itself after an outage. */
static const usec_t RETRY_FIRST_USEC = 30 * USEC_PER_MINUTE;
static const usec_t RETRY_MOST_USEC = 60 * USEC_PER_MINUTE;

static bool is_known(const Case *c, const Metric *metric) {
        return metric->is_valid &&
               usec_sub(c->now_usec, metric->at_usec) <= look_stale_usec(&c->config->watch, 0);
}

static bool is_at_least(const Case *c, const Metric *metric, int64_t edge) {
        return edge > 0 && is_known(c, metric) && metric->value >= edge;
}

/* Half of the busy time is its own: then a restart is no injustice. Not knowing its share counts for it, except where
 * the busy time is all the evidence there is. */
static bool takes_most_cpu(const Case *c, bool is_when_unknown) {
        int64_t own_permille = c->facts->cpu_permille;

        if (own_permille < 0 || !is_known(c, &c->host->cpu_permille))
                return is_when_unknown;

        return own_permille > 0 && own_permille * 2 >= c->host->cpu_permille.value;
}

static bool takes_most_memory(const Case *c) {
        const HostFacts *host = c->host;

        if (c->facts->memory_bytes <= 0 || !is_known(c, &host->memory_permille) ||
            !is_known(c, &host->memory_total_bytes))
                return false;

        /* Divided first: bytes times a thousand are still far from the end of the type, but need not be tried. */
        int64_t used_bytes = host->memory_total_bytes.value / 1000 * host->memory_permille.value;

        return c->facts->memory_bytes * 2 >= used_bytes;
}

bool policy_is_starved(const Case *c) {
        const HostFacts *host = c->host;

        if ((is_at_least(c, &host->psi_cpu_permille, STARVED_PSI_PERMILLE) ||
             is_at_least(c, &host->steal_permille, STARVED_STEAL_PERMILLE)) &&
            !takes_most_cpu(c, /* is_when_unknown= */ false))
                return true;

        if (is_at_least(c, &host->cpu_permille, c->config->host.cpu.critical) &&
            !takes_most_cpu(c, /* is_when_unknown= */ true))
                return true;

        if (is_at_least(c, &host->psi_memory_permille, STARVED_PSI_PERMILLE) &&
            !takes_most_memory(c))
                return true;

        return is_at_least(c, &host->psi_io_permille, STARVED_PSI_PERMILLE);
}

static bool is_disk_full(const Case *c) {
        const HostFacts *host = c->host;

        if (is_known(c, &host->root_free_bytes) && host->root_free_bytes.value < DISK_FULL_BYTES)
                return true;

        for (unsigned i = 0; i < c->config->host.n_disk_paths; i++)
                if (is_at_least(c, &host->disks[i].inodes_permille, DISK_FULL_INODES_PERMILLE))
                        return true;

        return false;
}

static bool is_outside_gone(const Case *c) {
        const Metric *outside = &c->host->is_outside_reachable;

        return is_known(c, outside) && outside->value == 0;
}

/* Slowness, which a machine out of breath explains. */
static bool is_slow_cause(Cause cause) {
        return cause == CAUSE_TIMEOUT || cause == CAUSE_STALE_BODY || cause == CAUSE_HEARTBEAT_OLD;
}

/* Work that does not get done, which an unreachable outside explains. */
static bool is_idle_cause(Cause cause) {
        return cause == CAUSE_STALE_BODY || cause == CAUSE_HEARTBEAT_OLD;
}

static RefusalCode weigh_evidence(const Case *c, const Intent *wanted) {
        Cause cause = c->facts->checks[wanted->check].cause;

        if (is_disk_full(c))
                return REFUSAL_DISK_FULL;

        if (wanted->action != ACTION_RESTART)
                return REFUSAL_NONE;

        if (is_idle_cause(cause) && is_outside_gone(c))
                return REFUSAL_OUTSIDE_UNREACHABLE;

        if (is_slow_cause(cause) && policy_is_starved(c))
                return REFUSAL_HOST_STARVED;

        return REFUSAL_NONE;
}

/* Until when a start has to wait for the start limit; zero when it need not. It is hit when the delay after the death
 * does not lead out of it; then it is not enough that its window passes. Clearing it is one more restart that may not
 * help, so it has to cool down as well. */
static usec_t start_limit_end_usec(const Case *c) {
        const ServiceJudgement *j = c->judgement;
        const ServiceConfig *service = c->service;
        usec_t cooldown_usec = c->config->watch.cooldown_usec;
        usec_t down_usec = MAX(j->died_usec, j->act_usec);
        usec_t free_usec = 0;

        if (service->start_limit > 0)
                free_usec = budget_start_free_usec(&j->budget, service->start_limit,
                                                   service->start_limit_per_usec);

        if (free_usec <= usec_add(down_usec, service->restart_delay_usec) &&
            !c->facts->is_start_limited)
                return 0;

        usec_t cool_usec = MAX(budget_cooldown_end_usec(&j->budget, cooldown_usec),
                               usec_add(j->died_usec, cooldown_usec));

        return MAX(free_usec, cool_usec);
}

static RefusalCode weigh_patience(const Case *c, const Intent *wanted, usec_t *ret_until_usec) {
        const ServiceJudgement *j = c->judgement;
        const WatchConfig *watch = &c->config->watch;

        if (wanted->action == ACTION_RESTART && case_is_in_grace(c)) {
                *ret_until_usec = usec_add(c->facts->started_usec, watch->grace_usec);
                return REFUSAL_GRACE;
        }

        usec_t free_usec = budget_free_usec(&j->budget, watch->max_restarts, watch->per_usec);

        if (j->is_held) {
                *ret_until_usec = MAX(j->retry_usec, free_usec);
                return c->now_usec < *ret_until_usec ? REFUSAL_HELD : REFUSAL_NONE;
        }

        /* Nothing went wrong yet: whoever begins the watch anew wants the service, however often they do. */
        if (wanted->reason == REASON_FIRST_START)
                return REFUSAL_NONE;

        if (c->now_usec < free_usec)
                return REFUSAL_BUDGET;

        *ret_until_usec = wanted->action == ACTION_RESTART
                                  ? budget_cooldown_end_usec(&j->budget, watch->cooldown_usec)
                                  : start_limit_end_usec(c);

        return c->now_usec < *ret_until_usec ? REFUSAL_COOLDOWN : REFUSAL_NONE;
}

RefusalCode policy_weigh(const Case *c, const Intent *wanted, usec_t *ret_until_usec) {
        assert(c);
        assert(wanted);

        if (wanted->reason == REASON_OPERATOR)
                return REFUSAL_NONE;

        if (case_is_paused(c)) {
                *ret_until_usec = c->judgement->paused_until_usec;
                return REFUSAL_PAUSED;
        }

        /* A ceiling is a wall, not a symptom: the kernel would not ask either. */
        if (wanted->action == ACTION_STOP)
                return REFUSAL_NONE;

        if (c->facts->is_backend_restarting)
                return REFUSAL_SYSTEMD_PENDING;

        RefusalCode refusal = weigh_evidence(c, wanted);

        return refusal != REFUSAL_NONE ? refusal : weigh_patience(c, wanted, ret_until_usec);
}

usec_t policy_retry_usec(const Case *c) {
        const ServiceJudgement *j = c->judgement;
        const WatchConfig *watch = &c->config->watch;
        usec_t wait_usec = j->n_retries == 0 ? RETRY_FIRST_USEC : RETRY_MOST_USEC;
        usec_t free_usec = budget_free_usec(&j->budget, watch->max_restarts, watch->per_usec);

        return MAX(free_usec, usec_add(c->now_usec, wait_usec));
}
