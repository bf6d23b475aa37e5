/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The clerk's shared object, seen from outside: one table.
 *
 * Beside the clerk itself it holds the two services the command line borrows from it, because they
 * need the same large libraries: reading the store, and knowing how severe a log line is.
 */

#include <errno.h>
#include <stdio.h>

#include "app/clerk.h"
#include "app/module.h"
#include "base/log.h"
#include "hear/matcher.h"
#include "store/store.h"

typedef struct Listing {
        CliEventFunction function;
        void *userdata;
        int r;
} Listing;

static bool pass_on(const Event *event, void *userdata) {
        Listing *listing = userdata;

        listing->r = listing->function(event, listing->userdata);
        return listing->r >= 0;
}

static int list_events(const char *state_dir,
                       uint64_t since_seq,
                       usec_t since_realtime_usec,
                       const char *service,
                       unsigned limit,
                       CliEventFunction function,
                       void *userdata) {
        char path[PATH_SIZE];
        Store *store;
        Listing listing = { .function = function, .userdata = userdata };
        EventQuery query = {
                .after_seq = since_seq,
                .since_usec = since_realtime_usec,
                .service = service[0] != '\0' ? service : NULL,
                .limit = limit,
                .is_newest = true,
        };

        int n = snprintf(path, sizeof(path), "%s/history.db", state_dir);
        if (n < 0 || (size_t) n >= sizeof(path))
                return -ENAMETOOLONG;

        int r = store_open_readonly(path, &store);
        if (r < 0)
                return r;

        r = store_list_events(store, &query, pass_on, &listing);
        (void) store_close(store);
        return r < 0 ? r : listing.r;
}

static void note_patterns(const char *line, size_t length, uint64_t patterns, void *userdata) {
        (void) line;
        (void) length;
        *(uint64_t *) userdata |= patterns;
}

static Level match_line(const ServiceConfig *service, const char *line, size_t length) {
        static const ServiceConfig *compiled_for;
        static Matcher *matcher;
        char why[MATCHER_ERROR_SIZE];
        uint64_t patterns = 0;
        Level level = LEVEL_NORMAL;

        /* The tool asks line by line for one service after the other. */
        if (compiled_for != service) {
                matcher = matcher_free(matcher);
                compiled_for = service;
                if (matcher_new(service->logs.patterns, service->logs.n_patterns, why, &matcher) <
                    0)
                        log_warning("%s", why);
        }
        if (!matcher)
                return LEVEL_NORMAL;

        (void) matcher_scan(matcher, line, MIN(length, (size_t) MATCHER_BLOCK_SIZE), note_patterns,
                            &patterns);
        for (unsigned i = 0; i < service->logs.n_patterns; i++)
                if (patterns & (UINT64_C(1) << i))
                        level = level_worse(level, service->logs.patterns[i].level);

        return level;
}

extern const ClerkModule albraguard_clerk_module;

const ClerkModule albraguard_clerk_module = {
        .run = clerk_run,
        .list_events = list_events,
        .match_line = match_line,
};
