/*
 * See log_syslog.h.
 *
 * syslog(3) tells nobody when it could not deliver, and blocks while the daemon's queue is full. So
 * a probe, a socket of our own, is connected to the same address: a refusal says that nobody
 * listens, and poll() says whether there is room.
 *
 *   datagram   connected anew before each line (the daemon may be another one by now); writable
 *              while the daemon's queue is not full
 *   stream     where a datagram socket is the wrong type, as syslog(3) finds out too; connected
 *              once and never written to: hung up when the daemon is gone
 *
 * Datagrams that wait in the daemon's queue also fill the buffer of the socket that sent them,
 * which the probe cannot see. A socket is therefore given up after a few lines, long before it is
 * full.
 */
#include "ports/log_syslog.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define LINES_PER_SOCKET 16 /* of EVENT_LINE_MAX: a third of the usual buffer */

struct log_syslog {
    int probe; /* -1: none */
    int type;
    unsigned lines; /* written to the socket of syslog(3) */
};

static void close_probe(struct log_syslog *log)
{
    if (log->probe >= 0)
        (void)close(log->probe);
    log->probe = -1;
}

/* Outcomes: 0; negative errno. */
static int connect_as(struct log_syslog *log, int type)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LOG_SYSLOG_SOCKET};
    if (log->probe < 0 || log->type != type) {
        close_probe(log);
        log->type = type;
        log->probe = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (log->probe < 0)
            return -errno;
    }
    if (connect(log->probe, (const struct sockaddr *)(const void *)&address, sizeof address) == 0)
        return 0;
    return -errno;
}

/* Outcomes: 0 there; -EAGAIN there, but a stream's backlog is full; negative: nobody listens. */
static int connect_probe(struct log_syslog *log)
{
    int r = connect_as(log, log->type);
    if (r == -EPROTOTYPE)
        r = connect_as(log, log->type == SOCK_DGRAM ? SOCK_STREAM : SOCK_DGRAM);
    if (r < 0)
        close_probe(log);
    return r;
}

static bool is_writable(const struct log_syslog *log)
{
    struct pollfd p = {.fd = log->probe, .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLOUT | POLLHUP | POLLERR)) == POLLOUT;
}

static bool has_room(struct log_syslog *log)
{
    if (log->type == SOCK_STREAM && log->probe >= 0) {
        if (is_writable(log))
            return true;
        close_probe(log); /* hung up */
    }
    return connect_probe(log) == 0 && is_writable(log);
}

bool log_syslog_is_there(void)
{
    struct log_syslog log = {.probe = -1, .type = SOCK_DGRAM};
    int r = connect_probe(&log);
    close_probe(&log);
    return r == 0 || r == -EAGAIN;
}

static bool put(void *context, const struct event *event, const char *line, size_t length)
{
    struct log_syslog *log = context;
    (void)length;
    if (!has_room(log))
        return false;
    if (log->type == SOCK_DGRAM && log->lines++ % LINES_PER_SOCKET == 0)
        closelog();
    openlog("crsbackupd", LOG_PID, LOG_DAEMON); /* closelog() forgets it */
    syslog((int)event->level, "%s", line);
    return true;
}

static void destroy(void *context)
{
    struct log_syslog *log = context;
    close_probe(log);
    closelog();
    free(log);
}

int log_syslog_create(struct log_sink *ret)
{
    struct log_syslog *log = calloc(1, sizeof *log);
    if (log == NULL)
        return -ENOMEM;
    log->probe = -1;
    log->type = SOCK_DGRAM;
    *ret = (struct log_sink){.context = log, .put = put, .destroy = destroy};
    return 0;
}
