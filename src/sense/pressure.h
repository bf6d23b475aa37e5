/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "model/snapshot.h"
#include "sense/kernel.h"

/* Share of the last ten seconds in which some task waited for it, from a file such as
 * /proc/pressure/memory (Linux: Documentation/accounting/psi.rst). Pure; -EINVAL when it does not
 * say. The memory.pressure of a cgroup reads the same. */
int pressure_parse(const char *text, size_t length, int64_t *ret_permille);

typedef enum PressureKind {
        PRESSURE_CPU,
        PRESSURE_MEMORY,
        PRESSURE_IO,
        _PRESSURE_MAX,
} PressureKind;

typedef struct PressureSense {
        int fds[_PRESSURE_MAX]; /* -1 where the kernel keeps no account */
} PressureSense;

/* Never fails: kernels without PSI, or with psi=0, leave the metrics not valid for good. */
void pressure_open(const Kernel *kernel, PressureSense *ret);
void pressure_close(PressureSense *pressure);

/* Fills the three psi metrics. */
void pressure_read(PressureSense *pressure, usec_t now_usec, HostFacts *facts);
