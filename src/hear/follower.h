/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>

#include <systemd/sd-event.h>

#include "hear/logs.h"
#include "hear/tail.h"

/* All log files of all services, on one inotify descriptor and one buffer. A file that changed is read a tenth of a
 * second later, so that a busy writer is read in pieces and not in lines; each file is also looked at every few seconds
 * without being told, because inotify(7) may lose its events and does not see other machines' writes. */
typedef struct Follower Follower;

int follower_new(sd_event *event, Follower **ret_follower);

/* Frees the logs added to it too. NULL is accepted; returns NULL. */
Follower *follower_free(Follower *follower);

/* Prepares the logs of one service (logs_new()); reading begins with follower_start(). `unit` is whose journal is read
 * when the configuration says so; NULL or empty: none. -ENOBUFS beyond SERVICES_MAX. */
int follower_add(Follower *follower,
                 const LogsConfig *config,
                 const char *unit,
                 SevereCallback on_severe,
                 void *userdata,
                 char reterr[static MATCHER_ERROR_SIZE],
                 Logs **ret_logs);

/* Takes up where an earlier life ended; between follower_add() and follower_start(). */
void follower_load(Logs *logs, unsigned file, const FollowPosition *position);

/* Where the file is read up to now. False when there is nothing to remember. */
bool follower_save(Logs *logs, unsigned file, FollowPosition *ret_position);

/* Begins to read, from the loop. */
int follower_start(Follower *follower);
