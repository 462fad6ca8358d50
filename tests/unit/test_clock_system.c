/* The system's clocks and their timers: instants that have passed, are near, are never. */
#include "unit.h"

#include "ports/clock_system.h"

#include <poll.h>
#include <unistd.h>

#define MS_NS INT64_C(1000000)

static bool is_due(int fd, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, wait_ms) == 1;
}

static void both_clocks_go_forward_together(void **state)
{
    (void)state;
    struct now first = clock_now();
    assert_true(first.wall.us > INT64_C(1700000000) * US_PER_SECOND);
    (void)usleep(20000);
    struct now second = clock_now();
    int64_t mono_us = mono_diff_ns(second.mono, first.mono) / NS_PER_US;
    assert_true(mono_us >= 20000);
    assert_false(mono_before(clock_mono(), second.mono));
}

static void a_timer_fires_once_and_not_early(void **state)
{
    (void)state;
    int wall = clock_wall_timer();
    int mono = clock_mono_timer();
    assert_true(wall >= 0 && mono >= 0);
    struct now now = clock_now();
    struct mono mono_at = mono_add_ns(now.mono, 30 * MS_NS);
    struct wall wall_at = wall_add_us(now.wall, 30000);
    assert_int_equal(clock_mono_timer_set(mono, mono_at), 0);
    assert_true(clock_wall_timer_set(wall, wall_at) >= 0);
    assert_true(is_due(mono, 5000));
    assert_false(mono_before(clock_mono(), mono_at));
    assert_true(is_due(wall, 5000));
    assert_true(clock_timer_read(mono) == 0 && clock_timer_read(wall) >= 0);
    assert_false(is_due(mono, 0));
    assert_int_equal(clock_timer_read(mono), 0); /* nothing to take is fine */
    (void)close(wall);
    (void)close(mono);
}

static void the_past_is_due_and_never_is_not(void **state)
{
    (void)state;
    int wall = clock_wall_timer();
    int mono = clock_mono_timer();
    static const int64_t past[] = {INT64_MIN, -1, 0, 1};
    for (size_t i = 0; i < COUNT(past); i++) {
        assert_int_equal(clock_mono_timer_set(mono, (struct mono){past[i]}), 0);
        assert_true(clock_wall_timer_set(wall, (struct wall){past[i]}) >= 0);
        assert_true(is_due(mono, 1000));
        assert_true(is_due(wall, 1000));
        (void)!clock_timer_read(mono);
        (void)!clock_timer_read(wall);
    }
    assert_int_equal(clock_mono_timer_set(mono, MONO_NEVER), 0);
    assert_true(clock_wall_timer_set(wall, WALL_NEVER) >= 0);
    assert_false(is_due(mono, 20));
    assert_false(is_due(wall, 0));
    assert_true(clock_mono_timer_set(-1, (struct mono){1}) < 0);
    assert_true(clock_timer_read(-1) < 0);
    (void)close(wall);
    (void)close(mono);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_clocks_go_forward_together),
        cmocka_unit_test(a_timer_fires_once_and_not_early),
        cmocka_unit_test(the_past_is_due_and_never_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
