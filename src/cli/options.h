/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "cli/cli.h"

/* The letters of CliVerb.options, one for each option a verb takes. --lang and --help are taken everywhere.
 *
 *   c --config FILE   j --json   N --name NAME   f -f, --follow   n -n, --lines N   s --since T
 *   w --watch         d -n, --dry-run            + stop at the first argument: the rest is a command line
 *   p positional arguments are taken
 */

/* Reads options and arguments of one verb (argv[0] is its name) on top of what *options already holds. CLI_WELL, or
 * CLI_USAGE after saying on standard error what was wrong. *ret_wants_help: --help was among them. */
CliExit options_parse(
        const CliVerb *verb, int argc, char **argv, CliOptions *options, bool *ret_wants_help);

/* Reads what stands before the verb. *ret_index is the verb's place in argv, argc when there is none. */
CliExit options_parse_global(int argc,
                             char **argv,
                             CliOptions *options,
                             int *ret_index,
                             bool *ret_wants_help,
                             bool *ret_wants_version);
