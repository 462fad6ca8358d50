/* See trace.h. */
#include "sim/trace.h"

#include <stdarg.h>
#include <string.h>

#define LINE_MAX_BYTES 4096

void trace_line(struct trace *trace, const char *format, ...)
{
    if (!trace_is_on(trace))
        return;
    char line[LINE_MAX_BYTES];
    int head = snprintf(line, sizeof line, "%13.6f ", (double)*trace->now / 1e9);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line + head, sizeof line - (size_t)head, format, args);
    va_end(args);
    for (const char *c = line; *c != '\0'; c++)
        trace->hash = (trace->hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    if (trace->print != NULL)
        (void)fprintf(trace->print, "%s\n", line);
}
