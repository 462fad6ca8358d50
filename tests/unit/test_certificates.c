/*
 * CA files: tables of what is one and what is none, every cut of a good one, and flipped bits. The
 * good certificates are made anew in each run.
 */
#include "unit.h"

#include "ports/certificates.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGIN "-----BEGIN CERTIFICATE-----\n"
#define END "-----END CERTIFICATE-----\n"
#define FAKE BEGIN "MIIAAAA\n" END

static char directory[64];
static char path[128];
static char good[4096]; /* one certificate */
static char key[4096];  /* a private key, encrypted */

static void take(BIO *bio, char *place, size_t size)
{
    int length = BIO_read(bio, place, (int)size - 1);
    assert_true(length > 0);
    place[length] = '\0';
    BIO_free_all(bio);
}

static int make_files(void **state)
{
    (void)state;
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    BIO *certificate = BIO_new(BIO_s_mem());
    BIO *private = BIO_new(BIO_s_mem());
    assert_true(pair != NULL && x != NULL && certificate != NULL && private != NULL);
    (void)X509_gmtime_adj(X509_getm_notBefore(x), 0);
    (void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    (void)X509_set_pubkey(x, pair);
    assert_true(X509_sign(x, pair, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(certificate, x), 1);
    assert_int_equal(PEM_write_bio_PrivateKey_traditional(private, pair, EVP_aes_128_cbc(),
                                                          (const unsigned char *)"pass", 4, NULL,
                                                          NULL),
                     1);
    take(certificate, good, sizeof good);
    take(private, key, sizeof key);
    X509_free(x);
    EVP_PKEY_free(pair);
    (void)snprintf(directory, sizeof directory, "/tmp/certificates-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/ca.pem", directory);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory);
}

static int check_bytes(const char *bytes, size_t length, struct errtext *err)
{
    (void)unlink(path); /* a file cut to nothing and written anew waits for the disk */
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    return certificates_check(path, err);
}

/* The pieces of a file, one behind the other. */
struct row {
    const char *pieces[4];
    const char *why; /* NULL: good */
};

static void check_row(const struct row *row, size_t number)
{
    char text[16384] = "";
    struct errtext err = {""};
    size_t length = 0;
    for (size_t i = 0; i < COUNT(row->pieces) && row->pieces[i] != NULL; i++) {
        (void)snprintf(text + length, sizeof text - length, "%s", row->pieces[i]);
        length = strlen(text);
    }
    int outcome = check_bytes(text, length, &err);
    if (outcome != (row->why == NULL ? 0 : -EINVAL))
        print_error("row %zu: %d, %s\n", number, outcome, err.text);
    assert_int_equal(outcome, row->why == NULL ? 0 : -EINVAL);
    if (row->why == NULL)
        return;
    assert_non_null(strstr(err.text, path));
    if (strstr(err.text, row->why) == NULL)
        print_error("row %zu: %s\n", number, err.text);
    assert_non_null(strstr(err.text, row->why));
    assert_non_null(strstr(err.text, "; "));
}

static void a_file_is_all_certificates_or_none(void **state)
{
    (void)state;
    const struct row rows[] = {
        {{good}, NULL},
        {{good, good}, NULL},
        {{"# a remark\n\n", good, "\nanother\n"}, NULL},
        {{good, key}, NULL}, /* other kinds of blocks are passed over, and no password asked for */
        {{key, good}, NULL},
        {{""}, "holds no certificate"},
        {{"nothing of the kind\n"}, "holds no certificate"},
        {{"\x30\x82\x01\x0a\x02\x82"}, "holds no certificate"},
        {{key}, "holds no certificate"},
        {{"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"},
         "holds no certificate"},
        {{FAKE}, "certificate 1 "},
        {{BEGIN "MIIB"}, "certificate 1 "},
        {{BEGIN "<html>\n" END}, "certificate 1 "},
        {{BEGIN "\n" END}, "certificate 1 "},
        {{BEGIN "MIIB\n-----END PRIVATE KEY-----\n"}, "certificate 1 "},
        {{BEGIN "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"
                "00112233445566778899AABBCCDDEEFF\n\nMIIB\n" END},
         "certificate 1 "},
        {{good, FAKE}, "certificate 2 "},
        {{FAKE, good}, "certificate 1 "},
        {{good, good, FAKE, good}, "certificate 3 "},
        {{good, BEGIN}, "certificate 2 "},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check_row(&rows[i], i);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    size_t length = strlen(good);
    for (size_t cut = 0; cut + 2 < length; cut++) /* the last line feed may be missing */
        assert_int_equal(check_bytes(good, cut, NULL), -EINVAL);
    assert_int_equal(check_bytes(good, length - 1, NULL), 0);
}

static void flipped_bits_do_no_harm(void **state)
{
    (void)state;
    size_t length = strlen(good);
    unsigned refused = 0;
    for (size_t i = 0; i < length * 8; i++) {
        char bytes[sizeof good];
        memcpy(bytes, good, length);
        bytes[i / 8] ^= (char)(1U << (i % 8));
        int outcome = check_bytes(bytes, length, NULL);
        assert_true(outcome == 0 || outcome == -EINVAL);
        refused += outcome != 0;
    }
    assert_true(refused > length); /* a signature may have any bits, a structure may not */
}

static void files_that_cannot_be_read(void **state)
{
    (void)state;
    struct errtext err;
    (void)unlink(path);
    assert_int_equal(certificates_check(path, &err), -ENOENT);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(certificates_check(directory, &err), -EISDIR);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(certificates_check(path, &err), -EINVAL); /* no wait */
    assert_non_null(strstr(err.text, "not a regular file"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(check_bytes(good, strlen(good), &err), 0);
    assert_int_equal(truncate(path, CERTIFICATES_FILE_MAX + 1), 0);
    assert_int_equal(certificates_check(path, &err), -EFBIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_all_certificates_or_none),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(flipped_bits_do_no_harm),
        cmocka_unit_test(files_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
