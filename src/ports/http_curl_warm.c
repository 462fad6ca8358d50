/*
 * Hosts, connections opened ahead, and idle ones given up.
 *
 * A connection opened ahead is a transfer that ends before it sends anything
 * (http_curl_transfer.c); its connection stays in libcurl's pool. What is open and fit for use is
 * counted from our own sockets, on the low side: younger than the idle limit by a margin, and not
 * ended by the peer.
 *
 * libcurl closes idle connections only when it looks for one, so when nothing has been sent for
 * the idle limit, one transfer that cannot even begin makes it look: the daemon at rest holds no
 * connection and no spare handle.
 */
#include "ports/http_curl_pool.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define SPARE_AT_REST 2
#define LOOK_EVERY_NS (NS_PER_SECOND / 1000)
#define LOOKS_MAX 256

/* Still fit in a slot that is near. */
static int64_t fit_ns(const struct http_pool *pool)
{
    return pool->idle_seconds * NS_PER_SECOND / 6 * 5;
}

static int64_t prune_after_ns(const struct http_pool *pool)
{
    return (pool->idle_seconds + 1) * NS_PER_SECOND;
}

static struct mono clock_of(const struct http_pool *pool)
{
    return pool->http->sink.clock(pool->http->sink.context);
}

/* NULL where there is no memory or no room: such a host works, without connections ahead. */
struct http_origin *http_origin_of(struct http_pool *pool, const char *url)
{
    for (struct http_origin *o = pool->origins; o != NULL; o = o->next) {
        if (strcmp(o->url, url) == 0)
            return o;
    }
    if (pool->origin_count >= HTTP_ORIGINS_MAX)
        return NULL;
    struct http_origin *origin = calloc(1, sizeof *origin);
    char *copy = strdup(url);
    if (origin == NULL || copy == NULL) {
        free(origin);
        free(copy);
        return NULL;
    }
    origin->url = copy;
    origin->warm_after = (struct mono){INT64_MIN};
    origin->looked_at = (struct mono){INT64_MIN};
    origin->next = pool->origins;
    pool->origins = origin;
    pool->origin_count++;
    return origin;
}

/* True where something was looked at so lately that a look now would tell little more. */
static bool is_fresh(struct mono now, struct mono looked_at)
{
    return mono_diff_ns(now, looked_at) < LOOK_EVERY_NS;
}

/*
 * Before a request: an end that the loop has not told yet, where libcurl might not see it. One
 * system call for all idle connections of the host, and none where they were in use just now.
 */
void http_origin_scrub(struct http_pool *pool, struct http_origin *origin)
{
    struct pollfd polls[LOOKS_MAX];
    struct http_socket *sockets[LOOKS_MAX];
    struct mono now = clock_of(pool);
    nfds_t count = 0;
    if (origin == NULL || is_fresh(now, origin->looked_at))
        return;
    origin->looked_at = now;
    for (struct http_socket *s = pool->sockets; s != NULL && count < LOOKS_MAX; s = s->next) {
        if (!s->idle || s->dead || s->origin != origin || is_fresh(now, s->idle_since))
            continue;
        polls[count] = (struct pollfd){.fd = s->fd, .events = POLLRDHUP};
        sockets[count++] = s;
    }
    if (count == 0 || poll(polls, count, 0) <= 0)
        return;
    for (nfds_t i = 0; i < count; i++) {
        if (polls[i].revents != 0)
            http_socket_give_up(sockets[i]);
    }
}

static unsigned count_fit(struct http_pool *pool, const struct http_origin *origin)
{
    struct mono now = clock_of(pool);
    unsigned count = 0;
    for (struct http_socket *s = pool->sockets; s != NULL; s = s->next) {
        if (s->origin != origin || s->dead)
            continue;
        if (s->idle)
            count += mono_diff_ns(now, s->idle_since) < fit_ns(pool) && !http_socket_is_over(s);
        else
            count += origin->http2; /* in use, and open to more */
    }
    return count;
}

static int open_one(struct http_pool *pool, struct http_origin *origin)
{
    struct http_transfer *t;
    int outcome = http_transfer_acquire(pool, HTTP_WARM, &t);
    if (outcome != 0)
        return outcome;
    t->origin = origin;
    if (curl_easy_setopt(t->easy, CURLOPT_URL, origin->url) != CURLE_OK) {
        http_transfer_release(t);
        return -1;
    }
    http_transfer_set_tls(t, origin->url);
    outcome = http_transfer_start(t);
    if (outcome == 0)
        origin->warming++;
    return outcome;
}

void http_warm(struct http_pool *pool, const char *url, unsigned connections)
{
    struct http_origin *origin = http_origin_of(pool, url);
    if (origin == NULL || mono_before(clock_of(pool), origin->warm_after))
        return;
    unsigned wanted = origin->http2 ? 1 : connections;
    if (wanted > HTTP_WARM_MAX)
        wanted = HTTP_WARM_MAX;
    unsigned there = count_fit(pool, origin) + origin->warming;
    bool started = false;
    for (; there < wanted && open_one(pool, origin) == 0; there++)
        started = true;
    if (started)
        http_pool_turn(pool, CURL_SOCKET_TIMEOUT, 0);
}

/* A WARM or PRUNE transfer is over. */
void http_warm_ended(struct http_transfer *t)
{
    struct http_pool *pool = t->pool;
    if (t->purpose == HTTP_PRUNE)
        return;
    assert(t->origin->warming > 0);
    t->origin->warming--;
    if (!t->sent) /* no connection came to stand */
        t->origin->warm_after = mono_add_ns(clock_of(pool), HTTP_WARM_COOL_OFF_NS);
}

/* ---- rest ---- */

static bool youngest_idle(const struct http_pool *pool, struct mono *ret)
{
    bool any = false;
    for (const struct http_socket *s = pool->sockets; s != NULL; s = s->next) {
        if (!s->idle)
            continue;
        if (!any || mono_before(*ret, s->idle_since))
            *ret = s->idle_since;
        any = true;
    }
    return any;
}

/* A path that is too long for a socket's address: no system call, no name to look up. */
static void prune(struct http_pool *pool)
{
    static const char nowhere[] = "/crsbackupd/this-transfer-only-makes-libcurl-close-idle-"
                                  "connections/its-path-is-longer-than-any-address-of-a-socket/"
                                  "so-it-ends-before-it-begins";
    struct http_transfer *t;
    if (http_transfer_acquire(pool, HTTP_PRUNE, &t) != 0)
        return;
    if (curl_easy_setopt(t->easy, CURLOPT_UNIX_SOCKET_PATH, nowhere) != CURLE_OK
        || curl_easy_setopt(t->easy, CURLOPT_URL, "http://localhost/") != CURLE_OK) {
        http_transfer_release(t);
        return;
    }
    if (http_transfer_start(t) == 0)
        http_pool_turn(pool, CURL_SOCKET_TIMEOUT, 0);
}

static void rest_later(struct http_pool *pool, int64_t ns)
{
    (void)uv_timer_start(&pool->idle_timer, http_idle_expired, (uint64_t)(ns / 1000000) + 1, 0);
}

void http_idle_expired(uv_timer_t *timer)
{
    struct http_pool *pool = timer->data;
    struct mono youngest = {0};
    if (pool->busy != NULL)
        return; /* the end of the last transfer begins anew */
    if (!youngest_idle(pool, &youngest)) {
        http_transfer_trim(pool, SPARE_AT_REST);
        return;
    }
    int64_t left = prune_after_ns(pool) - mono_diff_ns(clock_of(pool), youngest);
    if (left > 0) {
        rest_later(pool, left);
        return;
    }
    http_transfer_trim(pool, SPARE_AT_REST);
    prune(pool);
}

/* Nothing is under way. */
void http_idle_begin(struct http_pool *pool)
{
    if (pool->sockets != NULL && uv_is_active((uv_handle_t *)&pool->idle_timer) == 0)
        rest_later(pool, prune_after_ns(pool));
}
