/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

/* `albraguard run`: guards one command without a configuration file. Returns the exit code of the program. */
int run_command_guarded(const char *name, char *const *command);
