/*
 * See log_writer.h. The lines that are kept stand in a ring. A line goes straight to the sink only
 * where the ring is empty and no loss is left to be said, so the order holds.
 */
#include "ports/log_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct kept {
    enum event_level level;
    char *line;
};

struct log_writer {
    struct log_sink sink;
    enum event_level level;
    enum event_format format;
    struct kept kept[LOG_KEPT_MAX]; /* a ring */
    size_t first;
    size_t count;
    uint64_t lost; /* after what is kept */
};

/* ---- the sink ---- */

static bool put(struct log_writer *writer, enum event_level level, const char *line, size_t length)
{
    return writer->sink.put != NULL && writer->sink.put(writer->sink.context, level, line, length);
}

bool log_writer_put(struct log_writer *writer, const struct event *event)
{
    char line[EVENT_LINE_MAX];
    size_t length = event_format_line(event, writer->format, line);
    return put(writer, event->level, line, length);
}

void log_writer_open(struct log_writer *writer, struct log_sink sink_take)
{
    if (writer->sink.destroy != NULL)
        writer->sink.destroy(writer->sink.context);
    writer->sink = sink_take;
}

/* ---- what is kept ---- */

static bool push(struct log_writer *writer, enum event_level level, const char *line, size_t length)
{
    char *copy = writer->count < LOG_KEPT_MAX ? strndup(line, length) : NULL;
    if (copy == NULL)
        return false;
    size_t last = (writer->first + writer->count) % LOG_KEPT_MAX;
    writer->kept[last] = (struct kept){.level = level, .line = copy};
    writer->count++;
    return true;
}

static size_t format_lost(const struct log_writer *writer, char line[EVENT_LINE_MAX])
{
    struct event e = event_make(EVENT_WARNING, "log_lost");
    event_number(&e, "lines", (int64_t)writer->lost);
    return event_format_line(&e, writer->format, line);
}

static void keep(struct log_writer *writer, enum event_level level, const char *line, size_t length)
{
    /* A loss is said where it happened: before the next line that is kept. */
    if (writer->lost > 0 && writer->count + 1 < LOG_KEPT_MAX) {
        char said[EVENT_LINE_MAX];
        size_t said_length = format_lost(writer, said);
        if (push(writer, EVENT_WARNING, said, said_length))
            writer->lost = 0;
    }
    if (writer->lost > 0 || !push(writer, level, line, length))
        writer->lost++;
}

static void drop_first(struct log_writer *writer)
{
    free(writer->kept[writer->first].line);
    writer->first = (writer->first + 1) % LOG_KEPT_MAX;
    writer->count--;
}

static bool put_lost(struct log_writer *writer)
{
    char line[EVENT_LINE_MAX];
    size_t length = format_lost(writer, line);
    return put(writer, EVENT_WARNING, line, length);
}

size_t log_writer_flush(struct log_writer *writer)
{
    while (writer->count > 0) {
        const struct kept *kept = &writer->kept[writer->first];
        if (!put(writer, kept->level, kept->line, strlen(kept->line)))
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
    char line[EVENT_LINE_MAX];
    size_t length = event_format_line(event, writer->format, line);
    if (log_writer_flush(writer) > 0 || !put(writer, event->level, line, length))
        keep(writer, event->level, line, length);
}

struct journal log_writer_journal(struct log_writer *writer)
{
    return (struct journal){.context = writer, .write = write_event};
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
