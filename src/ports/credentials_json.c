/*
 * Keys of JSON: tccli's profile. What is read is outside JSON: a name that stands twice, another
 * type than a text or a part that no key has is refused, and no message shows a value.
 */
#include "base/json.h"
#include "ports/credentials_source.h"

#include <errno.h>
#include <string.h>

/* Stores the text of a member. Outcomes: 0; SOURCE_ABSENT: none, null or empty; -EINVAL. */
static int set_part(struct json_value object, const char *name, enum key_part part,
                    struct found_keys *keys, struct errtext *err)
{
    struct json_value value;
    int outcome = json_member(object, name, &value);
    if (outcome == JSON_DOUBLED)
        return errtext_set(err, -EINVAL, "%s is given twice", name);
    if (outcome != 0 || json_kind_of(value) == JSON_NULL)
        return errtext_set(err, SOURCE_ABSENT, "there is no %s", name);
    char bytes[SECRET_MAX + 2]; /* one more than any key has: a longer one is seen as too long */
    struct text t = text_over(bytes, sizeof bytes);
    outcome = json_add_string(value, &t);
    if (outcome != 0)
        outcome = errtext_set(err, -EINVAL, "%s is not a text", name);
    else if (t.length == 0 && !t.cut)
        outcome = errtext_set(err, SOURCE_ABSENT, "%s is empty", name);
    else if (t.cut)
        outcome = errtext_set(err, -EINVAL, "%s is longer than %d bytes", name, SECRET_MAX);
    else
        outcome = found_keys_set(keys, part, name, bytes, t.length, err);
    secret_wipe(bytes, sizeof bytes);
    return outcome;
}

int credentials_tccli_parse(const char *bytes, size_t length, const char *path,
                            struct found_keys *ret, struct errtext *err)
{
    struct json json;
    struct errtext why = {""};
    int outcome = json_read(&json, bytes, length, &why);
    if (outcome != 0)
        return errtext_set(err, outcome, "%.200s: %s", path, why.text);
    struct json_value root = json_root(&json);
    outcome = set_part(root, "secretId", PART_ID, ret, &why);
    if (outcome == 0)
        outcome = set_part(root, "secretKey", PART_KEY, ret, &why);
    if (outcome == 0) {
        outcome = set_part(root, "token", PART_TOKEN, ret, &why);
        outcome = outcome == SOURCE_ABSENT ? 0 : outcome;
    } else if (outcome == SOURCE_ABSENT) {
        outcome = -EINVAL;
    }
    json_finish(&json);
    return outcome == 0 ? 0 : errtext_set(err, outcome, "%.200s: %s", path, why.text);
}
