/* Recover: what a start makes of what a durable ledger has left, by hand. */
#include "unit.h"

#include "engine_twin.h"

#include <errno.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND

static const char *const both[] = {"crs-a", "crs-b", NULL};
static const char *const first[] = {"crs-a", NULL};
static const char *const second[] = {"crs-b", NULL};
static const char *const three[] = {"crs-a", "crs-b", "crs-c", NULL};

static struct config *with(const char *name, const char *every, const char *const *ids)
{
    struct config *config = twin_config();
    struct schedule *s = twin_every(config, name, every);
    for (; *ids != NULL; ids++)
        twin_add(config, s, *ids, NULL);
    return config;
}

/* One request at a time: the others wait in the slot. */
static struct config *one_by_one(const char *const *ids)
{
    struct config *config = with("nightly", "1h", ids);
    config->max_in_flight = 1;
    return config;
}

/* Ten seconds before noon, with the noon slot of one schedule to come. */
static void begin(struct twin *twin, struct config *config)
{
    twin_init(twin, NOON - 10);
    twin_make_durable(twin);
    twin_start(twin, config);
}

/* How often the slot itself was begun in the ledger. */
static int slots_begun(const struct twin *twin)
{
    int count = 0;
    for (int i = 0; i < twin->log_count; i++)
        count += !twin->log[i].is_horizon && twin->log[i].kind == LEDGER_STARTED
                 && strcmp(twin->log[i].instance, LEDGER_WHOLE_SLOT) == 0;
    return count;
}

static bool slot_is_open(const struct twin *twin)
{
    for (int i = twin->log_count; i-- > 0;)
        if (!twin->log[i].is_horizon && strcmp(twin->log[i].instance, LEDGER_WHOLE_SLOT) == 0)
            return twin->log[i].kind == LEDGER_STARTED;
    return false;
}

/* ---- the crash itself ---- */

static void a_slot_without_its_horizon_is_not_opened_again(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, with("nightly", "1h", both));
    twin.ledger_is_slow = true;
    twin_run(&twin, 9 * SECOND); /* opened two seconds ahead */
    twin_crash(&twin, twin_entries_after(&twin, LEDGER_WHOLE_SLOT, LEDGER_STARTED));
    assert_int_equal(twin.horizons[0].slot.us, (NOON - 10) * SECOND);
    twin.ledger_is_slow = false;
    twin_start(&twin, with("nightly", "1h", both));
    assert_int_equal(twin.horizons[0].slot.us, NOON * SECOND);
    twin_run(&twin, 30 * SECOND);
    assert_int_equal(slots_begun(&twin), 1);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 1);
    assert_int_equal(twin_count_sent(&twin, "crs-b"), 1);
    assert_int_equal(twin_count_lines(&twin, "event=slot_resumed schedule=nightly"), 1);
    twin_finish(&twin);
}

static int rows_of_passed_slots(const struct twin *twin)
{
    int count = 0;
    for (int i = 0; i < twin->log_count; i++) {
        const struct twin_entry *entry = &twin->log[i];
        count += !entry->is_horizon && entry->kind == LEDGER_ENDED && entry->result == LEDGER_MISSED
                 && strcmp(entry->instance, "*") == 0;
    }
    return count;
}

static int newest_begun_slot(const struct twin *twin)
{
    int found = -1;
    for (int i = 0; i < twin->log_count; i++) {
        const struct twin_entry *entry = &twin->log[i];
        if (!entry->is_horizon && entry->kind == LEDGER_STARTED
            && strcmp(entry->instance, "*") == 0)
            found = i;
    }
    return found;
}

static struct config *hourly(void)
{
    struct config *config = with("hourly", "1h", first);
    config->schedules[0].start_within_us = 3000 * SECOND;
    config->schedules[0].catch_up = CATCH_UP_ONCE;
    return config;
}

/* The log ends with the latest slot's beginning: those before it have their rows all the same. */
static void passed_slots_are_recorded_before_the_one_that_runs(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, hourly());
    twin_stop(&twin);
    twin.now.wall = wall_add_us(twin.now.wall, (4 * 3600 + 20) * SECOND);
    twin.now.mono = mono_add_ns(twin.now.mono, (4 * 3600 + 20) * NS_PER_SECOND);
    twin_start(&twin, hourly());
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed"), 4);
    int begun = newest_begun_slot(&twin);
    assert_true(begun >= 0);
    twin_crash(&twin, twin.log_count - 1 - begun);
    twin_start(&twin, hourly());
    twin_run(&twin, 20 * SECOND);
    assert_int_equal(rows_of_passed_slots(&twin), 4);
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed"), 4);
    twin_finish(&twin);
}

/* The one that runs cannot be recorded for a while: the others are told once, and it runs. */
static void passed_slots_are_told_once(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, hourly());
    twin_stop(&twin);
    twin.now.wall = wall_add_us(twin.now.wall, (4 * 3600 + 20) * SECOND);
    twin.now.mono = mono_add_ns(twin.now.mono, (4 * 3600 + 20) * NS_PER_SECOND);
    twin.ledger_refuses_slots = true;
    twin_start(&twin, hourly());
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed"), 4);
    twin_reload(&twin, hourly());
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(rows_of_passed_slots(&twin), 4);
    twin.ledger_refuses_slots = false;
    twin_run(&twin, 20 * SECOND);
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed"), 4);
    assert_int_equal(rows_of_passed_slots(&twin), 4);
    assert_int_equal(twin_count_lines(&twin, "event=slot_moved"), 1);
    assert_int_equal(twin.sent_count, 1);
    twin_finish(&twin);
}

/* They were told by a clock a day ahead, and are in no horizon: the day's slots come all the same.
 */
static void what_a_clock_ahead_has_told_comes_again(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, hourly());
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    twin_accept(&twin, 0);
    twin.ledger_refuses_slots = true;
    twin.now.wall = wall_add_us(twin.now.wall, 86400 * SECOND);
    twin_run(&twin, 30 * SECOND);
    assert_true(twin_count_lines(&twin, "event=backup_missed") > 1);
    twin.now.wall = wall_add_us(twin.now.wall, -86400 * SECOND);
    twin.ledger_refuses_slots = false;
    for (int hour = 1; hour <= 3; hour++) {
        twin_run(&twin, 3600 * SECOND);
        assert_int_equal(twin.sent_count, 1 + hour);
        twin_accept(&twin, hour);
    }
    twin_finish(&twin);
}

static void a_slot_that_was_not_kept_is_opened_anew(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, with("nightly", "1h", both));
    twin.ledger_is_slow = true;
    twin_run(&twin, 9 * SECOND);
    twin_crash(&twin, twin_entries_after(&twin, LEDGER_WHOLE_SLOT, LEDGER_STARTED) + 1);
    twin.ledger_is_slow = false;
    twin_start(&twin, with("nightly", "1h", both));
    assert_int_equal(twin_count_lines(&twin, "event=slot_resumed"), 0);
    twin_run(&twin, 30 * SECOND);
    assert_int_equal(slots_begun(&twin), 1);
    assert_int_equal(twin.sent_count, 2);
    twin_finish(&twin);
}

static void an_attempt_without_end_is_unknown(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, with("nightly", "1h", both));
    twin_run(&twin, 11 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    twin_accept(&twin, 0); /* the other answer is never seen */
    twin_crash(&twin, 0);
    twin_start(&twin, with("nightly", "1h", both));
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    assert_int_equal(engine_status(twin.engine).doubtful, 1);
    assert_int_equal(twin_count_lines(&twin, "event=backup_unknown schedule=nightly"), 1);
    assert_true(slot_is_open(&twin));
    assert_true(twin_find(&twin, "DescribeTaskList") >= 0);
    twin_crash(&twin, 0); /* and it is looked for again */
    twin_start(&twin, with("nightly", "1h", both));
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(engine_status(twin.engine).doubtful, 1);
    assert_int_equal(twin.sent_count, 2);
    twin_finish(&twin);
}

static void a_verdict_that_was_not_kept_is_unknown(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, with("nightly", "1h", first));
    twin_run(&twin, 11 * SECOND);
    twin_accept(&twin, 0);
    twin_crash(&twin, twin_entries_after(&twin, "crs-a", LEDGER_STARTED));
    twin_start(&twin, with("nightly", "1h", first));
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    assert_int_equal(engine_status(twin.engine).doubtful, 1);
    twin_finish(&twin);
}

static void what_was_refused_for_certain_is_due_again(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, with("nightly", "1h", first));
    twin_run(&twin, 11 * SECOND);
    twin_refuse(&twin, 0, "ResourceUnavailable.InstanceLockedError", -1);
    twin_crash(&twin, 0);
    twin_start(&twin, with("nightly", "1h", first));
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 2);
    twin_accept(&twin, 1);
    assert_int_equal(twin.ended[LEDGER_UNKNOWN], 0);
    assert_false(slot_is_open(&twin));
    twin_finish(&twin);
}

/* The attempts' numbers begin anew: the order of the entries decides, not their numbers. */
static void a_second_crash_does_not_send_again(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, with("nightly", "1h", first));
    twin_run(&twin, 11 * SECOND);
    twin_refuse(&twin, 0, "ResourceUnavailable.InstanceLockedError", -1);
    twin_crash(&twin, 0);
    twin_start(&twin, with("nightly", "1h", first));
    twin_run(&twin, 2 * SECOND);
    twin_crash(&twin, 0);
    twin_start(&twin, with("nightly", "1h", first));
    twin_run(&twin, 600 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 2);
    assert_int_equal(engine_status(twin.engine).doubtful, 1);
    twin_finish(&twin);
}

static void check_kinds(const struct twin *twin, enum ledger_kind want, int count)
{
    int seen = 0;
    for (int i = 0; i < twin->log_count; i++) {
        const struct twin_entry *entry = &twin->log[i];
        if (entry->is_horizon || entry->slot.us != NOON * SECOND || entry->kind != LEDGER_STARTED)
            continue;
        assert_int_equal(entry->run_kind, want);
        seen++;
    }
    assert_int_equal(seen, count);
}

/* Why a slot was opened is recorded with it, and stays what it was over a restart. */
static void a_slot_keeps_its_kind(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, with("nightly", "1h", first));
    twin_run(&twin, 11 * SECOND);
    twin_refuse(&twin, 0, "ResourceUnavailable.InstanceLockedError", -1);
    check_kinds(&twin, LEDGER_KIND_SCHEDULE, 2);
    twin_finish(&twin);

    begin(&twin, with("nightly", "1h", first));
    twin_crash(&twin, 0);
    twin.now.wall = wall_add_us(twin.now.wall, 300 * SECOND);
    twin_start(&twin, with("nightly", "1h", first));
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin_count_lines(&twin, "reason=catch_up"), 1);
    twin_refuse(&twin, 0, "ResourceUnavailable.InstanceLockedError", -1);
    twin_crash(&twin, 0);
    twin_start(&twin, with("nightly", "1h", first));
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 2);
    check_kinds(&twin, LEDGER_KIND_CATCH_UP, 3);
    twin_finish(&twin);
}

/* ---- another file ---- */

static void who_has_left_the_file_is_skipped(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, with("nightly", "1h", both));
    twin_run(&twin, 11 * SECOND);
    twin_refuse(&twin, 0, "ResourceUnavailable.InstanceLockedError", -1);
    twin_refuse(&twin, 1, "ResourceUnavailable.InstanceLockedError", -1);
    twin_crash(&twin, 0);
    twin_start(&twin, with("nightly", "1h", second));
    assert_int_equal(twin_count_lines(&twin, "event=backup_skipped schedule=nightly "
                                             "instance=crs-a"),
                     1);
    assert_int_equal(twin_count_lines(&twin, "reason=removed"), 1);
    assert_int_equal(twin.ended[LEDGER_SKIPPED], 1);
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 1);
    assert_int_equal(twin_count_sent(&twin, "crs-b"), 2);
    twin_accept(&twin, 2);
    assert_false(slot_is_open(&twin));
    twin_finish(&twin);
}

/* A backup of crs-a runs while its process dies; what the file says then is the caller's. */
static void submit_and_crash(struct twin *twin)
{
    begin(twin, with("nightly", "1h", first));
    twin->keeps_questions = true;
    twin_run(twin, 11 * SECOND);
    twin_accept(twin, 0);
    twin_crash(twin, 0);
}

static void a_backup_of_who_has_left_is_watched(void **state)
{
    (void)state;
    static struct twin twin;
    submit_and_crash(&twin);
    twin_start(&twin, with("nightly", "1h", second));
    twin_run(&twin, SECOND);
    int n = twin_find(&twin, "DescribeTaskInfo");
    assert_true(n >= 0);
    assert_string_equal(twin.asked[n].url, "https://redis.tencentcloudapi.com/");
    twin_answer(&twin, n, "\"Status\":\"succeed\"");
    assert_int_equal(twin_count_lines(&twin, "event=backup_succeeded schedule=nightly "
                                             "instance=crs-a"),
                     1);
    assert_int_equal(twin.finished[LEDGER_SUCCEEDED], 1);
    assert_int_equal(twin.finished[LEDGER_UNWATCHED], 0);
    twin_crash(&twin, 0); /* and once alone */
    twin_start(&twin, with("nightly", "1h", second));
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin_find(&twin, "DescribeTaskInfo"), -1);
    twin_finish(&twin);
}

/* Its host is none of the new file's, and no other schedule's time is its own. */
static void a_backup_of_a_schedule_that_is_gone_is_watched(void **state)
{
    (void)state;
    static struct twin twin;
    submit_and_crash(&twin);
    struct config *config = with("other", "1h", second);
    config->endpoint = "regional";
    config->schedules[0].complete_within_us = 60 * SECOND;
    twin_start(&twin, config);
    twin_run(&twin, 300 * SECOND);
    int n = twin_find(&twin, "DescribeTaskInfo");
    assert_true(n >= 0);
    assert_string_equal(twin.asked[n].url, "https://redis.ap-guangzhou.tencentcloudapi.com/");
    twin_answer(&twin, n, "\"Status\":\"failed\"");
    assert_int_equal(twin_count_lines(&twin, "reason=task_failed"), 1);
    assert_int_equal(twin.finished[LEDGER_TASK_FAILED], 1);
    twin_finish(&twin);
}

static void a_backup_of_nowhere_is_not_watched(void **state)
{
    (void)state;
    static struct twin twin;
    submit_and_crash(&twin);
    twin.region = "";
    twin_start(&twin, with("nightly", "1h", second));
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin_find(&twin, "DescribeTaskInfo"), -1);
    assert_int_equal(twin_count_lines(&twin, "event=watch_failed"), 1);
    assert_int_equal(twin_count_lines(&twin, "code=Client.Removed"), 1);
    assert_int_equal(twin.finished[LEDGER_UNWATCHED], 1);
    twin_finish(&twin);
}

static void who_is_new_in_the_file_joins(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, one_by_one(both));
    twin_run(&twin, 11 * SECOND);
    twin_crash(&twin, 0);
    twin_start(&twin, with("nightly", "1h", three));
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-c"), 1);
    twin_finish(&twin);
}

static void a_paused_schedule_skips_the_slot(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, with("nightly", "1h", both));
    twin.ledger_is_slow = true;
    twin_run(&twin, 9 * SECOND);
    twin_crash(&twin, twin_entries_after(&twin, LEDGER_WHOLE_SLOT, LEDGER_STARTED));
    twin.ledger_is_slow = false;
    struct config *config = with("nightly", "1h", both);
    config->schedules[0].paused = true;
    twin_start(&twin, config);
    assert_int_equal(twin_count_lines(&twin, "event=backup_skipped schedule=nightly"), 1);
    assert_false(slot_is_open(&twin));
    twin_run(&twin, 10 * SECOND);
    twin_crash(&twin, 0); /* resumed: nothing is caught up */
    twin_start(&twin, with("nightly", "1h", both));
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin.sent_count, 0);
    assert_int_equal(twin_count_lines(&twin, "event=backup_skipped"), 1);
    twin_finish(&twin);
}

static void a_schedule_that_is_gone_does_not_repeat_its_slot(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, with("nightly", "1h", both));
    twin.ledger_is_slow = true;
    twin_run(&twin, 9 * SECOND);
    twin_crash(&twin, twin_entries_after(&twin, LEDGER_WHOLE_SLOT, LEDGER_STARTED));
    twin.ledger_is_slow = false;
    twin_start(&twin, with("weekly", "5h", both));
    assert_int_equal(twin_count_lines(&twin, "event=backup_skipped schedule=nightly"), 1);
    assert_int_equal(twin_count_lines(&twin, "reason=removed"), 1);
    assert_false(slot_is_open(&twin));
    twin_run(&twin, 60 * SECOND);
    twin_crash(&twin, 0); /* it comes back, and its slot is within start_within */
    twin_start(&twin, with("nightly", "1h", both));
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(slots_begun(&twin), 1);
    assert_int_equal(twin.sent_count, 0);
    twin_run(&twin, 3600 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    twin_finish(&twin);
}

static void another_rule_goes_on_with_the_slot_and_begins_anew(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, one_by_one(both));
    twin_run(&twin, 11 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    engine_drain(twin.engine, twin.now); /* who is begun and not sent would be unknown */
    twin_crash(&twin, 0);
    twin.now.wall.us += 1800 * SECOND;
    twin.now.mono.ns += 1800 * NS_PER_SECOND;
    twin_start(&twin, with("nightly", "20m", both)); /* 12:20 is not caught up */
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-b"), 1);
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed"), 0);
    assert_int_equal(slots_begun(&twin), 1);
    twin_run(&twin, 600 * SECOND);
    assert_int_equal(slots_begun(&twin), 2);
    twin_finish(&twin);
}

/* ---- time ---- */

static void the_spread_goes_on_where_it_was(void **state)
{
    (void)state;
    static struct twin twin;
    struct config *config = with("nightly", "1h", three);
    config->schedules[0].spread_us = 1800 * SECOND;
    begin(&twin, config);
    twin_run(&twin, 11 * SECOND);
    int sent = twin.sent_count;
    twin_crash(&twin, 0);
    config = with("nightly", "1h", three);
    config->schedules[0].spread_us = 1800 * SECOND;
    twin_start(&twin, config);
    for (int i = 0; i < 1790; i++) {
        twin_run(&twin, SECOND);
        for (; sent < twin.sent_count; sent++)
            twin_accept(&twin, sent);
    }
    assert_int_equal(twin.sent_count, 3);
    for (int i = 0; i < 3; i++) {
        struct digest *digest;
        int64_t delay;
        const struct schedule s = {.name = "nightly", .spread_us = 1800 * SECOND};
        int n = 0;
        while (strstr(twin.sent[n].body, three[i]) == NULL)
            n++;
        assert_int_equal(digest_create(&digest, NULL), 0);
        const struct instance instance = {.id = three[i]};
        assert_int_equal(schedule_delay(digest, &s, &instance, &delay), 0);
        digest_destroy(digest);
        int64_t late = twin.sent[n].at.wall.us - NOON * SECOND - delay;
        assert_in_range(late, 0, 100000);
    }
    assert_false(slot_is_open(&twin));
    twin_finish(&twin);
}

static void start_within_passed_meanwhile(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, one_by_one(both));
    twin_run(&twin, 11 * SECOND);
    engine_drain(twin.engine, twin.now);
    twin_accept(&twin, 0);
    twin_crash(&twin, 0);
    twin.now.wall.us += 3600 * SECOND; /* 13:00:01; start_within is an hour */
    twin.now.mono.ns += 3600 * NS_PER_SECOND;
    twin_start(&twin, one_by_one(both));
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed schedule=nightly "
                                             "instance=crs-b region=ap-guangzhou "
                                             "slot=2026-11-01T12:00:00Z reason=start_within"),
                     1);
    assert_int_equal(twin.ended[LEDGER_MISSED], 1);
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(slots_begun(&twin), 2); /* the next one is on its way */
    assert_int_equal(twin.sent_count, 2);
    twin_finish(&twin);
}

static void a_host_set_back_waits_for_the_slot(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, one_by_one(both));
    twin_run(&twin, 11 * SECOND);
    engine_drain(twin.engine, twin.now);
    twin_accept(&twin, 0);
    twin_crash(&twin, 0);
    int sent = twin.sent_count;
    twin.now.wall.us -= 600 * SECOND;
    twin_start(&twin, one_by_one(both));
    twin_run(&twin, 500 * SECOND);
    assert_int_equal(twin.sent_count, sent);
    twin_run(&twin, 120 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 1);
    assert_int_equal(twin_count_sent(&twin, "crs-b"), 1);
    assert_int_equal(slots_begun(&twin), 1);
    twin_finish(&twin);
}

/* ---- a clean end ---- */

static void a_drain_leaves_who_waits_in_the_ledger(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, one_by_one(three));
    twin_run(&twin, 11 * SECOND);
    engine_drain(twin.engine, twin.now);
    assert_false(engine_is_idle(twin.engine));
    engine_drain(twin.engine, twin.now); /* a second signal says nothing new */
    assert_int_equal(twin_count_lines(&twin, "event=slot_interrupted"), 1);
    twin_accept(&twin, 0);
    assert_true(engine_is_idle(twin.engine));
    assert_int_equal(twin.ended[LEDGER_MISSED], 0);
    assert_int_equal(twin_count_lines(&twin, "reason=start_within"), 0);
    twin_crash(&twin, 0);
    twin_start(&twin, with("nightly", "1h", three));
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin.sent_count, 3);
    assert_int_equal(twin.ended[LEDGER_UNKNOWN], 0);
    twin_accept(&twin, 1);
    twin_accept(&twin, 2);
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 3);
    assert_false(slot_is_open(&twin));
    twin_finish(&twin);
}

static void what_comes_to_nothing_while_draining_is_due_again(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, with("nightly", "1h", first));
    twin_run(&twin, 11 * SECOND);
    engine_drain(twin.engine, twin.now);
    twin_lose(&twin, 0, EXCHANGE_NOT_SENT);
    assert_true(engine_is_idle(twin.engine));
    assert_int_equal(twin_count_lines(&twin, "event=backup_failed"), 0);
    twin_crash(&twin, 0);
    twin_start(&twin, with("nightly", "1h", first));
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    twin_finish(&twin);
}

/* ---- a ledger that does not do ---- */

static void what_cannot_be_recorded_is_not_opened(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, with("nightly", "1h", both));
    twin_run(&twin, 5 * SECOND);
    twin.ledger_refuses = true;
    twin_run(&twin, 8 * SECOND);
    assert_int_equal(twin.horizons[0].slot.us, (NOON - 10) * SECOND);
    assert_int_equal(twin_count_lines(&twin, "event=record_failed"), 1);
    twin.ledger_refuses = false;
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    assert_int_equal(slots_begun(&twin), 1);
    twin_finish(&twin);
}

static void a_ledger_that_cannot_be_read_is_told(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, with("nightly", "1h", both));
    twin_run(&twin, 11 * SECOND);
    twin_accept(&twin, 0);
    twin_crash(&twin, 0);
    struct errtext err = {""};
    twin.horizon_unreadable = true;
    assert_int_equal(twin_start_fails(&twin, with("nightly", "1h", both), &err), -EIO);
    assert_string_equal(err.text, "the ledger cannot be read: Input/output error");
    twin.horizon_unreadable = false;
    twin.unended_unreadable = true;
    err.text[0] = '\0';
    assert_int_equal(twin_start_fails(&twin, with("nightly", "1h", both), &err), -EIO);
    assert_string_equal(err.text, "the ledger cannot be read: Input/output error");
    twin.unended_unreadable = false;
    twin.scan_unreadable = true;
    err.text[0] = '\0';
    assert_int_equal(twin_start_fails(&twin, with("nightly", "1h", both), &err), -EBADMSG);
    assert_string_equal(err.text, "the ledger cannot be read: Bad message");
    twin_finish(&twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_without_its_horizon_is_not_opened_again),
        cmocka_unit_test(passed_slots_are_recorded_before_the_one_that_runs),
        cmocka_unit_test(passed_slots_are_told_once),
        cmocka_unit_test(what_a_clock_ahead_has_told_comes_again),
        cmocka_unit_test(a_slot_that_was_not_kept_is_opened_anew),
        cmocka_unit_test(an_attempt_without_end_is_unknown),
        cmocka_unit_test(a_verdict_that_was_not_kept_is_unknown),
        cmocka_unit_test(what_was_refused_for_certain_is_due_again),
        cmocka_unit_test(a_second_crash_does_not_send_again),
        cmocka_unit_test(a_slot_keeps_its_kind),
        cmocka_unit_test(who_has_left_the_file_is_skipped),
        cmocka_unit_test(a_backup_of_who_has_left_is_watched),
        cmocka_unit_test(a_backup_of_a_schedule_that_is_gone_is_watched),
        cmocka_unit_test(a_backup_of_nowhere_is_not_watched),
        cmocka_unit_test(who_is_new_in_the_file_joins),
        cmocka_unit_test(a_paused_schedule_skips_the_slot),
        cmocka_unit_test(a_schedule_that_is_gone_does_not_repeat_its_slot),
        cmocka_unit_test(another_rule_goes_on_with_the_slot_and_begins_anew),
        cmocka_unit_test(the_spread_goes_on_where_it_was),
        cmocka_unit_test(start_within_passed_meanwhile),
        cmocka_unit_test(a_host_set_back_waits_for_the_slot),
        cmocka_unit_test(a_drain_leaves_who_waits_in_the_ledger),
        cmocka_unit_test(what_comes_to_nothing_while_draining_is_due_again),
        cmocka_unit_test(what_cannot_be_recorded_is_not_opened),
        cmocka_unit_test(a_ledger_that_cannot_be_read_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
