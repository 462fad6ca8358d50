/* See notify_systemd.h. One connected datagram socket for the life of the process. */
#include "ports/notify_systemd.h"

#include "base/text.h"

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

void notify_init(struct notify *notify)
{
    const char *path = getenv("NOTIFY_SOCKET");
    notify->fd = path == NULL ? -1 : connect_to(path);
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
