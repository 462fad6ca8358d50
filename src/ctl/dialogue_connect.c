/* See dialogue_connect.h. */
#include "ctl/dialogue_connect.h"

#include "base/instant.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char *group_of(const char *path, char buffer[128])
{
    struct stat status;
    const struct group *group = NULL;
    if (stat(path, &status) == 0)
        group = getgrgid(status.st_gid);
    if (group == NULL)
        return "the socket's group";
    (void)snprintf(buffer, 128, "the group %s", group->gr_name);
    return buffer;
}

static int refuse(const char *path, int error, struct errtext *err)
{
    char group[128];
    if (error == EACCES || error == EPERM)
        return errtext_set(err, CTL_NO_DAEMON,
                           "%s: permission denied: root, the daemon's user and %s may ask; use "
                           "sudo, or join the group",
                           path, group_of(path, group));
    return errtext_set(err, CTL_NO_DAEMON,
                       "no daemon answers on %s (%s); is crsbackupd running (systemctl status "
                       "crsbackupd)? --socket PATH or -c FILE names another place",
                       path, error == EAGAIN ? "it takes no connection" : strerror(error));
}

int dialogue_connect(const char *path, int64_t timeout_us, int *ret, struct errtext *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errtext_set(err, CTL_FAILED, "no socket: %s", strerror(errno));
    const struct timeval limit = {timeout_us / US_PER_SECOND, timeout_us % US_PER_SECOND};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* of connect() too */
    int r;
    do
        r = connect(fd, (const struct sockaddr *)&address, sizeof address);
    while (r < 0 && errno == EINTR);
    if (r < 0) {
        int error = errno;
        (void)close(fd);
        return refuse(path, error, err);
    }
    *ret = fd;
    return CTL_GO_ON;
}
