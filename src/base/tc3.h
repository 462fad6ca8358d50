/*
 * TC3-HMAC-SHA256, the signature of Tencent Cloud API 3.0 (canonical request,
 * string to sign, derived key).
 *
 * A struct tc3 keeps the derived key k3 of the last key, UTC date and service, so that a request
 * costs its own digests only. It never keeps the key itself: a number names it. One struct tc3
 * serves one thread. It reads no clock: the stamp is an argument.
 */
#pragma once

#include "base/digest.h"
#include "base/result.h"
#include "base/secret.h"

#include <stddef.h>
#include <stdint.h>

#define TC3_AUTHORIZATION_MAX 1024
#define TC3_STRING_TO_SIGN_MAX 256
#define TC3_SECRET_ID_MAX 128
#define TC3_SERVICE_MAX 32
#define TC3_HEADERS_MAX 16            /* signed headers of one request */
#define TC3_CANONICAL_MAX (16 * 1024) /* canonical request without the body; longer is refused */

struct tc3;

struct tc3_header {
    const char *name;  /* any case */
    const char *value; /* as on the wire; trimmed and lower-cased for signing only */
};

struct tc3_request {
    const char *method;               /* "POST" or "GET" */
    const char *query;                /* "" for POST */
    const char *service;              /* "redis", "sts": the product, never taken from the host */
    int64_t timestamp;                /* X-TC-Timestamp, seconds since 1970; 0 to WALL_MAX_SECOND */
    const struct tc3_header *headers; /* those to sign, any order; content-type and host required */
    size_t header_count;
    const void *body;
    size_t body_length;
    uint64_t key_generation; /* names the key: the same number, the same key; 0: derive anew */
};

struct tc3_signature {
    char canonical_hash[DIGEST_HEX_SIZE];
    char string_to_sign[TC3_STRING_TO_SIGN_MAX];
    char signature[DIGEST_HEX_SIZE];
    char authorization[TC3_AUTHORIZATION_MAX];
};

/* Outcomes: 0, *ret owned by the caller; -ENOMEM; -ENOTSUP. */
int tc3_create(struct tc3 **ret, struct errtext *err) MUST_CHECK;
void tc3_destroy(struct tc3 *tc3);

/*
 * Signs. `secret_id` is at most TC3_SECRET_ID_MAX visible ASCII characters without ',' and '/'.
 * `secret_key` is only read. No text or output ever holds the key.
 *
 * Header names are letters, digits, '-' and '_'; values are printable ASCII on one line,
 * blanks and tabs around them ignored. A query (GET only) is visible ASCII, already encoded.
 *
 * Outcomes: 0; -EINVAL with a text (a header missing, doubled or with a control or non-ASCII
 * character, a bad method, query, service, id, timestamp or an empty key); -E2BIG; -EIO; -ENOMEM.
 */
int tc3_sign(struct tc3 *tc3, const struct tc3_request *request, const char *secret_id,
             const struct secret *secret_key, struct tc3_signature *ret,
             struct errtext *err) MUST_CHECK;

/* k1, k2, k3 of the vectors, for tests. */
int tc3_derive(struct digest *digest, const struct secret *secret_key, const char *date,
               const char *service, uint8_t ret_keys[3][DIGEST_SIZE]) MUST_CHECK;
