/*
 * Keys from the environment and from files in INI form; the keyring of engine/ports.h.
 *
 * No text ever holds a key or a token, and no id.
 */
#pragma once

#include "base/result.h"
#include "engine/model.h"
#include "engine/ports.h"

struct credentials;

/*
 * Takes the keys out of the environment and wipes them there (TENCENTCLOUD_SECRET_ID,
 * TENCENTCLOUD_SECRET_KEY and the token's three names), so that neither /proc/PID/environ nor a
 * child shows them. Once, before the first thread. Wipes whatever the configuration says later.
 * Outcomes: 0, *ret owned by the caller; -ENOMEM.
 */
int credentials_create(struct credentials **ret) MUST_CHECK;
void credentials_destroy(struct credentials *credentials); /* wipes */

/*
 * Reads the keys anew: what the environment had at credentials_create(), or the file as it is now.
 *   CREDENTIALS_AUTO   the environment where it had any, else the file
 *   CREDENTIALS_FILE   `file`, else $TENCENTCLOUD_CREDENTIALS_FILE, else the first that exists of
 *                      ~/.tencentcloud/credentials and /etc/tencentcloud/credentials
 * The generation changes when the keys do. On failure the old keys stay.
 * Outcomes: 0; CREDENTIALS_UNUSABLE with a text: none found, or not fit for use.
 */
#define CREDENTIALS_UNUSABLE 1
int credentials_read(struct credentials *credentials, enum credentials_provider provider,
                     const char *file, const char *profile, struct errtext *err) MUST_CHECK;

/* Where the keys are from: "environment", the file's path, "" for none. */
const char *credentials_origin(const struct credentials *credentials);

/* Borrows `credentials`. Its get() fails while no read has succeeded, with the last text. */
struct keyring credentials_keyring(struct credentials *credentials);
