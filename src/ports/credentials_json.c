/*
 * Keys of JSON: tccli's profile, and what the metadata service and STS answer. What is read is
 * outside JSON: a name that stands twice, another type than a text or a part that no key has is
 * refused, and no message shows a value.
 */
#include "base/json.h"
#include "base/text.h"
#include "ports/credentials_remote.h"
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

/* ---- keys of a role ---- */

/* The same names in both answers; all three parts are there. */
static int set_role_keys(struct json_value object, struct found_keys *keys, struct errtext *err)
{
    int outcome = set_part(object, "TmpSecretId", PART_ID, keys, err);
    if (outcome == 0)
        outcome = set_part(object, "TmpSecretKey", PART_KEY, keys, err);
    if (outcome == 0)
        outcome = set_part(object, "Token", PART_TOKEN, keys, err);
    return outcome == SOURCE_ABSENT ? -EINVAL : outcome;
}

static int set_end(struct json_value object, struct found_keys *keys, struct errtext *err)
{
    struct json_value value;
    int64_t second = 0;
    if (json_member(object, "ExpiredTime", &value) != 0 || json_int64(value, &second) != 0)
        return errtext_set(err, -EINVAL, "there is no ExpiredTime in whole seconds");
    if (second <= 0 || second > WALL_MAX_SECOND)
        return errtext_set(err, -EINVAL, "ExpiredTime is no instant");
    keys->expires_second = second;
    return 0;
}

/* A word or sentence of the service for a message; "" where there is none. */
static void copy_line(struct json_value object, const char *name, char *buffer, size_t size)
{
    struct json_value value;
    struct text t = text_over(buffer, size);
    if (json_member(object, name, &value) == 0)
        (void)!json_add_string(value, &t);
}

int credentials_metadata_parse(const char *bytes, size_t length, struct found_keys *ret,
                               struct errtext *err)
{
    struct json json;
    int outcome = json_read(&json, bytes, length, err);
    if (outcome != 0)
        return outcome;
    struct json_value root = json_root(&json);
    char code[64];
    copy_line(root, "Code", code, sizeof code);
    if (strcmp(code, "Success") != 0)
        outcome = errtext_set(err, -EACCES, "its Code is \"%s\", not Success", code);
    else
        outcome = set_role_keys(root, ret, err);
    if (outcome == 0)
        outcome = set_end(root, ret, err);
    json_finish(&json);
    return outcome;
}

/* {"Error": {"Code": ..., "Message": ...}} */
static int refusal(struct json_value error, struct errtext *err)
{
    char code[96];
    char message[256];
    copy_line(error, "Code", code, sizeof code);
    copy_line(error, "Message", message, sizeof message);
    bool clock = strcmp(code, "AuthFailure.SignatureExpire") == 0;
    return errtext_set(err, clock ? STS_CLOCK : -EACCES, "%s: %s", code, message);
}

int credentials_sts_parse(const char *bytes, size_t length, struct found_keys *ret,
                          struct errtext *err)
{
    struct json json;
    int outcome = json_read(&json, bytes, length, err);
    if (outcome != 0)
        return outcome;
    struct json_value response;
    struct json_value part;
    if (json_member(json_root(&json), "Response", &response) != 0)
        outcome = errtext_set(err, -EINVAL, "there is no Response in the answer");
    else if (json_member(response, "Error", &part) == 0)
        outcome = refusal(part, err);
    else if (json_member(response, "Credentials", &part) != 0)
        outcome = errtext_set(err, -EINVAL, "there are no Credentials in the answer");
    else
        outcome = set_role_keys(part, ret, err);
    if (outcome == 0)
        outcome = set_end(response, ret, err);
    json_finish(&json);
    return outcome;
}
