/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "base/time.h"

/* The only file that reads a clock. Time since boot, suspend included (CLOCK_BOOTTIME, clock_gettime(2)). */
usec_t clock_boottime_usec(void);

/* Wall clock, for people and for log lines only; it may step either way. */
usec_t clock_realtime_usec(void);

/* CPU time this process has used, user and system. */
usec_t clock_process_cpu_usec(void);

#define BOOT_ID_SIZE 37

/* The kernel's boot id (random(4), /proc/sys/kernel/random/boot_id) as text. Negative errno when it cannot be read. */
int clock_boot_id(char ret_id[static BOOT_ID_SIZE]);
