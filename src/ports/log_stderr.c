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
    struct wall (*clock)(void);
    bool terminal;
    bool journal;
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

static bool put(void *context, const struct event *event, const char *line, size_t length)
{
    struct log_stderr *log = context;
    char whole[LINE_MAX_WITH_PREFIX];
    struct text t = text_over(whole, sizeof whole);
    if (log->terminal) {
        char instant[CIVIL_TEXT_MAX];
        struct wall now = wall_from_seconds(wall_seconds(log->clock()));
        text_addf(&t, "%s %-7s ", civil_format_utc(now, instant), event_level_name(event->level));
    } else if (log->journal) {
        text_addf(&t, "<%d>", (int)event->level);
    }
    text_add_bytes(&t, line, length);
    text_add_char(&t, '\n');
    if (!has_room())
        return false;
    ssize_t n = write(STDERR_FILENO, t.bytes, t.length);
    return n == (ssize_t)t.length;
}

static void destroy(void *context)
{
    free(context);
}

int log_stderr_create(struct wall (*clock)(void), struct log_sink *ret)
{
    struct log_stderr *log = calloc(1, sizeof *log);
    if (log == NULL)
        return -ENOMEM;
    log->clock = clock;
    log->terminal = log_stderr_is_terminal();
    log->journal = is_journal();
    *ret = (struct log_sink){.context = log, .put = put, .destroy = destroy};
    return 0;
}
