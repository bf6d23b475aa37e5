/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a log: a block scanned at once gives what its lines give one by one, and a file that
 * grows in pieces gives out every byte once, in whole lines, wherever it was cut.
 *
 * The first byte says how long the pieces are.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "fuzz.h"
#include "hear/logs.h"

#define REALTIME_USEC (UINT64_C(1795428000) * USEC_PER_SEC)
#define BOOT_USEC (2 * USEC_PER_DAY)

/* A pass of the test over one input. */
typedef struct World {
        const char *expected; /* what is still to come */
        const char *end;
        uint64_t hash;
        size_t n_lines;
        Logs *logs;
        bool is_long; /* a line beyond TAIL_LINE_MAX: not all of it comes */
} World;

static const LogsConfig config = {
        .n_files = 1,
        .files = { "/tmp/fuzz-log-lines" },
        .window_usec = 5 * USEC_PER_MINUTE,
        .n_patterns = 7,
        .patterns = { { .match = "a", .level = LEVEL_CRITICAL },
                      { .match = "a\\sb", .level = LEVEL_WARNING },
                      { .match = "[^c]d$", .level = LEVEL_WARNING },
                      { .match = "(?s)^e.*f", .level = LEVEL_WARNING },
                      { .match = "g+", .level = LEVEL_WARNING },
                      { .match = "\\n|\\x00", .level = LEVEL_WARNING },
                      { .match = "h.{2,5}i", .level = LEVEL_WARNING } },
};

static void on_line(const char *line, size_t length, uint64_t patterns, void *userdata) {
        World *world = userdata;

        assert(patterns != 0 && patterns < 1 << 7);
        assert(!memchr(line, '\n', length));
        world->n_lines++;
        world->hash = (world->hash ^ patterns) * 31 + (uint64_t) (uintptr_t) line + length;
}

static void check_scan(Matcher *matcher, const char *text, size_t size) {
        World whole = { 0 };
        World single = { 0 };
        size_t n_lines = 0;

        size_t n = matcher_scan(matcher, text, size, on_line, &whole);

        for (const char *line = text; line < text + size;) {
                const char *line_end = memchr(line, '\n', (size_t) (text + size - line));
                size_t length =
                        line_end ? (size_t) (line_end - line) + 1 : (size_t) (text + size - line);

                assert(matcher_scan(matcher, line, length, on_line, &single) == 1);
                n_lines++;
                line += length;
        }

        assert(n == n_lines);
        assert(whole.n_lines == single.n_lines && whole.hash == single.hash);
}

static void on_lines(const TailBlock *block, void *userdata) {
        World *world = userdata;

        logs_feed(world->logs, 0, block, REALTIME_USEC, BOOT_USEC);
        if (block->length == TAIL_LINE_MAX)
                world->is_long = true;
        if (world->is_long)
                return;

        assert(block->length <= (size_t) (world->end - world->expected));
        assert(memcmp(block->data, world->expected, block->length) == 0);
        world->expected += block->length;
}

static void check_tail(World *world, const char *text, size_t size, size_t piece) {
        static char buffer[TAIL_BUFFER_SIZE];
        char path[] = "/tmp/fuzz-log-lines-XXXXXX";
        CLEANUP_FD int fd = mkstemp(path);
        usec_t now_usec = BOOT_USEC;
        usec_t next_usec;
        Tail tail;

        if (fd < 0 || tail_init(&tail, path) < 0)
                return;

        world->expected = text;
        world->end = text + size;
        do {
                size_t n = MIN(piece, size);

                (void) tail_read(&tail, buffer, SIZE_MAX, now_usec, on_lines, world, &next_usec);
                if (write(fd, text, n) != (ssize_t) n)
                        abort();
                text += n;
                size -= n;
        } while (size > 0);

        (void) tail_read(&tail, buffer, SIZE_MAX, now_usec, on_lines, world, &next_usec);
        now_usec += TAIL_PARTIAL_WAIT_USEC;
        (void) tail_read(&tail, buffer, SIZE_MAX, now_usec, on_lines, world, &next_usec);
        assert(tail.n_truncations == 0 && tail.n_collapses == 0);
        assert(world->is_long || world->expected == world->end);
        tail_done(&tail);
        (void) unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        /* Compiling the patterns takes a thousand times as long as one input: once. */
        static Matcher *matcher;
        static Logs *logs;
        char error[MATCHER_ERROR_SIZE];
        CheckReading reading;

        if (size < 1 || size > MATCHER_BLOCK_SIZE)
                return 0;
        if (!matcher && matcher_new(config.patterns, config.n_patterns, error, &matcher) < 0)
                abort();
        if (!logs && logs_new(&config, NULL, NULL, error, &logs) < 0)
                abort();

        World world = { .logs = logs };

        check_scan(matcher, (const char *) data + 1, size - 1);
        check_tail(&world, (const char *) data + 1, size - 1, (size_t) data[0] * 16 + 1);
        logs_check(logs, BOOT_USEC, &reading);
        assert(reading.value >= 0 && reading.value <= 1000);
        return 0;
}
