/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "base/clock.h"
#include "base/time.h"

/* The policy clock: time since boot plus an offset that carries it over restarts and reboots, so that "three restarts
 * an hour" means the same hour before and after one. */
typedef struct Clockwork {
        usec_t offset_usec;
        char boot_id[BOOT_ID_SIZE];
} Clockwork;

/* A clock that has never run. It starts at one day, so that zero can mean "never" and no window reaches below it. */
void clockwork_init(Clockwork *clock, const char *boot_id);

/* Goes on where a checkpoint left off: the same offset within one boot; after a reboot from the moment saved plus the
 * wall clock's difference, taken as zero if that clock went back and as 30 days at the most. Pure. */
void clockwork_resume(Clockwork *clock,
                      const char *saved_boot_id,
                      usec_t saved_offset_usec,
                      usec_t saved_now_usec,
                      usec_t saved_realtime_usec,
                      usec_t boottime_usec,
                      usec_t realtime_usec);

/* Policy time now. */
usec_t clockwork_now(const Clockwork *clock);
