/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "service/service.h"

/* One embedded service in a folder of its own, on a loop of its own. */
typedef struct Rig {
        char dir[128];
        char marker[160]; /* a path in dir, for the scripts: $1 */
        char complaints[160];
        char self[512];
        sd_event *event;
        Config config;
        ServiceConfig service_config;
        Service *service;
        ServiceFacts facts; /* as of the last change */
        unsigned n_changes;
        unsigned n_done;
        ActionKind action;
        bool is_done;
        char why[512];
} Rig;

/* Makes the folder and the configuration of a service that runs `script` in a shell, and the service unless it is
 * told not to; the marker is $1. Fails the test when it cannot. */
void rig_open(Rig *rig, const char *script);
void rig_open_new(Rig *rig);

/* The same, but the service is this program in another role: it locks the marker, and when it finds it locked it writes
 * a complaint. main() calls rig_play_bot() first. No service is made yet. */
void rig_open_bot(Rig *rig);
void rig_play_bot(int argc, char *argv[]);
bool rig_is_locked(const char *path);

/* Replaces the watchdog: what it knew is lost, the processes stay. */
void rig_renew(Rig *rig);

/* Stops the service, lets go, removes the folder. */
void rig_close(Rig *rig);

/* Turns the loop until the act that was begun has ended. */
void rig_wait_done(Rig *rig);
void rig_wait_state(Rig *rig, ServiceState state);

/* Begins, waits, and expects it to be done. */
void rig_start(Rig *rig);
void rig_stop(Rig *rig);

/* Turns the loop until the file has `n` lines; returns its text, overwritten by the next call. */
const char *rig_wait_lines(Rig *rig, const char *path, unsigned n);

/* The last number in the file. */
pid_t rig_wait_pid(Rig *rig, const char *path, unsigned n_lines);

/* Whether the process lives (a zombie does not), and a wait until it does not. */
bool rig_is_alive(pid_t pid);
void rig_wait_dead(Rig *rig, pid_t pid);

/* Until not even a zombie is left. */
void rig_wait_gone(Rig *rig, pid_t pid);

/* Until it is stopped by a signal. */
void rig_wait_halted(Rig *rig, pid_t pid);
