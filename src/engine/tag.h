/*
 * The tag of a run: its identity in the Remark of its backup, so that a backup in the cloud can be
 * traced to its slot, and a run whose answer was lost to its backup.
 *
 *     crsbackupd:20261123T190000Z:5f2c9a7be01d4c33
 *
 * who made it, the nominal instant of the slot, and the first eight bytes of SHA-256(schedule, NUL,
 * instance, NUL, the slot as above, with ".%06d" of a second where it has a part of one, as those
 * of operators' orders have). It stands before the user's text and one blank: how long a remark may
 * be is not documented, and a backup whose tag is cut off would be made twice. Earlier ones stand
 * behind the text: it is found wherever it stands.
 */
#pragma once

#include "base/digest.h"
#include "base/instant.h"
#include "base/result.h"

#define TAG_MAX 64

/* Outcomes: 0; -EIO where the digest fails. */
int tag_make(struct digest *digest, const char *schedule, const char *instance, struct wall slot,
             char ret[TAG_MAX]) MUST_CHECK;
