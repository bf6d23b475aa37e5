/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pressure: how much of the time work stood still for want of something.
 *
 * A machine may be 100 % busy and well, or 60 % busy and stuck; use does not tell, waiting does. We
 * take "some", the share of time in which at least one task waited, over ten seconds: long enough
 * to be calm, short enough to explain an answer that came late just now.
 */

#include "sense/pressure.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/text.h"
#include "sense/scan.h"

static const char *const pressure_files[] = {
        [PRESSURE_CPU] = "pressure/cpu",
        [PRESSURE_MEMORY] = "pressure/memory",
        [PRESSURE_IO] = "pressure/io",
};

_Static_assert(ELEMENTSOF(pressure_files) == _PRESSURE_MAX, "one file for each");

/* "12.34", per cent with two decimals, into permille rounded to the nearest. */
static bool parse_percent(Span span, int64_t *ret_permille) {
        const char *p = span.start;
        uint64_t whole;

        if (!text_scan_u64(&p, span.end, &whole) || whole > 100)
                return false;
        if (span.end - p != 3 || p[0] != '.' || p[1] < '0' || p[1] > '9' || p[2] < '0' ||
            p[2] > '9')
                return false;

        unsigned hundredths = (unsigned) (p[1] - '0') * 10 + (unsigned) (p[2] - '0');
        *ret_permille = MIN((int64_t) whole * 10 + (hundredths + 5) / 10, (int64_t) 1000);
        return true;
}

int pressure_parse(const char *text, size_t length, int64_t *ret_permille) {
        assert(text);
        assert(ret_permille);

        const char *p = text;
        Span line;
        Span rest;
        Span word;
        Span value;

        while (scan_line(&p, text + length, &line)) {
                if (!scan_after(line, "some ", &rest))
                        continue;

                const char *q = rest.start;
                if (!scan_word(&q, rest.end, &word) || !scan_after(word, "avg10=", &value))
                        return -EINVAL;

                return parse_percent(value, ret_permille) ? 0 : -EINVAL;
        }

        return -EINVAL;
}

void pressure_open(const Kernel *kernel, PressureSense *ret) {
        assert(kernel);
        assert(ret);

        for (PressureKind kind = 0; kind < _PRESSURE_MAX; kind++)
                ret->fds[kind] =
                        openat(kernel->proc_fd, pressure_files[kind], O_RDONLY | O_CLOEXEC);
}

void pressure_close(PressureSense *pressure) {
        assert(pressure);

        for (PressureKind kind = 0; kind < _PRESSURE_MAX; kind++) {
                fd_cleanup(&pressure->fds[kind]);
                pressure->fds[kind] = -1;
        }
}

void pressure_read(PressureSense *pressure, usec_t now_usec, HostFacts *facts) {
        assert(pressure);
        assert(facts);

        Metric *const metrics[] = {
                [PRESSURE_CPU] = &facts->psi_cpu_permille,
                [PRESSURE_MEMORY] = &facts->psi_memory_permille,
                [PRESSURE_IO] = &facts->psi_io_permille,
        };

        for (PressureKind kind = 0; kind < _PRESSURE_MAX; kind++) {
                char buffer[256];
                size_t length;
                int64_t permille;

                metrics[kind]->is_valid = false;

                if (pressure->fds[kind] < 0)
                        continue;
                if (kernel_read(pressure->fds[kind], buffer, sizeof(buffer), &length) < 0 ||
                    pressure_parse(buffer, length, &permille) < 0)
                        continue;

                *metrics[kind] = (Metric){ true, now_usec, permille };
        }
}
