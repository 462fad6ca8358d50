/*
 * See credentials.h. The environment is read once, at creation, since reading wipes it; files are
 * read at every credentials_read(), and when the cloud has refused what they gave.
 */
#include "ports/credentials_inside.h"

#include "base/text.h"
#include "ports/locked_memory.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int credentials_create(struct credentials **ret)
{
    struct credentials *c = locked_take(sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->env_outcome = credentials_env_take(&c->env, &c->env_text);
    secret_wipe_stack();
    c->end = WALL_NEVER;
    (void)errtext_set(&c->last, 0, "no keys were read yet");
    *ret = c;
    return 0;
}

void credentials_destroy(struct credentials *c)
{
    if (c == NULL)
        return;
    http_curl_destroy(c->direct);
    tc3_destroy(c->remote.tc3);
    arena_finish(&c->texts);
    arena_finish(&c->prepared.texts);
    locked_give(c, sizeof *c);
}

bool credentials_are_locked(const struct credentials *c)
{
    return locked_memory_held(sizeof *c);
}

/* ---- what serves ---- */

bool credentials_use(struct credentials *c, const struct found_keys *found, struct wall end)
{
    c->end = end;
    c->last.text[0] = '\0';
    if (c->has_keys && strcmp(c->keys.id, found->id) == 0 && secret_equal(&c->keys.key, &found->key)
        && secret_equal(&c->keys.token, &found->token))
        return false;
    memcpy(c->keys.id, found->id, sizeof c->keys.id);
    c->keys.key = found->key;
    c->keys.token = found->token;
    c->keys.generation++;
    c->has_keys = true;
    secret_wipe_stack();
    return true;
}

void credentials_drop(struct credentials *c)
{
    secret_finish(&c->keys.key);
    secret_finish(&c->keys.token);
    c->has_keys = false;
    c->end = WALL_NEVER;
    c->origin[0] = '\0';
    (void)errtext_set(&c->last, 0, "keys were asked for and have not come yet");
}

/* ---- sources that are read at once ---- */

/* Outcomes: 0 with the origin in `path`; SOURCE_ABSENT and negative with a text. */
static int read_source(struct credentials *c, enum credentials_provider provider,
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
    case CREDENTIALS_CVM_ROLE:
    case CREDENTIALS_ASSUME_ROLE:
    case CREDENTIALS_TKE_OIDC:
        break;
    }
    return errtext_set(err, SOURCE_ABSENT, "no keys");
}

static int read_one(struct credentials *c, enum credentials_provider provider,
                    const struct credentials_settings *settings, char *path, struct errtext *err)
{
    int outcome = read_source(c, provider, settings, path, err);
    secret_wipe_stack();
    return outcome;
}

/* What is given to this very service comes before what the host has for everyone. */
int credentials_read_local(struct credentials *c, enum credentials_provider provider,
                           const struct credentials_settings *settings,
                           enum credentials_provider *ret_provider, char *path, struct errtext *err)
{
    static const enum credentials_provider order[] = {CREDENTIALS_ENV, CREDENTIALS_SYSTEMD,
                                                      CREDENTIALS_FILE};
    *ret_provider = provider;
    if (provider != CREDENTIALS_AUTO)
        return read_one(c, provider, settings, path, err);
    struct errtext all = {"no keys"};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        struct errtext why = {""};
        found_keys_finish(&c->found);
        *ret_provider = order[i];
        int outcome = read_one(c, order[i], settings, path, &why);
        if (outcome != SOURCE_ABSENT)
            return outcome == 0 ? 0 : errtext_set(err, outcome, "%s", why.text);
        (void)errtext_prefix(&why, 0, "%s", all.text);
        all = why;
    }
    return errtext_set(err, SOURCE_ABSENT, "%s", all.text);
}

/* ---- settings ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_settings(const struct credentials_settings *a,
                          const struct credentials_settings *b)
{
    return a->provider == b->provider && a->source == b->source && a->duration_us == b->duration_us
           && same_text(a->file, b->file) && same_text(a->profile, b->profile)
           && same_text(a->role_arn, b->role_arn)
           && same_text(a->role_session_name, b->role_session_name)
           && same_text(a->sts_url, b->sts_url) && same_text(a->sts_region, b->sts_region)
           && same_text(a->metadata_url, b->metadata_url);
}

static bool copy_text(struct arena *arena, const char **text)
{
    if (*text != NULL)
        *text = arena_copy(arena, *text, strlen(*text));
    return *text != NULL;
}

/* The copy outlives the configuration. Outcomes: 0; -ENOMEM. */
static int copy_settings(struct prepared *prepared, const struct credentials_settings *settings)
{
    struct credentials_settings copy = *settings;
    struct arena texts = {NULL};
    const char **all[] = {
        &copy.file,    &copy.profile,    &copy.role_arn,    &copy.role_session_name,
        &copy.sts_url, &copy.sts_region, &copy.metadata_url};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (*all[i] != NULL && !copy_text(&texts, all[i])) {
            arena_finish(&texts);
            return -ENOMEM;
        }
    }
    prepared->texts = texts;
    prepared->settings = copy;
    return 0;
}

/* ---- reading anew ---- */

/* From now on a service is asked; what it gave under the same settings serves until then. */
static void begin_asking(struct credentials *c, const enum credentials_provider *chain,
                         unsigned count, bool same)
{
    struct renewal *renewal = &c->renewal;
    bool keep = same && renewal->chain_count > 0;
    remote_end(&c->remote);
    if (!keep) {
        credentials_drop(c);
        *renewal = (struct renewal){.skew_us = renewal->skew_us};
        c->served_by = chain[0];
    }
    memcpy(renewal->chain, chain, count * sizeof chain[0]);
    renewal->at = renewal->at < count ? renewal->at : 0;
    renewal->chain_count = count;
    renewal->urgent = true;
    renewal->try_at = c->now.mono;
    c->refused = false;
}

static void serve_local(struct credentials *c, enum credentials_provider provider, const char *path)
{
    remote_end(&c->remote);
    c->renewal.chain_count = 0;
    c->refused = false;
    c->served_by = provider;
    memcpy(c->origin, path, sizeof c->origin);
    (void)credentials_use(c, &c->found, WALL_NEVER);
}

static bool is_asked(enum credentials_provider provider)
{
    return provider == CREDENTIALS_CVM_ROLE || provider == CREDENTIALS_ASSUME_ROLE
           || provider == CREDENTIALS_TKE_OIDC;
}

int credentials_prepare(struct credentials *c, const struct credentials_settings *settings,
                        struct errtext *err)
{
    struct errtext why = {""};
    credentials_forget(c);
    struct prepared *p = &c->prepared;
    p->provider = p->chain[0] = settings->provider;
    p->count = is_asked(settings->provider) ? 1 : 0;
    int outcome = 0;
    if (settings->provider == CREDENTIALS_ASSUME_ROLE) /* whose keys ask: a fault is told at once */
        outcome =
            credentials_read_local(c, settings->source, settings, &p->provider, p->path, &why);
    else if (p->count == 0)
        outcome =
            credentials_read_local(c, settings->provider, settings, &p->provider, p->path, &why);
    if (outcome == SOURCE_ABSENT && settings->provider == CREDENTIALS_AUTO) {
        p->count = renewal_chain(settings, p->chain);
        outcome = p->count > 0 ? 0 : outcome;
    }
    if (outcome == 0)
        outcome = copy_settings(p, settings);
    if (outcome == 0) {
        p->is_there = true;
        return 0;
    }
    credentials_forget(c);
    if (outcome == -ENOMEM && why.text[0] == '\0')
        (void)errtext_set(&why, 0, "no memory for the keys");
    if (!c->has_keys)
        c->last = why;
    return errtext_set(err, CREDENTIALS_UNUSABLE, "%s", why.text);
}

void credentials_commit(struct credentials *c)
{
    struct prepared *p = &c->prepared;
    assert(p->is_there);
    bool same = c->has_settings && same_settings(&c->settings, &p->settings);
    struct arena old = c->texts;
    c->settings = p->settings;
    c->texts = p->texts;
    c->has_settings = true;
    p->texts = old;
    if (p->count > 0)
        begin_asking(c, p->chain, p->count, same);
    else
        serve_local(c, p->provider, p->path);
    credentials_forget(c);
}

void credentials_forget(struct credentials *c)
{
    found_keys_finish(&c->found);
    arena_finish(&c->prepared.texts);
    c->prepared = (struct prepared){.is_there = false};
}

int credentials_read(struct credentials *c, const struct credentials_settings *settings,
                     struct errtext *err)
{
    int outcome = credentials_prepare(c, settings, err);
    if (outcome == 0)
        credentials_commit(c);
    return outcome;
}

/* The cloud refused what a file or systemd gave: it may have been replaced. */
static enum credentials_news look_again(struct credentials *c)
{
    char path[SOURCE_PATH_MAX] = "";
    struct errtext why = {""};
    enum credentials_provider provider = c->served_by;
    c->refused = false;
    c->look_at = mono_add_ns(c->now.mono, CREDENTIALS_LOOK_NS);
    int outcome = credentials_read_local(c, provider, &c->settings, &provider, path, &why);
    enum credentials_news news = CREDENTIALS_NO_NEWS;
    if (outcome == 0) {
        memcpy(c->origin, path, sizeof c->origin);
        c->told.text[0] = '\0';
        news =
            credentials_use(c, &c->found, WALL_NEVER) ? CREDENTIALS_REFRESHED : CREDENTIALS_NO_NEWS;
    } else if (strcmp(c->told.text, why.text) != 0) {
        c->last = why;
        c->told = why;
        news = CREDENTIALS_FAILED;
    }
    found_keys_finish(&c->found);
    return news;
}

enum credentials_news credentials_step(struct credentials *c, struct now now)
{
    c->now = now;
    if (c->closed || !c->has_settings)
        return CREDENTIALS_NO_NEWS;
    if (c->renewal.chain_count > 0)
        return renewal_step(c);
    if (c->refused && !mono_before(now.mono, c->look_at))
        return look_again(c);
    return CREDENTIALS_NO_NEWS;
}

void credentials_next_wake(const struct credentials *c, struct wall *ret_wall,
                           struct mono *ret_mono)
{
    *ret_wall = WALL_NEVER;
    *ret_mono = MONO_NEVER;
    if (c->closed || !c->has_settings)
        return;
    if (c->renewal.chain_count > 0)
        renewal_next_wake(c, ret_wall, ret_mono);
    else if (c->refused)
        *ret_mono = c->look_at;
}

/* ---- for people, for the engine ---- */

const char *credentials_provider_name(const struct credentials *c)
{
    static const char *const names[] = {
        [CREDENTIALS_AUTO] = "",
        [CREDENTIALS_ENV] = "env",
        [CREDENTIALS_FILE] = "file",
        [CREDENTIALS_SYSTEMD] = "systemd",
        [CREDENTIALS_CVM_ROLE] = "cvm-role",
        [CREDENTIALS_ASSUME_ROLE] = "assume-role",
        [CREDENTIALS_TKE_OIDC] = "tke-oidc",
    };
    return names[c->served_by];
}

const char *credentials_origin(const struct credentials *c)
{
    return c->origin;
}

const char *credentials_text(const struct credentials *c)
{
    return c->last.text;
}

bool credentials_are_there(const struct credentials *c)
{
    return c->has_keys;
}

struct wall credentials_end(const struct credentials *c)
{
    return c->end;
}

static int keyring_get(void *context, const struct keys **ret, struct errtext *err)
{
    const struct credentials *c = context;
    if (!c->has_keys)
        return errtext_set(err, -ENOENT, "%s", c->last.text);
    if (!wall_before(wall_add_us(c->now.wall, CREDENTIALS_LAST_US), c->end))
        return errtext_set(err, -ENOENT, "the keys have ended%s%s",
                           c->last.text[0] != '\0' ? ": " : "", c->last.text);
    *ret = &c->keys;
    return 0;
}

static bool keyring_refused(void *context, uint64_t generation)
{
    struct credentials *c = context;
    bool again = c->renewal.chain_count > 0 || c->served_by == CREDENTIALS_FILE
                 || c->served_by == CREDENTIALS_SYSTEMD;
    if (c->has_keys && generation == c->keys.generation && again)
        c->refused = true;
    return again;
}

struct keyring credentials_keyring(struct credentials *c)
{
    return (struct keyring){.context = c, .get = keyring_get, .refused = keyring_refused};
}
