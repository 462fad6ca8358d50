/* Lines of Prometheus' text format: heads, labels, numbers, and what does not fit. */
#include "unit.h"

#include "base/exposition.h"

static void a_family(void **state)
{
    (void)state;
    char buffer[256];
    struct text t = text_over(buffer, sizeof buffer);
    exposition_head(&t, "requests_total", "counter", "Requests.");
    struct sample s = exposition_begin(&t, "requests_total", "");
    exposition_label(&s, "code", "OK");
    exposition_label(&s, "action", "Do");
    exposition_whole(&s, 17);
    s = exposition_begin(&t, "requests", "_count");
    exposition_whole(&s, 0);
    assert_string_equal(buffer, "# HELP requests_total Requests.\n"
                                "# TYPE requests_total counter\n"
                                "requests_total{code=\"OK\",action=\"Do\"} 17\n"
                                "requests_count 0\n");
}

static void labels_are_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *want;
    } rows[] = {
        {"", "m{l=\"\"} 1\n"},
        {"a\\b\"c\nd", "m{l=\"a\\\\b\\\"c\\nd\"} 1\n"},
        {"\n\n", "m{l=\"\\n\\n\"} 1\n"},
        {"d\xC3\xA9j\xC3\xA0", "m{l=\"d\xC3\xA9j\xC3\xA0\"} 1\n"},
        {"\xFF\"", "m{l=\"\xEF\xBF\xBD\\\"\"} 1\n"},
        {"} 5", "m{l=\"} 5\"} 1\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char buffer[128];
        struct text t = text_over(buffer, sizeof buffer);
        struct sample s = exposition_begin(&t, "m", "");
        exposition_label(&s, "l", rows[i].value);
        exposition_whole(&s, 1);
        assert_string_equal(buffer, rows[i].want);
    }
}

static void numbers_are_exact(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        int digits;
        const char *want;
    } rows[] = {
        {0, 0, "m 0\n"},
        {0, 9, "m 0\n"},
        {7, 0, "m 7\n"},
        {-7, 0, "m -7\n"},
        {INT64_MAX, 0, "m 9223372036854775807\n"},
        {INT64_MIN, 0, "m -9223372036854775808\n"},
        {1500000, 6, "m 1.5\n"},
        {1000000, 6, "m 1\n"},
        {1, 9, "m 0.000000001\n"},
        {-50000000, 9, "m -0.05\n"},
        {1793534400123456, 6, "m 1793534400.123456\n"},
        {INT64_MAX, 18, "m 9.223372036854775807\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char buffer[64];
        struct text t = text_over(buffer, sizeof buffer);
        struct sample s = exposition_begin(&t, "m", "");
        exposition_decimal(&s, rows[i].value, rows[i].digits);
        assert_string_equal(buffer, rows[i].want);
    }
}

static void what_does_not_fit_is_told(void **state)
{
    (void)state;
    for (size_t size = 1; size < 16; size++) {
        char buffer[16];
        struct text t = text_over(buffer, size);
        struct sample s = exposition_begin(&t, "metric", "");
        exposition_label(&s, "l", "v\"");
        exposition_whole(&s, 12);
        assert_true(t.cut);
        assert_true(strlen(buffer) < size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(what_does_not_fit_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
