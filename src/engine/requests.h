/*
 * The requests of the API: token taken -> stamp -> sign -> an opaque request for the transport.
 *
 * One struct requests serves one engine; it owns the buffers that a built request points into.
 */
#pragma once

#include "base/result.h"
#include "engine/model.h"
#include "engine/ports.h"

struct requests;

#define REQUESTS_BODY_MAX (8 * 1024) /* a remark of MODEL_REMARK_MAX bytes, all escaped, fits */
#define REQUESTS_API_VERSION "2018-04-12"
#define REQUESTS_SERVICE "redis"

/* Outcomes: 0, *ret owned by the caller; -ENOMEM; -ENOTSUP. */
int requests_create(struct requests **ret, struct errtext *err) MUST_CHECK;
void requests_destroy(struct requests *requests);

/*
 * ManualBackupInstance for `instance`, its remark behind the tag ("" for none), stamped with
 * `stamp` (the cloud's clock, as well as it is known). `ret` is filled but for its ticket, and
 * borrows until the next call.
 *
 * Outcomes: 0; negative with a text where it cannot be built or signed.
 */
int requests_backup(struct requests *requests, const struct config *config, const char *url,
                    const char *host, const struct instance *instance, const char *tag,
                    const struct keys *keys, struct wall stamp, struct transport_request *ret,
                    struct errtext *err) MUST_CHECK;

/* An action that only reads, with a body of less than REQUESTS_BODY_MAX bytes. As above. */
int requests_query(struct requests *requests, const struct config *config, const char *url,
                   const char *host, const char *action, const char *region, const char *body,
                   const struct keys *keys, struct wall stamp, struct transport_request *ret,
                   struct errtext *err) MUST_CHECK;
