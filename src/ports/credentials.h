/*
 * The keys, wherever they are from; the keyring of engine/ports.h. One file a source:
 *
 *   env          TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY; a token by any of its three names
 *                (TENCENTCLOUD_TOKEN, TENCENTCLOUD_SESSION_TOKEN, TENCENTCLOUD_SECURITY_TOKEN)
 *   file         the named file, else $TENCENTCLOUD_CREDENTIALS_FILE, else the first that exists of
 *                ~/.tencentcloud/credentials, /etc/tencentcloud/credentials (INI) and
 *                ~/.tccli/PROFILE.credential (JSON)
 *   systemd      $CREDENTIALS_DIRECTORY: secret-id, secret-key and token, or an INI file
 *                of the name "credentials"
 *   cvm-role     the role of the machine, from the metadata service
 *   assume-role  a role by STS, asked for with the keys of another source
 *   tke-oidc     a role by STS for a pod, asked for with the cluster's token
 *   auto         env, systemd, file, cvm-role, tke-oidc: the first that is there. What is there and
 *                not fit for use is an error and not passed over, and so is a named file that is
 *                not there. cvm-role takes part where the machine says that it is Tencent Cloud's
 *                or metadata_url is set, tke-oidc where the cluster's variables are.
 *
 * The last three kinds are temporary. They are asked for on the loop, by credentials_step(), and
 * asked for anew when CREDENTIALS_MARGIN or a tenth of their life is left; while that fails the old
 * ones go on to their end.
 *
 *   NONE --asked--> VALID --margin--> RENEWING --answer--> VALID
 *    ^ '--no--'       ^                  | '--no, the back-off--'
 *    '----------------+------ ended -----'
 *
 * Keys lie in locked, wiped memory. No text ever holds a key or a token. What reads, asks for or
 * signs with them leaves no copy elsewhere: base/secret.h has the means, tests/crash looks.
 */
#pragma once

#include "base/instant.h"
#include "base/reply.h"
#include "base/result.h"
#include "engine/model.h"
#include "engine/ports.h"

#include <stdbool.h>

struct credentials;
struct uv_loop_s;

#define CREDENTIALS_MARGIN_US (300 * US_PER_SECOND) /* left when new ones are asked for */
#define CREDENTIALS_LAST_US US_PER_SECOND           /* nothing is signed any more */
#define CREDENTIALS_TRY_FIRST_NS NS_PER_SECOND      /* between tries, doubled each time up to: */
#define CREDENTIALS_TRY_MOST_NS (60 * NS_PER_SECOND)
#define CREDENTIALS_LOOK_NS (5 * NS_PER_SECOND) /* the cloud's refusals lead to a look so often */

/*
 * Takes the keys out of the environment and wipes them there, so that neither /proc/PID/environ nor
 * a child shows them. Once, before the first thread. Wipes whatever the configuration says later.
 * Outcomes: 0, *ret owned by the caller; -ENOMEM.
 */
int credentials_create(struct credentials **ret) MUST_CHECK;
void credentials_destroy(struct credentials *credentials); /* wipes; after the loop has ended */

/*
 * A question of `provider` to its service ended, for who counts them: by the service's own code
 * where it gave one, Client.BadReply for an answer of status 200 without usable keys. `took_ns` is
 * since it was sent, negative where no answer came. One that was given up is not told of.
 */
typedef void (*credentials_answered_fn)(void *context, enum credentials_provider provider,
                                        const struct verdict *verdict, int64_t took_ns);

/*
 * Makes room for questions: `api` is the transport with the configuration's proxy and certificates.
 * Its outcomes for tickets with the bit CREDENTIALS_TICKET go to credentials_file_outcome().
 * The metadata service is asked by a transport of its own, which has no proxy.
 * Outcomes: 0; negative with a text.
 */
#define CREDENTIALS_TICKET (UINT64_C(1) << 63)
int credentials_open(struct credentials *credentials, struct uv_loop_s *loop,
                     const struct transport *api, credentials_answered_fn answered, void *context,
                     struct errtext *err) MUST_CHECK;
void credentials_file_outcome(struct credentials *credentials, uint64_t ticket,
                              const struct exchange *exchange, struct mono at);
/* Ends its handles of the loop; from here on nothing is asked. Harmless without open, or twice. */
void credentials_close(struct credentials *credentials);

/*
 * Reads the keys anew: what the environment had at credentials_create(), or the file as it is now.
 * Temporary ones are asked for by the next steps; those of the same settings serve until then.
 * The settings are copied. On failure the old keys and settings stay.
 * Outcomes: 0; CREDENTIALS_UNUSABLE with a text: none found, or not fit for use.
 */
#define CREDENTIALS_UNUSABLE 1
int credentials_read(struct credentials *credentials, const struct credentials_settings *settings,
                     struct errtext *err) MUST_CHECK;

/*
 * The same in two steps, for a reload that others may refuse: prepare() changes nothing that
 * serves, commit() cannot fail, forget() takes prepare() back (harmless without one). No step of
 * credentials_step() may come in between.
 */
int credentials_prepare(struct credentials *credentials,
                        const struct credentials_settings *settings,
                        struct errtext *err) MUST_CHECK;
void credentials_commit(struct credentials *credentials);
void credentials_forget(struct credentials *credentials);

/* What a step brought. */
enum credentials_news {
    CREDENTIALS_NO_NEWS,
    CREDENTIALS_REFRESHED, /* other keys serve */
    CREDENTIALS_FAILED,    /* for a reason that was not told yet: credentials_text() */
};

/* Once a turn, before the engine's step: does what is due. Never waits. */
enum credentials_news credentials_step(struct credentials *credentials, struct now now);

/* When the next step is due at the latest. */
void credentials_next_wake(const struct credentials *credentials, struct wall *ret_wall,
                           struct mono *ret_mono);

/* Which source serves or is asked ("env", "file", ...), its own name for people; "" for none. */
const char *credentials_provider_name(const struct credentials *credentials);
const char *credentials_origin(const struct credentials *credentials);
const char *credentials_text(const struct credentials *credentials);
/* Asks whether there are keys, of whatever age; when they end: WALL_NEVER for lasting ones. */
bool credentials_are_there(const struct credentials *credentials);
struct wall credentials_end(const struct credentials *credentials);

/* False where the system's limits let no memory be locked: keys could be swapped out. */
bool credentials_are_locked(const struct credentials *credentials);

/* Borrows `credentials`. Its get() fails while there are no keys, or only ended ones. */
struct keyring credentials_keyring(struct credentials *credentials);
