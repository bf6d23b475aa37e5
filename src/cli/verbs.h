/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "cli/cli.h"

/* The verbs that live in this folder, one table for each file. */
typedef struct CliVerbs {
        const CliVerb *verbs;
        unsigned n_verbs;
} CliVerbs;

extern const CliVerbs status_verbs;
extern const CliVerbs events_verbs;
extern const CliVerbs explain_verbs;
extern const CliVerbs hand_verbs;
extern const CliVerbs logs_verbs;
extern const CliVerbs guard_verbs;
