/*
 * The inside of struct credentials, shared by its files and by nobody else.
 *
 *   credentials.c         the sources that are read at once, what serves, the keyring
 *   credentials_renew.c   when temporary keys are asked for, and from whom
 *   credentials_remote.h  one round of asking
 */
#pragma once

#include "base/arena.h"
#include "ports/credentials.h"
#include "ports/credentials_remote.h"
#include "ports/credentials_source.h"
#include "ports/http_curl.h"

#define CHAIN_MAX 2 /* services that auto asks, one after the other */

struct renewal {
    enum credentials_provider chain[CHAIN_MAX];
    unsigned chain_count; /* 0: the keys are lasting ones */
    unsigned at;          /* in the chain; it stays where one has served */
    struct errtext said;  /* by those of the chain that had none in this round */
    bool urgent;          /* asked for though they are still good: a reload, or the cloud refused */
    unsigned failures;    /* in a row */
    struct mono try_at;   /* not before */
    struct wall renew_at;
    int64_t skew_us; /* the cloud's clock is so far ahead, as a refusal told */
};

/* What credentials_prepare() has read, besides c->found. */
struct prepared {
    struct credentials_settings settings;
    struct arena texts; /* of the settings */
    enum credentials_provider provider;
    enum credentials_provider chain[CHAIN_MAX];
    unsigned count; /* of the chain; 0: the keys are there */
    char path[SOURCE_PATH_MAX];
    bool is_there;
};

struct credentials {
    struct found_keys env;
    int env_outcome;
    struct errtext env_text;
    struct found_keys found; /* while a source is read */
    struct keys keys;
    bool has_keys;
    struct wall end; /* WALL_NEVER: lasting */
    enum credentials_provider served_by;
    char origin[SOURCE_PATH_MAX];
    struct errtext last; /* why there are none, or why the renewal fails */
    struct errtext told; /* of `last`, in the news */
    struct now now;      /* of the last step */
    struct credentials_settings settings;
    struct arena texts; /* of the settings */
    bool has_settings;
    struct prepared prepared;
    bool refused; /* the cloud did not take the keys */
    struct mono look_at;
    struct renewal renewal;
    struct remote remote;
    struct uv_loop_s *loop;
    struct http_curl *direct; /* NULL: not yet needed */
    bool closed;
};

/* ---- credentials.c ---- */

/*
 * Reads a source that needs no service into c->found, AUTO: the first that is there.
 * Outcomes: 0, *ret_provider and `path` (SOURCE_PATH_MAX bytes) tell which; SOURCE_ABSENT;
 * negative; each with a text.
 */
int credentials_read_local(struct credentials *c, enum credentials_provider provider,
                           const struct credentials_settings *settings,
                           enum credentials_provider *ret_provider, char *path,
                           struct errtext *err) MUST_CHECK;

/* Takes keys over. True where they are other ones than before. */
bool credentials_use(struct credentials *c, const struct found_keys *found, struct wall end);
void credentials_drop(struct credentials *c);

/* ---- credentials_renew.c ---- */

/* Asks whether a service could have keys where no other source has. */
unsigned renewal_chain(const struct credentials_settings *settings,
                       enum credentials_provider ret[CHAIN_MAX]);
enum credentials_news renewal_step(struct credentials *c);
void renewal_next_wake(const struct credentials *c, struct wall *ret_wall, struct mono *ret_mono);
