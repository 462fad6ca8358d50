/* Orders of an operator: who runs, when, what a crash leaves of them, and what a pause skips. */
#include "unit.h"

#include "engine/orders.h"
#include "engine_twin.h"

#include <stdio.h>
#include <string.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND

/* Every hour; a spread that nobody waits for here. */
static struct config *three(void)
{
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "hourly", "1h");
    schedule->overlap = OVERLAP_FORBID;
    schedule->spread_us = 1800 * SECOND;
    schedule->start_within_us = 600 * SECOND;
    twin_add(config, schedule, "crs-a", NULL);
    twin_add(config, schedule, "crs-b", "http://127.0.0.1:2/");
    twin_add(config, schedule, "crs-c", NULL);
    return config;
}

static void begin(struct twin *twin)
{
    twin_init(twin, NOON + 60);
    twin_make_durable(twin);
    twin_start(twin, three());
    twin_run(twin, 5 * SECOND);
}

static void begin_with(struct twin *twin, struct config *config)
{
    twin_init(twin, NOON + 60);
    twin_make_durable(twin);
    twin_start(twin, config);
    twin_run(twin, 5 * SECOND);
}

/* Everybody at the full hour, at one host; eight of them. */
static struct config *eight(void)
{
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "hourly", "1h");
    char id[16];
    schedule->overlap = OVERLAP_FORBID;
    schedule->start_within_us = 600 * SECOND;
    for (int i = 0; i < 8; i++) {
        (void)snprintf(id, sizeof id, "crs-%d", i);
        twin_add(config, schedule, id, NULL);
    }
    return config;
}

static int order(struct twin *twin, const uint32_t *instances, uint32_t count)
{
    struct wall slot = engine_order_slot(twin->engine, twin->now);
    return engine_order(twin->engine, slot, 0, instances, count, NULL);
}

static void slots_are_never_the_same(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin);
    twin.now.wall = wall_from_seconds(NOON + 70);
    struct wall last = {0};
    for (int i = 0; i < 5; i++) {
        struct wall slot = engine_order_slot(twin.engine, twin.now);
        assert_true(wall_before(last, slot) && slot.us % SECOND != 0);
        last = slot;
    }
    twin_finish(&twin);
}

/* By a clock that was ahead, and has been set back: the next order goes now. */
static void an_order_does_not_wait_for_an_earlier_clock(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin);
    twin.now.wall = wall_add_us(twin.now.wall, 1200 * SECOND);
    twin_run(&twin, SECOND);
    assert_int_equal(order(&twin, (const uint32_t[]){0}, 1), 0);
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 1);
    twin.now.wall = wall_add_us(twin.now.wall, -1200 * SECOND);
    twin_run(&twin, SECOND);
    assert_int_equal(order(&twin, (const uint32_t[]){2}, 1), 0);
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-c"), 1);
    twin_finish(&twin);
}

static void those_that_are_named_run_at_once(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin);
    assert_int_equal(order(&twin, (const uint32_t[]){2, 1}, 2), 0);
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    assert_true(twin_count_sent(&twin, "crs-c") == 1 && twin_count_sent(&twin, "crs-b") == 1);
    assert_int_equal(order(&twin, NULL, 0), 0);
    twin_run(&twin, 2 * SECOND); /* an earlier one of crs-b and crs-c is under way */
    assert_int_equal(twin.sent_count, 3);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 1);
    twin_finish(&twin);
}

static void a_crash_keeps_those_that_were_named(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin);
    twin.ledger_is_slow = true; /* nothing leaves before the crash */
    assert_int_equal(order(&twin, (const uint32_t[]){0, 1}, 2), 0);
    assert_int_equal(twin.log[twin.log_count - 1].kind, LEDGER_STARTED);
    assert_int_equal(twin.log[twin.log_count - 1].run_kind, LEDGER_KIND_OPERATOR);
    twin_crash(&twin, 0);
    twin.ledger_is_slow = false;
    twin_start(&twin, three());
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    assert_int_equal(twin_count_sent(&twin, "crs-c"), 0);
    /* The plan is as it was: its next slot comes. */
    assert_int_equal(engine_status(twin.engine).next_slot.us, (NOON + 3600) * SECOND);
    twin_accept(&twin, 0);
    twin_accept(&twin, 1);
    twin_run(&twin, SECOND);
    twin_crash(&twin, 0);
    twin_start(&twin, three());
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    twin_finish(&twin);
}

static void a_crash_keeps_an_order_for_all(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin);
    twin.ledger_is_slow = true;
    assert_int_equal(order(&twin, NULL, 0), 0);
    twin_crash(&twin, 0);
    twin.ledger_is_slow = false;
    twin_start(&twin, three());
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin.sent_count, 3);
    twin_finish(&twin);
}

static void an_order_without_its_last_entry_is_none(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin);
    twin.ledger_is_slow = true;
    assert_int_equal(order(&twin, (const uint32_t[]){0, 1}, 2), 0);
    twin_crash(&twin, 1);
    twin.ledger_is_slow = false;
    twin_start(&twin, three());
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin.sent_count, 0);
    assert_int_equal(twin_count_lines(&twin, "event=backup_skipped"), 1);
    assert_int_equal(twin_count_lines(&twin, "instances=2 reason=refused"), 1);
    assert_int_equal(twin.ended[LEDGER_SKIPPED], 2);
    twin_crash(&twin, 0);
    twin_start(&twin, three()); /* and that is its end */
    assert_int_equal(twin_count_lines(&twin, "reason=refused"), 1);
    twin_finish(&twin);
}

static void a_start_at_the_same_instant_takes_another_slot(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin);
    twin.ledger_is_slow = true;
    struct wall before = engine_order_slot(twin.engine, twin.now);
    assert_int_equal(engine_order(twin.engine, before, 0, (const uint32_t[]){0}, 1, NULL), 0);
    twin_crash(&twin, 0);
    twin_start(&twin, three()); /* the clock shows what it showed then */
    assert_true(wall_before(before, engine_order_slot(twin.engine, twin.now)));
    twin_finish(&twin);
}

static void an_order_goes_before_what_is_prepared(void **state)
{
    (void)state;
    static struct twin twin;
    begin_with(&twin, eight());
    twin_run(&twin, wall_diff_us(wall_from_seconds(NOON + 3599), twin.now.wall));
    assert_true(twin.started > 0); /* those of the full hour */
    assert_int_equal(twin.sent_count, 0);
    assert_int_equal(order(&twin, (const uint32_t[]){7}, 1), 0);
    twin_run(&twin, SECOND / 10);
    assert_int_equal(twin.sent_count, 1);
    assert_int_equal(twin_count_sent(&twin, "crs-7"), 1);
    twin_finish(&twin);
}

static void what_is_prepared_makes_way_for_an_order(void **state)
{
    (void)state;
    static struct twin twin;
    begin_with(&twin, eight());
    twin_run(&twin, wall_diff_us(wall_from_seconds(NOON + 3599), twin.now.wall));
    assert_int_equal(order(&twin, (const uint32_t[]){0}, 1), 0);
    twin_run(&twin, SECOND / 10);
    assert_int_equal(twin_count_sent(&twin, "crs-0"), 1);
    twin_accept(&twin, 0);
    twin_run(&twin, 120 * SECOND); /* its task runs at the full hour */
    assert_int_equal(twin_count_sent(&twin, "crs-0"), 1);
    assert_int_equal(twin_count_lines(&twin, "reason=overlap"), 1);
    assert_int_equal(twin.sent_count, 8);
    twin_finish(&twin);
}

/* Of the slot of 13:00; its delay is 1791 s. */
#define SKIPPED                                                                      \
    "event=backup_skipped schedule=hourly instance=crs-a region=ap-guangzhou slot=2" \
    "026-11-01T13:00:00Z reason=overlap"

static void run_till(struct twin *twin, int64_t second)
{
    twin_run(twin, wall_diff_us(wall_from_seconds(second), twin->now.wall));
}

/* The slot's own run comes after it, though its slot is the earlier one. */
static void an_order_inside_the_spread_is_in_the_way(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin);
    run_till(&twin, NOON + 3600 + 10);
    assert_int_equal(order(&twin, (const uint32_t[]){0}, 1), 0);
    twin_run(&twin, SECOND / 10);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 1);
    twin_accept(&twin, twin.sent_count - 1);
    run_till(&twin, NOON + 3600 + 1790);
    assert_int_equal(twin_count_lines(&twin, SKIPPED), 0);
    run_till(&twin, NOON + 3600 + 1800); /* its task runs */
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 1);
    assert_int_equal(twin_count_lines(&twin, SKIPPED), 1);
    twin_finish(&twin);
}

/* What was seen by a clock that was ahead is older than it says: the task is asked for anew. */
static void an_answer_of_before_the_clock_was_set_back_is_old(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin);
    assert_int_equal(order(&twin, (const uint32_t[]){0}, 1), 0);
    twin_run(&twin, SECOND / 10);
    twin_accept(&twin, twin.sent_count - 1);
    twin_run(&twin, 60 * SECOND); /* it is running */
    twin.keeps_questions = true;
    twin.now.wall = wall_add_us(twin.now.wall, -50 * SECOND);
    twin_run(&twin, SECOND);
    assert_int_equal(order(&twin, (const uint32_t[]){0}, 1), 0);
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin_count_lines(&twin, "reason=overlap"), 0);
    int n = twin_find(&twin, "DescribeTaskInfo");
    assert_true(n >= 0);
    twin_answer(&twin, n, "\"Status\":\"succeed\"");
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 2);
    twin_finish(&twin);
}

static void an_order_in_doubt_is_in_the_way(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin);
    twin.keeps_questions = true; /* nobody says what became of it */
    run_till(&twin, NOON + 3600 + 1780);
    assert_int_equal(order(&twin, (const uint32_t[]){0}, 1), 0);
    twin_run(&twin, SECOND / 10);
    twin_lose(&twin, twin.sent_count - 1, EXCHANGE_LOST);
    run_till(&twin, NOON + 3600 + 1810);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 1);
    assert_int_equal(twin_count_lines(&twin, "reason=overlap"), 0); /* it may not run */
    twin_finish(&twin);
}

/* Between its attempts the slot's own run comes due, and waits: neither waits for the other. */
static void an_order_is_not_overtaken(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin);
    run_till(&twin, NOON + 3600 + 1788);
    assert_int_equal(order(&twin, (const uint32_t[]){0}, 1), 0);
    twin_run(&twin, SECOND / 10);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 1);
    twin_refuse(&twin, twin.sent_count - 1, "ResourceUnavailable.InstanceLockedError", -1);
    for (int i = 0; i < 100 && twin_count_sent(&twin, "crs-a") == 1; i++)
        twin_run(&twin, SECOND / 10);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 2);
    twin_refuse(&twin, twin.sent_count - 1, "ResourceUnavailable.InstanceLockedError", -1);
    run_till(&twin, NOON + 3600 + 1792);
    for (int i = 0; i < 100 && twin_count_sent(&twin, "crs-a") == 2; i++)
        twin_run(&twin, SECOND / 10);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 3);
    twin_accept(&twin, twin.sent_count - 1);
    assert_int_equal(twin_count_lines(&twin, "event=backup_submitted schedule=hourly "
                                             "instance=crs-a region=ap-guangzhou "
                                             "slot=2026-11-01T13:29:48.000001Z attempt=3"),
                     1);
    twin_run(&twin, 300 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 3);
    assert_int_equal(twin_count_lines(&twin, SKIPPED), 1);
    twin_finish(&twin);
}

/* A monthly schedule must not lose its slot to a nightly one: the cloud keeps them apart. */
static void another_schedule_is_not_in_the_way(void **state)
{
    (void)state;
    static struct twin twin;
    struct config *config = three();
    struct schedule *schedule = twin_every(config, "often", "20m");
    schedule->overlap = OVERLAP_FORBID;
    twin_add(config, schedule, "crs-a", NULL);
    begin_with(&twin, config);
    run_till(&twin, NOON + 3600 + 10);
    for (int i = 0; i < twin.sent_count; i++)
        twin_accept(&twin, i);
    int before = twin_count_sent(&twin, "crs-a"); /* that of 12:20 runs, the others are skipped */
    assert_int_equal(before, 1);
    run_till(&twin, NOON + 3600 + 1795);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 2);
    assert_int_equal(twin_count_lines(&twin, SKIPPED), 0);
    twin_finish(&twin);
}

static void a_failed_task_is_begun_anew_though_the_file_pauses(void **state)
{
    (void)state;
    static struct twin twin;
    struct config *config = eight();
    config->schedules[0].paused = true;
    config->schedules[0].retry_failed = 1;
    begin_with(&twin, config);
    twin.keeps_questions = true;
    assert_int_equal(order(&twin, (const uint32_t[]){0}, 1), 0);
    twin_run(&twin, SECOND);
    twin_accept(&twin, 0);
    twin_run(&twin, 5 * SECOND);
    int question = twin_find(&twin, "DescribeTaskInfo");
    assert_true(question >= 0);
    twin_answer(&twin, question, "\"Status\":\"failed\",\"TaskMessage\":\"disk\"");
    twin_run(&twin, 10 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-0"), 2);
    assert_int_equal(twin_count_lines(&twin, "reason=task_failed"), 0);
    twin_finish(&twin);
}

/* What failed a while ago says nothing of the ledger now. */
static void a_ledger_that_is_well_again_takes_an_order(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin);
    twin.ledger_refuses = true;
    twin_run(&twin, wall_diff_us(wall_from_seconds(NOON + 3601), twin.now.wall));
    assert_int_equal(twin_count_lines(&twin, "event=record_failed"), 1);
    twin.ledger_refuses = false;
    assert_int_equal(order(&twin, (const uint32_t[]){0}, 1), 0);
    twin_finish(&twin);
}

static void refusals(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin);
    twin.ledger_refuses = true;
    struct errtext err = {""};
    struct wall slot = engine_order_slot(twin.engine, twin.now);
    assert_int_equal(engine_order(twin.engine, slot, 0, (const uint32_t[]){0}, 1, &err),
                     ORDERS_REFUSED);
    assert_non_null(strstr(err.text, "cannot be recorded"));
    twin.ledger_refuses = false;
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin.sent_count, 0);
    assert_int_equal(engine_status(twin.engine).waiting, 0);
    engine_drain(twin.engine, twin.now);
    assert_int_equal(order(&twin, NULL, 0), ORDERS_REFUSED);
    twin_finish(&twin);
}

static void the_slots_of_a_pause_are_skipped(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin);
    const struct wall until = wall_from_seconds(NOON + 7200);
    assert_int_equal(engine_pause(twin.engine, twin.now, 0, until, NULL), 0);
    assert_int_equal(engine_pause(twin.engine, twin.now, 0, until, NULL), 0);
    twin_reload(&twin, three());
    assert_int_equal(engine_paused_until(twin.engine, 0, twin.now.wall).us, until.us);
    twin_run(&twin, 3600 * SECOND);
    assert_int_equal(twin.sent_count, 0);
    assert_int_equal(twin_count_lines(&twin, "event=backup_skipped schedule=hourly"), 1);
    assert_int_equal(twin_count_lines(&twin, "reason=paused"), 1);
    assert_int_equal(order(&twin, (const uint32_t[]){0}, 1), 0); /* an order is one */
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    twin_accept(&twin, 0);
    twin_run(&twin, 5400 * SECOND); /* past its end: the slot of that instant runs */
    assert_true(twin_count_sent(&twin, "crs-c") == 1);
    assert_int_equal(engine_paused_until(twin.engine, 0, twin.now.wall).us, LEDGER_NO_PAUSE.us);
    twin_finish(&twin);
}

/* The host slept: the order in which it looks at the clock and hears of the end is chance. */
static void what_a_pause_has_passed_is_not_caught_up(void **state)
{
    (void)state;
    static struct twin twin;
    begin_with(&twin, eight());
    assert_int_equal(engine_pause(twin.engine, twin.now, 0, WALL_NEVER, NULL), 0);
    twin.now.wall = wall_from_seconds(NOON + 3700);
    assert_int_equal(engine_pause(twin.engine, twin.now, 0, LEDGER_NO_PAUSE, NULL), 0);
    assert_int_equal(twin_count_lines(&twin, "reason=paused"), 1);
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin.sent_count, 0);
    twin_run(&twin, 3600 * SECOND); /* and the next one runs */
    assert_int_equal(twin.sent_count, 8);
    twin_finish(&twin);
}

static void what_came_before_a_pause_runs(void **state)
{
    (void)state;
    static struct twin twin;
    begin_with(&twin, eight());
    twin.now.wall = wall_from_seconds(NOON + 3601);
    assert_int_equal(engine_pause(twin.engine, twin.now, 0, WALL_NEVER, NULL), 0);
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin.sent_count, 8);
    twin_finish(&twin);
}

/* Asleep over a slot of the pause and one after its end: each is what it is. */
static void a_pause_that_ended_meanwhile(void **state)
{
    (void)state;
    static struct twin twin;
    begin_with(&twin, eight());
    const struct wall until = wall_from_seconds(NOON + 3 * 3600 - 1800);
    assert_int_equal(engine_pause(twin.engine, twin.now, 0, until, NULL), 0);
    twin.now.wall = wall_from_seconds(NOON + 3 * 3600 + 300);
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin_count_lines(&twin, "event=backup_skipped schedule=hourly"), 2);
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed"), 0);
    assert_int_equal(twin_count_lines(&twin, "reason=catch_up"), 1);
    assert_int_equal(twin.sent_count, 8);
    twin_finish(&twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_never_the_same),
        cmocka_unit_test(an_order_does_not_wait_for_an_earlier_clock),
        cmocka_unit_test(those_that_are_named_run_at_once),
        cmocka_unit_test(a_crash_keeps_those_that_were_named),
        cmocka_unit_test(a_crash_keeps_an_order_for_all),
        cmocka_unit_test(an_order_without_its_last_entry_is_none),
        cmocka_unit_test(a_start_at_the_same_instant_takes_another_slot),
        cmocka_unit_test(an_order_goes_before_what_is_prepared),
        cmocka_unit_test(what_is_prepared_makes_way_for_an_order),
        cmocka_unit_test(an_order_inside_the_spread_is_in_the_way),
        cmocka_unit_test(an_answer_of_before_the_clock_was_set_back_is_old),
        cmocka_unit_test(an_order_in_doubt_is_in_the_way),
        cmocka_unit_test(an_order_is_not_overtaken),
        cmocka_unit_test(another_schedule_is_not_in_the_way),
        cmocka_unit_test(a_failed_task_is_begun_anew_though_the_file_pauses),
        cmocka_unit_test(a_ledger_that_is_well_again_takes_an_order),
        cmocka_unit_test(refusals),
        cmocka_unit_test(the_slots_of_a_pause_are_skipped),
        cmocka_unit_test(what_a_pause_has_passed_is_not_caught_up),
        cmocka_unit_test(what_came_before_a_pause_runs),
        cmocka_unit_test(a_pause_that_ended_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
