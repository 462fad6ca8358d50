/*
 * See json.h.
 *
 * json_read walks the text with a stack of one bit a level, without recursion: a value, then what
 * may follow it, until the outermost value is whole. Everything after it trusts the text: skipping
 * a value is counting brackets outside strings.
 *
 * Failure paths: the first byte that cannot stand where it stands ends the reading; the scanner
 * never looks at or behind `end`, so a zero byte is a bad byte like any other.
 */
#include "base/json.h"

#include <errno.h>
#include <string.h>

struct scan {
    const char *start;
    const char *at;
    const char *end;
    int depth;
    uint64_t objects; /* bit n: level n is an object */
};

_Static_assert(JSON_DEPTH_MAX <= 64, "one bit a level");

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_spaces(struct scan *s)
{
    while (s->at < s->end && is_space(*s->at))
        s->at++;
}

static bool take(struct scan *s, char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool take_word(struct scan *s, const char *word)
{
    for (; *word != '\0'; word++)
        if (!take(s, *word))
            return false;
    return true;
}

static bool take_digits(struct scan *s)
{
    const char *first = s->at;
    while (s->at < s->end && is_digit(*s->at))
        s->at++;
    return s->at > first;
}

static bool take_number(struct scan *s)
{
    (void)take(s, '-');
    if (!take(s, '0') && !take_digits(s))
        return false;
    if (take(s, '.') && !take_digits(s))
        return false;
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+'))
            (void)take(s, '-');
        return take_digits(s);
    }
    return true;
}

/* Behind the backslash. */
static bool take_escape(struct scan *s)
{
    if (s->at == s->end)
        return false;
    if (*s->at != 'u') {
        if (*s->at == '\0' || strchr("\"\\/bfnrt", *s->at) == NULL)
            return false;
        s->at++;
        return true;
    }
    s->at++;
    for (int i = 0; i < 4; i++, s->at++)
        if (s->at == s->end || hex_value(*s->at) < 0)
            return false;
    return true;
}

static bool take_string(struct scan *s)
{
    if (!take(s, '"'))
        return false;
    while (s->at < s->end) {
        if (take(s, '"'))
            return true;
        if (take(s, '\\')) {
            if (!take_escape(s))
                return false;
        } else if ((unsigned char)*s->at < 0x20) {
            return false;
        } else {
            s->at++;
        }
    }
    return false;
}

static bool take_name(struct scan *s)
{
    skip_spaces(s);
    if (!take_string(s))
        return false;
    skip_spaces(s);
    return take(s, ':');
}

static bool in_object(const struct scan *s)
{
    return s->depth > 0 && (s->objects >> (s->depth - 1) & 1) != 0;
}

static void push(struct scan *s, bool object)
{
    uint64_t bit = UINT64_C(1) << s->depth;
    s->objects = object ? s->objects | bit : s->objects & ~bit;
    s->depth++;
}

/* Outcomes of the two steps of the walk. */
enum step {
    STEP_VALUE, /* a value must follow */
    STEP_AFTER, /* a value is whole */
    STEP_END,   /* the outermost one is */
    STEP_BAD,
    STEP_DEEP,
};

static enum step open_container(struct scan *s, bool object)
{
    s->at++;
    if (s->depth == JSON_DEPTH_MAX)
        return STEP_DEEP;
    skip_spaces(s);
    if (take(s, object ? '}' : ']'))
        return STEP_AFTER;
    push(s, object);
    if (object && !take_name(s))
        return STEP_BAD;
    return STEP_VALUE;
}

static enum step step_value(struct scan *s)
{
    skip_spaces(s);
    if (s->at == s->end)
        return STEP_BAD;
    bool good;
    switch (*s->at) {
    case '{':
    case '[':
        return open_container(s, *s->at == '{');
    case '"':
        good = take_string(s);
        break;
    case 'n':
        good = take_word(s, "null");
        break;
    case 't':
        good = take_word(s, "true");
        break;
    case 'f':
        good = take_word(s, "false");
        break;
    default:
        good = take_number(s);
        break;
    }
    return good ? STEP_AFTER : STEP_BAD;
}

static enum step step_after(struct scan *s)
{
    if (s->depth == 0)
        return STEP_END;
    skip_spaces(s);
    bool object = in_object(s);
    if (take(s, ','))
        return !object || take_name(s) ? STEP_VALUE : STEP_BAD;
    if (!take(s, object ? '}' : ']'))
        return STEP_BAD;
    s->depth--;
    return STEP_AFTER;
}

static enum json_kind kind_of(char first)
{
    switch (first) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 'n':
        return JSON_NULL;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    default:
        return JSON_NUMBER;
    }
}

int json_read(const char *bytes, size_t length, struct json *ret, struct errtext *err)
{
    if (length == 0)
        return errtext_set(err, -EINVAL, "empty, not JSON");
    struct scan s = {.start = bytes, .at = bytes, .end = bytes + length};
    skip_spaces(&s);
    const char *first = s.at;
    enum step step = STEP_VALUE;
    while (step == STEP_VALUE || step == STEP_AFTER)
        step = step == STEP_VALUE ? step_value(&s) : step_after(&s);
    if (step == STEP_DEEP)
        return errtext_set(err, -E2BIG, "JSON nested deeper than %d levels", JSON_DEPTH_MAX);
    const char *last = s.at;
    if (step == STEP_END)
        skip_spaces(&s);
    if (step == STEP_BAD || s.at != s.end)
        return errtext_set(err, -EINVAL, "%s at byte %zu of %zu",
                           s.at == s.end ? "JSON that ends too early" : "not JSON",
                           (size_t)(s.at - s.start) + 1, length);
    *ret = (struct json){kind_of(*first), first, (size_t)(last - first)};
    return 0;
}

/* From here on the text is known to be good: an end is always found. */

static const char *string_end(const char *quote)
{
    const char *at = quote + 1;
    while (*at != '"')
        at += *at == '\\' ? 2 : 1;
    return at + 1;
}

static const char *value_end(const char *at)
{
    if (*at == '"')
        return string_end(at);
    if (*at != '{' && *at != '[') {
        while (is_digit(*at) || (*at >= 'a' && *at <= 'z') || *at == '-' || *at == '+' || *at == '.'
               || *at == 'E')
            at++;
        return at;
    }
    int depth = 0;
    do {
        if (*at == '"') {
            at = string_end(at);
            continue;
        }
        if (*at == '{' || *at == '[')
            depth++;
        else if (*at == '}' || *at == ']')
            depth--;
        at++;
    } while (depth > 0);
    return at;
}

static const char *past_spaces(const char *at)
{
    while (is_space(*at))
        at++;
    return at;
}

static struct json value_at(const char *at)
{
    return (struct json){kind_of(*at), at, (size_t)(value_end(at) - at)};
}

struct json_cursor json_open(const struct json *container)
{
    if (container->kind != JSON_OBJECT && container->kind != JSON_ARRAY)
        return (struct json_cursor){.at = NULL, .object = false};
    return (struct json_cursor){.at = past_spaces(container->bytes + 1),
                                .object = container->kind == JSON_OBJECT};
}

bool json_next(struct json_cursor *cursor, struct json *ret_name, struct json *ret_value)
{
    const char *at = cursor->at;
    if (at == NULL || *at == '}' || *at == ']')
        return false;
    if (cursor->object) {
        struct json name = value_at(at);
        if (ret_name != NULL)
            *ret_name = name;
        at = past_spaces(past_spaces(at + name.length) + 1); /* over the colon */
    }
    *ret_value = value_at(at);
    at = past_spaces(at + ret_value->length);
    cursor->at = *at == ',' ? past_spaces(at + 1) : at;
    return true;
}

int json_member(const struct json *object, const char *name, struct json *ret)
{
    if (object->kind != JSON_OBJECT)
        return JSON_ABSENT;
    struct json_cursor cursor = json_open(object);
    struct json key;
    struct json value;
    struct json found;
    int count = 0;
    while (json_next(&cursor, &key, &value)) {
        if (!json_is(&key, name))
            continue;
        if (++count == 2)
            return JSON_DOUBLED;
        found = value;
    }
    if (count == 0)
        return JSON_ABSENT;
    *ret = found;
    return 0;
}

static uint32_t hex4(const char *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 4 | (uint32_t)hex_value(at[i]);
    return value;
}

static void add_character(struct text *t, uint32_t c)
{
    if (c == 0 || (c >= 0xD800 && c <= 0xDFFF))
        c = 0xFFFD;
    char bytes[4];
    size_t length;
    if (c < 0x80) {
        bytes[0] = (char)c;
        length = 1;
    } else if (c < 0x800) {
        bytes[0] = (char)(0xC0 | c >> 6);
        bytes[1] = (char)(0x80 | (c & 0x3F));
        length = 2;
    } else if (c < 0x10000) {
        bytes[0] = (char)(0xE0 | c >> 12);
        bytes[1] = (char)(0x80 | (c >> 6 & 0x3F));
        bytes[2] = (char)(0x80 | (c & 0x3F));
        length = 3;
    } else {
        bytes[0] = (char)(0xF0 | c >> 18);
        bytes[1] = (char)(0x80 | (c >> 12 & 0x3F));
        bytes[2] = (char)(0x80 | (c >> 6 & 0x3F));
        bytes[3] = (char)(0x80 | (c & 0x3F));
        length = 4;
    }
    text_add_bytes(t, bytes, length);
}

/* At the 'u' of an escape; returns what stands behind it, a surrogate pair taken as one. */
static const char *add_unicode(struct text *t, const char *at)
{
    uint32_t c = hex4(at + 1);
    at += 5;
    if (c >= 0xD800 && c <= 0xDBFF && at[0] == '\\' && at[1] == 'u') {
        uint32_t low = hex4(at + 2);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
        }
    }
    add_character(t, c);
    return at;
}

/* At the character behind the backslash. */
static const char *add_escape(struct text *t, const char *at)
{
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    if (*at == 'u')
        return add_unicode(t, at);
    const char *letter = strchr(letters, *at);
    text_add_char(t, letter != NULL ? meanings[letter - letters] : *at);
    return at + 1;
}

void json_add_string(const struct json *string, struct text *t)
{
    if (string->kind != JSON_STRING)
        return;
    const char *at = string->bytes + 1;
    const char *end = string->bytes + string->length - 1;
    while (at < end && !t->cut) {
        const char *run = at;
        while (at < end && *at != '\\')
            at++;
        text_add_bytes(t, run, (size_t)(at - run));
        if (at < end)
            at = add_escape(t, at + 1);
    }
}

bool json_is(const struct json *value, const char *string)
{
    if (value->kind != JSON_STRING)
        return false;
    char buffer[JSON_NAME_MAX + 1];
    struct text t = text_over(buffer, sizeof buffer);
    json_add_string(value, &t);
    return !t.cut && strcmp(buffer, string) == 0;
}

int json_int64(const struct json *value, int64_t *ret)
{
    const char *at = value->bytes;
    const char *end = at + value->length;
    if (value->kind == JSON_STRING) {
        at++;
        end--;
    } else if (value->kind != JSON_NUMBER) {
        return -EINVAL;
    }
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
