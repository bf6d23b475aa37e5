/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>

#include "base/time.h"
#include "model/config.h"
#include "model/limits.h"

/* The ledger: when the service was restarted, by whomever, newest last, and when it was started at all. */
typedef struct Budget {
        unsigned n_restarts;
        usec_t restarts_usec[LEDGER_MAX];
        unsigned n_starts;
        usec_t starts_usec[LEDGER_MAX]; /* every start, for the start limit */
        unsigned
                n_unhealthy; /* restarts in a row after which it did not stay healthy: grows the cool-down */
        bool is_unproven; /* it has not been healthy for a while since the last restart */
} Budget;

/* Restarts within the last `per_usec`. */
unsigned budget_used(const Budget *budget, usec_t per_usec, usec_t now_usec);

/* From when on one more restart (or start) stays within `limit` of them in any window of `per_usec`; zero for at once,
 * USEC_INFINITY for never. */
usec_t budget_free_usec(const Budget *budget, unsigned limit, usec_t per_usec);
usec_t budget_start_free_usec(const Budget *budget, unsigned limit, usec_t per_usec);

/* When the cool-down after the last restart is over; zero when there was none. It doubles with each restart that did not
 * help, up to half an hour. */
usec_t budget_cooldown_end_usec(const Budget *budget, usec_t cooldown_usec);

void budget_charge_restart(Budget *budget, usec_t at_usec);
void budget_charge_start(Budget *budget, usec_t at_usec);

/* It was healthy for a while: the cool-down is short again. What was spent stays spent. */
void budget_prove(Budget *budget);

/* A person forgives everything. */
void budget_forgive(Budget *budget);
