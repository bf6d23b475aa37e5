/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <limits.h>
#include <stdbool.h>

#include "cli/cli.h"
#include "model/config.h"
#include "model/limits.h"

#define WHERE_DEFAULT_CONFIG "/etc/albraguard/config.yaml"

/* The two folders of a guard: where its socket is, and where it remembers. */
typedef struct Folders {
        char run_dir[PATH_SIZE];
        char state_dir[PATH_SIZE];
} Folders;

/* The folders of `albraguard run --name NAME`: $XDG_RUNTIME_DIR/albraguard/NAME (without it
 * /tmp/albraguard-UID/NAME) and $XDG_STATE_HOME/albraguard/NAME (without it ~/.local/state, without a home inside the
 * run folder). -EINVAL for a name that is no file name, -ENAMETOOLONG. Makes nothing. */
int run_folders(const char *name, Folders *ret);

/* Makes them, for us alone. -EPERM when one of the run folders belongs to somebody else or is a link: /tmp is open to
 * everyone. */
int run_folders_make(const Folders *folders);

/* A name for `run` without --name: the last part of the program's path, of which only letters, digits, '.', '_' and '-'
 * are kept. Returns `buffer`. */
const char *run_name_of(char buffer[static NAME_SIZE], const char *program);

/* The daemon a verb is about. */
typedef struct Where {
        Folders folders;
        char config_path[PATH_SIZE]; /* empty: an instance of `run` */
        Config *config;              /* NULL: an instance of `run`, or the file could not be read */
        char hint
                [PATH_SIZE]; /* what to add to a command so that it finds the same daemon: " --name bot" */
} Where;

/* Finds it: --config, else --name, else the default file when it exists, else the only instance of `run`. Reports what
 * went wrong on standard error; CLI_WELL, or what to end with. With `needs_config` a file with an error in it is the
 * end; without, the default folders are looked at. Also sets the language: --lang, the file's, the environment's. */
CliExit where_find(const CliOptions *options, bool needs_config, Where *ret);

void where_done(Where *where);

/* "ko" when the environment asks for Korean, else "en": for as long as no configuration has spoken. */
const char *language_of_environment(void);
