/* The longest gap of a schedule, by hand and against a walk over every slot of the year. */
#include "unit.h"

#include "engine/gap.h"

#define FROM INT64_C(1793534400) /* 2026-11-01T12:00:00Z, a Sunday */
#define HOUR (3600 * US_PER_SECOND)

static struct recurrence cron_of(const char *text)
{
    struct recurrence when = {.kind = RECURRENCE_CRON, .zone = zone_utc()};
    assert_int_equal(cron_parse(text, &when.cron, NULL), 0);
    return when;
}

static int64_t walk(const struct recurrence *when)
{
    struct wall at = wall_from_seconds(FROM);
    const struct wall end = wall_add_us(at, GAP_DAYS * SECONDS_PER_DAY * US_PER_SECOND);
    struct slot_time slot;
    int64_t longest = 0;
    bool first = true;
    while (recurrence_next(when, at, &slot) == 0) {
        if (!first && wall_diff_us(slot.at, at) > longest)
            longest = wall_diff_us(slot.at, at);
        if (!first && !wall_before(slot.at, end))
            break;
        first = false;
        at = slot.at;
    }
    return longest;
}

static void gaps(void **state)
{
    (void)state;
    static const struct {
        const char *cron;
        int64_t hours; /* 0: what the walk says */
    } rows[] = {
        {"0 3 * * *", 24},         {"0 * * * *", 1},
        {"0 9-17 * * 1-5", 64}, /* Friday 17:00 to Monday 9:00 */
        {"0 0 1 * *", 31 * 24},    {"0 0 1 1 *", 365 * 24},
        {"0 0 29 2 *", 1461 * 24}, /* from 2028 on */
        {"*/5 8,20 * * *", 0},     {"59 23 31 * *", 0},
        {"7 1,2,22 1-7 1,6 *", 0}, {"* * 1-7 1 *", 0},
        {"30 12 * * 0,3", 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct recurrence when = cron_of(rows[i].cron);
        int64_t want = rows[i].hours > 0 ? rows[i].hours * HOUR : walk(&when);
        assert_int_equal(gap_longest_us(&when, wall_from_seconds(FROM)), want);
        assert_int_equal(walk(&when), want);
    }
}

static void periods_and_nothing(void **state)
{
    (void)state;
    const struct recurrence every = {.kind = RECURRENCE_EVERY, .period_us = 6 * HOUR};
    assert_int_equal(gap_longest_us(&every, wall_from_seconds(FROM)), 6 * HOUR);
    const struct recurrence never = cron_of("0 0 31 2 *");
    assert_int_equal(gap_longest_us(&never, wall_from_seconds(FROM)), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps),
        cmocka_unit_test(periods_and_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
