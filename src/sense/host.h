/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "model/snapshot.h"
#include "sense/kernel.h"

/* Processor time since boot in clock ticks, all processors together (proc_stat(5)). */
typedef struct CpuTimes {
        uint64_t busy; /* user, nice, system, interrupts; guests are part of user */
        uint64_t idle; /* idle and waiting for disks */
        uint64_t steal;
} CpuTimes;

/* The part of /proc/meminfo we use (proc_meminfo(5)). */
typedef struct MemoryInfo {
        uint64_t total_bytes;
        uint64_t available_bytes;
        uint64_t swap_total_bytes;
        uint64_t swap_free_bytes;
        bool is_estimated; /* before 3.14: free memory and caches without what is shared */
} MemoryInfo;

/* Pure. -EINVAL when a field that is needed is missing or is not a number. */
int host_parse_stat(const char *text, size_t length, CpuTimes *ret);
int host_parse_meminfo(const char *text, size_t length, MemoryInfo *ret);

typedef struct HostSense {
        int stat_fd;
        int meminfo_fd;
        bool has_previous;
        CpuTimes previous;
} HostSense;

/* Never fails: what cannot be opened is tried again at each reading. */
void host_open(HostSense *ret);
void host_close(HostSense *host);

/* Fills processor, steal, memory and swap of `facts`. Processor time is of the interval since the
 * reading before: not valid after the first one, left as it was when no tick has passed. Busy and
 * steal are separate: their sum is what is lost to us. */
void host_read(HostSense *host, const Kernel *kernel, usec_t now_usec, HostFacts *facts);
