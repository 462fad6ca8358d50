/*
 * Is a CA file one? The library that will trust its certificates reads each of them here, so that
 * a file that is none is told when its name is read and not at the first handshake. A system's file
 * takes 20 ms: not on the loop's thread.
 */
#pragma once

#include "base/result.h"

struct x509_store_st; /* OpenSSL's X509_STORE */

#define CERTIFICATES_FILE_MAX (16 * 1024 * 1024)

/*
 * The loader's function for CA files as it stands. Links are followed.
 * Outcomes: 0, a PEM file of one certificate or more and each can be read. With a text that names
 * the file and says what would be right: -EINVAL, it is none, or one certificate cannot be read;
 * -EISDIR; -EFBIG; -ENOENT, -EACCES and the like, it cannot be read at all. -ENOMEM, without.
 */
int certificates_check(const char *path, struct errtext *err) MUST_CHECK;

/*
 * The same, and what was read, all of it or nothing: certificates that a connection's may be signed
 * by, at any place of its chain. *ret is the caller's, for X509_STORE_free(). Outcomes: as above.
 */
int certificates_load(const char *path, struct x509_store_st **ret, struct errtext *err) MUST_CHECK;
