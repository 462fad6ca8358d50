/*
 * Files with keys, INI or tccli's JSON: any bytes end in a whole set of parts that a request can
 * carry, or in a text for a person that shows nothing of them.
 */
#include "base/text.h"
#include "ports/credentials_source.h"

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
    require(strlen(bytes) == length);
    for (size_t i = 0; i < length; i++)
        require(bytes[i] > ' ' && bytes[i] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct found_keys nothing;
    static struct found_keys keys;
    struct errtext err = {""};
    char *copy = malloc(size + 1); /* as the caller has it: one byte behind the last */
    if (copy == NULL)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    int outcome = credentials_file_parse(copy, size, "F", "default", &keys, &err);
    require(outcome <= 0);
    if (outcome == 0) {
        require(keys.id[0] != '\0' && keys.key.length > 0 && keys.expires_second == 0);
        require_part(keys.id, strlen(keys.id));
        require_part(keys.key.bytes, keys.key.length);
        require_part(keys.token.bytes, keys.token.length);
    } else {
        require(err.text[0] == 'F' && text_is_utf8(err.text, strlen(err.text)));
        /* A key is long: no such run of the file's bytes may stand in the text. */
        require(keys.key.length < 40 || strstr(err.text, keys.key.bytes) == NULL);
    }
    found_keys_finish(&keys);
    require(memcmp(keys.key.bytes, nothing.key.bytes, sizeof keys.key.bytes) == 0);
    free(copy);
    return 0;
}
