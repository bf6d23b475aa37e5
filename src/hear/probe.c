/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Probe: does it answer, and is what it answers alive?
 *
 * A web thread can go on answering 200 for days while the work behind it stands still. So the answer
 * carries a value that moves with the work, and we look at whether it moves:
 *
 *   age = boot time now - boot time of the last change we saw
 *
 * This needs no clock in common with the other side, no time zone and no date: a counter will do. Only
 * at first sight there is no earlier value to compare with, and the value's own date has to say how old
 * it is. Later the date is asked once more: a value that changes and is too old by its own date each
 * time comes from a service that works on yesterday's data. One such value is forgiven, because the
 * wall clock may have stepped between its writing and our reading; so is a date without a zone that is
 * off by whole quarters of an hour, because that is another zone.
 *
 * The body is a stranger's: it has a ceiling (io/fetch), its depth is looked at before jansson recurses
 * into it, and what Python writes for numbers that JSON has no word for (NaN) is no reason to call a
 * service sick.
 */

#include "hear/probe.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/macro.h"
#include "hear/log_time.h"

/* Deeper than any status page; far from the end of a stack. */
#define DEPTH_MAX 64

/* How near to a whole quarter of an hour an offset must be to be one of a time zone. */
#define QUARTER_SLACK_USEC (20 * (int64_t) USEC_PER_SEC)
#define QUARTER_USEC (15 * (int64_t) USEC_PER_MINUTE)

/* No zone is further than this from any other (UTC-12 to UTC+14). */
#define ZONE_MAX_USEC (26 * (int64_t) USEC_PER_HOUR)

/* The freshness field, read. */
typedef struct Freshness {
        uint64_t hash;
        bool has_age;
        bool is_naive;
        int64_t age_usec; /* by the wall clock; negative: in the future */
} Freshness;

static uint64_t hash_bytes(const void *data, size_t length) {
        const unsigned char *bytes = data;
        uint64_t hash =
                UINT64_C(0xcbf29ce484222325); /* FNV-1a: no adversary gains by a collision */

        for (size_t i = 0; i < length; i++)
                hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);

        return hash;
}

/* Overwrites NaN and Infinity by a number, where they stand outside of a string. False when it is nested too deep. */
static bool make_strict(char *text, size_t length) {
        static const char *const words[] = { "-Infinity", "Infinity", "NaN" };
        int depth = 0;
        bool is_in_string = false;

        for (size_t i = 0; i < length; i++) {
                char c = text[i];

                if (is_in_string) {
                        if (c == '\\')
                                i++;
                        else if (c == '"')
                                is_in_string = false;
                        continue;
                }

                if (c == '"')
                        is_in_string = true;
                else if ((c == '{' || c == '[') && ++depth > DEPTH_MAX)
                        return false;
                else if (c == '}' || c == ']')
                        depth--;

                for (size_t w = 0; w < ELEMENTSOF(words); w++) {
                        size_t n = strlen(words[w]);

                        if (length - i >= n && memcmp(text + i, words[w], n) == 0) {
                                memset(text + i, ' ', n);
                                text[i] = '0';
                        }
                }
        }

        return true;
}

static json_t *parse_body(const char *body, size_t length) {
        /* Some programs put a byte order mark in front. */
        if (length >= 3 && memcmp(body, "\xEF\xBB\xBF", 3) == 0) {
                body += 3;
                length -= 3;
        }

        CLEANUP_FREE char *copy = malloc(length + 1);
        if (!copy)
                return NULL;

        memcpy(copy, body, length);
        copy[length] = '\0';
        if (!make_strict(copy, length))
                return NULL;

        /* Amounts of money in the smallest unit do not fit into 64 bits; they need not be exact here. */
        return json_loadb(copy, length, JSON_DECODE_INT_AS_REAL, /* error= */ NULL);
}

/* "a.b.0": down into objects and lists; a key with dots in it is found as it stands. */
static const json_t *find_field(const json_t *root, const char *path) {
        const json_t *at = json_object_get(root, path);

        if (at)
                return at;

        for (at = root; at && *path;) {
                size_t length = strcspn(path, ".");
                char key[128];

                if (length >= sizeof(key))
                        return NULL;
                memcpy(key, path, length);
                key[length] = '\0';
                path += length + (path[length] == '.');

                if (json_is_object(at))
                        at = json_object_get(at, key);
                else if (json_is_array(at) && length == 1 && key[0] >= '0' && key[0] <= '9')
                        at = json_array_get(at, (size_t) (key[0] - '0'));
                else
                        at = NULL;
        }

        return at;
}

static int64_t usec_clamp(usec_t usec) {
        return usec > (usec_t) INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t) usec;
}

static int64_t magnitude(int64_t value) {
        return value < 0 ? -value : value;
}

static void
read_text(const char *text, size_t length, usec_t realtime_now_usec, Freshness *freshness) {
        int64_t now_usec = usec_clamp(realtime_now_usec);
        ZoneCache zone = { 0 };
        LogTime time;

        freshness->hash = hash_bytes(text, length);
        if (!log_time_parse(text, length, realtime_now_usec, &time))
                return;

        freshness->has_age = true;
        freshness->is_naive = time.zone == LOG_TIME_NAIVE;
        freshness->age_usec = now_usec - usec_clamp(log_time_to_realtime(&time, &zone));

        /* datetime.now() and datetime.utcnow() look the same. */
        if (freshness->is_naive &&
            magnitude(now_usec - time.civil_usec) < magnitude(freshness->age_usec))
                freshness->age_usec = now_usec - time.civil_usec;
}

/* Seconds, milli-, micro- or nanoseconds since 1970, told apart by size; a smaller number is a counter. */
static void read_number(double number, usec_t realtime_now_usec, Freshness *freshness) {
        static const struct {
                double least;
                double usec;
        } units[] = {
                { 1e18, 1e-3 },
                { 1e15, 1 },
                { 1e12, 1e3 },
                { 1e9, 1e6 },
        };

        freshness->hash = hash_bytes(&number, sizeof(number));
        if (!isfinite(number) || number >= 1e19)
                return;

        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (number >= units[i].least) {
                        freshness->has_age = true;
                        freshness->age_usec =
                                usec_clamp(realtime_now_usec) - (int64_t) (number * units[i].usec);
                        return;
                }
}

/* False when the body has no such field, or one that is neither text nor number. */
static bool read_freshness(const ApiConfig *config,
                           const FetchResult *result,
                           usec_t realtime_now_usec,
                           Freshness *freshness) {
        json_t *root = parse_body(result->body, result->body_length);
        const json_t *field = root ? find_field(root, config->fresh_field) : NULL;
        bool is_found = true;

        *freshness = (Freshness){ 0 };

        if (json_is_string(field))
                read_text(json_string_value(field), json_string_length(field), realtime_now_usec,
                          freshness);
        else if (json_is_number(field))
                read_number(json_number_value(field), realtime_now_usec, freshness);
        else
                is_found = false;

        json_decref(root);
        return is_found;
}

static bool is_another_zone(const Freshness *freshness) {
        int64_t off = freshness->age_usec % QUARTER_USEC;

        return freshness->is_naive && freshness->age_usec < ZONE_MAX_USEC &&
               (off < QUARTER_SLACK_USEC || off > QUARTER_USEC - QUARTER_SLACK_USEC);
}

/* Takes the value in and returns its age. */
static int64_t remember(ProbeMemory *memory,
                        const Freshness *freshness,
                        int64_t max_age_usec,
                        int64_t boot_now_usec) {
        bool is_dated_old = freshness->has_age && freshness->age_usec > max_age_usec;

        if (!memory->has_value) {
                int64_t age_usec = freshness->has_age ? MAX(freshness->age_usec, (int64_t) 0) : 0;

                *memory = (ProbeMemory){
                        .has_value = true,
                        .is_dated_old = is_dated_old,
                        .value_hash = freshness->hash,
                        .changed_boot_usec = boot_now_usec - age_usec,
                };
        } else if (memory->value_hash != freshness->hash) {
                memory->value_hash = freshness->hash;
                if (!is_dated_old || !memory->is_dated_old || is_another_zone(freshness))
                        memory->changed_boot_usec = boot_now_usec;
                memory->is_dated_old = is_dated_old;
        }

        return boot_now_usec - memory->changed_boot_usec;
}

/* What the transport says, before anybody looks at a body. */
static Cause cause_of(const FetchResult *result) {
        switch (result->outcome) {
        case FETCH_OK:
                return result->http_status / 100 == 2 ? CAUSE_NONE : CAUSE_HTTP_STATUS;
        case FETCH_REFUSED:
                return CAUSE_REFUSED;
        case FETCH_TIMEOUT:
                return CAUSE_TIMEOUT;
        case FETCH_CONNECTION:
                return CAUSE_CONNECTION;
        case FETCH_TOO_LARGE:
                return CAUSE_BODY_TOO_LARGE;
        case FETCH_FORBIDDEN:
                return CAUSE_FORBIDDEN;
        case _FETCH_OUTCOME_MAX:
                break;
        }

        return CAUSE_CONNECTION;
}

void probe_judge(const ApiConfig *config,
                 const FetchResult *result,
                 usec_t realtime_now_usec,
                 usec_t boot_now_usec,
                 ProbeMemory *memory,
                 CheckReading *ret_reading) {
        assert(config);
        assert(result);
        assert(memory);
        assert(ret_reading);

        CheckReading reading = {
                .is_configured = true,
                .at_usec = boot_now_usec,
                .value = usec_clamp(result->latency_usec),
                .cause = cause_of(result),
        };
        Freshness freshness;

        if (reading.cause == CAUSE_HTTP_STATUS)
                reading.detail = result->http_status;
        else if (reading.cause == CAUSE_NONE && config->fresh_field[0] != '\0') {
                if (read_freshness(config, result, realtime_now_usec, &freshness)) {
                        int64_t max_age_usec = usec_clamp(config->fresh_max_age_usec);
                        int64_t age_usec = remember(memory, &freshness, max_age_usec,
                                                    usec_clamp(boot_now_usec));

                        if (age_usec > max_age_usec) {
                                reading.cause = CAUSE_STALE_BODY;
                                reading.detail = age_usec;
                        }
                } else
                        reading.cause = CAUSE_BAD_BODY;
        }

        reading.outcome = reading.cause == CAUSE_NONE        ? OUTCOME_OK
                          : reading.cause == CAUSE_FORBIDDEN ? OUTCOME_UNKNOWN
                                                             : OUTCOME_FAIL;
        *ret_reading = reading;
}

static void on_fetched(const FetchResult *result, void *userdata) {
        Probe *probe = userdata;
        CheckReading reading;

        probe->fetch_id = 0;
        probe_judge(probe->config, result, clock_realtime_usec(), clock_boottime_usec(),
                    &probe->memory, &reading);
        probe->callback(&reading, probe->userdata);
}

void probe_init(Probe *probe,
                Fetch *fetch,
                const ApiConfig *config,
                ProbeCallback callback,
                void *userdata) {
        assert(probe);
        assert(fetch);
        assert(config);
        assert(callback);

        *probe = (Probe){
                .fetch = fetch,
                .config = config,
                .callback = callback,
                .userdata = userdata,
        };
}

int probe_begin(Probe *probe) {
        assert(probe);

        if (probe->fetch_id != 0)
                return -EALREADY;

        FetchRequest request = {
                .url = probe->config->url,
                .timeout_usec = probe->config->timeout_usec,
        };

        return fetch_begin(probe->fetch, &request, on_fetched, probe, &probe->fetch_id);
}

void probe_done(Probe *probe) {
        assert(probe);

        if (probe->fetch_id != 0)
                fetch_cancel(probe->fetch, probe->fetch_id);
        probe->fetch_id = 0;
}
