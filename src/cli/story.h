/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <jansson.h>

#include "cli/happened.h"
#include "cli/incident.h"
#include "cli/screen.h"

/* Tells an incident to a person. `status` (NULL when the daemon is gone) says what is left of it; `hint` and
 * `has_logs` as in StatusLook. */
void story_render(Screen *screen,
                  const Incident *incident,
                  const Happened *happened,
                  const json_t *status,
                  const char *hint,
                  bool has_logs,
                  usec_t now_usec);
