/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

/* A thread that moves what was written from the write-ahead log into the file, because that is where SQLite waits for
 * the disk (fsync(2)), for seconds when the disk is in trouble; whoever stores must not. */
typedef struct Checkpointer Checkpointer;

/* Starts the thread for the file. -ENOMEM or the negative errno of pthread_create(3). */
int checkpointer_new(const char *path, Checkpointer **ret_checkpointer);

/* Ends the thread, waiting for a checkpoint under way. NULL is accepted; returns NULL. */
Checkpointer *checkpointer_free(Checkpointer *checkpointer);

/* There is something to move. Returns at once. */
void checkpointer_post(Checkpointer *checkpointer);
