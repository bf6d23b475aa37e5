/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The one door of the warden, with real sockets and real D-Bus messages.
 *
 * Behind it stand false handlers that write down what they are asked, so that a case can say both
 * what the caller was answered and whether anybody heard of it. Callers share the loop with the door;
 * those who must be somebody else are processes of their own.
 *
 * Half of the cases are rude: bytes that are no D-Bus, messages cut in the middle, listeners that do
 * not listen, more callers than there are places. None of them may cost more than its own connection.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/control.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "scratch.h"
#include "unit.h"

enum {
        EVENTS = 1000, /* that there are to be listed */
        SIGNALS_MAX = 2000,
};

typedef struct Rig {
        Scratch *scratch;
        Control *control;
        char path[128];
        char heard[1024]; /* what the handlers were asked */
        unsigned n_heard;
        ControlOutcome outcome;
        int status_r;
        size_t status_size;
} Rig;

static void hear(Rig *rig, const char *format, ...) PRINTF_LIKE(2, 3);

static void hear(Rig *rig, const char *format, ...) {
        va_list arguments;

        rig->n_heard++;
        va_start(arguments, format);
        (void) vsnprintf(rig->heard, sizeof(rig->heard), format, arguments);
        va_end(arguments);
}

static int false_get_status(void *userdata, char **ret_json) {
        Rig *rig = userdata;

        hear(rig, "status");
        if (rig->status_r < 0)
                return rig->status_r;

        char *json = malloc(rig->status_size + 1);
        assert_non_null(json);
        memset(json, 'x', rig->status_size);
        json[rig->status_size] = '\0';
        *ret_json = json;
        return 0;
}

static void make_event(Event *event, uint64_t seq) {
        *event = (Event){
                .seq = seq,
                .kind = EVENT_STARTED,
                .level = LEVEL_NORMAL,
                .reason = "{}",
        };
        (void) snprintf(event->text, sizeof(event->text), "event %llu", (unsigned long long) seq);
}

static unsigned false_list_events(
        void *userdata, uint64_t since_seq, unsigned most, EventShow show, void *show_data) {
        unsigned n = 0;

        hear(userdata, "events since %llu, at most %u", (unsigned long long) since_seq, most);
        for (uint64_t seq = since_seq + 1; seq <= EVENTS && n < most; seq++, n++) {
                Event event;

                make_event(&event, seq);
                show(show_data, &event);
        }
        return n;
}

static ControlOutcome false_command(void *userdata,
                                    const BusPeer *by,
                                    const char *service,
                                    CommandKind command,
                                    usec_t for_usec,
                                    char ret_answer[static CONTROL_ANSWER_SIZE]) {
        Rig *rig = userdata;

        assert_int_equal(by->pid, getpid());
        hear(rig, "command %d on '%s' for %llu", (int) command, service,
             (unsigned long long) for_usec);
        (void) text_copy(ret_answer, CONTROL_ANSWER_SIZE, "the answer");
        return rig->outcome;
}

static ControlOutcome false_reload(void *userdata, char ret_answer[static CONTROL_ANSWER_SIZE]) {
        Rig *rig = userdata;

        hear(rig, "reload");
        (void) text_copy(ret_answer, CONTROL_ANSWER_SIZE, "the answer");
        return rig->outcome;
}

static void false_on_hello(void *userdata, uint64_t last_seq) {
        hear(userdata, "hello %llu", (unsigned long long) last_seq);
}

static void false_on_acknowledge(void *userdata, uint64_t seq) {
        hear(userdata, "acknowledge %llu", (unsigned long long) seq);
}

static void
false_on_reading(void *userdata, const char *service, CheckKind kind, const CheckReading *reading) {
        hear(userdata, "%s %s %s %s %lld %lld %d", service, check_to_string(kind),
             outcome_to_string(reading->outcome), cause_to_string(reading->cause),
             (long long) reading->value, (long long) reading->detail, reading->is_configured);
}

static void false_on_outside(void *userdata, bool is_reachable) {
        hear(userdata, "outside %d", is_reachable);
}

static void false_on_history(void *userdata, bool is_writable, const char *why) {
        hear(userdata, "history %d '%s'", is_writable, why);
}

static void false_on_alive(void *userdata) {
        hear(userdata, "alive");
}

static int rig_open(void **state) {
        Rig *rig = calloc(1, sizeof(*rig));
        const ControlHandlers handlers = {
                .get_status = false_get_status,
                .list_events = false_list_events,
                .command = false_command,
                .reload = false_reload,
                .on_hello = false_on_hello,
                .on_acknowledge = false_on_acknowledge,
                .on_reading = false_on_reading,
                .on_outside = false_on_outside,
                .on_history = false_on_history,
                .on_alive = false_on_alive,
                .userdata = rig,
        };

        assert_non_null(rig);
        assert_int_equal(scratch_open((void **) &rig->scratch), 0);
        assert_int_equal(chmod(rig->scratch->folder, 0755), 0);
        rig->status_size = 10;
        (void) snprintf(rig->path, sizeof(rig->path), "%s/warden.sock", rig->scratch->folder);
        assert_int_equal(control_new(rig->scratch->loop, rig->path, &handlers, &rig->control), 0);
        *state = rig;
        return 0;
}

static int rig_close(void **state) {
        Rig *rig = *state;

        rig->control = control_free(rig->control);
        assert_int_equal(access(rig->path, F_OK), -1);
        int r = scratch_close((void **) &rig->scratch);
        free(rig);
        return r;
}

/* Until nothing is left to be done at once. */
static void settle(const Rig *rig) {
        int r;

        while ((r = sd_event_run(rig->scratch->loop, 0)) > 0)
                ;
        assert_int_equal(r, 0);
}

static int connect_raw(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        (void) text_copy(address.sun_path, sizeof(address.sun_path), path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

static sd_bus *connect_client(const Rig *rig) {
        sd_bus *bus = NULL;

        assert_int_equal(bus_open_client_take(connect_raw(rig->path), rig->scratch->loop, &bus), 0);
        return bus;
}

/* The other end has hung up, after whatever it still had to say. */
static bool is_hung_up(int fd) {
        char buffer[4096];
        ssize_t n;

        while ((n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
                ;
        return n == 0 || errno != EAGAIN;
}

typedef struct Answer {
        bool is_there;
        char error[128];
        char text[256];
        unsigned n_strings;
        char last[256];
} Answer;

static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *unused) {
        Answer *answer = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(message);
        const char *text = "";

        (void) unused;
        answer->is_there = true;
        if (error) {
                (void) text_copy(answer->error, sizeof(answer->error), error->name);
                text = error->message;
        } else if (sd_bus_message_has_signature(message, "as")) {
                assert_true(sd_bus_message_enter_container(message, 'a', "s") > 0);
                while (sd_bus_message_read(message, "s", &text) > 0)
                        answer->n_strings++;
                (void) text_copy(answer->last, sizeof(answer->last), text);
        } else if (sd_bus_message_has_signature(message, "s"))
                assert_true(sd_bus_message_read(message, "s", &text) > 0);

        (void) text_copy(answer->text, sizeof(answer->text), text);
        return 0;
}

static bool is_answered(void *userdata) {
        return ((Answer *) userdata)->is_there;
}

static sd_bus_message *new_call(sd_bus *bus, const char *method) {
        sd_bus_message *message = NULL;

        assert_true(sd_bus_message_new_method_call(bus, &message, NULL, BUS_OBJECT, BUS_INTERFACE,
                                                   method) >= 0);
        return message;
}

static Answer call(Rig *rig, sd_bus *bus, const char *method, const char *types, ...) {
        sd_bus_message *message = new_call(bus, method);
        Answer answer = { 0 };
        va_list arguments;

        rig->heard[0] = '\0';
        rig->n_heard = 0;
        va_start(arguments, types);
        assert_true(sd_bus_message_appendv(message, types, arguments) >= 0);
        va_end(arguments);
        assert_true(sd_bus_call_async(bus, NULL, message, on_answer, &answer, 0) >= 0);
        (void) sd_bus_message_unref(message);
        scratch_turn(rig->scratch->loop, is_answered, &answer);
        return answer;
}

static void expect(const Rig *rig, const Answer *answer, const char *error, const char *heard) {
        assert_string_equal(answer->error, error);
        assert_string_equal(rig->heard, heard);
        assert_int_equal(rig->n_heard, heard[0] != '\0');
}

static void test_a_person_asks(void **state) {
        static const struct {
                const char *method;
                CommandKind command;
        } commands[] = {
                { "Resume", COMMAND_RESUME },   { "Start", COMMAND_START },
                { "Stop", COMMAND_STOP },       { "Restart", COMMAND_RESTART },
                { "Release", COMMAND_RELEASE }, { "Ack", COMMAND_ACK },
        };
        Rig *rig = *state;
        sd_bus *bus = connect_client(rig);
        char heard[64];
        Answer answer;

        for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
                answer = call(rig, bus, commands[i].method, "s", "bot");
                (void) snprintf(heard, sizeof(heard), "command %d on 'bot' for 0",
                                (int) commands[i].command);
                expect(rig, &answer, "", heard);
                assert_string_equal(answer.text, "the answer");
        }

        answer = call(rig, bus, "Pause", "st", "", (uint64_t) 1800000000);
        (void) snprintf(heard, sizeof(heard), "command %d on '' for 1800000000",
                        (int) COMMAND_PAUSE);
        expect(rig, &answer, "", heard);
        answer = call(rig, bus, "Reload", "");
        expect(rig, &answer, "", "reload");
        answer = call(rig, bus, "GetStatus", "");
        expect(rig, &answer, "", "status");
        assert_string_equal(answer.text, "xxxxxxxxxx");
        (void) sd_bus_close_unref(bus);
}

static void test_events_are_listed_up_to_a_limit(void **state) {
        Rig *rig = *state;
        sd_bus *bus = connect_client(rig);

        Answer answer = call(rig, bus, "GetEvents", "tu", (uint64_t) 10, (uint32_t) 3);
        expect(rig, &answer, "", "events since 10, at most 3");
        assert_int_equal(answer.n_strings, 3);
        assert_non_null(strstr(answer.last, "\"text\": \"event 13\""));

        answer = call(rig, bus, "GetEvents", "tu", (uint64_t) 0, UINT32_MAX);
        expect(rig, &answer, "", "events since 0, at most 512");
        assert_int_equal(answer.n_strings, CONTROL_EVENTS_MAX);
        answer = call(rig, bus, "GetEvents", "tu", UINT64_MAX - 1, UINT32_MAX);
        assert_int_equal(answer.n_strings, 0);
        (void) sd_bus_close_unref(bus);
}

static void test_what_went_wrong_has_a_name(void **state) {
        static const struct {
                ControlOutcome outcome;
                const char *error;
        } ends[] = {
                { CONTROL_NO_SUCH_SERVICE, BUS_ERROR "NoSuchService" },
                { CONTROL_REFUSED, BUS_ERROR "Refused" },
                { CONTROL_BUSY, BUS_ERROR "Busy" },
                { CONTROL_FAILED, BUS_ERROR "Failed" },
        };
        Rig *rig = *state;
        sd_bus *bus = connect_client(rig);
        Answer answer;

        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                rig->outcome = ends[i].outcome;
                answer = call(rig, bus, "Restart", "s", "none");
                assert_string_equal(answer.error, ends[i].error);
                assert_string_equal(answer.text, "the answer");
                answer = call(rig, bus, "Reload", "");
                assert_string_equal(answer.error, ends[i].error);
        }

        rig->status_r = -ENOMEM;
        answer = call(rig, bus, "GetStatus", "");
        assert_string_equal(answer.error, SD_BUS_ERROR_NO_MEMORY);
        (void) sd_bus_close_unref(bus);
}

static void test_what_is_misspelt_is_not_heard(void **state) {
        Rig *rig = *state;
        sd_bus *bus = connect_client(rig);
        Answer answer;

        answer = call(rig, bus, "Restart", "");
        expect(rig, &answer, SD_BUS_ERROR_INVALID_ARGS, "");
        answer = call(rig, bus, "Restart", "u", 7);
        expect(rig, &answer, SD_BUS_ERROR_INVALID_ARGS, "");
        answer = call(rig, bus, "Restart", "ss", "bot", "bot");
        expect(rig, &answer, SD_BUS_ERROR_INVALID_ARGS, "");
        answer = call(rig, bus, "Pause", "ss", "bot", "30m");
        expect(rig, &answer, SD_BUS_ERROR_INVALID_ARGS, "");
        answer = call(rig, bus, "GetEvents", "t", (uint64_t) 7);
        expect(rig, &answer, SD_BUS_ERROR_INVALID_ARGS, "");
        answer = call(rig, bus, "GetStatus", "s", "bot");
        expect(rig, &answer, SD_BUS_ERROR_INVALID_ARGS, "");
        answer = call(rig, bus, "Exec", "s", "rm");
        expect(rig, &answer, SD_BUS_ERROR_UNKNOWN_METHOD, "");
        (void) sd_bus_close_unref(bus);
}

static void test_the_clerks_methods_are_the_clerks(void **state) {
        Rig *rig = *state;
        sd_bus *bus = connect_client(rig);
        Answer answer;

        answer = call(rig, bus, "Hello", "t", (uint64_t) 7);
        expect(rig, &answer, BUS_ERROR "NotPermitted", "");
        answer = call(rig, bus, "Acknowledge", "t", (uint64_t) 7);
        expect(rig, &answer, BUS_ERROR "NotPermitted", "");
        answer = call(rig, bus, "Report", "ssssxx", "bot", "api", "ok", "", INT64_C(7), INT64_C(0));
        expect(rig, &answer, BUS_ERROR "NotPermitted", "");
        answer = call(rig, bus, "Outside", "b", 1);
        expect(rig, &answer, BUS_ERROR "NotPermitted", "");
        answer = call(rig, bus, "History", "bs", 0, "why");
        expect(rig, &answer, BUS_ERROR "NotPermitted", "");
        answer = call(rig, bus, "Alive", "");
        expect(rig, &answer, BUS_ERROR "NotPermitted", "");
        (void) sd_bus_close_unref(bus);
}

static sd_bus *connect_clerk(const Rig *rig) {
        sd_bus *bus = NULL;
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
                         0);
        assert_int_equal(control_set_clerk_take(rig->control, pair[0]), 0);
        assert_int_equal(bus_open_client_take(pair[1], rig->scratch->loop, &bus), 0);
        return bus;
}

static void test_the_clerk_reports(void **state) {
        Rig *rig = *state;
        sd_bus *bus = connect_clerk(rig);
        Answer answer;

        answer = call(rig, bus, "Hello", "t", (uint64_t) 7);
        expect(rig, &answer, "", "hello 7");
        answer = call(rig, bus, "Acknowledge", "t", UINT64_MAX);
        expect(rig, &answer, "", "acknowledge 18446744073709551615");
        answer = call(rig, bus, "Outside", "b", 1);
        expect(rig, &answer, "", "outside 1");
        answer = call(rig, bus, "History", "bs", 0, "disk full");
        expect(rig, &answer, "", "history 0 'disk full'");
        answer = call(rig, bus, "Alive", "");
        expect(rig, &answer, "", "alive");

        char heard[128];
        (void) snprintf(heard, sizeof(heard), "bot api fail %s 10000000 -3 1",
                        cause_to_string(CAUSE_TIMEOUT));
        answer = call(rig, bus, "Report", "ssssxx", "bot", "api", "fail",
                      cause_to_string(CAUSE_TIMEOUT), INT64_C(10000000), INT64_C(-3));
        expect(rig, &answer, "", heard);
        answer = call(rig, bus, "Report", "ssssxx", "bot", "weather", "fail", "timeout", INT64_C(0),
                      INT64_C(0));
        expect(rig, &answer, SD_BUS_ERROR_INVALID_ARGS, "");
        answer = call(rig, bus, "Report", "ssssxx", "bot", "api", "maybe", "timeout", INT64_C(0),
                      INT64_C(0));
        expect(rig, &answer, SD_BUS_ERROR_INVALID_ARGS, "");
        answer = call(rig, bus, "Report", "ssssxx", "bot", "api", "fail", "magic", INT64_C(0),
                      INT64_C(0));
        expect(rig, &answer, SD_BUS_ERROR_INVALID_ARGS, "");

        /* It speaks for people as well. */
        answer = call(rig, bus, "Restart", "s", "bot");
        assert_string_equal(answer.error, "");
        (void) sd_bus_close_unref(bus);
}

typedef struct Listener {
        unsigned n;
        uint64_t seqs[SIGNALS_MAX];
        char last[512];
} Listener;

static int on_event(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Listener *listener = userdata;
        const char *line;

        (void) error;
        assert_true(listener->n < SIGNALS_MAX);
        assert_true(sd_bus_message_read(message, "ts", &listener->seqs[listener->n++], &line) > 0);
        (void) text_copy(listener->last, sizeof(listener->last), line);
        return 0;
}

static void listen_to(sd_bus *bus, Listener *listener) {
        *listener = (Listener){ 0 };
        assert_true(sd_bus_match_signal(bus, NULL, NULL, BUS_OBJECT, BUS_INTERFACE, "Event",
                                        on_event, listener) >= 0);
}

static void show(const Rig *rig, uint64_t seq) {
        Event event;

        make_event(&event, seq);
        control_show_event(rig->control, &event);
}

static void test_events_are_shown_to_all_who_listen(void **state) {
        static Listener first;
        static Listener second;
        static Listener of_clerk;
        Rig *rig = *state;
        sd_bus *one = connect_client(rig);
        sd_bus *two = connect_client(rig);
        sd_bus *clerk = connect_clerk(rig);
        Event event;

        listen_to(one, &first);
        listen_to(two, &second);
        listen_to(clerk, &of_clerk);
        (void) call(rig, one, "GetStatus", "");
        (void) call(rig, two, "GetStatus", "");
        for (uint64_t seq = 1; seq <= 300; seq++)
                show(rig, seq);
        make_event(&event, 77);
        assert_int_equal(control_send_event(rig->control, &event) >= 0, 1);
        settle(rig);

        assert_int_equal(first.n, 300);
        assert_int_equal(second.n, 300);
        for (unsigned i = 0; i < 300; i++)
                assert_int_equal(first.seqs[i], i + 1);
        assert_string_equal(
                first.last,
                "{\"seq\": 300, \"time\": \"1970-01-01T00:00:00.000000Z\", \"service\": \"\", "
                "\"kind\": \"started\", \"level\": \"normal\", \"text\": \"event 300\", "
                "\"reason\": {}}");
        assert_int_equal(of_clerk.n, 1);
        assert_int_equal(of_clerk.seqs[0], 77);

        (void) sd_bus_close_unref(one);
        settle(rig);
        show(rig, 301);
        settle(rig);
        assert_int_equal(first.n, 300);
        assert_int_equal(second.n, 301);
        (void) sd_bus_close_unref(two);
        (void) sd_bus_close_unref(clerk);
}

static int on_sample(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        char *heard = userdata;
        uint64_t realtime_usec;
        const char *metric;
        const char *service;
        int64_t value;

        (void) error;
        assert_true(sd_bus_message_read(message, "t", &realtime_usec) > 0);
        assert_true(sd_bus_message_enter_container(message, 'a', "(ssx)") > 0);
        int n = snprintf(heard, 256, "%llu", (unsigned long long) realtime_usec);
        while (sd_bus_message_read(message, "(ssx)", &metric, &service, &value) > 0)
                n += snprintf(heard + n, (size_t) (256 - n), " %s/%s=%lld", metric, service,
                              (long long) value);
        return 0;
}

static void test_samples_go_to_the_clerk(void **state) {
        static const ControlSample samples[] = {
                { "cpu_permille", "", 125 },
                { "memory_bytes", "bot", INT64_C(1) << 40 },
        };
        Rig *rig = *state;
        char heard[256] = "";

        assert_int_equal(control_send_samples(rig->control, 5, samples, 2), -ENOTCONN);
        sd_bus *clerk = connect_clerk(rig);
        assert_true(sd_bus_match_signal(clerk, NULL, NULL, BUS_OBJECT, BUS_INTERFACE, "Sample",
                                        on_sample, heard) >= 0);
        (void) call(rig, clerk, "Alive", "");
        assert_true(control_send_samples(rig->control, 5, samples, 2) >= 0);
        settle(rig);
        assert_string_equal(heard, "5 cpu_permille/=125 memory_bytes/bot=1099511627776");
        assert_true(control_send_samples(rig->control, 6, NULL, 0) >= 0);
        settle(rig);
        assert_string_equal(heard, "6");
        (void) sd_bus_close_unref(clerk);
}

static void test_a_new_clerk_takes_the_place_of_the_old(void **state) {
        Rig *rig = *state;
        Event event;

        make_event(&event, 1);
        assert_int_equal(control_send_event(rig->control, &event), -ENOTCONN);
        sd_bus *old = connect_clerk(rig);
        (void) call(rig, old, "Hello", "t", (uint64_t) 7);
        sd_bus *new = connect_clerk(rig);
        settle(rig);
        assert_int_equal(sd_bus_is_open(old), 0);
        Answer answer = call(rig, new, "Hello", "t", (uint64_t) 8);
        expect(rig, &answer, "", "hello 8");

        (void) sd_bus_close_unref(new);
        settle(rig);
        assert_int_equal(control_send_event(rig->control, &event), -ENOTCONN);
        (void) sd_bus_close_unref(old);
}

static void test_one_more_is_closed_at_once(void **state) {
        Rig *rig = *state;
        sd_bus *buses[CONTROL_CONNECTIONS_MAX];
        Answer answer;

        for (size_t i = 0; i < ELEMENTSOF(buses); i++) {
                buses[i] = connect_client(rig);
                answer = call(rig, buses[i], "GetStatus", "");
                assert_string_equal(answer.error, "");
        }

        int more = connect_raw(rig->path);
        settle(rig);
        assert_true(is_hung_up(more));
        (void) close(more);

        /* All places are taken, and the clerk comes in all the same. */
        sd_bus *clerk = connect_clerk(rig);
        answer = call(rig, clerk, "Hello", "t", (uint64_t) 7);
        expect(rig, &answer, "", "hello 7");

        for (size_t i = 0; i < ELEMENTSOF(buses); i++) {
                answer = call(rig, buses[i], "GetStatus", "");
                assert_string_equal(answer.error, "");
        }
        (void) sd_bus_close_unref(buses[5]);
        settle(rig);
        buses[5] = connect_client(rig);
        answer = call(rig, buses[5], "GetStatus", "");
        assert_string_equal(answer.error, "");

        for (size_t i = 0; i < ELEMENTSOF(buses); i++)
                (void) sd_bus_close_unref(buses[i]);
        (void) sd_bus_close_unref(clerk);
}

static void test_a_listener_that_does_not_listen_is_dropped(void **state) {
        static Listener listener;
        Rig *rig = *state;
        sd_bus *deaf = connect_client(rig);
        sd_bus *awake = connect_client(rig);
        uint64_t seq = 0;

        listen_to(awake, &listener);
        (void) call(rig, deaf, "GetStatus", "");
        (void) call(rig, awake, "GetStatus", "");
        assert_true(sd_bus_detach_event(deaf) >= 0);

        /* A whole step of events is not too much to be behind by. */
        for (unsigned i = 0; i < DECISION_EVENTS_MAX; i++)
                show(rig, ++seq);
        settle(rig);
        assert_int_equal(listener.n, seq);
        assert_false(recv(sd_bus_get_fd(deaf), &(char){ 0 }, 1, MSG_PEEK | MSG_DONTWAIT) <= 0);

        while (seq < 1500) {
                for (unsigned i = 0; i < 50; i++)
                        show(rig, ++seq);
                settle(rig);
        }
        assert_true(is_hung_up(sd_bus_get_fd(deaf)));
        assert_int_equal(listener.n, seq);
        (void) sd_bus_close_unref(deaf);
        (void) sd_bus_close_unref(awake);
}

/* Sends the call and does not look at the answer; false when the other end has gone. */
static bool ask_only(sd_bus *bus, const char *interface, const char *method) {
        sd_bus_message *message = NULL;
        uint64_t cookie; /* who does not want to know it wants no answer either */

        int r = sd_bus_message_new_method_call(bus, &message, NULL, BUS_OBJECT, interface, method);
        if (r >= 0)
                r = sd_bus_send(bus, message, &cookie);
        if (r >= 0)
                r = sd_bus_flush(bus);
        (void) sd_bus_message_unref(message);
        return r >= 0;
}

static void test_asking_without_reading(void **state) {
        static const char *const questions[][2] = {
                { BUS_INTERFACE, "GetStatus" },
                { "org.freedesktop.DBus.Introspectable", "Introspect" },
                { BUS_INTERFACE, "Nonsense" },
        };
        Rig *rig = *state;

        rig->status_size = 100000;
        for (size_t i = 0; i < ELEMENTSOF(questions); i++) {
                sd_bus *deaf = connect_client(rig);
                unsigned n = 0;

                (void) call(rig, deaf, "Ack", "s", "bot");
                assert_true(sd_bus_detach_event(deaf) >= 0);
                rig->n_heard = 0;
                while (n < 20000 && ask_only(deaf, questions[i][0], questions[i][1])) {
                        settle(rig);
                        n++;
                }
                assert_true(n < 20000);
                assert_true(is_hung_up(sd_bus_get_fd(deaf)));

                /* What is large is not added to a heap nobody takes from. */
                assert_true(rig->n_heard < 20);
                (void) sd_bus_close_unref(deaf);
        }

        sd_bus *bus = connect_client(rig);
        rig->status_size = 10;
        Answer answer = call(rig, bus, "GetStatus", "");
        expect(rig, &answer, "", "status");
        (void) sd_bus_close_unref(bus);
}

static void send_raw(int fd, const char *bytes, size_t length) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);

        (void) n; /* it may have hung up, or have taken enough */
}

static void expect_still_serving(Rig *rig) {
        sd_bus *bus = connect_client(rig);
        Answer answer = call(rig, bus, "GetStatus", "");

        expect(rig, &answer, "", "status");
        (void) sd_bus_close_unref(bus);
        settle(rig);
}

static void test_bytes_that_are_no_greeting(void **state) {
        static const struct {
                const char *bytes;
                size_t length;
        } greetings[] = {
#define BYTES(text) { text, sizeof(text) - 1 }
                BYTES("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                BYTES("\0\r\n\r\n\r\n"),
                BYTES("\0AUTH\r\nAUTH MAGIC\r\nBEGIN\r\nBEGIN\r\n"),
                BYTES("\0AUTH EXTERNAL zz\r\nBEGIN\r\n"),
                BYTES("\0AUTH EXTERNAL 3939393939393939393939\r\nBEGIN\r\n"),
                BYTES("\0BEGIN\r\nl\1\0\1\0\0\0\0\1\0\0\0\0\0\0\0"),
                BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
                BYTES("\0"),
#undef BYTES
        };
        Rig *rig = *state;
        static char flood[200000];

        for (size_t i = 0; i < ELEMENTSOF(greetings); i++) {
                int fd = connect_raw(rig->path);

                send_raw(fd, greetings[i].bytes, greetings[i].length);
                settle(rig);
                (void) close(fd);
                settle(rig);
        }

        /* A line without an end. */
        memset(flood, 'A', sizeof(flood));
        flood[0] = '\0';
        int fd = connect_raw(rig->path);
        for (unsigned i = 0; i < 10; i++) {
                send_raw(fd, flood, sizeof(flood));
                settle(rig);
        }
        assert_true(is_hung_up(fd));
        (void) close(fd);
        expect_still_serving(rig);
        assert_int_equal(rig->n_heard, 1);
}

static int greet(const Rig *rig) {
        static const char hello[] = "\0AUTH ANONYMOUS 61\r\n";
        char answer[256];
        int fd = connect_raw(rig->path);

        send_raw(fd, hello, sizeof(hello) - 1);
        settle(rig);
        ssize_t n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
        assert_true(n > 3 && memcmp(answer, "OK ", 3) == 0);
        send_raw(fd, "BEGIN\r\n", 7);
        settle(rig);
        return fd;
}

/* A message as it goes over the wire. */
static void *make_message(const Rig *rig, size_t *ret_size) {
        sd_bus *bus = connect_client(rig);
        sd_bus_message *message = new_call(bus, "Restart");
        void *bytes = NULL;
        int pair[2];

        /* The one way to see the bytes is to look at the other end of a socket. */
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
                         0);
        (void) sd_bus_message_unref(message);
        (void) sd_bus_close_unref(bus);

        assert_int_equal(bus_open_client_take(pair[0], rig->scratch->loop, &bus), 0);
        settle(rig);
        char greeting[256];
        (void) recv(pair[1], greeting, sizeof(greeting), 0);
        static const char ok[] =
                "OK 0123456789abcdef0123456789abcdef\r\nOK 0123456789abcdef0123456789abcdef\r\n";
        send_raw(pair[1], ok, 37);
        settle(rig);
        message = new_call(bus, "Restart");
        assert_true(sd_bus_message_append(message, "s", "bot") >= 0);
        assert_true(sd_bus_send(bus, message, NULL) >= 0);
        settle(rig);

        bytes = malloc(4096);
        assert_non_null(bytes);
        ssize_t n = recv(pair[1], bytes, 4096, 0);
        assert_true(n > 64);
        (void) sd_bus_message_unref(message);
        (void) sd_bus_close_unref(bus);
        (void) close(pair[1]);
        *ret_size = (size_t) n;
        return bytes;
}

static void test_messages_torn_and_twisted(void **state) {
        Rig *rig = *state;
        size_t size = 0;
        CLEANUP_FREE char *message = make_message(rig, &size);
        char twisted[4096];

        /* The whole is understood: this is the message we believe it is. */
        int fd = greet(rig);
        rig->n_heard = 0;
        send_raw(fd, message, size);
        settle(rig);
        assert_int_equal(rig->n_heard, 1);
        (void) close(fd);
        settle(rig);

        /* Every connection is one of our own, and they come in at a limited pace: cut ten times, not at each byte. */
        rig->n_heard = 0;
        for (unsigned i = 0; i < 10; i++) {
                fd = greet(rig);
                send_raw(fd, message, 1 + i * (size - 2) / 10);
                settle(rig);
                (void) close(fd);
                settle(rig);
        }
        assert_int_equal(rig->n_heard, 0);

        /* Each byte of the header turned to its worst. */
        for (size_t at = 0; at < 16; at++) {
                memcpy(twisted, message, size);
                twisted[at] = (char) 0xff;
                fd = greet(rig);
                send_raw(fd, twisted, size);
                settle(rig);
                (void) close(fd);
                settle(rig);
        }
        expect_still_serving(rig);
}

static void test_who_hangs_up_in_the_middle(void **state) {
        Rig *rig = *state;

        for (unsigned i = 0; i < 10; i++) {
                sd_bus *bus = connect_client(rig);

                (void) call(rig, bus, "GetStatus", "");
                assert_true(sd_bus_detach_event(bus) >= 0);
                assert_true(ask_only(bus, BUS_INTERFACE, "GetStatus"));
                (void) sd_bus_close_unref(bus);
                if (i % 2 == 0)
                        show(rig, i + 1);
                settle(rig);
        }
        expect_still_serving(rig);
}

/* Neither who does not read nor who has not said a word holds up our end. */
static void test_the_end_is_not_waited_for(void **state) {
        Rig *rig = *state;
        sd_bus *deaf = connect_client(rig);
        int silent = connect_raw(rig->path);

        (void) call(rig, deaf, "GetStatus", "");
        assert_true(sd_bus_detach_event(deaf) >= 0);
        for (unsigned i = 1; i <= CONTROL_BEHIND_MAX; i++)
                show(rig, i);
        settle(rig);
        rig->control = control_free(rig->control);
        assert_true(is_hung_up(sd_bus_get_fd(deaf)));
        assert_true(is_hung_up(silent));
        (void) sd_bus_close_unref(deaf);
        (void) close(silent);
}

static void test_a_socket_that_cannot_be(void **state) {
        Rig *rig = *state;
        const ControlHandlers handlers = { 0 };
        Control *control = NULL;

        assert_int_equal(control_new(rig->scratch->loop, scratch_path(rig->scratch, "none/sock"),
                                     &handlers, &control),
                         -ENOENT);
        assert_null(control);
        assert_null(control_free(NULL));
}

/* Strangers, in a process of their own. They say what went wrong in their exit status. */

static int stranger_call(sd_bus *bus, const char *method, const char *error_wanted) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        bool has_service = strcmp(method, "GetStatus") != 0 && strcmp(method, "Reload") != 0;

        int r = strcmp(method, "Pause") == 0
                        ? sd_bus_call_method(bus, NULL, BUS_OBJECT, BUS_INTERFACE, method, &error,
                                             NULL, "st", "bot", (uint64_t) 0)
                : has_service ? sd_bus_call_method(bus, NULL, BUS_OBJECT, BUS_INTERFACE, method,
                                                   &error, NULL, "s", "bot")
                              : sd_bus_call_method(bus, NULL, BUS_OBJECT, BUS_INTERFACE, method,
                                                   &error, NULL, NULL);
        bool is_as_wanted = error_wanted ? sd_bus_error_has_name(&error, error_wanted) : r >= 0;

        sd_bus_error_free(&error);
        return is_as_wanted ? 0 : 1;
}

static int stranger_looks_and_acts(void *userdata) {
        static const char *const acts[] = { "Pause",   "Resume",  "Start", "Stop",
                                            "Restart", "Release", "Ack",   "Reload" };
        const Rig *rig = userdata;
        sd_bus *bus = NULL;

        if (bus_open_client_path(rig->path, &bus) < 0)
                return 10;
        if (stranger_call(bus, "GetStatus", NULL) != 0)
                return 11;
        for (size_t i = 0; i < ELEMENTSOF(acts); i++)
                if (stranger_call(bus, acts[i], BUS_ERROR "NotPermitted") != 0)
                        return 20 + (int) i;

        (void) sd_bus_close_unref(bus);
        return 0;
}

/* Exits with how many of its connections were served, keeping them all until then. */
static int stranger_takes_places(void *userdata) {
        const Rig *rig = userdata;
        sd_bus *buses[CONTROL_CONNECTIONS_MAX] = { 0 };
        int n = 0;

        for (size_t i = 0; i < ELEMENTSOF(buses); i++) {
                /* One too many is sent away, which it may notice at its first word already. */
                if (bus_open_client_path(rig->path, &buses[i]) >= 0)
                        n += stranger_call(buses[i], "GetStatus", NULL) == 0;
        }

        /* Held until the host has come in as well. */
        const char *done = scratch_path(rig->scratch, "done");
        while (access(done, F_OK) < 0)
                (void) poll(NULL, 0, 5);

        for (size_t i = 0; i < ELEMENTSOF(buses); i++)
                (void) sd_bus_close_unref(buses[i]);
        return n;
}

typedef struct Stranger {
        int (*function)(void *userdata);
        Rig *rig;
        bool has_ended;
        int status;
} Stranger;

static int on_stranger_ended(sd_event_source *source, const siginfo_t *info, void *userdata) {
        Stranger *stranger = userdata;

        (void) source;
        stranger->has_ended = true;
        stranger->status = info->si_code == CLD_EXITED ? info->si_status : -1;
        return 0;
}

static int run_stranger(void *userdata) {
        Stranger *stranger = userdata;

        return stranger->function(stranger->rig);
}

static bool has_ended(void *userdata) {
        return ((Stranger *) userdata)->has_ended;
}

/* False when we are not root. */
static bool stranger_begin(Stranger *stranger) {
        sigset_t mask;

        if (geteuid() != 0) {
                print_message("SKIPPED: only root can become somebody else\n");
                return false;
        }

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGCHLD);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        pid_t pid = scratch_fork_nobody(run_stranger, stranger);
        assert_true(sd_event_add_child(stranger->rig->scratch->loop, NULL, pid, WEXITED,
                                       on_stranger_ended, stranger) >= 0);
        return true;
}

static void test_a_stranger_may_look_and_not_act(void **state) {
        Rig *rig = *state;
        Stranger stranger = { .function = stranger_looks_and_acts, .rig = rig };

        if (!stranger_begin(&stranger))
                skip();
        scratch_turn(rig->scratch->loop, has_ended, &stranger);
        assert_int_equal(stranger.status, 0);
        assert_int_equal(rig->n_heard, 1);
        assert_string_equal(rig->heard, "status");
}

static bool are_all_heard(void *userdata) {
        return ((Rig *) userdata)->n_heard == CONTROL_STRANGERS_MAX;
}

static void test_strangers_do_not_take_all_places(void **state) {
        Rig *rig = *state;
        Stranger stranger = { .function = stranger_takes_places, .rig = rig };

        if (!stranger_begin(&stranger))
                skip();
        scratch_turn(rig->scratch->loop, are_all_heard, rig);
        sd_bus *bus = connect_client(rig);
        Answer answer = call(rig, bus, "Restart", "s", "bot");
        assert_string_equal(answer.error, "");
        (void) sd_bus_close_unref(bus);

        scratch_write(scratch_path(rig->scratch, "done"), "", 0);
        scratch_turn(rig->scratch->loop, has_ended, &stranger);
        assert_int_equal(stranger.status, CONTROL_STRANGERS_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_open, rig_close)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_person_asks),
                TEST(test_events_are_listed_up_to_a_limit),
                TEST(test_what_went_wrong_has_a_name),
                TEST(test_what_is_misspelt_is_not_heard),
                TEST(test_the_clerks_methods_are_the_clerks),
                TEST(test_the_clerk_reports),
                TEST(test_events_are_shown_to_all_who_listen),
                TEST(test_samples_go_to_the_clerk),
                TEST(test_a_new_clerk_takes_the_place_of_the_old),
                TEST(test_one_more_is_closed_at_once),
                TEST(test_a_listener_that_does_not_listen_is_dropped),
                TEST(test_asking_without_reading),
                TEST(test_bytes_that_are_no_greeting),
                TEST(test_messages_torn_and_twisted),
                TEST(test_who_hangs_up_in_the_middle),
                TEST(test_the_end_is_not_waited_for),
                TEST(test_a_socket_that_cannot_be),
                TEST(test_a_stranger_may_look_and_not_act),
                TEST(test_strangers_do_not_take_all_places),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
