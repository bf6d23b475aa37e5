/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <sys/types.h>

#include "model/limits.h"

/* A process that answers as a warden would, and a folder with a configuration that leads to it. */
typedef struct FakeWarden {
        char folder[64];
        char config[PATH_SIZE];
        pid_t pid; /* 0 while it is not running */
} FakeWarden;

/* Makes the folder and the configuration: services albratrading-multi (with a log) and second. Starts nothing. */
void fake_warden_init(FakeWarden *fake);
void fake_warden_done(FakeWarden *fake);

/* Starts the process, which gives `status` to GetStatus and knows the events 1 to 3. Returns when it listens. Requests
 * are answered with "METHOD SERVICE USEC"; Restart also tells event 4. Special names: "nosuch", "busy", "refused",
 * "forbidden" give the error of that kind, "silent" ends the process. */
void fake_warden_start(FakeWarden *fake, const char *status);
void fake_warden_stop(FakeWarden *fake);
