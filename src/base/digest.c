/*
 * See digest.h. The only file of this floor that sees OpenSSL.
 *
 * Happy path: the algorithms are fetched once, in digest_create. A hash re-initialises one context
 * for each message. A digest_key is an EVP_MAC context that was given its key once; initialising
 * it with no key starts the next message from the stored inner and outer state, without a fetch
 * and without hashing the key.
 *
 * Failure paths: OpenSSL's own error queue is cleared and every failure is -EIO (or -ENOMEM where
 * a context cannot be made); its texts add nothing that a person could act on. Contexts that held
 * a key are freed, never kept for another: OpenSSL cleanses a freed context and its key.
 */
#include "base/digest.h"

#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

struct digest {
    EVP_MD *sha256;
    EVP_MD_CTX *context;
    EVP_MAC *hmac;
};

struct digest_key {
    EVP_MAC_CTX *context;
};

static int library_failed(int outcome)
{
    ERR_clear_error();
    return outcome;
}

static void wipe_and_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    secret_free(block);
}

/* What OpenSSL resizes is left to realloc(): lists and texts of its own, no key and no record. */
bool digest_wipe_what_is_freed(void)
{
    return CRYPTO_set_mem_functions(NULL, NULL, wipe_and_free) == 1;
}

int digest_create(struct digest **ret, struct errtext *err)
{
    struct digest *digest = calloc(1, sizeof *digest);
    if (digest == NULL)
        return errtext_set(err, -ENOMEM, "out of memory");
    /* Where memory ran out in OpenSSL's first steps, which curl may have taken, 3.0 crashes. */
    if (OSSL_LIB_CTX_get0_global_default() == NULL) {
        free(digest);
        return errtext_set(err, library_failed(-ENOMEM), "out of memory");
    }
    digest->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    digest->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (digest->sha256 == NULL || digest->hmac == NULL) {
        digest_destroy(digest);
        return errtext_set(
            err, library_failed(-ENOTSUP),
            "the OpenSSL library offers no SHA-256 or HMAC; look at its openssl.cnf");
    }
    digest->context = EVP_MD_CTX_new();
    if (digest->context == NULL || EVP_DigestInit_ex2(digest->context, digest->sha256, NULL) != 1) {
        digest_destroy(digest);
        return errtext_set(err, library_failed(-ENOMEM), "out of memory");
    }
    *ret = digest;
    return 0;
}

void digest_destroy(struct digest *digest)
{
    if (digest == NULL)
        return;
    EVP_MD_CTX_free(digest->context);
    EVP_MD_free(digest->sha256);
    EVP_MAC_free(digest->hmac);
    free(digest);
}

int digest_sha256(struct digest *digest, const void *bytes, size_t length,
                  uint8_t ret_hash[DIGEST_SIZE])
{
    uint8_t hash[DIGEST_SIZE];
    unsigned int size = 0;
    if (EVP_DigestInit_ex2(digest->context, NULL, NULL) != 1
        || EVP_DigestUpdate(digest->context, bytes, length) != 1
        || EVP_DigestFinal_ex(digest->context, hash, &size) != 1 || size != DIGEST_SIZE)
        return library_failed(-EIO);
    memcpy(ret_hash, hash, DIGEST_SIZE);
    return 0;
}

int digest_hmac(struct digest *digest, const void *key, size_t key_length, const void *bytes,
                size_t length, uint8_t ret_mac[DIGEST_SIZE])
{
    struct digest_key *keyed;
    int outcome = digest_key_create(digest, key, key_length, &keyed);
    if (outcome != 0)
        return outcome;
    outcome = digest_key_hmac(keyed, bytes, length, ret_mac);
    digest_key_destroy(keyed);
    return outcome;
}

int digest_key_create(struct digest *digest, const void *key, size_t key_length,
                      struct digest_key **ret)
{
    struct digest_key *keyed = calloc(1, sizeof *keyed);
    if (keyed == NULL)
        return -ENOMEM;
    keyed->context = EVP_MAC_CTX_new(digest->hmac);
    if (keyed->context == NULL) {
        digest_key_destroy(keyed);
        return library_failed(-ENOMEM);
    }
    char name[] = "SHA256"; /* the parameter wants it writable, and only reads it */
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    /* A NULL key would mean "no new key": an empty one is still a key. */
    const void *bytes = key != NULL ? key : "";
    if (EVP_MAC_init(keyed->context, bytes, key_length, params) != 1) {
        digest_key_destroy(keyed);
        return library_failed(-EIO);
    }
    *ret = keyed;
    return 0;
}

void digest_key_destroy(struct digest_key *key)
{
    if (key == NULL)
        return;
    EVP_MAC_CTX_free(key->context); /* cleanses the key and the states made of it */
    secret_wipe(key, sizeof *key);
    free(key);
}

int digest_key_hmac(struct digest_key *key, const void *bytes, size_t length,
                    uint8_t ret_mac[DIGEST_SIZE])
{
    uint8_t mac[DIGEST_SIZE];
    size_t size = 0;
    if (EVP_MAC_init(key->context, NULL, 0, NULL) != 1
        || EVP_MAC_update(key->context, bytes, length) != 1
        || EVP_MAC_final(key->context, mac, &size, sizeof mac) != 1 || size != DIGEST_SIZE)
        return library_failed(-EIO);
    memcpy(ret_mac, mac, DIGEST_SIZE);
    return 0;
}

const char *digest_hex(const uint8_t hash[DIGEST_SIZE], char ret[DIGEST_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        ret[2 * i] = digits[hash[i] >> 4];
        ret[2 * i + 1] = digits[hash[i] & 15];
    }
    ret[DIGEST_HEX_SIZE - 1] = '\0';
    return ret;
}
