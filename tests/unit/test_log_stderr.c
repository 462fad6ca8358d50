/* Log lines to standard error: whole lines, the filter, a pipe that nobody reads. */
#include "unit.h"

#include "ports/log_stderr.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct wall fixed_clock(void)
{
    return wall_from_seconds(1795460400);
}

/* Standard error is a pipe while a test runs. */
struct pipe_end {
    int read_fd;
    int saved;
};

static void take_stderr(struct pipe_end *end)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_true(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
    (void)fflush(stderr);
    end->saved = dup(STDERR_FILENO);
    end->read_fd = fds[0];
    assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
    (void)close(fds[1]);
}

static void give_stderr_back(const struct pipe_end *end)
{
    (void)dup2(end->saved, STDERR_FILENO);
    (void)close(end->saved);
    (void)close(end->read_fd);
}

static size_t read_all(int fd, char *buffer, size_t size)
{
    size_t length = 0;
    for (ssize_t n; length + 1 < size && (n = read(fd, buffer + length, size - 1 - length)) > 0;)
        length += (size_t)n;
    buffer[length] = '\0';
    return length;
}

static void lines_are_the_event_alone(void **state)
{
    (void)state;
    struct pipe_end end;
    static char out[4096];
    struct log_line log = {.level = EVENT_NOTICE, .format = EVENT_LOGFMT};
    take_stderr(&end);
    assert_int_equal(log_stderr_create(EVENT_LOGFMT, fixed_clock, &log.writer), 0);
    struct journal journal = log_line_journal(&log);
    struct event e = event_make(EVENT_NOTICE, "ready");
    event_number(&e, "instances", 3);
    journal.write(journal.context, &e);
    e.level = EVENT_INFO; /* below the level that is logged */
    journal.write(journal.context, &e);
    (void)read_all(end.read_fd, out, sizeof out);
    log.writer.destroy(log.writer.context);
    give_stderr_back(&end);
    assert_string_equal(out, "event=ready instances=3\n");
}

static void a_full_pipe_is_counted_and_said(void **state)
{
    (void)state;
    struct pipe_end end;
    static char out[1 << 20];
    static char line[1000];
    struct log_writer writer;
    memset(line, 'x', sizeof line);
    take_stderr(&end);
    assert_int_equal(log_stderr_create(EVENT_LOGFMT, fixed_clock, &writer), 0);
    for (int i = 0; i < 500; i++)
        writer.write(writer.context, EVENT_NOTICE, line, sizeof line);
    size_t kept = writer.flush(writer.context);
    size_t length = read_all(end.read_fd, out, sizeof out);
    size_t whole = length / (sizeof line + 1);
    bool all_whole = length % (sizeof line + 1) == 0;
    size_t left = writer.flush(writer.context);
    (void)read_all(end.read_fd, out, sizeof out);
    writer.destroy(writer.context);
    give_stderr_back(&end);
    char expected[64];
    (void)snprintf(expected, sizeof expected, "event=log_lost lines=%zu\n", 500 - whole);
    assert_true(whole > 0 && whole < 500 && all_whole);
    assert_int_equal(kept, 1);
    assert_int_equal(left, 0);
    assert_string_equal(out, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_the_event_alone),
        cmocka_unit_test(a_full_pipe_is_counted_and_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
