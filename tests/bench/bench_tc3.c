/*
 * Signatures per second of one core, by CPU time, of a real ManualBackupInstance request; beside
 * them the same digests made by OpenSSL alone, from contexts that are kept: SHA-256 of the body,
 * SHA-256 of as many bytes as the canonical request has, HMAC of the string to sign under a kept
 * key. What lies between the two is this program's own work: checks, sorting, writing, hexadecimal.
 *
 * The rounds alternate, so that a change of the clock rate meets both; the best round of each
 * counts. Nothing here passes or fails by its figure: only a signature that is wrong does.
 */
#include "base/tc3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#define ROUNDS 8
#define PER_ROUND 200000
#define PER_ROUND_FRESH 20000

static const char secret_id[] = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE";
static const char body[] =
    "{\"InstanceId\":\"crs-5a4py64p\",\"Remark\":\"nightly\",\"StorageDays\":7}";
static const struct tc3_header headers[] = {
    {"Content-Type", "application/json"},
    {"Host", "redis.tencentcloudapi.com"},
};

/* What stands before the hash of the body, and before that of the canonical request. */
#define CANONICAL                          \
    "POST\n/\n\ncontent-type:application/" \
    "json\nhost:redis.tencentcloudapi.com\n\ncontent-type;host\n"
#define STRING "TC3-HMAC-SHA256\n1551113065\n2019-02-25/redis/tc3_request\n"
#define HEX 64

struct openssl {
    EVP_MD *sha256;
    EVP_MD_CTX *hash;
    EVP_MAC *hmac;
    EVP_MAC_CTX *mac;
};

static void require(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "bench_tc3: %s failed\n", what);
    exit(1);
}

static double cpu_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double sign_round(struct tc3 *tc3, const struct secret *keys, size_t key_count, int count)
{
    struct tc3_request request = {.method = "POST",
                                  .query = "",
                                  .service = "redis",
                                  .timestamp = 1551113065,
                                  .headers = headers,
                                  .header_count = sizeof headers / sizeof headers[0],
                                  .body = body,
                                  .body_length = sizeof body - 1};
    struct tc3_signature made;
    double start = cpu_seconds();
    for (int i = 0; i < count; i++) {
        request.timestamp = 1551113065 + i % 1000;
        request.key_generation = (size_t)i % key_count + 1;
        require(tc3_sign(tc3, &request, secret_id, &keys[(size_t)i % key_count], &made, NULL) == 0,
                "tc3_sign");
    }
    return count / (cpu_seconds() - start);
}

static struct openssl openssl_open(void)
{
    char name[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    struct openssl o = {.sha256 = EVP_MD_fetch(NULL, name, NULL),
                        .hash = EVP_MD_CTX_new(),
                        .hmac = EVP_MAC_fetch(NULL, "HMAC", NULL)};
    require(o.sha256 != NULL && o.hash != NULL && o.hmac != NULL, "fetch");
    o.mac = EVP_MAC_CTX_new(o.hmac);
    unsigned char key[32] = {1};
    require(o.mac != NULL && EVP_MAC_init(o.mac, key, sizeof key, params) == 1
                && EVP_DigestInit_ex2(o.hash, o.sha256, NULL) == 1,
            "init");
    return o;
}

static void openssl_close(struct openssl *o)
{
    EVP_MAC_CTX_free(o->mac);
    EVP_MAC_free(o->hmac);
    EVP_MD_CTX_free(o->hash);
    EVP_MD_free(o->sha256);
}

static void hash(const struct openssl *o, const void *bytes, size_t length)
{
    unsigned char out[EVP_MAX_MD_SIZE];
    require(EVP_DigestInit_ex2(o->hash, NULL, NULL) == 1
                && EVP_DigestUpdate(o->hash, bytes, length) == 1
                && EVP_DigestFinal_ex(o->hash, out, NULL) == 1,
            "SHA-256");
}

static double openssl_round(const struct openssl *o, int count)
{
    static const char canonical[sizeof CANONICAL - 1 + HEX] = {'c'};
    static const char string[sizeof STRING - 1 + HEX] = {'s'};
    unsigned char out[EVP_MAX_MD_SIZE];
    size_t length;
    double start = cpu_seconds();
    for (int i = 0; i < count; i++) {
        hash(o, body, sizeof body - 1);
        hash(o, canonical, sizeof canonical);
        require(EVP_MAC_init(o->mac, NULL, 0, NULL) == 1
                    && EVP_MAC_update(o->mac, (const unsigned char *)string, sizeof string) == 1
                    && EVP_MAC_final(o->mac, out, &length, sizeof out) == 1,
                "HMAC");
    }
    return count / (cpu_seconds() - start);
}

static void keep_best(double *best, double rate)
{
    if (rate > *best)
        *best = rate;
}

int main(void)
{
    static struct secret keys[2];
    struct tc3 *tc3;
    struct errtext err;
    require(tc3_create(&tc3, &err) == 0, "tc3_create");
    require(secret_set(&keys[0], "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE", 32) == 0, "secret_set");
    require(secret_set(&keys[1], "another9xGARNpq86cd98joQYCNEXAMP", 32) == 0, "secret_set");
    struct openssl o = openssl_open();

    double cached = 0;
    double fresh = 0;
    double bare = 0;
    for (int round = 0; round < ROUNDS; round++) {
        keep_best(&bare, openssl_round(&o, PER_ROUND));
        keep_best(&cached, sign_round(tc3, keys, 1, PER_ROUND));
        keep_best(&fresh, sign_round(tc3, keys, 2, PER_ROUND_FRESH)); /* two keys, in turn */
    }
    (void)printf("k3 kept        %9.0f signatures/s of a core  %6.0f ns\n", cached, 1e9 / cached);
    (void)printf("k3 derived     %9.0f signatures/s of a core  %6.0f ns\n", fresh, 1e9 / fresh);
    (void)printf("OpenSSL alone  %9.0f of the same digests/s   %6.0f ns\n", bare, 1e9 / bare);
    (void)printf("k3 kept takes %.2f times the digests alone\n", bare / cached);
    openssl_close(&o);
    tc3_destroy(tc3);
    return 0;
}
