/* Engine: small scenarios by hand; the many are in tests/sim. */
#include "unit.h"

#include "engine_twin.h"

#include <errno.h>
#include <stdio.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND
#define MINUTE (60 * SECOND)

static struct config *one_schedule(const char *every, int instances)
{
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", every);
    for (int i = 0; i < instances; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "crs-i%03d", i);
        twin_add(config, schedule, id, NULL);
    }
    return config;
}

/* ---- starting ---- */

static void a_first_start_does_not_catch_up(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON + 30);
    twin_start(&twin, one_schedule("1m", 1));
    twin_run(&twin, 30 * SECOND - 1);
    assert_int_equal(twin.sent_count, 0);
    twin_run(&twin, 1);
    assert_int_equal(twin.sent_count, 1);
    assert_int_equal(twin.sent[0].at.wall.us, (NOON + 60) * SECOND);
    assert_int_equal(twin_count_lines(&twin, "missed"), 0);
    twin_finish(&twin);
}

static void a_slot_of_the_downtime_is_caught_up_once(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON + 30);
    twin_start(&twin, one_schedule("1m", 1));
    twin_stop(&twin); /* before its first slot ever */
    twin.now.wall.us += 200 * SECOND;
    twin_start(&twin, one_schedule("1m", 1));
    assert_int_equal(twin.sent_count, 1);
    assert_int_equal(twin_count_lines(&twin, "event=slot_moved schedule=nightly "
                                             "slot=2026-11-01T12:03:00Z reason=catch_up"),
                     1);
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed schedule=nightly"), 2);
    twin_stop(&twin);
    twin_start(&twin, one_schedule("1m", 1));
    assert_int_equal(twin.sent_count, 1);
    twin_finish(&twin);
}

static void passed(int64_t away_s, bool paused, bool catches_up, int64_t start_within_s,
                   int want_sent, const char *want_event, int want_lines)
{
    static struct twin twin;
    twin_init(&twin, NOON);
    struct config *config = one_schedule("1m", 1);
    config->schedules[0].paused = paused;
    config->schedules[0].catch_up = catches_up ? CATCH_UP_ONCE : CATCH_UP_NONE;
    config->schedules[0].start_within_us = start_within_s * SECOND;
    twin_start(&twin, config);
    twin.now.wall.us += away_s * SECOND; /* asleep */
    twin_step(&twin);
    assert_int_equal(twin.sent_count, want_sent);
    assert_int_equal(twin_count_lines(&twin, want_event), want_lines);
    assert_int_equal(twin_count_lines(&twin, "event=backup_"), want_lines);
    assert_int_equal(twin_count_lines(&twin, "event=clock_jumped"), 1);
    assert_int_equal(twin.slots_ended[LEDGER_MISSED], paused ? 0 : want_lines);
    assert_int_equal(twin.slots_ended[LEDGER_SKIPPED], paused ? want_lines : 0);
    twin_finish(&twin);
}

static void what_has_passed_is_told(void **state)
{
    (void)state;
    passed(150, false, true, 60, 1, "event=backup_missed", 1);
    passed(150, false, true, 20, 0, "event=backup_missed", 2);  /* younger than start_within? no */
    passed(150, false, false, 60, 0, "event=backup_missed", 2); /* it does not catch up */
    passed(150, true, true, 60, 0, "event=backup_skipped", 2);
    passed(122, false, false, 60, 1, "event=backup_missed", 1); /* 2 s late is on time */
    /* Ten lines, one for the rest, and where the last is not run one for it. */
    passed(3610, false, true, 60, 1, "event=backup_missed", 11);
    passed(3610, true, true, 60, 0, "event=backup_skipped", 12);
}

/* ---- answers ---- */

static void answers_decide(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin_start(&twin, one_schedule("1h", 6));
    twin_run(&twin, 11 * SECOND);
    assert_int_equal(twin.sent_count, 6);
    twin_accept(&twin, 0);
    twin_refuse(&twin, 1, "RequestLimitExceeded", -1);
    twin_refuse(&twin, 2, "ResourceUnavailable.InstanceLockedError", -1);
    twin_refuse(&twin, 3, "InternalError.InternalError", -1);
    twin_lose(&twin, 4, EXCHANGE_LOST);
    twin_refuse(&twin, 5, "ResourceNotFound.InstanceNotExists", -1);
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-i000"), 1);
    assert_int_equal(twin_count_sent(&twin, "crs-i001"), 2);
    assert_int_equal(twin_count_sent(&twin, "crs-i002"), 2);
    assert_int_equal(twin_count_sent(&twin, "crs-i003"), 1);
    assert_int_equal(twin_count_sent(&twin, "crs-i004"), 1);
    assert_int_equal(twin_count_sent(&twin, "crs-i005"), 1);
    assert_int_equal(twin_count_lines(&twin, "event=backup_submitted schedule=nightly "
                                             "instance=crs-i000 region=ap-guangzhou "
                                             "slot=2026-11-01T12:00:00Z attempt=1 task_id=6954227 "
                                             "request_id=r-1"),
                     1);
    assert_int_equal(twin_count_lines(&twin, "event=backup_unknown"), 2);
    assert_int_equal(twin_count_lines(&twin, "event=backup_retry"), 2);
    assert_int_equal(twin_count_lines(&twin, "event=throttled"), 1);
    assert_int_equal(twin_count_lines(&twin, "event=backup_failed"), 1);
    struct engine_status status = engine_status(twin.engine);
    assert_int_equal(status.submitted, 1);
    assert_int_equal(status.doubtful, 2);
    assert_int_equal(status.unknown, 0);
    assert_int_equal(status.watched, 1);
    assert_int_equal(status.failed, 1);
    assert_int_equal(status.in_flight, 4); /* two of them look for lost answers */
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 1);
    assert_int_equal(twin.ended[LEDGER_UNKNOWN], 0);
    assert_int_equal(twin.started, 8);
    twin_finish(&twin);
}

static void a_retry_stops_at_the_end_of_start_within(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    struct config *config = one_schedule("1h", 1);
    config->schedules[0].start_within_us = 5 * SECOND;
    twin_start(&twin, config);
    twin_run(&twin, 10 * SECOND);
    for (int i = 0; i < twin.sent_count; i++) { /* busy waits 2 s at the least */
        twin_refuse(&twin, i, "ResourceUnavailable.InstanceLockedError", -1);
        twin_run(&twin, 2 * SECOND);
    }
    assert_int_equal(twin.sent_count, 3);
    assert_int_equal(twin_count_lines(&twin, "reason=start_within"), 1);
    assert_int_equal(twin.ended[LEDGER_FAILED], 1);
    twin_finish(&twin);
}

static void the_clouds_clock_is_learnt(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin_start(&twin, one_schedule("1h", 1));
    twin_run(&twin, 10 * SECOND);
    twin_refuse(&twin, 0, "AuthFailure.SignatureExpire", NOON + 1000);
    twin_run(&twin, SECOND);
    assert_int_equal(twin.sent_count, 2);
    assert_string_equal(twin.sent[1].stamp, "1793535400");
    twin_finish(&twin);
}

static void a_nonsense_date_does_not_stop_the_others(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin_start(&twin, one_schedule("1m", 1));
    twin_run(&twin, 10 * SECOND);
    twin_refuse(&twin, 0, "AuthFailure.SignatureExpire", WALL_MAX_SECOND);
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin.sent_count, 3);
    assert_int_equal(twin_count_lines(&twin, "event=credentials_failed"), 0);
    twin_finish(&twin);
}

/* ---- what is missing for a while ---- */

static void keys_that_are_missing_hold_it_up(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin.keys_gone = true;
    twin_start(&twin, one_schedule("1h", 3));
    twin_run(&twin, 20 * SECOND);
    assert_int_equal(twin.sent_count, 0);
    assert_int_equal(twin_count_lines(&twin, "event=credentials_failed"), 1);
    twin.keys_gone = false;
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin.sent_count, 3);
    assert_int_equal(twin_count_lines(&twin, "event=credentials_refreshed"), 1);
    twin_finish(&twin);
}

static void what_cannot_be_recorded_is_not_sent(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin.ledger_refuses = true;
    twin_start(&twin, one_schedule("1h", 30));
    twin_run(&twin, 20 * SECOND);
    assert_int_equal(twin.sent_count, 0);
    assert_int_equal(twin_count_lines(&twin, "event=record_failed"), 1);
    twin.ledger_refuses = false;
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin.sent_count, 30);
    twin.ledger_refuses = true;
    twin_run(&twin, 3600 * SECOND);
    assert_int_equal(twin_count_lines(&twin, "event=record_failed"), 2);
    twin_finish(&twin);
}

static void a_full_transport_is_tried_again(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin.transport_refuses = -EAGAIN;
    twin_start(&twin, one_schedule("1h", 3));
    twin_run(&twin, 11 * SECOND);
    assert_int_equal(twin.sent_count, 0);
    twin.transport_refuses = 0;
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin.sent_count, 3);
    twin_finish(&twin);
}

static void a_backlog_keeps_to_the_rate(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    struct config *config = one_schedule("1h", 200);
    config->max_in_flight = 1000;
    twin_start(&twin, config);
    twin_run(&twin, 10 * SECOND + 200 * SECOND / 19);
    assert_int_equal(twin.sent_count, 200);
    assert_int_equal(twin.sent[0].at.wall.us, NOON * SECOND);
    for (int i = 20; i < 200; i++)
        assert_true(mono_diff_ns(twin.sent[i].at.mono, twin.sent[i - 20].at.mono) > NS_PER_SECOND);
    assert_true(wall_diff_us(twin.sent[199].at.wall, twin.sent[0].at.wall)
                <= 199 * SECOND * 100 / 98 / 20);
    twin_finish(&twin);
}

static void no_more_than_may_be_in_flight(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    struct config *config = one_schedule("1h", 20);
    config->max_in_flight = 3;
    twin_start(&twin, config);
    twin_run(&twin, 15 * SECOND);
    assert_int_equal(twin.sent_count, 3);
    twin_accept(&twin, 1);
    twin_run(&twin, SECOND);
    assert_int_equal(twin.sent_count, 4);
    twin_finish(&twin);
}

static void an_idle_engine_sleeps(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON + 10);
    twin_start(&twin, one_schedule("1h", 3));
    struct wake wake = engine_next_wake(twin.engine, twin.now);
    assert_int_equal(wall_diff_us(wake.wall, twin.now.wall), ENGINE_SLEEP_MAX_US);
    assert_int_equal(wake.mono.ns, MONO_NEVER.ns);
    assert_int_equal(engine_status(twin.engine).next_slot.us, (NOON + 3600) * SECOND);
    twin_finish(&twin);
}

/* ---- the clock is set ---- */

static void set_back_no_slot_repeats(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin_start(&twin, one_schedule("1m", 1));
    twin_run(&twin, 75 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    twin_accept(&twin, 0);
    twin_accept(&twin, 1);
    twin.now.wall.us -= 3600 * SECOND;
    twin_run(&twin, 3600 * SECOND + 54 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    twin_run(&twin, SECOND); /* the slot after the last that ran */
    assert_int_equal(twin.sent_count, 3);
    twin_finish(&twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_start_does_not_catch_up),
        cmocka_unit_test(a_slot_of_the_downtime_is_caught_up_once),
        cmocka_unit_test(what_has_passed_is_told),
        cmocka_unit_test(answers_decide),
        cmocka_unit_test(a_retry_stops_at_the_end_of_start_within),
        cmocka_unit_test(the_clouds_clock_is_learnt),
        cmocka_unit_test(a_nonsense_date_does_not_stop_the_others),
        cmocka_unit_test(keys_that_are_missing_hold_it_up),
        cmocka_unit_test(what_cannot_be_recorded_is_not_sent),
        cmocka_unit_test(a_full_transport_is_tried_again),
        cmocka_unit_test(a_backlog_keeps_to_the_rate),
        cmocka_unit_test(no_more_than_may_be_in_flight),
        cmocka_unit_test(an_idle_engine_sleeps),
        cmocka_unit_test(set_back_no_slot_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
