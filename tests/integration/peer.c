/* See peer.h. A thread accepts, one more serves each connection; stop() ends and joins them all. */
#include "peer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- servers ---- */

static ssize_t read_some(struct peer *p, char *bytes, size_t length)
{
    if (p->ssl == NULL)
        return recv(p->fd, bytes, length, 0);
    return SSL_read(p->ssl, bytes, (int)length);
}

bool peer_write(struct peer *p, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = p->ssl != NULL ? SSL_write(p->ssl, bytes, (int)length)
                                   : send(p->fd, bytes, length, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

/* Reads until `total` bytes are there, or until the head's end where total is 0. */
static bool read_until(struct peer *p, char *buffer, size_t size, size_t *length, size_t total)
{
    while (total > 0 ? *length < total : strstr(buffer, "\r\n\r\n") == NULL) {
        if (*length + 1 >= size)
            return false;
        ssize_t n = read_some(p, buffer + *length, size - 1 - *length);
        if (n <= 0)
            return false;
        *length += (size_t)n;
        buffer[*length] = '\0';
    }
    return true;
}

bool peer_read_request(struct peer *p)
{
    char buffer[16384] = "";
    size_t length = 0;
    if (!read_until(p, buffer, sizeof buffer, &length, 0))
        return false;
    size_t head = (size_t)(strstr(buffer, "\r\n\r\n") - buffer) + 4;
    const char *field = strcasestr(buffer, "\r\ncontent-length:");
    size_t body = field != NULL ? strtoul(field + 17, NULL, 10) : 0;
    if (!read_until(p, buffer, sizeof buffer, &length, head + body))
        return false;
    struct server *s = p->server;
    pthread_mutex_lock(&s->mutex);
    (void)snprintf(s->head, sizeof s->head, "%.*s", (int)head, buffer);
    (void)snprintf(s->body, sizeof s->body, "%.*s", (int)body, buffer + head);
    pthread_mutex_unlock(&s->mutex);
    atomic_fetch_add(&s->requests, 1);
    return true;
}

bool peer_answer(struct peer *p, const char *body)
{
    char answer[4096];
    int n = snprintf(answer, sizeof answer,
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                     "Date: Tue, 24 Nov 2026 03:00:00 GMT\r\nContent-Length: %zu\r\n\r\n%s",
                     strlen(body), body);
    return peer_write(p, answer, (size_t)n);
}

void peer_reset(struct peer *p)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

void serve_answers(struct server *s, struct peer *p)
{
    (void)s;
    while (peer_read_request(p) && peer_answer(p, "{}"))
        ;
}

static int connect_to(int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        abort();
    return fd;
}

static bool carry(int from, int to)
{
    char bytes[16384];
    ssize_t n = recv(from, bytes, sizeof bytes, 0);
    return n > 0 && send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

void serve_tunnel(struct server *s, struct peer *p)
{
    static const char yes[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    const char *host = peer_read_request(p) ? strstr(s->head, "CONNECT localhost:") : NULL;
    if (host == NULL || !peer_write(p, yes, sizeof yes - 1))
        return;
    int other = connect_to((int)strtol(host + strlen("CONNECT localhost:"), NULL, 10));
    struct pollfd both[] = {{.fd = p->fd, .events = POLLIN}, {.fd = other, .events = POLLIN}};
    bool more = true;
    while (more && !atomic_load(&s->stopping) && poll(both, 2, 50) >= 0) {
        for (int i = 0; i < 2 && more; i++)
            more = both[i].revents == 0 || carry(both[i].fd, both[1 - i].fd);
    }
    (void)close(other);
}

bool server_wait(struct server *s, int step)
{
    while (atomic_load(&s->step) < step) {
        if (atomic_load(&s->stopping))
            return false;
        (void)usleep(1000);
    }
    return true;
}

void server_go(struct server *s, int step)
{
    atomic_store(&s->step, step);
}

static void *run_peer(void *argument)
{
    struct peer *p = argument;
    struct server *s = p->server;
    bool ready = true;
    if (s->context != NULL && !s->raw) {
        p->ssl = SSL_new(s->context);
        (void)SSL_set_fd(p->ssl, p->fd);
        ready = SSL_accept(p->ssl) == 1;
    }
    if (ready) {
        atomic_fetch_add(&s->ready, 1);
        s->serve(s, p);
    }
    if (p->ssl != NULL)
        SSL_free(p->ssl);
    p->ssl = NULL;
    pthread_mutex_lock(&s->mutex);
    (void)close(p->fd);
    p->fd = -1;
    pthread_mutex_unlock(&s->mutex);
    ERR_clear_error();
    return NULL;
}

static void *run_server(void *argument)
{
    struct server *s = argument;
    while (!atomic_load(&s->stopping)) {
        struct pollfd poll_one = {.fd = s->listener, .events = POLLIN};
        if (poll(&poll_one, 1, 20) <= 0)
            continue;
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            continue;
        const int yes = 1; /* or the second of two small writes waits for a delayed ACK */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct peer *p = calloc(1, sizeof *p);
        assert(p != NULL);
        p->server = s;
        p->fd = fd;
        p->number = atomic_fetch_add(&s->connections, 1) + 1;
        pthread_mutex_lock(&s->mutex);
        p->next = s->peers;
        s->peers = p;
        pthread_mutex_unlock(&s->mutex);
        if (pthread_create(&p->thread, NULL, run_peer, p) != 0)
            abort();
    }
    return NULL;
}

void server_start(struct server *s, void (*serve)(struct server *, struct peer *),
                  const struct certificates *certificates, enum certificate which, int tls_version)
{
    memset(s, 0, sizeof *s);
    s->serve = serve;
    (void)pthread_mutex_init(&s->mutex, NULL);
    if (tls_version != 0) {
        s->context = SSL_CTX_new(TLS_server_method());
        (void)SSL_CTX_set_max_proto_version(s->context, tls_version);
        (void)SSL_CTX_use_certificate(s->context, certificates->certificate[which]);
        (void)SSL_CTX_use_PrivateKey(s->context, certificates->key[which]);
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&address, length) != 0
        || listen(s->listener, 128) != 0
        || getsockname(s->listener, (struct sockaddr *)&address, &length) != 0)
        abort();
    s->port = ntohs(address.sin_port);
    if (pthread_create(&s->thread, NULL, run_server, s) != 0)
        abort();
}

void server_stop(struct server *s)
{
    atomic_store(&s->stopping, true);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->listener);
    pthread_mutex_lock(&s->mutex);
    for (struct peer *p = s->peers; p != NULL; p = p->next) {
        if (p->fd >= 0)
            (void)shutdown(p->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&s->mutex);
    while (s->peers != NULL) {
        struct peer *p = s->peers;
        s->peers = p->next;
        (void)pthread_join(p->thread, NULL);
        free(p);
    }
    SSL_CTX_free(s->context);
    (void)pthread_mutex_destroy(&s->mutex);
}

int server_open(struct server *s)
{
    int count = 0;
    pthread_mutex_lock(&s->mutex);
    for (const struct peer *p = s->peers; p != NULL; p = p->next)
        count += p->fd >= 0;
    pthread_mutex_unlock(&s->mutex);
    return count;
}

struct clog clog_queue(int port)
{
    struct clog c;
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 2)};
    for (size_t i = 0; i < sizeof c.fds / sizeof c.fds[0]; i++) {
        c.fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (i > 0)
            (void)connect(c.fds[i], (const struct sockaddr *)&address, sizeof address);
        else if (bind(c.fds[0], (const struct sockaddr *)&address, sizeof address) != 0
                 || listen(c.fds[0], 0) != 0)
            abort();
    }
    return c;
}

void unclog(struct clog *c)
{
    for (size_t i = 0; i < sizeof c->fds / sizeof c->fds[0]; i++)
        (void)close(c->fds[i]);
}

int closed_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0
        || getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        abort();
    (void)close(fd);
    return ntohs(address.sin_port);
}
