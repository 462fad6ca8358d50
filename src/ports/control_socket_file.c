/*
 * See control_socket_file.h.
 *
 * The lock decides between two daemons, so that no look at the socket file can be outrun by the
 * other's. A lock file that was removed between its opening and its locking is no lock: the loop in
 * take_lock() sees that by its inode. With the lock held, a socket file that answers belongs to
 * another program, and one that refuses is what a dead daemon has left.
 */
#include "ports/control_socket_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64
#define LOCK_TRIES 100
#define SOCKET_MODE 0660

static int address_of(const char *path, struct sockaddr_un *ret, struct errtext *err)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof ret->sun_path)
        return errtext_set(err, -ENAMETOOLONG, "%s is too long for a socket", path);
    memcpy(ret->sun_path, path, length);
    return 0;
}

static void lock_path(const char *path, char *buffer, size_t size)
{
    (void)snprintf(buffer, size, "%s.lock", path);
}

#define LOCK_PATH_MAX (sizeof((struct sockaddr_un *)0)->sun_path + sizeof ".lock")

/* Outcomes: 0; EAGAIN (positive): it was removed meanwhile; negative errno. */
static int try_lock(const char *name, int *ret)
{
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0)
        return -errno;
    struct stat held = {.st_ino = 0};
    struct stat named = {.st_ino = 0};
    int r = flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &held) == 0 ? 0 : -errno;
    if (r == 0
        && (lstat(name, &named) != 0 || named.st_ino != held.st_ino || named.st_dev != held.st_dev))
        r = EAGAIN;
    if (r != 0) {
        (void)close(fd);
        return r;
    }
    *ret = fd;
    return 0;
}

static int take_lock(const char *path, int *ret, struct errtext *err)
{
    char name[LOCK_PATH_MAX];
    lock_path(path, name, sizeof name);
    int r = EAGAIN;
    for (int i = 0; r == EAGAIN && i < LOCK_TRIES; i++)
        r = try_lock(name, ret);
    if (r == -EWOULDBLOCK || r == EAGAIN)
        return errtext_set(err, -EBUSY, "%s is in use by another crsbackupd", path);
    if (r < 0)
        return errtext_set(err, r, "%s cannot be made: %s", name, strerror(-r));
    return 0;
}

/* Removes what a dead daemon has left. */
static int clear_way(const char *path, const struct sockaddr_un *address, struct errtext *err)
{
    struct stat status;
    if (lstat(path, &status) != 0)
        return errno == ENOENT
                   ? 0
                   : errtext_set(err, -errno, "%s cannot be made: %s", path, strerror(errno));
    if (S_ISLNK(status.st_mode)) /* of a life whose socket was elsewhere */
        return unlink(path) == 0
                   ? 0
                   : errtext_set(err, -errno, "%s cannot be removed: %s", path, strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return errtext_set(err, -EEXIST, "%s is there and no socket; move it away", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errtext_set(err, -errno, "no socket: %s", strerror(errno));
    int r = connect(fd, (const struct sockaddr *)(const void *)address, sizeof *address) == 0
                ? 0
                : errno;
    (void)close(fd);
    if (r != ECONNREFUSED)
        return errtext_set(err, -EBUSY, "%s is in use by another program", path);
    if (unlink(path) != 0 && errno != ENOENT)
        return errtext_set(err, -errno, "%s cannot be removed: %s", path, strerror(errno));
    return 0;
}

/* Nobody can connect before listen(), so the mode is there in time. */
static int listen_at(const struct sockaddr_un *address, struct socket_file *file,
                     struct errtext *err)
{
    const char *path = file->path;
    file->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (file->fd < 0)
        return errtext_set(err, -errno, "no socket: %s", strerror(errno));
    if (bind(file->fd, (const struct sockaddr *)(const void *)address, sizeof *address) != 0)
        return errtext_set(err, -errno, "%s cannot be made: %s", path, strerror(errno));
    struct stat status;
    if (chmod(path, SOCKET_MODE) != 0 || lstat(path, &status) != 0)
        return errtext_set(err, -errno, "%s: %s", path, strerror(errno));
    file->gid = status.st_gid;
    file->device = status.st_dev;
    file->inode = status.st_ino;
    if (listen(file->fd, BACKLOG) != 0)
        return errtext_set(err, -errno, "%s cannot be listened on: %s", path, strerror(errno));
    return 0;
}

int socket_file_open(const char *path, struct socket_file *ret, struct errtext *err)
{
    assert(path != NULL);
    struct sockaddr_un address;
    int r = address_of(path, &address, err);
    if (r < 0)
        return r;
    struct socket_file file = {.fd = -1, .lock = -1, .path = strdup(path)};
    if (file.path == NULL)
        return errtext_set(err, -ENOMEM, "out of memory");
    r = take_lock(path, &file.lock, err);
    if (r == 0)
        r = clear_way(path, &address, err);
    if (r == 0)
        r = listen_at(&address, &file, err);
    if (r < 0) {
        socket_file_close(&file);
        return r;
    }
    *ret = file;
    return 0;
}

int socket_file_link(struct socket_file *file, const char *place, struct errtext *err)
{
    struct sockaddr_un address;
    int r = address_of(place, &address, err);
    if (r == 0)
        r = clear_way(place, &address, err);
    if (r < 0)
        return r;
    char *kept = strdup(place);
    if (kept == NULL)
        return errtext_set(err, -ENOMEM, "out of memory");
    if (symlink(file->path, place) != 0) {
        r = errtext_set(err, -errno, "%s cannot be made: %s", place, strerror(errno));
        free(kept);
        return r;
    }
    file->link = kept;
    return 0;
}

static void remove_link(const struct socket_file *file)
{
    char target[LOCK_PATH_MAX];
    ssize_t length = readlink(file->link, target, sizeof target);
    if (length > 0 && (size_t)length == strlen(file->path)
        && memcmp(target, file->path, (size_t)length) == 0)
        (void)unlink(file->link);
}

void socket_file_close(struct socket_file *file)
{
    struct stat status;
    if (file->path == NULL)
        return;
    if (file->link != NULL)
        remove_link(file);
    if (file->inode != 0 && lstat(file->path, &status) == 0 && status.st_ino == file->inode
        && status.st_dev == file->device)
        (void)unlink(file->path);
    if (file->fd >= 0)
        (void)close(file->fd);
    if (file->lock >= 0) {
        char name[LOCK_PATH_MAX];
        lock_path(file->path, name, sizeof name);
        (void)unlink(name);
        (void)close(file->lock);
    }
    free(file->link);
    free(file->path);
    *file = (struct socket_file){.fd = -1, .lock = -1};
}
