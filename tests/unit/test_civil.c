/* Civil: calendar arithmetic against known days, and the readings of ISO 8601. */
#include "unit.h"

#include "base/civil.h"

static void days_of_known_dates(void **state)
{
    (void)state;
    static const struct {
        int64_t year;
        int month, day;
        int64_t days;
        int weekday;
    } rows[] = {
        {1970, 1, 1, 0, 4},       {1969, 12, 31, -1, 3}, {2000, 2, 29, 11016, 2},
        {2026, 11, 24, 20781, 2}, {1, 1, 1, -719162, 1}, {9999, 12, 31, 2932896, 5},
        {1900, 3, 1, -25508, 4},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(civil_days(rows[i].year, rows[i].month, rows[i].day), rows[i].days);
        assert_int_equal(civil_weekday(rows[i].days), rows[i].weekday);
        struct civil c = civil_from_seconds(rows[i].days * SECONDS_PER_DAY + 86399);
        assert_int_equal(c.year, rows[i].year);
        assert_int_equal(c.month, rows[i].month);
        assert_int_equal(c.day, rows[i].day);
        assert_int_equal(c.hour, 23);
        assert_int_equal(c.second, 59);
    }
}

static void every_day_round_trips(void **state)
{
    (void)state;
    int64_t expected = civil_days(1890, 1, 1);
    for (int64_t year = 1890; year <= 2410; year++)
        for (int month = 1; month <= 12; month++)
            for (int day = 1; day <= civil_month_length(year, month); day++, expected++)
                assert_int_equal(civil_days(year, month, day), expected);
}

static void texts(void **state)
{
    (void)state;
    char buffer[CIVIL_TEXT_MAX];
    assert_string_equal(civil_format_utc(wall_from_seconds(1795460400), buffer),
                        "2026-11-23T19:00:00Z");
    assert_string_equal(civil_format_offset(wall_from_seconds(1795460400), 28800, buffer),
                        "2026-11-24T03:00:00+08:00");
    assert_string_equal(civil_format_offset(wall_from_seconds(0), -(3600 + 1800 + 7), buffer),
                        "1969-12-31T22:29:53-01:30:07");
    assert_string_equal(civil_format_utc((struct wall){-1}, buffer), "1969-12-31T23:59:59.999999Z");
    assert_string_equal(civil_format_utc(WALL_NEVER, buffer), "out-of-range");
}

static void readings(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {
        {"2026-11-23T19:00:00Z", INT64_C(1795460400000000)},
        {"2026-11-24 03:00+08:00", INT64_C(1795460400000000)},
        {"2026-11-24T03:00:00.25+0800", INT64_C(1795460400250000)},
        {"@1795460400", INT64_C(1795460400000000)},
        {"@-1", -1000000},
        {"1970-01-01T00:53:28+00:53:28", 0},
    };
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-02-29T00:00:00Z",
                                      "2026-11-23",
                                      "2026-11-23T19:00:00",
                                      "2026-11-23T24:00:00Z",
                                      "2026-11-23T19:60Z",
                                      "2026-11-23T19:00:00ZZ",
                                      "0000-01-01T00:00:00Z",
                                      "@",
                                      "@x",
                                      "@99999999999999999999",
                                      "2026-11-23T19:00:00.Z",
                                      "0001-01-01T00:00:00+01:00"};
    struct errtext err;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct wall w = {0};
        assert_int_equal(civil_parse(good[i].text, &w, &err), 0);
        assert_int_equal(w.us, good[i].us);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct wall w = {42};
        err.text[0] = '\0';
        assert_true(civil_parse(bad[i], &w, &err) < 0);
        assert_int_equal(w.us, 42);
        assert_true(err.text[0] != '\0');
    }
    static const char *const outside[] = {
        "0000-01-01T00:00Z",   "10000-01-01T00:00Z", "-2026-01-01T00:00Z",
        "+12026-01-01T00:00Z", "@253402300800",
    };
    for (size_t i = 0; i < COUNT(outside); i++) {
        struct wall w = {42};
        err.text[0] = '\0';
        assert_true(civil_parse(outside[i], &w, &err) < 0);
        assert_non_null(strstr(err.text, "is outside the years 0001 to 9999"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_of_known_dates),
        cmocka_unit_test(every_day_round_trips),
        cmocka_unit_test(texts),
        cmocka_unit_test(readings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
