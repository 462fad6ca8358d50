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

static struct log_writer *open_writer(void)
{
    struct log_writer *writer;
    struct log_sink sink;
    assert_int_equal(log_writer_create(EVENT_NOTICE, EVENT_LOGFMT, &writer), 0);
    assert_int_equal(log_stderr_create(fixed_clock, &sink), 0);
    log_writer_open(writer, sink);
    return writer;
}

static void lines_are_the_event_alone(void **state)
{
    (void)state;
    struct pipe_end end;
    static char out[4096];
    take_stderr(&end);
    struct log_writer *writer = open_writer();
    struct journal journal = log_writer_journal(writer);
    struct event e = event_make(EVENT_NOTICE, "ready");
    event_number(&e, "instances", 3);
    journal.write(journal.context, &e);
    e.level = EVENT_INFO; /* below the level that is logged */
    journal.write(journal.context, &e);
    (void)read_all(end.read_fd, out, sizeof out);
    log_writer_destroy(writer);
    give_stderr_back(&end);
    assert_string_equal(out, "event=ready instances=3\n");
}

#define FULL_LINES 500

/* More than a pipe holds: nothing waits, and whole lines come in order as it is read. */
static void a_full_pipe_is_not_waited_for(void **state)
{
    (void)state;
    struct pipe_end end;
    static char out[1 << 20];
    static char text[1000];
    memset(text, 'x', sizeof text - 1);
    take_stderr(&end);
    struct log_writer *writer = open_writer();
    struct journal journal = log_writer_journal(writer);
    for (int i = 0; i < FULL_LINES; i++) {
        struct event e = event_make(EVENT_NOTICE, "long");
        event_number(&e, "i", i);
        event_text(&e, "text", text);
        journal.write(journal.context, &e);
    }
    size_t kept = log_writer_flush(writer);
    size_t length = 0;
    size_t left = kept;
    for (int turns = 0; turns < FULL_LINES && left > 0; turns++) {
        length += read_all(end.read_fd, out + length, sizeof out - length);
        left = log_writer_flush(writer);
    }
    (void)read_all(end.read_fd, out + length, sizeof out - length);
    log_writer_destroy(writer);
    give_stderr_back(&end);
    assert_true(kept > 0 && kept < FULL_LINES);
    assert_int_equal(left, 0);
    const char *at = out;
    for (int i = 0; i < FULL_LINES; i++) {
        char start[64];
        (void)snprintf(start, sizeof start, "event=long i=%d text=x", i);
        assert_int_equal(strncmp(at, start, strlen(start)), 0);
        at = strchr(at, '\n');
        assert_non_null(at);
        at++;
    }
    assert_int_equal(*at, '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_the_event_alone),
        cmocka_unit_test(a_full_pipe_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
