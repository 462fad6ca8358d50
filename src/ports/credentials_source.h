/*
 * One set of keys as a source found it. Private to credentials_*.c.
 */
#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "base/tc3.h"

#include <stddef.h>
#include <stdint.h>

struct found_keys {
    char id[TC3_SECRET_ID_MAX + 1];
    struct secret key;
    struct secret token;    /* length 0: none */
    int64_t expires_second; /* since 1970; 0: they do not end */
};

#define SOURCE_ABSENT 1
#define SOURCE_PATH_MAX 4096

/* ---- the parts, credentials_ini.c ---- */

enum key_part {
    PART_ID,
    PART_KEY,
    PART_TOKEN,
};

/*
 * Stores a part. `name` is for messages.
 * Outcomes: 0; -EINVAL with a text: empty, too long, or not printable ASCII without blanks.
 */
int found_keys_set(struct found_keys *keys, enum key_part part, const char *name, const char *bytes,
                   size_t length, struct errtext *err) MUST_CHECK;

void found_keys_finish(struct found_keys *keys);

/* ---- the sources. The caller wipes *ret with found_keys_finish() in all cases. ---- */

/* Outcomes: 0; SOURCE_ABSENT, none of the variables is set; -EINVAL with a text. Wipes them. */
int credentials_env_take(struct found_keys *ret, struct errtext *err) MUST_CHECK;

/*
 * Outcomes of the rest: 0, `ret_path` (SOURCE_PATH_MAX bytes) names the file; SOURCE_ABSENT with a
 * text, there is no such file; another negative errno with a text.
 */

/*
 * The named file, or the first of the usual places (credentials.h). A named one has to be there:
 * -ENOENT, never SOURCE_ABSENT.
 */
int credentials_file_find(const char *file, const char *profile, struct found_keys *ret,
                          char *ret_path, struct errtext *err) MUST_CHECK;
int credentials_file_read(const char *path, const char *profile, struct found_keys *ret,
                          struct errtext *err) MUST_CHECK;

/* What systemd laid into $CREDENTIALS_DIRECTORY. */
int credentials_systemd_read(const char *profile, struct found_keys *ret, char *ret_path,
                             struct errtext *err) MUST_CHECK;

/* ---- texts; `path` is for messages. Outcomes: 0; -EINVAL, -ENOMEM with a text ---- */

/* Either form. May change `bytes`. */
int credentials_file_parse(char *bytes, size_t length, const char *path, const char *profile,
                           struct found_keys *ret, struct errtext *err) MUST_CHECK;
int credentials_ini_parse(char *bytes, size_t length, const char *path, const char *profile,
                          struct found_keys *ret, struct errtext *err) MUST_CHECK;
/* tccli's {"secretId": ..., "secretKey": ..., "token": ...}. */
int credentials_tccli_parse(const char *bytes, size_t length, const char *path,
                            struct found_keys *ret, struct errtext *err) MUST_CHECK;

/*
 * Keys of a role as the metadata service and STS answer them. They have a token and an end.
 * Outcomes: 0; -EINVAL, -ENOMEM, and -EACCES where the service says no, each with a text; STS_CLOCK
 * (credentials_remote.h) where STS says that our clock is wrong.
 */
int credentials_metadata_parse(const char *bytes, size_t length, struct found_keys *ret,
                               struct errtext *err) MUST_CHECK;
int credentials_sts_parse(const char *bytes, size_t length, struct found_keys *ret,
                          struct errtext *err) MUST_CHECK;

/* ---- files that hold a secret, credentials_file.c ---- */

enum key_file_trust {
    KEY_FILE_CLOSED,     /* but to a group of ours where it is root's */
    KEY_FILE_SYSTEMD,    /* root's or our own group may read: newer systemd lets us in by an ACL */
    KEY_FILE_OF_CLUSTER, /* whoever owns it and may read it: the cluster lays it into the pod */
};

/*
 * Reads a small regular file of ours or of root. The caller ends with key_file_release().
 * Outcomes: 0, a NUL has room behind the last byte; SOURCE_ABSENT with a text; negative with a
 * text.
 */
int key_file_read(const char *path, enum key_file_trust trust, char **ret, size_t *ret_length,
                  struct errtext *err) MUST_CHECK;
void key_file_release(char *bytes);
