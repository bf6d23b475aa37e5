/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Host: how busy the machine is, and how full its memory.
 *
 * Processor time is a difference of counters, so the sense keeps the last ones; they may step back
 * (idle and steal do, on virtual machines and when a processor is taken out), and a step back
 * counts as nothing. Memory is what the kernel itself thinks could be had without swapping
 * (MemAvailable), not "free", which is near zero on any healthy machine that has been up for a day.
 */

#include "sense/host.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "sense/scan.h"

int host_parse_stat(const char *text, size_t length, CpuTimes *ret) {
        assert(text);
        assert(ret);

        /* user nice system idle iowait irq softirq steal; guest and guest_nice follow, counted
         * above */
        uint64_t fields[8];
        const char *p = text;
        Span line;
        Span word;

        if (!scan_line(&p, text + length, &line))
                return -EINVAL;

        p = line.start;
        if (!scan_word(&p, line.end, &word) || !scan_is(word, "cpu"))
                return -EINVAL;

        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                /* A sixteenth of the range, so that sums cannot overflow. */
                if (!scan_word(&p, line.end, &word) || !scan_u64(word, &fields[i]) ||
                    fields[i] > UINT64_MAX / 16)
                        return -EINVAL;

        *ret = (CpuTimes){
                .busy = fields[0] + fields[1] + fields[2] + fields[5] + fields[6],
                .idle = fields[3] + fields[4],
                .steal = fields[7],
        };
        return 0;
}

enum {
        MEM_TOTAL,
        MEM_FREE,
        MEM_AVAILABLE,
        MEM_BUFFERS,
        MEM_CACHED,
        MEM_SHMEM,
        MEM_SWAP_TOTAL,
        MEM_SWAP_FREE,
        _MEM_MAX,
};

static const char *const memory_keys[] = {
        [MEM_TOTAL] = "MemTotal:",         [MEM_FREE] = "MemFree:",
        [MEM_AVAILABLE] = "MemAvailable:", [MEM_BUFFERS] = "Buffers:",
        [MEM_CACHED] = "Cached:",          [MEM_SHMEM] = "Shmem:",
        [MEM_SWAP_TOTAL] = "SwapTotal:",   [MEM_SWAP_FREE] = "SwapFree:",
};

_Static_assert(ELEMENTSOF(memory_keys) == _MEM_MAX, "one key for each");

static bool has_all(const bool seen[static _MEM_MAX], unsigned from, unsigned to) {
        for (unsigned i = from; i <= to; i++)
                if (!seen[i])
                        return false;

        return true;
}

int host_parse_meminfo(const char *text, size_t length, MemoryInfo *ret) {
        assert(text);
        assert(ret);

        uint64_t values[_MEM_MAX] = { 0 };
        bool seen[_MEM_MAX] = { false };
        const char *p = text;
        Span line;
        Span rest;

        while (scan_line(&p, text + length, &line))
                for (unsigned i = 0; i < _MEM_MAX; i++) {
                        if (seen[i] || !scan_after(line, memory_keys[i], &rest))
                                continue;
                        /* An eighth of the range, so that sums cannot overflow. */
                        if (!scan_kilobytes(rest, &values[i]) || values[i] > UINT64_MAX / 8)
                                return -EINVAL;
                        seen[i] = true;
                        break;
                }

        if (!seen[MEM_TOTAL] || values[MEM_TOTAL] == 0)
                return -EINVAL;

        bool is_estimated = !seen[MEM_AVAILABLE];
        if (is_estimated) {
                if (!seen[MEM_FREE] || !has_all(seen, MEM_BUFFERS, MEM_SHMEM))
                        return -EINVAL;

                uint64_t caches = values[MEM_BUFFERS] + values[MEM_CACHED];
                caches = caches > values[MEM_SHMEM] ? caches - values[MEM_SHMEM] : 0;
                values[MEM_AVAILABLE] = values[MEM_FREE] + caches;
        }

        *ret = (MemoryInfo){
                .total_bytes = values[MEM_TOTAL],
                .available_bytes = MIN(values[MEM_AVAILABLE], values[MEM_TOTAL]),
                .swap_total_bytes = values[MEM_SWAP_TOTAL],
                .swap_free_bytes = MIN(values[MEM_SWAP_FREE], values[MEM_SWAP_TOTAL]),
                .is_estimated = is_estimated,
        };
        return 0;
}

void host_open(HostSense *ret) {
        assert(ret);

        *ret = (HostSense){ .stat_fd = -1, .meminfo_fd = -1 };
}

void host_close(HostSense *host) {
        assert(host);

        fd_cleanup(&host->stat_fd);
        fd_cleanup(&host->meminfo_fd);
        host->stat_fd = host->meminfo_fd = -1;
}

static uint64_t grown(uint64_t now, uint64_t before) {
        return now > before ? now - before : 0;
}

static int
read_kept(int *fd, int proc_fd, const char *name, char *buffer, size_t size, size_t *ret) {
        if (*fd < 0) {
                *fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
                if (*fd < 0)
                        return -errno;
        }

        return kernel_read(*fd, buffer, size, ret);
}

static void read_cpu(HostSense *host, const Kernel *kernel, usec_t now_usec, HostFacts *facts) {
        /* Only the first line is of interest, and the file grows with every processor and
         * interrupt: a read that is cut after that line is what we want. */
        char buffer[512];
        CpuTimes times;
        size_t length = 0;

        int r = read_kept(&host->stat_fd, kernel->proc_fd, "stat", buffer, sizeof(buffer), &length);
        if (r == -EFBIG)
                length = sizeof(buffer) - 1;
        else if (r < 0)
                length = 0;

        if (host_parse_stat(buffer, length, &times) < 0) {
                facts->cpu_permille.is_valid = facts->steal_permille.is_valid = false;
                host->has_previous = false;
                return;
        }

        CpuTimes before = host->previous;
        uint64_t busy = grown(times.busy, before.busy);
        uint64_t steal = grown(times.steal, before.steal);
        uint64_t total = busy + steal + grown(times.idle, before.idle);

        if (!host->has_previous) {
                facts->cpu_permille.is_valid = facts->steal_permille.is_valid = false;
        } else if (total == 0)
                return; /* asked again within one tick: the last answer stands */
        else {
                facts->cpu_permille = (Metric){ true, now_usec, scan_permille(busy, total) };
                facts->steal_permille = (Metric){ true, now_usec, scan_permille(steal, total) };
        }

        host->previous = times;
        host->has_previous = true;
}

static void read_memory(HostSense *host, const Kernel *kernel, usec_t now_usec, HostFacts *facts) {
        char buffer[4096];
        MemoryInfo info;
        size_t length = 0;

        if (read_kept(&host->meminfo_fd, kernel->proc_fd, "meminfo", buffer, sizeof(buffer),
                      &length) < 0 ||
            host_parse_meminfo(buffer, length, &info) < 0) {
                facts->memory_permille.is_valid = false;
                facts->memory_total_bytes.is_valid = false;
                facts->swap_permille.is_valid = false;
                return;
        }

        uint64_t used = info.total_bytes - info.available_bytes;
        uint64_t swap_used = info.swap_total_bytes - info.swap_free_bytes;
        int64_t swap =
                info.swap_total_bytes == 0 ? 0 : scan_permille(swap_used, info.swap_total_bytes);

        facts->memory_permille = (Metric){ true, now_usec, scan_permille(used, info.total_bytes) };
        facts->memory_total_bytes = (Metric){ true, now_usec, scan_to_i64(info.total_bytes) };
        facts->swap_permille = (Metric){ true, now_usec, swap };
}

void host_read(HostSense *host, const Kernel *kernel, usec_t now_usec, HostFacts *facts) {
        assert(host);
        assert(kernel);
        assert(facts);

        read_cpu(host, kernel, now_usec, facts);
        read_memory(host, kernel, now_usec, facts);
}
