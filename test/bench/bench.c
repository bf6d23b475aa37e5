/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bench: the timed loop that the programs here share.
 *
 * Processor time is taken from getrusage(2) at both ends, so that what the loop costs itself is one
 * comparison. The first turn is not counted: it fills caches and opens what is kept open.
 */

#include "bench.h"

#include <stdio.h>
#include <sys/resource.h>

#include "base/text.h"

static void used(uint64_t *ret_user_usec, uint64_t *ret_system_usec) {
        struct rusage usage;

        (void) getrusage(RUSAGE_SELF, &usage); /* cannot fail for ourselves */
        *ret_user_usec =
                (uint64_t) usage.ru_utime.tv_sec * 1000000 + (uint64_t) usage.ru_utime.tv_usec;
        *ret_system_usec =
                (uint64_t) usage.ru_stime.tv_sec * 1000000 + (uint64_t) usage.ru_stime.tv_usec;
}

bool bench_start(Bench *bench, const char *name, int argc, char **argv) {
        uint64_t pid;

        if (argc != 3 || text_parse_u64(argv[1], &pid) < 0 || pid == 0 || pid > INT32_MAX ||
            text_parse_u64(argv[2], &bench->n_cycles) < 0 || bench->n_cycles == 0) {
                (void) fprintf(stderr, "usage: %s PID CYCLES\n", name);
                return false;
        }

        bench->name = name;
        bench->pid = (pid_t) pid;
        bench->left = bench->n_cycles + 1;
        return true;
}

bool bench_goes_on(Bench *bench) {
        if (bench->left == bench->n_cycles)
                used(&bench->user_usec, &bench->system_usec);

        return bench->left-- > 0;
}

void bench_report(const Bench *bench) {
        uint64_t user_usec;
        uint64_t system_usec;

        used(&user_usec, &system_usec);
        user_usec -= bench->user_usec;
        system_usec -= bench->system_usec;

        double n = (double) bench->n_cycles;
        printf("%s %llu cycles: %.1f us each (user %.1f, system %.1f)\n", bench->name,
               (unsigned long long) bench->n_cycles, (double) (user_usec + system_usec) / n,
               (double) user_usec / n, (double) system_usec / n);
}
