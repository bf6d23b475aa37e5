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
        STANDING_CRITICAL,
        STANDING_FAILED,
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

/* What a person calls a check; its own name when a newer daemon has one that we do not know. */
const char *check_words(const json_t *check);

/* A check's value for a person: "12 ms", "72 %", "12", or "" when it has none. Returns `buffer`. */
#define CHECK_VALUE_SIZE 48
const char *check_value_render(char buffer[static CHECK_VALUE_SIZE], const json_t *check);

/* "41 %", "3.4 %" from thousandths of a per cent, "?" for FIELD_ABSENT. Returns `buffer`. */
const char *percent_render(char buffer[static CHECK_VALUE_SIZE], int64_t milli);

/* One sentence without the name: "critical — the API has not answered for 42 s; restart in 18 s". */
void service_view_put_headline(const ServiceView *view, usec_t now_usec, Buf *buf);
