/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>

#include "io/writer.h"
#include "model/event.h"
#include "model/limits.h"

/* Tells events at once where a person may be looking: standard error or the journal, and logs/watchdog/watchdog.log. */
typedef struct Herald {
        Writer *writer;
        bool has_journal;
        bool has_colour;
        char path[PATH_SIZE]; /* empty: the folder could not be made */
} Herald;

void herald_open(Herald *herald, const char *root, Writer *writer);

void herald_tell(Herald *herald, const Event *event);
