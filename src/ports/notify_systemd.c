/* See notify_systemd.h. One connected datagram socket for the life of the process. */
#include "ports/notify_systemd.h"

#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || length < 2 || length >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (connect(fd, (const struct sockaddr *)(const void *)&address, size) < 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* A whole number of microseconds above 0, else 0. */
static int64_t read_number(const char *name)
{
    const char *value = getenv(name);
    char *end = NULL;
    errno = 0;
    long long number = value == NULL ? 0 : strtoll(value, &end, 10);
    return number <= 0 || errno != 0 || *end != '\0' ? 0 : number;
}

/* Half of the manager's time. $WATCHDOG_PID, where it is set, says for whom that is. */
static int64_t watchdog_ns(void)
{
    int64_t us = read_number("WATCHDOG_USEC");
    if (us == 0 || (getenv("WATCHDOG_PID") != NULL && read_number("WATCHDOG_PID") != getpid()))
        return 0;
    return us > INT64_MAX / NS_PER_US ? 0 : us * NS_PER_US / 2;
}

void notify_init(struct notify *notify)
{
    const char *path = getenv("NOTIFY_SOCKET");
    *notify = (struct notify){.fd = path == NULL ? -1 : connect_to(path)};
    notify->alive_ns = notify->fd < 0 ? 0 : watchdog_ns();
}

void notify_finish(struct notify *notify)
{
    if (notify->fd >= 0)
        (void)close(notify->fd);
    notify->fd = -1;
}

static void tell(struct notify *notify, const char *state, const char *status)
{
    if (notify->fd < 0)
        return;
    char message[NOTIFY_STATUS_MAX + 64];
    struct text t = text_over(message, sizeof message);
    text_add(&t, state);
    if (status != NULL)
        text_addf(&t, "%sSTATUS=%s", t.length > 0 ? "\n" : "", status);
    (void)!send(notify->fd, t.bytes, t.length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void notify_ready(struct notify *notify, const char *status)
{
    tell(notify, "READY=1", status);
}

void notify_reloading(struct notify *notify, struct mono now)
{
    char state[64];
    struct text t = text_over(state, sizeof state);
    text_addf(&t, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, now.ns / NS_PER_US);
    tell(notify, state, NULL);
}

void notify_stopping(struct notify *notify, const char *status)
{
    tell(notify, "STOPPING=1", status);
}

void notify_status(struct notify *notify, const char *status)
{
    tell(notify, "", status);
}

struct mono notify_alive(struct notify *notify, struct mono now)
{
    if (notify->alive_ns == 0)
        return MONO_NEVER;
    if (!mono_before(now, notify->alive_at)) {
        tell(notify, "WATCHDOG=1", NULL);
        notify->alive_at = mono_add_ns(now, notify->alive_ns);
    }
    return notify->alive_at;
}

struct mono notify_extend(struct notify *notify, struct mono now)
{
    if (notify->fd < 0)
        return MONO_NEVER;
    if (!mono_before(now, notify->extend_at)) {
        char state[48];
        struct text t = text_over(state, sizeof state);
        text_addf(&t, "EXTEND_TIMEOUT_USEC=%" PRId64, NOTIFY_EXTEND_SECONDS * US_PER_SECOND);
        tell(notify, state, NULL);
        notify->extend_at = mono_add_ns(now, NOTIFY_EXTEND_NS);
    }
    return notify->extend_at;
}
