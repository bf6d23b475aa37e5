/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Requests against a server that behaves as badly as its path says, in a process of its own.
 *
 * It drips, floods, lies about lengths, says nothing, speaks something else; and the addresses that no
 * check may reach are asked for in every spelling. Nothing here is timed: a request that ought to end
 * and does not hangs the test.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/macro.h"
#include "hear/probe.h"
#include "io/fetch.h"
#include "unit.h"

typedef struct World {
        sd_event *event;
        Fetch *fetch;
        pid_t server;
        uint16_t port;

        /* The last answer. */
        unsigned n_answers;
        FetchOutcome outcome;
        unsigned status;
        size_t length;
        usec_t retry_after_usec;
        char body[256];
        char error[FETCH_ERROR_SIZE];
} World;

static void say(int fd, const char *text) {
        if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
                _exit(0);
}

static void pause_ms(int ms) {
        (void) poll(NULL, 0, ms);
}

static void serve(int fd, const char *request) {
        static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        char block[8192];

        memset(block, 'x', sizeof(block) - 1);
        block[sizeof(block) - 1] = '\0';

        if (strstr(request, "/ok"))
                say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        else if (strstr(request, "/status"))
                say(fd, "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
        else if (strstr(request, "/chunked"))
                say(fd,
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        else if (strstr(request, "/redirect"))
                say(fd,
                    "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n");
        else if (strstr(request, "/echo")) {
                say(fd, head);
                say(fd, request);
        } else if (strstr(request, "/drip")) {
                for (say(fd, head);; pause_ms(20))
                        say(fd, "x");
        } else if (strstr(request, "/slowhead")) {
                for (say(fd, "HTTP/1.1 200 OK\r\n");; pause_ms(20))
                        say(fd, "X-A: b\r\n");
        } else if (strstr(request, "/endless")) {
                for (say(fd, head);;)
                        say(fd, block);
        } else if (strstr(request, "/headers")) {
                for (say(fd, "HTTP/1.1 200 OK\r\n");;)
                        say(fd, "X-Header: and its value that goes on for a while\r\n");
        } else if (strstr(request, "/liar"))
                say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nshort");
        else if (strstr(request, "/huge"))
                say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nshort");
        else if (strstr(request, "/garbage"))
                say(fd, "\x16\x03\x01 this is no HTTP at all\r\n\r\n");
        else if (strstr(request, "/silent"))
                pause_ms(-1);
}

static void run_server(int listener) {
        (void) signal(SIGCHLD, SIG_IGN);

        for (;;) {
                int fd = accept(listener, NULL, NULL);

                if (fd >= 0 && fork() == 0) {
                        char request[4096] = "";
                        ssize_t n = recv(fd, request, sizeof(request) - 1, 0);

                        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                        if (n > 0)
                                serve(fd, request);
                        (void) shutdown(fd, SHUT_WR);
                        _exit(0);
                }
                fd_cleanup(&fd);
        }
}

static int set_up(void **state) {
        World *world = calloc(1, sizeof(*world));
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t length = sizeof(address);
        CLEANUP_FD int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(listener, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(listener, 50), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *) &address, &length), 0);
        world->port = ntohs(address.sin_port);
        world->server = fork();
        if (world->server == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                run_server(listener);
        }

        /* Both would lead astray if they were looked at. */
        assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
        assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);

        assert_int_equal(sd_event_new(&world->event), 0);
        assert_int_equal(fetch_new(world->event, &world->fetch), 0);
        *state = world;
        return 0;
}

static int tear_down(void **state) {
        World *world = *state;

        (void) fetch_free(world->fetch);
        sd_event_unref(world->event);
        assert_int_equal(kill(world->server, SIGKILL), 0);
        assert_int_equal(waitpid(world->server, NULL, 0), world->server);
        free(world);
        return 0;
}

static void on_answer(const FetchResult *result, void *userdata) {
        World *world = userdata;

        world->n_answers++;
        world->outcome = result->outcome;
        world->status = result->http_status;
        world->length = result->body_length;
        world->retry_after_usec = result->retry_after_usec;
        (void) snprintf(world->body, sizeof(world->body), "%s", result->body);
        (void) snprintf(world->error, sizeof(world->error), "%s", result->error);
        assert_int_equal(result->body[result->body_length], '\0');
        assert_true((result->error[0] == '\0') == (result->outcome == FETCH_OK));
}

static void run_until(World *world, unsigned n_answers) {
        while (world->n_answers < n_answers)
                assert_true(sd_event_run(world->event, UINT64_MAX) >= 0);
}

static const char *url_of(const World *world, const char *path) {
        static char url[128];

        (void) snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", world->port, path);
        return url;
}

static void ask_request(World *world, const FetchRequest *request) {
        uint64_t id;

        world->n_answers = 0;
        assert_int_equal(fetch_begin(world->fetch, request, on_answer, world, &id), 0);
        assert_int_equal(world->n_answers, 0);
        run_until(world, 1);
}

static void ask(World *world, const char *url, usec_t timeout_usec) {
        ask_request(world, &(FetchRequest){ .url = url, .timeout_usec = timeout_usec });
}

static void test_answers(void **state) {
        World *world = *state;

        ask(world, url_of(world, "/ok"), 20 * USEC_PER_SEC);
        assert_int_equal(world->outcome, FETCH_OK);
        assert_int_equal(world->status, 200);
        assert_string_equal(world->body, "hello");

        ask(world, url_of(world, "/chunked"), 20 * USEC_PER_SEC);
        assert_string_equal(world->body, "hello");

        ask(world, url_of(world, "/status"), 20 * USEC_PER_SEC);
        assert_int_equal(world->outcome, FETCH_OK);
        assert_int_equal(world->status, 503);
        assert_int_equal(world->retry_after_usec, 7 * USEC_PER_SEC);

        /* Told of, not followed. */
        ask(world, url_of(world, "/redirect"), 20 * USEC_PER_SEC);
        assert_int_equal(world->outcome, FETCH_OK);
        assert_int_equal(world->status, 302);
}

static void test_what_is_sent(void **state) {
        static const char *const headers[] = { "X-Token: secret", "Content-Type: application/json",
                                               NULL };
        World *world = *state;
        FetchRequest request = {
                .url = url_of(world, "/echo"),
                .headers = headers,
                .body = "{}\n",
                .body_length = 3,
                .timeout_usec = 20 * USEC_PER_SEC,
        };

        ask_request(world, &request);
        assert_non_null(strstr(world->body, "POST /echo HTTP/1.1"));
        assert_non_null(strstr(world->body, "X-Token: secret\r\n"));
        assert_null(strstr(world->body, "Expect:"));

        request.method = "PUT";
        ask_request(world, &request);
        assert_non_null(strstr(world->body, "PUT /echo HTTP/1.1"));
}

static void test_a_slow_drip_ends_at_the_deadline(void **state) {
        static const char *const paths[] = { "/drip", "/slowhead", "/silent" };
        World *world = *state;

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                ask(world, url_of(world, paths[i]), 300 * USEC_PER_MSEC);
                assert_int_equal(world->outcome, FETCH_TIMEOUT);
        }
}

static void test_too_much(void **state) {
        World *world = *state;

        ask(world, url_of(world, "/endless"), 60 * USEC_PER_SEC);
        assert_int_equal(world->outcome, FETCH_TOO_LARGE);
        assert_int_equal(world->length, 0);

        ask(world, url_of(world, "/headers"), 60 * USEC_PER_SEC);
        assert_int_equal(world->outcome, FETCH_TOO_LARGE);

        ask_request(world, &(FetchRequest){ .url = url_of(world, "/ok"),
                                            .timeout_usec = 20 * USEC_PER_SEC,
                                            .max_body_bytes = 4 });
        assert_int_equal(world->outcome, FETCH_TOO_LARGE);
        ask_request(world, &(FetchRequest){ .url = url_of(world, "/ok"),
                                            .timeout_usec = 20 * USEC_PER_SEC,
                                            .max_body_bytes = 5 });
        assert_int_equal(world->outcome, FETCH_OK);
}

static void test_broken_answers(void **state) {
        static const char *const paths[] = { "/liar", "/huge", "/garbage", "/nothing" };
        World *world = *state;

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                ask(world, url_of(world, paths[i]), 20 * USEC_PER_SEC);
                assert_int_equal(world->outcome, FETCH_CONNECTION);
        }

        ask(world, "http://name.invalid/", 20 * USEC_PER_SEC);
        assert_true(world->outcome == FETCH_CONNECTION || world->outcome == FETCH_TIMEOUT);
        ask(world, "http://127.0.0.1:1/", 20 * USEC_PER_SEC);
        assert_int_equal(world->outcome, FETCH_REFUSED);
        ask(world, "https://127.0.0.1:1/", 20 * USEC_PER_SEC);
        assert_int_equal(world->outcome, FETCH_REFUSED);
}

static void test_places_that_are_forbidden(void **state) {
        static const char *const urls[] = {
                "http://169.254.169.254/latest/meta-data/",
                "http://2852039166/latest/meta-data/",
                "http://0xa9.0xfe.0xa9.0xfe/",
                "http://[::ffff:169.254.169.254]/",
                "http://[fe80::1]/",
                "http://[fd00:ec2::254]/",
                "http://100.100.100.200/",
                "https://169.254.169.254/",
                "file:///etc/hostname",
                "gopher://127.0.0.1:6379/_FLUSHALL",
                "smtp://127.0.0.1/",
        };
        World *world = *state;

        for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
                ask(world, urls[i], 20 * USEC_PER_SEC);
                if (world->outcome != FETCH_FORBIDDEN)
                        fail_msg("%s: %s (%s)", urls[i], fetch_outcome_to_string(world->outcome),
                                 world->error);
        }
}

static bool is_forbidden(const char *text) {
        struct sockaddr_in in = { .sin_family = AF_INET };
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

        if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
                return fetch_is_forbidden_address(&in, sizeof(in));

        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        return fetch_is_forbidden_address(&in6, sizeof(in6));
}

static void test_addresses(void **state) {
        static const char *const forbidden[] = {
                "169.254.169.254",        "169.254.0.1",       "169.254.170.2",
                "100.100.100.200",        "fe80::1",           "febf::1",
                "fd00:ec2::254",          "fd00:ec2::23",      "fd20:ce::254",
                "::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::169.254.169.254",
                "2002:a9fe:a9fe::1",
        };
        static const char *const allowed[] = {
                "127.0.0.1",        "10.0.0.1",    "192.168.1.1", "8.8.8.8",
                "169.253.255.255",  "169.255.0.0", "::1",         "::",
                "fec0::1",          "fd00:ec3::1", "2001:db8::1", "::ffff:127.0.0.1",
                "64:ff9b::8.8.8.8",
        };
        struct sockaddr_storage other = { .ss_family = AF_UNIX };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(forbidden); i++)
                if (!is_forbidden(forbidden[i]))
                        fail_msg("allowed: %s", forbidden[i]);
        for (size_t i = 0; i < ELEMENTSOF(allowed); i++)
                if (is_forbidden(allowed[i]))
                        fail_msg("forbidden: %s", allowed[i]);
        assert_true(fetch_is_forbidden_address(&other, sizeof(other)));
        assert_true(fetch_is_forbidden_address(&other, 1));
}

static void test_what_is_no_request(void **state) {
        static const char *const headers[] = { "A: b\r\nC: d", NULL };
        World *world = *state;
        FetchRequest requests[] = {
                { .url = "", .timeout_usec = 1 },
                { .timeout_usec = 1 },
                { .url = "http://127.0.0.1/\r\nX: y", .timeout_usec = 1 },
                { .url = "http://127.0.0.1/", .timeout_usec = 0 },
                { .url = "http://127.0.0.1/", .timeout_usec = 1, .headers = headers },
                { .url = "http://127.0.0.1/", .timeout_usec = 1, .method = "GET / HTTP/1.1\r\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(requests); i++)
                assert_int_equal(fetch_begin(world->fetch, &requests[i], on_answer, world, NULL),
                                 -EINVAL);
}

static void test_many_at_once_and_taken_back(void **state) {
        World *world = *state;
        uint64_t ids[FETCHES_MAX];
        FetchRequest request = { .url = url_of(world, "/ok"), .timeout_usec = 60 * USEC_PER_SEC };

        for (size_t i = 0; i < FETCHES_MAX; i++)
                assert_int_equal(fetch_begin(world->fetch, &request, on_answer, world, &ids[i]), 0);
        assert_int_equal(fetch_begin(world->fetch, &request, on_answer, world, NULL), -EBUSY);

        for (size_t i = 0; i < FETCHES_MAX; i += 2)
                fetch_cancel(world->fetch, ids[i]);
        fetch_cancel(world->fetch, ids[0]);
        fetch_cancel(world->fetch, 0);
        run_until(world, FETCHES_MAX / 2);
        assert_int_equal(world->n_answers, FETCHES_MAX / 2);
        assert_int_equal(world->outcome, FETCH_OK);

        /* Under way when everything ends. */
        request.url = url_of(world, "/silent");
        assert_int_equal(fetch_begin(world->fetch, &request, on_answer, world, &ids[0]), 0);
        assert_true(sd_event_run(world->event, 0) >= 0);
}

/* An answer that begins the next request and takes another one back. */
typedef struct Chain {
        World *world;
        uint64_t other;
        unsigned left;
} Chain;

static void on_chain(const FetchResult *result, void *userdata) {
        Chain *chain = userdata;
        FetchRequest request = { .url = url_of(chain->world, "/ok"),
                                 .timeout_usec = 60 * USEC_PER_SEC };

        assert_int_equal(result->outcome, FETCH_OK);
        fetch_cancel(chain->world->fetch, chain->other);
        if (--chain->left > 0)
                assert_int_equal(fetch_begin(chain->world->fetch, &request, on_chain, chain, NULL),
                                 0);
}

static void test_an_answer_begins_the_next(void **state) {
        World *world = *state;
        Chain chain = { .world = world, .left = 20 };
        FetchRequest request = { .url = url_of(world, "/ok"),
                                 .timeout_usec = 60 * USEC_PER_SEC,
                                 .is_connection_kept = true };

        assert_int_equal(fetch_begin(world->fetch, &request, on_chain, &chain, NULL), 0);
        assert_int_equal(fetch_begin(world->fetch, &request, on_answer, world, &chain.other), 0);
        while (chain.left > 0)
                assert_true(sd_event_run(world->event, UINT64_MAX) >= 0);
}

/* A name server that never answers, in a network and a file system of our own. False when we may not have those. */
static bool enter_dead_network(void) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons(53),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct ifreq loopback = { .ifr_name = "lo" };
        char path[] = "/tmp/test-fetch-XXXXXX";
        static const char text[] = "nameserver 127.0.0.1\n";

        if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 &&
            unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) < 0)
                return false;

        int server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        loopback.ifr_flags = IFF_UP;
        if (server < 0 || ioctl(server, SIOCSIFFLAGS, &loopback) < 0 ||
            bind(server, (struct sockaddr *) &address, sizeof(address)) < 0)
                return false;

        CLEANUP_FD int fd = mkstemp(path);
        bool is_mounted = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text) &&
                          mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                          mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0;
        (void) unlink(path);
        return is_mounted;
}

/* The name is not resolved in time: the deadline holds, although getaddrinfo(3) itself needs ten seconds. */
static void test_a_dead_name_server(void **state) {
        World *world = *state;
        int status = -1;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                sd_event *event = NULL;
                World child = { 0 };

                if (!enter_dead_network())
                        _exit(77);
                if (sd_event_new(&event) < 0 || fetch_new(event, &child.fetch) < 0)
                        _exit(1);

                child.event = event;
                usec_t begin_usec = clock_boottime_usec();
                ask(&child, "http://some.host.example/", 300 * USEC_PER_MSEC);
                (void) fetch_free(child.fetch);
                sd_event_unref(event);
                _exit(child.outcome == FETCH_TIMEOUT &&
                                      clock_boottime_usec() - begin_usec < 5 * USEC_PER_SEC
                              ? 0
                              : 1);
        }

        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
                print_message("!!! no namespaces here: A DEAD NAME SERVER IS NOT TESTED\n");
                skip();
        }
        assert_int_equal(status, 0);
        assert_int_equal(world->n_answers, 0);
}

static void on_reading(const CheckReading *reading, void *userdata) {
        CheckReading *kept = userdata;

        *kept = *reading;
}

static void test_a_probe(void **state) {
        World *world = *state;
        CheckReading reading = { 0 };
        ApiConfig config = { .url = url_of(world, "/ok"),
                             .timeout_usec = 20 * USEC_PER_SEC,
                             .fresh_field = "" };
        Probe probe;

        probe_init(&probe, world->fetch, &config, on_reading, &reading);
        assert_int_equal(probe_begin(&probe), 0);
        assert_int_equal(probe_begin(&probe), -EALREADY);
        while (reading.at_usec == 0)
                assert_true(sd_event_run(world->event, UINT64_MAX) >= 0);
        assert_int_equal(reading.outcome, OUTCOME_OK);
        assert_true(reading.value > 0);

        config.fresh_field = "last_update";
        reading.at_usec = 0;
        assert_int_equal(probe_begin(&probe), 0);
        while (reading.at_usec == 0)
                assert_true(sd_event_run(world->event, UINT64_MAX) >= 0);
        assert_int_equal(reading.cause, CAUSE_BAD_BODY);

        assert_int_equal(probe_begin(&probe), 0);
        probe_done(&probe);
        assert_int_equal(probe_begin(&probe), 0);
        probe_done(&probe);
}

#define WORLD_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD_TEST(test_answers),
                WORLD_TEST(test_what_is_sent),
                WORLD_TEST(test_a_slow_drip_ends_at_the_deadline),
                WORLD_TEST(test_too_much),
                WORLD_TEST(test_broken_answers),
                WORLD_TEST(test_places_that_are_forbidden),
                WORLD_TEST(test_addresses),
                WORLD_TEST(test_what_is_no_request),
                WORLD_TEST(test_many_at_once_and_taken_back),
                WORLD_TEST(test_an_answer_begins_the_next),
                WORLD_TEST(test_a_dead_name_server),
                WORLD_TEST(test_a_probe),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
