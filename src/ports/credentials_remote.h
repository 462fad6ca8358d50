/*
 * Temporary keys from a service: one round of questions and answers. Private to credentials_*.c.
 *
 *   cvm-role      GET the role's name from the metadata service, then its keys
 *   assume-role   POST AssumeRole to STS, signed with the source's keys
 *   tke-oidc      POST AssumeRoleWithWebIdentity to STS, unsigned, with the pod's token
 *
 * The struct lies in locked memory: requests and answers hold keys.
 */
#pragma once

#include "base/instant.h"
#include "base/reply.h"
#include "base/result.h"
#include "engine/model.h"
#include "engine/ports.h"
#include "ports/credentials.h"
#include "ports/credentials_source.h"

#include <stdbool.h>

/* The metadata service is near or not there; STS is anywhere. */
#define METADATA_CONNECT_US (1 * US_PER_SECOND)
#define METADATA_TIMEOUT_US (2 * US_PER_SECOND)
#define STS_CONNECT_US (5 * US_PER_SECOND)
#define STS_TIMEOUT_US (10 * US_PER_SECOND)

#define ROLE_NAME_MAX 128
#define WEB_TOKEN_MAX (8 * 1024)
#define REMOTE_URL_MAX (MODEL_URL_MAX + 64 + ROLE_NAME_MAX)
#define REMOTE_BODY_MAX (WEB_TOKEN_MAX + 2048)
#define REMOTE_STAMP_MAX 24

/* What is asked. `request` borrows from the rest. */
struct remote_question {
    struct transport_request request;
    char url[REMOTE_URL_MAX];
    char host[MODEL_URL_MAX];
    char region[64];
    char stamp[REMOTE_STAMP_MAX];
    char body[REMOTE_BODY_MAX];
    struct tc3_signature signature;
    struct tc3_header headers[TRANSPORT_HEADERS_MAX];
};

/* ---- credentials_cvm.c ---- */

/* `role` "": asks for its name. Outcomes: 0; negative with a text. */
int cvm_role_ask(const struct credentials_settings *settings, const char *role,
                 struct remote_question *ret, struct errtext *err) MUST_CHECK;
/* Outcomes: 0; SOURCE_ABSENT with a text: no role is bound; -EINVAL, -EIO, -ENOMEM with a text. */
int cvm_role_take_name(const struct exchange *exchange, char ret[ROLE_NAME_MAX + 1],
                       struct errtext *err) MUST_CHECK;
int cvm_role_take_keys(const struct exchange *exchange, struct found_keys *ret,
                       struct errtext *err) MUST_CHECK;
/* Asks whether this machine says that it is one of Tencent Cloud's. */
bool cvm_is_here(void);

/* ---- credentials_sts.c ---- */

/* Signs with `source` at the instant `stamp`. Outcomes: 0; negative with a text. */
int sts_ask_role(const struct credentials_settings *settings, const struct found_keys *source,
                 struct tc3 *tc3, struct wall stamp, struct remote_question *ret,
                 struct errtext *err) MUST_CHECK;
/*
 * Outcomes: 0; STS_CLOCK with a text: our clock is too far from the cloud's; -EINVAL, -EIO, -EACCES
 * (refused), -ENOMEM with a text.
 */
#define STS_CLOCK 2
int sts_take(const struct exchange *exchange, struct found_keys *ret,
             struct errtext *err) MUST_CHECK;

/* ---- credentials_oidc.c ---- */

/* Reads the token anew. Outcomes: 0; SOURCE_ABSENT with a text; negative with a text. */
int oidc_ask(const struct credentials_settings *settings, struct wall stamp,
             struct remote_question *ret, struct errtext *err) MUST_CHECK;
bool oidc_is_here(void);

/* ---- shared by the two askers of STS, credentials_sts.c ---- */

/* Everything but Authorization and the body, which is there already. */
int sts_frame(const char *url, const char *region, const char *action, struct wall stamp,
              struct remote_question *ret, struct errtext *err) MUST_CHECK;

/* ---- one round, credentials_remote.c ---- */

enum remote_state {
    REMOTE_IDLE,
    REMOTE_ASKED,    /* a question is on its way */
    REMOTE_ANSWERED, /* `outcome` says what came */
};

struct remote {
    struct transport api;    /* with the proxy and the certificates of the configuration */
    struct transport direct; /* without a proxy */
    struct tc3 *tc3;
    credentials_answered_fn answered;
    void *context; /* of `answered` */
    enum remote_state state;
    enum credentials_provider provider;
    uint64_t ticket;              /* of the question on its way */
    struct mono asked_at;         /* when it was sent */
    uint64_t tickets;             /* the last one given out */
    char role[ROLE_NAME_MAX + 1]; /* of the machine; "": not yet known in this round */
    int outcome;                  /* 0; SOURCE_ABSENT; STS_CLOCK; negative */
    bool has_name;                /* the answer was the role's name: its keys come next */
    int64_t date_second;          /* the answer's; -1: none */
    struct errtext why;
    struct found_keys found;
    struct remote_question question;
};

/*
 * Begins a round. `source` for assume-role alone. Outcomes: 0; SOURCE_ABSENT or negative with a
 * text: nothing was asked.
 */
int remote_begin(struct remote *remote, const struct credentials_settings *settings,
                 enum credentials_provider provider, const struct found_keys *source,
                 struct wall stamp, struct mono now, struct errtext *err) MUST_CHECK;

/* After the role's name: asks for its keys. Outcomes: as above. */
int remote_go_on(struct remote *remote, const struct credentials_settings *settings,
                 struct mono now, struct errtext *err) MUST_CHECK;

/* Takes the answer to a question; of a round that was given up it is dropped. */
void remote_file(struct remote *remote, uint64_t ticket, const struct exchange *exchange,
                 struct mono at);

/* Gives the round up, or ends one that was taken. Wipes. */
void remote_end(struct remote *remote);
