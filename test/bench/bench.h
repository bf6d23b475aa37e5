/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A loop that is timed: its processor time, not the time on the wall, which others share. */
typedef struct Bench {
        const char *name;
        pid_t pid;
        uint64_t n_cycles;
        uint64_t left;
        uint64_t user_usec;
        uint64_t system_usec;
} Bench;

/* Reads "PROGRAM PID CYCLES"; false after saying how it is called. */
bool bench_start(Bench *bench, const char *name, int argc, char **argv);

/* True as often as cycles were asked for, and once more beforehand to warm up, which is not timed. */
bool bench_goes_on(Bench *bench);

/* "NAME CYCLES 12.3 us (user 4.5, system 7.8)". */
void bench_report(const Bench *bench);
