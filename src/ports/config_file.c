/*
 * See config_file.h. A file that an editor or a deployment writes while it is read would give a
 * half-old text: size and times are compared before and after, and reading starts anew a few times.
 */
#include "ports/config_file.h"

#include "base/text.h"
#include "ports/config_yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SNAPSHOT_ATTEMPTS 5
#define SNAPSHOT_CHANGED 1

static bool is_unchanged(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec
           && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec
           && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Reads until `size` bytes or the end. Outcomes: 0; negative errno. */
static int read_all(int fd, char *bytes, size_t size, size_t *ret_length)
{
    size_t length = 0;
    while (length < size) {
        ssize_t n = read(fd, bytes + length, size - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        length += (size_t)n;
    }
    *ret_length = length;
    return 0;
}

/* Outcomes: 0; SNAPSHOT_CHANGED; -ENOMEM; negative with a text. */
static int read_open_file(int fd, char **ret, size_t *ret_length, struct errtext *err)
{
    struct stat before;
    struct stat after;
    if (fstat(fd, &before) != 0)
        return errtext_set(err, -errno, "cannot be examined: %s", strerror(errno));
    if (S_ISDIR(before.st_mode))
        return errtext_set(err, -EISDIR, "is a directory; name the file in it");
    if (!S_ISREG(before.st_mode))
        return errtext_set(err, -EINVAL, "is not a regular file; name one");
    if (before.st_size > CONFIG_FILE_MAX)
        return errtext_set(err, -EFBIG,
                           "the file is larger than %d MiB; split the instances over several hosts",
                           CONFIG_FILE_MAX >> 20);
    size_t size = (size_t)before.st_size + 1; /* one more shows that it grew */
    char *bytes = malloc(size);
    if (bytes == NULL)
        return -ENOMEM;
    size_t length = 0;
    int outcome = read_all(fd, bytes, size, &length);
    if (outcome != 0)
        (void)errtext_set(err, outcome, "cannot be read: %s", strerror(-outcome));
    else if (fstat(fd, &after) != 0 || !is_unchanged(&before, &after)
             || length != (size_t)before.st_size)
        outcome = SNAPSHOT_CHANGED;
    if (outcome != 0) {
        free(bytes);
        return outcome;
    }
    *ret = bytes;
    *ret_length = length;
    return 0;
}

int config_file_read(const char *path, char **ret, size_t *ret_length, struct errtext *err)
{
    for (int i = 0; i < SNAPSHOT_ATTEMPTS; i++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
            return errtext_set(err, -errno, "cannot be opened: %s; name a readable file",
                               strerror(errno));
        int outcome = read_open_file(fd, ret, ret_length, err);
        (void)close(fd);
        if (outcome != SNAPSHOT_CHANGED)
            return outcome;
    }
    return errtext_set(err, -EAGAIN, "changes while it is read; try again when it is written");
}

/* The place of a byte; the text before it is UTF-8. */
static void place_of(const char *bytes, size_t at, struct tree_fault *fault)
{
    fault->line = 1;
    fault->column = 1;
    for (size_t i = 0; i < at; i++) {
        if (bytes[i] == '\n') {
            fault->line++;
            fault->column = 1;
        } else if (((unsigned char)bytes[i] & 0xC0) != 0x80) {
            fault->column++;
        }
    }
}

/* The bytes of a sequence by its first; text_is_utf8() judges the rest. */
static size_t sequence_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xE0)
        return 2;
    return first < 0xF0 ? 3 : 4;
}

int config_file_check(const char *bytes, size_t length, struct tree_fault *fault)
{
    if (length > CONFIG_FILE_MAX) {
        place_of(bytes, 0, fault);
        return errtext_set(&fault->why, TREE_INVALID, "the text is larger than %d MiB; split it",
                           CONFIG_FILE_MAX >> 20);
    }
    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)bytes[i];
        size_t n = sequence_length(c);
        if (n > length - i || (n > 1 && !text_is_utf8(bytes + i, n))) {
            place_of(bytes, i, fault);
            return errtext_set(&fault->why, TREE_INVALID,
                               "the byte 0x%02X is not UTF-8; save the file as UTF-8", c);
        }
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F) {
            place_of(bytes, i, fault);
            return errtext_set(&fault->why, TREE_INVALID,
                               "the control character 0x%02X does not belong in a text; is this a "
                               "YAML file?",
                               c);
        }
        i += n;
    }
    return 0;
}
