/*
 * Keys that systemd hands to this very service (LoadCredential=, LoadCredentialEncrypted=,
 * SetCredential=): in $CREDENTIALS_DIRECTORY either secret-id, secret-key and perhaps token, each a
 * value alone, or one INI file named credentials. They change with a restart of the unit.
 */
#include "base/text.h"
#include "ports/credentials_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int name_path(const char *name, char *ret, struct errtext *err)
{
    struct text t = text_over(ret, SOURCE_PATH_MAX);
    text_addf(&t, "%s/%s", getenv("CREDENTIALS_DIRECTORY"), name);
    return t.cut ? errtext_set(err, -ENAMETOOLONG, "$CREDENTIALS_DIRECTORY is too long") : 0;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A file that is one value, blanks and line feeds around it left out. */
static int read_part(const char *name, enum key_part part, struct found_keys *keys, char *path,
                     struct errtext *err)
{
    char *bytes = NULL;
    size_t length = 0;
    int outcome = name_path(name, path, err);
    if (outcome == 0)
        outcome = key_file_read(path, KEY_FILE_SYSTEMD, &bytes, &length, err);
    if (outcome != 0)
        return outcome;
    const char *start = bytes;
    const char *end = bytes + length;
    while (start < end && is_blank(*start))
        start++;
    while (start < end && is_blank(end[-1]))
        end--;
    outcome = found_keys_set(keys, part, name, start, (size_t)(end - start), err);
    key_file_release(bytes);
    return outcome == 0 ? 0 : errtext_prefix(err, outcome, "%.200s", path);
}

static int read_ini(const char *profile, struct found_keys *keys, char *path, struct errtext *err)
{
    char *bytes = NULL;
    size_t length = 0;
    int outcome = name_path("credentials", path, err);
    if (outcome == 0)
        outcome = key_file_read(path, KEY_FILE_SYSTEMD, &bytes, &length, err);
    if (outcome != 0)
        return outcome;
    outcome = credentials_file_parse(bytes, length, path, profile, keys, err);
    key_file_release(bytes);
    return outcome;
}

int credentials_systemd_read(const char *profile, struct found_keys *ret, char *ret_path,
                             struct errtext *err)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    ret_path[0] = '\0';
    if (directory == NULL || directory[0] == '\0')
        return errtext_set(err, SOURCE_ABSENT,
                           "CREDENTIALS_DIRECTORY is not set; write LoadCredential= into the unit");
    int token = read_part("token", PART_TOKEN, ret, ret_path, err);
    if (token < 0)
        return token;
    int key = read_part("secret-key", PART_KEY, ret, ret_path, err);
    if (key < 0)
        return key;
    int id = read_part("secret-id", PART_ID, ret, ret_path, err);
    if (id < 0 || (id == 0 && key == 0))
        return id;
    if (id != key || token == 0)
        return errtext_set(err, -EINVAL, "%.200s has no %s; load secret-id and secret-key both",
                           directory, id != 0 ? "secret-id" : "secret-key");
    int outcome = read_ini(profile, ret, ret_path, err);
    if (outcome != SOURCE_ABSENT)
        return outcome;
    return errtext_set(err, SOURCE_ABSENT,
                       "%.200s holds neither secret-id and secret-key nor credentials", directory);
}
