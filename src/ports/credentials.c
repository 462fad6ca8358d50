/*
 * See credentials.h. The environment is read once, at creation, since reading wipes it; files are
 * read at every credentials_read().
 */
#include "ports/credentials.h"

#include "base/text.h"
#include "ports/credentials_source.h"
#include "ports/locked_memory.h"

#include <errno.h>
#include <string.h>

struct credentials {
    struct found_keys env;
    int env_outcome;
    struct errtext env_text;
    struct found_keys found; /* while a source is read */
    struct keys keys;
    bool has_keys;
    enum credentials_provider served_by;
    char origin[SOURCE_PATH_MAX];
    struct errtext last;
};

int credentials_create(struct credentials **ret)
{
    struct credentials *c = locked_take(sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->env_outcome = credentials_env_take(&c->env, &c->env_text);
    (void)errtext_set(&c->last, 0, "no keys were read yet");
    *ret = c;
    return 0;
}

void credentials_destroy(struct credentials *c)
{
    locked_give(c, sizeof *c);
}

bool credentials_are_locked(const struct credentials *c)
{
    return locked_memory_held(sizeof *c);
}

static void use_keys(struct credentials *c, const struct found_keys *found)
{
    if (c->has_keys && strcmp(c->keys.id, found->id) == 0 && secret_equal(&c->keys.key, &found->key)
        && secret_equal(&c->keys.token, &found->token))
        return;
    memcpy(c->keys.id, found->id, sizeof c->keys.id);
    c->keys.key = found->key;
    c->keys.token = found->token;
    c->keys.generation++;
    c->has_keys = true;
}

/* Outcomes: 0 with the origin in `path`; SOURCE_ABSENT and negative with a text. */
static int read_one(struct credentials *c, enum credentials_provider provider,
                    const struct credentials_settings *settings, char *path, struct errtext *err)
{
    struct text t = text_over(path, SOURCE_PATH_MAX);
    switch (provider) {
    case CREDENTIALS_ENV:
        if (c->env_outcome != 0)
            return errtext_set(err, c->env_outcome, "%s", c->env_text.text);
        c->found = c->env;
        text_add(&t, "environment");
        return 0;
    case CREDENTIALS_FILE:
        return credentials_file_find(settings->file, settings->profile, &c->found, path, err);
    case CREDENTIALS_SYSTEMD:
        return credentials_systemd_read(settings->profile, &c->found, path, err);
    case CREDENTIALS_AUTO:
        break;
    }
    return errtext_set(err, SOURCE_ABSENT, "no keys");
}

/* What is given to this very service comes before what the host has for everyone. */
static int read_first(struct credentials *c, const struct credentials_settings *settings,
                      enum credentials_provider *ret, char *path, struct errtext *err)
{
    static const enum credentials_provider order[] = {CREDENTIALS_ENV, CREDENTIALS_SYSTEMD,
                                                      CREDENTIALS_FILE};
    struct errtext all = {"no keys"};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        struct errtext why = {""};
        found_keys_finish(&c->found);
        *ret = order[i];
        int outcome = read_one(c, order[i], settings, path, &why);
        if (outcome != SOURCE_ABSENT)
            return outcome == 0 ? 0 : errtext_set(err, outcome, "%s", why.text);
        (void)errtext_prefix(&why, 0, "%s", all.text);
        all = why;
    }
    return errtext_set(err, SOURCE_ABSENT, "%s", all.text);
}

int credentials_read(struct credentials *c, const struct credentials_settings *settings,
                     struct errtext *err)
{
    char path[SOURCE_PATH_MAX] = "";
    struct errtext why = {""};
    enum credentials_provider provider = settings->provider;
    int outcome = provider == CREDENTIALS_AUTO ? read_first(c, settings, &provider, path, &why)
                                               : read_one(c, provider, settings, path, &why);
    if (outcome == 0) {
        use_keys(c, &c->found);
        c->served_by = provider;
        memcpy(c->origin, path, sizeof c->origin);
    }
    found_keys_finish(&c->found);
    if (outcome == 0)
        return 0;
    c->last = why;
    return errtext_set(err, CREDENTIALS_UNUSABLE, "%s", why.text);
}

const char *credentials_provider_name(const struct credentials *c)
{
    static const char *const names[] = {
        [CREDENTIALS_AUTO] = "",
        [CREDENTIALS_ENV] = "env",
        [CREDENTIALS_FILE] = "file",
        [CREDENTIALS_SYSTEMD] = "systemd",
    };
    return names[c->served_by];
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
