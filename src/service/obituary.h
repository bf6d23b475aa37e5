/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

/* How a process that is no child of ours ended: code and status as waitid(2) words them. -EAGAIN while nobody has waited
 * for it yet, another negative errno when the kernel does not tell (before Linux 6.15). */
int obituary_read(int pidfd, int *ret_code, int *ret_status);

/* The same out of a status as wait(2) packs it. -EINVAL when it tells of no end. Pure. */
int obituary_parse(int wait_status, int *ret_code, int *ret_status);
