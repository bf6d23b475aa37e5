/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Fake warden: the interface of the daemon without the daemon.
 *
 * A child process serves org.albraguard.Warden1 over a socket in a temporary folder, with the same
 * plumbing as the real one. It says what it was asked, so that a test can compare the words of the
 * command line with the arguments that arrived.
 */

#include "fake_warden.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "base/file.h"
#include "base/macro.h"
#include "io/bus.h"
#include "unit.h"

enum {
        PEERS_MAX = 16,
};

static sd_event *loop;
static const char *status_text;
static sd_bus *peers[PEERS_MAX];
static unsigned n_peers;

#define EVENT_LINE(seq, service, kind, level, text, reason)                                        \
        "{\"seq\": " #seq ", \"time\": \"2026-11-23T03:0" #seq                                     \
        ":00.000000Z\", \"service\": \"" service "\", \"kind\": \"" kind "\", \"level\": \"" level \
        "\", \"text\": \"" text "\", \"reason\": " reason "}"

static const char *const lines[] = {
        EVENT_LINE(1, "second", "service-up", "normal", "second is up.", "{\"code\":\"up\"}"),
        EVENT_LINE(2,
                   "albratrading-multi",
                   "check-failed",
                   "warning",
                   "albratrading-multi: check api failed.",
                   "{\"code\":\"timeout\",\"check\":\"api\"}"),
        EVENT_LINE(3,
                   "albratrading-multi",
                   "check-recovered",
                   "normal",
                   "albratrading-multi: check api is well again.",
                   "{\"code\":\"recovered\",\"check\":\"api\"}"),
        EVENT_LINE(4,
                   "second",
                   "restart-done",
                   "normal",
                   "second was restarted.",
                   "{\"code\":\"done\"}"),
};

static const struct {
        const char *service;
        const char *error;
} refusals[] = {
        { "nosuch", BUS_ERROR "NoSuchService" },
        { "busy", BUS_ERROR "Busy" },
        { "refused", BUS_ERROR "Refused" },
        { "forbidden", BUS_ERROR "NotPermitted" },
};

static int on_status(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        (void) userdata;
        (void) error;
        return sd_bus_reply_method_return(message, "s", status_text);
}

static int on_events(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        sd_bus_message *reply = NULL;
        uint64_t since;
        uint32_t most;

        (void) userdata;
        (void) error;
        int r = sd_bus_message_read(message, "tu", &since, &most);
        if (r >= 0)
                r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "s");
        for (uint64_t i = since; r >= 0 && i < 3 && i - since < most; i++)
                r = sd_bus_message_append(reply, "s", lines[i]);
        /* What another version may send is passed over. */
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", "{\"seq\": 9, \"kind\": \"of tomorrow\"}");
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(sd_bus_message_get_bus(message), reply, NULL);
        (void) sd_bus_message_unref(reply);
        return r;
}

static int on_request(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *method = sd_bus_message_get_member(message);
        const char *service = "";
        uint64_t usec = 0;
        char answer[256];

        (void) userdata;
        if (sd_bus_message_has_signature(message, "s") > 0 &&
            sd_bus_message_read(message, "s", &service) < 0)
                return -EINVAL;
        if (sd_bus_message_has_signature(message, "st") > 0 &&
            sd_bus_message_read(message, "st", &service, &usec) < 0)
                return -EINVAL;

        for (size_t i = 0; i < ELEMENTSOF(refusals); i++)
                if (strcmp(service, refusals[i].service) == 0)
                        return sd_bus_error_setf(error, refusals[i].error, "not %s", service);
        if (strcmp(service, "silent") == 0)
                return sd_event_exit(loop, 0) < 0 ? -EINVAL : 1; /* handled, and never answered */

        if (strcmp(method, "Restart") == 0)
                for (unsigned i = 0; i < n_peers; i++)
                        (void) sd_bus_emit_signal(peers[i], BUS_OBJECT, BUS_INTERFACE, "Event",
                                                  "ts", (uint64_t) 4,
                                                  lines[3]); /* one that is gone hears nothing */

        (void) snprintf(answer, sizeof(answer), "%s [%s] %" PRIu64, method, service, usec);
        return sd_bus_reply_method_return(message, "s", answer);
}

#define REQUEST(name, arguments) \
        SD_BUS_METHOD(name, arguments, "s", on_request, SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("GetStatus", NULL, "s", on_status, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetEvents", "tu", "as", on_events, SD_BUS_VTABLE_UNPRIVILEGED),
        REQUEST("Pause", "st"),
        REQUEST("Resume", "s"),
        REQUEST("Start", "s"),
        REQUEST("Stop", "s"),
        REQUEST("Restart", "s"),
        REQUEST("Release", "s"),
        REQUEST("Reload", NULL),
        SD_BUS_SIGNAL("Event", "ts", 0),
        SD_BUS_VTABLE_END,
};

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        BusPeer peer;
        int socket_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        (void) source;
        (void) revents;
        (void) userdata;
        if (socket_fd < 0 || n_peers >= PEERS_MAX ||
            bus_open_server_take(socket_fd, loop, &peers[n_peers], &peer) < 0)
                return 0;

        return sd_bus_add_object_vtable(peers[n_peers++], NULL, BUS_OBJECT, BUS_INTERFACE, vtable,
                                        NULL);
}

static int serve(int listen_fd) {
        int r = sd_event_new(&loop);

        if (r >= 0)
                r = sd_event_add_io(loop, NULL, listen_fd, EPOLLIN, on_connection, NULL);
        if (r >= 0)
                r = sd_event_loop(loop);

        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

void fake_warden_init(FakeWarden *fake) {
        char text[4096];

        (void) snprintf(fake->folder, sizeof(fake->folder), "/tmp/albraguard-test-XXXXXX");
        assert_non_null(mkdtemp(fake->folder));
        (void) snprintf(fake->config, sizeof(fake->config), "%s/config.yaml", fake->folder);
        (void) snprintf(text, sizeof(text),
                        "root: %s\n"
                        "state_dir: %s\n"
                        "run_dir: %s\n"
                        "services:\n"
                        "  - name: albratrading-multi\n"
                        "    unit: albratrading-multi.service\n"
                        "    logs: {files: [trading.log, error.log]}\n"
                        "  - name: second\n"
                        "    unit: second.service\n",
                        fake->folder, fake->folder, fake->folder);
        assert_int_equal(file_write_atomic(fake->config, text, strlen(text), 0644), 0);
        fake->pid = 0;
}

void fake_warden_done(FakeWarden *fake) {
        char command[256];

        fake_warden_stop(fake);
        for (const char *const *name =
                     (const char *const[]){ "config.yaml", "warden.sock", "trading.log",
                                            "error.log", "watchdog_state.json", "bad.yaml", NULL };
             *name; name++) {
                (void) snprintf(command, sizeof(command), "%s/%s", fake->folder, *name);
                (void) unlink(command); /* not every test makes all of them */
        }
        (void) rmdir(fake->folder); /* what a failed test leaves is worth looking at */
}

void fake_warden_start(FakeWarden *fake, const char *status) {
        char path[PATH_SIZE];
        int listen_fd;

        (void) snprintf(path, sizeof(path), "%s/warden.sock", fake->folder);
        assert_int_equal(bus_listen(path, 0600, &listen_fd), 0);
        (void) fflush(NULL); /* or the child has it too */

        fake->pid = fork();
        assert_true(fake->pid >= 0);
        if (fake->pid == 0) {
                status_text = status;
                _exit(serve(listen_fd));
        }
        (void) close(listen_fd); /* the child has it */
}

void fake_warden_stop(FakeWarden *fake) {
        if (fake->pid <= 0)
                return;

        (void) kill(fake->pid, SIGKILL);    /* it may have ended already */
        (void) waitpid(fake->pid, NULL, 0); /* ours to collect */
        fake->pid = 0;
}
