/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Clockwork: a clock for decisions that neither steps nor starts anew.
 *
 *     policy time = time since boot + offset
 *
 * Within one boot the offset never changes, so a stepped wall clock changes nothing. Across a reboot
 * the time since boot falls back to zero; then, and only then, the wall clock is asked how long the
 * machine was away, and its answer is not trusted further than it makes sense. A budget half spent
 * before a reboot is therefore still half spent after it.
 */

#include "app/clockwork.h"

#include <assert.h>
#include <string.h>

#include "base/macro.h"
#include "base/text.h"

void clockwork_init(Clockwork *clock, const char *boot_id) {
        assert(clock);
        assert(boot_id);

        *clock = (Clockwork){ .offset_usec = USEC_PER_DAY };
        (void) text_copy(clock->boot_id, sizeof(clock->boot_id), boot_id); /* ids have one length */
}

void clockwork_resume(Clockwork *clock,
                      const char *saved_boot_id,
                      usec_t saved_offset_usec,
                      usec_t saved_now_usec,
                      usec_t saved_realtime_usec,
                      usec_t boottime_usec,
                      usec_t realtime_usec) {
        assert(clock);

        if (clock->boot_id[0] != '\0' && strcmp(clock->boot_id, saved_boot_id) == 0) {
                clock->offset_usec = saved_offset_usec;
                return;
        }

        usec_t away_usec = MIN(usec_sub(realtime_usec, saved_realtime_usec), 30 * USEC_PER_DAY);

        clock->offset_usec = usec_sub(usec_add(saved_now_usec, away_usec), boottime_usec);
}

usec_t clockwork_now(const Clockwork *clock) {
        return usec_add(clock_boottime_usec(), clock->offset_usec);
}
