/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "model/config.h"
#include "model/snapshot.h"

/* All senses together: fills the measured part of the snapshot. What the backends know (state, pid) must be in it
 * already. Times are policy time; `boottime_usec` is time since boot at the same moment. */
typedef struct Gather Gather;

/* The configuration is borrowed. -ENOMEM, or the errno of a machine without /proc. */
int gather_new(const Config *config, Gather **ret_gather);
Gather *gather_free(Gather *gather);

/* The light look, every `sample`: processor, memory and pressure of the machine, processor and memory of the services.
 * With `is_full` also disks, clock, descriptors, sockets and the checks that are ours. */
void gather_read(
        Gather *gather, Snapshot *snapshot, usec_t now_usec, usec_t boottime_usec, bool is_full);

/* The service has another main process, or none: what was measured of the old one is forgotten. */
void gather_forget(Gather *gather, Snapshot *snapshot, unsigned service);

/* Our own memory, shared pages by share. */
uint64_t gather_own_memory_bytes(const Gather *gather);

/* Memory of the machine in bytes; 0 when it cannot be read. */
uint64_t gather_total_memory_bytes(void);
