/*
 * The transport of engine/ports.h over libcurl's multi interface on a libuv loop.
 *
 * One struct http_curl serves one loop and one thread. Connections are kept and reused for
 * HTTP_IDLE_SECONDS; HTTP/2 is spoken where the server offers it over TLS. Nothing of the process's
 * environment is read: the proxy is the one of the options or none.
 *
 * Peers are verified against certificates that are read on libuv's pool when they are first needed,
 * and again when their file has become another one; requests over TLS wait for that, but not for
 * long. Where there are none, these are NOT_SENT and the error says what to do.
 *
 * What an outcome says:
 *   NOT_SENT   the request was never handed to a connection that stood: not resolved, refused,
 *              handshake failed, certificate not trusted, proxy said no, cancelled before that.
 *   LOST       it was handed over, and no whole answer came: time-out, reset, an answer above
 *              REPLY_BODY_MAX, not HTTP. It may have arrived. It is never sent a second time here,
 *              although libcurl would do so by itself (see http_curl_transfer.c).
 *   ANSWERED   a whole answer, of any status. No redirect is followed.
 *
 * The sink's functions are called on the loop's thread from the loop's turns and from inside
 * send(), cancel(), warm(), reload() and close(), never from inside a callback of libcurl. For
 * each accepted request: on_wire at most once, with an instant at which its bytes were out (a
 * moment late, never early), then outcome exactly once.
 *
 * The caller ignores SIGPIPE: no signal is touched here.
 */
#pragma once

#include "base/instant.h"
#include "base/reply.h"
#include "base/result.h"
#include "engine/ports.h"

#include <stdbool.h>
#include <stdint.h>

struct http_curl;
struct uv_loop_s;

#define HTTP_IDLE_SECONDS 30      /* an idle connection is used again before that, then closed */
#define HTTP_WARM_MAX 8           /* connections opened ahead to one host */
#define HTTP_WARM_TIMEOUT_MS 5000 /* of one connection that is opened ahead */
#define HTTP_WARM_COOL_OFF_NS (10 * NS_PER_SECOND) /* after one failed or was closed unused */
#define HTTP_ORIGINS_MAX 256                       /* hosts that warm() can know at a time */
#define HTTP_HEADERS_MAX (64 * 1024)               /* bytes of an answer's header lines */
#define HTTP_IN_FLIGHT_MAX 4096                    /* the highest max_in_flight */

struct http_sink {
    void *context;
    void (*on_wire)(void *context, uint64_t ticket, struct mono at);
    void (*outcome)(void *context, uint64_t ticket, const struct exchange *exchange,
                    struct mono at);
    struct mono (*clock)(void *context);
};

/* Copied. */
struct http_options {
    const char *ca_file;    /* PEM; NULL: the system's certificates */
    bool ca_is_checked;     /* it is known to be one: a large one takes 20 ms to go through */
    const char *proxy;      /* NULL: none */
    const char *user_agent; /* "crsbackupd/1.0" */
    unsigned max_in_flight; /* 1 to HTTP_IN_FLIGHT_MAX; send() answers -EAGAIN beyond */
    unsigned idle_seconds;  /* 2 and more; 0: HTTP_IDLE_SECONDS */
};

/*
 * The loop and the sink's context outlive the transport.
 * Outcomes: 0, *ret owned by the caller; -EINVAL with a text (a CA file that is not one, a bad
 * proxy); -ENOENT, -EACCES and the like with a text (it cannot be read); -ENOMEM.
 */
int http_curl_create(struct uv_loop_s *loop, const struct http_options *options,
                     const struct http_sink *sink, struct http_curl **ret,
                     struct errtext *err) MUST_CHECK;

/* The functions for the engine; valid until close. */
struct transport http_curl_transport(struct http_curl *http);

/*
 * New requests use the new options on new connections; those in flight end as they began.
 * The CA file is read anew even under the same name. Outcomes as for create; a failure changes
 * nothing.
 */
int http_curl_reload(struct http_curl *http, const struct http_options *options,
                     struct errtext *err) MUST_CHECK;

/* Requests accepted and without an outcome; connections opened ahead do not count. */
unsigned http_curl_in_flight(const struct http_curl *http);

/*
 * Closing is a phase: what is in flight ends now, each with its outcome, and `done` is called
 * once from the loop when no handle of the loop is left. Nothing else may be called from here on
 * but http_curl_destroy(), after `done` (also from inside it).
 */
void http_curl_close(struct http_curl *http, void (*done)(void *context), void *context);
void http_curl_destroy(struct http_curl *http); /* NULL is fine */
