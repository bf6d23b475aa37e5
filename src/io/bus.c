/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bus: the D-Bus wire format without the D-Bus daemon.
 *
 * Warden, clerk and tool speak over plain Unix sockets, one connection each, and sd-bus does the
 * marshalling, the queueing and the introspection. There is no broker in between, so it works in a
 * container without one, and nobody else's trouble with the system bus is ours. Who is calling is
 * what the kernel recorded when the socket was connected, never what a message claims. Messages
 * carry no descriptors: a stranger could otherwise fill our table of them.
 */

#include "io/bus.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <systemd/sd-id128.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/text.h"

/* sd-bus asks for 8 MB (root is given them), which is the kernel's memory but counts as ours. A step's events fit. */
static const int SEND_BUFFER_SIZE = 256 << 10;

/* A warden accepts at once, also when it is hammered; one that does not for so long is not there. */
static const int CONNECT_PATIENCE_SEC = 5;

static void bus_cleanup(sd_bus **bus) {
        (void) sd_bus_unref(*bus);
}

#define CLEANUP_BUS CLEANUP(bus_cleanup)

int bus_listen(const char *path, mode_t mode, int *ret_fd) {
        assert(path);

        struct sockaddr_un address = { .sun_family = AF_UNIX };
        if (!text_copy(address.sun_path, sizeof(address.sun_path), path))
                return -ENAMETOOLONG;

        CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;

        /* The instance lock is held: whatever lies here belongs to a process that is gone. */
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        if (chmod(path, mode) < 0)
                return -errno;
        if (listen(fd, 64) < 0)
                return -errno;

        *ret_fd = TAKE_FD(fd);
        return 0;
}

int bus_open_server_take(int socket_fd, sd_event *loop, sd_bus **ret_bus, BusPeer *ret_peer) {
        CLEANUP_FD int fd = socket_fd;
        struct ucred credentials;
        socklen_t size = sizeof(credentials);
        sd_id128_t id;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
                return -errno;

        int r = sd_id128_randomize(&id);
        if (r < 0)
                return r;

        CLEANUP_BUS sd_bus *bus = NULL;
        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_server(bus, 1, id);
        if (r < 0)
                return r;
        /* Anyone who reaches the socket may talk; what they may do is decided by the peer recorded here. */
        r = sd_bus_set_anonymous(bus, 1);
        if (r < 0)
                return r;
        r = sd_bus_set_trusted(bus, 1);
        if (r < 0)
                return r;
        r = sd_bus_negotiate_fds(bus, 0);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0)
                return r;
        (void) TAKE_FD(fd); /* from here on the bus closes it */
        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        if (setsockopt(socket_fd, SOL_SOCKET, SO_SNDBUF, &SEND_BUFFER_SIZE,
                       sizeof(SEND_BUFFER_SIZE)) < 0)
                return -errno;
        r = sd_bus_attach_event(bus, loop, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;

        *ret_peer =
                (BusPeer){ .pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid };
        *ret_bus = TAKE_PTR(bus);
        return 0;
}

static int start_client(sd_bus *bus, sd_event *loop) {
        int r = sd_bus_set_bus_client(bus, 0);
        if (r < 0)
                return r;
        r = sd_bus_set_anonymous(bus, 1);
        if (r < 0)
                return r;
        r = sd_bus_negotiate_fds(bus, 0);
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;

        return loop ? sd_bus_attach_event(bus, loop, SD_EVENT_PRIORITY_NORMAL) : 0;
}

int bus_open_client_take(int socket_fd, sd_event *loop, sd_bus **ret_bus) {
        CLEANUP_FD int fd = socket_fd;
        CLEANUP_BUS sd_bus *bus = NULL;

        int r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0)
                return r;
        (void) TAKE_FD(fd); /* from here on the bus closes it */
        r = start_client(bus, loop);
        if (r < 0)
                return r;

        *ret_bus = TAKE_PTR(bus);
        return 0;
}

int bus_open_client_path(const char *path, sd_bus **ret_bus) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        assert(path);
        if (!text_copy(address.sun_path, sizeof(address.sun_path), path))
                return -ENAMETOOLONG;

        CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;

        /* While others knock, connect(2) waits for its turn; one that must not wait would be sent away (EAGAIN). */
        const struct timeval patience = { .tv_sec = CONNECT_PATIENCE_SEC };
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;

        return bus_open_client_take(TAKE_FD(fd), NULL, ret_bus);
}
