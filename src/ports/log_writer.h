/*
 * Where log lines go, and the journal of the engine on top of it.
 *
 * A writer takes whole lines of text and never blocks: what it cannot write at the moment it keeps,
 * up to a named maximum, and what it had to drop it counts. log_line.c turns events into lines.
 */
#pragma once

#include "base/event.h"
#include "base/result.h"
#include "engine/ports.h"

#include <stddef.h>

struct log_writer {
    void *context;

    /* Takes one line, without a line feed. Kept or counted where it cannot be written now. */
    void (*write)(void *context, enum event_level level, const char *line, size_t length);

    /* Tries to write what is kept. Lines still kept afterwards: call again within a second. */
    size_t (*flush)(void *context);

    void (*destroy)(void *context);
};

/* ---- events as lines ---- */

struct log_line {
    struct log_writer writer;
    enum event_level level; /* less important events are left out */
    enum event_format format;
};

/* The engine's journal; `line` is the caller's and outlives it. */
struct journal log_line_journal(struct log_line *line);
