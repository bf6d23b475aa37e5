/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "judge/judge.h"

/* Follows processor, memory and disks of the machine and tells when one changes level. */
void host_step(JudgeState *state,
               const Config *config,
               const Snapshot *snapshot,
               usec_t now_usec,
               Decision *decision);
