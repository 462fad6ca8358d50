/*
 * Lines to a syslog daemon that is away, does not read, or listens on a stream.
 *
 * syslog(3) knows no other address than /dev/log, so the tests are the daemon there: in a mount
 * namespace of their own, with an empty /dev, which takes a process that may do that.
 */
#include "unit.h"

#include "ports/log_stderr.h"
#include "ports/log_syslog.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SKIPPED 77 /* for meson */
#define AWAY_LINES 40
#define FULL_LINES 2000
#define STUCK_S 60 /* a write that waits for ever is ended by a signal */

/* ---- the daemon's side ---- */

static int listen_as(int type)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LOG_SYSLOG_SOCKET};
    (void)unlink(LOG_SYSLOG_SOCKET);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&address, sizeof address), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void go_away(int fd)
{
    (void)close(fd);
    (void)unlink(LOG_SYSLOG_SOCKET);
}

/* The text of the next datagram after "]: ", whole head in `head`; NULL where none waits. */
static const char *receive(int fd, char *buffer, size_t size)
{
    ssize_t n = recv(fd, buffer, size - 1, 0);
    if (n < 0)
        return NULL;
    buffer[n] = '\0';
    assert_int_equal(strncmp(buffer, "<29>", 4), 0); /* daemon.notice */
    assert_non_null(strstr(buffer, " crsbackupd["));
    const char *text = strstr(buffer, "]: ");
    assert_non_null(text);
    return text + strlen("]: ");
}

static void expect(int fd, int from, int to)
{
    for (int i = from; i < to; i++) {
        char buffer[EVENT_LINE_MAX + 256];
        char expected[64];
        const char *text = receive(fd, buffer, sizeof buffer);
        (void)snprintf(expected, sizeof expected, "event=n i=%d", i);
        assert_non_null(text);
        assert_string_equal(text, expected);
    }
}

/* ---- our side ---- */

static void open_syslog(struct log_writer *writer)
{
    struct log_sink sink;
    assert_int_equal(log_syslog_create(&sink), 0);
    log_writer_open(writer, sink);
}

static struct log_writer *open_writer(void)
{
    struct log_writer *writer;
    assert_int_equal(log_writer_create(EVENT_NOTICE, EVENT_LOGFMT, &writer), 0);
    open_syslog(writer);
    (void)alarm(STUCK_S);
    return writer;
}

static void say(struct log_writer *writer, int number)
{
    struct journal journal = log_writer_journal(writer);
    struct event e = event_make(EVENT_NOTICE, "n");
    event_number(&e, "i", number);
    journal.write(journal.context, &e);
}

static void drain(struct log_writer *writer, int fd, int from, int to)
{
    int next = from;
    for (int turns = 0; next < to && turns < 2 * (to - from); turns++) {
        char buffer[EVENT_LINE_MAX + 256];
        char expected[64];
        const char *text;
        (void)log_writer_flush(writer);
        while ((text = receive(fd, buffer, sizeof buffer)) != NULL) {
            (void)snprintf(expected, sizeof expected, "event=n i=%d", next++);
            assert_string_equal(text, expected);
        }
    }
    assert_int_equal(next, to);
    assert_int_equal(log_writer_flush(writer), 0);
}

/* ---- tests ---- */

static void lines_wait_for_a_daemon_that_is_away(void **state)
{
    (void)state;
    int fd = listen_as(SOCK_DGRAM);
    struct log_writer *writer = open_writer();
    say(writer, 0);
    expect(fd, 0, 1);
    go_away(fd);
    assert_false(log_syslog_is_there());
    for (int i = 1; i < AWAY_LINES; i++)
        say(writer, i);
    assert_int_equal(log_writer_flush(writer), AWAY_LINES - 1);
    fd = listen_as(SOCK_DGRAM);
    assert_true(log_syslog_is_there());
    drain(writer, fd, 1, AWAY_LINES);
    log_writer_destroy(writer);
    go_away(fd);
}

/* Also that a queue which is full does not look like a daemon that is away. */
static void a_full_queue_is_not_waited_for(void **state)
{
    (void)state;
    int fd = listen_as(SOCK_DGRAM);
    struct log_writer *writer = open_writer();
    for (int i = 0; i < FULL_LINES; i++)
        say(writer, i);
    assert_true(log_writer_flush(writer) > 0);
    assert_true(log_syslog_is_there());
    drain(writer, fd, 0, FULL_LINES);
    log_writer_destroy(writer);
    go_away(fd);
}

/* As a reload does: a sink in place of another, the identity stays. */
static void another_sink_takes_over_what_is_kept(void **state)
{
    (void)state;
    struct log_writer *writer = open_writer();
    for (int i = 0; i < 5; i++)
        say(writer, i);
    open_syslog(writer);
    say(writer, 5);
    int fd = listen_as(SOCK_DGRAM);
    open_syslog(writer);
    say(writer, 6);
    expect(fd, 0, 7);
    open_syslog(writer);
    say(writer, 7);
    expect(fd, 7, 8);
    log_writer_destroy(writer);
    go_away(fd);
}

static struct wall no_clock(void)
{
    return wall_from_seconds(0);
}

/* What syslog does not take stands on standard error in the end. */
static void standard_error_takes_over_too(void **state)
{
    (void)state;
    int fds[2];
    char out[256];
    struct log_sink sink;
    struct log_writer *writer = open_writer();
    say(writer, 0);
    say(writer, 1);
    assert_int_equal(pipe(fds), 0);
    int saved = dup(STDERR_FILENO);
    (void)dup2(fds[1], STDERR_FILENO);
    assert_int_equal(log_stderr_create(no_clock, &sink), 0);
    log_writer_open(writer, sink);
    size_t left = log_writer_flush(writer);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(fds[1]);
    ssize_t n = read(fds[0], out, sizeof out - 1);
    (void)close(fds[0]);
    log_writer_destroy(writer);
    assert_int_equal(left, 0);
    assert_true(n > 0);
    out[n] = '\0';
    assert_string_equal(out, "event=n i=0\nevent=n i=1\n");
}

/* A record of a stream ends with a NUL. */
static void expect_stream(int fd, int from, int to)
{
    for (int i = from; i < to; i++) {
        char buffer[256];
        char expected[64];
        size_t length = 0;
        do {
            assert_true(length < sizeof buffer);
            assert_int_equal(recv(fd, buffer + length, 1, MSG_DONTWAIT), 1);
        } while (buffer[length++] != '\0');
        (void)snprintf(expected, sizeof expected, "]: event=n i=%d", i);
        assert_non_null(strstr(buffer, " crsbackupd["));
        assert_non_null(strstr(buffer, expected));
    }
}

/* What a daemon on a stream has accepted: the probe's connections among them, silent ones. */
struct accepted {
    int fds[16];
    size_t count;
};

/* Accepts what waits. Returns the connection of syslog(3): the one with something to read. */
static int accept_all(struct accepted *accepted, int listener)
{
    int speaker = -1;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;) {
        assert_true(accepted->count < COUNT(accepted->fds));
        accepted->fds[accepted->count++] = fd;
        if (recv(fd, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
            speaker = fd;
    }
    assert_true(speaker >= 0);
    return speaker;
}

static void hang_up(struct accepted *accepted)
{
    while (accepted->count > 0)
        (void)close(accepted->fds[--accepted->count]);
}

static void a_stream_is_written_to(void **state)
{
    (void)state;
    int listener = listen_as(SOCK_STREAM);
    assert_true(log_syslog_is_there());
    struct log_writer *writer = open_writer();
    for (int i = 0; i < AWAY_LINES; i++)
        say(writer, i);
    assert_int_equal(log_writer_flush(writer), 0);
    struct accepted accepted = {.count = 0};
    expect_stream(accept_all(&accepted, listener), 0, AWAY_LINES);

    hang_up(&accepted);
    go_away(listener);
    assert_false(log_syslog_is_there());
    say(writer, AWAY_LINES);
    assert_int_equal(log_writer_flush(writer), 1);

    listener = listen_as(SOCK_STREAM);
    assert_int_equal(log_writer_flush(writer), 0);
    expect_stream(accept_all(&accepted, listener), AWAY_LINES, AWAY_LINES + 1);
    hang_up(&accepted);
    go_away(listener);

    /* The next one listens as most do. */
    int fd = listen_as(SOCK_DGRAM);
    say(writer, 0);
    expect(fd, 0, 1);
    log_writer_destroy(writer);
    go_away(fd);
}

/* Queues as long as systemd makes them, longer than a sender's buffer, where that may be set. */
static void lengthen_queues(void)
{
    int fd = open("/proc/sys/net/unix/max_dgram_qlen", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, "512", 3);
    (void)close(fd);
}

/* Returns whether /dev, and the length of queues, is ours alone. */
static bool take_dev(void)
{
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0
        || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0
        || mount("tmpfs", "/dev", "tmpfs", 0, "size=64k") < 0) {
        (void)printf("skipped: no mount namespace with a /dev of our own: %s\n", strerror(errno));
        return false;
    }
    lengthen_queues();
    return true;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_wait_for_a_daemon_that_is_away),
        cmocka_unit_test(a_full_queue_is_not_waited_for),
        cmocka_unit_test(another_sink_takes_over_what_is_kept),
        cmocka_unit_test(standard_error_takes_over_too),
        cmocka_unit_test(a_stream_is_written_to),
    };
    if (!take_dev())
        return SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
