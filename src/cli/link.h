/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <jansson.h>
#include <stdint.h>

#include <systemd/sd-bus.h>

#include "base/time.h"
#include "cli/where.h"

static inline void link_cleanup(sd_bus **bus) {
        (void) sd_bus_flush_close_unref(*bus); /* accepts NULL */
}

#define CLEANUP_LINK CLEANUP(link_cleanup)

/* What the daemon said no with, for a person. */
#define LINK_TEXT_SIZE 512

typedef struct LinkFault {
        char text[LINK_TEXT_SIZE]; /* one sentence */
} LinkFault;

/* Connects to the warden's socket. CLI_UNREACHABLE when nobody listens, CLI_NOT_PERMITTED when we may not. */
CliExit link_open(const Where *where, sd_bus **ret_bus, LinkFault *reterr_fault);

/* Calls a method that answers with one text (free() it). `types` and the rest are those of sd_bus_message_append(3). The
 * daemon's errors become exit codes: NoSuchService is CLI_USAGE, NotPermitted CLI_NOT_PERMITTED, Refused and Busy
 * CLI_FINDINGS; no answer in time is CLI_UNREACHABLE. */
CliExit link_call_text(sd_bus *bus,
                       char **ret_text,
                       LinkFault *reterr_fault,
                       const char *method,
                       const char *types,
                       ...);

/* The same for GetStatus(), parsed; with `ret_text` (may be NULL) also as it came. CLI_UNREACHABLE also when the answer is
 * not JSON. */
CliExit link_get_status(sd_bus *bus, json_t **ret_status, char **ret_text, LinkFault *reterr_fault);

/* Calls `function` for each event above `since_seq` that the warden still remembers, oldest first. Lines that are not
 * understood are passed over. A negative answer of the function ends the listing and is no fault. */
CliExit link_list_events(sd_bus *bus,
                         uint64_t since_seq,
                         CliEventFunction function,
                         void *userdata,
                         LinkFault *reterr_fault);

/* From now on calls `function` for each event the warden tells, while the bus is processed. */
CliExit
link_subscribe(sd_bus *bus, CliEventFunction function, void *userdata, LinkFault *reterr_fault);

/* Waits for what comes and hands it on, until the connection ends (CLI_UNREACHABLE). */
CliExit link_run(sd_bus *bus, LinkFault *reterr_fault);

/* Says on standard error that the daemon did not do what was asked, and what to type. Returns `code`, so that it can
 * stand in a return statement. */
CliExit link_complain(const Where *where, CliExit code, const LinkFault *fault);
