/*
 * Replies: any bytes end in a verdict whose parts are what reply.h promises. The first byte picks
 * the HTTP status, the rest is the body.
 */
#include "base/json.h"
#include "base/reply.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

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

/* Looks at every value of a text; their spans must lie inside it. */
static size_t walk(const struct json *value, const char *end)
{
    require(value->length > 0 && value->bytes + value->length <= end);
    char buffer[32];
    struct text t = text_over(buffer, sizeof buffer);
    json_add_string(value, &t);
    int64_t number = 0;
    (void)!json_int64(value, &number);
    size_t count = 1;
    struct json_cursor cursor = json_open(value);
    struct json name;
    struct json inner;
    while (json_next(&cursor, &name, &inner))
        count += walk(&inner, end);
    return count;
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

    struct json root;
    if (json_read(exchange.body, exchange.body_length, &root, NULL) != 0) {
        require(verdict.class != VERDICT_ACCEPTED);
    } else if (root.kind == JSON_ARRAY || root.kind == JSON_OBJECT) {
        require(walk(&root, exchange.body + exchange.body_length) > 0);
    }
    return 0;
}
