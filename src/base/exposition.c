/*
 * See exposition.h. Numbers are written by hand: a page of 100,000 lines is made of them, and
 * printf would be most of its cost.
 */
#include "base/exposition.h"

#include <assert.h>
#include <string.h>

#define DIGITS_MAX 20 /* of 2^64 */

void exposition_head(struct text *text, const char *name, const char *type, const char *help)
{
    text_addf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

struct sample exposition_begin(struct text *text, const char *name, const char *suffix)
{
    text_add(text, name);
    if (suffix[0] != '\0')
        text_add(text, suffix);
    return (struct sample){.text = text};
}

static void add_escaped(struct text *text, const char *value)
{
    for (;;) {
        size_t plain = strcspn(value, "\\\"\n");
        text_add_bytes(text, value, plain);
        value += plain;
        if (*value == '\0')
            return;
        text_add(text, *value == '\n' ? "\\n" : *value == '"' ? "\\\"" : "\\\\");
        value++;
    }
}

void exposition_label(struct sample *sample, const char *key, const char *value)
{
    text_add(sample->text, sample->labelled ? "," : "{");
    sample->labelled = true;
    text_add(sample->text, key);
    text_add(sample->text, "=\"");
    if (text_is_utf8(value, strlen(value))) {
        add_escaped(sample->text, value);
    } else {
        for (const char *p = value; *p != '\0'; p++) {
            const char one[] = {*p, '\0'};
            add_escaped(sample->text, (unsigned char)*p < 0x80 ? one : "\xEF\xBF\xBD");
        }
    }
    text_add(sample->text, "\"");
}

static void add_number(struct text *text, uint64_t value, int digits_least)
{
    char buffer[DIGITS_MAX];
    size_t at = sizeof buffer;
    for (int i = 0; value != 0 || i < digits_least; i++) {
        buffer[--at] = (char)('0' + value % 10);
        value /= 10;
    }
    text_add_bytes(text, buffer + at, sizeof buffer - at);
}

static uint64_t begin_value(struct sample *sample, int64_t value)
{
    text_add(sample->text, sample->labelled ? "} " : " ");
    if (value < 0)
        text_add(sample->text, "-");
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

void exposition_whole(struct sample *sample, int64_t value)
{
    add_number(sample->text, begin_value(sample, value), 1);
    text_add(sample->text, "\n");
}

void exposition_decimal(struct sample *sample, int64_t value, int digits)
{
    assert(digits >= 0 && digits <= 18);
    uint64_t magnitude = begin_value(sample, value);
    uint64_t scale = 1;
    for (int i = 0; i < digits; i++)
        scale *= 10;
    uint64_t fraction = magnitude % scale;
    add_number(sample->text, magnitude / scale, 1);
    for (; fraction != 0 && fraction % 10 == 0; digits--)
        fraction /= 10;
    if (fraction != 0) {
        text_add(sample->text, ".");
        add_number(sample->text, fraction, digits);
    }
    text_add(sample->text, "\n");
}
