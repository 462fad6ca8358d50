/* Event: lines as the contract writes them, and values that try to forge one. */
#include "unit.h"

#include "base/event.h"

#include <stdlib.h>

static void submitted_line(void **state)
{
    (void)state;
    struct event e = event_make(EVENT_NOTICE, "backup_submitted");
    event_text(&e, "schedule", "nightly");
    event_text(&e, "instance", "crs-5a4py64p");
    event_text(&e, "nothing", "");
    event_instant(&e, "slot", wall_from_seconds(1795460400));
    event_number(&e, "attempt", 1);
    event_duration(&e, "took", 1250999);
    char line[EVENT_LINE_MAX];
    size_t n = event_format_line(&e, EVENT_LOGFMT, line);
    assert_string_equal(
        line,
        "event=backup_submitted schedule=nightly instance=crs-5a4py64p slot=2026-11-23T19:00:00Z "
        "attempt=1 took=1.250s");
    assert_int_equal(n, strlen(line));
    (void)event_format_line(&e, EVENT_JSON, line);
    assert_string_equal(
        line,
        "{\"event\":\"backup_submitted\",\"level\":\"notice\",\"schedule\":\"nightly\","
        "\"instance\":"
        "\"crs-5a4py64p\",\"slot\":\"2026-11-23T19:00:00Z\",\"attempt\":1,\"took\":\"1.250s\"}");
}

static void nothing_forges_a_line(void **state)
{
    (void)state;
    static const char evil[] =
        "x\nevent=backup_submitted task_id=1\r\x1b[31m \"quoted\" \xFF \xE2\x80\xA8";
    struct event e = event_make(EVENT_ERR, "backup_failed");
    event_text(&e, "message", evil);
    event_text(&e, "code", "a=b");
    char line[EVENT_LINE_MAX];
    (void)event_format_line(&e, EVENT_LOGFMT, line);
    assert_null(strpbrk(line, "\n\r\x1b"));
    assert_non_null(strstr(line, "message=\"x\\nevent=backup_submitted task_id=1\\r\\u001b[31m "));
    assert_non_null(strstr(line, " code=\"a=b\""));
}

static void a_long_line_loses_whole_fields(void **state)
{
    (void)state;
    static char long_text[4096];
    memset(long_text, 'y', sizeof long_text - 1);
    for (int format = 0; format < 2; format++) {
        struct event e = event_make(EVENT_ERR, "backup_failed");
        event_text(&e, "instance", "crs-5a4py64p");
        event_text(&e, "message", long_text);
        event_number(&e, "attempt", 3);
        char line[EVENT_LINE_MAX];
        size_t n = event_format_line(&e, (enum event_format)format, line);
        assert_true(n < EVENT_LINE_MAX);
        assert_non_null(strstr(line, "crs-5a4py64p"));
        assert_null(strstr(line, "yyy"));
        assert_non_null(strstr(line, format == EVENT_JSON ? "\"attempt\":3,\"cut\":\"true\"}"
                                                          : "attempt=3 cut=true"));
    }
}

/* A copy looks as its original does when the texts are gone, but for what no line would show. */
static void a_copy_has_texts_of_its_own(void **state)
{
    (void)state;
    static char huge[EVENT_LINE_MAX + 1];
    char text[] = "crs-5a4py64p";
    char expected[EVENT_LINE_MAX];
    char line[EVENT_LINE_MAX];
    memset(huge, 'y', sizeof huge - 1);
    struct event e = event_make(EVENT_ERR, "backup_failed");
    event_text(&e, "instance", text);
    event_number(&e, "attempt", 3);
    (void)event_format_line(&e, EVENT_LOGFMT, expected);
    struct event *copy = event_copy(&e);
    event_text(&e, "message", huge);
    event_text(&e, "code", "after");
    struct event *cut = event_copy(&e);
    memset(text, '-', sizeof text - 1);
    assert_non_null(copy);
    assert_non_null(cut);
    assert_int_equal(copy->level, EVENT_ERR);
    (void)event_format_line(copy, EVENT_LOGFMT, line);
    assert_string_equal(line, expected);
    (void)event_format_line(cut, EVENT_LOGFMT, line);
    assert_string_equal(line,
                        "event=backup_failed instance=crs-5a4py64p attempt=3 code=after cut=true");
    free(copy);
    free(cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submitted_line),
        cmocka_unit_test(nothing_forges_a_line),
        cmocka_unit_test(a_long_line_loses_whole_fields),
        cmocka_unit_test(a_copy_has_texts_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
