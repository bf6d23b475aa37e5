/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Fault: the n-th call for memory, to the kernel or to libsystemd fails, for every n.
 *
 * The linker puts the functions below in front of the real ones (ld(1), --wrap). A round starts a
 * writer, an event log and a control, writes, is asked, and ends them all; it is run once for each
 * call it makes. Whatever fails, nothing crashes or hangs, no descriptor is lost, and the round after
 * it works again. Documents are whole or there are none.
 */

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/checkpoint.h"
#include "app/control.h"
#include "app/status.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "scratch.h"
#include "unit.h"

/* Counted in the loop and in the writer's thread alike. */
static struct {
        atomic_uint at; /* the n-th call; 0: none */
        atomic_uint n;
} fault;

static bool fails(void) {
        return atomic_fetch_add(&fault.n, 1) + 1 == atomic_load(&fault.at);
}

static void fault_arm(unsigned at) {
        atomic_store(&fault.n, 0);
        atomic_store(&fault.at, at);
}

/* Whether the call that was to fail was made at all. */
static bool fault_disarm(void) {
        return atomic_exchange(&fault.at, 0) <= atomic_load(&fault.n);
}

#define WRAP(type, failed, name, parameters, arguments) \
        type __real_##name parameters;                  \
        type __wrap_##name parameters;                  \
        type __wrap_##name parameters {                 \
                if (!fails())                           \
                        return __real_##name arguments; \
                errno = ENOMEM;                         \
                return failed;                          \
        }
#define WRAP_CALL(name, parameters, arguments) WRAP(int, -1, name, parameters, arguments)
#define WRAP_SD(name, parameters, arguments) WRAP(int, -ENOMEM, name, parameters, arguments)
#define WRAP_MEMORY(type, name, parameters, arguments) WRAP(type, NULL, name, parameters, arguments)

WRAP_MEMORY(void *, malloc, (size_t size), (size))
WRAP_MEMORY(void *, calloc, (size_t n, size_t size), (n, size))
WRAP_MEMORY(void *, realloc, (void *memory, size_t size), (memory, size))
WRAP_MEMORY(char *, strdup, (const char *text), (text))
WRAP_MEMORY(FILE *, fopen, (const char *path, const char *mode), (path, mode))
WRAP_MEMORY(FILE *, fopen64, (const char *path, const char *mode), (path, mode))
WRAP_CALL(open, (const char *path, int flags, mode_t mode), (path, flags, mode))
WRAP_CALL(open64, (const char *path, int flags, mode_t mode), (path, flags, mode))
WRAP(ssize_t, -1, write, (int fd, const void *data, size_t size), (fd, data, size))
WRAP_CALL(fstat, (int fd, struct stat *st), (fd, st))
WRAP_CALL(fstat64, (int fd, struct stat *st), (fd, st))
WRAP_CALL(fsync, (int fd), (fd))
WRAP_CALL(rename, (const char *from, const char *to), (from, to))
WRAP_CALL(mkdir, (const char *path, mode_t mode), (path, mode))
WRAP_CALL(truncate, (const char *path, off_t size), (path, size))
WRAP_CALL(truncate64, (const char *path, off_t size), (path, size))
WRAP_CALL(eventfd, (unsigned count, int flags), (count, flags))
WRAP(int,
     ENOMEM,
     pthread_create,
     (pthread_t * thread, const pthread_attr_t *attr, void *(*run)(void *), void *data),
     (thread, attr, run, data))
WRAP_CALL(socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP_CALL(bind, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
WRAP_CALL(listen, (int fd, int n), (fd, n))
WRAP_CALL(chmod, (const char *path, mode_t mode), (path, mode))
WRAP_CALL(getsockopt,
          (int fd, int level, int name, void *value, socklen_t *size),
          (fd, level, name, value, size))
WRAP_CALL(setsockopt,
          (int fd, int level, int name, const void *value, socklen_t size),
          (fd, level, name, value, size))
WRAP_SD(sd_event_add_io,
        (sd_event * loop,
         sd_event_source **ret,
         int fd,
         uint32_t events,
         sd_event_io_handler_t handler,
         void *userdata),
        (loop, ret, fd, events, handler, userdata))
WRAP_SD(sd_event_source_set_ratelimit,
        (sd_event_source * source, uint64_t usec, unsigned burst),
        (source, usec, burst))
WRAP_SD(sd_bus_new, (sd_bus * *ret), (ret))
WRAP_SD(sd_bus_start, (sd_bus * bus), (bus))
WRAP_SD(sd_bus_set_fd, (sd_bus * bus, int in, int out), (bus, in, out))
WRAP_SD(sd_bus_attach_event, (sd_bus * bus, sd_event *loop, int priority), (bus, loop, priority))
WRAP_SD(sd_bus_add_object_vtable,
        (sd_bus * bus,
         sd_bus_slot **ret,
         const char *path,
         const char *interface,
         const sd_bus_vtable *vtable,
         void *userdata),
        (bus, ret, path, interface, vtable, userdata))
WRAP_SD(sd_bus_add_filter,
        (sd_bus * bus, sd_bus_slot **ret, sd_bus_message_handler_t handler, void *userdata),
        (bus, ret, handler, userdata))
WRAP_SD(sd_bus_match_signal,
        (sd_bus * bus,
         sd_bus_slot **ret,
         const char *sender,
         const char *path,
         const char *interface,
         const char *member,
         sd_bus_message_handler_t handler,
         void *userdata),
        (bus, ret, sender, path, interface, member, handler, userdata))
WRAP_SD(sd_bus_send,
        (sd_bus * bus, sd_bus_message *message, uint64_t *cookie),
        (bus, message, cookie))

static unsigned count_fds(void) {
        DIR *folder = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(folder);
        while (readdir(folder))
                n++;
        (void) closedir(folder);
        return n;
}

typedef struct Round {
        Scratch *scratch;
        Writer *writer;
        EventLog *log;
        Control *control;
        unsigned n_ended;
        unsigned n_shown;
        bool is_asked;
} Round;

static void on_done(void *userdata, uint64_t ticket, int r) {
        (void) ticket;
        (void) r;
        ((Round *) userdata)->n_ended++;
}

static bool is_idle(void *userdata) {
        return writer_peek_backlog(((Round *) userdata)->writer) == 0;
}

static void show(void *userdata, const Event *event) {
        Round *round = userdata;

        round->n_shown++;
        if (round->control)
                control_show_event(round->control, event);
}

static int get_status(void *userdata, char **ret_json) {
        ((Round *) userdata)->is_asked = true;
        *ret_json = strdup("{}");
        return *ret_json ? 0 : -ENOMEM;
}

static unsigned list_events(
        void *userdata, uint64_t since_seq, unsigned most, EventShow function, void *show_data) {
        return eventlog_list(((Round *) userdata)->log, since_seq, most, function, show_data);
}

/* A caller of few words: a greeting, and calls that need no answer. It is no part of what is tested. */
static int connect_caller(const char *path) {
        static const char greeting[] = "\0AUTH ANONYMOUS 61\r\nBEGIN\r\n";
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = __real_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0);
        (void) text_copy(address.sun_path, sizeof(address.sun_path), path);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        (void) !send(fd, greeting, sizeof(greeting) - 1, MSG_NOSIGNAL); /* it may be refused */
        return fd;
}

static size_t put_field(char *message, size_t at, unsigned char code, char type, const char *text) {
        at = (at + 7) & ~(size_t) 7;
        message[at] = (char) code;
        message[at + 1] = 1;
        message[at + 2] = type;
        message[at + 4] = (char) strlen(text);
        memcpy(message + at + 8, text, strlen(text) + 1);
        return at + 8 + strlen(text) + 1;
}

/* A call of GetStatus as D-Bus lays it out, in little-endian. */
static void send_call(int fd) {
        char message[256] = { 'l', 1, 0, 1 };

        message[8] = 1;
        size_t end = put_field(message, 16, 1, 'o', BUS_OBJECT);
        end = put_field(message, end, 2, 's', BUS_INTERFACE);
        end = put_field(message, end, 3, 's', "GetStatus");
        message[12] = (char) (end - 16);
        (void) !send(fd, message, (end + 7) & ~(size_t) 7, MSG_NOSIGNAL); /* it may be refused */
}

static void settle(const Round *round) {
        while (sd_event_run(round->scratch->loop, 0) > 0)
                ;
}

static void round_ask(Round *round) {
        char path[128];
        const ControlHandlers handlers = {
                .get_status = get_status,
                .list_events = list_events,
                .userdata = round,
        };

        (void) snprintf(path, sizeof(path), "%s/sock", round->scratch->folder);
        if (control_new(round->scratch->loop, path, &handlers, &round->control) < 0)
                return;

        int fd = connect_caller(path);
        settle(round);
        send_call(fd);
        settle(round);
        eventlog_release(round->log, eventlog_peek_next_seq(round->log) - 1, show, round);
        settle(round);
        (void) close(fd);
        settle(round);
}

static void round_write(Round *round) {
        char spool[128];
        char path[128];

        (void) snprintf(spool, sizeof(spool), "%s/spool", round->scratch->folder);
        (void) snprintf(path, sizeof(path), "%s/state", round->scratch->folder);
        if (eventlog_new(spool, round->writer, &round->log) < 0)
                return;

        for (unsigned i = 0; i < 3; i++) {
                Event event = { .kind = EVENT_STARTED, .level = LEVEL_NORMAL, .reason = "{}" };

                eventlog_admit(round->log, &event, USEC_PER_SEC);
        }
        (void) writer_put(round->writer, WRITE_REPLACE, path, 0600, "state", 5, 1);
        round_ask(round);
        (void) writer_put(round->writer, WRITE_REPLACE, path, 0600, "later", 5, 2);
        scratch_turn(round->scratch->loop, is_idle, round);
        eventlog_acknowledge(round->log, eventlog_peek_next_seq(round->log) - 1);
        scratch_turn(round->scratch->loop, is_idle, round);
}

static void round_run(Scratch *scratch, Round *round) {
        *round = (Round){ .scratch = scratch };
        if (writer_new(scratch->loop, on_done, round, &round->writer) < 0)
                return;

        round_write(round);
        round->control = control_free(round->control);
        round->log = eventlog_free(round->log);
        round->writer = writer_free(round->writer);
}

static void expect_well(Scratch *scratch) {
        char path[128];
        Round round;

        round_run(scratch, &round);
        assert_int_equal(round.n_shown, 3);
        assert_true(round.is_asked);
        (void) snprintf(path, sizeof(path), "%s/state", scratch->folder);
        CLEANUP_FREE char *text = scratch_read(path);
        assert_string_equal(text, "later");
}

static void test_writing_and_answering(void **state) {
        Scratch *scratch = *state;
        bool is_reached = true;
        unsigned at;

        expect_well(scratch);
        unsigned n_fds = count_fds();

        for (at = 1; is_reached; at++) {
                Round round;

                fault_arm(at);
                round_run(scratch, &round);
                is_reached = fault_disarm();
                assert_int_equal(count_fds(), n_fds);
                expect_well(scratch);
        }

        print_message("%u calls\n", at - 2);
        assert_true(at > 30);
}

/* jansson asks for memory where it likes. */
static void *json_malloc(size_t size) {
        return fails() ? NULL : __real_malloc(size);
}

static void test_a_checkpoint_is_whole_or_none(void **state) {
        Scratch *scratch = *state;
        static ServiceConfig services[] = { { .name = "bot" }, { .name = "other" } };
        const Config config = {
                .n_services = 2,
                .services = services,
                .host = { .n_disk_paths = 1, .disk_paths = { "/" } },
        };
        static JudgeState judge;
        static PendingAct pending[2];
        Event event = { .kind = EVENT_HELD, .reason = "{}" };
        Round round = { .scratch = scratch };
        Clockwork clock;
        EventLog *log;
        char spool[128];
        char *whole;
        bool is_reached = true;

        (void) snprintf(spool, sizeof(spool), "%s/spool", scratch->folder);
        assert_int_equal(writer_new(scratch->loop, on_done, &round, &round.writer), 0);
        assert_int_equal(eventlog_new(spool, round.writer, &log), 0);
        eventlog_admit(log, &event, USEC_PER_SEC);
        clockwork_init(&clock, "this boot");
        judge_init(&judge, &config);
        judge.services[1].n_retries = 7;
        budget_charge_restart(&judge.services[0].budget, 5);
        const Checkpoint checkpoint = { &config, &clock, log, &judge, pending };

        assert_int_equal(checkpoint_render(&checkpoint, 1, 1, &whole), 0);
        for (unsigned at = 1; is_reached; at++) {
                char *text = NULL;

                fault_arm(at);
                int r = checkpoint_render(&checkpoint, 1, 1, &text);
                is_reached = fault_disarm();
                if (r < 0) {
                        assert_int_equal(r, -ENOMEM);
                        assert_null(text);
                } else
                        assert_string_equal(text, whole);
                free(text);
        }

        is_reached = true;
        for (unsigned at = 1; is_reached; at++) {
                judge_init(&judge, &config);
                fault_arm(at);
                int r = checkpoint_parse(&checkpoint, whole, strlen(whole), 1, 1);
                is_reached = fault_disarm();
                assert_int_equal(judge.services[1].n_retries, r < 0 ? 0 : 7);
                assert_int_equal(judge.services[0].budget.n_restarts, r < 0 ? 0 : 1);
        }

        free(whole);
        (void) eventlog_free(log);
        (void) writer_free(round.writer);
}

static void test_a_status_is_whole_or_none(void **state) {
        static ServiceConfig services[] = { { .name = "bot" }, { .name = "other" } };
        static const Config config = {
                .n_services = 2,
                .services = services,
                .host = { .n_disk_paths = 1, .disk_paths = { "/" } },
        };
        static Snapshot snapshot;
        static JudgeState judge;
        const StatusView view = {
                .config = &config,
                .snapshot = &snapshot,
                .judge = &judge,
                .now_usec = USEC_PER_DAY,
                .clerk_pid = 7,
                .trouble = "",
        };
        char *whole;
        bool is_reached = true;

        (void) state;
        judge_init(&judge, &config);
        snapshot.services[0].checks[CHECK_API].is_configured = true;
        judge.services[0].paused_until_usec = USEC_INFINITY;
        assert_int_equal(status_render_json(&view, &whole), 0);
        for (unsigned at = 1; is_reached; at++) {
                char *text = NULL;

                fault_arm(at);
                int r = status_render_json(&view, &text);
                is_reached = fault_disarm();
                if (r < 0)
                        assert_null(text);
                else
                        assert_string_equal(text, whole);
                free(text);
        }
        free(whole);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_writing_and_answering),
                TEST(test_a_checkpoint_is_whole_or_none),
                TEST(test_a_status_is_whole_or_none),
        };

        json_set_alloc_funcs(json_malloc, free);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
