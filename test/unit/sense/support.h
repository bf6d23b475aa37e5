/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "sense/kernel.h"
#include "unit.h"

/* A text in memory of exactly its size, so that the sanitizer sees a reader step over its end. */
typedef struct Text {
        char *data;
        size_t length;
} Text;

Text text_of(const char *literal);
Text text_head(Text text, size_t length); /* a copy of its first bytes */
void text_done(Text *text);

/* A captured file, by its path below test/fixture. */
Text fixture_text(const char *path);

/* The tables of a captured machine: "linux-5.4". Its cgroups are those of test/fixture/cgroup. */
Kernel fixture_kernel(const char *name);

/* Descriptors this process has open, listed one by one. */
unsigned open_descriptors(void);

/* A child that waits until it is killed; with `is_leader` in a session of its own. It may first
 * have run `prepare`, and has done so when this returns. */
typedef void (*ChildPrepare)(void *userdata);
pid_t child_start(bool is_leader, ChildPrepare prepare, void *userdata);

/* Kills it and reaps it. */
void child_end(pid_t pid);

/* Kills it and leaves it a zombie; child_end() then reaps it. */
void child_kill(pid_t pid);

/* Lets the clock ticks that processes are dated with go on by a few. */
void wait_ticks(void);
