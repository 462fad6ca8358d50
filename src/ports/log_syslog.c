/*
 * See log_syslog.h.
 *
 * syslog(3) tells nobody when it could not deliver, and blocks while the daemon's queue is full. So
 * before each line a datagram socket of our own is connected to the same address: a refusal says
 * that nobody listens, and poll() on it says whether the queue has room.
 */
#include "ports/log_syslog.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

struct kept {
    enum event_level level;
    char *line;
};

struct log_syslog {
    enum event_format format;
    int probe;
    struct kept kept[LOG_SYSLOG_KEPT_MAX]; /* a ring */
    size_t first;
    size_t count;
    uint64_t lost;
};

static int open_probe(void)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd < 0 ? -errno : fd;
}

static bool has_room(int probe)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LOG_SYSLOG_SOCKET};
    if (connect(probe, (const struct sockaddr *)(const void *)&address, sizeof address) < 0)
        return false;
    struct pollfd p = {.fd = probe, .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

bool log_syslog_is_there(void)
{
    int probe = open_probe();
    if (probe < 0)
        return false;
    bool there = has_room(probe);
    (void)close(probe);
    return there;
}

static void say_lost(struct log_syslog *log)
{
    char line[EVENT_LINE_MAX];
    struct event e = event_make(EVENT_WARNING, "log_lost");
    event_number(&e, "lines", (int64_t)log->lost);
    (void)event_format_line(&e, log->format, line);
    syslog(LOG_WARNING, "%s", line);
    log->lost = 0;
}

static size_t flush(void *context)
{
    struct log_syslog *log = context;
    while (log->count > 0 && has_room(log->probe)) {
        struct kept *kept = &log->kept[log->first];
        syslog((int)kept->level, "%s", kept->line);
        free(kept->line);
        log->first = (log->first + 1) % LOG_SYSLOG_KEPT_MAX;
        log->count--;
    }
    if (log->count == 0 && log->lost > 0 && has_room(log->probe))
        say_lost(log);
    return log->count + (log->lost > 0 ? 1 : 0);
}

static void keep(struct log_syslog *log, enum event_level level, const char *line, size_t length)
{
    char *copy = log->count < LOG_SYSLOG_KEPT_MAX ? strndup(line, length) : NULL;
    if (copy == NULL) {
        log->lost++;
        return;
    }
    size_t last = (log->first + log->count) % LOG_SYSLOG_KEPT_MAX;
    log->kept[last] = (struct kept){.level = level, .line = copy};
    log->count++;
}

static void write_line(void *context, enum event_level level, const char *line, size_t length)
{
    struct log_syslog *log = context;
    if (flush(log) == 0 && has_room(log->probe))
        syslog((int)level, "%s", line);
    else
        keep(log, level, line, length);
}

static void destroy(void *context)
{
    struct log_syslog *log = context;
    (void)flush(log);
    while (log->count > 0) {
        free(log->kept[log->first].line);
        log->first = (log->first + 1) % LOG_SYSLOG_KEPT_MAX;
        log->count--;
    }
    (void)close(log->probe);
    closelog();
    free(log);
}

int log_syslog_create(enum event_format format, struct log_writer *ret)
{
    struct log_syslog *log = calloc(1, sizeof *log);
    if (log == NULL)
        return -ENOMEM;
    log->format = format;
    log->probe = open_probe();
    if (log->probe < 0) {
        int r = log->probe;
        free(log);
        return r;
    }
    openlog("crsbackupd", LOG_PID, LOG_DAEMON);
    *ret = (struct log_writer){
        .context = log, .write = write_line, .flush = flush, .destroy = destroy};
    return 0;
}
