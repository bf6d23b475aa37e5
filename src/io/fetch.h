/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "base/time.h"

enum {
        FETCH_BODY_MAX =
                1 << 20,   /* ceiling of an answer's body, and the default of max_body_bytes */
        FETCHES_MAX = 128, /* under way at once; one more is refused with -EBUSY */
        FETCH_ERROR_SIZE = 160,
};

typedef struct Fetch Fetch;

/* How a request ended. What the other side did is never an errno. */
typedef enum FetchOutcome {
        FETCH_OK,         /* a whole answer, whatever its status */
        FETCH_REFUSED,    /* connection refused */
        FETCH_TIMEOUT,    /* no whole answer before the deadline */
        FETCH_CONNECTION, /* name not found, reset, TLS failure, not HTTP */
        FETCH_TOO_LARGE,  /* more header or body than allowed */
        FETCH_FORBIDDEN, /* link-local or metadata address, or neither http nor https: nothing was sent */
        _FETCH_OUTCOME_MAX,
} FetchOutcome;

/* What to ask. Everything is copied by fetch_begin(). */
typedef struct FetchRequest {
        const char *url;
        const char *method;         /* NULL: GET, or POST when there is a body */
        const char *const *headers; /* "Name: value", NULL-terminated; NULL: none */
        const char *body;           /* NULL: none */
        size_t body_length;
        usec_t timeout_usec;   /* from now to the last byte; a slow drip does not extend it */
        size_t max_body_bytes; /* 0: FETCH_BODY_MAX, which is also the most */
        bool is_metadata_allowed; /* may reach link-local addresses: only for our own fixed metadata URLs */
        bool is_connection_kept; /* may reuse and keep a connection; a health check wants a new one */
} FetchRequest;

/* What came back. Pointers are good only inside the callback. */
typedef struct FetchResult {
        FetchOutcome outcome;
        unsigned http_status; /* 0 when no status line came */
        const char *body;     /* never NULL, terminated; empty unless FETCH_OK */
        size_t body_length;
        usec_t latency_usec;     /* from the start to the end of the answer or of the attempt */
        usec_t retry_after_usec; /* the Retry-After header; 0: none */
        const char *error;       /* for a log line; empty when FETCH_OK */
} FetchResult;

/* Called once per request, never from inside fetch_begin(), never after fetch_cancel(). It may begin and cancel
 * requests, but not free the Fetch. */
typedef void (*FetchCallback)(const FetchResult *result, void *userdata);

/* Requests on the loop, through libcurl's multi socket interface (libcurl-multi(3)). Needs one thread per name being
 * resolved, which is libcurl's; nothing else blocks or runs beside the loop. Proxies of the environment are not used. */
int fetch_new(sd_event *event, Fetch **ret_fetch);

/* Drops what is under way without calling back. NULL is accepted; returns NULL. */
Fetch *fetch_free(Fetch *fetch);

/* Begins a request. -EBUSY when FETCHES_MAX are under way, -EINVAL for an empty URL or a header with a line break. */
int fetch_begin(Fetch *fetch,
                const FetchRequest *request,
                FetchCallback callback,
                void *userdata,
                uint64_t *ret_id);

/* Drops one request without calling back. Zero is no request; one that has ended is no error. */
void fetch_cancel(Fetch *fetch, uint64_t id);

/* Whether the address is one no health check may ask: link-local and cloud metadata, also when an IPv6 address
 * carries it (RFC 3927, RFC 4291, RFC 6052). `address` is a struct sockaddr. Pure. */
bool fetch_is_forbidden_address(const void *address, size_t length);

/* "ok", "refused", "timeout", … */
const char *fetch_outcome_to_string(FetchOutcome outcome);
