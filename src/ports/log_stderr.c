/* See log_stderr.h. A pipe that polls writable has room for PIPE_BUF bytes: a line is shorter. */
#include "ports/log_stderr.h"

#include "base/civil.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_WITH_PREFIX (EVENT_LINE_MAX + 128)

struct log_stderr {
    enum event_format format;
    struct wall (*clock)(void);
    bool terminal;
    bool journal;
    uint64_t lost;
};

bool log_stderr_is_terminal(void)
{
    return isatty(STDERR_FILENO) == 1;
}

/* $JOURNAL_STREAM is "DEVICE:INODE" of the stream that systemd connected. */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    char expected[64];
    if (stream == NULL || fstat(STDERR_FILENO, &st) < 0)
        return false;
    struct text t = text_over(expected, sizeof expected);
    text_addf(&t, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    return strcmp(stream, expected) == 0;
}

static bool has_room(void)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

static bool put(struct log_stderr *log, enum event_level level, const char *line, size_t length)
{
    char whole[LINE_MAX_WITH_PREFIX];
    struct text t = text_over(whole, sizeof whole);
    if (log->terminal) {
        char instant[CIVIL_TEXT_MAX];
        struct wall now = wall_from_seconds(wall_seconds(log->clock()));
        text_addf(&t, "%s %-7s ", civil_format_utc(now, instant), event_level_name(level));
    } else if (log->journal) {
        text_addf(&t, "<%d>", (int)level);
    }
    text_add_bytes(&t, line, length);
    text_add_char(&t, '\n');
    if (!has_room())
        return false;
    ssize_t n = write(STDERR_FILENO, t.bytes, t.length);
    return n == (ssize_t)t.length;
}

static size_t flush(void *context)
{
    struct log_stderr *log = context;
    if (log->lost == 0)
        return 0;
    char line[EVENT_LINE_MAX];
    struct event e = event_make(EVENT_WARNING, "log_lost");
    event_number(&e, "lines", (int64_t)log->lost);
    size_t length = event_format_line(&e, log->format, line);
    if (!put(log, EVENT_WARNING, line, length))
        return 1;
    log->lost = 0;
    return 0;
}

static void write_line(void *context, enum event_level level, const char *line, size_t length)
{
    struct log_stderr *log = context;
    if (flush(log) > 0 || !put(log, level, line, length))
        log->lost++;
}

static void destroy(void *context)
{
    free(context);
}

int log_stderr_create(enum event_format format, struct wall (*clock)(void), struct log_writer *ret)
{
    struct log_stderr *log = calloc(1, sizeof *log);
    if (log == NULL)
        return -ENOMEM;
    log->format = format;
    log->clock = clock;
    log->terminal = log_stderr_is_terminal();
    log->journal = is_journal();
    *ret = (struct log_writer){
        .context = log, .write = write_line, .flush = flush, .destroy = destroy};
    return 0;
}
