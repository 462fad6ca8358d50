/*
 * See certificates.h. The bytes are read whole and go through OpenSSL's PEM reader block by block:
 * it passes over other text and other kinds of blocks, and ends with "no start line" behind the
 * last one. Any other end is a block that is not whole or not a certificate. Whether a certificate
 * is in date or may sign is left to the handshake. A "TRUSTED CERTIFICATE" keeps what it says of
 * its own use.
 */
#include "ports/certificates.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Outcomes: 0, *ret is the caller's; -EFBIG; negative. */
static int read_file(const char *path, char **ret, size_t *ret_length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    struct stat status;
    int outcome = fstat(fd, &status) < 0 ? -errno : 0;
    if (outcome == 0 && !S_ISREG(status.st_mode))
        outcome = S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
    if (outcome == 0 && status.st_size > CERTIFICATES_FILE_MAX)
        outcome = -EFBIG;
    size_t size = outcome == 0 ? (size_t)status.st_size : 0;
    char *bytes = outcome == 0 ? malloc(size + 1) : NULL;
    if (outcome == 0 && bytes == NULL)
        outcome = -ENOMEM;
    size_t length = 0;
    while (outcome == 0 && length < size) {
        ssize_t n = read(fd, bytes + length, size - length);
        if (n == 0)
            break;
        if (n > 0)
            length += (size_t)n;
        else if (errno != EINTR)
            outcome = -errno;
    }
    (void)close(fd);
    if (outcome != 0) {
        free(bytes);
        return outcome;
    }
    *ret = bytes;
    *ret_length = length;
    return 0;
}

/* For a block that says it is encrypted: none, where OpenSSL's own would ask at the terminal. */
static int no_password(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

/*
 * Into the store, where there is one. Outcomes: 0, all were read; -EINVAL, the one behind
 * *ret_count cannot be; -ENOMEM.
 */
static int read_certificates(const char *bytes, size_t length, X509_STORE *store,
                             unsigned *ret_count)
{
    BIO *bio = BIO_new_mem_buf(bytes, (int)length);
    if (bio == NULL)
        return -ENOMEM;
    ERR_clear_error();
    *ret_count = 0;
    X509 *certificate;
    bool kept = true;
    while (kept && (certificate = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL)) != NULL) {
        kept = store == NULL || X509_STORE_add_cert(store, certificate) == 1;
        X509_free(certificate);
        *ret_count += kept;
    }
    unsigned long error = ERR_peek_last_error();
    ERR_clear_error();
    BIO_free_all(bio);
    if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
        return -ENOMEM;
    bool end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    return end ? 0 : -EINVAL;
}

static int cannot_be_read(const char *path, int outcome, struct errtext *err)
{
    const char *why = strerrordesc_np(-outcome);
    if (outcome == -EINVAL)
        why = "not a regular file";
    if (outcome == -EFBIG)
        why = "larger than 16 MiB";
    return errtext_set(err, outcome, "%.200s cannot be read: %s; name a PEM file of certificates",
                       path, why);
}

/* Outcomes: as certificates_check(); `store` may be NULL. */
static int read_into(const char *path, X509_STORE *store, struct errtext *err)
{
    char *bytes = NULL;
    size_t length = 0;
    int outcome = read_file(path, &bytes, &length);
    if (outcome == -ENOMEM)
        return outcome;
    if (outcome != 0)
        return cannot_be_read(path, outcome, err);
    assert(bytes != NULL && length <= CERTIFICATES_FILE_MAX);
    unsigned count;
    outcome = read_certificates(bytes, length, store, &count);
    free(bytes);
    if (outcome == -EINVAL)
        return errtext_set(err, outcome,
                           "%.200s: certificate %u of the file cannot be read; put a whole "
                           "-----BEGIN CERTIFICATE----- block there or remove it",
                           path, count + 1);
    if (outcome == 0 && count == 0)
        return errtext_set(err, -EINVAL,
                           "%.200s holds no certificate; name a PEM file with "
                           "-----BEGIN CERTIFICATE----- blocks",
                           path);
    return outcome;
}

int certificates_check(const char *path, struct errtext *err)
{
    return read_into(path, NULL, err);
}

int certificates_load(const char *path, struct x509_store_st **ret, struct errtext *err)
{
    X509_STORE *store = X509_STORE_new();
    if (store == NULL)
        return -ENOMEM;
    int outcome = read_into(path, store, err);
    /* As libcurl has it: a file that names an authority below the root is enough. */
    if (outcome == 0 && X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) != 1)
        outcome = -ENOMEM;
    if (outcome == 0)
        *ret = store;
    else
        X509_STORE_free(store);
    return outcome;
}
