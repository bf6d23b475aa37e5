/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Fetch: HTTP requests on the loop, none of which can hold it up.
 *
 * libcurl says which sockets it wants watched and when it wants to be woken; both become sources of
 * the loop. Names are resolved in threads of libcurl's own, because getaddrinfo(3) blocks; with
 * CURLOPT_QUICK_EXIT a request that runs out of time leaves such a thread behind instead of waiting
 * for it, so that a dead name server costs a thread for some seconds and the loop nothing.
 *
 * The other side is a stranger. Its answer has a ceiling in bytes and a deadline as a whole, it can
 * send us nowhere else (no redirects, no proxy, http and https only, no decompression), and an
 * address is judged after its name was resolved and before the socket is made: whatever a health URL
 * is called, it cannot reach the instance's metadata service.
 */

#include "io/fetch.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"

/* A stranger's headers: real ones have a few hundred bytes, generous servers a few thousand. */
#define HEADER_BYTES_MAX ((size_t) 64 << 10)

/* A longer deadline than a day is a mistake in units; it also keeps the milliseconds inside a long. */
#define TIMEOUT_MAX_USEC (USEC_PER_DAY)

typedef struct Transfer {
        uint64_t id;
        CURL *easy;
        struct curl_slist *headers;
        FetchCallback callback;
        void *userdata;
        char *body;
        size_t body_length;
        size_t body_size;
        size_t body_max;
        size_t header_length;
        bool is_metadata_allowed;
        bool is_too_large;
        bool is_forbidden;
        char error[CURL_ERROR_SIZE];
} Transfer;

struct Fetch {
        sd_event *event;
        sd_event_source *timer;
        CURLM *multi;
        uint64_t last_id;
        Transfer *transfers[FETCHES_MAX];
};

static bool is_forbidden_ipv4(uint32_t address) {
        return (address >> 16) ==
                       0xA9FE || /* 169.254.0.0/16, RFC 3927, with every large cloud's service */
               address == 0x646464C8; /* 100.100.100.200, Alibaba Cloud's */
}

static uint32_t ipv4_at(const uint8_t *bytes) {
        return (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 | (uint32_t) bytes[2] << 8 |
               bytes[3];
}

static bool is_forbidden_ipv6(const uint8_t address[static 16]) {
        static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF }; /* ::ffff:0:0/96 */
        static const uint8_t compatible[12] = { 0 }; /* ::/96, RFC 4291 2.5.5.1 */
        static const uint8_t translated[12] = { 0x00, 0x64, 0xFF, 0x9B }; /* 64:ff9b::/96 */
        static const uint8_t amazon[4] = { 0xFD, 0x00, 0x0E, 0xC2 }; /* fd00:ec2::254 and ::23 */
        static const uint8_t google[4] = { 0xFD, 0x20, 0x00, 0xCE }; /* fd20:ce::254 */

        if (address[0] == 0xFE && (address[1] & 0xC0U) == 0x80U)
                return true; /* fe80::/10 */
        if (memcmp(address, amazon, sizeof(amazon)) == 0 ||
            memcmp(address, google, sizeof(google)) == 0)
                return true;
        if (memcmp(address, mapped, sizeof(mapped)) == 0 ||
            memcmp(address, compatible, sizeof(compatible)) == 0 ||
            memcmp(address, translated, sizeof(translated)) == 0)
                return is_forbidden_ipv4(ipv4_at(address + 12));
        if (address[0] == 0x20 && address[1] == 0x02)
                return is_forbidden_ipv4(ipv4_at(address + 2)); /* 2002::/16, RFC 3056 */

        return false;
}

bool fetch_is_forbidden_address(const void *address, size_t length) {
        sa_family_t family;

        assert(address);

        if (length < sizeof(struct sockaddr))
                return true;

        memcpy(&family, (const char *) address + offsetof(struct sockaddr, sa_family),
               sizeof(family));

        if (family == AF_INET && length >= sizeof(struct sockaddr_in)) {
                struct sockaddr_in in;

                memcpy(&in, address, sizeof(in));
                return is_forbidden_ipv4(ntohl(in.sin_addr.s_addr));
        }

        if (family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
                struct sockaddr_in6 in6;

                memcpy(&in6, address, sizeof(in6));
                return is_forbidden_ipv6(in6.sin6_addr.s6_addr);
        }

        /* Nothing but IPv4 and IPv6 carries a health check. */
        return true;
}

static curl_socket_t
on_open_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address) {
        Transfer *transfer = userdata;

        (void) purpose; /* always a connection: we accept none */

        if (!transfer->is_metadata_allowed &&
            fetch_is_forbidden_address(&address->addr, address->addrlen)) {
                transfer->is_forbidden = true;
                return CURL_SOCKET_BAD;
        }

        return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Makes room for `more` bytes and a terminator. */
static int body_reserve(Transfer *transfer, size_t more) {
        size_t needed = transfer->body_length + more + 1;

        if (needed <= transfer->body_size)
                return 0;

        size_t size = MAX(transfer->body_size * 2, (size_t) 4096);
        size = MIN(MAX(size, needed), transfer->body_max + 1);

        char *body = realloc(transfer->body, size);
        if (!body)
                return -ENOMEM;

        transfer->body = body;
        transfer->body_size = size;
        return 0;
}

static size_t on_body(char *data, size_t unit, size_t count, void *userdata) {
        Transfer *transfer = userdata;
        size_t length =
                unit * count; /* libcurl promises a unit of one and at most CURL_MAX_WRITE_SIZE */

        if (length > transfer->body_max - transfer->body_length) {
                transfer->is_too_large = true;
                return 0;
        }

        if (body_reserve(transfer, length) < 0)
                return 0;

        memcpy(transfer->body + transfer->body_length, data, length);
        transfer->body_length += length;
        transfer->body[transfer->body_length] = '\0';
        return length;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): libcurl gives the type. */
static size_t on_header(char *data, size_t unit, size_t count, void *userdata) {
        Transfer *transfer = userdata;
        size_t length = unit * count;

        (void) data; /* libcurl reads what we need of them itself */

        if (length > HEADER_BYTES_MAX - transfer->header_length) {
                transfer->is_too_large = true;
                return 0;
        }

        transfer->header_length += length;
        return length;
}

static Transfer *transfer_free(Transfer *transfer) {
        if (!transfer)
                return NULL;

        curl_easy_cleanup(transfer->easy);
        curl_slist_free_all(transfer->headers);
        free(transfer->body);
        free(transfer);
        return NULL;
}

static void transfer_cleanup(Transfer **transfer) {
        *transfer = transfer_free(*transfer);
}

static FetchOutcome outcome_of(const Transfer *transfer, CURLcode code) {
        long os_error = 0;

        if (code == CURLE_OK)
                return FETCH_OK;
        if (transfer->is_too_large)
                return FETCH_TOO_LARGE;
        if (code == CURLE_UNSUPPORTED_PROTOCOL) {
                long sent = 0;

                /* An answer that is not HTTP is reported by the same code, but only after something was asked. */
                (void) curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent);
                return sent == 0 ? FETCH_FORBIDDEN : FETCH_CONNECTION;
        }
        if (code == CURLE_OPERATION_TIMEDOUT)
                return FETCH_TIMEOUT;
        if (code != CURLE_COULDNT_CONNECT)
                return FETCH_CONNECTION;
        if (transfer->is_forbidden)
                return FETCH_FORBIDDEN;

        (void) curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO,
                                 &os_error); /* zero when not known */
        return os_error == ECONNREFUSED ? FETCH_REFUSED : FETCH_CONNECTION;
}

static void transfer_report(const Transfer *transfer, CURLcode code) {
        FetchOutcome outcome = outcome_of(transfer, code);
        curl_off_t latency_usec = 0;
        curl_off_t retry_after_s = 0;
        long status = 0;
        const char *error = "";

        /* What is not known stays zero. */
        (void) curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        (void) curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &latency_usec);
        (void) curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s);

        if (outcome == FETCH_FORBIDDEN && transfer->is_forbidden)
                error = "address is link-local or a metadata service";
        else if (outcome == FETCH_TOO_LARGE)
                error = "answer is too large";
        else if (outcome != FETCH_OK)
                error = transfer->error[0] ? transfer->error : curl_easy_strerror(code);

        /* A stranger may say "come back in a thousand years". */
        retry_after_s =
                MIN(MAX(retry_after_s, (curl_off_t) 0), (curl_off_t) (USEC_PER_DAY / USEC_PER_SEC));

        bool has_body = outcome == FETCH_OK && transfer->body_length > 0;
        FetchResult result = {
                .outcome = outcome,
                .http_status = (unsigned) MAX(status, 0L),
                .body = has_body ? transfer->body : "",
                .body_length = has_body ? transfer->body_length : 0,
                .latency_usec = (usec_t) MAX(latency_usec, (curl_off_t) 0),
                .retry_after_usec = (usec_t) retry_after_s * USEC_PER_SEC,
                .error = error,
        };

        transfer->callback(&result, transfer->userdata);
}

/* Takes the transfer out of the table; the caller owns it from then on. */
static Transfer *transfer_take(Fetch *fetch, uint64_t id, const CURL *easy) {
        for (size_t i = 0; i < FETCHES_MAX; i++) {
                Transfer *transfer = fetch->transfers[i];

                if (transfer && (transfer->id == id || (easy && transfer->easy == easy))) {
                        fetch->transfers[i] = NULL;
                        (void) curl_multi_remove_handle(fetch->multi,
                                                        transfer->easy); /* it is in there */
                        return transfer;
                }
        }

        return NULL;
}

static void report_ended(Fetch *fetch) {
        const CURLMsg *message;
        int n_left;

        while ((message = curl_multi_info_read(fetch->multi, &n_left))) {
                if (message->msg != CURLMSG_DONE)
                        continue;

                /* The message goes with the handle: read it first. */
                CURLcode code = message->data.result;
                CLEANUP(transfer_cleanup)
                Transfer *transfer = transfer_take(fetch, 0, message->easy_handle);

                if (transfer)
                        transfer_report(transfer, code);
        }
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Fetch *fetch = userdata;
        int bits = 0;
        int n_running;

        (void) source;

        if (revents & EPOLLIN)
                bits |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                bits |= CURL_CSELECT_OUT;
        if (revents & (EPOLLERR | EPOLLHUP))
                bits |= CURL_CSELECT_ERR;

        /* What goes wrong inside belongs to a transfer and comes as its message. */
        (void) curl_multi_socket_action(fetch->multi, fd, bits, &n_running);
        report_ended(fetch);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Fetch *fetch = userdata;
        int n_running;

        (void) source;
        (void) usec;

        (void) curl_multi_socket_action(fetch->multi, CURL_SOCKET_TIMEOUT, 0,
                                        &n_running); /* as above */
        report_ended(fetch);
        return 0;
}

static int on_want_timer(CURLM *multi, long timeout_ms, void *userdata) {
        Fetch *fetch = userdata;

        (void) multi;

        if (timeout_ms < 0)
                return sd_event_source_set_enabled(fetch->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
        if (sd_event_source_set_time_relative(fetch->timer, (usec_t) timeout_ms * USEC_PER_MSEC) <
            0)
                return -1;

        return sd_event_source_set_enabled(fetch->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

static int on_want_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *assigned) {
        Fetch *fetch = userdata;
        sd_event_source *source = assigned;
        uint32_t events = 0;

        (void) easy;

        if (what == CURL_POLL_REMOVE) {
                (void) curl_multi_assign(fetch->multi, fd,
                                         NULL); /* fails only for a socket it forgot */
                sd_event_source_disable_unref(source);
                return 0;
        }

        if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
                events |= EPOLLIN;
        if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
                events |= EPOLLOUT;

        if (source)
                return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;

        if (sd_event_add_io(fetch->event, &source, fd, events, on_io, fetch) < 0)
                return -1;

        (void) curl_multi_assign(fetch->multi, fd, source); /* as above */
        return 0;
}

static void fetch_cleanup(Fetch **fetch) {
        *fetch = fetch_free(*fetch);
}

int fetch_new(sd_event *event, Fetch **ret_fetch) {
        assert(event);
        assert(ret_fetch);

        CLEANUP(fetch_cleanup) Fetch *fetch = calloc(1, sizeof(*fetch));
        if (!fetch)
                return -ENOMEM;

        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;

        fetch->event = sd_event_ref(event);
        fetch->multi = curl_multi_init();
        if (!fetch->multi)
                return -ENOMEM;

        int r = sd_event_add_time(event, &fetch->timer, CLOCK_BOOTTIME, 0, USEC_PER_MSEC, on_timer,
                                  fetch);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(fetch->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;

        /* These fail only for options libcurl does not know, and it has known them since 7.16. */
        (void) curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETFUNCTION, on_want_socket);
        (void) curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETDATA, fetch);
        (void) curl_multi_setopt(fetch->multi, CURLMOPT_TIMERFUNCTION, on_want_timer);
        (void) curl_multi_setopt(fetch->multi, CURLMOPT_TIMERDATA, fetch);
        (void) curl_multi_setopt(fetch->multi, CURLMOPT_MAXCONNECTS, 4L);

        *ret_fetch = TAKE_PTR(fetch);
        return 0;
}

Fetch *fetch_free(Fetch *fetch) {
        if (!fetch)
                return NULL;

        for (size_t i = 0; i < FETCHES_MAX; i++)
                if (fetch->transfers[i])
                        (void) transfer_free(transfer_take(fetch, fetch->transfers[i]->id, NULL));

        if (fetch->multi)
                (void) curl_multi_cleanup(fetch->multi); /* with no transfer left it cannot fail */
        sd_event_source_disable_unref(fetch->timer);
        if (fetch->event)
                curl_global_cleanup();
        sd_event_unref(fetch->event);
        free(fetch);
        return NULL;
}

static bool has_line_break(const char *text) {
        return strpbrk(text, "\r\n") != NULL;
}

static int transfer_set_headers(Transfer *transfer, const FetchRequest *request) {
        /* libcurl would otherwise wait for a "100 Continue" that small servers never send. */
        transfer->headers = curl_slist_append(NULL, "Expect:");
        if (!transfer->headers)
                return -ENOMEM;

        for (size_t i = 0; request->headers && request->headers[i]; i++) {
                if (has_line_break(request->headers[i]))
                        return -EINVAL;

                struct curl_slist *longer =
                        curl_slist_append(transfer->headers, request->headers[i]);
                if (!longer)
                        return -ENOMEM;
                transfer->headers = longer;
        }

        return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK
                       ? 0
                       : -ENOMEM;
}

static int transfer_set_method(Transfer *transfer, const FetchRequest *request) {
        CURL *easy = transfer->easy;
        CURLcode code = CURLE_OK;

        if (request->body) {
                code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                        (curl_off_t) request->body_length);
                if (code == CURLE_OK)
                        code = curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body);
        }

        if (request->method && code == CURLE_OK) {
                if (has_line_break(request->method))
                        return -EINVAL;
                code = strcmp(request->method, "HEAD") == 0
                               ? curl_easy_setopt(easy, CURLOPT_NOBODY, 1L)
                               : curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
        }

        return code == CURLE_OK ? 0 : -ENOMEM;
}

/* Where a request may go and how long it may take. */
static int transfer_set_limits(Transfer *transfer, const FetchRequest *request) {
        CURL *easy = transfer->easy;
        long timeout_ms =
                (long) ((MIN(request->timeout_usec, TIMEOUT_MAX_USEC) + USEC_PER_MSEC - 1) /
                        USEC_PER_MSEC);
        bool is_kept = request->is_connection_kept && !request->is_metadata_allowed;
        CURLcode code = CURLE_OK;

#if LIBCURL_VERSION_NUM >= 0x075500
        code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
        code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
        if (code != CURLE_OK)
                return -ENOMEM;

                /* None of these copies anything, so none can fail. */
#if LIBCURL_VERSION_NUM >= 0x075700
        (void) curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
        (void) curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        (void) curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
        (void) curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
        (void) curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
        (void) curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, is_kept ? 0L : 1L);
        (void) curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, is_kept ? 0L : 1L);
        (void) curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
        (void) curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);

        /* An empty proxy also switches off those of the environment. */
        return curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK ? 0 : -ENOMEM;
}

static int transfer_prepare(Transfer *transfer, const FetchRequest *request) {
        CURL *easy = transfer->easy;

        int r = transfer_set_limits(transfer, request);
        if (r < 0)
                return r;

        r = transfer_set_headers(transfer, request);
        if (r < 0)
                return r;

        r = transfer_set_method(transfer, request);
        if (r < 0)
                return r;

        /* None of these copies anything, so none can fail. */
        (void) curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
        (void) curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
        (void) curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
        (void) curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
        (void) curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);

        if (curl_easy_setopt(easy, CURLOPT_USERAGENT, "albraguard") != CURLE_OK ||
            curl_easy_setopt(easy, CURLOPT_URL, request->url) != CURLE_OK)
                return -ENOMEM;

        return 0;
}

static Transfer **free_place(Fetch *fetch) {
        for (size_t i = 0; i < FETCHES_MAX; i++)
                if (!fetch->transfers[i])
                        return &fetch->transfers[i];

        return NULL;
}

int fetch_begin(Fetch *fetch,
                const FetchRequest *request,
                FetchCallback callback,
                void *userdata,
                uint64_t *ret_id) {
        assert(fetch);
        assert(request);
        assert(callback);

        if (!request->url || !request->url[0] || has_line_break(request->url) ||
            request->timeout_usec == 0)
                return -EINVAL;

        Transfer **place = free_place(fetch);
        if (!place)
                return -EBUSY;

        CLEANUP(transfer_cleanup) Transfer *transfer = calloc(1, sizeof(*transfer));
        if (!transfer)
                return -ENOMEM;

        transfer->easy = curl_easy_init();
        if (!transfer->easy)
                return -ENOMEM;

        transfer->callback = callback;
        transfer->userdata = userdata;
        transfer->is_metadata_allowed = request->is_metadata_allowed;
        transfer->body_max = request->max_body_bytes > 0
                                     ? MIN(request->max_body_bytes, (size_t) FETCH_BODY_MAX)
                                     : FETCH_BODY_MAX;

        int r = transfer_prepare(transfer, request);
        if (r < 0)
                return r;

        /* Only arms the timer: the work begins when the loop runs. */
        if (curl_multi_add_handle(fetch->multi, transfer->easy) != CURLM_OK)
                return -ENOMEM;

        transfer->id = ++fetch->last_id;
        if (ret_id)
                *ret_id = transfer->id;
        *place = TAKE_PTR(transfer);
        return 0;
}

void fetch_cancel(Fetch *fetch, uint64_t id) {
        assert(fetch);

        if (id != 0)
                (void) transfer_free(transfer_take(fetch, id, NULL));
}

const char *fetch_outcome_to_string(FetchOutcome outcome) {
        static const char *const names[] = {
                [FETCH_OK] = "ok",
                [FETCH_REFUSED] = "refused",
                [FETCH_TIMEOUT] = "timeout",
                [FETCH_CONNECTION] = "connection",
                [FETCH_TOO_LARGE] = "too-large",
                [FETCH_FORBIDDEN] = "forbidden",
        };

        static_assert(ELEMENTSOF(names) == _FETCH_OUTCOME_MAX, "a name for each");
        assert(outcome < _FETCH_OUTCOME_MAX);
        return names[outcome];
}
