/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

/* A folder and a loop for one test. */
typedef struct Scratch {
        char folder[64];
        sd_event *loop;
} Scratch;

/* cmocka setup and teardown: *state is the Scratch. The folder goes with all that is in it. */
int scratch_open(void **state);
int scratch_close(void **state);

/* "folder/name", good until the fourth call after this one. */
const char *scratch_path(const Scratch *scratch, const char *name);

/* The file's text, terminated; NULL when there is none. free() it. */
char *scratch_read(const char *path);
void scratch_write(const char *path, const char *text, size_t length);

/* Turns the loop until `is_done(userdata)`. Fails the test when nothing happens for half a minute. */
void scratch_turn(sd_event *loop, bool (*is_done)(void *userdata), void *userdata);

/* Forks a process that runs `function` as nobody and exits with what it returns; only root can. A loop of
 * ours is of no use to it: none survives a fork. */
pid_t scratch_fork_nobody(int (*function)(void *userdata), void *userdata);

/* The same, waited for; -1 when we are not root. */
int scratch_as_nobody(int (*function)(void *userdata), void *userdata);
