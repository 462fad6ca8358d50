/*
 * See control_socket.h. One uv_poll_t for the listening socket and one a client; no libuv stream,
 * whose accept loop and write queue have no bound of ours.
 *
 *              a whole line            next()                    last part written
 *   READING ────────────────► ASKED ──────────► ANSWERING ───────────────────────► READING
 *                               ▲                   │  answer(): the kernel took it all,
 *                               │                   │  or WRITING until it did
 *                               └── more to come ◄──┘
 *
 * ASKED clients stand in a queue, so each gets its turn. Only what a client does is seen here by
 * callbacks; they file and nothing more.
 *
 * Failure paths: a client that fails in any way (gone, slow, no memory for its request) is closed,
 * which costs nobody else anything. Out of descriptors, nothing is accepted for a second.
 */
#include "ports/control_socket.h"

#include "ports/control_socket_file.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define READ_FIRST 4096
#define ACCEPTS_MAX 16 /* in one callback: bounds the loop's turn */
#define TICK_MS 1000

#define BUSY "{\"error\":{\"code\":\"busy\",\"text\":\"too many connections; try again\"}}\n"
#define TOO_LARGE \
    "{\"error\":{\"code\":\"too_large\",\"text\":\"a request has at most 262144 bytes\"}}\n"

enum client_state {
    CLIENT_READING,
    CLIENT_ASKED,
    CLIENT_ANSWERING, /* the owner has it */
    CLIENT_WRITING,
    CLIENT_CLOSED, /* its handle is being closed */
};

struct control_client {
    uv_poll_t poll;
    struct control_socket *socket;
    struct control_client *next; /* of all */
    struct control_client *previous;
    struct control_client *next_asked;
    enum client_state state;
    struct ucred peer;
    int fd;
    bool last;         /* what is being written ends the answer */
    uint64_t since_ms; /* when the present wait for it began */
    char *in;
    size_t in_size;
    size_t in_length;
    size_t line_length; /* of the request at its beginning; 0: none */
    char *out;          /* what the kernel did not take */
    size_t out_length;
    size_t out_written;
    void *kept;
};

struct control_socket {
    struct control_calls calls;
    uv_loop_t *loop;
    uv_poll_t poll;
    uv_timer_t timer;
    struct socket_file file;
    struct control_client *clients;
    struct control_client *asked_first;
    struct control_client **asked_tail;
    unsigned count;
    bool open;
    bool resting; /* accepts nothing until the next tick */
};

static void on_ready(uv_poll_t *poll, int status, int events);

/* ---- the queue of those that ask ---- */

static void file_client(struct control_client *client)
{
    struct control_socket *socket = client->socket;
    client->state = CLIENT_ASKED;
    client->next_asked = NULL;
    *socket->asked_tail = client;
    socket->asked_tail = &client->next_asked;
}

static void unfile_client(struct control_client *client)
{
    struct control_socket *socket = client->socket;
    struct control_client **link = &socket->asked_first;
    while (*link != client)
        link = &(*link)->next_asked;
    *link = client->next_asked;
    if (socket->asked_tail == &client->next_asked)
        socket->asked_tail = link;
}

struct control_client *control_socket_next(struct control_socket *socket)
{
    struct control_client *client = socket->asked_first;
    if (client == NULL)
        return NULL;
    unfile_client(client);
    client->state = CLIENT_ANSWERING;
    return client;
}

bool control_socket_has_next(const struct control_socket *socket)
{
    return socket->asked_first != NULL;
}

unsigned control_socket_clients(const struct control_socket *socket)
{
    return socket->count;
}

/* ---- a client's end ---- */

static void on_client_closed(uv_handle_t *handle)
{
    struct control_client *client = handle->data;
    (void)close(client->fd);
    free(client);
}

static void close_client(struct control_client *client)
{
    struct control_socket *socket = client->socket;
    if (client->state == CLIENT_CLOSED)
        return;
    if (client->state == CLIENT_ASKED)
        unfile_client(client);
    client->state = CLIENT_CLOSED;
    if (client->kept != NULL)
        socket->calls.dropped(socket->calls.context, client->kept);
    client->kept = NULL;
    free(client->in);
    free(client->out);
    *(client->previous != NULL ? &client->previous->next : &socket->clients) = client->next;
    if (client->next != NULL)
        client->next->previous = client->previous;
    socket->count--;
    if (socket->count == 0 && !socket->resting)
        (void)uv_timer_stop(&socket->timer);
    uv_close((uv_handle_t *)&client->poll, on_client_closed);
}

/* Listens for what it waits for; false where it was closed. */
static bool watch(struct control_client *client, int events)
{
    client->since_ms = uv_now(client->socket->loop);
    if (uv_poll_start(&client->poll, events, on_ready) == 0)
        return true;
    close_client(client);
    return false;
}

/* ---- requests ---- */

/* What is used of the buffer's beginning goes. */
static void drop_bytes(struct control_client *client, size_t count)
{
    client->in_length -= count;
    if (client->in_length > 0)
        memmove(client->in, client->in + count, client->in_length);
}

/* A whole line is in the buffer: asks. Empty lines before it are passed over. */
static bool find_line(struct control_client *client)
{
    size_t empty = 0;
    while (empty < client->in_length && (client->in[empty] == '\n' || client->in[empty] == '\r'))
        empty++;
    if (empty > 0)
        drop_bytes(client, empty);
    const char *end = client->in_length > 0 ? memchr(client->in, '\n', client->in_length) : NULL;
    if (end == NULL)
        return false;
    client->line_length = (size_t)(end - client->in);
    (void)uv_poll_stop(&client->poll);
    file_client(client);
    return true;
}

static void refuse_large(struct control_client *client)
{
    (void)!send(client->fd, TOO_LARGE, sizeof TOO_LARGE - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close_client(client);
}

/* Room for more bytes; false where the request is too large or memory is short: it is closed. */
static bool make_room(struct control_client *client)
{
    if (client->in_length < client->in_size)
        return true;
    if (client->in_size == CONTROL_REQUEST_MAX + 1) {
        refuse_large(client);
        return false;
    }
    size_t size = client->in_size == 0 ? READ_FIRST : client->in_size * 2;
    if (size > CONTROL_REQUEST_MAX)
        size = CONTROL_REQUEST_MAX + 1; /* and its line feed */
    char *in = realloc(client->in, size);
    if (in == NULL) {
        close_client(client);
        return false;
    }
    client->in = in;
    client->in_size = size;
    return true;
}

static void read_some(struct control_client *client)
{
    if (!make_room(client))
        return;
    ssize_t n = recv(client->fd, client->in + client->in_length,
                     client->in_size - client->in_length, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_client(client);
        return;
    }
    if (client->in_length == 0)
        client->since_ms = uv_now(client->socket->loop);
    client->in_length += (size_t)n;
    (void)find_line(client);
}

const char *control_client_request(const struct control_client *client, size_t *ret_length)
{
    *ret_length = client->line_length;
    return client->in;
}

/* The answer is out: on to the next request, which may have come already. */
static void begin_anew(struct control_client *client)
{
    drop_bytes(client, client->line_length + 1);
    client->line_length = 0;
    client->state = CLIENT_READING;
    if (client->in_length == 0) {
        free(client->in);
        client->in = NULL;
        client->in_size = 0;
    }
    if (!find_line(client))
        (void)watch(client, UV_READABLE);
}

/* ---- answers ---- */

static void part_written(struct control_client *client)
{
    free(client->out);
    client->out = NULL;
    if (client->last) {
        begin_anew(client);
        return;
    }
    (void)uv_poll_stop(&client->poll);
    file_client(client);
}

void control_client_answer(struct control_client *client, const char *bytes, size_t length,
                           bool last)
{
    assert(client->state == CLIENT_ANSWERING && length <= CONTROL_PART_MAX);
    client->last = last;
    ssize_t n = send(client->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        close_client(client);
        return;
    }
    size_t taken = n < 0 ? 0 : (size_t)n;
    if (taken == length) {
        part_written(client);
        return;
    }
    client->out = malloc(length - taken);
    if (client->out == NULL) {
        close_client(client);
        return;
    }
    client->out_length = length - taken;
    client->out_written = 0;
    memcpy(client->out, bytes + taken, client->out_length);
    client->state = CLIENT_WRITING;
    (void)watch(client, UV_WRITABLE);
}

static void write_some(struct control_client *client)
{
    ssize_t n = send(client->fd, client->out + client->out_written,
                     client->out_length - client->out_written, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        close_client(client);
        return;
    }
    client->since_ms = uv_now(client->socket->loop);
    client->out_written += (size_t)n;
    if (client->out_written == client->out_length)
        part_written(client);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct control_client *client = poll->data;
    if (status < 0)
        close_client(client);
    else if (client->state == CLIENT_READING && (events & UV_READABLE) != 0)
        read_some(client);
    else if (client->state == CLIENT_WRITING && (events & UV_WRITABLE) != 0)
        write_some(client);
}

void control_client_keep(struct control_client *client, void *kept)
{
    client->kept = kept;
}

void *control_client_kept(const struct control_client *client)
{
    return client->kept;
}

void control_client_wait(struct control_client *client)
{
    assert(client->state == CLIENT_ANSWERING);
}

void control_client_resume(struct control_client *client)
{
    assert(client->state == CLIENT_ANSWERING);
    file_client(client);
}

/* ---- who they are ---- */

uid_t control_client_uid(const struct control_client *client)
{
    return client->peer.uid;
}

pid_t control_client_pid(const struct control_client *client)
{
    return client->peer.pid;
}

static bool is_trusted(const struct ucred *peer)
{
    return peer->uid == 0 || peer->uid == geteuid();
}

/* The groups that the peer had when it connected. */
static bool is_in_group(int fd, gid_t gid)
{
    socklen_t size = 0;
    gid_t none;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, &none, &size) == 0 || errno != ERANGE)
        return false; /* it has no other groups, or the kernel does not say */
    gid_t *groups = malloc(size);
    bool found = false;
    if (groups != NULL && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0)
        for (size_t i = 0; i < size / sizeof *groups; i++)
            found = found || groups[i] == gid;
    free(groups);
    return found;
}

bool control_client_may_change(const struct control_client *client)
{
    gid_t gid = client->socket->file.gid;
    return is_trusted(&client->peer) || client->peer.gid == gid || is_in_group(client->fd, gid);
}

/* ---- accepting ---- */

static void add_client(struct control_socket *socket, int fd, const struct ucred *peer)
{
    struct control_client *client = calloc(1, sizeof *client);
    if (client == NULL || uv_poll_init(socket->loop, &client->poll, fd) < 0) {
        free(client);
        (void)close(fd);
        return;
    }
    client->poll.data = client;
    client->socket = socket;
    client->fd = fd;
    client->peer = *peer;
    client->next = socket->clients;
    if (client->next != NULL)
        client->next->previous = client;
    socket->clients = client;
    socket->count++;
    (void)watch(client, UV_READABLE);
}

static void take_connection(struct control_socket *socket, int fd)
{
    struct ucred peer = {.uid = (uid_t)-1, .gid = (gid_t)-1};
    socklen_t size = sizeof peer;
    unsigned most = CONTROL_CLIENTS_MAX;
    bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    if (!known || !is_trusted(&peer))
        most -= CONTROL_CLIENTS_KEPT;
    if (known && socket->count < most) {
        add_client(socket, fd, &peer);
        return;
    }
    (void)!send(fd, BUSY, sizeof BUSY - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)close(fd);
}

static void on_tick(uv_timer_t *timer);

static void start_ticking(struct control_socket *socket)
{
    if (!uv_is_active((const uv_handle_t *)&socket->timer))
        (void)uv_timer_start(&socket->timer, on_tick, TICK_MS, TICK_MS);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct control_socket *socket = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(socket->file.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            take_connection(socket, fd);
            continue;
        }
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            socket->resting = true;
            (void)uv_poll_stop(&socket->poll);
        }
        break;
    }
    if (socket->count > 0 || socket->resting)
        start_ticking(socket);
}

static bool is_slow(const struct control_client *client, uint64_t now_ms)
{
    bool waits = client->state == CLIENT_READING || client->state == CLIENT_WRITING;
    bool idle = client->state == CLIENT_READING && client->in_length == 0;
    return waits && now_ms - client->since_ms >= (idle ? CONTROL_IDLE_MS : CONTROL_SLOW_MS);
}

static void on_tick(uv_timer_t *timer)
{
    struct control_socket *socket = timer->data;
    uint64_t now_ms = uv_now(socket->loop);
    struct control_client *next;
    for (struct control_client *client = socket->clients; client != NULL; client = next) {
        next = client->next;
        if (is_slow(client, now_ms))
            close_client(client);
    }
    if (socket->resting && uv_poll_start(&socket->poll, UV_READABLE, on_connection) == 0)
        socket->resting = false;
    if (socket->count == 0 && !socket->resting)
        (void)uv_timer_stop(timer);
}

/* ---- life ---- */

int control_socket_open(struct uv_loop_s *loop, const char *path, const struct control_calls *calls,
                        struct control_socket **ret, struct errtext *err)
{
    struct control_socket *socket = calloc(1, sizeof *socket);
    if (socket == NULL)
        return errtext_set(err, -ENOMEM, "out of memory");
    socket->calls = *calls;
    socket->loop = loop;
    socket->asked_tail = &socket->asked_first;
    int r = socket_file_open(path, &socket->file, err);
    if (r < 0) {
        free(socket);
        return r;
    }
    r = uv_poll_init(loop, &socket->poll, socket->file.fd);
    if (r < 0) {
        socket_file_close(&socket->file);
        free(socket);
        return errtext_set(err, r, "%s cannot be watched: %s", path, uv_strerror(r));
    }
    (void)uv_timer_init(loop, &socket->timer); /* cannot fail */
    socket->poll.data = socket;
    socket->timer.data = socket;
    socket->open = true;
    r = uv_poll_start(&socket->poll, UV_READABLE, on_connection);
    if (r < 0)
        socket->resting = true;
    if (socket->resting)
        start_ticking(socket);
    *ret = socket;
    return 0;
}

int control_socket_link(struct control_socket *socket, const char *place, struct errtext *err)
{
    return socket_file_link(&socket->file, place, err);
}

void control_socket_close(struct control_socket *socket)
{
    if (socket == NULL || !socket->open)
        return;
    socket->open = false;
    while (socket->clients != NULL)
        close_client(socket->clients);
    (void)uv_poll_stop(&socket->poll);
    socket_file_close(&socket->file);
    uv_close((uv_handle_t *)&socket->poll, NULL);
    uv_close((uv_handle_t *)&socket->timer, NULL);
}

void control_socket_destroy(struct control_socket *socket)
{
    free(socket);
}
