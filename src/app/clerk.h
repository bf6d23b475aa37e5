/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

/* The descriptors a clerk is born with. */
enum {
        CLERK_BUS_FD = 3,
        CLERK_CONFIG_FD = 4, /* a sealed memfd with the configuration the warden has in force */
};

/* Hears, stores and (later) tells and serves, until the warden goes away. Returns the exit code. */
int clerk_run(const char *config_path);
