/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <jansson.h>

#include "cli/cli.h"
#include "cli/happened.h"
#include "cli/screen.h"

/* What one screen is made of. */
typedef struct StatusLook {
        const json_t *status;     /* the document of `status --json` */
        const Happened *happened; /* the last few events; NULL when there are none to show */
        const char *service;      /* only this one; "" for all */
        const char *hint;         /* what a command needs to find this daemon, see Where */
        bool has_logs;            /* the configuration is known, so `logs` can be offered */
} StatusLook;

/* The screen for a person, best first: verdict, machine, services, events, what to type next. */
void status_render(Screen *screen, const StatusLook *look);

/* CLI_FINDINGS when something shown is at warning or worse, failed or held, or the daemon itself is not whole. What is
 * paused, stopped by a person, or not known yet is no finding. */
CliExit status_judge(const json_t *status, const char *service);

/* Whether a service of that name is in the document. */
bool status_has_service(const json_t *status, const char *service);

/* What a daemon that is gone left behind in its checkpoint (state_dir/watchdog_state.json), as far as it is understood;
 * nothing for NULL. */
void status_render_absent(Screen *screen, const json_t *checkpoint, usec_t age_usec);
