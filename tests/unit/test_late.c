/* What a run waits for, and why one was not sent in time: said of what really held it up. */
#include "unit.h"

#include "engine/hindrance.h"
#include "engine/members.h"
#include "engine_twin.h"

#include <stdio.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND
#define START_WITHIN 1800
#define MANY 40

static void start(struct twin *twin, int count)
{
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "hourly", "1h");
    schedule->overlap = OVERLAP_FORBID;
    schedule->start_within_us = START_WITHIN * SECOND;
    for (int i = 0; i < count; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "crs-%d", i);
        twin_add(config, schedule, id, NULL);
    }
    twin_start(twin, config);
}

static void begin(struct twin *twin, int count)
{
    twin_init(twin, NOON - 20);
    start(twin, count);
}

static struct member_now look(const struct twin *twin, uint32_t instance)
{
    struct members_open open = {.last = {0}};
    engine_members_open(twin->engine, &open);
    return engine_member_now(twin->engine, 0, instance, &open);
}

static void run_to(struct twin *twin, int64_t second)
{
    twin_run(twin, wall_diff_us(wall_from_seconds(second), twin->now.wall));
}

static void set_clock(struct twin *twin, int64_t second)
{
    twin->now.wall = wall_from_seconds(second);
    twin_step(twin);
}

/* Every question about a task gets this answer, once a minute, until then. */
static void answer_till(struct twin *twin, int64_t second, const char *text)
{
    while (wall_before(twin->now.wall, wall_from_seconds(second))) {
        for (int n; (n = twin_find(twin, "DescribeTaskInfo")) >= 0;)
            twin_answer(twin, n, text);
        twin_run(twin, 60 * SECOND);
    }
}

static void an_earlier_backup_whose_end_cannot_be_asked_for(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, 1);
    run_to(&twin, NOON + 5);
    twin.keeps_questions = true;
    twin_accept(&twin, 0);
    assert_string_equal(look(&twin, 0).task_code, "");
    answer_till(&twin, NOON + 600,
                "\"Error\":{\"Code\":\"UnauthorizedOperation.NoCAMAuthed\",\"Message\":\"m\"}");
    assert_int_equal(look(&twin, 0).state, MEMBER_RUNNING);
    assert_string_equal(look(&twin, 0).task_code, "UnauthorizedOperation.NoCAMAuthed");
    answer_till(&twin, NOON + 3600 + 600,
                "\"Error\":{\"Code\":\"UnauthorizedOperation.NoCAMAuthed\",\"Message\":\"m\"}");
    struct member_now now = look(&twin, 0);
    assert_int_equal(now.state, MEMBER_WAITING);
    assert_int_equal(now.obstacle, MEMBER_EARLIER);
    assert_int_equal(now.earlier_slot.us, NOON * SECOND);
    assert_int_equal(now.earlier_task, 6954227);
    assert_string_equal(now.task_code, "UnauthorizedOperation.NoCAMAuthed");
    answer_till(&twin, NOON + 3600 + START_WITHIN + 60,
                "\"Error\":{\"Code\":\"UnauthorizedOperation.NoCAMAuthed\",\"Message\":\"m\"}");
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed schedule=hourly instance=crs-0 "
                                             "region=ap-guangzhou slot=2026-11-01T13:00:00Z "
                                             "reason=earlier_backup task_id=6954227 "
                                             "code=UnauthorizedOperation.NoCAMAuthed"),
                     1);
    assert_int_equal(twin.ended[LEDGER_MISSED], 1);
    twin_finish(&twin);
}

/* A ledger that refused the slot for a while, and then took it, is not what holds its run up. */
static void a_ledger_that_is_back_is_not_blamed(void **state)
{
    (void)state;
    static const char not_allowed[] =
        "\"Error\":{\"Code\":\"UnauthorizedOperation.NoCAMAuthed\",\"Message\":\"m\"}";
    static struct twin twin;
    twin_init(&twin, NOON - 20);
    twin_make_durable(&twin);
    start(&twin, 1);
    run_to(&twin, NOON + 5);
    twin.keeps_questions = true;
    twin_accept(&twin, 0);
    answer_till(&twin, NOON + 3500, not_allowed);
    twin.ledger_refuses = true;
    run_to(&twin, NOON + 3605);
    assert_int_equal(twin_count_lines(&twin, "event=record_failed"), 1);
    twin.ledger_refuses = false;
    answer_till(&twin, NOON + 4200, not_allowed);
    assert_int_equal(look(&twin, 0).obstacle, MEMBER_EARLIER);
    answer_till(&twin, NOON + 3600 + START_WITHIN + 60, not_allowed);
    assert_int_equal(twin_count_lines(&twin, "reason=earlier_backup"), 1);
    assert_int_equal(twin_count_lines(&twin, "reason=ledger"), 0);
    twin_finish(&twin);
}

/* It is asked for anew, and the answer that comes takes the failure away. */
static void an_answer_ends_the_failure(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, 1);
    run_to(&twin, NOON + 5);
    twin.keeps_questions = true;
    twin_accept(&twin, 0);
    answer_till(&twin, NOON + 3600 + 60, "\"Error\":{\"Code\":\"X.Unheard\",\"Message\":\"m\"}");
    assert_string_equal(look(&twin, 0).task_code, "other");
    twin_answer(&twin, twin_find(&twin, "DescribeTaskInfo"), "\"Status\":\"succeed\"");
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    assert_int_equal(twin.ended[LEDGER_MISSED], 0);
    twin_finish(&twin);
}

static void no_keys(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, MANY);
    twin.keys_gone = true;
    run_to(&twin, NOON + 60);
    assert_int_equal(look(&twin, 0).obstacle, MEMBER_NO_KEYS);
    run_to(&twin, NOON + START_WITHIN + 60);
    assert_int_equal(twin_count_lines(&twin, "slot=2026-11-01T12:00:00Z reason=keys"), MANY);
    twin_finish(&twin);
}

/* Keys that were away for a short time are not the reason. */
static void keys_that_came_back(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, 1);
    twin.keys_gone = true;
    run_to(&twin, NOON + 60);
    twin.keys_gone = false;
    run_to(&twin, NOON + 90);
    for (int i = 0; i < twin.sent_count && i < 400; i++) {
        twin_lose(&twin, i, EXCHANGE_NOT_SENT);
        twin_run(&twin, 40 * SECOND);
    }
    assert_int_equal(twin_count_lines(&twin, "reason=keys"), 0);
    assert_int_equal(twin_count_lines(&twin, "event=backup_failed"), 1);
    twin_finish(&twin);
}

static void no_ledger(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, 3);
    twin.ledger_refuses = true;
    run_to(&twin, NOON + 60);
    assert_int_equal(look(&twin, 0).obstacle, MEMBER_NO_LEDGER);
    run_to(&twin, NOON + START_WITHIN + 60);
    assert_int_equal(twin_count_lines(&twin, "slot=2026-11-01T12:00:00Z reason=ledger"), 3);
    twin_finish(&twin);
}

/* Slots that cannot be recorded are not begun. */
static void no_ledger_for_a_slot(void **state)
{
    (void)state;
    static struct twin twin;
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "hourly", "1h");
    schedule->start_within_us = START_WITHIN * SECOND;
    twin_add(config, schedule, "crs-0", NULL);
    twin_init(&twin, NOON - 20);
    twin_make_durable(&twin);
    twin_start(&twin, config);
    twin.ledger_refuses = true;
    run_to(&twin, NOON + 2 * 3600 + 60);
    assert_int_equal(
        twin_count_lines(&twin, "event=backup_missed schedule=hourly slot=2026-11-01T12:00:00Z "
                                "instances=1 reason=ledger"),
        1);
    assert_int_equal(twin.sent_count, 0);
    twin_finish(&twin);
}

static void no_host(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, MANY);
    run_to(&twin, NOON);
    int answered = 0;
    while (wall_before(twin.now.wall, wall_from_seconds(NOON + START_WITHIN + 60))) {
        while (answered < twin.sent_count)
            twin_lose(&twin, answered++, EXCHANGE_NOT_SENT);
        twin_run(&twin, answered < 10 ? SECOND / 10 : 5 * SECOND);
    }
    int missed = twin_count_lines(&twin, "slot=2026-11-01T12:00:00Z reason=endpoint");
    assert_true(missed > 0);
    assert_int_equal(missed, twin.ended[LEDGER_MISSED]);
    assert_int_equal(missed + twin.ended[LEDGER_FAILED], MANY);
    twin_finish(&twin);
}

/* Members that wait in their slot when the clock is set back, and the slots that pass till it is
 * right again. */
static void no_clock(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, 3);
    twin.keys_gone = true;
    run_to(&twin, NOON + 10);
    set_clock(&twin, NOON - 2 * 3600);
    twin.keys_gone = false;
    twin_run(&twin, 10 * SECOND);
    assert_int_equal(look(&twin, 0).obstacle, MEMBER_NO_CLOCK);
    assert_string_not_equal(engine_clock_doubt(twin.engine), "");
    set_clock(&twin, NOON + 2 * 3600 + 600);
    assert_string_equal(engine_clock_doubt(twin.engine), "");
    assert_int_equal(twin_count_lines(&twin, "slot=2026-11-01T12:00:00Z reason=clock"), 3);
    assert_int_equal(twin_count_lines(&twin, "slot=2026-11-01T13:00:00Z instances=3 reason=clock"),
                     1);
    twin_finish(&twin);
}

/* ---- for how long ---- */

static void half_of_the_time_is_a_reason(void **state)
{
    (void)state;
    static const struct {
        int64_t on, off; /* off 0: still on */
        bool filled;     /* from 100 to 200 */
    } rows[] = {
        {50, 149, false}, {50, 150, true}, {151, 0, false},  {150, 0, true},    {0, 0, true},
        {50, 90, false},  {210, 0, false}, {100, 250, true}, {120, 169, false}, {120, 170, true},
    };
    struct hindrance never = {.on = false};
    hindrance_look(&never, false, (struct wall){90});
    assert_false(hindrance_filled(&never, (struct wall){100}, (struct wall){200}));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct hindrance hindrance = {.on = false};
        hindrance_look(&hindrance, true, (struct wall){rows[i].on});
        hindrance_look(&hindrance, true, (struct wall){rows[i].on + 1}); /* it began before */
        if (rows[i].off != 0)
            hindrance_look(&hindrance, false, (struct wall){rows[i].off});
        assert_int_equal(hindrance_filled(&hindrance, (struct wall){100}, (struct wall){200}),
                         rows[i].filled);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_earlier_backup_whose_end_cannot_be_asked_for),
        cmocka_unit_test(a_ledger_that_is_back_is_not_blamed),
        cmocka_unit_test(an_answer_ends_the_failure),
        cmocka_unit_test(no_keys),
        cmocka_unit_test(keys_that_came_back),
        cmocka_unit_test(no_ledger),
        cmocka_unit_test(no_ledger_for_a_slot),
        cmocka_unit_test(no_host),
        cmocka_unit_test(no_clock),
        cmocka_unit_test(half_of_the_time_is_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
