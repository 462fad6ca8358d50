/*
 * Replies: any bytes end in a verdict whose parts are what reply.h promises. The first byte picks
 * the HTTP status, the rest is the body.
 */
#include "base/json.h"
#include "base/reply.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALK_MAX 16384 /* each number is looked for from the start of the text */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise)
        abort();
}

static void require_id(const char *string)
{
    for (; *string != '\0'; string++)
        require(*string > ' ' && *string <= 'z');
}

/* Looks at every value: strings come out clean, numbers in strings are what they say. */
static void walk(struct json_value value)
{
    char buffer[32];
    struct text t = text_over(buffer, sizeof buffer);
    bool is_string = json_kind_of(value) == JSON_STRING;
    require((json_add_string(value, &t) == 0) == is_string);
    require(text_is_utf8(buffer, t.length) && strlen(buffer) == t.length);
    int64_t number = 0;
    if (json_int64(value, &number) == 0) {
        char digits[32];
        (void)snprintf(digits, sizeof digits, "%" PRId64, number);
        require(!is_string || strcmp(digits, buffer) == 0 || strcmp(buffer, "-0") == 0);
    }
    struct json_value inner = {NULL, NULL};
    while (json_next(value, &inner))
        walk(inner);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 200, 200, 400, 404, 429, 502, 204};
    if (size == 0)
        return 0;
    struct exchange exchange = {.kind = EXCHANGE_ANSWERED,
                                .http_status = statuses[data[0] % 8],
                                .body = (const char *)data + 1,
                                .body_length = size - 1,
                                .date_second = -1};
    struct verdict verdict;
    reply_judge(&exchange, &verdict);
    require((verdict.class == VERDICT_ACCEPTED) == (verdict.task_id > 0));
    require(verdict.class != VERDICT_ACCEPTED || exchange.http_status == 200);
    require((verdict.class == VERDICT_ACCEPTED) == (verdict.code[0] == '\0'));
    require(verdict.class != VERDICT_NOT_SENT || strncmp(verdict.code, "Client.", 7) == 0);
    require(verdict.limit == 0 || verdict.class == VERDICT_THROTTLED);
    require(strlen(verdict.message) < sizeof verdict.message);
    require(text_is_utf8(verdict.message, strlen(verdict.message)));
    require(strpbrk(verdict.message, "\n\r\t\x1b\x7f") == NULL);
    require_id(verdict.code);
    require_id(verdict.request_id);

    struct json json;
    if (json_read(&json, exchange.body, exchange.body_length, NULL) != 0) {
        require(verdict.class != VERDICT_ACCEPTED);
        return 0;
    }
    if (size <= WALK_MAX)
        walk(json_root(&json));
    json_finish(&json);
    return 0;
}
