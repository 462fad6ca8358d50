/* What is kept for a sink that takes nothing: order, maximum, loss, another sink, the level. */
#include "unit.h"

#include "ports/log_writer.h"

#include <stdio.h>
#include <stdlib.h>

/* A sink that takes as many lines as it has room for. */
struct shelf {
    size_t room;
    size_t count;
    int destroyed;
    char lines[LOG_KEPT_MAX + 64][64];
};

static bool shelve(void *context, const struct event *event, const char *line, size_t length)
{
    struct shelf *shelf = context;
    (void)event;
    assert_int_equal(strlen(line), length);
    if (shelf->room == 0)
        return false;
    shelf->room--;
    assert_true(shelf->count < COUNT(shelf->lines) && length < sizeof shelf->lines[0]);
    memcpy(shelf->lines[shelf->count++], line, length + 1);
    return true;
}

static void shelf_destroy(void *context)
{
    struct shelf *shelf = context;
    shelf->destroyed++;
}

static struct log_sink shelf_sink(struct shelf *shelf)
{
    return (struct log_sink){.context = shelf, .put = shelve, .destroy = shelf_destroy};
}

static struct shelf *shelf_create(size_t room)
{
    struct shelf *shelf = calloc(1, sizeof *shelf);
    assert_non_null(shelf);
    shelf->room = room;
    return shelf;
}

static void say(struct log_writer *writer, size_t number)
{
    struct journal journal = log_writer_journal(writer);
    struct event e = event_make(EVENT_NOTICE, "n");
    event_number(&e, "i", (int64_t)number);
    journal.write(journal.context, &e);
}

static void assert_line(const struct shelf *shelf, size_t at, const char *key, size_t number)
{
    char expected[64];
    (void)snprintf(expected, sizeof expected, "event=%s=%zu", key, number);
    assert_true(at < shelf->count);
    assert_string_equal(shelf->lines[at], expected);
}

static void kept_lines_go_to_the_next_sink_in_order(void **state)
{
    (void)state;
    struct log_writer *writer;
    struct shelf *old = shelf_create(2);
    struct shelf *new = shelf_create(1000);
    assert_int_equal(log_writer_create(EVENT_INFO, EVENT_LOGFMT, &writer), 0);
    say(writer, 0); /* before there is a sink */
    log_writer_open(writer, shelf_sink(old));
    for (size_t i = 1; i < 10; i++)
        say(writer, i);
    assert_int_equal(old->count, 2);
    log_writer_open(writer, shelf_sink(new));
    assert_int_equal(old->destroyed, 1);
    say(writer, 10);
    assert_int_equal(log_writer_flush(writer), 0);
    assert_line(old, 0, "n i", 0);
    assert_line(old, 1, "n i", 1);
    assert_int_equal(new->count, 9);
    for (size_t i = 2; i <= 10; i++)
        assert_line(new, i - 2, "n i", i);
    log_writer_destroy(writer);
    assert_int_equal(new->destroyed, 1);
    free(old);
    free(new);
}

static void beyond_the_maximum_is_counted_and_said(void **state)
{
    (void)state;
    struct log_writer *writer;
    struct shelf *shelf = shelf_create(0);
    assert_int_equal(log_writer_create(EVENT_INFO, EVENT_LOGFMT, &writer), 0);
    log_writer_open(writer, shelf_sink(shelf));
    for (size_t i = 0; i < LOG_KEPT_MAX + 7; i++)
        say(writer, i);
    assert_int_equal(log_writer_flush(writer), LOG_KEPT_MAX + 1);
    shelf->room = LOG_KEPT_MAX;
    assert_int_equal(log_writer_flush(writer), 1);
    shelf->room = 10;
    assert_int_equal(log_writer_flush(writer), 0);
    for (size_t i = 0; i < LOG_KEPT_MAX; i++)
        assert_line(shelf, i, "n i", i);
    assert_line(shelf, LOG_KEPT_MAX, "log_lost lines", 7);
    say(writer, 1);
    assert_int_equal(shelf->count, LOG_KEPT_MAX + 2); /* said once */
    assert_int_equal(log_writer_lost(writer), 7);     /* and counted for ever */
    log_writer_destroy(writer);
    free(shelf);
}

/* Some room, then a loss in the middle: it stands where it happened. */
static void a_loss_is_said_in_its_place(void **state)
{
    (void)state;
    struct log_writer *writer;
    struct shelf *shelf = shelf_create(0);
    assert_int_equal(log_writer_create(EVENT_INFO, EVENT_LOGFMT, &writer), 0);
    log_writer_open(writer, shelf_sink(shelf));
    for (size_t i = 0; i < LOG_KEPT_MAX + 2; i++)
        say(writer, i);
    shelf->room = 1; /* one place: not enough for the loss and a line */
    say(writer, LOG_KEPT_MAX + 2);
    shelf->room = 1;
    say(writer, LOG_KEPT_MAX + 3);
    shelf->room = LOG_KEPT_MAX + 10;
    assert_int_equal(log_writer_flush(writer), 0);
    assert_int_equal(shelf->count, LOG_KEPT_MAX + 2);
    assert_line(shelf, LOG_KEPT_MAX - 1, "n i", LOG_KEPT_MAX - 1);
    assert_line(shelf, LOG_KEPT_MAX, "log_lost lines", 3);
    assert_line(shelf, LOG_KEPT_MAX + 1, "n i", LOG_KEPT_MAX + 3);
    log_writer_destroy(writer);
    free(shelf);
}

static void another_level_and_format_keep_what_is_kept(void **state)
{
    (void)state;
    struct log_writer *writer;
    struct shelf *shelf = shelf_create(0);
    assert_int_equal(log_writer_create(EVENT_NOTICE, EVENT_LOGFMT, &writer), 0);
    log_writer_open(writer, shelf_sink(shelf));
    say(writer, 1);
    log_writer_filter(writer, EVENT_ERR, EVENT_LOGFMT);
    say(writer, 2);
    log_writer_filter(writer, EVENT_NOTICE, EVENT_JSON);
    say(writer, 3);
    shelf->room = 10;
    assert_int_equal(log_writer_flush(writer), 0);
    assert_int_equal(shelf->count, 2);
    assert_line(shelf, 0, "n i", 1);
    assert_string_equal(shelf->lines[1], "{\"event\":\"n\",\"level\":\"notice\",\"i\":3}");
    log_writer_destroy(writer);
    log_writer_destroy(NULL);
    free(shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_lines_go_to_the_next_sink_in_order),
        cmocka_unit_test(beyond_the_maximum_is_counted_and_said),
        cmocka_unit_test(a_loss_is_said_in_its_place),
        cmocka_unit_test(another_level_and_format_keep_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
