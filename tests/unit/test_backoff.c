/* Backoff: bounds of each attempt, full jitter, no overflow. */
#include "unit.h"

#include "base/backoff.h"

#include <limits.h>

static void bounds_of_each_attempt(void **state)
{
    (void)state;
    const struct backoff policy = {.floor_us = 100, .base_us = 1000, .cap_us = 20000};
    static const int64_t span[] = {1000, 2000, 4000, 8000, 16000, 20000, 20000};
    for (int attempt = 1; attempt <= (int)COUNT(span); attempt++) {
        int64_t n = span[attempt - 1];
        assert_int_equal(backoff_delay_us(&policy, attempt, 0), 100);
        assert_int_equal(backoff_delay_us(&policy, attempt, (uint64_t)n), 100 + n);
        assert_int_equal(backoff_delay_us(&policy, attempt, (uint64_t)n + 1), 100);
    }
}

static void hostile_numbers(void **state)
{
    (void)state;
    const struct backoff huge = {.floor_us = 0, .base_us = INT64_MAX / 2 + 1, .cap_us = INT64_MAX};
    assert_true(backoff_delay_us(&huge, 1000000000, UINT64_MAX) >= 0);
    const struct backoff none = {.floor_us = 5, .base_us = 0, .cap_us = 0};
    assert_int_equal(backoff_delay_us(&none, 3, UINT64_MAX), 5);
    assert_int_equal(backoff_delay_us(&none, INT_MIN, UINT64_MAX), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_of_each_attempt),
        cmocka_unit_test(hostile_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
