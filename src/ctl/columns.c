/*
 * See columns.h. The ranges are those of Unicode's East Asian Width (W and F) and of marks without
 * a width of their own, in blocks: good for what a cloud writes in its messages, not for every
 * script.
 */
#include "ctl/columns.h"

#include <stdint.h>
#include <string.h>

struct range {
    uint32_t first;
    uint32_t last;
};

static const struct range wide[] = {
    {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},   {0xA960, 0xA97F},
    {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
    {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF},
    {0x1FA70, 0x1FAFF}, {0x20000, 0x3FFFD},
};
static const struct range marks[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A},   {0x064B, 0x065F},
    {0x0E31, 0x0E31}, {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF},   {0x1DC0, 0x1DFF},
    {0x20D0, 0x20F0}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xE0100, 0xE01EF},
};
/* Directions and invisible joints. */
static const struct range unseen[] = {
    {0x00AD, 0x00AD}, {0x061C, 0x061C}, {0x180E, 0x180E}, {0x200B, 0x200F},
    {0x202A, 0x202E}, {0x2060, 0x206F}, {0xFEFF, 0xFEFF}, {0xE0000, 0xE007F},
};

static int is_in(uint32_t c, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return 1;
    return 0;
}
#define IS_IN(c, ranges) is_in(c, ranges, sizeof(ranges) / sizeof((ranges)[0]))

/* One character of well-formed UTF-8; other bytes count one by one. Returns its bytes. */
static size_t decode(const char *at, uint32_t *ret)
{
    const unsigned char *bytes = (const unsigned char *)at;
    size_t length = bytes[0] < 0xC0 ? 1 : bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4;
    uint32_t c = length == 1 ? bytes[0] : bytes[0] & (0x7FU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80) { /* also at the end of the text */
            *ret = bytes[0];
            return 1;
        }
        c = c << 6 | (bytes[i] & 0x3FU);
    }
    *ret = c;
    return length;
}

static size_t width_of(uint32_t c)
{
    if (c < 0x300)
        return 1;
    if (IS_IN(c, marks))
        return 0;
    return IS_IN(c, wide) ? 2 : 1;
}

size_t columns_fit(const char *text, size_t columns, size_t *ret_columns)
{
    size_t used = 0;
    size_t at = 0;
    while (text[at] != '\0') {
        uint32_t c;
        size_t length = decode(text + at, &c);
        if (used + width_of(c) > columns)
            break;
        used += width_of(c);
        at += length;
    }
    *ret_columns = used;
    return at;
}

size_t columns_of(const char *text)
{
    size_t columns;
    (void)columns_fit(text, SIZE_MAX / 2, &columns);
    return columns;
}

void columns_clean(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0';) {
        uint32_t c;
        size_t length = decode(from, &c);
        if (IS_IN(c, unseen)) {
            *to++ = '?';
        } else {
            memmove(to, from, length);
            to += length;
        }
        from += length;
    }
    *to = '\0';
}
