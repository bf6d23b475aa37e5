/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "cli/cli.h"

/* What the clerk's shared object offers. The warden never loads it. */
typedef struct ClerkModule {
        int (*run)(const char *config_path);
        int (*list_events)(const char *state_dir,
                           uint64_t since_seq,
                           usec_t since_realtime_usec,
                           const char *service,
                           unsigned limit,
                           CliEventFunction function,
                           void *userdata);
        Level (*match_line)(const ServiceConfig *service, const char *line, size_t length);
} ClerkModule;

/* The one symbol of the shared object. */
#define CLERK_MODULE_SYMBOL "albraguard_clerk_module"

/* Loads it from beside the executable, else from where it was installed; stays loaded. Says on standard error what is
 * missing and returns NULL when it cannot be had. */
const ClerkModule *module_load(void);
