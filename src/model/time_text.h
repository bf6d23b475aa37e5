/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "base/time.h"

/* Reads what time_render_utc() writes, and nothing else. -EINVAL when it is not that, or no such day exists. */
int time_parse_utc(const char *text, usec_t *ret_realtime_usec);
