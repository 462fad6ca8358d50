/* Text in columns: how wide it is drawn, where it is cut, what is not let through. */
#include "unit.h"

#include "ctl/columns.h"

static void widths(void **state)
{
    static const struct {
        const char *text;
        size_t columns;
    } cases[] = {
        {"", 0},
        {"crs-a", 5},
        {"h\u00e9", 2},
        {"e\u0301", 1},      /* a mark over the e */
        {"\u5b9e\u4f8b", 4}, /* Chinese */
        {"\uff0c", 2},       /* its comma */
        {"\u2026\u2588", 2},
        {"\U0001f600", 2},
        {"\xff\xc3", 2}, /* bytes that are no UTF-8 count one by one */
        {"\xe5\xae", 2}, /* half a character at the end */
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(columns_of(cases[i].text), cases[i].columns);
}

static void cuts(void **state)
{
    static const struct {
        const char *text;
        size_t room;
        size_t bytes;
        size_t columns;
    } cases[] = {
        {"abc", 0, 0, 0},          {"abc", 2, 2, 2},
        {"abc", 9, 3, 3},          {"\u5b9e\u4f8b", 3, 3, 2}, /* no half of a wide one */
        {"\u5b9e\u4f8b", 4, 6, 4}, {"ae\u0301", 2, 4, 2},     /* its mark goes with a letter */
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t columns = 99;
        assert_int_equal(columns_fit(cases[i].text, cases[i].room, &columns), cases[i].bytes);
        assert_int_equal(columns, cases[i].columns);
    }
}

static void what_is_not_seen(void **state)
{
    static const struct {
        const char *before;
        const char *after;
    } cases[] = {
        {"plain", "plain"},       {"a\u202eb\u2066c", "a?b?c"}, {"\u200b\ufeff", "??"},
        {"\u00adx\u061c", "?x?"}, {"\U000e0041", "?"},          {"\u5b9e", "\u5b9e"},
        {"\xff", "\xff"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[32];
        strcpy(text, cases[i].before);
        columns_clean(text);
        assert_string_equal(text, cases[i].after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths),
        cmocka_unit_test(cuts),
        cmocka_unit_test(what_is_not_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
