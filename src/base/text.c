/* See text.h. */
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct text text_over(char *buffer, size_t size)
{
    buffer[0] = '\0';
    return (struct text){.bytes = buffer, .size = size, .length = 0, .cut = false};
}

void text_add_bytes(struct text *t, const char *bytes, size_t length)
{
    if (t->cut)
        return;
    size_t room = t->size - t->length - 1;
    if (length > room) {
        t->cut = true;
        length = room;
        while (length > 0 && ((unsigned char)bytes[length] & 0xC0) == 0x80)
            length--;
    }
    if (length > 0)
        memcpy(t->bytes + t->length, bytes, length);
    t->length += length;
    t->bytes[t->length] = '\0';
}

void text_add(struct text *t, const char *string)
{
    text_add_bytes(t, string, strlen(string));
}

void text_add_char(struct text *t, char c)
{
    text_add_bytes(t, &c, 1);
}

void text_addf(struct text *t, const char *format, ...)
{
    if (t->cut)
        return;
    size_t room = t->size - t->length;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->bytes + t->length, room, format, args);
    va_end(args);
    if (n < 0) {
        t->bytes[t->length] = '\0';
        t->cut = true;
        return;
    }
    if ((size_t)n < room) {
        t->length += (size_t)n;
        return;
    }
    t->cut = true;
    size_t end = t->size - 1;
    /* vsnprintf may have split a character: drop its first bytes. */
    size_t start = end;
    while (start > t->length && ((unsigned char)t->bytes[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > t->length && (unsigned char)t->bytes[start - 1] >= 0xC0)
        start--;
    else
        start = end;
    if (text_is_utf8(t->bytes + start, end - start))
        start = end;
    t->bytes[start] = '\0';
    t->length = start;
}

/* Length of the well-formed UTF-8 sequence at `bytes`, 0 where there is none. */
static size_t utf8_length(const unsigned char *bytes, size_t available)
{
    unsigned char first = bytes[0];
    if (first < 0x80)
        return 1;
    size_t length;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (first >= 0xC2 && first <= 0xDF) {
        length = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        length = 3;
        if (first == 0xE0)
            low = 0xA0; /* overlong */
        if (first == 0xED)
            high = 0x9F; /* surrogates */
    } else if (first >= 0xF0 && first <= 0xF4) {
        length = 4;
        if (first == 0xF0)
            low = 0x90; /* overlong */
        if (first == 0xF4)
            high = 0x8F; /* past U+10FFFF */
    } else {
        return 0;
    }
    if (available < length || bytes[1] < low || bytes[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

bool text_is_utf8(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t n = utf8_length((const unsigned char *)bytes + i, length - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

static void add_json_ascii(struct text *t, char c)
{
    switch (c) {
    case '"':
        text_add(t, "\\\"");
        break;
    case '\\':
        text_add(t, "\\\\");
        break;
    case '\n':
        text_add(t, "\\n");
        break;
    case '\r':
        text_add(t, "\\r");
        break;
    case '\t':
        text_add(t, "\\t");
        break;
    default:
        if ((unsigned char)c < 0x20 || c == 0x7F)
            text_addf(t, "\\u%04x", (unsigned)(unsigned char)c);
        else
            text_add_char(t, c);
        break;
    }
}

void text_add_json(struct text *t, const char *bytes, size_t length)
{
    text_add_char(t, '"');
    for (size_t i = 0; i < length;) {
        size_t n = utf8_length((const unsigned char *)bytes + i, length - i);
        if (n == 1)
            add_json_ascii(t, bytes[i]);
        else if (n > 1)
            text_add_bytes(t, bytes + i, n);
        else
            text_add(t, "\xEF\xBF\xBD");
        i += n > 0 ? n : 1;
    }
    text_add_char(t, '"');
}

/* Of a well-formed sequence of `length` bytes. */
static bool is_control(const char *sequence, size_t length)
{
    unsigned char first = (unsigned char)sequence[0];
    if (length == 1)
        return first < 0x20 || first == 0x7F;
    unsigned char second = (unsigned char)sequence[1];
    if (length == 2)
        return first == 0xC2 && second < 0xA0;
    unsigned char third = (unsigned char)sequence[2];
    return length == 3 && first == 0xE2 && second == 0x80 && (third == 0xA8 || third == 0xA9);
}

void text_add_line(struct text *t, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length && !t->cut;) {
        size_t n = utf8_length((const unsigned char *)bytes + i, length - i);
        if (n == 0)
            text_add(t, "\xEF\xBF\xBD");
        else if (is_control(bytes + i, n))
            text_add_char(t, ' ');
        else
            text_add_bytes(t, bytes + i, n);
        i += n > 0 ? n : 1;
    }
}

struct unit {
    const char *name;
    int64_t us;
};

/* Longest first for printing; the first that divides the duration is used. */
static const struct unit units[] = {
    {"d", SECONDS_PER_DAY *US_PER_SECOND},
    {"h", 3600 * US_PER_SECOND},
    {"m", 60 * US_PER_SECOND},
    {"s", US_PER_SECOND},
    {"ms", 1000},
};

#define UNIT_COUNT (sizeof units / sizeof units[0])

int text_parse_duration(const char *string, int64_t *ret_us, struct errtext *err)
{
    const char *p = string;
    int64_t value = 0;
    while (*p >= '0' && *p <= '9') {
        if (value > TEXT_DURATION_MAX_US)
            return errtext_set(err, -EINVAL, "'%.40s' is longer than 3660d", string);
        value = value * 10 + (*p++ - '0');
    }
    if (p == string)
        return errtext_set(
            err, -EINVAL,
            "'%.40s' is not a duration; write a whole number and ms, s, m, h or d, such as 30m",
            string);
    if (*p == '\0' && value == 0) {
        *ret_us = 0;
        return 0;
    }
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (strcmp(p, units[i].name) != 0)
            continue;
        if (value > TEXT_DURATION_MAX_US / units[i].us)
            return errtext_set(err, -EINVAL, "'%.40s' is longer than 3660d", string);
        *ret_us = value * units[i].us;
        return 0;
    }
    return errtext_set(err, -EINVAL, "'%.40s' needs one unit: ms, s, m, h or d, such as %.20ss",
                       string, *p == '\0' ? string : "30");
}

const char *text_format_duration(int64_t us, char buffer[TEXT_DURATION_MAX])
{
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (us == 0 || us % units[i].us != 0)
            continue;
        (void)snprintf(buffer, TEXT_DURATION_MAX, "%lld%s", (long long)(us / units[i].us),
                       units[i].name);
        return buffer;
    }
    (void)snprintf(buffer, TEXT_DURATION_MAX, "%lld%s", (long long)us, us == 0 ? "s" : "us");
    return buffer;
}

#define NEAREST_WORD_MAX 64

/* Edits (insert, drop, change, swap of neighbours counted as two) between two short words. */
static size_t edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t row[NEAREST_WORD_MAX + 1];
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            size_t drop = row[j] + 1;
            size_t insert = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < drop ? change : drop;
            if (insert < row[j])
                row[j] = insert;
        }
    }
    return row[nb];
}

const char *text_nearest(const char *word, const char *const *names, size_t count)
{
    size_t length = strlen(word);
    if (length > NEAREST_WORD_MAX)
        return NULL;
    const char *best = NULL;
    size_t least = length / 3 + 2; /* a third of the letters may be wrong */
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(names[i]);
        if (n > NEAREST_WORD_MAX)
            continue;
        size_t distance = edit_distance(word, length, names[i], n);
        if (distance < least) {
            least = distance;
            best = names[i];
        }
    }
    return best;
}
