/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Clock sync: does anyone keep the wall clock right?
 *
 * Exchanges refuse orders whose time stamp is off by seconds, so a bot on a drifting machine fails
 * in ways that look like the network. Every time daemon (chrony, timesyncd, ntpd) tells the kernel
 * that it has the clock in hand; the kernel withdraws the mark by itself after a while of silence.
 * Asking costs one system call and needs no privilege.
 */

#include "sense/clocksync.h"

#include <assert.h>

bool clocksync_judge(int answer, const struct timex *timex) {
        assert(timex);

        /* TIME_ERROR is also returned for troubles of a pulse-per-second source; only the mark of
         * an unsynchronised clock is meant here (adjtimex(2)). */
        return answer >= 0 && (timex->status & STA_UNSYNC) == 0;
}

void clocksync_read(usec_t now_usec, HostFacts *facts) {
        assert(facts);

        struct timex timex = { .modes = 0 };
        int answer = adjtimex(&timex);

        /* Refused by a sandbox: unknown. */
        facts->is_clock_synchronised =
                (Metric){ answer >= 0, now_usec, clocksync_judge(answer, &timex) };
}
