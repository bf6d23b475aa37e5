/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Control: the one interface of the warden.
 *
 *     tool ──► warden.sock ─┐
 *                           ├─► org.albraguard.Warden1 ──► handlers
 *     clerk ─► inherited ───┘
 *
 * Anyone on the machine may look; only root and the user we run as may act; only the process at the
 * other end of the socket we made ourselves may report readings. That is decided here, by who the
 * kernel says is calling, before a handler hears of it. Messages are typed by D-Bus, so there is
 * nothing of ours to parse.
 *
 * A listener that does not read is disconnected when it is too far behind: our memory is not where
 * others keep what they have no time for. Nor can those who may only look take all the places: some
 * are left for those who may act, and the clerk has its own.
 */

#include "app/control.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/i18n.h"
#include "base/log.h"
#include "base/macro.h"

/* A flood of connections is taken in at this pace; the loop has other things to do. */
#define ACCEPT_PER_SECOND 50

typedef struct Connection {
        Control *control;
        sd_bus *bus; /* NULL: the place is free */
        BusPeer peer;
        bool is_clerk;
} Connection;

struct Control {
        sd_event *loop;
        sd_event_source *source;
        int listen_fd;
        char path[PATH_SIZE];
        ControlHandlers handlers;
        bool is_full_told;
        Connection connections[CONTROL_CONNECTIONS_MAX];
        Connection clerk;
};

static void connection_close(Connection *connection) {
        (void) sd_bus_detach_event(connection->bus);
        sd_bus_close(connection->bus);
        connection->bus = sd_bus_unref(connection->bus);
}

static int refuse(sd_bus_error *error, const char *name, const char *text) {
        return sd_bus_error_set(error, name, text);
}

static bool may_act(const Connection *connection) {
        return connection->is_clerk || connection->peer.uid == 0 ||
               connection->peer.uid == geteuid();
}

static int require_act(const Connection *connection, sd_bus_error *error) {
        if (may_act(connection))
                return 0;

        return refuse(error, BUS_ERROR "NotPermitted",
                      _("only root and the user albraguard runs as may do this; try it with sudo"));
}

static int require_clerk(const Connection *connection, sd_bus_error *error) {
        if (connection->is_clerk)
                return 0;

        return refuse(error, BUS_ERROR "NotPermitted", _("this is for albraguard's own clerk"));
}

/* How many messages of ours it has not read; those in the socket do not count. */
static uint64_t count_unread(const Connection *connection) {
        uint64_t n = 0;

        (void) sd_bus_get_n_queued_write(connection->bus,
                                         &n); /* a closed one has read all it ever will */
        return n;
}

static int require_room(const Connection *connection, sd_bus_error *error) {
        if (count_unread(connection) <= CONTROL_UNREAD_MAX)
                return 0;

        return refuse(error, SD_BUS_ERROR_LIMITS_EXCEEDED, _("read the earlier answers first"));
}

static int
answer(sd_bus_message *message, ControlOutcome outcome, const char *text, sd_bus_error *error) {
        static const char *const names[] = {
                [CONTROL_DONE] = "",
                [CONTROL_NO_SUCH_SERVICE] = BUS_ERROR "NoSuchService",
                [CONTROL_REFUSED] = BUS_ERROR "Refused",
                [CONTROL_BUSY] = BUS_ERROR "Busy",
                [CONTROL_FAILED] = BUS_ERROR "Failed",
        };
        static_assert(ELEMENTSOF(names) == _CONTROL_OUTCOME_MAX, "a name for each outcome");

        if (outcome == CONTROL_DONE)
                return sd_bus_reply_method_return(message, "s", text);

        return refuse(error, names[outcome], text);
}

static int method_get_status(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Connection *connection = userdata;
        const ControlHandlers *handlers = &connection->control->handlers;
        CLEANUP_FREE char *json = NULL;

        int r = require_room(connection, error);
        if (r >= 0)
                r = handlers->get_status(handlers->userdata, &json);
        if (r < 0)
                return r;

        return sd_bus_reply_method_return(message, "s", json);
}

static void append_event(void *userdata, const Event *event) {
        sd_bus_message *reply = userdata;
        char line[SPOOL_LINE_MAX];
        Buf buf;

        buf_init(&buf, line, sizeof(line));
        event_render_json(event, &buf);
        (void) sd_bus_message_append(reply, "s",
                                     line); /* out of memory shows when the reply is sent */
}

static int method_get_events(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Connection *connection = userdata;
        const ControlHandlers *handlers = &connection->control->handlers;
        uint64_t since_seq;
        uint32_t most;
        sd_bus_message *reply = NULL;

        int r = require_room(connection, error);
        if (r >= 0)
                r = sd_bus_message_read(message, "tu", &since_seq, &most);
        if (r >= 0)
                r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "s");
        if (r >= 0) {
                (void) handlers->list_events(handlers->userdata, since_seq,
                                             MIN(most, (uint32_t) CONTROL_EVENTS_MAX), append_event,
                                             reply);
                r = sd_bus_message_close_container(reply);
        }
        if (r >= 0)
                r = sd_bus_send(connection->bus, reply, NULL);

        (void) sd_bus_message_unref(reply);
        return r;
}

static int run_command(Connection *connection,
                       sd_bus_message *message,
                       CommandKind command,
                       sd_bus_error *error) {
        const ControlHandlers *handlers = &connection->control->handlers;
        char text[CONTROL_ANSWER_SIZE] = "";
        const char *service;
        uint64_t for_usec = 0;

        int r = require_act(connection, error);
        if (r < 0)
                return r;

        r = sd_bus_message_read(message, "s", &service);
        if (r >= 0 && command == COMMAND_PAUSE)
                r = sd_bus_message_read(message, "t", &for_usec);
        if (r < 0)
                return r;

        ControlOutcome outcome = handlers->command(handlers->userdata, &connection->peer, service,
                                                   command, for_usec, text);
        return answer(message, outcome, text, error);
}

#define COMMAND_METHOD(name, command)                                                   \
        static int name(sd_bus_message *message, void *userdata, sd_bus_error *error) { \
                return run_command(userdata, message, command, error);                  \
        }

COMMAND_METHOD(method_pause, COMMAND_PAUSE)
COMMAND_METHOD(method_resume, COMMAND_RESUME)
COMMAND_METHOD(method_start, COMMAND_START)
COMMAND_METHOD(method_stop, COMMAND_STOP)
COMMAND_METHOD(method_restart, COMMAND_RESTART)
COMMAND_METHOD(method_release, COMMAND_RELEASE)
COMMAND_METHOD(method_ack, COMMAND_ACK)

static int method_reload(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Connection *connection = userdata;
        const ControlHandlers *handlers = &connection->control->handlers;
        char text[CONTROL_ANSWER_SIZE] = "";

        int r = require_act(connection, error);
        if (r < 0)
                return r;

        ControlOutcome outcome = handlers->reload(handlers->userdata, text);
        return answer(message, outcome, text, error);
}

static int method_hello(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Connection *connection = userdata;
        const ControlHandlers *handlers = &connection->control->handlers;
        uint64_t last_seq;

        int r = require_clerk(connection, error);
        if (r >= 0)
                r = sd_bus_message_read(message, "t", &last_seq);
        if (r < 0)
                return r;

        handlers->on_hello(handlers->userdata, last_seq);
        return sd_bus_reply_method_return(message, NULL);
}

static int method_acknowledge(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Connection *connection = userdata;
        const ControlHandlers *handlers = &connection->control->handlers;
        uint64_t seq;

        int r = require_clerk(connection, error);
        if (r >= 0)
                r = sd_bus_message_read(message, "t", &seq);
        if (r < 0)
                return r;

        handlers->on_acknowledge(handlers->userdata, seq);
        return sd_bus_reply_method_return(message, NULL);
}

static int outcome_from_string(const char *name) {
        for (Outcome outcome = 0; outcome < _OUTCOME_MAX; outcome++)
                if (strcmp(outcome_to_string(outcome), name) == 0)
                        return (int) outcome;

        return -EINVAL;
}

static int method_report(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Connection *connection = userdata;
        const ControlHandlers *handlers = &connection->control->handlers;
        const char *service;
        const char *check;
        const char *outcome;
        const char *cause;
        CheckReading reading = { .is_configured = true };

        int r = require_clerk(connection, error);
        if (r >= 0)
                r = sd_bus_message_read(message, "ssssxx", &service, &check, &outcome, &cause,
                                        &reading.value, &reading.detail);
        if (r < 0)
                return r;

        int kind = check_from_string(check);
        int outcome_number = outcome_from_string(outcome);
        int cause_number = cause_from_string(cause);
        if (kind < 0 || outcome_number < 0 || cause_number < 0)
                return refuse(error, SD_BUS_ERROR_INVALID_ARGS,
                              "a word of the report is not known");

        reading.outcome = (Outcome) outcome_number;
        reading.cause = (Cause) cause_number;
        handlers->on_reading(handlers->userdata, service, (CheckKind) kind, &reading);
        return sd_bus_reply_method_return(message, NULL);
}

static int method_outside(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Connection *connection = userdata;
        const ControlHandlers *handlers = &connection->control->handlers;
        int is_reachable;

        int r = require_clerk(connection, error);
        if (r >= 0)
                r = sd_bus_message_read(message, "b", &is_reachable);
        if (r < 0)
                return r;

        handlers->on_outside(handlers->userdata, is_reachable != 0);
        return sd_bus_reply_method_return(message, NULL);
}

static int method_history(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Connection *connection = userdata;
        const ControlHandlers *handlers = &connection->control->handlers;
        int is_writable;
        const char *why;

        int r = require_clerk(connection, error);
        if (r >= 0)
                r = sd_bus_message_read(message, "bs", &is_writable, &why);
        if (r < 0)
                return r;

        handlers->on_history(handlers->userdata, is_writable != 0, why);
        return sd_bus_reply_method_return(message, NULL);
}

static int method_alive(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Connection *connection = userdata;
        const ControlHandlers *handlers = &connection->control->handlers;

        int r = require_clerk(connection, error);
        if (r < 0)
                return r;

        handlers->on_alive(handlers->userdata);
        return sd_bus_reply_method_return(message, NULL);
}

/* Who may call what is decided in the methods: the D-Bus notion of privilege does not fit a socket without a broker. */
#define METHOD(name, arguments, results, function) \
        SD_BUS_METHOD(name, arguments, results, function, SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        METHOD("GetStatus", NULL, "s", method_get_status),
        METHOD("GetEvents", "tu", "as", method_get_events),
        METHOD("Pause", "st", "s", method_pause),
        METHOD("Resume", "s", "s", method_resume),
        METHOD("Start", "s", "s", method_start),
        METHOD("Stop", "s", "s", method_stop),
        METHOD("Restart", "s", "s", method_restart),
        METHOD("Release", "s", "s", method_release),
        METHOD("Ack", "s", "s", method_ack),
        METHOD("Reload", NULL, "s", method_reload),
        METHOD("Hello", "t", NULL, method_hello),
        METHOD("Acknowledge", "t", NULL, method_acknowledge),
        METHOD("Report", "ssssxx", NULL, method_report),
        METHOD("Outside", "b", NULL, method_outside),
        METHOD("History", "bs", NULL, method_history),
        METHOD("Alive", NULL, NULL, method_alive),
        SD_BUS_SIGNAL("Event", "ts", 0),
        SD_BUS_SIGNAL("Sample", "ta(ssx)", 0),
        SD_BUS_VTABLE_END,
};

static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        (void) message;
        (void) error;
        connection_close(userdata);
        return 1;
}

/* Before anything is answered, also what sd-bus answers by itself. */
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Connection *connection = userdata;

        (void) message;
        (void) error;
        if (count_unread(connection) <= CONTROL_BEHIND_MAX)
                return 0;

        connection_close(connection);
        return 1;
}

static int
connection_open_take(Control *control, Connection *connection, int socket_fd, bool is_clerk) {
        *connection = (Connection){ .control = control, .is_clerk = is_clerk };

        int r = bus_open_server_take(socket_fd, control->loop, &connection->bus, &connection->peer);
        if (r < 0)
                return r;

        r = sd_bus_add_object_vtable(connection->bus, NULL, BUS_OBJECT, BUS_INTERFACE,
                                     control_vtable, connection);
        if (r >= 0)
                r = sd_bus_add_filter(connection->bus, NULL, on_message, connection);
        if (r >= 0)
                r = sd_bus_match_signal(connection->bus, NULL, NULL, "/org/freedesktop/DBus/Local",
                                        "org.freedesktop.DBus.Local", "Disconnected",
                                        on_disconnected, connection);
        if (r < 0) {
                connection_close(connection);
                return r;
        }

        return 0;
}

static Connection *find_place(Control *control) {
        for (size_t i = 0; i < ELEMENTSOF(control->connections); i++)
                if (!control->connections[i].bus)
                        return &control->connections[i];

        return NULL;
}

static unsigned count_strangers(const Control *control) {
        unsigned n = 0;

        for (size_t i = 0; i < ELEMENTSOF(control->connections); i++)
                n += control->connections[i].bus && !may_act(&control->connections[i]);

        return n;
}

static int take_connection(Control *control, int socket_fd) {
        Connection *connection = find_place(control);

        if (!connection) {
                (void) close(socket_fd);
                return -EUSERS;
        }

        int r = connection_open_take(control, connection, socket_fd, /* is_clerk= */ false);
        if (r < 0)
                return r;

        if (!may_act(connection) && count_strangers(control) > CONTROL_STRANGERS_MAX) {
                connection_close(connection);
                return -EUSERS;
        }

        return 0;
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Control *control = userdata;

        (void) source;
        (void) revents;
        int socket_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (socket_fd < 0)
                return 0; /* it went away again, or we are out of descriptors: the next one may have luck */

        int r = take_connection(control, socket_fd);
        if (r < 0 && !control->is_full_told)
                log_errno(LOG_LEVEL_WARNING, r, _("a connection to %s was not taken"),
                          control->path);
        control->is_full_told = r < 0;
        return 0;
}

int control_new(sd_event *loop,
                const char *path,
                const ControlHandlers *handlers,
                Control **ret_control) {
        Control *control = calloc(1, sizeof(*control));
        if (!control)
                return -ENOMEM;

        control->loop = loop;
        control->handlers = *handlers;
        (void) snprintf(control->path, sizeof(control->path), "%s", path);

        int r = bus_listen(path, 0666, &control->listen_fd);
        if (r < 0) {
                free(control);
                return r;
        }

        r = sd_event_add_io(loop, &control->source, control->listen_fd, EPOLLIN, on_connection,
                            control);
        if (r >= 0)
                r = sd_event_source_set_ratelimit(control->source, USEC_PER_SEC, ACCEPT_PER_SECOND);
        if (r < 0) {
                (void) control_free(control);
                return r;
        }

        *ret_control = control;
        return 0;
}

Control *control_free(Control *control) {
        if (!control)
                return NULL;

        /* Who reads has been sent everything already; who does not must not hold up our end. */
        for (size_t i = 0; i < ELEMENTSOF(control->connections); i++)
                if (control->connections[i].bus)
                        connection_close(&control->connections[i]);
        if (control->clerk.bus)
                connection_close(&control->clerk);
        (void) sd_event_source_disable_unref(control->source);
        (void) close(control->listen_fd);
        (void) unlink(control->path); /* the next watch replaces it anyway */
        free(control);
        return NULL;
}

int control_set_clerk_take(Control *control, int socket_fd) {
        assert(control);

        if (control->clerk.bus)
                connection_close(&control->clerk);

        return connection_open_take(control, &control->clerk, socket_fd, /* is_clerk= */ true);
}

static int send_event(Connection *connection, const Event *event) {
        char line[SPOOL_LINE_MAX];
        Buf buf;

        buf_init(&buf, line, sizeof(line));
        event_render_json(event, &buf);
        return sd_bus_emit_signal(connection->bus, BUS_OBJECT, BUS_INTERFACE, "Event", "ts",
                                  event->seq, line);
}

void control_show_event(Control *control, const Event *event) {
        assert(control);

        for (size_t i = 0; i < ELEMENTSOF(control->connections); i++) {
                Connection *connection = &control->connections[i];

                if (connection->bus && (send_event(connection, event) < 0 ||
                                        count_unread(connection) > CONTROL_BEHIND_MAX))
                        connection_close(connection);
        }
}

int control_send_event(Control *control, const Event *event) {
        assert(control);

        return control->clerk.bus ? send_event(&control->clerk, event) : -ENOTCONN;
}

int control_send_samples(Control *control,
                         usec_t realtime_usec,
                         const ControlSample *samples,
                         unsigned n_samples) {
        sd_bus_message *message = NULL;

        assert(control);
        if (!control->clerk.bus)
                return -ENOTCONN;

        int r = sd_bus_message_new_signal(control->clerk.bus, &message, BUS_OBJECT, BUS_INTERFACE,
                                          "Sample");
        if (r >= 0)
                r = sd_bus_message_append(message, "t", (uint64_t) realtime_usec);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "(ssx)");
        for (unsigned i = 0; r >= 0 && i < n_samples; i++)
                r = sd_bus_message_append(message, "(ssx)", samples[i].metric, samples[i].service,
                                          samples[i].value);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        if (r >= 0)
                r = sd_bus_send(control->clerk.bus, message, NULL);

        (void) sd_bus_message_unref(message);
        return r;
}
