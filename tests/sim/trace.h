/*
 * What happened, line by line: printed on request, and hashed, so that two runs of one seed can be
 * compared byte for byte. Off by default, since most runs need neither.
 */
#pragma once

#include "base/result.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct trace {
    FILE *print; /* NULL: not printed */
    bool hashed;
    uint64_t hash;
    const int64_t *now; /* true time in front of each line */
};

void trace_line(struct trace *trace, const char *format, ...) PRINTF_LIKE(2, 3);

static inline bool trace_is_on(const struct trace *trace)
{
    return trace->print != NULL || trace->hashed;
}
