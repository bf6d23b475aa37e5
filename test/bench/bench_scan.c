/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bench of a log's way through us: read, matched, counted, severe lines dated and kept.
 *
 *   bench_scan make FILE MEGABYTES   writes a log like a trading bot's, one line in a thousand severe
 *   bench_scan FILE                  reads it once, as the follower does, and says how long it took
 *
 * All dates lie within one window that ends at the last of them, so that every severe line counts and
 * the sum can be compared with what ripgrep counts (scan.sh).
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/macro.h"
#include "base/text.h"
#include "hear/logs.h"

/* 2026-11-23 10:04:59 UTC, the end of the file. */
#define END_USEC (UINT64_C(1795428299) * USEC_PER_SEC)

/* Far from zero, so that a window back from it is a time as well. */
#define BOOT_USEC (2 * USEC_PER_DAY)

static const LogsConfig config = {
        .n_files = 1,
        .files = { "bench" },
        .window_usec = 10 * USEC_PER_MINUTE,
        .n_patterns = 6,
        .patterns = { { .match = "CRITICAL", .level = LEVEL_CRITICAL },
                      { .match = "Traceback", .level = LEVEL_CRITICAL },
                      { .match = "ERROR.*Connection lost", .level = LEVEL_WARNING },
                      { .match = "ERROR.*API rate limit", .level = LEVEL_WARNING },
                      { .match = "SystemExit", .level = LEVEL_WARNING },
                      { .match = "KeyboardInterrupt", .level = LEVEL_WARNING } },
};

/* The same dice every time. */
static uint32_t dice(uint32_t *seed, uint32_t sides) {
        *seed = *seed * 1664525U + 1013904223U;
        return (*seed >> 8) % sides;
}

static void put_line(Buf *buf, uint64_t second, uint32_t *seed) {
        static const char *const plain[] = {
                "INFO - order book updated: bid 43120.5 ask 43121.0 depth 25",
                "DEBUG - websocket frame of 1184 bytes, lag 3 ms",
                "INFO - position BTC/USDT 0.0153, unrealised 12.40, margin 0.31",
                "WARNING - slow answer of the exchange: 812 ms",
                "INFO - heartbeat",
                "ERROR - order 8812731 rejected: insufficient margin",
        };
        static const char *const severe[] = {
                "CRITICAL - strategy stopped",
                "ERROR - feed: Connection lost, reconnecting",
                "ERROR - account 3: API rate limit, waiting",
                "ERROR - Traceback (most recent call last):",
        };

        buf_printf(buf, "2026-11-23 10:%02u:%02u,%03u - bot.account%u - ", (unsigned) (second / 60),
                   (unsigned) (second % 60), dice(seed, 1000), dice(seed, 9));
        buf_put(buf, dice(seed, 1000) == 0 ? severe[dice(seed, 4)] : plain[dice(seed, 6)]);
        buf_put(buf, "\n");
}

static int make(const char *path, uint64_t megabytes) {
        CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        static char block[1 << 20];
        uint32_t seed = 1;

        for (uint64_t i = 0; fd >= 0 && i < megabytes; i++) {
                Buf buf;

                buf_init(&buf, block, sizeof(block));
                while (buf.length < sizeof(block) - 256)
                        put_line(&buf, i * 300 / megabytes, &seed);
                if (file_write_all(fd, block, buf.length) < 0)
                        return EXIT_FAILURE;
        }

        return fd < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void on_lines(const TailBlock *block, void *userdata) {
        logs_feed(userdata, 0, block, END_USEC, BOOT_USEC);
}

static int scan(const char *path) {
        static char buffer[TAIL_BUFFER_SIZE];
        char error[MATCHER_ERROR_SIZE];
        struct rusage usage;
        LogCounts counts;
        usec_t next_usec;
        Logs *logs;
        Tail tail;

        if (logs_new(&config, NULL, NULL, error, &logs) < 0 || tail_init(&tail, path) < 0)
                return EXIT_FAILURE;

        /* As if the file had not been there when we looked last: all of it is new. */
        tail_load(&tail, &(FollowPosition){ 0 });

        usec_t begin_usec = clock_boottime_usec();
        usec_t begin_cpu_usec = clock_process_cpu_usec();
        while (tail_read(&tail, buffer, (size_t) 4 << 20, BOOT_USEC, on_lines, logs, &next_usec))
                continue;
        usec_t wall_usec = clock_boottime_usec() - begin_usec;
        usec_t cpu_usec = clock_process_cpu_usec() - begin_cpu_usec;

        logs_read(logs, BOOT_USEC, &counts);
        (void) getrusage(RUSAGE_SELF, &usage); /* cannot fail for ourselves */
        printf("lines=%llu severe=%llu wall_ms=%llu cpu_ms=%llu mb_per_s=%llu rss_kb=%ld\n",
               (unsigned long long) counts.lines,
               (unsigned long long) counts.critical + counts.warning,
               (unsigned long long) wall_usec / USEC_PER_MSEC,
               (unsigned long long) cpu_usec / USEC_PER_MSEC,
               (unsigned long long) tail.present.position.offset / MAX(wall_usec, (usec_t) 1),
               usage.ru_maxrss);
        tail_done(&tail);
        (void) logs_free(logs);
        return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        uint64_t megabytes;

        if (argc == 4 && strcmp(argv[1], "make") == 0 && text_parse_u64(argv[3], &megabytes) == 0)
                return make(argv[2], megabytes);
        if (argc == 2)
                return scan(argv[1]);

        (void) fprintf(stderr, "usage: bench_scan FILE | bench_scan make FILE MEGABYTES\n");
        return EXIT_FAILURE;
}
