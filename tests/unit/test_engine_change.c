/* Engine: reload and drain, by hand. */
#include "unit.h"

#include "base/bucket.h"
#include "engine_twin.h"

#include <stdio.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND
#define HOST_A "https://redis.tencentcloudapi.com/"
#define HOST_B "https://redis.intl.tencentcloudapi.com/"

/* One schedule of the named instances; NULL ends them. */
static struct config *with(const char *schedule, const char *every, const char *const *ids,
                           const char *url)
{
    struct config *config = twin_config();
    struct schedule *s = twin_every(config, schedule, every);
    for (; *ids != NULL; ids++)
        twin_add(config, s, *ids, url);
    return config;
}

static const char *const both[] = {"crs-a", "crs-b", NULL};
static const char *const first[] = {"crs-a", NULL};
static const char *const second[] = {"crs-b", NULL};

static void who_is_removed_is_skipped(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin_start(&twin, with("nightly", "1h", both, NULL));
    twin_run(&twin, 9 * SECOND); /* both are recorded, none is due */
    twin_reload(&twin, with("nightly", "1h", second, NULL));
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 0);
    assert_int_equal(twin_count_sent(&twin, "crs-b"), 1);
    assert_int_equal(twin_count_lines(&twin, "event=backup_skipped schedule=nightly "
                                             "instance=crs-a"),
                     1);
    assert_int_equal(twin.ended[LEDGER_SKIPPED], 1);
    twin_finish(&twin);
}

static void who_is_removed_in_flight_is_not_tried_again(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin_start(&twin, with("nightly", "1h", both, NULL));
    twin_run(&twin, 11 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    twin_reload(&twin, with("nightly", "1h", second, NULL));
    twin_lose(&twin, 0, EXCHANGE_NOT_SENT);
    twin_lose(&twin, 1, EXCHANGE_NOT_SENT);
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a") + twin_count_sent(&twin, "crs-b"), 3);
    assert_int_equal(twin_count_sent(&twin, "crs-b"), 2);
    assert_int_equal(twin_count_lines(&twin, "reason=removed"), 1);
    assert_int_equal(twin.ended[LEDGER_SKIPPED], 1);
    twin_finish(&twin);
}

static void who_is_removed_in_flight_may_still_succeed(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin_start(&twin, with("nightly", "1h", first, NULL));
    twin_run(&twin, 11 * SECOND);
    twin_reload(&twin, with("nightly", "1h", second, NULL));
    twin_accept(&twin, 0);
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 1);
    twin_finish(&twin);
}

static void a_reload_takes_up_what_has_passed(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin_start(&twin, with("nightly", "1m", first, NULL));
    twin.now.wall.us += 200 * SECOND; /* asleep, and the reload comes before any turn */
    twin_reload(&twin, with("weekly", "1h", second, NULL));
    assert_int_equal(twin_count_lines(&twin, "event=clock_jumped"), 1);
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed schedule=nightly"), 3);
    assert_int_equal(twin_count_lines(&twin, "event=backup_skipped schedule=nightly "
                                             "instance=crs-a"),
                     1);
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin.sent_count, 0);
    twin_finish(&twin);
}

static void a_resumed_schedule_does_not_catch_up(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    struct config *config = with("nightly", "1m", first, NULL);
    config->schedules[0].paused = true;
    twin_start(&twin, config);
    twin.now.wall.us += 30 * SECOND;
    twin_reload(&twin, with("nightly", "1m", first, NULL));
    twin_run(&twin, 39 * SECOND);
    assert_int_equal(twin.sent_count, 0);
    assert_int_equal(twin_count_lines(&twin, "reason=paused"), 1);
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    twin_finish(&twin);
}

static void another_rule_begins_anew(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON + 10);
    twin_start(&twin, with("nightly", "1h", first, NULL));
    twin_run(&twin, 900 * SECOND);
    twin_reload(&twin, with("nightly", "1m", first, NULL));
    assert_int_equal(twin.horizons[0].slot.us, (NOON + 910) * SECOND); /* kept for a restart */
    twin_run(&twin, 49 * SECOND);
    assert_int_equal(twin.sent_count, 0);
    twin_run(&twin, SECOND);
    assert_int_equal(twin.sent_count, 1);
    twin_finish(&twin);
}

/* ---- what has come, and is not to be opened ---- */

static int missed(const struct twin *twin, const char *slot_and_reason)
{
    char line[128];
    (void)snprintf(line, sizeof line, "event=backup_missed schedule=nightly slot=2026-11-01T%s",
                   slot_and_reason);
    return twin_count_lines(twin, line);
}

/* Ten seconds before noon; nothing can be recorded from eight seconds before on. */
static void begin_unrecorded(struct twin *twin)
{
    twin_init(twin, NOON - 10);
    twin_make_durable(twin);
    twin_start(twin, with("nightly", "1h", first, NULL));
    twin_run(twin, 2 * SECOND);
    twin->ledger_refuses = true;
    twin_run(twin, 2 * 3600 * SECOND + 600 * SECOND);
    assert_int_equal(twin_count_lines(twin, "event=backup_missed"), 0);
}

static void what_cannot_be_recorded_is_missed_when_its_rule_goes(void **state)
{
    (void)state;
    static struct twin twin;
    begin_unrecorded(&twin);
    twin_reload(&twin, with("nightly", "20m", first, NULL));
    twin.ledger_refuses = false;
    assert_int_equal(missed(&twin, "12:00:00Z instances=1 reason=ledger"), 1);
    assert_int_equal(missed(&twin, "13:00:00Z instances=1 reason=ledger"), 1);
    assert_int_equal(missed(&twin, "14:00:00Z instances=1 reason=changed"), 1);
    assert_int_equal(engine_status(twin.engine).missed, 3);
    twin_run(&twin, 900 * SECOND); /* 14:20 by the new one */
    assert_int_equal(twin.sent_count, 1);
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed"), 3);
    twin_finish(&twin);
}

static void what_cannot_be_recorded_is_missed_when_its_schedule_goes(void **state)
{
    (void)state;
    static struct twin twin;
    begin_unrecorded(&twin);
    twin_reload(&twin, with("weekly", "5h", first, NULL));
    twin.ledger_refuses = false;
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed schedule=nightly"), 3);
    assert_int_equal(missed(&twin, "14:00:00Z instances=1 reason=changed"), 1);
    twin_reload(&twin, with("nightly", "1h", first, NULL)); /* back: it begins anew */
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin.sent_count, 0);
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed"), 3);
    twin_finish(&twin);
}

static void what_cannot_be_recorded_runs_by_the_same_rule(void **state)
{
    (void)state;
    static struct twin twin;
    begin_unrecorded(&twin);
    twin_reload(&twin, with("nightly", "1h", both, NULL));
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed"), 0);
    twin.ledger_refuses = false;
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin_count_lines(&twin, "reason=ledger"), 2);
    assert_int_equal(twin.sent_count, 2); /* 14:00 is caught up */
    twin_finish(&twin);
}

static void set_clock(struct twin *twin, int64_t by_us)
{
    twin->now.wall = wall_add_us(twin->now.wall, by_us);
    twin_step(twin);
}

/* The clock is a day behind from 12:00:10 till 14:40:10; another file comes at 14:10:10. */
static void held_reload(struct twin *twin, struct config *config, struct config *once_more)
{
    twin_init(twin, NOON - 10);
    twin_make_durable(twin);
    twin_start(twin, with("nightly", "1h", first, NULL));
    twin_run(twin, 20 * SECOND);
    twin_accept(twin, 0);
    set_clock(twin, -86400 * SECOND);
    assert_true(engine_status(twin->engine).clock_held);
    twin_run(twin, 7800 * SECOND);
    twin_reload(twin, config);
    twin_run(twin, 900 * SECOND);
    if (once_more != NULL)
        twin_reload(twin, once_more);
    twin_run(twin, 900 * SECOND);
    assert_true(engine_status(twin->engine).clock_held);
    assert_int_equal(twin_count_lines(twin, "event=backup_missed"), 0);
    set_clock(twin, 86400 * SECOND);
    assert_false(engine_status(twin->engine).clock_held);
    assert_int_equal(missed(twin, "13:00:00Z instances=1 reason=clock"), 1);
    assert_int_equal(missed(twin, "14:00:00Z instances=1 reason=changed"), 1);
    assert_int_equal(twin_count_lines(twin, "event=backup_missed"), 2);
    assert_int_equal(twin->sent_count, 1);
}

/* Another schedule holds the clock, whatever becomes of the first. */
static struct config *beside(const char *every)
{
    struct config *config = twin_config();
    if (every != NULL)
        twin_add(config, twin_every(config, "nightly", every), "crs-a", NULL);
    twin_add(config, twin_every(config, "daily", "24h"), "crs-b", NULL);
    return config;
}

static void a_wrong_clock_hides_nothing_of_a_rule_that_goes(void **state)
{
    (void)state;
    static struct twin twin;
    held_reload(&twin, beside("20m"), NULL);
    twin_run(&twin, 1190 * SECOND); /* 15:00 */
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 2);
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed"), 2);
    twin_finish(&twin);
}

static void a_wrong_clock_hides_nothing_of_a_schedule_that_goes(void **state)
{
    (void)state;
    static struct twin twin;
    held_reload(&twin, beside(NULL), beside("1h")); /* and comes back */
    twin_run(&twin, 1190 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 2);
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed"), 2);
    twin_finish(&twin);
}

static void a_host_that_comes_back_has_not_forgotten(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    struct config *config = with("nightly", "10s", first, HOST_A);
    config->per_second = 1;
    twin_start(&twin, config);
    twin_run(&twin, 10 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    twin_accept(&twin, 0);
    config = with("nightly", "1h", first, HOST_B); /* nothing waits for the first host now */
    config->per_second = 1;
    twin_reload(&twin, config);
    twin_run(&twin, 400000);
    config = with("hourly", "1s", first, HOST_A);
    config->per_second = 1;
    twin_reload(&twin, config);
    twin_run(&twin, 800000);
    assert_int_equal(twin.sent_count, 2);
    assert_true(mono_diff_ns(twin.sent[1].at.mono, twin.sent[0].at.mono) >= BUCKET_WINDOW_NS);
    twin_finish(&twin);
}

static void a_drain_waits_for_what_is_out(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    struct config *config = with("nightly", "1h", both, NULL);
    config->max_in_flight = 1;
    twin_start(&twin, config);
    twin_run(&twin, 11 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    engine_drain(twin.engine, twin.now);
    assert_false(engine_is_idle(twin.engine));
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed"), 1);
    assert_int_equal(twin_count_lines(&twin, "reason=stopping"), 1);
    twin_run(&twin, 10 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    twin_refuse(&twin, 0, "ResourceUnavailable.InstanceLockedError", -1);
    assert_true(engine_is_idle(twin.engine));
    assert_int_equal(twin.ended[LEDGER_FAILED], 1);
    assert_int_equal(twin.ended[LEDGER_MISSED], 1);
    twin_run(&twin, 7200 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    twin_finish(&twin);
}

static void unknown_tickets_are_ignored(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin_start(&twin, with("nightly", "1h", first, NULL));
    twin_run(&twin, 10 * SECOND);
    uint64_t ticket = twin.sent[0].ticket;
    twin_accept(&twin, 0);
    const struct exchange lost = {.kind = EXCHANGE_LOST, .date_second = -1};
    for (uint64_t other = 0; other < 200; other++) {
        engine_file_outcome(twin.engine, ticket + other * 7919, &lost, twin.now.mono);
        engine_file_on_wire(twin.engine, other, twin.now.mono);
        engine_file_recorded(twin.engine, UINT64_MAX - other, 0);
    }
    twin_step(&twin);
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 1);
    assert_int_equal(twin.ended[LEDGER_UNKNOWN], 0);
    twin_finish(&twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_removed_is_skipped),
        cmocka_unit_test(who_is_removed_in_flight_is_not_tried_again),
        cmocka_unit_test(who_is_removed_in_flight_may_still_succeed),
        cmocka_unit_test(a_reload_takes_up_what_has_passed),
        cmocka_unit_test(a_resumed_schedule_does_not_catch_up),
        cmocka_unit_test(another_rule_begins_anew),
        cmocka_unit_test(what_cannot_be_recorded_is_missed_when_its_rule_goes),
        cmocka_unit_test(what_cannot_be_recorded_is_missed_when_its_schedule_goes),
        cmocka_unit_test(what_cannot_be_recorded_runs_by_the_same_rule),
        cmocka_unit_test(a_wrong_clock_hides_nothing_of_a_rule_that_goes),
        cmocka_unit_test(a_wrong_clock_hides_nothing_of_a_schedule_that_goes),
        cmocka_unit_test(a_host_that_comes_back_has_not_forgotten),
        cmocka_unit_test(a_drain_waits_for_what_is_out),
        cmocka_unit_test(unknown_tickets_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
