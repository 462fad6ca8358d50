/*
 * The transport itself: which pool a request goes to, and how all of it ends.
 *
 * Happy path: send() fills a handle of the live pool, adds it and gives libcurl its turn at once,
 * so that a request with an open connection is on the wire when send() returns. Everything after
 * that comes from the loop (http_curl_loop.c) and is filed by http_curl_transfer.c.
 *
 * reload() makes a new live pool; the old one ends when its last transfer has. close() ends all
 * transfers with their outcomes, then the pools; the last pool's last handle calls `done`.
 */
#include "base/secret.h"
#include "ports/certificates.h"
#include "ports/http_curl_pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Takes a transfer that has ended, or that is to end, from libcurl and says what became of it. */
void http_transfer_finish(struct http_transfer *t, CURLcode code)
{
    struct http_pool *pool = t->pool;
    assert(!pool->in_curl);
    pool->in_curl = true;
    (void)curl_multi_remove_handle(pool->multi, t->easy);
    pool->in_curl = false;
    http_transfer_end(t, code);
}

static void end_now(struct http_transfer *t, const char *why)
{
    t->why = why;
    http_transfer_finish(t, CURLE_ABORTED_BY_CALLBACK);
}

/* ---- struct transport ---- */

static int transport_send(void *context, const struct transport_request *request,
                          struct errtext *err)
{
    struct http_curl *http = context;
    assert(!http->closing);
    if (http->in_flight >= http->max_in_flight)
        return errtext_set(err, -EAGAIN, "%u requests are in flight", http->in_flight);
    struct http_pool *pool = http->pools;
    struct http_transfer *t;
    int outcome = http_transfer_acquire(pool, HTTP_REQUEST, &t);
    if (outcome != 0)
        return errtext_set(err, outcome, "no memory for a request");
    outcome = http_transfer_fill(t, request, err);
    if (outcome != 0) {
        http_transfer_release(t);
        return outcome == -ENOMEM ? errtext_set(err, outcome, "no memory for a request") : outcome;
    }
    http_origin_scrub(pool, t->origin);
    outcome = http_transfer_start(t);
    if (outcome != 0)
        return errtext_set(err, outcome, "no memory for a request");
    http->in_flight++;
    http_pool_turn(pool, CURL_SOCKET_TIMEOUT, 0);
    return 0;
}

static void transport_cancel(void *context, uint64_t ticket)
{
    struct http_curl *http = context;
    for (struct http_pool *pool = http->pools; pool != NULL; pool = pool->next) {
        for (struct http_transfer *t = pool->busy; t != NULL; t = t->next) {
            if (t->purpose != HTTP_REQUEST || t->ticket != ticket)
                continue;
            end_now(t, "cancelled");
            http_pool_settle(pool);
            return;
        }
    }
}

static void transport_warm(void *context, const char *url, unsigned connections)
{
    struct http_curl *http = context;
    assert(!http->closing);
    http_warm(http->pools, url, connections);
}

struct transport http_curl_transport(struct http_curl *http)
{
    return (struct transport){
        .context = http,
        .send = transport_send,
        .cancel = transport_cancel,
        .warm = transport_warm,
    };
}

unsigned http_curl_in_flight(const struct http_curl *http)
{
    return http->in_flight;
}

/* ---- life ---- */

static int check_proxy(const char *proxy, struct errtext *err)
{
    static const char *const schemes[] = {"http", "https", "socks5", "socks5h"};
    char *scheme = NULL;
    bool known = false;
    CURLU *url = curl_url();
    if (url == NULL)
        return -ENOMEM;
    CURLUcode code = curl_url_set(url, CURLUPART_URL, proxy, CURLU_NON_SUPPORT_SCHEME);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
    for (size_t i = 0; code == CURLUE_OK && i < sizeof schemes / sizeof schemes[0]; i++)
        known = known || strcmp(scheme, schemes[i]) == 0;
    curl_free(scheme);
    curl_url_cleanup(url);
    if (known)
        return 0;
    return errtext_set(err, code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL,
                       "the proxy is not a URL of http, https, socks5 or socks5h, like "
                       "http://proxy:3128");
}

static int check_options(const struct http_options *options, struct errtext *err)
{
    assert(options->max_in_flight > 0 && options->max_in_flight <= HTTP_IN_FLIGHT_MAX);
    assert(options->user_agent != NULL && options->idle_seconds != 1);
    bool check_ca = options->ca_file != NULL && !options->ca_is_checked;
    int outcome = check_ca ? certificates_check(options->ca_file, err) : 0;
    if (outcome == 0 && options->proxy != NULL)
        outcome = check_proxy(options->proxy, err);
    return outcome;
}

int http_curl_create(struct uv_loop_s *loop, const struct http_options *options,
                     const struct http_sink *sink, struct http_curl **ret, struct errtext *err)
{
    /* Another library's contexts are not what http_curl_roots.c takes them for. */
    if (curl_global_sslset(CURLSSLBACKEND_OPENSSL, NULL, NULL) != CURLSSLSET_OK)
        return errtext_set(err, -ENOTSUP,
                           "libcurl does not use OpenSSL for TLS; install the one "
                           "that does");
    /* Its buffers hold tokens and answers with keys: what it frees is wiped. */
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, secret_free, secret_realloc, strdup,
                             calloc)
        != CURLE_OK)
        return errtext_set(err, -ENOMEM, "libcurl does not start");
    struct http_curl *http = calloc(1, sizeof *http);
    int outcome = http == NULL ? -ENOMEM : check_options(options, err);
    if (outcome == 0) {
        http->loop = loop;
        http->sink = *sink;
        http->max_in_flight = options->max_in_flight;
        outcome = http_pool_create(http, options, &http->pools);
    }
    if (outcome != 0) {
        free(http);
        curl_global_cleanup();
        return outcome == -ENOMEM ? errtext_set(err, outcome, "no memory for requests") : outcome;
    }
    *ret = http;
    return 0;
}

/* What was opened ahead in a pool is of no use when it takes no new request. */
static void end_all(struct http_pool *pool, bool requests_too, const char *why)
{
    for (struct http_transfer *t = pool->busy, *next; t != NULL; t = next) {
        next = t->next;
        if (requests_too || t->purpose != HTTP_REQUEST)
            end_now(t, why);
    }
}

int http_curl_reload(struct http_curl *http, const struct http_options *options,
                     struct errtext *err)
{
    assert(!http->closing);
    struct http_pool *pool;
    int outcome = check_options(options, err);
    if (outcome != 0)
        return outcome;
    outcome = http_pool_create(http, options, &pool);
    if (outcome != 0)
        return errtext_set(err, outcome, "no memory for requests");
    struct http_pool *old = http->pools;
    http->max_in_flight = options->max_in_flight;
    pool->next = old;
    http->pools = pool;
    old->phase = HTTP_RETIRED;
    end_all(old, false, "reloaded");
    http_pool_settle(old);
    return 0;
}

/* A pool is about to be freed. */
void http_curl_forget(struct http_curl *http, const struct http_pool *pool)
{
    struct http_pool **at = &http->pools;
    while (*at != pool)
        at = &(*at)->next;
    *at = pool->next;
}

/* Says so once the last pool has gone. */
void http_curl_is_closed(struct http_curl *http)
{
    if (http->closing && http->pools == NULL)
        http->done(http->done_context);
}

void http_curl_close(struct http_curl *http, void (*done)(void *context), void *context)
{
    assert(!http->closing);
    http->closing = true;
    http->done = done;
    http->done_context = context;
    for (struct http_pool *pool = http->pools; pool != NULL; pool = pool->next) {
        if (pool->phase == HTTP_CLOSING)
            continue;
        end_all(pool, true, "stopping");
        http_pool_close(pool);
    }
}

void http_curl_destroy(struct http_curl *http)
{
    if (http == NULL)
        return;
    assert(http->closing && http->pools == NULL);
    free(http);
    curl_global_cleanup();
}
