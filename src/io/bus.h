/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

/* D-Bus messages over a socket between two processes, without a broker (sd-bus(3), peer-to-peer). */

#define BUS_OBJECT "/org/albraguard/Warden1"
#define BUS_INTERFACE "org.albraguard.Warden1"
#define BUS_ERROR "org.albraguard.Error."

/* Who is at the other end, as the kernel says (SO_PEERCRED, unix(7)). */
typedef struct BusPeer {
        pid_t pid;
        uid_t uid;
        gid_t gid;
} BusPeer;

/* Makes and listens on the Unix socket, replacing a stale one. Negative errno; the caller owns the descriptor. */
int bus_listen(const char *path, mode_t mode, int *ret_fd);

/* Turns an accepted or inherited stream socket into the serving end. Takes the descriptor, also on failure. */
int bus_open_server_take(int socket_fd, sd_event *loop, sd_bus **ret_bus, BusPeer *ret_peer);

/* The calling end over an inherited descriptor (taken, also on failure), or over the socket at `path`. `loop` may be NULL for
 * a caller that only makes blocking calls. */
int bus_open_client_take(int socket_fd, sd_event *loop, sd_bus **ret_bus);
int bus_open_client_path(const char *path, sd_bus **ret_bus);
