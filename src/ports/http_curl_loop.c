/*
 * The glue between one curl multi handle and the libuv loop.
 *
 * Happy path: libcurl says which sockets it waits for (want) and when it wants to be woken
 * (want_timer); the loop calls on_socket() or on_timer(); each of them is a *turn*: one
 * curl_multi_socket_action(), and then settle(): file what reached the wire, read the finished
 * transfers until there are none, whatever libcurl's running count says (a lone transfer that times
 * out is never seen otherwise), set the timer. Handles are added and removed between turns only.
 *
 * The sockets are opened and closed by us (OPENSOCKET, CLOSESOCKET), so that a kept connection
 * stays watched while nobody uses it: no system call per request, and its end is noticed at once.
 * libcurl looks whether a connection has ended before it takes one again, by peeking at one byte.
 * Bytes that came meanwhile (TLS 1.3 tickets after a handshake without a request) hide the end from
 * it; such a socket is *murky*: it is watched for the end alone, and when that comes the bytes are
 * thrown away, so that libcurl sees a dead connection instead of sending a request into it. What
 * the loop has not told yet is looked at before each request (http_origin_scrub).
 *
 * libcurl 7.88 closes a socket that never came to connect without a word (cf_socket_close()), and
 * then says either that it no longer waits for it, or nothing where a new socket has got the same
 * number. So nothing is believed of a socket before it was seen connected, and a number that comes
 * back inherits what libcurl waits for.
 *
 * Nor does it go on by itself to a name's next address after that, although there is nothing left
 * that could wake it; such a turn is followed by one for all transfers (help_stranded).
 *
 * Failures: a socket that cannot be watched (no memory) leaves its transfer to its time-out.
 */
#include "ports/http_curl_pool.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- sockets ---- */

static struct http_socket *socket_of(const struct http_pool *pool, curl_socket_t fd)
{
    return fd >= 0 && (size_t)fd < pool->by_fd_count ? pool->by_fd[fd] : NULL;
}

static bool make_place(struct http_pool *pool, curl_socket_t fd)
{
    size_t needed = (size_t)fd + 1;
    if (needed <= pool->by_fd_count)
        return true;
    size_t count = pool->by_fd_count == 0 ? 64 : pool->by_fd_count;
    while (count < needed)
        count *= 2;
    struct http_socket **grown = realloc(pool->by_fd, count * sizeof *grown);
    if (grown == NULL)
        return false;
    for (size_t i = pool->by_fd_count; i < count; i++)
        grown[i] = NULL;
    pool->by_fd = grown;
    pool->by_fd_count = count;
    return true;
}

static struct http_socket *socket_add(struct http_pool *pool, curl_socket_t fd)
{
    assert(socket_of(pool, fd) == NULL);
    struct http_socket *s = make_place(pool, fd) ? calloc(1, sizeof *s) : NULL;
    if (s == NULL)
        return NULL;
    s->pool = pool;
    s->fd = fd;
    s->next = pool->sockets;
    if (s->next != NULL)
        s->next->previous = s;
    pool->sockets = s;
    pool->by_fd[fd] = s;
    return s;
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct http_socket *s = handle->data;
    struct http_pool *pool = s->pool;
    free(s);
    http_pool_handle_closed(pool);
}

/* The descriptor itself is not closed here. */
static void socket_remove(struct http_socket *s)
{
    struct http_pool *pool = s->pool;
    pool->by_fd[s->fd] = NULL;
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        pool->sockets = s->next;
    if (s->next != NULL)
        s->next->previous = s->previous;
    if (s->polled)
        uv_close((uv_handle_t *)&s->poll, on_socket_closed);
    else
        free(s);
}

static void on_socket(uv_poll_t *handle, int status, int events);

static void watch(struct http_socket *s, int mask)
{
    if (s->mask == mask)
        return;
    if (!s->polled) {
        if (uv_poll_init_socket(s->pool->http->loop, &s->poll, s->fd) != 0)
            return;
        s->poll.data = s;
        s->polled = true;
        s->pool->open_handles++;
    }
    int outcome = mask == 0 ? uv_poll_stop(&s->poll) : uv_poll_start(&s->poll, mask, on_socket);
    s->mask = outcome == 0 ? mask : 0;
}

bool http_socket_is_over(struct http_socket *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* The peer has ended an idle connection: leave nothing to read, so that libcurl sees it. */
void http_socket_give_up(struct http_socket *s)
{
    char waste[4096];
    watch(s, 0);
    s->dead = true;
    while (recv(s->fd, waste, sizeof waste, MSG_DONTWAIT) > 0)
        ;
    if (!s->used && s->origin != NULL) {
        const struct http_sink *sink = &s->pool->http->sink;
        s->origin->warm_after = mono_add_ns(sink->clock(sink->context), HTTP_WARM_COOL_OFF_NS);
    }
}

static void on_idle_socket(struct http_socket *s, int status)
{
    if (status < 0 || http_socket_is_over(s)) {
        http_socket_give_up(s);
        return;
    }
    watch(s, UV_DISCONNECT); /* murky */
}

static void on_socket(uv_poll_t *handle, int status, int events)
{
    struct http_socket *s = handle->data;
    if (status < 0)
        s->mask = 0; /* libuv has stopped watching */
    if (s->idle) {
        on_idle_socket(s, status);
        return;
    }
    int flags = status < 0 || (events & (UV_READABLE | UV_DISCONNECT)) != 0 ? CURL_CSELECT_IN : 0;
    if ((events & UV_WRITABLE) != 0)
        flags |= CURL_CSELECT_OUT;
    struct http_pool *pool = s->pool;
    curl_socket_t fd = s->fd;
    http_pool_turn(pool, fd, flags);
    /* Still there and waited for, although the loop saw an error on it: go on watching. */
    if (status < 0 && socket_of(pool, fd) == s && !s->idle && s->mask == 0)
        watch(s, UV_READABLE);
}

static ino_t inode_of(curl_socket_t fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

/* Still the socket that was opened under this number, and connected. */
static bool is_established(struct http_socket *s)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    if (!s->established)
        s->established = inode_of(s->fd) == s->inode
                         && getpeername(s->fd, (struct sockaddr *)&peer, &length) == 0;
    return s->established;
}

/* One of that number was closed without a word. Returns what libcurl waits for on the number. */
static int forget_stale(struct http_pool *pool, curl_socket_t fd)
{
    struct http_socket *stale = socket_of(pool, fd);
    int mask = stale != NULL ? stale->mask : 0;
    if (stale != NULL)
        socket_remove(stale);
    return mask;
}

curl_socket_t http_socket_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_transfer *t = context;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    int inherited = forget_stale(t->pool, fd);
    struct http_socket *s = socket_add(t->pool, fd);
    if (s == NULL) {
        (void)close(fd);
        return CURL_SOCKET_BAD;
    }
    s->inode = inode_of(fd);
    if (inherited != 0)
        watch(s, inherited);
    s->origin = t->origin;
    s->used = t->purpose == HTTP_REQUEST;
    return fd;
}

int http_socket_close(void *context, curl_socket_t fd)
{
    struct http_socket *s = socket_of(context, fd);
    if (s != NULL)
        socket_remove(s);
    return close(fd);
}

/* CURLMOPT_SOCKETFUNCTION */
static int want(CURL *easy, curl_socket_t fd, int what, void *context, void *unused)
{
    struct http_pool *pool = context;
    struct http_socket *s = socket_of(pool, fd);
    (void)easy;
    (void)unused;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL && (s->foreign || !is_established(s))) {
            pool->stranded = pool->stranded || !s->foreign;
            socket_remove(s);
        } else if (s != NULL) {
            s->idle = true;
            s->idle_since = pool->http->sink.clock(pool->http->sink.context);
            watch(s, UV_READABLE);
        }
        return 0;
    }
    if (s == NULL) {
        s = socket_add(pool, fd);
        if (s == NULL)
            return 0;
        s->foreign = true;
    }
    if (s->idle) {
        s->idle = false;
        s->used = true;
    }
    watch(s, ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0)
                 | ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0));
    return 0;
}

/* ---- the timer and the turn ---- */

static int want_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct http_pool *pool = context;
    (void)multi;
    pool->timeout_ms = timeout_ms;
    pool->timeout_changed = true;
    return 0;
}

static void on_timer(uv_timer_t *timer)
{
    http_pool_turn(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void set_timer(struct http_pool *pool)
{
    if (!pool->timeout_changed)
        return;
    pool->timeout_changed = false;
    if (pool->timeout_ms < 0)
        (void)uv_timer_stop(&pool->timer);
    else
        (void)uv_timer_start(&pool->timer, on_timer, (uint64_t)pool->timeout_ms, 0);
}

static void read_finished(struct http_pool *pool)
{
    int left = 0;
    const CURLMsg *message;
    while ((message = curl_multi_info_read(pool->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        struct http_transfer *t = NULL;
        (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
        http_transfer_finish(t, code);
    }
}

/* After whatever may have moved a transfer: outside of libcurl, on the loop's thread. */
void http_pool_settle(struct http_pool *pool)
{
    assert(!pool->in_curl);
    http_transfer_file_wire(pool);
    read_finished(pool);
    if (pool->phase == HTTP_CLOSING)
        return;
    set_timer(pool);
    if (pool->busy != NULL)
        return;
    if (pool->phase == HTTP_RETIRED)
        http_pool_close(pool);
    else
        http_idle_begin(pool);
}

/*
 * An attempt to connect was given up. The function is deprecated since it runs all transfers, which
 * is what is wanted here, and rare.
 */
static void help_stranded(struct http_pool *pool)
{
    int running = 0;
    CURL_IGNORE_DEPRECATION((void)curl_multi_socket_all(pool->multi, &running);)
}

void http_pool_turn(struct http_pool *pool, curl_socket_t fd, int events)
{
    int running = 0;
    assert(!pool->in_curl && pool->phase != HTTP_CLOSING);
    pool->in_curl = true;
    pool->stranded = false;
    (void)curl_multi_socket_action(pool->multi, fd, events, &running);
    if (pool->stranded)
        help_stranded(pool);
    pool->in_curl = false;
    http_pool_settle(pool);
}

/* ---- a pool's life ---- */

static void pool_free(struct http_pool *pool)
{
    while (pool->origins != NULL) {
        struct http_origin *origin = pool->origins;
        pool->origins = origin->next;
        free(origin->url);
        free(origin);
    }
    http_roots_finish(pool);
    free(pool->by_fd);
    free(pool->ca_file);
    free(pool->proxy);
    free(pool->user_agent);
    free(pool);
}

void http_pool_handle_closed(struct http_pool *pool)
{
    assert(pool->open_handles > 0);
    pool->open_handles--;
    if (pool->phase != HTTP_CLOSING || pool->open_handles > 0)
        return;
    struct http_curl *http = pool->http;
    http_curl_forget(http, pool);
    pool_free(pool);
    http_curl_is_closed(http);
}

static void on_timer_closed(uv_handle_t *handle)
{
    http_pool_handle_closed(handle->data);
}

static bool copy(const char *text, char **ret)
{
    if (text == NULL)
        return true;
    *ret = strdup(text);
    return *ret != NULL;
}

static bool set_multi(struct http_pool *pool, unsigned max_in_flight)
{
    CURLM *m = pool->multi;
    long kept = 2L * (long)max_in_flight + 8L * HTTP_WARM_MAX;
    bool ok = true;
    ok &= curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, want) == CURLM_OK;
    ok &= curl_multi_setopt(m, CURLMOPT_SOCKETDATA, pool) == CURLM_OK;
    ok &= curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, want_timer) == CURLM_OK;
    ok &= curl_multi_setopt(m, CURLMOPT_TIMERDATA, pool) == CURLM_OK;
    ok &= curl_multi_setopt(m, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX) == CURLM_OK;
    ok &= curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, kept) == CURLM_OK;
    return ok;
}

int http_pool_create(struct http_curl *http, const struct http_options *options,
                     struct http_pool **ret)
{
    struct http_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return -ENOMEM;
    pool->http = http;
    pool->phase = HTTP_LIVE;
    pool->idle_seconds = options->idle_seconds != 0 ? options->idle_seconds : HTTP_IDLE_SECONDS;
    pool->multi = curl_multi_init();
    if (!copy(options->ca_file, &pool->ca_file) || !copy(options->proxy, &pool->proxy)
        || !copy(options->user_agent, &pool->user_agent) || pool->multi == NULL
        || !set_multi(pool, options->max_in_flight)) {
        (void)curl_multi_cleanup(pool->multi);
        pool_free(pool);
        return -ENOMEM;
    }
    (void)uv_timer_init(http->loop, &pool->timer);
    (void)uv_timer_init(http->loop, &pool->idle_timer);
    pool->timer.data = pool;
    (void)uv_timer_init(http->loop, &pool->hold_timer);
    pool->idle_timer.data = pool;
    pool->hold_timer.data = pool;
    pool->open_handles = 3;
    http_roots_init(pool);
    *ret = pool;
    return 0;
}

/* No transfer is left. The pool frees itself when its last uv handle is closed. */
void http_pool_close(struct http_pool *pool)
{
    assert(pool->busy == NULL && pool->phase != HTTP_CLOSING && !pool->in_curl);
    pool->phase = HTTP_CLOSING;
    http_transfer_trim(pool, 0);
    pool->in_curl = true;
    (void)curl_multi_cleanup(pool->multi);
    pool->in_curl = false;
    pool->multi = NULL;
    struct http_socket *next = NULL;
    for (struct http_socket *s = pool->sockets; s != NULL; s = next) {
        next = s->next; /* those that libcurl did not give back */
        socket_remove(s);
    }
    uv_close((uv_handle_t *)&pool->timer, on_timer_closed);
    uv_close((uv_handle_t *)&pool->idle_timer, on_timer_closed);
    uv_close((uv_handle_t *)&pool->hold_timer, on_timer_closed);
    http_roots_close(pool);
}
