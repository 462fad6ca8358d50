/*
 * The root certificates of a pool: read on a thread of libuv's pool, for 20 ms that the loop's
 * thread does not have, and lent to each connection in place of libcurl's own, which stays empty.
 *
 *   none ──first TLS transfer──▶ being read, such transfers are held ──▶ there, and they are let go
 *
 * While they are there a transfer that comes a minute after the last look, or a moment after a peer
 * was not trusted, has the file looked at beside it, and read if it is another by now. One that
 * cannot be read then leaves those in force: nothing is trusted that was not before.
 *
 * Failure path: what cannot be read leaves the pool without any. Connections end in lend(), which
 * says why, before anything of the handshake was sent; the next ones have it read again, a second
 * later at the earliest. Where a disk hangs, transfers are held for HOLD_MS and then end likewise.
 * There is no way around lend(): without it libcurl verifies against nothing, and all are refused.
 *
 * Who touches what: `look` is the other thread's while one is under way, and the loop's before and
 * after. A store is never changed once read; a connection holds a reference of its own.
 */
#include "ports/certificates.h"
#include "ports/http_curl_pool.h"

#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>

#define LOOK_EVERY_MS 60000 /* at a file that was read */
#define AGAIN_MS 1000       /* after one that could not be, or after a peer that was not trusted */
#define HOLD_MS 5000

static const char unknown[] = "libcurl knows no root certificates of this system; name a PEM file "
                              "of certificates as tls.ca_file";

/* ---- on another thread ---- */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size
           && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec
           && a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Certificates of a directory are read by OpenSSL when it looks for one. */
static int read_directory(const char *path, X509_STORE **ret)
{
    X509_STORE *store = X509_STORE_new();
    if (store == NULL || X509_STORE_load_path(store, path) != 1
        || X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) != 1) {
        X509_STORE_free(store);
        return -ENOMEM;
    }
    *ret = store;
    return 0;
}

static int read_file(const struct http_roots *roots, X509_STORE **ret, struct errtext *err)
{
    struct errtext why = {""};
    int outcome = certificates_load(roots->path, ret, &why);
    if (outcome == 0)
        return 0;
    if (outcome == -ENOMEM)
        return errtext_set(err, outcome, "no memory for the certificates of %.200s", roots->path);
    if (!roots->of_system)
        return errtext_set(err, outcome, "tls.ca_file: %s", why.text);
    return errtext_set(err, outcome,
                       "%.*s; install the package ca-certificates, or name a PEM file of "
                       "certificates as tls.ca_file",
                       (int)strcspn(why.text, ";"), why.text);
}

static void work(uv_work_t *request)
{
    struct http_roots *roots = request->data;
    struct roots_look *look = &roots->look;
    struct stat status;
    /* Looked at before it is read: one that changes meanwhile is read again at the next look. */
    memset(&status, 0, sizeof status);
    if (stat(roots->path, &status) < 0)
        memset(&status, 0, sizeof status);
    if (look->is_there && is_same_file(&status, &look->seen))
        return;
    int outcome = roots->is_directory ? read_directory(roots->path, &look->store)
                                      : read_file(roots, &look->store, &look->why);
    if (outcome == 0)
        look->seen = status;
}

/* ---- on the loop's thread ---- */

static void let_go(struct http_pool *pool)
{
    bool any = false;
    (void)uv_timer_stop(&pool->hold_timer);
    for (struct http_transfer *t = pool->busy, *next; t != NULL; t = next) {
        next = t->next;
        if (!t->held)
            continue;
        any = true;
        t->held = false;
        if (!http_transfer_add(t))
            http_transfer_finish(t, CURLE_OUT_OF_MEMORY);
    }
    if (any)
        http_pool_turn(pool, CURL_SOCKET_TIMEOUT, 0);
}

static void after_work(uv_work_t *request, int status)
{
    struct http_roots *roots = request->data;
    struct http_pool *pool = roots->pool;
    struct roots_look *look = &roots->look;
    X509_STORE *fresh = look->store;
    (void)status; /* one that was never begun, since the pool closes, brought nothing */
    look->store = NULL;
    roots->is_looking = false;
    roots->is_overdue = false;
    if (fresh != NULL) {
        X509_STORE_free(roots->store);
        roots->store = fresh;
        look->is_there = true;
    }
    if (roots->store == NULL)
        (void)errtext_set(&roots->why, 0, "%s", look->why.text);
    if (pool->phase != HTTP_CLOSING)
        let_go(pool);
    http_pool_handle_closed(pool);
}

/* They will not come soon: whoever waits is told so. */
static void on_held_long(uv_timer_t *timer)
{
    struct http_pool *pool = timer->data;
    struct http_roots *roots = &pool->roots;
    roots->is_overdue = true;
    (void)errtext_set(&roots->why, 0,
                      "%.200s is still being read after %d s; see whether its disk answers",
                      roots->path, HOLD_MS / 1000);
    let_go(pool);
}

static void begin_look(struct http_pool *pool)
{
    struct http_roots *roots = &pool->roots;
    roots->is_looking = true;
    roots->is_doubted = false;
    roots->looked_at = uv_now(pool->http->loop);
    roots->was_looked_at = true;
    roots->look.why.text[0] = '\0';
    pool->open_handles++;
    int r = uv_queue_work(pool->http->loop, &roots->work, work, after_work);
    assert(r == 0); /* it refuses nothing but a missing function */
    (void)r;
    if (roots->store == NULL)
        (void)uv_timer_start(&pool->hold_timer, on_held_long, HOLD_MS, 0);
}

bool http_roots_hold(struct http_pool *pool)
{
    struct http_roots *roots = &pool->roots;
    if (roots->path == NULL)
        return false;
    uint64_t age = uv_now(pool->http->loop) - roots->looked_at;
    uint64_t enough = roots->store == NULL || roots->is_doubted ? AGAIN_MS : LOOK_EVERY_MS;
    if (!roots->is_looking && (!roots->was_looked_at || age >= enough))
        begin_look(pool);
    return roots->store == NULL && roots->is_looking && !roots->is_overdue;
}

void http_roots_doubt(struct http_pool *pool)
{
    pool->roots.is_doubted = true;
}

/* CURLOPT_SSL_CTX_FUNCTION: for the peer and for a proxy that is spoken to by TLS. */
static CURLcode lend(CURL *easy, void *ssl_context, void *context)
{
    struct http_transfer *t = context;
    struct http_roots *roots = &t->pool->roots;
    (void)easy;
    if (roots->store == NULL) {
        t->why = roots->why.text;
        return CURLE_SSL_CACERT_BADFILE;
    }
    SSL_CTX_set1_cert_store(ssl_context, roots->store);
    return CURLE_OK;
}

bool http_roots_set(CURL *e, struct http_transfer *t)
{
    bool ok = true;
    ok &= curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_PROXY_SSL_VERIFYPEER, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_PROXY_SSL_VERIFYHOST, 2L) == CURLE_OK;
    /* Nothing of libcurl's: it would read it on the loop's thread. */
    ok &= curl_easy_setopt(e, CURLOPT_CAINFO, NULL) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_PROXY_CAINFO, NULL) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_PROXY_CAPATH, NULL) == CURLE_OK;
    /* libcurl may finish the context after lend(): a store that it kept would take the place. */
    ok &= curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, 0L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, lend) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, t) == CURLE_OK;
    return ok;
}

void http_roots_init(struct http_pool *pool)
{
    const curl_version_info_data *built = curl_version_info(CURLVERSION_NOW);
    struct http_roots *roots = &pool->roots;
    roots->pool = pool;
    roots->work.data = roots;
    roots->of_system = pool->ca_file == NULL;
    roots->path = !roots->of_system ? pool->ca_file : built->cainfo;
    roots->is_directory = roots->path == NULL && built->capath != NULL;
    if (roots->is_directory)
        roots->path = built->capath;
    (void)errtext_set(&roots->why, 0, "%s", roots->path == NULL ? unknown : "not read yet");
}

void http_roots_close(struct http_pool *pool)
{
    if (pool->roots.is_looking)
        (void)uv_cancel((uv_req_t *)&pool->roots.work); /* one that has begun is waited for */
}

void http_roots_finish(struct http_pool *pool)
{
    assert(!pool->roots.is_looking);
    X509_STORE_free(pool->roots.store);
}
