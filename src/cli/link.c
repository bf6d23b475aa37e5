/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Link: the tool's end of the private socket.
 *
 * The daemon's answers are texts: a document, a sentence to show, lines of JSON. What it refuses
 * comes as a D-Bus error whose name says what to end with and whose message is for a person. So all
 * the tool needs are two kinds of call, and one place that turns names into exit codes.
 *
 * "Cannot be reached" and "may not be reached" lead a person to different commands; the kernel tells
 * them apart when we connect, and that is kept.
 */

#include "cli/link.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/i18n.h"
#include "base/text.h"
#include "cli/field.h"
#include "cli/screen.h"
#include "io/bus.h"

/* Longer than any stop the daemon waits for before it answers, and short enough for a person to wait. */
#define CALL_TIMEOUT_USEC (100 * USEC_PER_SEC)

CliExit link_open(const Where *where, sd_bus **ret_bus, LinkFault *reterr_fault) {
        char path[PATH_SIZE + sizeof("/warden.sock")];

        (void) snprintf(path, sizeof(path), "%s/warden.sock", where->folders.run_dir);

        int r = bus_open_client_path(path, ret_bus);
        if (r >= 0)
                return CLI_WELL;

        if (r == -EACCES || r == -EPERM)
                (void) snprintf(reterr_fault->text, LINK_TEXT_SIZE,
                                _("you may not talk to the daemon at %s"), path);
        else if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR)
                (void) snprintf(reterr_fault->text, LINK_TEXT_SIZE,
                                _("the daemon is not running: nobody listens at %s"), path);
        else
                (void) snprintf(reterr_fault->text, LINK_TEXT_SIZE,
                                _("the daemon cannot be reached at %s: %s"), path, strerror(-r));

        return r == -EACCES || r == -EPERM ? CLI_NOT_PERMITTED : CLI_UNREACHABLE;
}

static const struct {
        const char *name;
        CliExit code;
} errors[] = {
        { BUS_ERROR "NoSuchService", CLI_USAGE },
        { BUS_ERROR "NotPermitted", CLI_NOT_PERMITTED },
        { BUS_ERROR "Refused", CLI_FINDINGS },
        { BUS_ERROR "Busy", CLI_FINDINGS },
        { SD_BUS_ERROR_ACCESS_DENIED, CLI_NOT_PERMITTED },
        { SD_BUS_ERROR_INVALID_ARGS, CLI_USAGE },
};

static CliExit exit_of(const sd_bus_error *error, int r, LinkFault *reterr_fault) {
        for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                if (sd_bus_error_has_name(error, errors[i].name)) {
                        (void) text_copy(reterr_fault->text, LINK_TEXT_SIZE,
                                         error->message ? error->message : errors[i].name);
                        return errors[i].code;
                }

        if (sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_METHOD)) {
                (void) text_copy(reterr_fault->text, LINK_TEXT_SIZE,
                                 _("the running daemon is another version and does not know this"));
                return CLI_FINDINGS;
        }

        /* What sd-bus says of a connection that closed or did not answer is an errno; its words are for programmers. */
        (void) snprintf(reterr_fault->text, LINK_TEXT_SIZE, _("the daemon does not answer: %s"),
                        r == -ETIMEDOUT || r == -ECONNRESET || !error->message ? strerror(-r)
                                                                               : error->message);
        return CLI_UNREACHABLE;
}

static void message_cleanup(sd_bus_message **message) {
        (void) sd_bus_message_unref(*message);
}

CliExit link_call_text(sd_bus *bus,
                       char **ret_text,
                       LinkFault *reterr_fault,
                       const char *method,
                       const char *types,
                       ...) {
        CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        CLEANUP(message_cleanup) sd_bus_message *call = NULL;
        CLEANUP(message_cleanup) sd_bus_message *reply = NULL;
        const char *text = NULL;
        va_list arguments;

        int r = sd_bus_message_new_method_call(bus, &call, /* destination= */ NULL, BUS_OBJECT,
                                               BUS_INTERFACE, method);
        if (r >= 0 && types) {
                va_start(arguments, types);
                r = sd_bus_message_appendv(call, types, arguments);
                va_end(arguments);
        }
        if (r >= 0)
                r = sd_bus_call(bus, call, CALL_TIMEOUT_USEC, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return exit_of(&error, r, reterr_fault);

        char *copy = strdup(text);
        if (!copy)
                return exit_of(&error, -ENOMEM, reterr_fault);

        *ret_text = copy;
        return CLI_WELL;
}

CliExit
link_get_status(sd_bus *bus, json_t **ret_status, char **ret_text, LinkFault *reterr_fault) {
        CLEANUP_FREE char *text = NULL;

        CliExit code = link_call_text(bus, &text, reterr_fault, "GetStatus", NULL);
        if (code != CLI_WELL)
                return code;

        json_t *status = field_parse_object(text, strlen(text));
        if (!status) {
                (void) text_copy(reterr_fault->text, LINK_TEXT_SIZE,
                                 _("the daemon's answer is not understood"));
                return CLI_UNREACHABLE;
        }

        *ret_status = status;
        if (ret_text)
                *ret_text = TAKE_PTR(text);
        return CLI_WELL;
}

/* Lines asked for at once: with the longest events well below the size of a message that sd-bus takes (128 MB), and
 * few round trips for a spool of some ten thousand. */
#define PAGE_EVENTS 512U

/* Reads the lines of one page. *since_seq moves to the last one; *ret_count counts also what is not understood. */
static int read_page(sd_bus_message *reply,
                     uint64_t *since_seq,
                     unsigned *ret_count,
                     CliEventFunction function,
                     void *userdata) {
        unsigned count = 0;
        const char *line;

        int r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_ARRAY, "s");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_read(reply, "s", &line)) > 0) {
                Event event;

                count++;
                if (event_parse_json(line, strlen(line), &event) < 0 || event.seq <= *since_seq)
                        continue;

                *since_seq = event.seq;
                if (function(&event, userdata) < 0) {
                        *ret_count = 0;
                        return 0;
                }
        }

        *ret_count = count;
        return r;
}

CliExit link_list_events(sd_bus *bus,
                         uint64_t since_seq,
                         CliEventFunction function,
                         void *userdata,
                         LinkFault *reterr_fault) {
        for (;;) {
                CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                CLEANUP(message_cleanup) sd_bus_message *reply = NULL;
                uint64_t before = since_seq;
                unsigned count = 0;

                int r = sd_bus_call_method(bus,
                                           /* destination= */ NULL, BUS_OBJECT, BUS_INTERFACE,
                                           "GetEvents", &error, &reply, "tu", since_seq,
                                           PAGE_EVENTS);
                if (r >= 0)
                        r = read_page(reply, &since_seq, &count, function, userdata);
                if (r < 0)
                        return exit_of(&error, r, reterr_fault);
                if (count < PAGE_EVENTS || since_seq == before)
                        return CLI_WELL;
        }
}

typedef struct Subscription {
        CliEventFunction function;
        void *userdata;
} Subscription;

static int on_event(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const Subscription *subscription = userdata;
        uint64_t seq;
        const char *line;
        Event event;

        (void) error;
        if (sd_bus_message_read(message, "ts", &seq, &line) < 0 ||
            event_parse_json(line, strlen(line), &event) < 0)
                return 0; /* of another version: not ours to show */

        return subscription->function(&event, subscription->userdata);
}

static void forget_subscription(void *userdata) {
        free(userdata);
}

CliExit
link_subscribe(sd_bus *bus, CliEventFunction function, void *userdata, LinkFault *reterr_fault) {
        sd_bus_slot *slot = NULL;
        Subscription *subscription = malloc(sizeof(*subscription));

        if (!subscription)
                return exit_of(&SD_BUS_ERROR_NULL, -ENOMEM, reterr_fault);

        *subscription = (Subscription){ .function = function, .userdata = userdata };

        /* Without a broker this only filters what arrives. */
        int r = sd_bus_match_signal(bus, &slot, /* sender= */ NULL, BUS_OBJECT, BUS_INTERFACE,
                                    "Event", on_event, subscription);
        if (r < 0) {
                free(subscription);
                return exit_of(&SD_BUS_ERROR_NULL, r, reterr_fault);
        }

        (void) sd_bus_slot_set_destroy_callback(
                slot, forget_subscription); /* only refuses a slot that is NULL */
        (void) sd_bus_slot_set_floating(
                slot, /* floating= */ 1); /* as above: from now on the bus owns it */
        (void) sd_bus_slot_unref(slot);
        return CLI_WELL;
}

CliExit link_run(sd_bus *bus, LinkFault *reterr_fault) {
        for (;;) {
                int r = sd_bus_process(bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0 && r != -EINTR)
                        return exit_of(&SD_BUS_ERROR_NULL, r, reterr_fault);
        }
}

/* What to type, with what it does. */
static void suggest(Screen *screen, const char *command, const char *hint, const char *why) {
        screen_put(screen, PAINT_PLAIN, "  ");
        screen_put(screen, PAINT_BOLD, command);
        screen_put(screen, PAINT_BOLD, hint);
        screen_move_to(screen, 46);
        screen_printf(screen, PAINT_PLAIN, "  %s", why);
        screen_line_feed(screen);
}

CliExit link_complain(const Where *where, CliExit code, const LinkFault *fault) {
        Screen screen;

        screen_open(&screen, stderr);
        screen_put(&screen, PAINT_BOLD, "albraguard: ");
        screen_put(&screen, PAINT_PLAIN, fault->text);
        screen_line_feed(&screen);

        if (code == CLI_NOT_PERMITTED) {
                screen_put(&screen, PAINT_PLAIN,
                           _("Try it with sudo, or ask for a place in the group that may."));
                screen_line_feed(&screen);
        } else if (code == CLI_UNREACHABLE) {
                bool is_installed = strcmp(where->config_path, WHERE_DEFAULT_CONFIG) == 0;

                screen_put(&screen, PAINT_PLAIN, _("What to type next:"));
                screen_line_feed(&screen);
                if (is_installed) {
                        suggest(&screen, "systemctl status albratrading-watchdog", "",
                                _("is it running?"));
                        suggest(&screen, "sudo systemctl start albratrading-watchdog", "",
                                _("start it"));
                        suggest(&screen, "journalctl -u albratrading-watchdog -n 50", "",
                                _("what it said last"));
                } else if (where->config_path[0] != '\0') {
                        suggest(&screen, "albraguard watch -n", where->hint,
                                _("is the configuration good?"));
                        suggest(&screen, "albraguard watch", where->hint, _("start it"));
                } else
                        suggest(&screen, "albraguard run -- COMMAND …", "", _("guard a command"));
        }

        return code;
}
