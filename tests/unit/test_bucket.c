/*
 * Bucket: the promise about arrivals under late timers and delays on the way out, the drain of a
 * backlog, slowing and recovery. All on virtual time, seeded.
 */
#include "unit.h"

#include "base/bucket.h"

#include <errno.h>

#include <stdlib.h>

#define MS (NS_PER_SECOND / 1000)
#define SENT_MAX 4000

static uint64_t state_of_random;

static int64_t random_below(int64_t limit)
{
    state_of_random ^= state_of_random << 13;
    state_of_random ^= state_of_random >> 7;
    state_of_random ^= state_of_random << 17;
    return (int64_t)(state_of_random % (uint64_t)limit);
}

struct arrivals {
    int64_t at[SENT_MAX];
    int count;
};

static int compare(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return (*x > *y) - (*x < *y);
}

/* The most arrivals in any window [t, t + 1 s). */
static int worst_window(struct arrivals *arrivals)
{
    qsort(arrivals->at, (size_t)arrivals->count, sizeof arrivals->at[0], compare);
    int worst = 0;
    for (int first = 0, last = 0; last < arrivals->count; last++) {
        while (arrivals->at[last] - arrivals->at[first] >= NS_PER_SECOND)
            first++;
        if (last - first + 1 > worst)
            worst = last - first + 1;
    }
    return worst;
}

/*
 * Sends `count` requests as fast as the bucket lets them. Timers fire up to `late` late, bytes
 * leave up to `delay` after the token (out of order among each other).
 */
static struct arrivals *drain(struct bucket *bucket, int count, int64_t late, int64_t delay)
{
    static struct arrivals arrivals;
    int64_t pending[64];
    int pending_count = 0;
    int taken = 0;
    int64_t now = 1000 * NS_PER_SECOND;
    arrivals.count = 0;
    while (arrivals.count < count) {
        /* What has left by now is confirmed at its own instant. */
        for (int i = 0; i < pending_count;) {
            if (pending[i] > now) {
                i++;
                continue;
            }
            bucket_confirm(bucket, (struct mono){pending[i]});
            arrivals.at[arrivals.count++] = pending[i];
            pending[i] = pending[--pending_count];
        }
        while (taken < count && pending_count < 64 && bucket_take(bucket, (struct mono){now})) {
            pending[pending_count++] = now + (delay > 0 ? random_below(delay) : 0);
            taken++;
        }
        int64_t next = INT64_MAX;
        struct mono ready = bucket_ready_at(bucket, (struct mono){now});
        if (taken < count && pending_count < 64 && ready.ns != INT64_MAX)
            next = (ready.ns > now ? ready.ns : now) + (late > 0 ? random_below(late) : 0);
        for (int i = 0; i < pending_count; i++)
            if (pending[i] < next)
                next = pending[i];
        now = next > now ? next : now + 1;
    }
    return &arrivals;
}

static void promise_holds_and_backlog_drains(void **state)
{
    (void)state;
    static const struct {
        int32_t rate, burst;
        int64_t late, delay;
        double least; /* of the rate */
    } rows[] = {
        {20, 1, 0, 0, 0.985},   {20, 1, MS, 2 * MS, 0.985},     {20, 1, MS, 40 * MS, 0.95},
        {20, 20, MS, MS, 0.98}, {20, 5, 3 * MS, 60 * MS, 0.93}, {1, 1, MS, MS, 0.98},
        {2, 1, MS, MS, 0.98},   {7, 3, MS, 5 * MS, 0.98},       {100, 1, MS / 2, MS / 2, 0.98},
        {1000, 1, 0, 0, 0.98},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct bucket bucket;
            state_of_random = seed * 7919;
            assert_int_equal(bucket_init(&bucket, rows[i].rate, rows[i].burst), 0);
            int count = rows[i].rate * 10 > SENT_MAX ? SENT_MAX : rows[i].rate * 10 + 1;
            struct arrivals *arrivals = drain(&bucket, count, rows[i].late, rows[i].delay);
            assert_true(worst_window(arrivals) <= rows[i].rate);
            double seconds = (double)(arrivals->at[count - 1] - arrivals->at[0]) / 1e9;
            double rate = (count - 1) / seconds;
            if (rate < rows[i].least * rows[i].rate)
                fail_msg("row %zu: %.3f a second", i, rate);
            bucket_finish(&bucket);
        }
    }
}

/* A limiter that is off by one is seen by the same measurement. */
static void an_unguarded_bucket_is_caught(void **state)
{
    (void)state;
    struct bucket bucket;
    assert_int_equal(bucket_init(&bucket, 21, 1), 0);
    assert_true(worst_window(drain(&bucket, 200, 0, 0)) > 20);
    bucket_finish(&bucket);
}

static void delayed_requests_hold_the_window(void **state)
{
    (void)state;
    struct bucket bucket;
    assert_int_equal(bucket_init(&bucket, 3, 3), 0);
    struct mono now = {NS_PER_SECOND};
    for (int i = 0; i < 3; i++)
        assert_true(bucket_take(&bucket, now));
    /* Nothing has left for ten seconds: all three may still leave together. */
    now = mono_add_ns(now, 10 * NS_PER_SECOND);
    assert_false(bucket_take(&bucket, now));
    assert_int_equal(bucket_ready_at(&bucket, now).ns, INT64_MAX);
    bucket_return(&bucket);
    assert_true(bucket_take(&bucket, now));
    bucket_confirm(&bucket, now);
    bucket_confirm(&bucket, now);
    bucket_confirm(&bucket, now);
    assert_int_equal(bucket_ready_at(&bucket, now).ns, now.ns + BUCKET_WINDOW_NS);
    bucket_finish(&bucket);
}

static void slows_and_recovers(void **state)
{
    (void)state;
    struct bucket bucket;
    struct mono now = {NS_PER_SECOND};
    assert_int_equal(bucket_init(&bucket, 20, 1), 0);
    assert_int_equal(bucket_rate_milli(&bucket, now), 20000);
    assert_true(bucket_throttle(&bucket, now, 0));
    assert_int_equal(bucket_rate_milli(&bucket, now), 10000);
    /* Refusals of the same second are one. */
    assert_false(bucket_throttle(&bucket, mono_add_ns(now, NS_PER_SECOND / 2), 0));
    now = mono_add_ns(now, NS_PER_SECOND);
    assert_true(bucket_throttle(&bucket, now, 0));
    assert_int_equal(bucket_rate_milli(&bucket, now), 5000);
    assert_int_equal(bucket_rate_milli(&bucket, mono_add_ns(now, BUCKET_RECOVER_NS)), 7000);
    assert_int_equal(bucket_rate_milli(&bucket, mono_add_ns(now, 8 * BUCKET_RECOVER_NS)), 20000);
    for (int i = 0; i < 20; i++) {
        now = mono_add_ns(now, NS_PER_SECOND);
        (void)bucket_throttle(&bucket, now, 0);
    }
    assert_int_equal(bucket_rate_milli(&bucket, now), 20 * BUCKET_SLOW_MIN);
    bucket_finish(&bucket);
}

static void a_named_limit_is_the_ceiling_for_an_hour(void **state)
{
    (void)state;
    struct bucket bucket;
    struct mono now = {NS_PER_SECOND};
    assert_int_equal(bucket_init(&bucket, 20, 1), 0);
    assert_true(bucket_throttle(&bucket, now, 10));
    struct mono later = mono_add_ns(now, 60 * NS_PER_SECOND);
    assert_int_equal(bucket_rate_milli(&bucket, later), 10000);
    assert_true(worst_window(drain(&bucket, 100, 0, 0)) <= 10);
    later = mono_add_ns(now, BUCKET_CEILING_NS);
    assert_int_equal(bucket_rate_milli(&bucket, later), 20000);
    /* A limit above our own says nothing. */
    assert_true(bucket_throttle(&bucket, later, 100));
    assert_int_equal(bucket_rate_milli(&bucket, mono_add_ns(later, 60 * NS_PER_SECOND)), 20000);
    bucket_finish(&bucket);
}

static void new_settings_keep_what_left(void **state)
{
    (void)state;
    struct bucket bucket;
    struct mono now = {NS_PER_SECOND};
    assert_int_equal(bucket_init(&bucket, 2, 2), 0);
    assert_true(bucket_take(&bucket, now));
    bucket_confirm(&bucket, now);
    assert_true(bucket_take(&bucket, now));
    bucket_confirm(&bucket, now);
    assert_int_equal(bucket_configure(&bucket, 3, 3), 0);
    now = mono_add_ns(now, 400 * MS);
    assert_true(bucket_take(&bucket, now));
    bucket_confirm(&bucket, now);
    now = mono_add_ns(now, 400 * MS);
    assert_false(bucket_take(&bucket, now));
    assert_int_equal(bucket_configure(&bucket, 1, 1), 0);
    assert_true(bucket_ready_at(&bucket, now).ns >= now.ns - 400 * MS + BUCKET_WINDOW_NS);
    assert_int_equal(bucket_configure(&bucket, 0, 1), -EINVAL);
    assert_int_equal(bucket_configure(&bucket, 5, 6), -EINVAL);
    assert_int_equal(bucket_configure(&bucket, BUCKET_RATE_MAX + 1, 1), -EINVAL);
    assert_int_equal(bucket.per_second, 1);
    bucket_finish(&bucket);
    bucket_finish(&bucket);
}

/* What is under way and what never left are not among them. */
static void counts_what_left_in_the_last_minute(void **state)
{
    (void)state;
    struct bucket bucket;
    struct mono now = {NS_PER_SECOND};
    assert_int_equal(bucket_init(&bucket, 20, 20), 0);
    for (int i = 0; i < 5; i++)
        assert_true(bucket_take(&bucket, now));
    for (int i = 0; i < 3; i++)
        bucket_confirm(&bucket, mono_add_ns(now, i * NS_PER_SECOND));
    bucket_return(&bucket);
    assert_int_equal(bucket_last_minute(&bucket, mono_add_ns(now, 2 * NS_PER_SECOND)), 3);
    assert_int_equal(bucket_configure(&bucket, 40, 1), 0);
    assert_int_equal(bucket_last_minute(&bucket, mono_add_ns(now, 60 * NS_PER_SECOND)), 2);
    bucket_finish(&bucket);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promise_holds_and_backlog_drains),
        cmocka_unit_test(an_unguarded_bucket_is_caught),
        cmocka_unit_test(delayed_requests_hold_the_window),
        cmocka_unit_test(slows_and_recovers),
        cmocka_unit_test(a_named_limit_is_the_ceiling_for_an_hour),
        cmocka_unit_test(new_settings_keep_what_left),
        cmocka_unit_test(counts_what_left_in_the_last_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
