/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a line of the spool: refused, or an event that can be written again and then comes
 * back as it is. The spool is read by the process that must not die, after the very crash that may
 * have torn it.
 */

#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include "model/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char nothing[1] = "";
        char line[8192];
        Event event;
        Event again;
        Buf buf;

        if (event_parse_json(size > 0 ? (const char *) data : nothing, size, &event) < 0)
                return 0;

        assert(event.seq > 0);
        assert(event.kind < _EVENT_KIND_MAX && event.level < _LEVEL_MAX);
        assert(memchr(event.service, '\0', sizeof(event.service)));
        assert(memchr(event.text, '\0', sizeof(event.text)));
        assert(memchr(event.reason, '\0', sizeof(event.reason)));

        buf_init(&buf, line, sizeof(line));
        event_render_json(&event, &buf);
        assert(!buf.is_truncated);
        assert(!memchr(line, '\n', buf.length));

        int r = event_parse_json(line, buf.length, &again);
        assert(r >= 0);
        assert(again.seq == event.seq && again.realtime_usec == event.realtime_usec);
        assert(again.kind == event.kind && again.level == event.level);
        assert(strcmp(again.service, event.service) == 0);
        assert(strcmp(again.text, event.text) == 0);
        assert(strcmp(again.reason, event.reason) == 0 || strcmp(again.reason, "{}") == 0);
        return 0;
}
