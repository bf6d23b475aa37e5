/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The two ends of a connection without a broker.
 *
 * Who is there is what the kernel says; what is listened at replaces what an earlier life left behind;
 * no message carries a descriptor; and one that was handed over is closed whatever happens.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "io/bus.h"
#include "scratch.h"
#include "unit.h"

typedef struct Talk {
        sd_bus *server;
        sd_bus *client;
        unsigned n_calls;
        bool is_answered;
        int error;
} Talk;

static int on_ask(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Talk *talk = userdata;
        const char *text;

        (void) error;
        int r = sd_bus_message_read(message, "s", &text);
        if (r < 0)
                return r;

        talk->n_calls++;
        return sd_bus_reply_method_return(message, "s", text);
}

static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Talk *talk = userdata;

        (void) error;
        talk->error = sd_bus_message_get_errno(message);
        talk->is_answered = true;
        return 0;
}

static bool is_answered(void *userdata) {
        return ((Talk *) userdata)->is_answered;
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Ask", "s", "s", on_ask, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static void talk_open(const Scratch *scratch, Talk *talk, BusPeer *ret_peer) {
        int pair[2];

        *talk = (Talk){ 0 };
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
                         0);
        assert_int_equal(bus_open_server_take(pair[0], scratch->loop, &talk->server, ret_peer), 0);
        assert_int_equal(bus_open_client_take(pair[1], scratch->loop, &talk->client), 0);
        assert_true(sd_bus_add_object_vtable(talk->server, NULL, BUS_OBJECT, BUS_INTERFACE, vtable,
                                             talk) >= 0);
}

static void talk_close(Talk *talk) {
        (void) sd_bus_close_unref(talk->client);
        (void) sd_bus_close_unref(talk->server);
}

static void test_two_ends_talk(void **state) {
        const Scratch *scratch = *state;
        BusPeer peer;
        Talk talk;

        talk_open(scratch, &talk, &peer);
        assert_int_equal(peer.pid, getpid());
        assert_int_equal(peer.uid, geteuid());
        assert_int_equal(peer.gid, getegid());

        assert_true(sd_bus_call_method_async(talk.client, NULL, NULL, BUS_OBJECT, BUS_INTERFACE,
                                             "Ask", on_answer, &talk, "s", "hello") >= 0);
        scratch_turn(scratch->loop, is_answered, &talk);
        assert_int_equal(talk.error, 0);
        assert_int_equal(talk.n_calls, 1);
        talk_close(&talk);
}

/* Descriptors would pile up in the one process that must not run out of them. */
static void test_no_descriptors_are_taken(void **state) {
        const Scratch *scratch = *state;
        BusPeer peer;
        Talk talk;

        talk_open(scratch, &talk, &peer);
        assert_true(sd_bus_call_method_async(talk.client, NULL, NULL, BUS_OBJECT, BUS_INTERFACE,
                                             "Ask", on_answer, &talk, "s", "hello") >= 0);
        scratch_turn(scratch->loop, is_answered, &talk);
        assert_int_equal(sd_bus_can_send(talk.client, SD_BUS_TYPE_UNIX_FD), 0);
        assert_int_equal(sd_bus_can_send(talk.server, SD_BUS_TYPE_UNIX_FD), 0);
        talk_close(&talk);
}

static void test_listening_replaces_what_is_stale(void **state) {
        const Scratch *scratch = *state;
        const char *path = scratch_path(scratch, "socket");
        struct stat st;
        sd_bus *bus = NULL;
        int fd = -1;

        scratch_write(path, "left behind", 11);
        assert_int_equal(bus_listen(path, 0666, &fd), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISSOCK(st.st_mode));
        assert_int_equal(st.st_mode & 07777, 0666);
        assert_int_equal(bus_open_client_path(path, &bus), 0);
        (void) sd_bus_close_unref(bus);
        (void) close(fd);

        /* The socket is there, and nobody behind it. */
        assert_int_equal(bus_open_client_path(path, &bus), -ECONNREFUSED);
        assert_int_equal(bus_listen(path, 0600, &fd), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        (void) close(fd);
}

static void test_paths_that_cannot_be(void **state) {
        const Scratch *scratch = *state;
        char longest[200];
        sd_bus *bus = NULL;
        int fd = -1;

        memset(longest, 'x', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = '\0';
        assert_int_equal(bus_listen(longest, 0600, &fd), -ENAMETOOLONG);
        assert_int_equal(bus_open_client_path(longest, &bus), -ENAMETOOLONG);
        assert_int_equal(bus_open_client_path(scratch_path(scratch, "none"), &bus), -ENOENT);
        assert_int_equal(bus_listen(scratch_path(scratch, "none/socket"), 0600, &fd), -ENOENT);
        assert_int_equal(fd, -1);
        assert_null(bus);
}

static void test_a_taken_descriptor_is_closed_on_failure(void **state) {
        const Scratch *scratch = *state;
        sd_bus *bus = NULL;
        BusPeer peer;

        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(bus_open_server_take(fd, scratch->loop, &bus, &peer), -ENOTSOCK);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
        assert_null(bus);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_two_ends_talk),
                TEST(test_no_descriptors_are_taken),
                TEST(test_listening_replaces_what_is_stale),
                TEST(test_paths_that_cannot_be),
                TEST(test_a_taken_descriptor_is_closed_on_failure),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
