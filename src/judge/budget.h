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
} Budget;
