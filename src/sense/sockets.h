/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/limits.h"
#include "sense/kernel.h"
#include "sense/scan.h"

enum {
        SOCKET_STATES_MAX = 16, /* TCP_ESTABLISHED … of <netinet/tcp.h>, and some to come */
        SOCKET_PEER_SIZE = 56,  /* "[" IPv6 "]:" port */
        SOCKET_PEERS_MAX = 16,  /* remembered per service while counting */
        SOCKET_LINKS_SERVICE_MAX = 32768, /* descriptors looked at; each costs a microsecond */
        SOCKET_LINKS_MAX = 65536,         /* the same of all services together, in one round */
};

/* One TCP socket of the machine, as far as we use it. */
typedef struct SocketEntry {
        uint32_t inode;
        uint8_t state;
        bool is_v6;
        uint16_t peer_port;
        uint8_t peer[16]; /* network order; four bytes for IPv4 */
} SocketEntry;

typedef void (*SocketVisit)(const SocketEntry *entry, void *userdata);

/* Inode from what a descriptor's link says: "socket:[123]". Pure. */
bool sockets_parse_link(const char *text, size_t length, uint32_t *ret_inode);

/* One line of /proc/net/tcp or tcp6 (proc_pid_net(5)). False for the heading and what is not whole.
 * Addresses there are words in the order of the machine, which must be that of this machine.
 * Pure. */
bool sockets_parse_net(Span line, bool is_v6, SocketEntry *ret);

/* One answer of sock_diag(7), as received. 0 when more is to come, 1 at the end of the dump,
 * negative errno when the kernel says so or the bytes are not an answer. Pure. */
int sockets_parse_diag(const void *data, size_t length, SocketVisit visit, void *userdata);

/* "192.0.2.1:443", "[2001:db8::1]:443". Returns `buffer`. */
const char *sockets_render_peer(char buffer[static SOCKET_PEER_SIZE], const SocketEntry *entry);

/* The sockets of one service. */
typedef struct SocketFacts {
        int64_t connections; /* all TCP but those that listen; -1 unknown */
        int64_t by_state[SOCKET_STATES_MAX];
        bool is_partial;               /* too many to look at all: the counts are too low */
        int64_t close_wait_peer_count; /* at least so many are closed by this peer, not by us */
        char close_wait_peer[SOCKET_PEER_SIZE]; /* empty: none */
} SocketFacts;

typedef struct SocketPeer {
        SocketEntry entry;
        uint32_t count;
} SocketPeer;

/* What is being counted for one service. */
typedef struct SocketTally {
        bool is_used;
        bool is_known;
        bool is_partial;
        uint32_t n_links;
        int net_dir_fd; /* folder of a process in another network namespace, borrowed; else -1 */
        uint32_t by_state[SOCKET_STATES_MAX];
        SocketPeer peers[SOCKET_PEERS_MAX];
} SocketTally;

typedef struct SocketOwner {
        uint32_t inode;
        uint32_t service;
} SocketOwner;

/* Over half a megabyte of address space, of which the pages that are used take memory: static or on
 * the heap, never on a stack. */
typedef struct SocketSense {
        int netlink_fd;
        int only_service; /* count for this one; -1 for all */
        uint32_t n_links;
        uint32_t n_owners;
        SocketTally tallies[SERVICES_MAX];
        SocketOwner owners[SOCKET_LINKS_MAX];
        _Alignas(uint64_t) char buffer[32768]; /* the most that the kernel gives at once */
} SocketSense;

/* Never fails. */
void sockets_open(SocketSense *ret);
void sockets_close(SocketSense *sockets);

/* One round over all services: begin, add each process of each, match once, get for each. The
 * kernel's table of sockets is read once, however many services there are. */
void sockets_begin(SocketSense *sockets);

/* Adds the sockets among the descriptors of the process whose /proc folder this is. The folder must
 * stay open until the match when `is_other_net`. */
void sockets_add(SocketSense *sockets, unsigned service, int dir_fd, bool is_other_net);

void sockets_match(SocketSense *sockets, const Kernel *kernel);
void sockets_get(const SocketSense *sockets, unsigned service, SocketFacts *ret);
