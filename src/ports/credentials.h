/*
 * The keys, wherever they are from; the keyring of engine/ports.h. One file a source:
 *
 *   env       TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY; a token by any of its three names
 *             (TENCENTCLOUD_TOKEN, TENCENTCLOUD_SESSION_TOKEN, TENCENTCLOUD_SECURITY_TOKEN)
 *   file      the named file, else $TENCENTCLOUD_CREDENTIALS_FILE, else the first that exists of
 *             ~/.tencentcloud/credentials, /etc/tencentcloud/credentials (INI) and
 *             ~/.tccli/PROFILE.credential (JSON)
 *   systemd   $CREDENTIALS_DIRECTORY: secret-id, secret-key and token, or an INI file credentials
 *   auto      env, systemd, file: the first that is there; one that is there and not fit for use
 *             is an error and not passed over
 *
 * Keys lie in locked, wiped memory. No text ever holds a key or a token, and no id.
 */
#pragma once

#include "base/result.h"
#include "engine/model.h"
#include "engine/ports.h"

#include <stdbool.h>

struct credentials;

/*
 * Takes the keys out of the environment and wipes them there, so that neither /proc/PID/environ nor
 * a child shows them. Once, before the first thread. Wipes whatever the configuration says later.
 * Outcomes: 0, *ret owned by the caller; -ENOMEM.
 */
int credentials_create(struct credentials **ret) MUST_CHECK;
void credentials_destroy(struct credentials *credentials); /* wipes */

/*
 * Reads the keys anew: what the environment had at credentials_create(), or the file as it is now.
 * The generation changes when the keys do. On failure the old keys and settings stay.
 * Outcomes: 0; CREDENTIALS_UNUSABLE with a text: none found, or not fit for use.
 */
#define CREDENTIALS_UNUSABLE 1
int credentials_read(struct credentials *credentials, const struct credentials_settings *settings,
                     struct errtext *err) MUST_CHECK;

/* Which source served ("env", "file", ...) and its own name for people; "" for none. */
const char *credentials_provider_name(const struct credentials *credentials);
const char *credentials_origin(const struct credentials *credentials);

/* False where the system's limits let no memory be locked: keys could be swapped out. */
bool credentials_are_locked(const struct credentials *credentials);

/* Borrows `credentials`. Its get() fails while no read has succeeded, with the last text. */
struct keyring credentials_keyring(struct credentials *credentials);
