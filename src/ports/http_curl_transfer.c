/*
 * One exchange on one easy handle: what it sends, what comes back, and what is said of it.
 *
 * Happy path: acquire (a spare handle, or a new one with everything set that never changes) → fill
 * (copies the request; header lines and body in one buffer of ours, which curl only points to) →
 * start → prerequest() when the connection stands: from here on it is *sent* → receive() →
 * http_transfer_end() judges and files → release.
 *
 * Never twice. libcurl sends a request again by itself on a fresh connection where a reused one
 * ended without an answer, and where an HTTP/2 server refused the stream; the first may well have
 * been acted upon. prerequest() runs before each such attempt, so that its second call for one
 * transfer ends it: LOST. What is *not* lost by that: connections that were closed while idle,
 * since libcurl looks before it takes one, and http_curl_loop.c makes it see.
 *
 * libcurl's buffers are wiped when it frees them (http_curl.c), mostly at the end of an exchange;
 * those of a connection live on with it. So an answer with keys comes over a connection of its own
 * and by HTTP/1.1, and neither that nor the handle is kept.
 *
 * The name resolver runs on a thread of libcurl's; without CURLOPT_QUICK_EXIT a time-out or a
 * cancel would block the loop until that thread ends.
 */
#include "base/secret.h"
#include "ports/http_curl_pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BODY_FIRST 4096          /* bytes of an answer's buffer at first */
#define BODY_KEPT (64 * 1024)    /* a larger buffer is not kept for the next answer */
#define OUT_KEPT (64 * 1024)     /* likewise of a request */
#define UPLOAD_CHUNK (16 * 1024) /* libcurl's smallest: one TLS record */

/* ---- what libcurl calls ---- */

static int prerequest(void *context, char *remote_ip, char *local_ip, int remote_port,
                      int local_port)
{
    struct http_transfer *t = context;
    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;
    (void)local_port;
    if (t->sent && t->purpose == HTTP_REQUEST) {
        t->why = "the connection ended after the request was sent; it is not sent again";
        return CURL_PREREQFUNC_ABORT;
    }
    t->sent = true;
    if (t->purpose == HTTP_REQUEST) {
        t->wire_due = true;
        t->wire_next = t->pool->wire;
        t->pool->wire = t;
    }
    return CURL_PREREQFUNC_OK;
}

static bool make_room(char **buffer, size_t *size, size_t needed, size_t first)
{
    if (needed <= *size)
        return true;
    size_t grown = *size == 0 ? first : *size;
    while (grown < needed)
        grown *= 2;
    /* Not realloc: what it leaves behind may hold a key. */
    char *bytes = malloc(grown);
    if (bytes == NULL)
        return false;
    if (*buffer != NULL) {
        memcpy(bytes, *buffer, *size);
        secret_wipe(*buffer, *size);
        free(*buffer);
    }
    *buffer = bytes;
    *size = grown;
    return true;
}

static size_t receive(char *bytes, size_t one, size_t count, void *context)
{
    struct http_transfer *t = context;
    size_t length = one * count;
    if (t->body_length + length > REPLY_BODY_MAX) {
        t->why = "the answer is longer than 1 MiB";
        return 0;
    }
    if (!make_room(&t->body, &t->body_size, t->body_length + length, BODY_FIRST)) {
        t->why = "no memory for the answer";
        return 0;
    }
    memcpy(t->body + t->body_length, bytes, length);
    t->body_length += length;
    return length;
}

/* "Date: Tue, 24 Nov 2026 03:00:00 GMT", with whatever ends the line. */
static void read_date(struct http_transfer *t, const char *line, size_t length)
{
    static const char name[] = "date:";
    char value[64];
    size_t skip = sizeof name - 1;
    if (length <= skip || strncasecmp(line, name, skip) != 0 || length - skip >= sizeof value)
        return;
    memcpy(value, line + skip, length - skip);
    value[length - skip] = '\0';
    value[strcspn(value, "\r\n")] = '\0';
    time_t second = curl_getdate(value, NULL);
    t->date_second = second > 0 ? (int64_t)second : -1;
}

static size_t receive_header(char *bytes, size_t one, size_t count, void *context)
{
    struct http_transfer *t = context;
    size_t length = one * count;
    t->header_bytes += length;
    if (t->header_bytes > HTTP_HEADERS_MAX) {
        t->why = "the answer's headers are longer than 64 KiB";
        return 0;
    }
    if (length >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
        t->head_is_whole = false; /* of the final answer: a 100 may come before */
    else if (length <= 2)
        t->head_is_whole = true;
    else if (bytes[0] == 'D' || bytes[0] == 'd')
        read_date(t, bytes, length);
    return length;
}

/* ---- the easy handle ---- */

/* A table would hide the types that libcurl's macro checks. */
static bool set_protocol(CURL *e)
{
    bool ok = true;
    ok &= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_NOPROGRESS, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_CHUNK) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK;
    return ok;
}

static bool set_pool_options(CURL *e, const struct http_pool *pool)
{
    bool ok = true;
    /* Compared with whole seconds: 29 lets a connection idle for less than 30. */
    ok &= curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, (long)pool->idle_seconds - 1) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
    /* Empty strings keep the environment's proxies and exceptions out. */
    ok &= curl_easy_setopt(e, CURLOPT_PROXY, pool->proxy != NULL ? pool->proxy : "") == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_NOPROXY, "") == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_USERAGENT, pool->user_agent) == CURLE_OK;
    return ok;
}

static bool set_callbacks(CURL *e, struct http_transfer *t)
{
    bool ok = true;
    ok &= curl_easy_setopt(e, CURLOPT_PRIVATE, t) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, prerequest) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_PREREQDATA, t) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, receive) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_WRITEDATA, t) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, receive_header) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_HEADERDATA, t) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, http_socket_open) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, http_socket_close) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, t->pool) == CURLE_OK;
    return ok;
}

/*
 * A connection without a request: libcurl connects, shakes hands, and then fails to write the
 * condition's date, which no calendar holds, into the request: nothing is sent, and the connection
 * goes to the pool as it is. (Ended by its callback instead, it would be closed.) Should a later
 * libcurl send it after all, it is a HEAD without a signature.
 */
static bool set_without_request(CURL *e)
{
    bool ok = true;
    ok &= curl_easy_setopt(e, CURLOPT_NOBODY, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_TIMECONDITION, (long)CURL_TIMECOND_IFMODSINCE) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_TIMEVALUE_LARGE, (curl_off_t)INT64_MAX) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_WARM_TIMEOUT_MS) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)HTTP_WARM_TIMEOUT_MS) == CURLE_OK;
    return ok;
}

static struct http_transfer *transfer_create(struct http_pool *pool, enum http_purpose purpose)
{
    struct http_transfer *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->pool = pool;
    t->purpose = purpose;
    t->easy = curl_easy_init();
    bool ok = t->easy != NULL && set_protocol(t->easy) && set_pool_options(t->easy, pool)
              && http_roots_set(t->easy, t) && set_callbacks(t->easy, t);
    if (ok && purpose != HTTP_REQUEST)
        ok = set_without_request(t->easy);
    if (ok)
        return t;
    http_transfer_destroy(t);
    return NULL;
}

/* Some requests and some answers hold keys or tokens. */
static void wipe(struct http_transfer *t)
{
    secret_wipe(t->out, t->out_length);
    secret_wipe(t->body, t->body_length);
    t->out_length = 0;
    t->body_length = 0;
}

void http_transfer_destroy(struct http_transfer *t)
{
    if (t == NULL)
        return;
    curl_easy_cleanup(t->easy);
    wipe(t);
    free(t->out);
    free(t->body);
    free(t);
}

/* ---- the pool of handles ---- */

static void unlink_busy(struct http_transfer *t)
{
    if (t->previous != NULL)
        t->previous->next = t->next;
    else
        t->pool->busy = t->next;
    if (t->next != NULL)
        t->next->previous = t->previous;
    t->next = NULL;
    t->previous = NULL;
}

/* Only requests come from the spare ones: the others are rare and set up differently. */
int http_transfer_acquire(struct http_pool *pool, enum http_purpose purpose,
                          struct http_transfer **ret)
{
    struct http_transfer *t = purpose == HTTP_REQUEST ? pool->spare : NULL;
    if (t != NULL) {
        pool->spare = t->next;
        pool->spare_count--;
    } else {
        t = transfer_create(pool, purpose);
        if (t == NULL)
            return -ENOMEM;
    }
    t->previous = NULL;
    t->next = pool->busy;
    if (t->next != NULL)
        t->next->previous = t;
    pool->busy = t;
    t->sent = false;
    t->wire_due = false;
    t->held = false;
    t->alone = false;
    t->why = NULL;
    t->body_length = 0;
    t->header_bytes = 0;
    t->head_is_whole = false;
    t->date_second = -1;
    t->error[0] = '\0';
    *ret = t;
    return 0;
}

void http_transfer_release(struct http_transfer *t)
{
    struct http_pool *pool = t->pool;
    assert(!t->wire_due);
    unlink_busy(t);
    if (t->purpose != HTTP_REQUEST || pool->phase != HTTP_LIVE || t->alone) {
        http_transfer_destroy(t);
        return;
    }
    wipe(t);
    if (t->body_size > BODY_KEPT) {
        free(t->body);
        t->body = NULL;
        t->body_size = 0;
    }
    if (t->out_size > OUT_KEPT) {
        free(t->out);
        t->out = NULL;
        t->out_size = 0;
    }
    t->next = pool->spare;
    pool->spare = t;
    pool->spare_count++;
}

/* Frees spare handles beyond `kept`. */
void http_transfer_trim(struct http_pool *pool, unsigned kept)
{
    while (pool->spare_count > kept) {
        struct http_transfer *t = pool->spare;
        pool->spare = t->next;
        pool->spare_count--;
        http_transfer_destroy(t);
    }
}

/* ---- the request ---- */

static bool has_control(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c < 0x20 || *c == 0x7f)
            return true;
    }
    return false;
}

static int check(const struct transport_request *r, struct errtext *err)
{
    if (r->url == NULL || has_control(r->url))
        return errtext_set(err, -EINVAL, "a request needs a URL without control characters");
    if (r->header_count > TRANSPORT_HEADERS_MAX)
        return errtext_set(err, -EINVAL, "more than %d headers", TRANSPORT_HEADERS_MAX);
    for (size_t i = 0; i < r->header_count; i++) {
        const struct tc3_header *h = &r->headers[i];
        if (h->name[0] == '\0' || strpbrk(h->name, ": ;") != NULL || has_control(h->name)
            || has_control(h->value))
            return errtext_set(err, -EINVAL, "header %zu has a character that none may have", i);
    }
    return 0;
}

static long milliseconds(int64_t us)
{
    int64_t ms = us <= 0 ? 1 : (us - 1) / 1000 + 1;
    return ms > INT32_MAX ? INT32_MAX : (long)ms;
}

/*
 * "Name: value" lines, each a node of curl's list type over our own bytes; "Name;" is curl's
 * spelling of an empty value. The node that takes Expect away comes first.
 */
static void lay_headers(struct http_transfer *t, const struct transport_request *r)
{
    static char no_expect[] = "Expect:";
    char *at = t->out;
    t->headers[0] = (struct curl_slist){.data = no_expect, .next = NULL};
    for (size_t i = 0; i < r->header_count; i++) {
        size_t name = strlen(r->headers[i].name);
        size_t value = strlen(r->headers[i].value);
        t->headers[i + 1] = (struct curl_slist){.data = at, .next = NULL};
        t->headers[i].next = &t->headers[i + 1];
        memcpy(at, r->headers[i].name, name);
        at += name;
        if (value == 0) {
            *at++ = ';';
        } else {
            *at++ = ':';
            *at++ = ' ';
            memcpy(at, r->headers[i].value, value);
            at += value;
        }
        *at++ = '\0';
    }
    if (r->body != NULL) {
        memcpy(at, r->body, r->body_length);
        (void)curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, at);
        (void)curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_length);
    } else {
        (void)curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
    }
    (void)curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
}

/* The handle is not used again: see http_transfer_release(). */
static bool set_alone(CURL *e)
{
    bool ok = true;
    ok &= curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK;
    return ok;
}

int http_transfer_fill(struct http_transfer *t, const struct transport_request *r,
                       struct errtext *err)
{
    int outcome = check(r, err);
    if (outcome != 0)
        return outcome;
    size_t needed = r->body_length + 1;
    for (size_t i = 0; i < r->header_count; i++)
        needed += strlen(r->headers[i].name) + strlen(r->headers[i].value) + sizeof ": ";
    if (!make_room(&t->out, &t->out_size, needed, 1024))
        return -ENOMEM;
    t->out_length = needed;
    t->ticket = r->ticket;
    t->alone = r->brings_keys;
    if (t->alone && !set_alone(t->easy))
        return -ENOMEM;
    struct http_origin *origin = http_origin_of(t->pool, r->url);
    if (origin == NULL || origin != t->origin) {
        t->origin = NULL;
        if (curl_easy_setopt(t->easy, CURLOPT_URL, r->url) != CURLE_OK)
            return -ENOMEM;
        t->origin = origin;
        http_transfer_set_tls(t, r->url);
    }
    (void)curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(r->connect_timeout_us));
    (void)curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, milliseconds(r->timeout_us));
    lay_headers(t, r);
    return 0;
}

/* Where certificates will be needed: the schemes are compared as libcurl does. */
void http_transfer_set_tls(struct http_transfer *t, const char *url)
{
    static const char scheme[] = "https:";
    const char *proxy = t->pool->proxy;
    t->tls = strncasecmp(url, scheme, sizeof scheme - 1) == 0
             || (proxy != NULL && strncasecmp(proxy, scheme, sizeof scheme - 1) == 0);
}

bool http_transfer_add(struct http_transfer *t)
{
    struct http_pool *pool = t->pool;
    pool->in_curl = true;
    CURLMcode code = curl_multi_add_handle(pool->multi, t->easy);
    pool->in_curl = false;
    return code == CURLM_OK;
}

int http_transfer_start(struct http_transfer *t)
{
    t->held = t->tls && http_roots_hold(t->pool);
    if (t->held || http_transfer_add(t))
        return 0;
    http_transfer_release(t);
    return -ENOMEM;
}

/* ---- the verdict ---- */

/*
 * Files what prerequest() noted: outside of libcurl, and ahead of any outcome. libcurl sends right
 * after prerequest(), in the same turn; so now the bytes are out, however long the process had to
 * wait for a processor in between. An instant before the send could be too early for a limiter.
 */
void http_transfer_file_wire(struct http_pool *pool)
{
    if (pool->wire == NULL)
        return;
    const struct http_sink *sink = &pool->http->sink;
    struct mono at = sink->clock(sink->context);
    /* Noted latest first: turn the list round, so that they are filed in their order. */
    struct http_transfer *first = NULL;
    for (struct http_transfer *t = pool->wire, *next; t != NULL; t = next) {
        next = t->wire_next;
        t->wire_next = first;
        first = t;
    }
    pool->wire = NULL;
    for (struct http_transfer *t = first, *next; t != NULL; t = next) {
        next = t->wire_next;
        t->wire_next = NULL;
        t->wire_due = false;
        sink->on_wire(sink->context, t->ticket, at);
    }
}

static const char *reason(const struct http_transfer *t, CURLcode code)
{
    if (t->why != NULL)
        return t->why;
    if (code == CURLE_OK)
        return "the answer ended inside its headers"; /* which libcurl takes for an answer */
    return t->error[0] != '\0' ? t->error : curl_easy_strerror(code);
}

static struct exchange judge(struct http_transfer *t, CURLcode code)
{
    long status = 0;
    long version = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && t->sent && t->head_is_whole) {
        (void)curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
        if (t->origin != NULL)
            t->origin->http2 = version == CURL_HTTP_VERSION_2_0;
        return (struct exchange){
            .kind = EXCHANGE_ANSWERED,
            .http_status = (int)status,
            .body = t->body != NULL ? t->body : "",
            .body_length = t->body_length,
            .date_second = t->date_second,
        };
    }
    return (struct exchange){
        .kind = t->sent ? EXCHANGE_LOST : EXCHANGE_NOT_SENT,
        .error = reason(t, code),
        .date_second = -1,
    };
}

/* The handle has been removed from the multi handle. */
void http_transfer_end(struct http_transfer *t, CURLcode code)
{
    struct http_curl *http = t->pool->http;
    http_transfer_file_wire(t->pool);
    /* The second where a root has another key under the same name. */
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR)
        http_roots_doubt(t->pool);
    if (t->purpose == HTTP_REQUEST) {
        struct exchange exchange = judge(t, code);
        http->in_flight--;
        http->sink.outcome(http->sink.context, t->ticket, &exchange,
                           http->sink.clock(http->sink.context));
    } else {
        http_warm_ended(t);
    }
    http_transfer_release(t);
}
