/*
 * One thing that happened, for the log: a name, a level, and key=value fields, written as one line
 * that no input can forge.
 *
 * logfmt:  event=backup_submitted schedule=nightly instance=crs-5a4py64p task_id=6954227
 *          A value is bare where it is made of [0-9A-Za-z._:/@%+,-] and not empty; else it is
 *          quoted with JSON's escapes. So a line feed, a quote or a blank cannot end a field.
 * json:    {"event":"backup_submitted","level":"notice","schedule":"nightly",...}; numbers bare.
 */
#pragma once

#include "base/instant.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

#define EVENT_LINE_MAX 2048 /* a longer line loses its last fields, never half a character */
#define EVENT_FIELDS_MAX 16

/* Values of syslog(3). */
enum event_level {
    EVENT_ERR = 3,
    EVENT_WARNING = 4,
    EVENT_NOTICE = 5,
    EVENT_INFO = 6,
    EVENT_DEBUG = 7,
};

enum field_kind {
    FIELD_TEXT,
    FIELD_NUMBER,
    FIELD_INSTANT,  /* a wall instant in UTC */
    FIELD_DURATION, /* microseconds, shown as seconds with three decimals: "1.250s" */
};

struct field {
    const char *key; /* [a-z_]+, a literal */
    enum field_kind kind;
    const char *text;
    int64_t number;
};

struct event {
    enum event_level level;
    const char *name; /* [a-z_]+, a literal */
    struct field fields[EVENT_FIELDS_MAX];
    size_t count;
    bool cut; /* it had more fields */
};

/* Building: texts are borrowed until the event is written. A NULL or empty text is left out. */
struct event event_make(enum event_level level, const char *name);
void event_text(struct event *e, const char *key, const char *text);
void event_number(struct event *e, const char *key, int64_t number);
void event_instant(struct event *e, const char *key, struct wall at);
void event_duration(struct event *e, const char *key, int64_t us);

/*
 * One allocation with texts of its own, for free(); NULL: no memory. A text that no line would show
 * (see EVENT_TEXTS_MAX) is left out and the copy is cut.
 */
#define EVENT_TEXTS_MAX (2 * EVENT_LINE_MAX)
struct event *event_copy(const struct event *e) MUST_CHECK;

/* The field's value as a line shows it, without quotes and escapes; perhaps the buffer. */
#define EVENT_SCALAR_MAX 64
const char *event_value(const struct field *f, char buffer[EVENT_SCALAR_MAX]);

enum event_format {
    EVENT_LOGFMT,
    EVENT_JSON,
};

/* One line without a line feed; returns its length. */
size_t event_format_line(const struct event *e, enum event_format format,
                         char line[EVENT_LINE_MAX]);

const char *event_level_name(enum event_level level);
