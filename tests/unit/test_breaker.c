/* Breaker: its states, and how long it waits. */
#include "unit.h"

#include "base/breaker.h"

static const struct mono start = {INT64_C(1000) * NS_PER_SECOND};

static void trip(struct breaker *breaker)
{
    for (int i = 1; i < BREAKER_TRIP; i++)
        assert_int_equal(breaker_judge(breaker, start, false, 0, 0), BREAKER_SAME);
    assert_true(breaker_allows(breaker, start));
    assert_int_equal(breaker_judge(breaker, start, false, 0, 0), BREAKER_OPENED);
}

static void a_sign_of_life_counts_anew(void **state)
{
    (void)state;
    struct breaker breaker = {0};
    for (int i = 0; i < 10; i++) {
        for (int j = 1; j < BREAKER_TRIP; j++)
            assert_int_equal(breaker_judge(&breaker, start, false, 0, 0), BREAKER_SAME);
        assert_int_equal(breaker_judge(&breaker, start, true, 0, 0), BREAKER_SAME);
    }
    assert_true(breaker_allows(&breaker, start));
    assert_int_equal(breaker_send(&breaker), 0);
}

static void one_probe_at_a_time(void **state)
{
    (void)state;
    struct breaker breaker = {0};
    trip(&breaker);
    assert_false(breaker_allows(&breaker, start));
    struct mono at = breaker_ready_at(&breaker, start);
    assert_int_equal(mono_diff_ns(at, start), BREAKER_WAIT_MIN_US / 2 * NS_PER_US);
    assert_true(breaker_allows(&breaker, at));
    uint32_t probe = breaker_send(&breaker);
    assert_int_not_equal(probe, 0);
    assert_false(breaker_allows(&breaker, at));
    assert_int_equal(breaker_ready_at(&breaker, at).ns, MONO_NEVER.ns);
    /* One sent before it opened says nothing new; the probe's answer does. */
    assert_int_equal(breaker_judge(&breaker, at, false, 0, 0), BREAKER_SAME);
    assert_false(breaker_allows(&breaker, at));
    assert_int_equal(breaker_judge(&breaker, at, false, probe, 0), BREAKER_SAME);
    assert_int_equal(mono_diff_ns(breaker_ready_at(&breaker, at), at),
                     BREAKER_WAIT_MIN_US * NS_PER_US);
    at = breaker_ready_at(&breaker, at);
    breaker_forget(&breaker, breaker_send(&breaker));
    assert_true(breaker_allows(&breaker, at));
    probe = breaker_send(&breaker);
    assert_int_equal(breaker_judge(&breaker, at, true, probe, 0), BREAKER_CLOSED);
    assert_true(breaker_allows(&breaker, at));
}

/* The probe of an earlier time is out while the endpoint lives and dies again: it is none any more.
 */
static void a_late_probe_is_none(void **state)
{
    (void)state;
    struct breaker breaker = {0};
    trip(&breaker);
    struct mono at = breaker_ready_at(&breaker, start);
    uint32_t late = breaker_send(&breaker);
    assert_int_equal(breaker_judge(&breaker, at, true, 0, 0), BREAKER_CLOSED);
    trip(&breaker);
    uint32_t probe = breaker_send(&breaker);
    assert_int_not_equal(probe, late);
    assert_int_equal(breaker_judge(&breaker, at, false, late, 0), BREAKER_SAME);
    breaker_forget(&breaker, late);
    assert_int_equal(breaker_ready_at(&breaker, at).ns, MONO_NEVER.ns);
    assert_int_equal(breaker_judge(&breaker, at, false, probe, 0), BREAKER_SAME);
    assert_int_not_equal(breaker_ready_at(&breaker, at).ns, MONO_NEVER.ns);
}

static void waits_grow_to_their_bound(void **state)
{
    (void)state;
    struct breaker breaker = {0};
    trip(&breaker);
    struct mono at = start;
    for (int i = 0; i < 1000; i++) {
        at = breaker_ready_at(&breaker, at);
        (void)breaker_judge(&breaker, at, false, breaker_send(&breaker),
                            i % 2 == 0 ? UINT64_MAX : 0);
        int64_t us = mono_diff_ns(breaker_ready_at(&breaker, at), at) / NS_PER_US;
        assert_true(us >= BREAKER_WAIT_MIN_US / 2 && us <= BREAKER_WAIT_MAX_US);
        if (i > 6)
            assert_true(us >= BREAKER_WAIT_MAX_US / 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sign_of_life_counts_anew),
        cmocka_unit_test(one_probe_at_a_time),
        cmocka_unit_test(a_late_probe_is_none),
        cmocka_unit_test(waits_grow_to_their_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
