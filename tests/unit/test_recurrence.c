/* Recurrence: periods and expressions alike, forwards and backwards. */
#include "unit.h"

#include "base/civil.h"
#include "base/recurrence.h"
#include "zone_file.h"

#include <stdlib.h>
#include <time.h>

static struct recurrence every(int64_t seconds)
{
    return (struct recurrence){
        .kind = RECURRENCE_EVERY, .zone = zone_utc(), .period_us = seconds * US_PER_SECOND};
}

static struct recurrence expression(const char *text, const struct zone *zone)
{
    struct recurrence r = {.kind = RECURRENCE_CRON, .zone = zone};
    if (cron_parse(text, &r.cron, NULL) != 0)
        abort();
    return r;
}

static struct wall at(const char *text)
{
    struct wall w;
    if (civil_parse(text, &w, NULL) != 0)
        abort();
    return w;
}

static void periods_are_multiples(void **state)
{
    (void)state;
    struct recurrence r = every(6 * 3600);
    struct slot_time slot;
    assert_int_equal(recurrence_next(&r, at("2026-11-24T05:59:59.999999Z"), &slot), 0);
    assert_int_equal(slot.at.us, at("2026-11-24T06:00:00Z").us);
    assert_int_equal(recurrence_next(&r, slot.at, &slot), 0);
    assert_int_equal(slot.at.us, at("2026-11-24T12:00:00Z").us);
    assert_false(slot.moved);
    assert_int_equal(recurrence_next(&r, at("1969-12-31T17:59:59Z"), &slot), 0);
    assert_int_equal(slot.at.us, at("1969-12-31T18:00:00Z").us);
    assert_int_equal(recurrence_next(&r, at("1969-12-31T23:59:59.999999Z"), &slot), 0);
    assert_int_equal(slot.at.us, 0);
    assert_int_equal(recurrence_next(&r, (struct wall){INT64_MIN}, &slot), 0);
    assert_int_equal(slot.at.us, at("0001-01-01T00:00:00Z").us);
    assert_int_equal(recurrence_next(&r, (struct wall){INT64_MAX}, &slot), RECURRENCE_NEVER);
    assert_int_equal(recurrence_next(&r, at("9999-12-31T18:00:00Z"), &slot), RECURRENCE_NEVER);
    assert_int_equal(recurrence_period_us(&r, at("2026-11-24T00:00:00Z")),
                     6 * 3600 * US_PER_SECOND);
}

static void latest_of_a_period_is_arithmetic(void **state)
{
    (void)state;
    struct recurrence r = every(1);
    struct slot_time slot;
    int64_t count = -1;
    struct wall from = at("1969-01-01T00:00:00.5Z");
    struct wall until = at("9999-12-31T23:59:59.5Z");
    assert_int_equal(recurrence_latest(&r, from, until, INT64_MAX, &slot, &count), 0);
    assert_int_equal(slot.at.us, at("9999-12-31T23:59:59Z").us);
    assert_int_equal(count, WALL_MAX_SECOND + 365 * SECONDS_PER_DAY);
    assert_int_equal(recurrence_latest(&r, from, until, 10, &slot, &count), 0);
    assert_int_equal(count, 10);
    assert_int_equal(recurrence_latest(&r, from, wall_add_us(from, 400000), 10, &slot, &count),
                     RECURRENCE_NEVER);
    assert_int_equal(count, 0);
    assert_int_equal(recurrence_latest(&r, from, from, 10, &slot, &count), RECURRENCE_NEVER);
    assert_int_equal(recurrence_latest(&r, until, from, 10, &slot, &count), RECURRENCE_NEVER);
}

static void fractions_of_seconds(void **state)
{
    (void)state;
    struct recurrence r = expression("* * * * *", zone_utc());
    struct slot_time slot;
    assert_int_equal(recurrence_next(&r, at("2026-11-23T23:59:59.999999Z"), &slot), 0);
    assert_int_equal(slot.at.us, at("2026-11-24T00:00:00Z").us);
    assert_int_equal(recurrence_next(&r, at("2026-11-24T00:00:00.000001Z"), &slot), 0);
    assert_int_equal(slot.at.us, at("2026-11-24T00:01:00Z").us);
    assert_int_equal(recurrence_next(&r, at("1969-12-31T23:59:59.999999Z"), &slot), 0);
    assert_int_equal(slot.at.us, 0);
}

/* Against a walk over all slots. */
static void latest_is_the_last_of_the_walk(void **state)
{
    (void)state;
    static const char *const texts[] = {"* * * * *",    "*/20 2 * * *", "30 1 * * *", "30 2 * * 0",
                                        "* 3 1,15 * *", "0 0 29 2 *",   "0 0 13 * 5", "0 0 30 2 *"};
    static const int64_t lengths[] = {1, 59, 60, 3600, 86400, 700000, 3000000};
    struct zone *zone = zone_file_load(ZONE_DIRECTORY, "America/New_York", INT64_MAX);
    static const char *const ends[] = {"2026-11-01T05:29:59Z", "2026-11-01T06:30:00Z",
                                       "2026-03-08T07:00:00Z", "2026-03-08T06:59:59Z",
                                       "2028-03-01T00:00:00Z"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct recurrence r = expression(texts[i], zone);
        for (size_t k = 0; k < COUNT(lengths) * COUNT(ends); k++) {
            struct wall until = at(ends[k / COUNT(lengths)]);
            struct wall after = wall_add_us(until, -lengths[k % COUNT(lengths)] * US_PER_SECOND);
            struct slot_time slot = {{0}, false};
            struct slot_time last = {{0}, false};
            int64_t walked = 0;
            for (struct wall w = after;
                 recurrence_next(&r, w, &slot) == 0 && slot.at.us <= until.us;
                 w = slot.at, walked++)
                last = slot;
            struct slot_time got = {{0}, false};
            int64_t count = -1;
            int outcome = recurrence_latest(&r, after, until, 1000000, &got, &count);
            assert_int_equal(outcome, walked > 0 ? 0 : RECURRENCE_NEVER);
            assert_int_equal(count, walked);
            assert_int_equal(got.at.us, last.at.us);
            assert_int_equal(got.moved, last.moved);
            if (walked > 3) {
                assert_int_equal(recurrence_latest(&r, after, until, 3, &got, &count), 0);
                assert_int_equal(count, 3);
                assert_int_equal(got.at.us, last.at.us);
            }
        }
    }
    zone_destroy(zone);
}

static void latest_is_cheap_over_millennia(void **state)
{
    (void)state;
    static const char *const texts[] = {"* * * * *", "* * * 1 *", "0 0 29 2 *", "0 3 * * *"};
    struct zone *zone = zone_file_load(ZONE_DIRECTORY, "America/New_York", INT64_MAX);
    struct timespec start;
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct recurrence r = expression(texts[i], zone);
        struct slot_time slot;
        int64_t count = -1;
        assert_int_equal(recurrence_latest(&r, (struct wall){INT64_MIN}, (struct wall){INT64_MAX},
                                           100, &slot, &count),
                         0);
        assert_int_equal(count, 100);
        assert_true(slot.at.us > at("9996-01-01T00:00:00Z").us);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    int64_t us = (end.tv_sec - start.tv_sec) * 1000000 + (end.tv_nsec - start.tv_nsec) / 1000;
    assert_true(us < 100000);
    zone_destroy(zone);
}

static void period_of_an_expression(void **state)
{
    (void)state;
    struct recurrence r = expression("0 3 * * *", zone_utc());
    assert_int_equal(recurrence_period_us(&r, at("2026-11-24T00:00:00Z")),
                     SECONDS_PER_DAY * US_PER_SECOND);
    assert_int_equal(recurrence_period_us(&r, at("9999-12-31T00:00:00Z")), INT64_MAX);
    r = expression("0 0 30 2 *", zone_utc());
    assert_int_equal(recurrence_period_us(&r, at("2026-11-24T00:00:00Z")), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(periods_are_multiples),
        cmocka_unit_test(latest_of_a_period_is_arithmetic),
        cmocka_unit_test(fractions_of_seconds),
        cmocka_unit_test(latest_is_the_last_of_the_walk),
        cmocka_unit_test(latest_is_cheap_over_millennia),
        cmocka_unit_test(period_of_an_expression),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
