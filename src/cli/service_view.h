/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/time.h"
#include "cli/screen.h"
#include "model/level.h"
#include "model/service_state.h"

/* How a service stands with us, mildest first: the order in which a person wants to hear of several. */
typedef enum Standing {
        STANDING_WELL,
        STANDING_STOPPED, /* by a person, or ended cleanly */
        STANDING_PAUSED,
        STANDING_UNKNOWN,
        STANDING_WARNING,
        STANDING_FAILED,
        STANDING_CRITICAL,
        STANDING_HELD,
        _STANDING_MAX,
} Standing;

/* One service of the status document. The strings live as long as that. */
typedef struct ServiceView {
        const json_t *json;
        const char *name;
        Standing standing;
        ServiceState state;
        Level level;
        usec_t paused_until_usec; /* 0: not paused; USEC_INFINITY: until resumed */
        bool is_operator_stopped;
} ServiceView;

void service_view_init(ServiceView *view, const json_t *service);

/* A finding, or only something to know? */
bool standing_is_finding(Standing standing);
Paint standing_paint(Standing standing);

/* One sentence without the name: "critical — the API has not answered for 42 s; restart in 18 s". */
void service_view_put_headline(const ServiceView *view, usec_t now_usec, Buf *buf);
