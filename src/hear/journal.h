/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <systemd/sd-event.h>

#include "hear/logs.h"

/* The messages of one unit in the system's journal, fed to its Logs as they come (sd-journal(3)). */
typedef struct Journal Journal;

/* -ENOMEM is the only error. `logs` must outlive it. */
int journal_new(sd_event *event, const char *unit, Logs *logs, Journal **ret_journal);

Journal *journal_free(Journal *journal);

/* Opens the journal and begins with what is inside the window; when it cannot be read, tries again every half minute.
 * logs_set_journal() says how it stands. */
void journal_start(Journal *journal);
