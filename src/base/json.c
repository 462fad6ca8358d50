/*
 * See json.h. cJSON reads; this file stands between it and its known traps (1.7.15):
 *
 * - it takes control characters as blanks, zero bytes too, and lets them stand in strings; it skips
 *   a byte order mark; it reads a malformed \u escape as \u0000, and \u0000 ends a string or a name
 *   unseen. So `prepare` goes over a copy of the bytes first: it refuses all these and turns \u0000
 *   into the equally long \ufffd. It counts the levels as well, so that cJSON's recursion and ours
 *   stay shallow. It knows of JSON only where strings begin and end; the grammar is cJSON's.
 * - it stops behind the value without a look at the rest: json_read demands blanks.
 * - it keeps names that stand twice: json_member goes over all members.
 * - it keeps numbers as doubles, which lose a digit beyond 2^53 and do not tell 1000 from 1e3:
 *   json_int64 reads the digits. The tree keeps the order of the text, so the n-th number of the
 *   tree is the n-th number of the text, and in a text that was read a number is what begins with
 *   '-' or a digit outside strings. That its double is the tree's is checked on top.
 * - it does not look at UTF-8: json_add_string cleans.
 *
 * The copy ends in a zero byte, so that a reader that looks one byte too far finds an end. It comes
 * from cJSON's allocator: one hook fails every allocation in a test.
 *
 * Failure paths: a text is read whole or refused. Out of memory looks like a bad text from outside
 * cJSON; errno, which malloc sets, tells them apart.
 */
#include "base/json.h"

#include "base/secret.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void json_wipe_what_is_freed(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = malloc, .free_fn = secret_free});
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int refuse(size_t at, size_t length, struct errtext *err)
{
    return errtext_set(err, -EINVAL, "not JSON at byte %zu of %zu", at + 1, length);
}

/* Of the escape at `text`, which a zero byte ends; 0 for a bad one. \u0000 is replaced. */
static size_t escape_length(char *text)
{
    if (text[1] != 'u')
        return text[1] != '\0' ? 2 : 0;
    if (strspn(text + 2, "0123456789abcdefABCDEF") < 4)
        return 0;
    if (memcmp(text + 2, "0000", 4) == 0)
        memcpy(text + 2, "fffd", 4);
    return 6;
}

/* The bytes before cJSON sees them, as the head says; text[length] is zero. */
static int prepare(char *text, size_t length, struct errtext *err)
{
    int depth = 0;
    int values = 1;
    bool quoted = false;
    for (size_t at = 0; at < length;) {
        unsigned char c = (unsigned char)text[at];
        size_t step = quoted && c == '\\' ? escape_length(text + at) : 1;
        bool bad = quoted ? c < ' ' : (c < ' ' && !is_blank(text[at])) || c > '~';
        if (bad || step == 0)
            return refuse(at, length, err);
        if (!quoted && (c == ',' || c == '{' || c == '['))
            values++;
        if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']'))
            depth--;
        if (depth > JSON_DEPTH_MAX)
            return errtext_set(err, -E2BIG, "JSON nested deeper than %d levels", JSON_DEPTH_MAX);
        if (values > JSON_VALUES_MAX)
            return errtext_set(err, -E2BIG, "JSON of more than %d values", JSON_VALUES_MAX);
        at += step;
    }
    return 0;
}

/* The tree of the whole text. */
static int parse(const char *text, size_t length, cJSON **ret, struct errtext *err)
{
    const char *end = text;
    int errno_before = errno;
    errno = 0;
    cJSON *root = cJSON_ParseWithLengthOpts(text, length, &end, false);
    bool no_memory = root == NULL && errno == ENOMEM;
    errno = errno_before;
    if (no_memory)
        return errtext_set(err, -ENOMEM, "no memory for JSON of %zu bytes", length);
    while (root != NULL && is_blank(*end))
        end++;
    if (root == NULL || end != text + length) {
        cJSON_Delete(root);
        return refuse((size_t)(end - text), length, err);
    }
    *ret = root;
    return 0;
}

int json_read(struct json *json, const char *bytes, size_t length, struct errtext *err)
{
    if (length == 0)
        return errtext_set(err, -EINVAL, "empty, not JSON");
    char *text = cJSON_malloc(length + 1);
    if (text == NULL)
        return errtext_set(err, -ENOMEM, "no memory for JSON of %zu bytes", length);
    memcpy(text, bytes, length);
    text[length] = '\0';
    cJSON *root = NULL;
    int outcome = prepare(text, length, err);
    if (outcome == 0)
        outcome = parse(text, length, &root, err);
    if (outcome != 0) {
        secret_wipe(text, length);
        cJSON_free(text);
        return outcome;
    }
    *json = (struct json){.text = text, .root = root};
    return 0;
}

/* Some answers hold keys: no text of any stays behind. */
static void wipe_strings(const cJSON *item)
{
    for (; item != NULL; item = item->next) {
        if (cJSON_IsString(item) && item->valuestring != NULL)
            secret_wipe(item->valuestring, strlen(item->valuestring));
        wipe_strings(item->child);
    }
}

void json_finish(struct json *json)
{
    if (json == NULL || json->text == NULL)
        return;
    wipe_strings(json->root);
    secret_wipe(json->text, strlen(json->text));
    cJSON_Delete(json->root);
    cJSON_free(json->text);
    *json = (struct json){.text = NULL, .root = NULL};
}

struct json_value json_root(const struct json *json)
{
    return (struct json_value){.json = json, .item = json->root};
}

enum json_kind json_kind_of(struct json_value value)
{
    switch (value.item->type & 0xFF) {
    case cJSON_False:
        return JSON_FALSE;
    case cJSON_True:
        return JSON_TRUE;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

int json_member(struct json_value object, const char *name, struct json_value *ret)
{
    if (!cJSON_IsObject(object.item))
        return JSON_ABSENT;
    const cJSON *found = NULL;
    for (const cJSON *member = object.item->child; member != NULL; member = member->next) {
        if (strcmp(member->string, name) != 0)
            continue;
        if (found != NULL)
            return JSON_DOUBLED;
        found = member;
    }
    if (found == NULL)
        return JSON_ABSENT;
    *ret = (struct json_value){.json = object.json, .item = found};
    return 0;
}

bool json_next(struct json_value container, struct json_value *at)
{
    const cJSON *next = at->item == NULL ? container.item->child : at->item->next;
    if (next == NULL)
        return false;
    *at = (struct json_value){.json = container.json, .item = next};
    return true;
}

void json_add_name(struct json_value member, struct text *t)
{
    if (member.item->string != NULL)
        text_add_line(t, member.item->string, strlen(member.item->string));
}

int json_add_string(struct json_value value, struct text *t)
{
    if (!cJSON_IsString(value.item))
        return -EINVAL;
    text_add_line(t, value.item->valuestring, strlen(value.item->valuestring));
    return 0;
}

/* Counts the numbers before `wanted`, from `item` on and below it; true where it was reached. */
static bool count_numbers(const cJSON *item, const cJSON *wanted, size_t *count)
{
    for (; item != NULL; item = item->next) {
        if (item == wanted)
            return true;
        if (cJSON_IsNumber(item))
            ++*count;
        if (count_numbers(item->child, wanted, count))
            return true;
    }
    return false;
}

static const char *string_end(const char *quote)
{
    const char *at = quote + 1;
    while (*at != '"' && *at != '\0')
        at += *at == '\\' ? 2 : 1;
    return *at == '"' ? at + 1 : at;
}

/* The number of a good text before which `before` others stand; its end too. NULL: none. */
static const char *find_number(const char *text, size_t before, const char **ret_end)
{
    const char *at = text;
    while (*at != '\0') {
        if (*at == '"') {
            at = string_end(at);
        } else if (*at == '-' || is_digit(*at)) {
            const char *end = at + strspn(at, "+-.0123456789Ee");
            if (before-- == 0) {
                *ret_end = end;
                return at;
            }
            at = end;
        } else {
            at++;
        }
    }
    return NULL;
}

static int parse_int64(const char *at, const char *end, int64_t *ret)
{
    bool negative = at < end && *at == '-';
    if (negative)
        at++;
    if (at == end || (*at == '0' && end - at > 1))
        return -EINVAL;
    int64_t number = 0;
    bool beyond = false;
    for (; at < end; at++) {
        if (!is_digit(*at))
            return -EINVAL;
        int digit = negative ? -(*at - '0') : *at - '0';
        beyond = beyond || __builtin_mul_overflow(number, 10, &number)
                 || __builtin_add_overflow(number, digit, &number);
    }
    if (beyond)
        return -ERANGE;
    *ret = number;
    return 0;
}

int json_int64(struct json_value value, int64_t *ret)
{
    const cJSON *item = value.item;
    if (cJSON_IsString(item))
        return parse_int64(item->valuestring, item->valuestring + strlen(item->valuestring), ret);
    if (!cJSON_IsNumber(item))
        return -EINVAL;
    size_t before = 0;
    const char *end = NULL;
    const char *digits = count_numbers(value.json->root, item, &before)
                             ? find_number(value.json->text, before, &end)
                             : NULL;
    if (digits == NULL)
        return -EINVAL;
    int64_t number;
    int outcome = parse_int64(digits, end, &number);
    if (outcome != 0)
        return outcome;
    if ((double)number != item->valuedouble)
        return -EINVAL;
    *ret = number;
    return 0;
}

int json_double(struct json_value value, double *ret)
{
    if (!cJSON_IsNumber(value.item))
        return -EINVAL;
    *ret = value.item->valuedouble;
    return 0;
}
