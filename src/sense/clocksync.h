/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <sys/timex.h>

#include "base/time.h"
#include "model/snapshot.h"

/* Whether an answer of adjtimex(2) means that something keeps the wall clock right. Pure. */
bool clocksync_judge(int answer, const struct timex *timex);

/* Fills `is_clock_synchronised`. */
void clocksync_read(usec_t now_usec, HostFacts *facts);
