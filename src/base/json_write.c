/* See json_write.h. Nothing here allocates, and nothing fails but for want of room. */
#include "base/json_write.h"

#include "base/civil.h"

#include <inttypes.h>
#include <string.h>

struct json_writer json_write_over(char *buffer, size_t size)
{
    return (struct json_writer){.text = text_over(buffer, size), .follows = false};
}

void json_back(struct json_writer *w, const struct json_writer *before)
{
    *w = *before;
    w->text.bytes[w->text.length] = '\0';
}

/* What stands before a value: a comma, and its name. */
static void begin(struct json_writer *w, const char *key)
{
    if (w->follows)
        text_add_char(&w->text, ',');
    w->follows = true;
    if (key == NULL)
        return;
    text_add_char(&w->text, '"');
    text_add(&w->text, key);
    text_add(&w->text, "\":");
}

void json_open(struct json_writer *w, const char *key, char bracket)
{
    begin(w, key);
    text_add_char(&w->text, bracket);
    w->follows = false;
}

void json_close(struct json_writer *w, char bracket)
{
    text_add_char(&w->text, bracket);
    w->follows = true;
}

void json_put_text(struct json_writer *w, const char *key, const char *text)
{
    begin(w, key);
    text_add_json(&w->text, text, strlen(text));
}

void json_put_known(struct json_writer *w, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        json_put_text(w, key, text);
}

void json_put_number(struct json_writer *w, const char *key, int64_t number)
{
    begin(w, key);
    text_addf(&w->text, "%" PRId64, number);
}

void json_put_thousandths(struct json_writer *w, const char *key, int64_t thousandths)
{
    begin(w, key);
    uint64_t size = thousandths < 0 ? -(uint64_t)thousandths : (uint64_t)thousandths;
    text_addf(&w->text, "%s%" PRIu64 ".%03" PRIu64, thousandths < 0 ? "-" : "", size / 1000,
              size % 1000);
}

void json_put_bool(struct json_writer *w, const char *key, bool value)
{
    begin(w, key);
    text_add(&w->text, value ? "true" : "false");
}

void json_put_instant(struct json_writer *w, const char *key, struct wall at)
{
    char instant[CIVIL_TEXT_MAX];
    if (at.us != WALL_NEVER.us)
        json_put_text(w, key, civil_format_utc(at, instant));
}
