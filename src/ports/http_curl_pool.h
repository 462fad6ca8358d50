/*
 * The inside of http_curl, shared by its files and by nobody else.
 *
 *   http_curl.c            the transport: pools, send, cancel, reload, close
 *   http_curl_transfer.c   one exchange: an easy handle, what it sends, what it gets, its verdict
 *   http_curl_loop.c       the glue: sockets and the timer of one pool on the loop
 *   http_curl_warm.c       hosts, connections opened ahead, idle ones given up
 *   http_curl_roots.c      the certificates that peers are verified against, read beside the loop
 *
 * A pool is one curl multi handle with its settings, connections and transfers. There is one that
 * takes new requests; a reload retires it and makes another.
 *
 *      LIVE ──reload──▶ RETIRED ──last transfer ended──▶ CLOSING ──last uv handle closed──▶ freed
 *        └──────────────────────── close ──────────────────▲
 */
#pragma once

#include "ports/http_curl.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <uv.h>

enum http_phase {
    HTTP_LIVE,
    HTTP_RETIRED,
    HTTP_CLOSING,
};

enum http_purpose {
    HTTP_REQUEST, /* of the engine: has a ticket and an outcome */
    HTTP_WARM,    /* opens a connection and leaves it in the pool */
    HTTP_PRUNE,   /* makes libcurl close the idle connections that are past their time */
};

/* A URL that requests go to. */
struct http_origin {
    char *url;
    bool http2;             /* its last answer came over HTTP/2: one connection is enough */
    unsigned warming;       /* connections being opened ahead */
    struct mono looked_at;  /* for ended connections */
    struct mono warm_after; /* no connection is opened ahead before */
    struct http_origin *next;
};

struct http_transfer {
    struct http_pool *pool;
    struct http_transfer *next; /* in pool->busy or pool->spare */
    struct http_transfer *previous;
    struct http_transfer *wire_next; /* in pool->wire */
    CURL *easy;
    enum http_purpose purpose;
    uint64_t ticket;
    struct http_origin *origin; /* whose URL the easy handle has; NULL: none that is known */
    bool sent;                  /* handed to a connection: from here on it may have arrived */
    bool wire_due;              /* on_wire is to be filed */
    bool tls;                   /* to the host or to the proxy */
    bool held;                  /* busy, and not yet libcurl's: see http_curl_roots.c */
    bool alone;                 /* its answer holds keys: neither handle nor connection is kept */
    const char *why;            /* our own reason of a failure, else curl's is taken */

    struct curl_slist headers[TRANSPORT_HEADERS_MAX + 2]; /* over `out`; ours, not curl's */
    char *out;                                            /* header lines and body */
    size_t out_size;
    size_t out_length;

    char *body; /* of the answer */
    size_t body_length;
    size_t body_size;
    size_t header_bytes;
    bool head_is_whole;
    int64_t date_second;
    char error[CURL_ERROR_SIZE];
};

struct http_socket {
    struct http_pool *pool;
    struct http_socket *next;
    struct http_socket *previous;
    struct http_origin *origin; /* NULL: of the resolver, or unknown */
    uv_poll_t poll;
    curl_socket_t fd;
    int mask;    /* what the loop watches: UV_READABLE ... */
    bool polled; /* `poll` is initialised */
    ino_t inode;
    bool established; /* was seen connected */
    bool foreign;     /* opened and closed inside libcurl */
    bool idle;        /* a kept connection that nobody uses */
    bool used;        /* by a request, at any time */
    bool dead;        /* idle, and the peer has ended it */
    struct mono idle_since;
};

/* A look at the file of the roots, of the other thread while it is under way. */
struct roots_look {
    bool is_there;               /* one was read before, and `seen` is what its file was */
    struct stat seen;            /* all zero: there was none to be seen */
    struct x509_store_st *store; /* what was read; NULL: nothing */
    struct errtext why;
};

struct http_roots {
    struct http_pool *pool;
    const char *path; /* of the pool or of libcurl; NULL: none is known */
    bool of_system;
    bool is_directory;
    struct x509_store_st *store; /* NULL: there are none, and `why` */
    struct errtext why;
    uv_work_t work;
    struct roots_look look;
    bool is_looking;    /* `work` is under way and counted among the open handles */
    bool is_overdue;    /* and has been for so long that nobody waits for it */
    bool is_doubted;    /* a peer was not trusted since */
    bool was_looked_at; /* `looked_at` says when the last look began, by the loop's clock */
    uint64_t looked_at;
};

struct http_pool {
    struct http_curl *http;
    struct http_pool *next;
    enum http_phase phase;
    CURLM *multi;
    char *ca_file;
    char *proxy;
    char *user_agent;
    int64_t idle_seconds;
    uv_timer_t timer;      /* curl's next time-out */
    uv_timer_t idle_timer; /* when idle connections are past their time */
    uv_timer_t hold_timer; /* when transfers have waited for the roots for too long */
    unsigned open_handles; /* of uv, not yet closed */
    struct http_roots roots;
    long timeout_ms; /* wanted by curl; -1: none */
    bool timeout_changed;
    bool stranded; /* an attempt to connect was given up in this turn */
    bool in_curl;  /* inside a call that may call us back */
    struct http_transfer *busy;
    struct http_transfer *spare;
    unsigned spare_count;
    struct http_transfer *wire; /* on_wire is due, the latest first */
    struct http_socket *sockets;
    struct http_socket **by_fd;
    size_t by_fd_count;
    struct http_origin *origins;
    unsigned origin_count;
};

struct http_curl {
    uv_loop_t *loop;
    struct http_sink sink;
    unsigned max_in_flight;
    unsigned in_flight;
    struct http_pool *pools; /* the live one first */
    bool closing;
    void (*done)(void *context);
    void *done_context;
};

/* http_curl.c */
void http_transfer_finish(struct http_transfer *t, CURLcode code);
void http_curl_forget(struct http_curl *http, const struct http_pool *pool);
void http_curl_is_closed(struct http_curl *http);

/* http_curl_transfer.c. Outcomes of acquire: 0; -ENOMEM. Of fill: 0; -EINVAL; -ENOMEM. */
int http_transfer_acquire(struct http_pool *pool, enum http_purpose purpose,
                          struct http_transfer **ret) MUST_CHECK;
int http_transfer_fill(struct http_transfer *t, const struct transport_request *request,
                       struct errtext *err) MUST_CHECK;
void http_transfer_release(struct http_transfer *t);
void http_transfer_destroy(struct http_transfer *t);
int http_transfer_start(struct http_transfer *t) MUST_CHECK; /* 0; -ENOMEM: released */
bool http_transfer_add(struct http_transfer *t) MUST_CHECK;  /* false: libcurl has not got it */
void http_transfer_set_tls(struct http_transfer *t, const char *url);
void http_transfer_end(struct http_transfer *t, CURLcode code);
void http_transfer_file_wire(struct http_pool *pool);
void http_transfer_trim(struct http_pool *pool, unsigned kept);

/* http_curl_loop.c */
int http_pool_create(struct http_curl *http, const struct http_options *options,
                     struct http_pool **ret) MUST_CHECK;
void http_pool_turn(struct http_pool *pool, curl_socket_t fd, int events);
void http_pool_settle(struct http_pool *pool);
void http_pool_close(struct http_pool *pool);
void http_pool_handle_closed(struct http_pool *pool); /* one of its open handles; may free it */
curl_socket_t http_socket_open(void *context, curlsocktype purpose, struct curl_sockaddr *address);
int http_socket_close(void *context, curl_socket_t fd);
bool http_socket_is_over(struct http_socket *s);
void http_socket_give_up(struct http_socket *s);

/* http_curl_warm.c */
struct http_origin *http_origin_of(struct http_pool *pool, const char *url);
void http_warm(struct http_pool *pool, const char *url, unsigned connections);
void http_warm_ended(struct http_transfer *t);
void http_origin_scrub(struct http_pool *pool, struct http_origin *origin);
void http_idle_begin(struct http_pool *pool);
void http_idle_expired(uv_timer_t *timer);

/* http_curl_roots.c */
void http_roots_init(struct http_pool *pool); /* `ca_file` is set */
bool http_roots_set(CURL *e, struct http_transfer *t) MUST_CHECK;
bool http_roots_hold(struct http_pool *pool) MUST_CHECK; /* a TLS transfer is to wait */
void http_roots_doubt(struct http_pool *pool);           /* a peer was not trusted */
void http_roots_close(struct http_pool *pool);
void http_roots_finish(struct http_pool *pool); /* every handle is closed */
