/* Text: the builder's edges, JSON escapes, durations, the nearest name. */
#include "unit.h"

#include "base/text.h"

static void builder_never_overflows(void **state)
{
    (void)state;
    static const char sample[] = "ab\xC3\xA9\xE6\xAF\x8F\xF0\x9F\x98\x80z"; /* 1,1,2,3,4,1 bytes */
    for (size_t size = 1; size <= sizeof sample + 1; size++) {
        char by_bytes[32];
        char by_format[32];
        memset(by_bytes, '#', sizeof by_bytes);
        memset(by_format, '#', sizeof by_format);
        struct text a = text_over(by_bytes, size);
        struct text b = text_over(by_format, size);
        text_add(&a, sample);
        text_addf(&b, "%s", sample);
        assert_string_equal(by_bytes, by_format);
        assert_true(text_is_utf8(by_bytes, a.length));
        assert_int_equal(a.length, strlen(by_bytes));
        assert_int_equal(b.length, strlen(by_format));
        assert_int_equal(a.cut, size < sizeof sample);
        assert_int_equal(by_bytes[size], '#');
        assert_int_equal(by_format[size], '#');
        text_add_char(&a, 'x');
        assert_int_equal(a.cut, size < sizeof sample + 1);
    }
}

static void json_is_always_valid(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t length;
        const char *out;
    } rows[] = {
        {"", 0, "\"\""},
        {"a\"b\\c\n\t\r", 8, "\"a\\\"b\\\\c\\n\\t\\r\""},
        {"\0\x1f\x7f", 3, "\"\\u0000\\u001f\\u007f\""},
        {"\xE6\xAF\x8F", 3, "\"\xE6\xAF\x8F\""},
        {"\xE6\xAF", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"\xC0\x80", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"\xF4\x90\x80\x80x", 5, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDx\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char buffer[64];
        struct text t = text_over(buffer, sizeof buffer);
        text_add_json(&t, rows[i].in, rows[i].length);
        assert_string_equal(buffer, rows[i].out);
    }
}

static void a_line_stays_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t length;
        const char *out;
    } rows[] = {
        {"", 0, ""},
        {"plain \"text\" \\", 14, "plain \"text\" \\"},
        {"a\r\nb\tc\0d\x7F", 9, "a  b c d "},
        {"\x1b[31mred", 8, " [31mred"},
        {"a\xC2\x85z\xC2\xA0", 6, "a z\xC2\xA0"},
        {"\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xA6", 9, "  \xE2\x80\xA6"},
        {"\xE6\xAF\x8F\xE6\xAF", 5, "\xE6\xAF\x8F\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xFF", 1, "\xEF\xBF\xBD"},
        {"\xF0\x9F\x98\x80", 4, "\xF0\x9F\x98\x80"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char buffer[64];
        struct text t = text_over(buffer, sizeof buffer);
        text_add_line(&t, rows[i].in, rows[i].length);
        assert_string_equal(buffer, rows[i].out);
    }
    char small[6];
    struct text t = text_over(small, sizeof small);
    text_add_line(&t, "abc\xE6\xAF\x8Fz", 7);
    assert_string_equal(small, "abc");
    assert_true(t.cut);
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
        const char *back;
    } good[] = {
        {"250ms", 250000, "250ms"},
        {"30s", 30000000, "30s"},
        {"90s", 90000000, "90s"},
        {"5m", 300000000, "5m"},
        {"6h", INT64_C(21600000000), "6h"},
        {"2d", INT64_C(172800000000), "2d"},
        {"3660d", TEXT_DURATION_MAX_US, "3660d"},
        {"0", 0, "0s"},
        {"0s", 0, "0s"},
        {"1500ms", 1500000, "1500ms"},
    };
    static const char *const bad[] = {"",
                                      "s",
                                      "5",
                                      "5 m",
                                      "-5m",
                                      "5min",
                                      "5M",
                                      "1.5h",
                                      "3661d",
                                      "99999999999999999999d",
                                      "9223372036854775807ms",
                                      "5mm",
                                      "0x5s"};
    struct errtext err;
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t us = -1;
        char buffer[TEXT_DURATION_MAX];
        assert_int_equal(text_parse_duration(good[i].text, &us, &err), 0);
        assert_int_equal(us, good[i].us);
        assert_string_equal(text_format_duration(us, buffer), good[i].back);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t us = -1;
        assert_true(text_parse_duration(bad[i], &us, &err) < 0);
        assert_int_equal(us, -1);
    }
}

static void nearest_names(void **state)
{
    (void)state;
    static const char *const names[] = {"timezone", "schedules", "rate_limit", "region"};
    assert_string_equal(text_nearest("time_zone", names, COUNT(names)), "timezone");
    assert_string_equal(text_nearest("schedule", names, COUNT(names)), "schedules");
    assert_string_equal(text_nearest("regoin", names, COUNT(names)), "region");
    assert_null(text_nearest("banana", names, COUNT(names)));
    assert_null(text_nearest("", names, COUNT(names)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builder_never_overflows), cmocka_unit_test(json_is_always_valid),
        cmocka_unit_test(a_line_stays_one_line),   cmocka_unit_test(durations),
        cmocka_unit_test(nearest_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
