/* Instants for people: spans, distances from now, and what --since understands. */
#include "unit.h"

#include "ctl/when.h"

#include <errno.h>

#define SECOND US_PER_SECOND
#define NOW 1795564800 /* 2026-11-24T20:00:00Z */

static void spans(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {-5 * SECOND, "0s"},
        {59 * SECOND + 999999, "59s"},
        {60 * SECOND, "1m"},
        {3599 * SECOND, "59m"},
        {3600 * SECOND, "1h 0m"},
        {18759 * SECOND, "5h 12m"},
        {SECONDS_PER_DAY * SECOND, "1d 0h"},
        {3 * SECONDS_PER_DAY * SECOND + 4 * 3600 * SECOND, "3d 4h"},
        {INT64_MAX, "106751991d 4h"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char buffer[WHEN_TEXT_MAX];
        assert_string_equal(when_span(cases[i].us, buffer), cases[i].text);
    }
}

static void distances(void **state)
{
    char buffer[WHEN_TEXT_MAX];
    const struct wall now = wall_from_seconds(NOW);
    (void)state;
    assert_string_equal(when_from(wall_from_seconds(NOW + 90), now, buffer), "in 1m");
    assert_string_equal(when_from(wall_from_seconds(NOW - 90), now, buffer), "1m ago");
    assert_string_equal(when_from(now, now, buffer), "0s ago");
    assert_string_equal(when_short(wall_add_us(now, 999999), buffer), "2026-11-25T00:00:00Z");
}

static void what_since_understands(void **state)
{
    static const struct {
        const char *text;
        int direction;
        int64_t second;
    } cases[] = {
        {"1d", -1, NOW - SECONDS_PER_DAY},
        {"6h", -1, NOW - 6 * 3600},
        {"6h", 1, NOW + 6 * 3600},
        {"0", -1, NOW},
        {"@5", -1, 5},
        {"1970-01-01T08:00:01+08:00", 1, 1},
    };
    static const char *const wrong[] = {"", "yesterday", "1w", "-1d", "2026-11-24", "1d6h"};
    const struct wall now = wall_from_seconds(NOW);
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct wall at = {-1};
        assert_int_equal(when_parse(cases[i].text, now, cases[i].direction, &at, NULL), 0);
        assert_int_equal(wall_seconds(at), cases[i].second);
    }
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct errtext err = {""};
        struct wall at = {-1};
        assert_int_equal(when_parse(wrong[i], now, -1, &at, &err), -EINVAL);
        assert_non_null(strstr(err.text, "no duration such as 1d"));
        assert_int_equal(at.us, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans),
        cmocka_unit_test(distances),
        cmocka_unit_test(what_since_understands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
