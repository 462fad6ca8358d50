/*
 * See log_writer.h. What is kept stands in a ring: copies of the events, since one sink wants a
 * line and another the fields. An event goes straight to the sink only where the ring is empty and
 * no loss is left to be said, so the order holds.
 */
#include "ports/log_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct kept {
    struct event *event; /* a copy */
    enum event_format format;
};

struct log_writer {
    struct log_sink sink;
    enum event_level level;
    enum event_format format;
    struct kept kept[LOG_KEPT_MAX]; /* a ring */
    size_t first;
    size_t count;
    uint64_t lost; /* after what is kept */
    uint64_t lost_ever;
};

/* ---- the sink ---- */

static bool put(struct log_writer *writer, const struct event *event, enum event_format format)
{
    char line[EVENT_LINE_MAX];
    if (writer->sink.put == NULL)
        return false;
    size_t length = event_format_line(event, format, line);
    return writer->sink.put(writer->sink.context, event, line, length);
}

bool log_writer_put(struct log_writer *writer, const struct event *event)
{
    return put(writer, event, writer->format);
}

void log_writer_open(struct log_writer *writer, struct log_sink sink_take)
{
    if (writer->sink.destroy != NULL)
        writer->sink.destroy(writer->sink.context);
    writer->sink = sink_take;
}

/* ---- what is kept ---- */

static bool push(struct log_writer *writer, const struct event *event)
{
    struct event *copy = writer->count < LOG_KEPT_MAX ? event_copy(event) : NULL;
    if (copy == NULL)
        return false;
    size_t last = (writer->first + writer->count) % LOG_KEPT_MAX;
    writer->kept[last] = (struct kept){.event = copy, .format = writer->format};
    writer->count++;
    return true;
}

static struct event event_lost(const struct log_writer *writer)
{
    struct event e = event_make(EVENT_WARNING, "log_lost");
    event_number(&e, "lines", (int64_t)writer->lost);
    return e;
}

static void keep(struct log_writer *writer, const struct event *event)
{
    /* A loss is said where it happened: before the next event that is kept. */
    if (writer->lost > 0 && writer->count + 1 < LOG_KEPT_MAX) {
        struct event said = event_lost(writer);
        if (push(writer, &said))
            writer->lost = 0;
    }
    if (writer->lost > 0 || !push(writer, event)) {
        writer->lost++;
        writer->lost_ever++;
    }
}

static void drop_first(struct log_writer *writer)
{
    free(writer->kept[writer->first].event);
    writer->first = (writer->first + 1) % LOG_KEPT_MAX;
    writer->count--;
}

static bool put_lost(struct log_writer *writer)
{
    struct event e = event_lost(writer);
    return log_writer_put(writer, &e);
}

size_t log_writer_flush(struct log_writer *writer)
{
    while (writer->count > 0) {
        const struct kept *kept = &writer->kept[writer->first];
        if (!put(writer, kept->event, kept->format))
            break;
        drop_first(writer);
    }
    if (writer->count == 0 && writer->lost > 0 && put_lost(writer))
        writer->lost = 0;
    return writer->count + (writer->lost > 0 ? 1 : 0);
}

/* ---- events ---- */

static void write_event(void *context, const struct event *event)
{
    struct log_writer *writer = context;
    if (event->level > writer->level)
        return;
    if (log_writer_flush(writer) > 0 || !log_writer_put(writer, event))
        keep(writer, event);
}

struct journal log_writer_journal(struct log_writer *writer)
{
    return (struct journal){.context = writer, .write = write_event};
}

uint64_t log_writer_lost(const struct log_writer *writer)
{
    return writer->lost_ever;
}

void log_writer_filter(struct log_writer *writer, enum event_level level, enum event_format format)
{
    writer->level = level;
    writer->format = format;
}

/* ---- life ---- */

int log_writer_create(enum event_level level, enum event_format format, struct log_writer **ret)
{
    struct log_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return -ENOMEM;
    log_writer_filter(writer, level, format);
    *ret = writer;
    return 0;
}

void log_writer_destroy(struct log_writer *writer)
{
    if (writer == NULL)
        return;
    log_writer_open(writer, (struct log_sink){0});
    while (writer->count > 0)
        drop_first(writer);
    free(writer);
}
