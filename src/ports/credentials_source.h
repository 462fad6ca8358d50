/*
 * One set of keys as a source found it. Private to credentials_*.c.
 */
#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "base/tc3.h"

#include <stddef.h>

struct found_keys {
    char id[TC3_SECRET_ID_MAX + 1];
    struct secret key;
    struct secret token; /* length 0: none */
};

#define SOURCE_ABSENT 1

/* The caller wipes *ret with found_keys_finish() in all cases. */

/* Outcomes: 0; SOURCE_ABSENT, none of the variables is set; -EINVAL with a text. Wipes them. */
int credentials_env_take(struct found_keys *ret, struct errtext *err) MUST_CHECK;

/* Outcomes: 0; SOURCE_ABSENT, no such file; another negative errno with a text. */
int credentials_file_read(const char *path, const char *profile, struct found_keys *ret,
                          struct errtext *err) MUST_CHECK;

/* The text of such a file; `path` is for messages. Changes `bytes`. */
int credentials_file_parse(char *bytes, size_t length, const char *path, const char *profile,
                           struct found_keys *ret, struct errtext *err) MUST_CHECK;

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
