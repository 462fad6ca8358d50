/*
 * Is a CA file one? libcurl reads it at the first handshake only, long after the person who wrote
 * its name has gone, so the shape is looked at here: at least one PEM block of a certificate, whose
 * text is base64 and begins as a DER sequence does. What the certificates say is left to libcurl.
 */
#include "ports/http_curl_pool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CA_FILE_MAX (16 * 1024 * 1024)

/* Outcomes: 0, *ret is the caller's, a NUL follows the last byte; -EFBIG; negative. */
static int read_file(const char *path, char **ret, size_t *ret_length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct stat status;
    int outcome = fstat(fd, &status) < 0 ? -errno : 0;
    if (outcome == 0 && !S_ISREG(status.st_mode))
        outcome = S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
    if (outcome == 0 && status.st_size > CA_FILE_MAX)
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
    bytes[length] = '\0';
    *ret = bytes;
    *ret_length = length;
    return 0;
}

/* From behind the BEGIN line: base64 lines up to the END line, "MI" first (a long sequence). */
static bool is_certificate(const char *text)
{
    static const char base64[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n \t";
    text += strspn(text, "\r\n \t");
    return strncmp(text, "MI", 2) == 0 && strncmp(text + strspn(text, base64), "-----END ", 9) == 0;
}

static size_t count_certificates(const char *text, bool *ret_broken)
{
    static const char *const begin[] = {"-----BEGIN CERTIFICATE-----",
                                        "-----BEGIN TRUSTED CERTIFICATE-----"};
    size_t found = 0;
    for (size_t i = 0; i < sizeof begin / sizeof begin[0]; i++) {
        const char *at = text;
        while ((at = strstr(at, begin[i])) != NULL) {
            at += strlen(begin[i]);
            if (is_certificate(at))
                found++;
            else
                *ret_broken = true;
        }
    }
    return found;
}

int http_check_ca_file(const char *path, struct errtext *err)
{
    char *bytes = NULL;
    size_t length = 0;
    int outcome = read_file(path, &bytes, &length);
    if (outcome == -ENOMEM)
        return outcome;
    if (outcome != 0)
        return errtext_set(err, outcome, "CA file %s cannot be read: %s", path, strerror(-outcome));
    assert(bytes != NULL);
    bool broken = strlen(bytes) != length;
    size_t found = count_certificates(bytes, &broken);
    free(bytes);
    if (found > 0 && !broken)
        return 0;
    return errtext_set(err, -EINVAL,
                       broken ? "CA file %s holds a certificate that is not whole PEM text"
                              : "CA file %s holds no certificate; it is a PEM file with "
                                "-----BEGIN CERTIFICATE----- blocks",
                       path);
}
