/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Budget: how often a service was restarted, and when it may be again.
 *
 * Two limits, one ledger. The budget (so many restarts per hour) counts every restart by whomever:
 * the service does not care who took it down. The start limit (so many starts in ten minutes, the
 * first one included) is the one systemd keeps for its units, kept here for those it does not run.
 *
 * Both are sliding windows over exact times, not counters that are emptied on the hour: "three per
 * hour" is true of every hour there is, also of the one around midnight. A restart at t is counted
 * while now - t < per.
 *
 * The cool-down is for restarts that do not help. Each one in a row doubles it, because a service
 * that was not cured by the last two restarts will hardly be cured by the next.
 */

#include "judge/budget.h"

#include <assert.h>
#include <string.h>

#include "base/macro.h"

/* Half an hour: longer, and a fault that has gone away by itself would be waited out in vain. */
static const usec_t COOLDOWN_MAX_USEC = 30 * USEC_PER_MINUTE;

/* Keeps the times in order, newest last, and drops the oldest of a full table: it is the one that leaves every window
 * first, and a limit above LEDGER_MAX is taken as LEDGER_MAX. */
static void charge(usec_t times[static LEDGER_MAX], unsigned *n, usec_t at_usec) {
        if (*n == LEDGER_MAX) {
                memmove(times, times + 1, (LEDGER_MAX - 1) * sizeof(*times));
                (*n)--;
        }

        unsigned i = *n;

        for (; i > 0 && times[i - 1] > at_usec; i--)
                times[i] = times[i - 1];

        times[i] = at_usec;
        (*n)++;
}

static usec_t
free_usec(const usec_t times[static LEDGER_MAX], unsigned n, unsigned limit, usec_t per_usec) {
        limit = MIN(limit, (unsigned) LEDGER_MAX);

        if (limit == 0)
                return USEC_INFINITY;
        if (n < limit)
                return 0;

        return usec_add(times[n - limit], per_usec);
}

unsigned budget_used(const Budget *budget, usec_t per_usec, usec_t now_usec) {
        assert(budget);

        unsigned used = 0;

        for (unsigned i = 0; i < budget->n_restarts; i++)
                if (usec_add(budget->restarts_usec[i], per_usec) > now_usec)
                        used++;

        return used;
}

usec_t budget_free_usec(const Budget *budget, unsigned limit, usec_t per_usec) {
        assert(budget);
        return free_usec(budget->restarts_usec, budget->n_restarts, limit, per_usec);
}

usec_t budget_start_free_usec(const Budget *budget, unsigned limit, usec_t per_usec) {
        assert(budget);
        return free_usec(budget->starts_usec, budget->n_starts, limit, per_usec);
}

usec_t budget_cooldown_end_usec(const Budget *budget, usec_t cooldown_usec) {
        assert(budget);

        if (budget->n_restarts == 0)
                return 0;

        usec_t most = MAX(cooldown_usec, COOLDOWN_MAX_USEC);
        usec_t length = cooldown_usec;

        for (unsigned i = 0; i < budget->n_unhealthy && length < most; i++)
                length = usec_add(length, length);

        return usec_add(budget->restarts_usec[budget->n_restarts - 1], MIN(length, most));
}

void budget_charge_restart(Budget *budget, usec_t at_usec) {
        assert(budget);

        if (budget->is_unproven)
                budget->n_unhealthy++;

        budget->is_unproven = true;
        charge(budget->restarts_usec, &budget->n_restarts, at_usec);
}

void budget_charge_start(Budget *budget, usec_t at_usec) {
        assert(budget);
        charge(budget->starts_usec, &budget->n_starts, at_usec);
}

void budget_prove(Budget *budget) {
        assert(budget);

        budget->n_unhealthy = 0;
        budget->is_unproven = false;
}

void budget_forgive(Budget *budget) {
        assert(budget);
        *budget = (Budget){ 0 };
}
