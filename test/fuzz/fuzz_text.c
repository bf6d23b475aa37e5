/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a number, a duration, a size, a share or a date, and as a text to be shown: a reader
 * takes all of it or nothing, and what is rendered is whole UTF-8 in good JSON. What comes in here is
 * written by people, by other programs' logs and by processes that choose their own name.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "fuzz.h"
#include "model/event.h"
#include "model/json_scan.h"
#include "model/time_text.h"

static void check_code(int r) {
        assert(r == 0 || r == -EINVAL || r == -ERANGE);
}

static void check_readers(const char *text) {
        char shown[DURATION_TEXT_SIZE];
        uint64_t value;
        int64_t signed_value;
        uint32_t permille;

        int r = text_parse_u64(text, &value);
        check_code(r);
        if (r == 0) {
                char back[24];

                (void) snprintf(back, sizeof(back), "%" PRIu64, value);
                assert(strcmp(text + strspn(text, "0"), back) == 0 || value == 0);
        }

        r = text_parse_i64(text, &signed_value);
        check_code(r);
        if (r == 0)
                assert((signed_value < 0) <= (*text == '-'));

        r = text_parse_duration(text, &value);
        check_code(r);
        if (r == 0)
                assert(strlen(text_render_duration(shown, value)) < sizeof(shown) - 1);

        r = text_parse_size(text, &value);
        check_code(r);
        if (r == 0)
                assert(strlen(text_render_size(shown, value)) < sizeof(shown) - 1);

        r = text_parse_percent(text, &permille);
        check_code(r);
        if (r == 0)
                assert(permille <= 10000);
}

static void check_time(const char *text) {
        char back[TIME_TEXT_SIZE];
        usec_t usec;

        if (time_parse_utc(text, &usec) == 0)
                assert(strcmp(time_render_utc(back, usec), text) == 0);
}

static void check_json(const char *text, size_t size) {
        size_t room = 6 * size + 3;
        CLEANUP_FREE char *data = malloc(room);
        Buf buf;

        if (!data)
                return;

        buf_init(&buf, data, room);
        buf_put_json(&buf, text);
        assert(!buf.is_truncated);

        JsonScan scan = { .at = data, .end = data + buf.length };
        assert(json_scan_text(&scan, NULL) && json_scan_is_done(&scan));

        /* However small the room, what is kept is whole characters and terminated. */
        for (size_t small = 1; small <= 16 && small <= room; small++) {
                buf_init(&buf, data, small);
                buf_printf(&buf, "%s", text);
                assert(buf.length < small && data[buf.length] == '\0');
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);

        if (!text)
                return 0;
        if (size > 0)
                memcpy(text, data, size);
        text[size] = '\0';

        check_readers(text);
        check_time(text);
        check_json(text, strlen(text));

        unsigned distance = text_distance(text, "interval");
        assert(distance == text_distance("interval", text));
        assert((distance == 0) == (strcmp(text, "interval") == 0));
        free(text);
        return 0;
}
