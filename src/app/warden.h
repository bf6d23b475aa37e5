/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>

/* How the watch was asked for. */
typedef struct WardenOptions {
        const char *config_path; /* read again on reload; "" when there is only the text */
        const char *config_text; /* NULL: read config_path */
        size_t config_length;
        bool is_single; /* `run`: ends when its one service has ended by itself */
} WardenOptions;

/* Watches until a signal ends it. SIGTERM leaves embedded services running, to be taken over by the next watch; SIGINT
 * (Ctrl-C) stops them first; SIGHUP reloads. Returns the exit code of the program. */
int warden_run(const WardenOptions *options);
