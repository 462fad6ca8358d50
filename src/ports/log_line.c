/* See log_writer.h: level filter and format, then the writer. */
#include "ports/log_writer.h"

static void write_event(void *context, const struct event *event)
{
    struct log_line *log = context;
    if (event->level > log->level)
        return;
    char line[EVENT_LINE_MAX];
    size_t length = event_format_line(event, log->format, line);
    log->writer.write(log->writer.context, event->level, line, length);
}

struct journal log_line_journal(struct log_line *line)
{
    return (struct journal){.context = line, .write = write_event};
}
