/*
 * See zoneinfo.h. The name is checked before it is joined to the directory, so that it cannot leave
 * it. An unknown name is compared with those of tzdata.zi ("Z NAME ..." and "L TARGET NAME") or
 * else of zone1970.tab and zone.tab (the third column).
 */
#include "ports/zoneinfo.h"

#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 4096
#define INDEX_FILE_MAX (1024 * 1024)
#define INDEX_NAMES_MAX 4096

/*
 * Reads a regular file of at most `most` bytes; a NUL follows the last.
 * Outcomes: 0, the caller frees *ret; -EINVAL, not such a file; another negative errno.
 */
static int read_file(const char *path, size_t most, char **ret, size_t *ret_length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    struct stat status;
    int outcome = fstat(fd, &status) != 0 ? -errno : 0;
    if (outcome == 0 && (!S_ISREG(status.st_mode) || status.st_size > (off_t)most))
        outcome = -EINVAL;
    char *bytes = NULL;
    size_t length = 0;
    size_t size = outcome == 0 ? (size_t)status.st_size : 0;
    if (outcome == 0 && (bytes = malloc(size + 1)) == NULL)
        outcome = -ENOMEM;
    while (outcome == 0 && length < size) {
        ssize_t n = read(fd, bytes + length, size - length);
        if (n == 0)
            break;
        if (n > 0)
            length += (size_t)n;
        else if (errno != EINTR)
            outcome = -errno;
    }
    (void)close(fd);
    if (outcome != 0) {
        free(bytes);
        return outcome;
    }
    bytes[length] = '\0';
    *ret = bytes;
    *ret_length = length;
    return 0;
}

/* The zone that a line of an index names, NULL for none; ends it in place. */
static char *name_in_line(char *line, bool zi)
{
    char *save = NULL;
    char *first = strtok_r(line, zi ? " " : "\t", &save);
    char *second = first != NULL ? strtok_r(NULL, zi ? " " : "\t", &save) : NULL;
    char *third = second != NULL ? strtok_r(NULL, zi ? " " : "\t", &save) : NULL;
    if (first == NULL || first[0] == '#')
        return NULL;
    if (!zi)
        return third;
    if (strcmp(first, "Z") == 0)
        return second;
    return strcmp(first, "L") == 0 ? third : NULL;
}

static size_t names_in_index(char *bytes, bool zi, const char **names)
{
    size_t count = 0;
    char *save = NULL;
    for (char *line = strtok_r(bytes, "\n", &save); line != NULL && count < INDEX_NAMES_MAX;
         line = strtok_r(NULL, "\n", &save)) {
        const char *name = name_in_line(line, zi);
        if (name != NULL)
            names[count++] = name;
    }
    return count;
}

/* "Shanghai" for Asia/Shanghai, or the nearest by letters; NULL where none is near. */
static const char *nearest(const char *name, const char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *city = strrchr(names[i], '/');
        if (strcasecmp(names[i], name) == 0 || (city != NULL && strcasecmp(city + 1, name) == 0))
            return names[i];
    }
    return text_nearest(name, names, count);
}

/* Ends the text of an unknown zone; a missing index only costs the suggestion. */
static int unknown_zone(const char *directory, const char *name, struct errtext *err)
{
    static const char *const indexes[] = {"tzdata.zi", "zone1970.tab", "zone.tab"};
    if (access(directory, R_OK | X_OK) != 0)
        return errtext_set(err, -ENOENT, "no zones in %.200s; install the package tzdata",
                           directory);
    int outcome = errtext_set(err, -ENOENT, "no such zone; write one such as Asia/Shanghai");
    const char **names = calloc(INDEX_NAMES_MAX, sizeof *names);
    if (names == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
        char path[PATH_SIZE];
        struct text t = text_over(path, sizeof path);
        text_addf(&t, "%s/%s", directory, indexes[i]);
        char *bytes = NULL;
        size_t length = 0;
        if (t.cut || read_file(path, INDEX_FILE_MAX, &bytes, &length) != 0)
            continue;
        assert(bytes != NULL);
        const char *near = nearest(name, names, names_in_index(bytes, i == 0, names));
        if (near != NULL)
            outcome = errtext_set(err, -ENOENT, "no such zone; did you mean %s?", near);
        free(bytes);
        break;
    }
    free(names);
    return outcome;
}

int zoneinfo_load(void *context, const char *name, struct zone **ret, struct errtext *err)
{
    const struct zoneinfo *zoneinfo = context;
    char path[PATH_SIZE];
    if (!zone_name_is_safe(name))
        return errtext_set(err, -EINVAL, "not the name of a zone; write one such as Asia/Shanghai");
    struct text t = text_over(path, sizeof path);
    text_addf(&t, "%s/%s", zoneinfo->directory, name);
    if (t.cut)
        return errtext_set(err, -EINVAL, "the path of the zones is too long");
    char *bytes = NULL;
    size_t length = 0;
    int outcome = read_file(path, ZONE_FILE_MAX, &bytes, &length);
    if (outcome == -ENOENT || outcome == -ENOTDIR)
        return unknown_zone(zoneinfo->directory, name, err);
    if (outcome == -EINVAL)
        return errtext_set(err, -EINVAL,
                           "not a zone but a directory or the like; write one such as "
                           "Asia/Shanghai");
    if (outcome == -ENOMEM)
        return outcome;
    if (outcome != 0)
        return errtext_set(err, -EIO, "its file cannot be read: %s", strerror(-outcome));
    assert(bytes != NULL);
    outcome = zone_parse((const uint8_t *)bytes, length, ret, err);
    free(bytes);
    return outcome;
}
