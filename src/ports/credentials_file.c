/*
 * Keys of a file, and where the official tools keep one.
 *
 * A file is opened once and judged by its descriptor: a regular file of ours or of root, closed to
 * group and others, small. One of root's may be read by a group of ours: so secrets are laid out
 * for a service that is not root. Links are followed, since mounted secrets are links; what counts
 * is the file they lead to. The bytes lie in locked memory and are wiped after use.
 */
#include "base/text.h"
#include "ports/credentials_source.h"
#include "ports/locked_memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX (64 * 1024)
#define GROUPS_MAX 1024

/* ---- one file ---- */

/* Of a process with more groups than the array has room for, the effective one counts alone. */
static bool is_group_of_ours(gid_t group)
{
    gid_t groups[GROUPS_MAX];
    if (group == getegid())
        return true;
    int count = getgroups(GROUPS_MAX, groups);
    for (int i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return false;
}

static bool is_open_to_others(const struct stat *status, enum key_file_trust trust)
{
    mode_t closed = S_IRWXG | S_IRWXO;
    bool of_root = trust == KEY_FILE_CLOSED && status->st_uid == 0;
    bool of_systemd = trust == KEY_FILE_SYSTEMD;
    if ((of_systemd && status->st_gid == 0)
        || ((of_root || of_systemd) && is_group_of_ours(status->st_gid)))
        closed &= ~(mode_t)S_IRGRP;
    return (status->st_mode & closed) != 0;
}

/* Closed by 600, a file of root's would be closed to a service that is not root. */
static int refuse_open(const struct stat *status, const char *path, struct errtext *err)
{
    const char *cure = "chmod 600";
    if (status->st_uid != geteuid())
        cure = is_group_of_ours(status->st_gid) ? "chmod 440"
                                                : "give it a group of this program's, chmod 440";
    return errtext_set(err, -EPERM, "%.200s is open to others (mode %04o); close it: %s %.200s",
                       path, (unsigned)(status->st_mode & 07777), cure, path);
}

static int judge(const struct stat *status, const char *path, enum key_file_trust trust,
                 struct errtext *err)
{
    if (!S_ISREG(status->st_mode))
        return errtext_set(err, -EINVAL, "%.200s is not a regular file", path);
    bool ours = trust != KEY_FILE_OF_CLUSTER;
    if (ours && status->st_uid != 0 && status->st_uid != geteuid())
        return errtext_set(err, -EPERM,
                           "%.200s belongs to user %u, neither this program's nor root; chown it",
                           path, (unsigned)status->st_uid);
    if (ours && is_open_to_others(status, trust))
        return refuse_open(status, path, err);
    if (status->st_size > KEY_FILE_MAX)
        return errtext_set(err, -EFBIG, "%.200s is larger than %d KiB", path, KEY_FILE_MAX / 1024);
    return 0;
}

static int read_bytes(int fd, const char *path, char **ret, size_t *ret_length, struct errtext *err)
{
    char *bytes = locked_take(KEY_FILE_MAX + 1);
    if (bytes == NULL)
        return errtext_set(err, -ENOMEM, "no memory for %.200s", path);
    size_t length = 0;
    while (length < KEY_FILE_MAX) {
        ssize_t n = read(fd, bytes + length, KEY_FILE_MAX - length);
        if (n == 0)
            break;
        if (n > 0) {
            length += (size_t)n;
        } else if (errno != EINTR) {
            int outcome = errtext_set(err, -errno, "%.200s: %s", path, strerrordesc_np(errno));
            key_file_release(bytes);
            return outcome;
        }
    }
    *ret = bytes;
    *ret_length = length;
    return 0;
}

int key_file_read(const char *path, enum key_file_trust trust, char **ret, size_t *ret_length,
                  struct errtext *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return errtext_set(err, SOURCE_ABSENT, "%.200s does not exist", path);
    if (fd < 0)
        return errtext_set(err, -errno, "%.200s: %s", path, strerrordesc_np(errno));
    struct stat status;
    int outcome = fstat(fd, &status) != 0
                      ? errtext_set(err, -errno, "%.200s: %s", path, strerrordesc_np(errno))
                      : judge(&status, path, trust, err);
    if (outcome == 0)
        outcome = read_bytes(fd, path, ret, ret_length, err);
    (void)close(fd);
    return outcome;
}

void key_file_release(char *bytes)
{
    locked_give(bytes, KEY_FILE_MAX + 1);
}

int credentials_file_parse(char *bytes, size_t length, const char *path, const char *profile,
                           struct found_keys *ret, struct errtext *err)
{
    size_t at = 0;
    while (at < length && (bytes[at] == ' ' || (bytes[at] >= '\t' && bytes[at] <= '\r')))
        at++;
    if (at < length && bytes[at] == '{')
        return credentials_tccli_parse(bytes, length, path, ret, err);
    return credentials_ini_parse(bytes, length, path, profile, ret, err);
}

int credentials_file_read(const char *path, const char *profile, struct found_keys *ret,
                          struct errtext *err)
{
    char *bytes = NULL;
    size_t length = 0;
    int outcome = key_file_read(path, KEY_FILE_CLOSED, &bytes, &length, err);
    if (outcome != 0)
        return outcome;
    assert(bytes != NULL);
    outcome = credentials_file_parse(bytes, length, path, profile, ret, err);
    key_file_release(bytes);
    return outcome;
}

/* ---- the usual places ---- */

enum place {
    PLACE_HOME,
    PLACE_ETC,
    PLACE_TCCLI,
    PLACES,
};

/* False where there is no such place: no home, or a profile that is no file's name. */
static bool place_path(enum place place, const char *profile, char *ret)
{
    const char *home = getenv("HOME");
    struct text t = text_over(ret, SOURCE_PATH_MAX);
    if (place == PLACE_ETC)
        text_add(&t, "/etc/tencentcloud/credentials");
    else if (home == NULL || home[0] == '\0')
        return false;
    else if (place == PLACE_HOME)
        text_addf(&t, "%s/.tencentcloud/credentials", home);
    else if (strchr(profile, '/') == NULL)
        text_addf(&t, "%s/.tccli/%s.credential", home, profile);
    return t.length > 0 && !t.cut;
}

int credentials_file_find(const char *file, const char *profile, struct found_keys *ret,
                          char *ret_path, struct errtext *err)
{
    const char *named = file != NULL ? file : getenv("TENCENTCLOUD_CREDENTIALS_FILE");
    if (named != NULL && named[0] != '\0') {
        struct text t = text_over(ret_path, SOURCE_PATH_MAX);
        text_add(&t, named);
        if (t.cut)
            return errtext_set(err, -ENAMETOOLONG, "the path of the credentials is too long");
        /* It is meant: no other source steps in for it, with another account perhaps. */
        int outcome = credentials_file_read(ret_path, profile, ret, err);
        return outcome == SOURCE_ABSENT ? -ENOENT : outcome;
    }
    for (enum place place = PLACE_HOME; place < PLACES; place++) {
        if (!place_path(place, profile, ret_path))
            continue;
        int outcome = credentials_file_read(ret_path, profile, ret, err);
        if (outcome != SOURCE_ABSENT)
            return outcome;
    }
    return errtext_set(err, SOURCE_ABSENT,
                       "no file is named, and none of ~/.tencentcloud/credentials, "
                       "/etc/tencentcloud/credentials and ~/.tccli/%.64s.credential is there",
                       profile);
}
