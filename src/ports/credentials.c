/*
 * See credentials.h. The environment is read once, at creation, since reading wipes it; files are
 * read at every credentials_read().
 */
#include "ports/credentials.h"

#include "base/text.h"
#include "ports/credentials_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 4096

struct credentials {
    struct found_keys env;
    int env_outcome;
    struct errtext env_text;
    struct keys keys;
    bool has_keys;
    char origin[PATH_SIZE];
    struct errtext last;
};

int credentials_create(struct credentials **ret)
{
    struct credentials *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->env_outcome = credentials_env_take(&c->env, &c->env_text);
    (void)errtext_set(&c->last, 0, "no keys were read yet");
    *ret = c;
    return 0;
}

void credentials_destroy(struct credentials *c)
{
    if (c == NULL)
        return;
    secret_wipe(c, sizeof *c);
    free(c);
}

/* $HOME/.tencentcloud/credentials; false without a home. */
static bool home_file(char path[PATH_SIZE])
{
    const char *home = getenv("HOME");
    if (home == NULL || home[0] == '\0')
        return false;
    struct text t = text_over(path, PATH_SIZE);
    text_addf(&t, "%s/.tencentcloud/credentials", home);
    return !t.cut;
}

/* Reads the file that is named, or else the first of the usual ones. `path` tells which. */
static int read_file(const char *file, const char *profile, struct found_keys *keys,
                     char path[PATH_SIZE], struct errtext *err)
{
    const char *named = file != NULL ? file : getenv("TENCENTCLOUD_CREDENTIALS_FILE");
    struct text t = text_over(path, PATH_SIZE);
    if (named != NULL && named[0] != '\0') {
        text_add(&t, named);
        return t.cut ? errtext_set(err, -ENAMETOOLONG, "the path of the credentials is too long")
                     : credentials_file_read(path, profile, keys, err);
    }
    int outcome = SOURCE_ABSENT;
    if (home_file(path))
        outcome = credentials_file_read(path, profile, keys, err);
    if (outcome != SOURCE_ABSENT)
        return outcome;
    t = text_over(path, PATH_SIZE);
    text_add(&t, "/etc/tencentcloud/credentials");
    outcome = credentials_file_read(path, profile, keys, err);
    if (outcome != SOURCE_ABSENT)
        return outcome;
    return errtext_set(err, outcome,
                       "none of $TENCENTCLOUD_CREDENTIALS_FILE, ~/.tencentcloud/credentials and "
                       "/etc/tencentcloud/credentials is there");
}

static void use_keys(struct credentials *c, const struct found_keys *found, const char *origin)
{
    struct text t = text_over(c->origin, sizeof c->origin);
    text_add(&t, origin);
    if (c->has_keys && strcmp(c->keys.id, found->id) == 0 && secret_equal(&c->keys.key, &found->key)
        && secret_equal(&c->keys.token, &found->token))
        return;
    memcpy(c->keys.id, found->id, sizeof c->keys.id);
    c->keys.key = found->key;
    c->keys.token = found->token;
    c->keys.generation++;
    c->has_keys = true;
}

static int read_into(struct credentials *c, enum credentials_provider provider, const char *file,
                     const char *profile, struct found_keys *found, struct errtext *err)
{
    bool env = provider == CREDENTIALS_ENV
               || (provider == CREDENTIALS_AUTO && c->env_outcome != SOURCE_ABSENT);
    if (env && c->env_outcome != 0)
        return errtext_set(err, c->env_outcome, "%s", c->env_text.text);
    if (env) {
        use_keys(c, &c->env, "environment");
        return 0;
    }
    char path[PATH_SIZE];
    int outcome = read_file(file, profile, found, path, err);
    if (outcome == 0)
        use_keys(c, found, path);
    else if (outcome == SOURCE_ABSENT && provider == CREDENTIALS_AUTO)
        return errtext_prefix(err, outcome, "no keys: %s", c->env_text.text);
    return outcome;
}

int credentials_read(struct credentials *c, enum credentials_provider provider, const char *file,
                     const char *profile, struct errtext *err)
{
    struct found_keys *found = calloc(1, sizeof *found);
    if (found == NULL)
        return errtext_set(err, CREDENTIALS_UNUSABLE, "no memory for the keys");
    struct errtext why = {""};
    int outcome = read_into(c, provider, file, profile, found, &why);
    found_keys_finish(found);
    free(found);
    if (outcome == 0)
        return 0;
    c->last = why;
    return errtext_set(err, CREDENTIALS_UNUSABLE, "%s", why.text);
}

const char *credentials_origin(const struct credentials *c)
{
    return c->origin;
}

static int keyring_get(void *context, const struct keys **ret, struct errtext *err)
{
    const struct credentials *c = context;
    if (!c->has_keys)
        return errtext_set(err, -ENOENT, "%s", c->last.text);
    *ret = &c->keys;
    return 0;
}

struct keyring credentials_keyring(struct credentials *c)
{
    return (struct keyring){.context = c, .get = keyring_get};
}
