/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Clock: the one place where time enters the program.
 *
 * Policy runs on time since boot, which neither steps nor stops while the machine sleeps; the wall
 * clock is for people and for the dates inside other programs' log lines. Everything else is told
 * the time as an argument, and tidy refuses a clock read anywhere but here.
 */

#include "base/clock.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/text.h"

static usec_t clock_read(clockid_t clock) {
        struct timespec ts;

        int r = clock_gettime(clock, &ts);
        assert(r == 0);

        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

usec_t clock_boottime_usec(void) {
        return clock_read(CLOCK_BOOTTIME);
}

usec_t clock_realtime_usec(void) {
        return clock_read(CLOCK_REALTIME);
}

usec_t clock_process_cpu_usec(void) {
        return clock_read(CLOCK_PROCESS_CPUTIME_ID);
}

int clock_boot_id(char ret_id[static BOOT_ID_SIZE]) {
        char text[64];
        size_t length;

        int r = file_read("/proc/sys/kernel/random/boot_id", text, sizeof(text), &length);
        if (r < 0)
                return r;

        text[strcspn(text, "\n")] = '\0';
        (void) text_copy(ret_id, BOOT_ID_SIZE, text); /* ids have one length */
        return 0;
}
