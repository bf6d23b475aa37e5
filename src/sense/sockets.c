/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sockets: whose connections are these, and in which state?
 *
 *      process ──► descriptor ──► "socket:[inode]"  ─┐
 *                                                    ├─ match ──► service, state, peer
 *      machine ──► table of TCP sockets: inode, …   ─┘
 *
 * The kernel has no list of the sockets of a process, only the two halves above. The left one is a
 * link to be read per descriptor, the right one a single dump (sock_diag(7), or the text of
 * /proc/net/tcp where netlink is forbidden); so the dump is taken once for all services together.
 *
 * A program that forgets to close gathers sockets in CLOSE_WAIT, all to one peer. To name it, a few
 * counters per service follow the frequent peers (the summary of Misra and Gries, "Finding repeated
 * elements", 1982): a peer with more than a seventeenth of them cannot be missed, and its count is
 * never too high.
 *
 * Everything is bounded: descriptors looked at, sockets taken from the dump, memory.
 */

#include "sense/sockets.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/text.h"
#include "sense/dirents.h"

bool sockets_parse_link(const char *text, size_t length, uint32_t *ret_inode) {
        assert(text);
        assert(ret_inode);

        Span rest;
        uint64_t inode;

        if (!scan_after((Span){ text, text + length }, "socket:[", &rest) || rest.start == rest.end)
                return false;

        const char *p = rest.start;
        if (!text_scan_u64(&p, rest.end, &inode) || inode > UINT32_MAX || inode == 0)
                return false;
        if (rest.end - p != 1 || *p != ']')
                return false;

        *ret_inode = (uint32_t) inode;
        return true;
}

/* Exactly this many hexadecimal digits. */
static bool scan_hex(const char **cursor, const char *end, unsigned digits, uint32_t *ret) {
        uint32_t value = 0;

        if (end - *cursor < (ptrdiff_t) digits)
                return false;

        for (unsigned i = 0; i < digits; i++) {
                char c = (*cursor)[i];
                uint32_t digit;

                if (c >= '0' && c <= '9')
                        digit = (uint32_t) (c - '0');
                else if (c >= 'A' && c <= 'F')
                        digit = (uint32_t) (c - 'A') + 10;
                else if (c >= 'a' && c <= 'f')
                        digit = (uint32_t) (c - 'a') + 10;
                else
                        return false;

                value = value << 4 | digit;
        }

        *cursor += digits;
        *ret = value;
        return true;
}

/* "0100007F:01BB": words of four bytes as this machine stores them, and the port as a number. */
static bool parse_address(Span word, bool is_v6, uint8_t address[static 16], uint16_t *ret_port) {
        const char *p = word.start;
        uint32_t value;

        for (unsigned i = 0; i < (is_v6 ? 4U : 1U); i++) {
                if (!scan_hex(&p, word.end, 8, &value))
                        return false;
                memcpy(address + i * sizeof(value), &value, sizeof(value));
        }

        if (p >= word.end || *p != ':')
                return false;
        p++;
        if (!scan_hex(&p, word.end, 4, &value) || p != word.end)
                return false;

        *ret_port = (uint16_t) value;
        return true;
}

bool sockets_parse_net(Span line, bool is_v6, SocketEntry *ret) {
        assert(ret);

        /* sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode … */
        Span words[11];
        const char *p = line.start;

        for (size_t i = 0; i < ELEMENTSOF(words) - 1; i++)
                if (!scan_word(&p, line.end, &words[i]))
                        return false;

        SocketEntry entry = { .is_v6 = is_v6 };
        uint32_t state;
        uint64_t inode;

        p = words[3].start;
        if (!parse_address(words[2], is_v6, entry.peer, &entry.peer_port) ||
            !scan_hex(&p, words[3].end, 2, &state) || p != words[3].end ||
            !scan_u64(words[9], &inode) || inode > UINT32_MAX)
                return false;

        entry.state = (uint8_t) state;
        entry.inode = (uint32_t) inode;
        *ret = entry;
        return true;
}

static void visit_message(const char *body, SocketVisit visit, void *userdata) {
        struct inet_diag_msg message;

        memcpy(&message, body, sizeof(message));

        if (message.idiag_family != AF_INET && message.idiag_family != AF_INET6)
                return;

        SocketEntry entry = {
                .inode = message.idiag_inode,
                .state = message.idiag_state,
                .is_v6 = message.idiag_family == AF_INET6,
                .peer_port = ntohs(message.id.idiag_dport),
        };

        memcpy(entry.peer, message.id.idiag_dst, entry.is_v6 ? 16 : 4);
        visit(&entry, userdata);
}

int sockets_parse_diag(const void *data, size_t length, SocketVisit visit, void *userdata) {
        assert(data);
        assert(visit);

        const char *p = data;

        while (length > 0) {
                struct nlmsghdr header;

                if (length < sizeof(header))
                        return -EBADMSG;

                memcpy(&header, p, sizeof(header));
                if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > length)
                        return -EBADMSG;

                size_t body = header.nlmsg_len - NLMSG_HDRLEN;

                if (header.nlmsg_type == NLMSG_DONE)
                        return 1;
                if (header.nlmsg_type == NLMSG_ERROR) {
                        int32_t error;

                        if (body < sizeof(error))
                                return -EBADMSG;
                        memcpy(&error, p + NLMSG_HDRLEN, sizeof(error));
                        return error < 0 && error > INT32_MIN ? error : -EBADMSG;
                }
                if (header.nlmsg_type == TCPDIAG_GETSOCK) {
                        if (body < sizeof(struct inet_diag_msg))
                                return -EBADMSG;
                        visit_message(p + NLMSG_HDRLEN, visit, userdata);
                }

                size_t step = MIN((size_t) NLMSG_ALIGN(header.nlmsg_len), length);
                p += step;
                length -= step;
        }

        return 0;
}

const char *sockets_render_peer(char buffer[static SOCKET_PEER_SIZE], const SocketEntry *entry) {
        assert(entry);

        static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
        char address[INET6_ADDRSTRLEN] = "?";
        const uint8_t *bytes = entry->peer;
        bool is_v6 = entry->is_v6;

        /* A socket of both families talks to IPv4 in the guise of ::ffff:192.0.2.1. */
        if (is_v6 && memcmp(bytes, mapped, sizeof(mapped)) == 0) {
                bytes += sizeof(mapped);
                is_v6 = false;
        }

        (void) inet_ntop(is_v6 ? AF_INET6 : AF_INET, bytes, address, sizeof(address)); /* fits */
        (void) snprintf(buffer, SOCKET_PEER_SIZE, is_v6 ? "[%s]:%u" : "%s:%u", address,
                        entry->peer_port); /* fits */
        return buffer;
}

void sockets_open(SocketSense *ret) {
        assert(ret);

        /* Field by field: the large arrays stay untouched, and so take no memory. */
        ret->netlink_fd = -1;
        sockets_begin(ret);
}

void sockets_close(SocketSense *sockets) {
        assert(sockets);

        fd_cleanup(&sockets->netlink_fd);
        sockets->netlink_fd = -1;
}

void sockets_begin(SocketSense *sockets) {
        assert(sockets);

        sockets->n_links = 0;
        sockets->n_owners = 0;
        for (unsigned i = 0; i < SERVICES_MAX; i++)
                sockets->tallies[i].is_used = false;
}

static SocketTally *tally_of(SocketSense *sockets, unsigned service) {
        SocketTally *tally = &sockets->tallies[service];

        if (!tally->is_used) {
                memset(tally, 0, sizeof(*tally));
                tally->is_used = true;
                tally->is_known = true;
                tally->net_dir_fd = -1;
        }

        return tally;
}

static void add_link(SocketSense *sockets, unsigned service, int fd_dir_fd, const char *name) {
        char link[64];
        uint32_t inode;

        ssize_t n = readlinkat(fd_dir_fd, name, link, sizeof(link));

        /* Closed since; or a longer link, which is a file's. */
        if (n <= 0 || (size_t) n >= sizeof(link) || !sockets_parse_link(link, (size_t) n, &inode))
                return;

        sockets->owners[sockets->n_owners++] = (SocketOwner){ .inode = inode, .service = service };
}

void sockets_add(SocketSense *sockets, unsigned service, int dir_fd, bool is_other_net) {
        assert(sockets);
        assert(service < SERVICES_MAX);
        assert(dir_fd >= 0);

        SocketTally *tally = tally_of(sockets, service);
        Dirents dirents;
        Dirent entry;
        int r;

        CLEANUP_FD int fd = openat(dir_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
                /* One that has ended has none; one we may not look at leaves the sum unknown. */
                if (errno != ENOENT && errno != ESRCH)
                        tally->is_known = false;
                return;
        }

        if (is_other_net)
                tally->net_dir_fd = dir_fd;

        dirents_init(&dirents, fd);
        while ((r = dirents_next(&dirents, &entry)) > 0) {
                if (entry.name[0] == '.')
                        continue;
                if (sockets->n_links == SOCKET_LINKS_MAX ||
                    tally->n_links == SOCKET_LINKS_SERVICE_MAX) {
                        tally->is_partial = true;
                        return;
                }

                sockets->n_links++;
                tally->n_links++;
                add_link(sockets, service, fd, entry.name);
        }

        if (r < 0 && r != -ENOENT && r != -ESRCH)
                tally->is_known = false;
}

static bool owner_is_before(const SocketOwner *a, const SocketOwner *b) {
        return a->inode < b->inode || (a->inode == b->inode && a->service < b->service);
}

static void sift_down(SocketOwner *owners, uint32_t root, uint32_t n) {
        for (uint32_t child; (child = 2 * root + 1) < n; root = child) {
                if (child + 1 < n && owner_is_before(&owners[child], &owners[child + 1]))
                        child++;
                if (!owner_is_before(&owners[root], &owners[child]))
                        return;

                SocketOwner swapped = owners[root];
                owners[root] = owners[child];
                owners[child] = swapped;
        }
}

/* Heap sort, because qsort(3) asks for memory when the array is large. Sorted by inode, each pair
 * of inode and service once: a socket shared by several processes of a service is one
 * connection. */
static uint32_t sort_owners(SocketOwner *owners, uint32_t n) {
        for (uint32_t i = n / 2; i-- > 0;)
                sift_down(owners, i, n);

        for (uint32_t end = n; end-- > 1;) {
                SocketOwner last = owners[end];

                owners[end] = owners[0];
                owners[0] = last;
                sift_down(owners, 0, end);
        }

        uint32_t kept = 0;
        for (uint32_t i = 0; i < n; i++)
                if (kept == 0 || owner_is_before(&owners[kept - 1], &owners[i]))
                        owners[kept++] = owners[i];

        return kept;
}

static void count_peer(SocketTally *tally, const SocketEntry *entry) {
        SocketPeer *vacant = NULL;

        for (unsigned i = 0; i < SOCKET_PEERS_MAX; i++) {
                SocketPeer *peer = &tally->peers[i];

                if (peer->count == 0)
                        vacant = peer;
                else if (peer->entry.is_v6 == entry->is_v6 &&
                         peer->entry.peer_port == entry->peer_port &&
                         memcmp(peer->entry.peer, entry->peer, sizeof(entry->peer)) == 0) {
                        peer->count++;
                        return;
                }
        }

        if (vacant) {
                *vacant = (SocketPeer){ .entry = *entry, .count = 1 };
                return;
        }

        for (unsigned i = 0; i < SOCKET_PEERS_MAX; i++)
                tally->peers[i].count--;
}

static void visit_entry(const SocketEntry *entry, void *userdata) {
        SocketSense *sockets = userdata;
        uint32_t low = 0;
        uint32_t high = sockets->n_owners;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (sockets->owners[middle].inode < entry->inode)
                        low = middle + 1;
                else
                        high = middle;
        }

        for (; low < sockets->n_owners && sockets->owners[low].inode == entry->inode; low++) {
                uint32_t service = sockets->owners[low].service;
                SocketTally *tally = &sockets->tallies[service];

                if (sockets->only_service >= 0 && service != (uint32_t) sockets->only_service)
                        continue;
                if (entry->state < SOCKET_STATES_MAX)
                        tally->by_state[entry->state]++;
                if (entry->state == TCP_CLOSE_WAIT)
                        count_peer(tally, entry);
        }
}

/* Those in TIME_WAIT belong to no process any more, and may be many; the pseudo states above these
 * make newer kernels walk yet another table. */
enum {
        STATES_ASKED = ((1 << (TCP_CLOSING + 1)) - 1) & ~(1 << TCP_TIME_WAIT)
};

/* The question in its older form, which every kernel still understands, is answered for IPv4 and
 * IPv6 at once. The newer one takes a family, and each time the kernel walks its whole hash table,
 * whose size is that of the machine's memory: 0.2 ms for a quarter of a million slots. */
static int ask(int fd) {
        struct {
                struct nlmsghdr header;
                struct inet_diag_req request;
        } question = {
                .header = {
                        .nlmsg_len = sizeof(question),
                        .nlmsg_type = TCPDIAG_GETSOCK,
                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                },
                .request = { .idiag_states = STATES_ASKED },
        };

        ssize_t n = send(fd, &question, sizeof(question), MSG_DONTWAIT);
        return n < 0 ? -errno : 0;
}

/* Pieces of a dump, of some 400 sockets each: more than a small machine can have. */
enum {
        DUMP_PIECES_MAX = 2048
};

/* The kernel makes each piece within our call, so that nothing here waits for anyone. */
static int dump(SocketSense *sockets) {
        int r = ask(sockets->netlink_fd);

        for (unsigned i = 0; r == 0 && i < DUMP_PIECES_MAX; i++) {
                ssize_t n = recv(sockets->netlink_fd, sockets->buffer, sizeof(sockets->buffer),
                                 MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EBADMSG;

                r = sockets_parse_diag(sockets->buffer, (size_t) n, visit_entry, sockets);
        }

        if (r == 0)
                return -E2BIG;

        return r < 0 ? r : 0;
}

static void forget_counts(SocketSense *sockets) {
        for (unsigned i = 0; i < SERVICES_MAX; i++) {
                memset(sockets->tallies[i].by_state, 0, sizeof(sockets->tallies[i].by_state));
                memset(sockets->tallies[i].peers, 0, sizeof(sockets->tallies[i].peers));
        }
}

static int match_by_netlink(SocketSense *sockets) {
        if (sockets->netlink_fd < 0) {
                sockets->netlink_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                                             NETLINK_SOCK_DIAG);
                if (sockets->netlink_fd < 0)
                        return -errno;
        }

        int r = dump(sockets);
        if (r < 0)
                sockets_close(sockets); /* what is left of the answer goes with it */

        return r;
}

static int match_by_text(SocketSense *sockets, int dir_fd, const char *name, bool is_v6) {
        CLEANUP_FD int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        size_t length = 0;

        /* Pieces of 32 KiB, of some 200 sockets each. */
        for (unsigned i = 0; i < DUMP_PIECES_MAX; i++) {
                ssize_t n = read(fd, sockets->buffer + length, sizeof(sockets->buffer) - length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;

                length += (size_t) n;

                const char *p = sockets->buffer;
                SocketEntry entry;
                Span line;

                while (scan_line(&p, sockets->buffer + length, &line))
                        if (sockets_parse_net(line, is_v6, &entry))
                                visit_entry(&entry, sockets);

                length = (size_t) (sockets->buffer + length - p);
                if (length == sizeof(sockets->buffer))
                        return -EINVAL; /* a line without end */
                memmove(sockets->buffer, p, length);
        }

        return -E2BIG;
}

static int match_by_texts(SocketSense *sockets, int dir_fd) {
        int r = match_by_text(sockets, dir_fd, "net/tcp", /* is_v6= */ false);
        if (r < 0)
                return r;

        r = match_by_text(sockets, dir_fd, "net/tcp6", /* is_v6= */ true);
        return r == -ENOENT ? 0 : r; /* a kernel without IPv6 */
}

static int match_own_net(SocketSense *sockets, const Kernel *kernel) {
        int r = match_by_netlink(sockets);
        if (r >= 0)
                return r;

        forget_counts(sockets);

        CLEANUP_FD int self_fd = openat(kernel->proc_fd, "self", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (self_fd < 0)
                return -errno;

        return match_by_texts(sockets, self_fd);
}

void sockets_match(SocketSense *sockets, const Kernel *kernel) {
        assert(sockets);
        assert(kernel);

        sockets->n_owners = sort_owners(sockets->owners, sockets->n_owners);
        if (sockets->n_owners == 0)
                return;

        sockets->only_service = -1;
        int r = match_own_net(sockets, kernel);

        /* Inodes are the machine's, not the namespace's, so the table of another namespace adds to
         * what was counted, and never the same socket twice. */
        for (unsigned i = 0; i < SERVICES_MAX; i++) {
                SocketTally *tally = &sockets->tallies[i];

                if (!tally->is_used)
                        continue;
                if (r < 0 && r != -E2BIG)
                        tally->is_known = false;
                if (r == -E2BIG)
                        tally->is_partial = true;
                sockets->only_service = (int) i;
                if (tally->net_dir_fd >= 0 && match_by_texts(sockets, tally->net_dir_fd) < 0)
                        tally->is_known = false;
        }
}

void sockets_get(const SocketSense *sockets, unsigned service, SocketFacts *ret) {
        assert(sockets);
        assert(service < SERVICES_MAX);
        assert(ret);

        const SocketTally *tally = &sockets->tallies[service];
        const SocketPeer *top = NULL;

        *ret = (SocketFacts){ .connections = -1 };
        if (!tally->is_used || !tally->is_known)
                return;

        ret->is_partial = tally->is_partial;
        ret->connections = 0;
        for (unsigned i = 0; i < SOCKET_STATES_MAX; i++) {
                ret->by_state[i] = tally->by_state[i];
                if (i != TCP_LISTEN)
                        ret->connections += tally->by_state[i];
        }

        for (unsigned i = 0; i < SOCKET_PEERS_MAX; i++)
                if (tally->peers[i].count > (top ? top->count : 0))
                        top = &tally->peers[i];

        if (top) {
                ret->close_wait_peer_count = top->count;
                (void) sockets_render_peer(ret->close_wait_peer, &top->entry);
        }
}
