/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stddef.h>

#include <systemd/sd-event.h>

#include "app/control.h"
#include "model/config.h"

/* Starts the clerk, sees whether it lives, and starts it again within a budget of its own. */
typedef struct ClerkLink ClerkLink;

typedef struct ClerkHandlers {
        /* It ended (`why` as a person reads it), and is started again after `wait_usec`. That the next one works is
         * known when it says hello. */
        void (*on_died)(void *userdata, const char *why, usec_t wait_usec);
        void *userdata;
} ClerkHandlers;

/* Starts one with this configuration text, which is copied. A clerk that cannot be started is tried again later; only
 * -ENOMEM and a failed timer are errors. */
int clerk_link_new(sd_event *loop,
                   Control *control,
                   const Config *config,
                   const char *config_text,
                   size_t config_length,
                   const ClerkHandlers *handlers,
                   ClerkLink **ret_link);

/* Ends the clerk: SIGTERM, and SIGKILL when it has not gone after a second (it has then no time to keep positions). */
ClerkLink *clerk_link_free(ClerkLink *link);

/* It said that it is alive. */
void clerk_link_note_alive(ClerkLink *link);

/* Its pid, or 0 when there is none now. */
pid_t clerk_link_peek_pid(const ClerkLink *link);
