/*
 * See metrics_http.h. libmicrohttpd without a thread of its own: it watches its sockets by an epoll
 * descriptor, which the loop watches in turn; it is run again in the next iteration where it has
 * more to do, and by a timer when a connection has had its time. (A libuv timer of 0 ms that is set
 * from its own callback would run again in the same iteration: an idle handle does not.)
 *
 * Happy path: on_poll() -> MHD_run() accepts (on_connection) and reads; on_request() queues an
 * answer; MHD_run() writes it piece by piece, one piece a call, so that a long page is many turns
 * of the loop; the connection is closed.
 *
 * Failure paths: what is no HTTP is answered with 4xx by the library and closed. A connection that
 * has to go is shut down (shutdown(2)); the library then sees its end and closes it.
 */
#include "ports/metrics_http.h"

#include "ports/listen_address.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define BACKLOG 1024
#define PIECE (16U * 1024) /* a chunk is bounded by the connection's memory besides */

/* One connection; the library calls for its begin and its end. */
struct client {
    struct client *next; /* oldest first */
    struct client *previous;
    int fd;
    uint64_t since_ms;
    bool asked; /* its request is whole */
    bool ended; /* shut down: the library has yet to see it */
};

struct metrics_http {
    struct metrics_http_source source;
    uv_loop_t *loop;
    uv_poll_t poll; /* of the library's epoll descriptor */
    uv_timer_t timer;
    uv_idle_t again; /* active: run in the next iteration */
    int open_handles;
    struct MHD_Daemon *daemon;
    struct client *oldest;
    struct client *newest;
    unsigned living; /* clients that were not shut down */
};

/* ---- connections ---- */

static void end_client(struct metrics_http *http, struct client *client)
{
    if (client->ended)
        return;
    client->ended = true;
    http->living--;
    (void)shutdown(client->fd, SHUT_RDWR);
}

/* One too many: who has not asked goes first. */
static void make_room(struct metrics_http *http)
{
    struct client *chosen = NULL;
    for (struct client *c = http->oldest; c != NULL; c = c->next) {
        if (c->ended)
            continue;
        if (chosen == NULL)
            chosen = c;
        if (!c->asked) {
            chosen = c;
            break;
        }
    }
    if (chosen != NULL)
        end_client(http, chosen);
}

static struct client *add_client(struct metrics_http *http, int fd)
{
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    client->fd = fd;
    client->since_ms = uv_now(http->loop);
    if (http->living == METRICS_HTTP_CLIENTS_MAX)
        make_room(http);
    http->living++;
    client->previous = http->newest;
    if (http->newest != NULL)
        http->newest->next = client;
    else
        http->oldest = client;
    http->newest = client;
    return client;
}

static void remove_client(struct metrics_http *http, struct client *client)
{
    if (!client->ended)
        http->living--;
    if (client->previous != NULL)
        client->previous->next = client->next;
    else
        http->oldest = client->next;
    if (client->next != NULL)
        client->next->previous = client->previous;
    else
        http->newest = client->previous;
    free(client);
}

/* MHD_OPTION_NOTIFY_CONNECTION */
static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct metrics_http *http = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*socket_context != NULL)
            remove_client(http, *socket_context);
        *socket_context = NULL;
        return;
    }
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    *socket_context = add_client(http, fd);
    if (*socket_context == NULL)
        (void)shutdown(fd, SHUT_RDWR); /* nobody would watch its time */
}

/* Ends those whose time is over; returns in how many milliseconds the next one's is, or -1. */
static int64_t expire(struct metrics_http *http)
{
    int64_t next = -1;
    uint64_t now = uv_now(http->loop);
    for (struct client *c = http->oldest; c != NULL; c = c->next) {
        uint64_t until = c->since_ms + (c->asked ? METRICS_HTTP_LIFE_MS : METRICS_HTTP_REQUEST_MS);
        if (now >= until)
            end_client(http, c);
        else if (!c->ended && (next < 0 || (int64_t)(until - now) < next))
            next = (int64_t)(until - now);
    }
    return next;
}

/* ---- answers ---- */

/* A page that is being read, and whose it is. */
struct reading {
    struct metrics_http *http;
    void *page;
};

static ssize_t read_page(void *context, uint64_t position, char *buffer, size_t room)
{
    struct reading *reading = context;
    (void)position;
    ptrdiff_t length = reading->http->source.read(reading->page, buffer, room);
    if (length < 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    return length == 0 ? MHD_CONTENT_READER_END_OF_STREAM : length;
}

static void close_page(void *context)
{
    struct reading *reading = context;
    reading->http->source.close(reading->page);
    free(reading);
}

/* Queues the answer; NULL closes the connection. */
static enum MHD_Result queue(struct MHD_Connection *connection, unsigned status,
                             struct MHD_Response *response_take, const char *type)
{
    struct MHD_Response *response = response_take;
    if (response == NULL)
        return MHD_NO;
    bool ok = MHD_add_response_header(response, "Content-Type", type) == MHD_YES
              && MHD_add_response_header(response, "Cache-Control", "no-store") == MHD_YES
              && MHD_add_response_header(response, "Connection", "close") == MHD_YES;
    if (ok && status == MHD_HTTP_METHOD_NOT_ALLOWED)
        ok = MHD_add_response_header(response, "Allow", "GET, HEAD") == MHD_YES;
    enum MHD_Result result = ok ? MHD_queue_response(connection, status, response) : MHD_NO;
    MHD_destroy_response(response);
    return result;
}

/* The text as a line. */
static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status,
                                   const char *text)
{
    char line[METRICS_HTTP_TEXT_MAX + 1];
    size_t length = strnlen(text, sizeof line - 1);
    memcpy(line, text, length);
    line[length++] = '\n';
    return queue(connection, status,
                 MHD_create_response_from_buffer(length, line, MHD_RESPMEM_MUST_COPY),
                 "text/plain; charset=utf-8");
}

static enum MHD_Result answer_page(struct metrics_http *http, struct MHD_Connection *connection)
{
    struct reading *reading = calloc(1, sizeof *reading);
    void *page = reading != NULL ? http->source.open(http->source.context) : NULL;
    if (page == NULL) {
        free(reading);
        return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    }
    *reading = (struct reading){.http = http, .page = page};
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, read_page, reading, close_page);
    if (response == NULL)
        close_page(reading);
    return queue(connection, MHD_HTTP_OK, response, "text/plain; version=0.0.4; charset=utf-8");
}

/* MHD_AccessHandlerCallback: the request's head is whole. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request)
{
    struct metrics_http *http = context;
    (void)version;
    (void)upload;
    (void)upload_size;
    (void)request;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct client *client = info != NULL ? info->socket_context : NULL;
    if (client == NULL)
        return MHD_NO;
    client->asked = true;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
    if (strcmp(url, "/metrics") == 0)
        return answer_page(http, connection);
    if (strcmp(url, "/healthz") == 0)
        return answer_text(connection, MHD_HTTP_OK, "ok");
    if (strcmp(url, "/readyz") == 0) {
        char why_not[METRICS_HTTP_TEXT_MAX];
        bool ready = !http->source.why_not_ready(http->source.context, why_not);
        return answer_text(connection, ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                           ready ? "ok" : why_not);
    }
    return answer_text(connection, MHD_HTTP_NOT_FOUND, "there are /metrics, /healthz and /readyz");
}

/* ---- the loop ---- */

static void run(struct metrics_http *http);

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void on_again(uv_idle_t *again)
{
    run(again->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

static void run(struct metrics_http *http)
{
    (void)MHD_run(http->daemon);
    int64_t next = expire(http);
    MHD_UNSIGNED_LONG_LONG wanted;
    if (MHD_get_timeout(http->daemon, &wanted) == MHD_YES && wanted == 0)
        (void)uv_idle_start(&http->again, on_again);
    else
        (void)uv_idle_stop(&http->again);
    if (next < 0)
        (void)uv_timer_stop(&http->timer);
    else
        (void)uv_timer_start(&http->timer, on_timer, (uint64_t)next, 0);
}

/* ---- life ---- */

static int open_socket(const char *listen_at, int *ret, struct errtext *err)
{
    struct listen_address address;
    int r = listen_address_parse(listen_at, &address, err);
    if (r < 0)
        return r;
    const int on = 1;
    int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0
        && bind(fd, (const struct sockaddr *)&address.storage, address.length) == 0
        && listen(fd, BACKLOG) == 0) {
        *ret = fd;
        return 0;
    }
    r = -errno;
    if (fd >= 0)
        (void)close(fd);
    return errtext_set(err, r, "metrics.listen %s: %s", listen_at, strerrordesc_np(-r));
}

static void on_closed(uv_handle_t *handle)
{
    struct metrics_http *http = handle->data;
    if (--http->open_handles == 0)
        free(http);
}

/*
 * The library owns the socket from here on; where it fails, nothing tells whether it has closed it,
 * so it is left. Outcomes: 0; negative.
 */
static int start(struct metrics_http *http, int fd_take)
{
    http->daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_SUPPRESS_DATE_NO_CLOCK, 0, NULL, NULL, on_request,
                         http, MHD_OPTION_LISTEN_SOCKET, fd_take, MHD_OPTION_CONNECTION_LIMIT,
                         2U * METRICS_HTTP_CLIENTS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)METRICS_HTTP_MEMORY_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                         MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_END);
    if (http->daemon == NULL)
        return -ENOMEM;
    int fd = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int r = uv_poll_init(http->loop, &http->poll, fd);
    if (r == 0) {
        http->poll.data = http;
        http->open_handles++;
        r = uv_poll_start(&http->poll, UV_READABLE, on_poll);
    }
    return r;
}

int metrics_http_create(struct uv_loop_s *loop, const char *listen_at,
                        const struct metrics_http_source *source, struct metrics_http **ret,
                        struct errtext *err)
{
    int fd = -1;
    int r = open_socket(listen_at, &fd, err);
    if (r < 0)
        return r;
    struct metrics_http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        (void)close(fd);
        return errtext_set(err, -ENOMEM, "out of memory");
    }
    http->source = *source;
    http->loop = loop;
    (void)uv_timer_init(loop, &http->timer);
    (void)uv_idle_init(loop, &http->again);
    http->timer.data = http;
    http->again.data = http;
    http->open_handles = 2;
    r = start(http, fd);
    if (r < 0) {
        metrics_http_close(http);
        return errtext_set(err, r, "metrics.listen %s: %s", listen_at, strerrordesc_np(-r));
    }
    *ret = http;
    return 0;
}

void metrics_http_close(struct metrics_http *http)
{
    if (http == NULL)
        return;
    bool watched = http->open_handles > 2;
    uv_close((uv_handle_t *)&http->timer, on_closed);
    uv_close((uv_handle_t *)&http->again, on_closed);
    if (watched)
        uv_close((uv_handle_t *)&http->poll, on_closed);
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    http->daemon = NULL;
}
