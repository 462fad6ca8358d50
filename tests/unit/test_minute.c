/* Minute: what is counted, and what is forgotten, against a plain list of all instants. */
#include "unit.h"

#include "base/minute.h"

#define MS (NS_PER_SECOND / 1000)

static struct mono at_ms(int64_t ms)
{
    return (struct mono){ms * MS};
}

static void nothing_was_counted(void **state)
{
    (void)state;
    const struct minute minute = {0};
    assert_int_equal(minute_count(&minute, at_ms(0)), 0);
    assert_int_equal(minute_count(&minute, at_ms(59999)), 0);
    assert_int_equal(minute_count(&minute, (struct mono){INT64_MAX}), 0);
}

/* A count is there in its own second and in the 59 after it. */
static void a_count_lasts_a_minute(void **state)
{
    (void)state;
    struct minute minute = {0};
    minute_add(&minute, at_ms(1000999));
    for (int64_t second = 1000; second < 1060; second++)
        assert_int_equal(minute_count(&minute, at_ms(second * 1000)), 1);
    assert_int_equal(minute_count(&minute, at_ms(999999)), 0);
    assert_int_equal(minute_count(&minute, at_ms(1060000)), 0);
    assert_int_equal(minute_count(&minute, (struct mono){INT64_MAX}), 0);
}

/* Late ones go to their own second as long as it is kept, and nowhere after that. */
static void late_ones(void **state)
{
    (void)state;
    struct minute minute = {0};
    minute_add(&minute, at_ms(100000));
    minute_add(&minute, at_ms(41000));
    minute_add(&minute, at_ms(40999));
    assert_int_equal(minute_count(&minute, at_ms(100000)), 2);
    assert_int_equal(minute_count(&minute, at_ms(101000)), 1);
    minute_add(&minute, (struct mono){INT64_MIN});
    assert_int_equal(minute_count(&minute, at_ms(100000)), 2);
}

/* Steps of up to three minutes, some back by up to a second. */
static void as_many_as_a_list_of_all_has(void **state)
{
    (void)state;
    enum { ALL = 3000 };
    static int64_t all[ALL];
    struct minute minute = {0};
    uint32_t random = 1;
    int64_t now = 0;
    for (int i = 0; i < ALL; i++) {
        random = random * 1664525U + 1013904223U;
        int64_t step = random >> 16;
        now += step % 100 == 0 ? step % 180000 : step % 900;
        all[i] = now - step % 7 * 150;
        if (all[i] < 0)
            all[i] = 0;
        minute_add(&minute, at_ms(all[i]));
        uint64_t expected = 0;
        for (int j = 0; j <= i; j++)
            expected += all[j] / 1000 > now / 1000 - 60;
        assert_int_equal(minute_count(&minute, at_ms(now)), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_was_counted),
        cmocka_unit_test(a_count_lasts_a_minute),
        cmocka_unit_test(late_ones),
        cmocka_unit_test(as_many_as_a_list_of_all_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
