/*
 * SHA-256 and HMAC-SHA-256: the only file that sees OpenSSL on this floor.
 *
 * A struct digest holds fetched algorithms and contexts kept ready, since OpenSSL 3 looks an
 * algorithm up at each one-shot call. One struct digest serves one thread.
 */
#pragma once

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 32
#define DIGEST_HEX_SIZE (2 * DIGEST_SIZE + 1)

struct digest;
struct digest_key;

/*
 * From here on OpenSSL wipes what it frees: keys, and what came over TLS. For the whole process,
 * before anything else of OpenSSL's. False: it is too late, nothing has changed.
 */
bool digest_wipe_what_is_freed(void) MUST_CHECK;

/* Outcomes: 0, *ret owned by the caller; -ENOMEM; -ENOTSUP where the library has no SHA-256. */
int digest_create(struct digest **ret, struct errtext *err) MUST_CHECK;
void digest_destroy(struct digest *digest);

/* Outcomes: 0; -EIO where the library fails. */
int digest_sha256(struct digest *digest, const void *bytes, size_t length,
                  uint8_t ret_hash[DIGEST_SIZE]) MUST_CHECK;
int digest_hmac(struct digest *digest, const void *key, size_t key_length, const void *bytes,
                size_t length, uint8_t ret_mac[DIGEST_SIZE]) MUST_CHECK;

/* A context that stays keyed: re-initialised for each message without hashing the key again. */
int digest_key_create(struct digest *digest, const void *key, size_t key_length,
                      struct digest_key **ret) MUST_CHECK;
void digest_key_destroy(struct digest_key *key);
int digest_key_hmac(struct digest_key *key, const void *bytes, size_t length,
                    uint8_t ret_mac[DIGEST_SIZE]) MUST_CHECK;

/* Lower-case hexadecimal with a NUL. Returns `ret`. */
const char *digest_hex(const uint8_t hash[DIGEST_SIZE], char ret[DIGEST_HEX_SIZE]);
