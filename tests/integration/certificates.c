/* Certificates for the servers of peer.h: P-256 keys, made anew in each run. */
#include "peer.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY (24L * 60 * 60)

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "certificates: %s\n", what);
    abort();
}

static void extend(X509 *x, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    must(extension != NULL && X509_add_ext(x, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

struct wish {
    const char *name;
    const char *alternatives; /* NULL: a CA */
    long from;
    long until; /* seconds from now */
};

/* Signed by `issuer`, or by itself where that is NULL. */
static X509 *make(const struct wish *wish, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
    static long serial = 1;
    X509 *x = X509_new();
    must(x != NULL, "memory");
    (void)X509_set_version(x, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    (void)X509_gmtime_adj(X509_getm_notBefore(x), wish->from);
    (void)X509_gmtime_adj(X509_getm_notAfter(x), wish->until);
    (void)X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                     (const unsigned char *)wish->name, -1, -1, 0);
    (void)X509_set_issuer_name(x, X509_get_subject_name(issuer != NULL ? issuer : x));
    (void)X509_set_pubkey(x, key);
    if (wish->alternatives != NULL)
        extend(x, NID_subject_alt_name, wish->alternatives);
    else
        extend(x, NID_basic_constraints, "critical,CA:TRUE");
    must(X509_sign(x, issuer_key != NULL ? issuer_key : key, EVP_sha256()) > 0, "sign");
    return x;
}

static void write_certificate(const char *path, X509 *x)
{
    FILE *file = fopen(path, "we");
    must(file != NULL && PEM_write_X509(file, x) == 1 && fclose(file) == 0, path);
}

void certificates_make(struct certificates *c)
{
    static const struct wish authority = {"test CA", NULL, -DAY, 30 * DAY};
    static const struct wish wishes[CERTIFICATE_COUNT] = {
        [CERTIFICATE_GOOD] = {"localhost", "DNS:localhost,IP:127.0.0.1", -DAY, 30 * DAY},
        [CERTIFICATE_EXPIRED] = {"localhost", "DNS:localhost,IP:127.0.0.1", -9 * DAY, -DAY},
        [CERTIFICATE_ELSEWHERE] = {"elsewhere.test", "DNS:elsewhere.test", -DAY, 30 * DAY},
        [CERTIFICATE_STRANGER] = {"localhost", "DNS:localhost,IP:127.0.0.1", -DAY, 30 * DAY},
    };
    memset(c, 0, sizeof *c);
    (void)snprintf(c->directory, sizeof c->directory, "/tmp/certificates.XXXXXX");
    must(mkdtemp(c->directory) != NULL, "mkdtemp");
    (void)snprintf(c->ca_file, sizeof c->ca_file, "%s/ca.pem", c->directory);
    (void)snprintf(c->other_ca_file, sizeof c->other_ca_file, "%s/other.pem", c->directory);
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    EVP_PKEY *other_key = EVP_EC_gen("P-256");
    X509 *ca = make(&authority, ca_key, NULL, NULL);
    X509 *other = make(&authority, other_key, NULL, NULL);
    write_certificate(c->ca_file, ca);
    write_certificate(c->other_ca_file, other);
    for (int i = 0; i < CERTIFICATE_COUNT; i++) {
        bool alone = i == CERTIFICATE_STRANGER;
        c->key[i] = EVP_EC_gen("P-256");
        c->certificate[i] = make(&wishes[i], c->key[i], alone ? NULL : ca, alone ? NULL : ca_key);
    }
    X509_free(ca);
    X509_free(other);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(other_key);
}

void certificates_finish(struct certificates *c)
{
    for (int i = 0; i < CERTIFICATE_COUNT; i++) {
        X509_free(c->certificate[i]);
        EVP_PKEY_free(c->key[i]);
    }
    (void)unlink(c->ca_file);
    (void)unlink(c->other_ca_file);
    (void)rmdir(c->directory);
}
