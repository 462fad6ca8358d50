/* See tag.h. */
#include "engine/tag.h"

#include "base/civil.h"
#include "base/text.h"
#include "engine/model.h"

#include <errno.h>

#define HASH_DIGITS 16

int tag_make(struct digest *digest, const char *schedule, const char *instance, struct wall slot,
             char ret[TAG_MAX])
{
    char stamp[CIVIL_TEXT_MAX];
    struct civil c = civil_from_seconds(wall_seconds(slot));
    struct text t = text_over(stamp, sizeof stamp);
    text_addf(&t, "%04d%02d%02dT%02d%02d%02dZ", (int)c.year, c.month, c.day, c.hour, c.minute,
              c.second);
    char identity[MODEL_NAME_MAX + MODEL_INSTANCE_ID_MAX + CIVIL_TEXT_MAX + 16];
    t = text_over(identity, sizeof identity);
    text_add(&t, schedule);
    text_add_bytes(&t, "", 1);
    text_add(&t, instance);
    text_add_bytes(&t, "", 1);
    text_add(&t, stamp);
    /* Operators' orders have microseconds: two of one second are two runs. */
    if (slot.us % US_PER_SECOND != 0)
        text_addf(&t, ".%06d", (int)(slot.us % US_PER_SECOND));
    uint8_t hash[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    int r = digest_sha256(digest, identity, t.length, hash);
    if (r < 0)
        return r;
    t = text_over(ret, TAG_MAX);
    text_addf(&t, "crsbackupd:%s:%.*s", stamp, HASH_DIGITS, digest_hex(hash, hex));
    return 0;
}
