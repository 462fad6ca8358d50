/* See event.h. */
#include "base/event.h"

#include "base/civil.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct event event_make(enum event_level level, const char *name)
{
    return (struct event){.level = level, .name = name, .count = 0};
}

static void add(struct event *e, struct field field)
{
    assert(e->count < EVENT_FIELDS_MAX);
    e->fields[e->count++] = field;
}

void event_text(struct event *e, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        add(e, (struct field){.key = key, .kind = FIELD_TEXT, .text = text});
}

void event_number(struct event *e, const char *key, int64_t number)
{
    add(e, (struct field){.key = key, .kind = FIELD_NUMBER, .number = number});
}

void event_instant(struct event *e, const char *key, struct wall at)
{
    add(e, (struct field){.key = key, .kind = FIELD_INSTANT, .number = at.us});
}

void event_duration(struct event *e, const char *key, int64_t us)
{
    add(e, (struct field){.key = key, .kind = FIELD_DURATION, .number = us});
}

/* ---- copying ---- */

static size_t text_size(const struct field *f)
{
    return f->kind == FIELD_TEXT ? strlen(f->text) + 1 : 0;
}

struct event *event_copy(const struct event *e)
{
    struct event kept = event_make(e->level, e->name);
    size_t size = 0;
    kept.cut = e->cut;
    for (size_t i = 0; i < e->count; i++) {
        size_t more = text_size(&e->fields[i]);
        if (more > EVENT_LINE_MAX || size + more > EVENT_TEXTS_MAX) {
            kept.cut = true;
            continue;
        }
        size += more;
        add(&kept, e->fields[i]);
    }
    struct event *copy = malloc(sizeof *copy + size);
    if (copy == NULL)
        return NULL;
    *copy = kept;
    char *texts = (char *)(copy + 1);
    for (size_t i = 0; i < copy->count; i++) {
        size_t length = text_size(&copy->fields[i]);
        if (length > 0)
            copy->fields[i].text = memcpy(texts, copy->fields[i].text, length);
        texts += length;
    }
    return copy;
}

/* ---- writing ---- */

static bool is_bare(const char *text)
{
    static const char bare[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._:/@%+,-";
    return text[0] != '\0' && text[strspn(text, bare)] == '\0';
}

const char *event_value(const struct field *f, char buffer[EVENT_SCALAR_MAX])
{
    if (f->kind == FIELD_TEXT)
        return f->text;
    if (f->kind == FIELD_INSTANT) {
        char instant[CIVIL_TEXT_MAX];
        (void)snprintf(buffer, EVENT_SCALAR_MAX, "%s",
                       civil_format_utc((struct wall){f->number}, instant));
    } else if (f->kind == FIELD_DURATION) {
        uint64_t us = f->number < 0 ? -(uint64_t)f->number : (uint64_t)f->number;
        (void)snprintf(buffer, EVENT_SCALAR_MAX, "%s%" PRIu64 ".%03" PRIu64 "s",
                       f->number < 0 ? "-" : "", us / 1000000, us / 1000 % 1000);
    } else {
        (void)snprintf(buffer, EVENT_SCALAR_MAX, "%" PRId64, f->number);
    }
    return buffer;
}

static void add_value(struct text *t, const struct field *f, enum event_format format)
{
    char buffer[EVENT_SCALAR_MAX];
    const char *value = event_value(f, buffer);
    bool quoted = format == EVENT_JSON ? f->kind != FIELD_NUMBER : !is_bare(value);
    if (quoted)
        text_add_json(t, value, strlen(value));
    else
        text_add(t, value);
}

/* Takes the field back where it did not fit whole with `reserve` bytes to spare. */
static bool add_field(struct text *t, const struct field *f, enum event_format format,
                      size_t reserve)
{
    size_t before = t->length;
    if (format == EVENT_JSON)
        text_addf(t, ",\"%s\":", f->key);
    else
        text_addf(t, " %s=", f->key);
    add_value(t, f, format);
    if (!t->cut && t->length + reserve < t->size)
        return true;
    t->cut = false;
    t->length = before;
    t->bytes[before] = '\0';
    return false;
}

size_t event_format_line(const struct event *e, enum event_format format, char line[EVENT_LINE_MAX])
{
    const char *mark = format == EVENT_JSON ? ",\"cut\":\"true\"" : " cut=true";
    size_t reserve = strlen(mark) + 1;
    struct text t = text_over(line, EVENT_LINE_MAX);
    if (format == EVENT_JSON)
        text_addf(&t, "{\"event\":\"%s\",\"level\":\"%s\"", e->name, event_level_name(e->level));
    else
        text_addf(&t, "event=%s", e->name);
    bool whole = !e->cut;
    for (size_t i = 0; i < e->count; i++)
        whole = add_field(&t, &e->fields[i], format, reserve) && whole;
    if (!whole)
        text_add(&t, mark);
    if (format == EVENT_JSON)
        text_add_char(&t, '}');
    return t.length;
}

const char *event_level_name(enum event_level level)
{
    switch (level) {
    case EVENT_ERR:
        return "err";
    case EVENT_WARNING:
        return "warning";
    case EVENT_NOTICE:
        return "notice";
    case EVENT_INFO:
        return "info";
    case EVENT_DEBUG:
        return "debug";
    }
    return "notice";
}
