/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "judge/case.h"

/* What stands against the wanted act now, REFUSAL_NONE when nothing does; `ret_until_usec` is set when it is known how
 * long. REFUSAL_BUDGET means that it is time to hold. Changes nothing. */
RefusalCode policy_weigh(const Case *c, const Intent *wanted, usec_t *ret_until_usec);

/* When a held service is tried again at the earliest. */
usec_t policy_retry_usec(const Case *c);

/* The machine is short of something, and not because of this service. */
bool policy_is_starved(const Case *c);
