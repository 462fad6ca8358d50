/* Sanity: a wall clock that is plainly wrong holds fire, and what follows when it is right again.
 */
#include "unit.h"

#include "engine/sanity.h"
#include "engine_twin.h"

#include <stdio.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND
#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)
#define YEAR (365 * DAY)

/* ---- the judgement alone ---- */

struct look {
    int64_t wall_s;
    int64_t mono_s;
    int64_t newest_s;
    bool jumped;
    enum sanity_change change;
};

/* Made at 1000; in order. */
static const struct look looks[] = {
    {1000, 0, 0, false, SANITY_SAME},        /* at the program's making */
    {999, 1, 0, true, SANITY_HOLD},          /* before it */
    {999, 20000, 0, false, SANITY_SAME},     /* never believed */
    {5000, 20001, 0, true, SANITY_RELEASE},  /* right again */
    {5000, 20002, 8605, false, SANITY_SAME}, /* an hour and little behind */
    {5000, 20003, 8606, false, SANITY_HOLD}, /* more */
    {5100, 20103, 20000, false, SANITY_SAME},
    {5200, 30803, 20000, true, SANITY_SAME},  /* set: not steady any more */
    {5200, 41602, 20000, false, SANITY_SAME}, /* one second is missing */
    {5201, 41603, 20000, false, SANITY_STEADY},
    {5202, 41604, 20000, false, SANITY_SAME}, /* and again only after as long */
    {5203, 52403, 20000, false, SANITY_STEADY},
    {5203, 52403, 5203, false, SANITY_RELEASE},
    {5204, 52404, 5204, false, SANITY_SAME},
};

static void it_judges(void **state)
{
    (void)state;
    struct sanity sanity = {.built = {1000 * SECOND}};
    for (size_t i = 0; i < COUNT(looks); i++) {
        const struct look *look = &looks[i];
        const struct now now = {{look->wall_s * SECOND}, {look->mono_s * NS_PER_SECOND}};
        const struct wall newest = {look->newest_s * SECOND};
        assert_int_equal(sanity_judge(&sanity, now, newest, look->jumped), look->change);
    }
}

static void a_clock_that_nothing_is_known_of_is_believed(void **state)
{
    (void)state;
    struct sanity sanity = {.held = false};
    const struct now first = {{0}, {0}};
    assert_int_equal(sanity_judge(&sanity, first, (struct wall){INT64_MIN}, false), SANITY_SAME);
}

/* ---- the engine ---- */

static const char *const both[] = {"crs-a", "crs-b", NULL};

static struct config *with(const char *name, const char *every)
{
    struct config *config = twin_config();
    struct schedule *s = twin_every(config, name, every);
    for (int i = 0; i < 2; i++)
        twin_add(config, s, both[i], NULL);
    return config;
}

static void set_clock(struct twin *twin, int64_t by_s)
{
    twin->now.wall.us += by_s * SECOND;
    twin_step(twin);
}

/* No slot was begun twice. */
static void check_once(const struct twin *twin)
{
    for (int i = 0; i < twin->log_count; i++)
        for (int j = i + 1; j < twin->log_count; j++) {
            const struct twin_entry *a = &twin->log[i];
            const struct twin_entry *b = &twin->log[j];
            bool whole = !a->is_horizon && !b->is_horizon && a->kind == LEDGER_STARTED
                         && b->kind == LEDGER_STARTED && strcmp(a->instance, LEDGER_WHOLE_SLOT) == 0
                         && strcmp(b->instance, LEDGER_WHOLE_SLOT) == 0;
            assert_false(whole && a->slot.us == b->slot.us
                         && strcmp(a->schedule, b->schedule) == 0);
        }
}

static void accept_all(struct twin *twin)
{
    for (int i = 0; i < twin->sent_count; i++)
        if (!twin->sent[i].answered)
            twin_accept(twin, i);
}

static void a_host_without_the_time_begins_when_it_has_it(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, 1000); /* 1970 */
    twin_make_durable(&twin);
    twin.ports.built = wall_from_seconds(NOON - YEAR);
    twin_start(&twin, with("nightly", "1h"));
    assert_int_equal(twin_count_lines(&twin, "event=clock_implausible reason=before_build "
                                             "than=2025-11-01T12:00:00Z"),
                     1);
    twin_run(&twin, 4 * HOUR * SECOND);
    assert_true(engine_status(twin.engine).clock_held);
    assert_int_equal(twin.sent_count, 0);
    assert_int_equal(twin.log_count, 0);
    set_clock(&twin, NOON + 600 - 1000 - 4 * HOUR);
    assert_false(engine_status(twin.engine).clock_held);
    assert_int_equal(twin_count_lines(&twin, "event=clock_plausible reason=set"), 1);
    assert_int_equal(twin_count_lines(&twin, "event=clock_implausible"), 1);
    assert_int_equal(twin.horizons[0].slot.us, (NOON + 600) * SECOND);
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin.sent_count, 0); /* a first start catches nothing up */
    twin_run(&twin, HOUR * SECOND);
    assert_int_equal(twin.sent_count, 2);
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed"), 0);
    twin_finish(&twin);
}

static void a_schedule_that_a_reload_brings_meanwhile_waits_too(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, 1000);
    twin_make_durable(&twin);
    twin.ports.built = wall_from_seconds(NOON - YEAR);
    twin_start(&twin, with("nightly", "1h"));
    twin_reload(&twin, with("weekly", "1h"));
    twin_reload(&twin, with("weekly", "30m"));
    set_clock(&twin, -500);
    set_clock(&twin, NOON + 600 - 500);
    assert_int_equal(twin.horizon_count, 1);
    assert_int_equal(twin.horizons[0].slot.us, (NOON + 600) * SECOND);
    assert_string_equal(twin.horizons[0].rule, "every 1800s");
    twin_run(&twin, 1199 * SECOND);
    assert_int_equal(twin.sent_count, 0);
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    twin_finish(&twin);
}

static void a_day_back_holds_and_the_day_after_catches_up(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin_make_durable(&twin);
    twin_start(&twin, with("nightly", "1h"));
    twin_run(&twin, 20 * SECOND);
    accept_all(&twin);
    set_clock(&twin, -DAY);
    assert_int_equal(twin_count_lines(&twin, "event=clock_implausible reason=behind "
                                             "than=2026-11-01T12:00:00Z"),
                     1);
    twin_run(&twin, 2 * HOUR * SECOND + 1800 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    set_clock(&twin, DAY);
    assert_int_equal(twin_count_lines(&twin, "event=clock_plausible reason=set"), 1);
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin.sent_count, 4); /* 14:00 */
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed schedule=nightly "
                                             "slot=2026-11-01T13:00:00Z"),
                     1);
    assert_int_equal(twin_count_lines(&twin, "event=clock_implausible"), 1);
    check_once(&twin);
    twin_finish(&twin);
}

static void an_hour_back_is_believed(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin_make_durable(&twin);
    twin_start(&twin, with("nightly", "1h"));
    twin_run(&twin, 10 * SECOND);
    accept_all(&twin);
    set_clock(&twin, -HOUR);
    assert_int_equal(twin_count_lines(&twin, "event=clock_implausible"), 0);
    twin_run(&twin, (HOUR + 10) * SECOND);
    assert_int_equal(twin.sent_count, 2);
    check_once(&twin);
    twin_finish(&twin);
}

/* Sends the daemon a year ahead for ten seconds past a slot, and back. */
static void go_astray(struct twin *twin, struct config *config)
{
    twin_init(twin, NOON - 10);
    twin_make_durable(twin);
    twin_start(twin, config);
    twin_run(twin, 20 * SECOND);
    accept_all(twin);
    set_clock(twin, YEAR);
    twin_run(twin, 2 * SECOND);
    assert_int_equal(twin->sent_count, 4); /* noon, a year ahead */
    accept_all(twin);
    set_clock(twin, -YEAR);
    assert_int_equal(twin_count_lines(twin, "event=clock_implausible reason=behind "
                                            "than=2027-11-01T12:00:00Z"),
                     1);
}

static void a_record_that_is_wrong_does_not_hold_for_ever(void **state)
{
    (void)state;
    static struct twin twin;
    go_astray(&twin, with("nightly", "1h"));
    twin_run(&twin, (3 * HOUR - 10) * SECOND);
    assert_int_equal(twin_count_lines(&twin, "event=clock_plausible"), 0);
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin_count_lines(&twin, "event=clock_plausible reason=steady"), 1);
    assert_int_equal(twin.sent_count, 4);
    twin_run(&twin, HOUR * SECOND); /* it goes on as if begun now */
    assert_int_equal(twin.sent_count, 6);
    accept_all(&twin);
    set_clock(&twin, YEAR - 4 * HOUR - 600); /* 11:50 or so, a year ahead: catch-up at the most */
    twin_run(&twin, 7200 * SECOND);          /* noon comes, and is recorded */
    accept_all(&twin);
    check_once(&twin);
    assert_int_equal(twin_count_lines(&twin, "slot=2027-11-01T12:00:00Z attempt=1"), 2);
    assert_int_equal(twin_count_lines(&twin, "slot=2027-11-01T13:00:00Z attempt=1"), 2);
    twin_finish(&twin);
}

/* Passed slots lie before and behind one that is recorded: the latest alone is caught up. */
static void one_is_caught_up_on_both_sides_of_a_record(void **state)
{
    (void)state;
    static struct twin twin;
    struct config *config = with("nightly", "1h");
    config->schedules[0].start_within_us = 6 * HOUR * SECOND;
    go_astray(&twin, config);
    twin_run(&twin, (3 * HOUR + 60) * SECOND);
    assert_int_equal(twin_count_lines(&twin, "event=clock_plausible reason=steady"), 1);
    int sent = twin.sent_count;
    twin.now.wall = wall_from_seconds(NOON + YEAR + HOUR + 600);
    twin_run(&twin, 10 * SECOND);
    accept_all(&twin);
    check_once(&twin);
    assert_int_equal(twin.sent_count, sent + 2);
    assert_int_equal(twin_count_lines(&twin, "reason=catch_up"), 2); /* with that of going astray */
    assert_int_equal(twin_count_lines(&twin, "slot=2027-11-01T13:00:00Z reason=catch_up"), 1);
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed schedule=nightly "
                                             "slot=2027-11-01T11:00:00Z instances=2 reason=passed"),
                     1);
    twin_finish(&twin);
}

static void nor_after_a_restart(void **state)
{
    (void)state;
    static struct twin twin;
    go_astray(&twin, with("nightly", "1h"));
    twin_crash(&twin, 0);
    twin_start(&twin, with("nightly", "1h"));
    assert_int_equal(twin_count_lines(&twin, "event=clock_implausible reason=behind"), 2);
    twin_run(&twin, (3 * HOUR + 60) * SECOND);
    assert_int_equal(twin_count_lines(&twin, "event=clock_plausible reason=steady"), 1);
    twin_crash(&twin, 0); /* the horizon that went back is kept, and so are the slots ahead */
    twin_start(&twin, with("nightly", "1h"));
    assert_int_equal(twin_count_lines(&twin, "event=clock_implausible"), 2);
    twin_run(&twin, HOUR * SECOND);
    assert_int_equal(twin.sent_count, 6);
    accept_all(&twin);
    set_clock(&twin, YEAR - 4 * HOUR - 600);
    twin_run(&twin, 7200 * SECOND);
    accept_all(&twin);
    check_once(&twin);
    assert_int_equal(twin_count_lines(&twin, "slot=2027-11-01T12:00:00Z attempt=1"), 2);
    twin_finish(&twin);
}

static void runs_of_slots_ahead_do_not_fill_the_lane(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin_make_durable(&twin);
    struct config *config = twin_config();
    struct schedule *s = twin_every(config, "nightly", "1h");
    for (int i = 0; i < 60; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "crs-%d", i);
        twin_add(config, s, id, NULL);
    }
    config->per_second = 1;
    config->max_in_flight = 1;
    twin_start(&twin, config);
    set_clock(&twin, YEAR + 10);
    twin_run(&twin, 2 * SECOND); /* one is out, some are prepared, the others wait */
    assert_int_equal(twin.sent_count, 1);
    set_clock(&twin, -YEAR);
    accept_all(&twin);
    twin_run(&twin, (3 * HOUR + 60) * SECOND);
    assert_int_equal(twin_count_lines(&twin, "event=clock_plausible reason=steady"), 1);
    for (int i = 0; i < 3700; i++) {
        twin_run(&twin, SECOND);
        accept_all(&twin);
    }
    assert_int_equal(twin_count_lines(&twin, "slot=2026-11-01T16:00:00Z attempt=1"), 60);
    check_once(&twin);
    twin_finish(&twin);
}

static void a_ledger_that_cannot_say_what_is_ahead_holds_on(void **state)
{
    (void)state;
    static struct twin twin;
    go_astray(&twin, with("nightly", "1h"));
    twin.recorded_unreadable = true;
    twin_run(&twin, (3 * HOUR + 60) * SECOND);
    assert_int_equal(twin_count_lines(&twin, "event=clock_plausible"), 0);
    twin.recorded_unreadable = false;
    twin_run(&twin, 3 * HOUR * SECOND);
    assert_int_equal(twin_count_lines(&twin, "event=clock_plausible reason=steady"), 1);
    assert_int_equal(twin_count_lines(&twin, "event=clock_implausible"), 1);
    twin_finish(&twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_judges),
        cmocka_unit_test(a_clock_that_nothing_is_known_of_is_believed),
        cmocka_unit_test(a_host_without_the_time_begins_when_it_has_it),
        cmocka_unit_test(a_schedule_that_a_reload_brings_meanwhile_waits_too),
        cmocka_unit_test(a_day_back_holds_and_the_day_after_catches_up),
        cmocka_unit_test(an_hour_back_is_believed),
        cmocka_unit_test(a_record_that_is_wrong_does_not_hold_for_ever),
        cmocka_unit_test(one_is_caught_up_on_both_sides_of_a_record),
        cmocka_unit_test(nor_after_a_restart),
        cmocka_unit_test(runs_of_slots_ahead_do_not_fill_the_lane),
        cmocka_unit_test(a_ledger_that_cannot_say_what_is_ahead_holds_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
