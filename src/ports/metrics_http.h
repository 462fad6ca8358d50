/*
 * What monitoring asks over HTTP, on the daemon's own loop:
 *
 *   GET /metrics   the pages of the source
 *   GET /healthz   200: the loop turns. It says nothing of the cloud
 *   GET /readyz    200 or 503, as the source says
 *
 * HEAD likewise; every other method is 405, every other path 404. One answer a connection.
 *
 * Nothing here waits and nobody can make it: a page is asked for in pieces that fit the
 * connection's memory, one piece a turn; a connection has METRICS_HTTP_REQUEST_MS for its request
 * and METRICS_HTTP_LIFE_MS in all, then it is closed; where there are more than
 * METRICS_HTTP_CLIENTS_MAX of them, the oldest that has not asked yet gives way, else the oldest.
 *
 * Nobody is asked who he is: whoever reaches the address reads. The default is a loopback address.
 */
#pragma once

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>

#define METRICS_HTTP_CLIENTS_MAX 32
#define METRICS_HTTP_REQUEST_MS 5000
#define METRICS_HTTP_LIFE_MS 30000
#define METRICS_HTTP_TEXT_MAX 384 /* of a line that is an answer, with the NUL */
#define METRICS_HTTP_MEMORY_MAX \
    (32U * 1024) /* of a connection: its request, and a piece of a page */

struct uv_loop_s;
struct metrics_http;

/* Where the answers come from. Called on the loop; the context must outlive the server. */
struct metrics_http_source {
    void *context;

    /* Begins a page of /metrics. NULL: no memory, the client is told 503. */
    void *(*open)(void *context);

    /*
     * Writes the page's next bytes, at most `room` (at least 1). Returns how many; 0: it is whole;
     * negative: it cannot be gone on with, and the connection is broken off so that the client
     * knows.
     */
    ptrdiff_t (*read)(void *page, char *buffer, size_t room);

    /* Once for each page, also for one that nobody read to its end. */
    void (*close)(void *page);

    /* False: ready; true with a line for people that says why not. */
    bool (*why_not_ready)(void *context, char ret_text[METRICS_HTTP_TEXT_MAX]);
};

/*
 * Listens at `listen` (listen_address.h). Outcomes: 0, *ret owned by the caller; negative with a
 * text: it cannot be listened there, or memory is short.
 */
int metrics_http_create(struct uv_loop_s *loop, const char *listen,
                        const struct metrics_http_source *source, struct metrics_http **ret,
                        struct errtext *err) MUST_CHECK;

/*
 * Closes the socket and every connection now; the memory goes when the loop has closed its handles.
 * NULL is fine.
 */
void metrics_http_close(struct metrics_http *http_take);
