/*
 * Entries to a journal: the test listens on a socket of its own and takes them apart by the rules
 * of systemd's "Native Journal Protocol", as journald does.
 */
#include "unit.h"

#include "ports/log_journal.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define AWAY_EVENTS 40
#define FULL_EVENTS 1000
#define STUCK_S 60 /* a write that waits for ever is ended by a signal */

static char directory[] = "/tmp/test-log-journal-XXXXXX";
static char path[64];

/* ---- the journal's side ---- */

static int listen_there(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&address, sizeof address), 0);
    return fd;
}

static void go_away(int fd)
{
    (void)close(fd);
    assert_int_equal(unlink(path), 0);
}

struct entry {
    size_t count;
    struct {
        char key[64];
        char value[EVENT_LINE_MAX];
    } fields[32];
};

/* One field from `at`; returns what follows it. */
static const char *take_field(struct entry *entry, const char *at, const char *end)
{
    const char *feed = memchr(at, '\n', (size_t)(end - at));
    assert_non_null(feed);
    const char *equals = memchr(at, '=', (size_t)(feed - at));
    const char *value;
    uint64_t length;
    if (equals != NULL) {
        value = equals + 1;
        length = (uint64_t)(feed - value);
    } else {
        assert_true(end - feed > 8);
        memcpy(&length, feed + 1, sizeof length);
        length = le64toh(length);
        value = feed + 9;
        equals = feed;
        assert_true(length < (uint64_t)(end - value));
        assert_int_equal(value[length], '\n');
    }
    assert_true(entry->count < COUNT(entry->fields));
    assert_true((size_t)(equals - at) < sizeof entry->fields[0].key);
    assert_true(length < sizeof entry->fields[0].value);
    memcpy(entry->fields[entry->count].key, at, (size_t)(equals - at));
    memcpy(entry->fields[entry->count].value, value, length);
    entry->count++;
    return value + length + 1;
}

/* False: none waits. */
static bool receive(int fd, struct entry *ret)
{
    static char buffer[65536];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n < 0)
        return false;
    memset(ret, 0, sizeof *ret);
    const char *at = buffer;
    while (at < buffer + n)
        at = take_field(ret, at, buffer + n);
    return true;
}

/* The value of the one field of that name; NULL: none. */
static const char *get(const struct entry *entry, const char *key)
{
    const char *found = NULL;
    for (size_t i = 0; i < entry->count; i++) {
        if (strcmp(entry->fields[i].key, key) == 0) {
            assert_null(found);
            found = entry->fields[i].value;
        }
    }
    return found;
}

static void assert_field(const struct entry *entry, const char *key, const char *value)
{
    const char *found = get(entry, key);
    if (found == NULL)
        fail_msg("no field %s", key);
    assert_string_equal(found, value);
}

/* ---- our side ---- */

static struct log_writer *open_writer(void)
{
    struct log_writer *writer;
    struct log_sink sink;
    assert_int_equal(log_writer_create(EVENT_NOTICE, EVENT_LOGFMT, &writer), 0);
    assert_int_equal(log_journal_create(path, &sink), 0);
    log_writer_open(writer, sink);
    (void)alarm(STUCK_S);
    return writer;
}

static void write_event(struct log_writer *writer, const struct event *e)
{
    struct journal journal = log_writer_journal(writer);
    journal.write(journal.context, e);
}

static void say(struct log_writer *writer, int number)
{
    struct event e = event_make(EVENT_NOTICE, "n");
    event_number(&e, "task_id", number);
    write_event(writer, &e);
}

static void expect(struct log_writer *writer, int fd, int from, int to)
{
    int next = from;
    for (int turns = 0; next < to && turns < 2 * (to - from); turns++) {
        struct entry entry;
        (void)log_writer_flush(writer);
        while (receive(fd, &entry)) {
            char number[16];
            (void)snprintf(number, sizeof number, "%d", next++);
            assert_field(&entry, "TASK_ID", number);
        }
    }
    assert_int_equal(next, to);
    assert_int_equal(log_writer_flush(writer), 0);
}

/* ---- tests ---- */

static struct event submitted(void)
{
    struct event e = event_make(EVENT_NOTICE, "backup_submitted");
    event_text(&e, "schedule", "nightly");
    event_text(&e, "instance", "crs-5a4py64p");
    event_text(&e, "region", "ap-guangzhou");
    event_instant(&e, "slot", wall_from_seconds(1795460400));
    event_number(&e, "attempt", 1);
    event_number(&e, "task_id", 6954227);
    event_text(&e, "request_id", "4daddc97-0005-45d8-b5b8-38514ec1e97c");
    return e;
}

static void an_entry_has_the_line_and_its_fields(void **state)
{
    (void)state;
    int fd = listen_there();
    struct log_writer *writer = open_writer();
    struct event e = submitted();
    char line[EVENT_LINE_MAX];
    (void)event_format_line(&e, EVENT_LOGFMT, line);
    write_event(writer, &e);
    struct entry entry;
    assert_true(receive(fd, &entry));
    static const char *const rows[][2] = {
        {"PRIORITY", "5"},
        {"SYSLOG_FACILITY", "3"},
        {"SYSLOG_IDENTIFIER", "crsbackupd"},
        {"MESSAGE_ID", "45139d38e1e8499b8707036eceb51b56"},
        {"EVENT", "backup_submitted"},
        {"SCHEDULE", "nightly"},
        {"INSTANCE_ID", "crs-5a4py64p"},
        {"REGION", "ap-guangzhou"},
        {"SLOT", "2026-11-23T19:00:00Z"},
        {"ATTEMPT", "1"},
        {"TASK_ID", "6954227"},
        {"REQUEST_ID", "4daddc97-0005-45d8-b5b8-38514ec1e97c"},
    };
    assert_field(&entry, "MESSAGE", line);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_field(&entry, rows[i][0], rows[i][1]);
    assert_int_equal(entry.count, COUNT(rows) + 1);

    /* The other format changes the line alone. */
    log_writer_filter(writer, EVENT_NOTICE, EVENT_JSON);
    write_event(writer, &e);
    assert_true(receive(fd, &entry));
    (void)event_format_line(&e, EVENT_JSON, line);
    assert_field(&entry, "MESSAGE", line);
    assert_field(&entry, "TASK_ID", "6954227");
    log_writer_destroy(writer);
    go_away(fd);
}

static void nothing_forges_a_field(void **state)
{
    (void)state;
    static const char evil[] = "x\nTASK_ID=1\n_SYSTEMD_UNIT=ssh.service\n\n=";
    int fd = listen_there();
    struct log_writer *writer = open_writer();
    struct event e = event_make(EVENT_ERR, "backup_failed");
    event_text(&e, "code", "A=B=C");
    event_text(&e, "message", evil);
    event_text(&e, "request_id", "after");
    write_event(writer, &e);
    struct entry entry;
    assert_true(receive(fd, &entry));
    assert_null(get(&entry, "TASK_ID"));
    assert_null(get(&entry, "_SYSTEMD_UNIT"));
    assert_field(&entry, "PRIORITY", "3");
    assert_field(&entry, "CODE", "A=B=C");
    assert_field(&entry, "DETAIL", evil);
    assert_field(&entry, "REQUEST_ID", "after");
    assert_null(strchr(get(&entry, "MESSAGE"), '\n'));
    log_writer_destroy(writer);
    go_away(fd);
}

/* A datagram stays small, whatever it is given. */
static void a_field_that_does_not_fit_is_left_out(void **state)
{
    (void)state;
    static char huge[65536];
    memset(huge, 'y', sizeof huge - 1);
    int fd = listen_there();
    struct log_writer *writer = open_writer();
    struct event e = event_make(EVENT_ERR, "backup_failed");
    event_text(&e, "message", huge);
    event_text(&e, "request_id", "after");
    write_event(writer, &e);
    struct entry entry;
    assert_true(receive(fd, &entry));
    assert_null(get(&entry, "DETAIL"));
    assert_field(&entry, "MESSAGE", "event=backup_failed request_id=after cut=true");
    assert_field(&entry, "REQUEST_ID", "after");
    log_writer_destroy(writer);
    go_away(fd);
}

static void entries_wait_for_a_journal_that_is_away(void **state)
{
    (void)state;
    assert_false(log_journal_is_there(path));
    struct log_writer *writer = open_writer();
    say(writer, 0);
    int fd = listen_there();
    assert_true(log_journal_is_there(path));
    say(writer, 1);
    expect(writer, fd, 0, 2);
    go_away(fd);
    assert_false(log_journal_is_there(path));
    for (int i = 2; i < AWAY_EVENTS; i++)
        say(writer, i);
    assert_int_equal(log_writer_flush(writer), AWAY_EVENTS - 2);
    fd = listen_there();
    expect(writer, fd, 2, AWAY_EVENTS);
    log_writer_destroy(writer);
    go_away(fd);
}

/* Also that a queue which is full does not look like a journal that is away. */
static void a_full_queue_is_not_waited_for(void **state)
{
    (void)state;
    int fd = listen_there();
    struct log_writer *writer = open_writer();
    for (int i = 0; i < FULL_EVENTS; i++)
        say(writer, i);
    assert_true(log_writer_flush(writer) > 0);
    assert_true(log_journal_is_there(path));
    expect(writer, fd, 0, FULL_EVENTS);
    log_writer_destroy(writer);
    go_away(fd);
}

/* What was said before there was a sink has its fields too, although its texts are gone. */
static void what_was_kept_has_its_fields(void **state)
{
    (void)state;
    struct log_writer *writer;
    struct log_sink sink;
    char text[] = "crs-5a4py64p";
    assert_int_equal(log_writer_create(EVENT_NOTICE, EVENT_LOGFMT, &writer), 0);
    struct event e = event_make(EVENT_WARNING, "backup_missed");
    event_text(&e, "instance", text);
    write_event(writer, &e);
    memset(text, '-', sizeof text - 1);
    int fd = listen_there();
    assert_int_equal(log_journal_create(path, &sink), 0);
    log_writer_open(writer, sink);
    assert_int_equal(log_writer_flush(writer), 0);
    struct entry entry;
    assert_true(receive(fd, &entry));
    assert_field(&entry, "MESSAGE", "event=backup_missed instance=crs-5a4py64p");
    assert_field(&entry, "INSTANCE_ID", "crs-5a4py64p");
    assert_field(&entry, "MESSAGE_ID", "d11ecba7655d4e98a1b8a0d71abe5e9a");
    log_writer_destroy(writer);
    go_away(fd);
}

static void a_path_that_is_too_long(void **state)
{
    (void)state;
    char longer[200];
    struct log_sink sink;
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(log_journal_create(longer, &sink), -ENAMETOOLONG);
    assert_false(log_journal_is_there(longer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_has_the_line_and_its_fields),
        cmocka_unit_test(nothing_forges_a_field),
        cmocka_unit_test(a_field_that_does_not_fit_is_left_out),
        cmocka_unit_test(entries_wait_for_a_journal_that_is_away),
        cmocka_unit_test(a_full_queue_is_not_waited_for),
        cmocka_unit_test(what_was_kept_has_its_fields),
        cmocka_unit_test(a_path_that_is_too_long),
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    (void)snprintf(path, sizeof path, "%s/socket", directory);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    (void)rmdir(directory);
    return failed;
}
