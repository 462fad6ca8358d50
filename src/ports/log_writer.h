/*
 * The log: events as lines, written to a sink (standard error, syslog, the journal).
 *
 * Nothing here waits. A line that the sink does not take is kept, up to LOG_KEPT_MAX of them, and
 * written in order when it does; lines beyond are counted and said ("event=log_lost lines=N"). What
 * is kept belongs to the writer, not to the sink: another sink, level or format loses nothing.
 */
#pragma once

#include "base/event.h"
#include "base/result.h"
#include "engine/ports.h"

#include <stdbool.h>
#include <stddef.h>

#define LOG_KEPT_MAX 4096

struct log_writer;

struct log_sink {
    void *context;

    /*
     * Writes one event now: `line` is what it looks like (no line feed, but a NUL, at its end).
     * False: it cannot be written now.
     */
    bool (*put)(void *context, const struct event *event, const char *line, size_t length);

    void (*destroy)(void *context);
};

/* Without a sink, everything is kept. Outcomes: 0, *ret owned by the caller; -ENOMEM. */
int log_writer_create(enum event_level level, enum event_format format,
                      struct log_writer **ret) MUST_CHECK;

/* NULL is fine. What is kept is lost with it: flush before. */
void log_writer_destroy(struct log_writer *writer);

/* From now on: less important events are left out. What is kept stays in its form. */
void log_writer_filter(struct log_writer *writer, enum event_level level, enum event_format format);

/* The sink is the writer's now; the one before is destroyed. */
void log_writer_open(struct log_writer *writer, struct log_sink sink_take);

/* An event past the level and past what is kept. Returns whether the sink took it. */
bool log_writer_put(struct log_writer *writer, const struct event *event);

/* Tries to write what is kept. Returns how many lines are left: call again within a second. */
size_t log_writer_flush(struct log_writer *writer);

/* Events that were lost since the start. */
uint64_t log_writer_lost(const struct log_writer *writer);

/* The engine's journal on top of the writer. */
struct journal log_writer_journal(struct log_writer *writer);
