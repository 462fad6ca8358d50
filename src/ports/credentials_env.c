/*
 * Keys of the environment, by the names that the official tools use. The variables' bytes are
 * overwritten in place, duplicates too: what the kernel shows of the process is that memory.
 */
#include "ports/credentials_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char id_name[] = "TENCENTCLOUD_SECRET_ID";
static const char key_name[] = "TENCENTCLOUD_SECRET_KEY";
static const char *const token_names[] = {
    "TENCENTCLOUD_TOKEN",
    "TENCENTCLOUD_SESSION_TOKEN",
    "TENCENTCLOUD_SECURITY_TOKEN",
};
#define TOKEN_NAMES (sizeof token_names / sizeof token_names[0])

/* Overwrites the values of all variables of this name. */
static void wipe_variable(const char *name)
{
    size_t length = strlen(name);
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            secret_wipe(*entry + length + 1, strlen(*entry + length + 1));
}

/* The value, NULL where it is not set or empty. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static int take_token(struct found_keys *keys, struct errtext *err)
{
    const char *first = NULL;
    const char *first_name = NULL;
    for (size_t i = 0; i < TOKEN_NAMES; i++) {
        const char *value = variable(token_names[i]);
        if (value == NULL)
            continue;
        if (first != NULL && strcmp(first, value) != 0)
            return errtext_set(err, -EINVAL, "%s and %s differ; set one of them", first_name,
                               token_names[i]);
        if (first == NULL) {
            first = value;
            first_name = token_names[i];
        }
    }
    if (first == NULL)
        return 0;
    return found_keys_set(keys, PART_TOKEN, first_name, first, strlen(first), err);
}

static int take(struct found_keys *keys, struct errtext *err)
{
    const char *id = variable(id_name);
    const char *key = variable(key_name);
    if (id == NULL && key == NULL)
        return errtext_set(err, SOURCE_ABSENT, "%s and %s are not set", id_name, key_name);
    if (id == NULL || key == NULL)
        return errtext_set(err, -EINVAL, "%s is set but %s is not; set both",
                           id != NULL ? id_name : key_name, id != NULL ? key_name : id_name);
    int outcome = found_keys_set(keys, PART_ID, id_name, id, strlen(id), err);
    if (outcome == 0)
        outcome = found_keys_set(keys, PART_KEY, key_name, key, strlen(key), err);
    return outcome != 0 ? outcome : take_token(keys, err);
}

int credentials_env_take(struct found_keys *ret, struct errtext *err)
{
    int outcome = take(ret, err);
    wipe_variable(id_name);
    wipe_variable(key_name);
    for (size_t i = 0; i < TOKEN_NAMES; i++)
        wipe_variable(token_names[i]);
    return outcome;
}
