/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sockets: captured tables, made-up answers, and real connections on loopback.
 *
 * The real ones are closed at one end and forgotten at the other, which is how descriptors leak in
 * life. They are counted through netlink, and again through the text tables as if netlink were
 * forbidden.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sense/sockets.h"
#include "support.h"

static SocketSense sockets;

static void links_are_read(void **state) {
        (void) state;
        static const struct {
                const char *text;
                bool is_socket;
                uint32_t inode;
        } cases[] = {
                { "socket:[123]", true, 123 },
                { "socket:[4294967295]", true, UINT32_MAX },
                { "socket:[4294967296]", false, 0 },
                { "socket:[0]", false, 0 },
                { "socket:[]", false, 0 },
                { "socket:[12", false, 0 },
                { "socket:[12]x", false, 0 },
                { "socket:[ 12]x", false, 0 },
                { "/tmp/socket:[12]", false, 0 },
                { "pipe:[12]", false, 0 },
                { "socket:", false, 0 },
                { "", false, 0 },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                Text text = text_of(cases[i].text);
                uint32_t inode = 0;

                assert_int_equal(sockets_parse_link(text.data, text.length, &inode),
                                 cases[i].is_socket);
                assert_int_equal(inode, cases[i].inode);
                text_done(&text);
        }
}

static void captured_tables_are_read(void **state) {
        (void) state;
        char peer[SOCKET_PEER_SIZE];
        unsigned by_state[SOCKET_STATES_MAX] = { 0 };
        unsigned n = 0;
        SocketEntry entry;
        Span line;

        Text text = fixture_text("proc/linux-6.18/net/tcp");
        const char *p = text.data;
        while (scan_line(&p, text.data + text.length, &line))
                if (sockets_parse_net(line, /* is_v6= */ false, &entry)) {
                        n++;
                        by_state[entry.state]++;
                        if (entry.state == TCP_CLOSE_WAIT) {
                                assert_int_equal(entry.inode, 100888);
                                assert_string_equal(sockets_render_peer(peer, &entry),
                                                    "127.0.0.1:39662");
                        }
                }
        assert_int_equal(n, 7);
        assert_int_equal(by_state[TCP_LISTEN], 1);
        assert_int_equal(by_state[TCP_ESTABLISHED], 4);
        assert_int_equal(by_state[TCP_CLOSE_WAIT], 1);
        assert_int_equal(by_state[TCP_FIN_WAIT1], 1);
        text_done(&text);

        text = fixture_text("proc/linux-6.18/net/tcp6");
        p = text.data;
        n = 0;
        while (scan_line(&p, text.data + text.length, &line))
                if (sockets_parse_net(line, /* is_v6= */ true, &entry) &&
                    entry.state == TCP_ESTABLISHED) {
                        n++;
                        assert_int_equal(strncmp(sockets_render_peer(peer, &entry), "[::1]:", 6),
                                         0);
                }
        assert_int_equal(n, 2);
        text_done(&text);
}

static void odd_lines_are_refused(void **state) {
        (void) state;
        static const char *const cases[] = {
                "",
                "0:",
                "0: 0100007F:01BB 0100007F:01BB 01 0:0 0:0 0 0 0", /* no inode */
                "0: 0100007F:01BB 0100007:01BB 01 0:0 0:0 0 0 0 7",
                "0: 0100007F:01BB 0100007F:01BBB 01 0:0 0:0 0 0 0 7",
                "0: 0100007F:01BB 0100007F 01 0:0 0:0 0 0 0 7",
                "0: 0100007F:01BB 0100007G:01BB 01 0:0 0:0 0 0 0 7",
                "0: 0100007F:01BB 0100007F:01BB 1 0:0 0:0 0 0 0 7",
                "0: 0100007F:01BB 0100007F:01BB 001 0:0 0:0 0 0 0 7",
                "0: 0100007F:01BB 0100007F:01BB 01 0:0 0:0 0 0 0 x",
                "0: 0100007F:01BB 0100007F:01BB 01 0:0 0:0 0 0 0 4294967296",
        };
        SocketEntry entry;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                Text text = text_of(cases[i]);
                Span line = { text.data, text.data + text.length };

                assert_false(sockets_parse_net(line, /* is_v6= */ false, &entry));
                text_done(&text);
        }
}

static void mapped_peers_look_like_what_they_are(void **state) {
        (void) state;
        char peer[SOCKET_PEER_SIZE];
        SocketEntry entry = { .is_v6 = true, .peer_port = 443 };

        assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", entry.peer), 1);
        assert_string_equal(sockets_render_peer(peer, &entry), "[2001:db8::1]:443");
        assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", entry.peer), 1);
        assert_string_equal(sockets_render_peer(peer, &entry), "192.0.2.1:443");
        memset(entry.peer, 0xff, sizeof(entry.peer));
        entry.peer_port = UINT16_MAX;
        assert_string_equal(sockets_render_peer(peer, &entry),
                            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

/* An answer of the kernel, put together. */
typedef struct Answer {
        struct nlmsghdr header;
        struct inet_diag_msg message;
} Answer;

static Answer answer_of(uint16_t type, uint32_t inode, uint8_t tcp_state) {
        Answer answer = {
                .header = { .nlmsg_len = sizeof(answer), .nlmsg_type = type },
                .message = {
                        .idiag_family = AF_INET,
                        .idiag_state = tcp_state,
                        .idiag_inode = inode,
                        .id.idiag_dport = htons(443),
                },
        };

        answer.message.id.idiag_dst[0] = htonl(0xc0000207); /* 192.0.2.7 */
        return answer;
}

static void remember_entry(const SocketEntry *entry, void *userdata) {
        *(SocketEntry *) userdata = *entry;
}

static int diag_of(const void *data, size_t length, SocketEntry *ret) {
        Text text = { .data = malloc(length > 0 ? length : 1), .length = length };

        assert_non_null(text.data);
        memcpy(text.data, data, length);
        int r = sockets_parse_diag(text.data, length, remember_entry, ret);
        text_done(&text);
        return r;
}

static void answers_are_read(void **state) {
        (void) state;
        SocketEntry entry = { 0 };
        char peer[SOCKET_PEER_SIZE];
        Answer answers[2] = { answer_of(TCPDIAG_GETSOCK, 77, TCP_CLOSE_WAIT),
                              answer_of(NLMSG_DONE, 0, 0) };

        assert_int_equal(diag_of(answers, sizeof(answers[0]), &entry), 0);
        assert_int_equal(entry.inode, 77);
        assert_int_equal(entry.state, TCP_CLOSE_WAIT);
        assert_string_equal(sockets_render_peer(peer, &entry), "192.0.2.7:443");
        assert_int_equal(diag_of(answers, sizeof(answers), &entry), 1);
        assert_int_equal(diag_of(answers, 0, &entry), 0);

        /* Cut anywhere, or lying about its length. */
        for (size_t length = 1; length < sizeof(answers[0]); length++)
                assert_int_equal(diag_of(answers, length, &entry), -EBADMSG);
        answers[0].header.nlmsg_len = 4;
        assert_int_equal(diag_of(answers, sizeof(answers), &entry), -EBADMSG);
        answers[0].header.nlmsg_len = NLMSG_HDRLEN + 8;
        assert_int_equal(diag_of(answers, sizeof(answers), &entry), -EBADMSG);
        answers[0].header.nlmsg_len = UINT32_MAX;
        assert_int_equal(diag_of(answers, sizeof(answers), &entry), -EBADMSG);

        /* The kernel says no. */
        Answer refusal = answer_of(NLMSG_ERROR, 0, 0);
        int32_t error = -ENOENT;
        memcpy(&refusal.message, &error, sizeof(error));
        assert_int_equal(diag_of(&refusal, sizeof(refusal), &entry), -ENOENT);
        error = 5;
        memcpy(&refusal.message, &error, sizeof(error));
        assert_int_equal(diag_of(&refusal, sizeof(refusal), &entry), -EBADMSG);
        refusal.header.nlmsg_len = NLMSG_HDRLEN + 2;
        assert_int_equal(diag_of(&refusal, sizeof(refusal), &entry), -EBADMSG);
}

/* A listener and n connections to it, of which the far ends are closed and ours are not. */
enum {
        PAIRS = 6,
        CLOSED = 4
};

typedef struct Pairs {
        int listener;
        uint16_t port;
        int ours[PAIRS];
        int theirs[PAIRS];
} Pairs;

static int listen_on(sa_family_t family, struct sockaddr_storage *address, socklen_t *length) {
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -1;

        memset(address, 0, sizeof(*address));
        address->ss_family = family;
        *length = sizeof(*address);
        if (family == AF_INET6)
                ((struct sockaddr_in6 *) address)->sin6_addr = in6addr_loopback;
        else
                ((struct sockaddr_in *) address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);

        if (bind(fd, (struct sockaddr *) address,
                 family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)) <
            0) {
                (void) close(fd);
                return -1;
        }

        assert_int_equal(listen(fd, PAIRS), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) address, length), 0);
        return fd;
}

static bool pairs_open(Pairs *pairs, sa_family_t family) {
        struct sockaddr_storage address;
        socklen_t length;

        pairs->listener = listen_on(family, &address, &length);
        if (pairs->listener < 0)
                return false;

        pairs->port = ntohs(family == AF_INET6 ? ((struct sockaddr_in6 *) &address)->sin6_port
                                               : ((struct sockaddr_in *) &address)->sin_port);

        for (unsigned i = 0; i < PAIRS; i++) {
                pairs->ours[i] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
                assert_true(pairs->ours[i] >= 0);
                assert_int_equal(connect(pairs->ours[i], (struct sockaddr *) &address, length), 0);
                pairs->theirs[i] = accept4(pairs->listener, NULL, NULL, SOCK_CLOEXEC);
                assert_true(pairs->theirs[i] >= 0);
        }

        for (unsigned i = 0; i < CLOSED; i++) {
                char byte;

                assert_int_equal(close(pairs->theirs[i]), 0);
                pairs->theirs[i] = -1;
                assert_int_equal(read(pairs->ours[i], &byte, 1), 0); /* it has been told */
        }

        return true;
}

static void pairs_close(Pairs *pairs) {
        assert_int_equal(close(pairs->listener), 0);
        for (unsigned i = 0; i < PAIRS; i++) {
                assert_int_equal(close(pairs->ours[i]), 0);
                if (pairs->theirs[i] >= 0)
                        assert_int_equal(close(pairs->theirs[i]), 0);
        }
}

static void look_at_self(const Kernel *kernel, bool is_other_net, SocketFacts *ret) {
        int dir_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

        assert_true(dir_fd >= 0);
        sockets_begin(&sockets);
        sockets_add(&sockets, 7, dir_fd, is_other_net);
        sockets_add(&sockets, 7, dir_fd, is_other_net); /* as a forked worker shares them */
        sockets_match(&sockets, kernel);
        sockets_get(&sockets, 7, ret);
        assert_int_equal(close(dir_fd), 0);
}

static void check_pairs(const Kernel *kernel, sa_family_t family) {
        char expected[SOCKET_PEER_SIZE];
        Pairs pairs = { .listener = -1 };
        SocketFacts facts;

        if (!pairs_open(&pairs, family))
                return; /* no such family here */

        (void) snprintf(expected, sizeof(expected),
                        family == AF_INET6 ? "[::1]:%u" : "127.0.0.1:%u", pairs.port);

        look_at_self(kernel, /* is_other_net= */ false, &facts);
        assert_false(facts.is_partial);
        assert_int_equal(facts.by_state[TCP_LISTEN], 1);
        assert_int_equal(facts.by_state[TCP_CLOSE_WAIT], CLOSED);
        assert_int_equal(facts.by_state[TCP_ESTABLISHED], 2 * (PAIRS - CLOSED));
        assert_int_equal(facts.connections, CLOSED + 2 * (PAIRS - CLOSED));
        assert_int_equal(facts.close_wait_peer_count, CLOSED);
        assert_string_equal(facts.close_wait_peer, expected);

        pairs_close(&pairs);
        look_at_self(kernel, /* is_other_net= */ false, &facts);
        assert_int_equal(facts.connections, 0);
        assert_int_equal(facts.close_wait_peer_count, 0);
        assert_string_equal(facts.close_wait_peer, "");
}

static void live_sockets_are_counted(void **state) {
        (void) state;
        Kernel kernel;
        unsigned n_before = open_descriptors();

        assert_int_equal(kernel_open("/proc", &kernel), 0);
        sockets_open(&sockets);
        check_pairs(&kernel, AF_INET);
        check_pairs(&kernel, AF_INET6);
        sockets_close(&sockets);
        kernel_close(&kernel);
        assert_int_equal(open_descriptors(), n_before);
}

static void without_netlink_the_text_is_read(void **state) {
        (void) state;
        Kernel kernel;

        assert_int_equal(kernel_open("/proc", &kernel), 0);
        sockets_open(&sockets);

        /* A descriptor that is not netlink fails like a netlink that is forbidden; it is closed
         * then, so each look needs a new one. */
        for (unsigned i = 0; i < 2; i++) {
                Pairs pairs = { .listener = -1 };
                SocketFacts facts;

                assert_true(pairs_open(&pairs, AF_INET));
                sockets.netlink_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
                look_at_self(&kernel, /* is_other_net= */ false, &facts);
                assert_int_equal(facts.by_state[TCP_CLOSE_WAIT], CLOSED);
                assert_int_equal(facts.connections, CLOSED + 2 * (PAIRS - CLOSED));
                assert_int_equal(facts.close_wait_peer_count, CLOSED);
                pairs_close(&pairs);
        }

        sockets_close(&sockets);
        kernel_close(&kernel);
}

static void an_unreadable_process_is_unknown(void **state) {
        (void) state;
        char dir[] = "/tmp/test-sense-XXXXXX";
        char path[64];
        Kernel kernel;
        SocketFacts facts;

        /* Not a folder: refused for another reason than being gone. */
        assert_int_equal(kernel_open("/proc", &kernel), 0);
        assert_non_null(mkdtemp(dir));
        (void) snprintf(path, sizeof(path), "%s/fd", dir);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(close(fd), 0);
        int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

        sockets_open(&sockets);
        sockets_begin(&sockets);
        sockets_add(&sockets, 0, dir_fd, /* is_other_net= */ false);
        sockets_match(&sockets, &kernel);
        sockets_get(&sockets, 0, &facts);
        assert_int_equal(facts.connections, -1);

        /* Gone is not unknown: it has none. */
        assert_int_equal(unlink(path), 0);
        sockets_begin(&sockets);
        sockets_add(&sockets, 0, dir_fd, /* is_other_net= */ false);
        sockets_match(&sockets, &kernel);
        sockets_get(&sockets, 0, &facts);
        assert_int_equal(facts.connections, 0);

        assert_int_equal(close(dir_fd), 0);
        assert_int_equal(rmdir(dir), 0);
        sockets_close(&sockets);
        kernel_close(&kernel);
}

/* Many peers, one of which has half of them: it is found among more peers than are remembered. */
static void the_frequent_peer_is_found(void **state) {
        (void) state;
        enum {
                SOCKETS = 600
        };
        char dir[] = "/tmp/test-sense-XXXXXX";
        char path[96];
        char target[64];
        Kernel kernel;
        SocketFacts facts;

        /* A captured process with that many descriptors, in a captured namespace of its own. */
        assert_int_equal(kernel_open("/proc", &kernel), 0);
        assert_non_null(mkdtemp(dir));
        (void) snprintf(path, sizeof(path), "%s/fd", dir);
        assert_int_equal(mkdir(path, 0700), 0);
        (void) snprintf(path, sizeof(path), "%s/net", dir);
        assert_int_equal(mkdir(path, 0700), 0);
        (void) snprintf(path, sizeof(path), "%s/net/tcp", dir);
        FILE *table = fopen(path, "we");
        assert_non_null(table);
        (void) fprintf(table, "  sl  local_address rem_address   st\n");
        for (unsigned i = 0; i < SOCKETS; i++) {
                unsigned inode = 4000000000U - i;
                unsigned host = i < SOCKETS / 2 ? i + 1000 : 1; /* others first, each another */

                (void) snprintf(path, sizeof(path), "%s/fd/%u", dir, i);
                (void) snprintf(target, sizeof(target), "socket:[%u]", inode);
                assert_int_equal(symlink(target, path), 0);
                (void) fprintf(table,
                               "%4u: 0100007F:1F90 0A%02X%02X01:01BB 08 0:0 0:0 0 0 0 %u 1\n", i,
                               host >> 8, host & 0xff, inode);
        }
        assert_int_equal(fclose(table), 0);

        int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(dir_fd >= 0);
        sockets_open(&sockets);
        sockets_begin(&sockets);
        sockets_add(&sockets, SERVICES_MAX - 1, dir_fd, /* is_other_net= */ true);
        sockets_match(&sockets, &kernel);
        sockets_get(&sockets, SERVICES_MAX - 1, &facts);
        assert_int_equal(facts.by_state[TCP_CLOSE_WAIT], SOCKETS);
        assert_int_equal(facts.connections, SOCKETS);
        assert_string_equal(facts.close_wait_peer, "1.1.0.10:443");
        assert_in_range(facts.close_wait_peer_count, 1, SOCKETS / 2);

        for (unsigned i = 0; i < SOCKETS; i++) {
                (void) snprintf(path, sizeof(path), "%s/fd/%u", dir, i);
                assert_int_equal(unlink(path), 0);
        }
        (void) snprintf(path, sizeof(path), "%s/net/tcp", dir);
        assert_int_equal(unlink(path), 0);
        (void) snprintf(path, sizeof(path), "%s/net", dir);
        assert_int_equal(rmdir(path), 0);
        (void) snprintf(path, sizeof(path), "%s/fd", dir);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(close(dir_fd), 0);
        assert_int_equal(rmdir(dir), 0);
        sockets_close(&sockets);
        kernel_close(&kernel);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(links_are_read),
                cmocka_unit_test(captured_tables_are_read),
                cmocka_unit_test(odd_lines_are_refused),
                cmocka_unit_test(mapped_peers_look_like_what_they_are),
                cmocka_unit_test(answers_are_read),
                cmocka_unit_test(live_sockets_are_counted),
                cmocka_unit_test(without_netlink_the_text_is_read),
                cmocka_unit_test(an_unreadable_process_is_unknown),
                cmocka_unit_test(the_frequent_peer_is_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
