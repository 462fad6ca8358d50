/*
 * What the metadata service and STS answer: any bytes end in three parts and an end, or in a text.
 * The first byte picks the reader and the HTTP status, the rest is the body.
 */
#include "base/text.h"
#include "ports/credentials_remote.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise)
        abort();
}

static void require_part(const char *bytes, size_t length)
{
    require(length > 0 && strlen(bytes) == length);
    for (size_t i = 0; i < length; i++)
        require(bytes[i] > ' ' && bytes[i] <= '~');
}

static void require_keys(int outcome, const struct found_keys *keys, const struct errtext *err)
{
    if (outcome == 0) {
        require_part(keys->id, strlen(keys->id));
        require_part(keys->key.bytes, keys->key.length);
        require_part(keys->token.bytes, keys->token.length);
        require(keys->expires_second > 0 && keys->expires_second <= WALL_MAX_SECOND);
        return;
    }
    size_t length = strlen(err->text);
    require(length > 0 && text_is_utf8(err->text, length));
    for (size_t i = 0; i < length; i++)
        require((unsigned char)err->text[i] >= ' ' && err->text[i] != 0x7F);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 200, 200, 404, 502};
    static struct found_keys keys;
    char role[ROLE_NAME_MAX + 1] = "";
    struct errtext err = {""};
    if (size == 0)
        return 0;
    const struct exchange exchange = {.kind = EXCHANGE_ANSWERED,
                                      .http_status = statuses[data[0] / 3 % 5],
                                      .body = (const char *)data + 1,
                                      .body_length = size - 1,
                                      .date_second = -1};
    int outcome;
    switch (data[0] % 3) {
    case 0:
        outcome = cvm_role_take_name(&exchange, role, &err);
        require((outcome == 0) == (role[0] != '\0'));
        require(outcome != 0 || strpbrk(role, "/?#%: \r\n") == NULL);
        break;
    case 1:
        outcome = cvm_role_take_keys(&exchange, &keys, &err);
        require_keys(outcome, &keys, &err);
        break;
    default:
        outcome = sts_take(&exchange, &keys, &err);
        require_keys(outcome, &keys, &err);
        require(outcome <= 0 || outcome == STS_CLOCK);
    }
    require(outcome == 0 || err.text[0] != '\0');
    found_keys_finish(&keys);
    return 0;
}
