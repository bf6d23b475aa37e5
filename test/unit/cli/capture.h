/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "cli/cli.h"

#define CAPTURE_SIZE (256 << 10)

/* What one call of the tool wrote. */
typedef struct Capture {
        char out[CAPTURE_SIZE];
        char err[CAPTURE_SIZE];
} Capture;

/* Runs `albraguard WORDS…` in this process (NULL-terminated words) and returns its exit code. */
int capture_cli(Capture *capture, const CliApp *app, const char *const *words);

#define CAPTURE(capture, app, ...) \
        capture_cli((capture), (app), (const char *const[]){ __VA_ARGS__, NULL })
