/* The set of names: numbers in the order of arrival, through growth and clearing. */
#include "unit.h"

#include "base/names.h"

#include <stdio.h>

enum { COUNT_MANY = 20000 };

static void numbers_follow_arrival(void **state)
{
    (void)state;
    static char texts[COUNT_MANY][12];
    struct names names = {0};
    uint32_t number;
    assert_int_equal(names_find(&names, "x", 1, &number), NAMES_UNKNOWN);
    for (uint32_t i = 0; i < COUNT_MANY; i++) {
        int length = snprintf(texts[i], sizeof texts[i], "n%u", i);
        assert_int_equal(names_add(&names, texts[i], (size_t)length, &number), 0);
        assert_int_equal(number, i);
    }
    for (uint32_t i = 0; i < COUNT_MANY; i++) {
        size_t length = strlen(texts[i]);
        assert_int_equal(names_add(&names, texts[i], length, &number), NAMES_KNOWN);
        assert_int_equal(number, i);
        assert_int_equal(names_find(&names, texts[i], length, &number), 0);
        assert_int_equal(number, i);
    }
    assert_int_equal(names.count, COUNT_MANY);
    assert_int_equal(names_find(&names, "n20000", 6, &number), NAMES_UNKNOWN);
    names_finish(&names);
    names_finish(&names);
}

static void bytes_and_lengths_both_count(void **state)
{
    (void)state;
    struct names names = {0};
    uint32_t number;
    assert_int_equal(names_add(&names, "ab", 2, &number), 0);
    assert_int_equal(names_add(&names, "ab", 1, &number), 0);
    assert_int_equal(names_add(&names, "a\0", 2, &number), 0);
    assert_int_equal(names_add(&names, "", 0, &number), 0);
    assert_int_equal(number, 3);
    assert_int_equal(names_add(&names, "a\0b", 2, &number), NAMES_KNOWN);
    assert_int_equal(number, 2);
    names_finish(&names);
}

static void a_cleared_set_is_empty(void **state)
{
    (void)state;
    static char texts[1000][8];
    struct names names = {0};
    uint32_t number;
    for (int round = 0; round < 5; round++) {
        int many = round % 2 == 0 ? 1000 : 3; /* shrinks after a round that used little */
        for (int i = 0; i < many; i++) {
            int length = snprintf(texts[i], sizeof texts[i], "%d", i);
            assert_int_equal(names_add(&names, texts[i], (size_t)length, &number), 0);
            assert_int_equal(number, i);
        }
        names_clear(&names);
        assert_int_equal(names.count, 0);
        assert_int_equal(names_find(&names, "1", 1, &number), NAMES_UNKNOWN);
    }
    assert_true(names.table_size <= 2048);
    names_finish(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_follow_arrival),
        cmocka_unit_test(bytes_and_lengths_both_count),
        cmocka_unit_test(a_cleared_set_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
