/*
 * The ledger's promises on a disk that works: what goes in comes out, in order, in groups, within
 * bounds, and by one process at a time.
 */
#include "shelf.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RULE "0 3 * * * Asia/Shanghai"
#define SLOT 1795564800

static int set_up(void **state)
{
    struct shelf *shelf = malloc(sizeof *shelf);
    assert_non_null(shelf);
    shelf_make(shelf);
    *state = shelf;
    return 0;
}

static int tear_down(void **state)
{
    shelf_finish(*state);
    free(*state);
    return 0;
}

static void set_horizon(struct shelf *shelf, const char *schedule, const char *rule, int64_t slot)
{
    shelf->port.set_horizon(shelf->port.context, schedule, rule, wall_from_seconds(slot));
}

static int get_horizon(struct shelf *shelf, const char *schedule, const char *rule, int64_t *ret)
{
    struct wall slot = {INT64_MIN};
    int r = shelf->port.horizon(shelf->port.context, schedule, rule, &slot);
    *ret = wall_seconds(slot);
    return r;
}

/* ---- what goes in comes out ---- */

struct seen {
    char schedules[16][64];
    char ids[16][64];
    char regions[16][64];
    struct ledger_row rows[16]; /* but for their texts */
    size_t count;
};

static void see(void *context, const struct ledger_row *row)
{
    struct seen *seen = context;
    assert_true(seen->count < COUNT(seen->ids));
    (void)snprintf(seen->schedules[seen->count], sizeof seen->schedules[0], "%s", row->schedule);
    (void)snprintf(seen->ids[seen->count], sizeof seen->ids[0], "%s", row->instance);
    (void)snprintf(seen->regions[seen->count], sizeof seen->regions[0], "%s", row->region);
    seen->rows[seen->count++] = *row;
}

static struct seen unfinished(struct shelf *shelf)
{
    struct seen seen = {.count = 0};
    assert_int_equal(shelf->port.unfinished(shelf->port.context, see, &seen), 0);
    return seen;
}

static void order(struct shelf *shelf, const char *instance, int64_t slot)
{
    const struct ledger_entry entry = {
        .kind = LEDGER_ENDED,
        .schedule = "nightly",
        .instance = instance,
        .region = "ap-guangzhou",
        .slot = {slot * US_PER_SECOND + 1},
        .run_kind = LEDGER_KIND_OPERATOR,
        .result = LEDGER_AGAIN,
        .code = "",
        .message = "",
        .request_id = "",
        .at = wall_from_seconds(slot),
    };
    assert_int_equal(shelf->port.append(shelf->port.context, &entry), 0);
}

static void pass_over(struct shelf *shelf, int64_t slot)
{
    const struct ledger_entry entry = {
        .kind = LEDGER_ENDED,
        .schedule = "nightly",
        .instance = LEDGER_WHOLE_SLOT,
        .region = "",
        .slot = wall_from_seconds(slot),
        .result = LEDGER_MISSED,
        .code = "",
        .message = "passed",
        .request_id = "",
        .at = wall_from_seconds(slot),
    };
    assert_int_equal(shelf->port.append(shelf->port.context, &entry), 0);
}

static void check_kept(struct shelf *shelf)
{
    struct seen seen = {.count = 0};
    const struct wall slot = wall_from_seconds(SLOT);
    assert_int_equal(shelf->port.scan(shelf->port.context, "nightly", slot, see, &seen), 0);
    assert_int_equal(seen.count, 3);
    assert_string_equal(seen.schedules[0], "nightly");
    assert_string_equal(seen.ids[0], "crs-a");
    assert_string_equal(seen.regions[0], "ap-guangzhou");
    assert_int_equal(seen.rows[0].state, LEDGER_STATE_ENDED);
    assert_int_equal(seen.rows[0].slot.us, slot.us);
    assert_int_equal(seen.rows[0].attempt, 1);
    assert_int_equal(seen.rows[0].started_at.us, slot.us + US_PER_SECOND);
    assert_int_equal(seen.rows[0].ended_at.us, slot.us + 2 * US_PER_SECOND);
    assert_int_equal(seen.rows[0].task_id, 6954227);
    assert_string_equal(seen.ids[1], "crs-b");
    assert_int_equal(seen.rows[1].state, LEDGER_STATE_STARTED);
    assert_int_equal(seen.rows[1].ended_at.us, 0);
    assert_int_equal(seen.rows[1].task_id, 0);
    assert_string_equal(seen.ids[2], "crs-c");
    assert_int_equal(seen.rows[2].state, LEDGER_STATE_AGAIN);

    seen.count = 0;
    assert_int_equal(shelf->port.scan(shelf->port.context, "weekly", slot, see, &seen), 0);
    assert_int_equal(seen.count, 0);

    struct wall first = {-1};
    struct wall last = {-1};
    int (*recorded)(void *, const char *, struct wall, struct wall *, struct wall *) =
        shelf->port.recorded;
    void *context = shelf->port.context;
    assert_int_equal(recorded(context, "nightly", wall_add_us(slot, -1), &first, &last), 0);
    assert_int_equal(first.us, slot.us);
    assert_int_equal(last.us, slot.us);
    assert_int_equal(recorded(context, "nightly", slot, &first, &last), LEDGER_NO_SLOT);
    order(shelf, "crs-a", SLOT + 70); /* is no slot of the plan */
    assert_true(shelf_wait_idle(shelf, 10000));
    assert_int_equal(recorded(context, "nightly", slot, &first, &last), LEDGER_NO_SLOT);
    pass_over(shelf, SLOT + 80); /* was never opened */
    assert_true(shelf_wait_idle(shelf, 10000));
    assert_int_equal(recorded(context, "nightly", slot, &first, &last), LEDGER_NO_SLOT);
    assert_int_equal(recorded(context, "weekly", (struct wall){0}, &first, &last), LEDGER_NO_SLOT);

    assert_int_equal(shelf->port.unended(shelf->port.context, see, &seen), 0);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.ids[0], LEDGER_WHOLE_SLOT);
    assert_string_equal(seen.ids[1], "crs-b");
    assert_string_equal(seen.schedules[1], "nightly");
    assert_string_equal(seen.regions[0], "");
    assert_string_equal(seen.regions[1], "ap-guangzhou");
    assert_int_equal(seen.rows[1].slot.us, slot.us);
    assert_int_equal(seen.rows[1].attempt, 1);
    assert_int_equal(seen.rows[1].started_at.us, slot.us + US_PER_SECOND);
    assert_int_equal(seen.rows[1].state, LEDGER_STATE_STARTED);

    seen = unfinished(shelf);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.ids[0], "crs-a");
    assert_int_equal(seen.rows[0].task_id, 6954227);
}

static void test_round_trip(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    assert_string_equal(shelf->warning.text, "");
    assert_true(shelf->port.durable);
    const struct ledger_entry whole = {.kind = LEDGER_STARTED,
                                       .schedule = "nightly",
                                       .instance = LEDGER_WHOLE_SLOT,
                                       .region = "",
                                       .slot = wall_from_seconds(SLOT),
                                       .at = wall_from_seconds(SLOT)};
    assert_int_equal(shelf->port.append(shelf->port.context, &whole), 0);
    set_horizon(shelf, "nightly", RULE, SLOT);
    assert_int_equal(shelf_start(shelf, 11, "crs-a", SLOT), 0);
    assert_int_equal(shelf_start(shelf, 12, "crs-b", SLOT), 0);
    assert_int_equal(shelf_start(shelf, 13, "crs-c", SLOT), 0);
    assert_int_equal(shelf_end(shelf, "crs-a", SLOT, LEDGER_SUBMITTED), 0);
    assert_int_equal(shelf_end(shelf, "crs-c", SLOT, LEDGER_AGAIN), 0);
    assert_true(shelf_wait_told(shelf, 3, 10000));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(shelf->told[i].ticket, 11 + i);
        assert_int_equal(shelf->told[i].outcome, 0);
    }
    assert_true(shelf_wait_idle(shelf, 10000));
    check_kept(shelf);
    shelf_close(shelf);
    assert_int_equal(shelf->told_count, 3); /* nobody waits for the others */
    assert_int_equal(shelf->state_count, 0);
    assert_int_equal(access(shelf->file, F_OK), 0);

    assert_int_equal(shelf_ask(shelf, "SELECT task_id FROM runs WHERE instance = 'crs-a'"),
                     6954227);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE instance = 'crs-a'"
                                      " AND result = 'submitted' AND region = 'ap-guangzhou'"
                                      " AND code IS NULL AND first_at = started_at"
                                      " AND ended_at - first_at = 1000000"),
                     1);
    assert_int_equal(shelf_open(shelf), 0);
    check_kept(shelf);
}

static void test_second_attempt(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    struct ledger_entry entry = {
        .ticket = 1,
        .kind = LEDGER_STARTED,
        .schedule = "nightly",
        .instance = "crs-a",
        .region = "ap-guangzhou",
        .slot = wall_from_seconds(SLOT),
        .attempt = 1,
        .at = wall_from_seconds(SLOT + 1),
    };
    assert_int_equal(shelf->port.append(shelf->port.context, &entry), 0);
    assert_int_equal(shelf_end(shelf, "crs-a", SLOT, LEDGER_AGAIN), 0);
    entry.ticket = 2;
    entry.attempt = 2;
    entry.at = wall_from_seconds(SLOT + 60);
    assert_int_equal(shelf->port.append(shelf->port.context, &entry), 0);
    assert_true(shelf_wait_told(shelf, 2, 10000));
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE state = 0 AND attempt = 2"
                                      " AND result IS NULL AND ended_at IS NULL"
                                      " AND started_at - first_at = 59000000"),
                     1);
    /* A verdict without a region keeps the one that is known; one without a start is a row too. */
    const struct ledger_entry missed = {.kind = LEDGER_ENDED,
                                        .schedule = "nightly",
                                        .instance = "crs-z",
                                        .slot = wall_from_seconds(SLOT),
                                        .result = LEDGER_MISSED,
                                        .at = wall_from_seconds(SLOT + 9)};
    assert_int_equal(shelf->port.append(shelf->port.context, &missed), 0);
    entry.kind = LEDGER_ENDED;
    entry.region = "";
    entry.result = LEDGER_FAILED;
    entry.code = "FailedOperation.Unknown";
    assert_int_equal(shelf->port.append(shelf->port.context, &entry), 0);
    assert_true(shelf_wait_idle(shelf, 10000));
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE region = 'ap-guangzhou'"
                                      " AND code = 'FailedOperation.Unknown'"),
                     1);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE result = 'missed'"
                                      " AND first_at IS NULL AND region IS NULL"),
                     1);
    assert_int_equal(shelf->told_count, 2);
}

static void put(struct shelf *shelf, const char *instance, enum ledger_entry_kind kind,
                enum ledger_kind run_kind, int retries)
{
    const struct ledger_entry entry = {
        .kind = kind,
        .schedule = "nightly",
        .instance = instance,
        .region = "ap-guangzhou",
        .slot = wall_from_seconds(SLOT),
        .attempt = 1,
        .run_kind = run_kind,
        .retries = retries,
        .result = LEDGER_AGAIN,
        .at = wall_from_seconds(SLOT + 1),
    };
    assert_int_equal(shelf->port.append(shelf->port.context, &entry), 0);
}

/* It was passed over when the clock was ahead, and has come again as one that is late. */
static void test_kind_of_a_slot_that_comes_again(void **state)
{
    struct shelf *shelf = *state;
    struct seen seen = {.count = 0};
    assert_int_equal(shelf_open(shelf), 0);
    put(shelf, LEDGER_WHOLE_SLOT, LEDGER_ENDED, LEDGER_KIND_SCHEDULE, 0);
    put(shelf, LEDGER_WHOLE_SLOT, LEDGER_STARTED, LEDGER_KIND_CATCH_UP, 0);
    assert_true(shelf_wait_idle(shelf, 10000));
    assert_int_equal(shelf->port.unended(shelf->port.context, see, &seen), 0);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.rows[0].kind, LEDGER_KIND_CATCH_UP);
}

/* Of a run's kind the first that was told stays, of its retries the most. */
static void test_kind_and_retries(void **state)
{
    struct shelf *shelf = *state;
    struct seen seen = {.count = 0};
    assert_int_equal(shelf_open(shelf), 0);
    put(shelf, LEDGER_WHOLE_SLOT, LEDGER_STARTED, LEDGER_KIND_OPERATOR, 0);
    put(shelf, "crs-a", LEDGER_STARTED, LEDGER_KIND_OPERATOR, 0);
    put(shelf, "crs-a", LEDGER_ENDED, LEDGER_KIND_SCHEDULE, 2);
    put(shelf, "crs-a", LEDGER_ENDED, LEDGER_KIND_SCHEDULE, 0);
    put(shelf, "crs-b", LEDGER_ENDED, LEDGER_KIND_CATCH_UP, 0);
    put(shelf, "crs-b", LEDGER_STARTED, LEDGER_KIND_SCHEDULE, 1);
    put(shelf, "crs-c", LEDGER_STARTED, LEDGER_KIND_SCHEDULE, 0);
    assert_true(shelf_wait_idle(shelf, 10000));
    shelf_exec(shelf, "UPDATE runs SET kind = NULL WHERE instance = 'crs-c'"); /* an older one's */
    const struct wall slot = wall_from_seconds(SLOT);
    assert_int_equal(shelf->port.scan(shelf->port.context, "nightly", slot, see, &seen), 0);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.rows[0].kind, LEDGER_KIND_OPERATOR);
    assert_int_equal(seen.rows[0].retries, 2);
    assert_int_equal(seen.rows[1].kind, LEDGER_KIND_CATCH_UP);
    assert_int_equal(seen.rows[1].retries, 1);
    assert_int_equal(seen.rows[2].kind, LEDGER_KIND_SCHEDULE);
    seen.count = 0;
    assert_int_equal(shelf->port.unended(shelf->port.context, see, &seen), 0);
    assert_string_equal(seen.ids[0], LEDGER_WHOLE_SLOT);
    assert_int_equal(seen.rows[0].kind, LEDGER_KIND_OPERATOR);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE instance = 'crs-a'"
                                      " AND kind = 'operator' AND retries = 2"),
                     1);
}

/* ---- what becomes of a task ---- */

static void count_is(struct shelf *shelf, int64_t count, const char *where)
{
    char sql[256];
    assert_true(shelf_wait_idle(shelf, 10000));
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM runs WHERE %s", where);
    assert_int_equal(shelf_ask(shelf, sql), count);
}

static void test_finish(void **state)
{
    static const struct {
        enum ledger_finish finish;
        const char *kept;
    } rows[] = {
        {LEDGER_SUCCEEDED, "finish = 'succeeded' AND code IS NULL AND message IS NULL"},
        {LEDGER_TASK_FAILED, "finish = 'failed' AND code = 'failed' AND message = 'no space'"},
        {LEDGER_STUCK, "finish = 'stuck' AND code IS NULL"},
        {LEDGER_UNWATCHED, "finish = 'unwatched' AND code IS NULL"},
    };
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const int64_t slot = SLOT + (int64_t)i;
        assert_int_equal(shelf_start(shelf, 1, "crs-a", slot), 0);
        assert_int_equal(shelf_end(shelf, "crs-a", slot, LEDGER_SUBMITTED), 0);
        assert_true(shelf_wait_idle(shelf, 10000));
        assert_int_equal(unfinished(shelf).count, 1);
        assert_int_equal(shelf_finish_task(shelf, "crs-a", slot, 1, rows[i].finish), 0);
        count_is(shelf, 1, rows[i].kept);
        assert_int_equal(unfinished(shelf).count, 0);
    }
    /* The verdict stays beside it. */
    count_is(shelf, COUNT(rows),
             "state = 1 AND result = 'submitted' AND task_id = 6954227"
             " AND request_id = '4daddc97-0005-45d8-b5b8-38514ec1e97c'"
             " AND finished_at - ended_at = 298000000");
    shelf_close(shelf);
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(unfinished(shelf).count, 0);
    count_is(shelf, 1, "finish = 'stuck'");
}

/* Where there is no such task, or no longer, its end changes nothing. */
static void test_finish_of_no_run(void **state)
{
    static const enum ledger_result results[] = {LEDGER_FAILED, LEDGER_UNKNOWN, LEDGER_SKIPPED,
                                                 LEDGER_MISSED, LEDGER_AGAIN};
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(shelf_finish_task(shelf, "crs-a", SLOT, 1, LEDGER_SUCCEEDED), 0);
    count_is(shelf, 0, "1");
    assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT), 0);
    assert_int_equal(shelf_finish_task(shelf, "crs-a", SLOT, 1, LEDGER_TASK_FAILED), 0);
    count_is(shelf, 1, "state = 0 AND finish IS NULL AND code IS NULL AND finished_at IS NULL");
    for (size_t i = 0; i < COUNT(results); i++) {
        assert_int_equal(shelf_end(shelf, "crs-a", SLOT, results[i]), 0);
        assert_int_equal(shelf_finish_task(shelf, "crs-a", SLOT, 1, LEDGER_TASK_FAILED), 0);
        count_is(shelf, 1, "state = 1 AND finish IS NULL AND code IS NULL");
        assert_int_equal(unfinished(shelf).count, 0);
    }
    assert_int_equal(shelf_end(shelf, "crs-a", SLOT, LEDGER_SUBMITTED), 0);
    assert_int_equal(shelf_finish_task(shelf, "crs-a", SLOT, 2, LEDGER_TASK_FAILED), 0);
    count_is(shelf, 1, "result = 'submitted' AND finish = 'open' AND code IS NULL");
    /* A whole slot has ended where its members have, and is no task. */
    assert_int_equal(shelf_end(shelf, LEDGER_WHOLE_SLOT, SLOT, LEDGER_SUBMITTED), 0);
    assert_int_equal(shelf_finish_task(shelf, LEDGER_WHOLE_SLOT, SLOT, 1, LEDGER_STUCK), 0);
    count_is(shelf, 1, "instance = '*' AND finish IS NULL");
    assert_int_equal(unfinished(shelf).count, 1);
}

static void test_attempt_after_finish(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT), 0);
    assert_int_equal(shelf_end(shelf, "crs-a", SLOT, LEDGER_SUBMITTED), 0);
    assert_int_equal(shelf_finish_task(shelf, "crs-a", SLOT, 1, LEDGER_TASK_FAILED), 0);
    assert_int_equal(shelf_end(shelf, "crs-a", SLOT, LEDGER_AGAIN), 0);
    count_is(shelf, 1, "result = 'again' AND finish IS NULL AND finished_at IS NULL");
    assert_int_equal(shelf_end(shelf, "crs-a", SLOT, LEDGER_SUBMITTED), 0);
    assert_int_equal(shelf_finish_task(shelf, "crs-a", SLOT, 1, LEDGER_TASK_FAILED), 0);
    assert_int_equal(shelf_start(shelf, 2, "crs-a", SLOT), 0);
    assert_int_equal(shelf_finish_task(shelf, "crs-a", SLOT, 1, LEDGER_SUCCEEDED), 0); /* late */
    count_is(shelf, 1,
             "state = 0 AND finish IS NULL AND finished_at IS NULL AND code IS NULL"
             " AND message IS NULL AND task_id IS NULL");
    assert_int_equal(unfinished(shelf).count, 0);
    assert_int_equal(shelf_end(shelf, "crs-a", SLOT, LEDGER_SUBMITTED), 0);
    count_is(shelf, 1, "finish = 'open'");
    assert_int_equal(unfinished(shelf).count, 1);
}

/* A backup whose task is not known is not finished, and its task may become known by its end. */
static void test_finish_without_task(void **state)
{
    struct shelf *shelf = *state;
    struct ledger_entry entry = {
        .kind = LEDGER_ENDED,
        .schedule = "nightly",
        .instance = "crs-a",
        .region = "ap-guangzhou",
        .slot = wall_from_seconds(SLOT),
        .attempt = 3,
        .result = LEDGER_SUBMITTED,
        .code = "InternalError",
        .message = "it was there after all",
        .at = wall_from_seconds(SLOT + 2),
    };
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(shelf->port.append(shelf->port.context, &entry), 0);
    count_is(shelf, 1,
             "task_id IS NULL AND code = 'InternalError' AND message = 'it was there after all'");
    struct seen seen = unfinished(shelf);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.rows[0].task_id, 0);
    assert_int_equal(seen.rows[0].attempt, 3);
    assert_int_equal(seen.rows[0].started_at.us, 0);
    entry.kind = LEDGER_FINISHED;
    entry.finish = LEDGER_SUCCEEDED;
    entry.task_id = 77;
    entry.code = "";
    entry.message = "";
    assert_int_equal(shelf->port.append(shelf->port.context, &entry), 0);
    count_is(shelf, 1, "task_id = 77 AND finish = 'succeeded' AND message IS NULL");
}

/* Oldest slot first, whatever their schedules are called. */
static void test_unfinished_order(void **state)
{
    static const struct {
        const char *schedule;
        const char *instance;
        int64_t slot;
    } put[] = {
        {"hourly", "crs-b", SLOT + 5}, {"hourly", "crs-a", SLOT + 9},
        {"nightly", "crs-z", SLOT},    {"hourly", "crs-a", SLOT + 5},
        {"daily", "crs-c", SLOT + 5},  {"nightly", "crs-a", SLOT + 7},
    };
    static const size_t order[] = {2, 4, 3, 0, 5, 1};
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    for (size_t i = 0; i < COUNT(put); i++) {
        const struct ledger_entry entry = {
            .kind = LEDGER_ENDED,
            .schedule = put[i].schedule,
            .instance = put[i].instance,
            .region = "ap-guangzhou",
            .slot = wall_from_seconds(put[i].slot),
            .attempt = 1,
            .result = LEDGER_SUBMITTED,
            .task_id = 1,
            .code = "",
            .message = "",
            .request_id = "",
            .at = wall_from_seconds(SLOT + 60),
        };
        assert_int_equal(shelf->port.append(shelf->port.context, &entry), 0);
    }
    assert_true(shelf_wait_idle(shelf, 10000));
    struct seen seen = unfinished(shelf);
    assert_int_equal(seen.count, COUNT(put));
    for (size_t i = 0; i < COUNT(put); i++) {
        assert_string_equal(seen.schedules[i], put[order[i]].schedule);
        assert_string_equal(seen.ids[i], put[order[i]].instance);
        assert_int_equal(seen.rows[i].slot.us, wall_from_seconds(put[order[i]].slot).us);
        assert_int_equal(seen.rows[i].state, LEDGER_STATE_ENDED);
    }
}

/* A start may tell of the end of more runs than a queue of requests would ever hold. */
static void test_many_finish_at_once(void **state)
{
    struct shelf *shelf = *state;
    char sql[512];
    char id[32];
    const int many = 200000;
    assert_int_equal(shelf_open(shelf), 0);
    shelf_close(shelf);
    (void)snprintf(sql, sizeof sql,
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                   " INSERT INTO runs(schedule, slot, instance, state, attempt, result, finish)"
                   " SELECT 'nightly', %lld * 1000000, printf('crs-%%08d', i), 1, 1, 'submitted',"
                   " 'open' FROM n",
                   many, (long long)SLOT);
    shelf_exec(shelf, sql);
    assert_int_equal(shelf_open(shelf), 0);
    for (int i = 1; i <= many; i++) {
        (void)snprintf(id, sizeof id, "crs-%08d", i);
        assert_int_equal(shelf_finish_task(shelf, id, SLOT, 1, LEDGER_UNWATCHED), 0);
    }
    assert_true(shelf_wait_idle(shelf, 120000));
    assert_int_equal(unfinished(shelf).count, 0);
}

static void test_horizon(void **state)
{
    struct shelf *shelf = *state;
    int64_t slot;
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(get_horizon(shelf, "nightly", RULE, &slot), LEDGER_NO_HORIZON);
    set_horizon(shelf, "nightly", RULE, SLOT);
    set_horizon(shelf, "weekly", RULE, SLOT + 7);
    set_horizon(shelf, "nightly", RULE, SLOT + 1);
    /* Seen at once, whether durable or not, and after. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get_horizon(shelf, "nightly", RULE, &slot), 0);
        assert_int_equal(slot, SLOT + 1);
        assert_int_equal(get_horizon(shelf, "nightly", "@daily UTC", &slot), LEDGER_OTHER_RULE);
        assert_int_equal(slot, SLOT + 1);
        assert_int_equal(get_horizon(shelf, "weekly", RULE, &slot), 0);
        assert_int_equal(slot, SLOT + 7);
        assert_int_equal(get_horizon(shelf, "night", RULE, &slot), LEDGER_NO_HORIZON);
        assert_true(shelf_wait_idle(shelf, 10000));
    }
    shelf_close(shelf);
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(get_horizon(shelf, "nightly", RULE, &slot), 0);
    assert_int_equal(slot, SLOT + 1);
    shelf_run(shelf, 1200); /* the reader is given up meanwhile, and comes back */
    assert_int_equal(get_horizon(shelf, "nightly", "@daily UTC", &slot), LEDGER_OTHER_RULE);
}

/* ---- groups, order, bounds ---- */

/* What the pauses came to: their number, and the sum of their ends in seconds (no end: -1). */
struct pauses {
    int count;
    int64_t sum;
};

static void see_pause(void *context, const char *schedule, struct wall until)
{
    struct pauses *pauses = context;
    assert_true(strcmp(schedule, "nightly") == 0 || strcmp(schedule, "weekly") == 0);
    pauses->count++;
    pauses->sum += until.us == WALL_NEVER.us ? -1 : wall_seconds(until);
}

static void pauses_are(struct shelf *shelf, int count, int64_t sum)
{
    struct pauses pauses = {0};
    assert_true(shelf_wait_idle(shelf, 10000));
    assert_int_equal(shelf->port.pauses(shelf->port.context, see_pause, &pauses), 0);
    assert_int_equal(pauses.count, count);
    assert_int_equal(pauses.sum, sum);
}

static void set_pause(struct shelf *shelf, const char *schedule, struct wall until)
{
    assert_int_equal(shelf->port.set_pause(shelf->port.context, schedule, until), 0);
}

/* The one of "nightly" that holds; 0: none. */
static void hold_pause(void *context, const char *schedule, struct wall until)
{
    struct wall *held = context;
    if (strcmp(schedule, "nightly") == 0)
        *held = until.us == LEDGER_NO_PAUSE.us ? (struct wall){0} : until;
}

static void test_pauses(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    pauses_are(shelf, 0, 0);
    set_pause(shelf, "nightly", wall_from_seconds(SLOT));
    set_pause(shelf, "weekly", wall_from_seconds(7));
    set_pause(shelf, "weekly", WALL_NEVER);
    pauses_are(shelf, 2, SLOT - 1);
    shelf_close(shelf);
    assert_int_equal(shelf_open(shelf), 0);
    pauses_are(shelf, 2, SLOT - 1);
    set_pause(shelf, "nightly", LEDGER_NO_PAUSE);
    set_pause(shelf, "nightly", LEDGER_NO_PAUSE);
    pauses_are(shelf, 1, -1);

    /* What is queued counts as well. */
    for (int i = 0; i < 200; i++) {
        const struct wall until = i % 2 == 0 ? wall_from_seconds(9 + i) : LEDGER_NO_PAUSE;
        struct wall held = {0};
        set_pause(shelf, "nightly", until);
        assert_int_equal(shelf->port.pauses(shelf->port.context, hold_pause, &held), 0);
        assert_int_equal(held.us, i % 2 == 0 ? until.us : 0);
    }
    shelf_begin_close(shelf);
    assert_int_equal(shelf->port.set_pause(shelf->port.context, "weekly", WALL_NEVER), -ESHUTDOWN);
}

static void test_group_commit(void **state)
{
    struct shelf *shelf = *state;
    char id[32];
    assert_int_equal(shelf_open(shelf), 0);
    for (uint64_t i = 1; i <= 5000; i++) {
        (void)snprintf(id, sizeof id, "crs-%05llu", (unsigned long long)i);
        assert_int_equal(shelf_start(shelf, i, id, SLOT), 0);
    }
    assert_true(shelf_wait_told(shelf, 5000, 60000));
    for (uint64_t i = 0; i < 5000; i++) {
        assert_int_equal(shelf->told[i].ticket, i + 1);
        assert_int_equal(shelf->told[i].outcome, 0);
    }
    struct ledger_figures figures = shelf_figures(shelf);
    assert_int_equal(figures.entries, 5000);
    assert_true(figures.commits <= 100); /* each took what came while another ran */
    assert_true(figures.commits >= 1);
    assert_int_equal(figures.waiting, 0);

    /* One after the other they have a commit each. */
    for (uint64_t i = 1; i <= 10; i++) {
        assert_int_equal(shelf_start(shelf, i, "crs-a", SLOT + (int64_t)i), 0);
        assert_true(shelf_wait_told(shelf, 5000 + i, 10000));
    }
    assert_int_equal(shelf_figures(shelf).commits, figures.commits + 10);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE state = 0"), 5010);
}

static void test_queue_max(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open_with(shelf, (struct ledger_sqlite_options){.queue_max = 8}), 0);
    shelf_exec(shelf, "PRAGMA user_version"); /* the file is there */
    uint64_t taken = 0;
    uint64_t refused = 0;
    for (uint64_t i = 1; i <= 20000; i++) {
        int r = shelf_start(shelf, i, "crs-a", SLOT + (int64_t)i);
        assert_true(r == 0 || r == -EAGAIN);
        assert_true(shelf_figures(shelf).waiting <= 8);
        if (r == 0)
            taken++;
        else
            refused++;
    }
    assert_true(taken >= 6);
    assert_true(refused > 0);
    /* Horizons are never refused, nor kept twice, and do not overtake. */
    for (int64_t i = 0; i < 100000; i++)
        set_horizon(shelf, i % 2 == 0 ? "nightly" : "weekly", RULE, SLOT + i);
    int64_t slot;
    assert_int_equal(get_horizon(shelf, "weekly", RULE, &slot), 0);
    assert_int_equal(slot, SLOT + 99999);
    assert_true(shelf_figures(shelf).waiting <= 16384);
    assert_true(shelf_wait_idle(shelf, 10000));
    assert_true(shelf_wait_told(shelf, taken, 10000));
    assert_int_equal(shelf->told_count, taken);
    assert_int_equal(shelf_start(shelf, 1, "crs-b", SLOT), 0);
    shelf_close(shelf);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs"), (int64_t)taken + 1);
    assert_int_equal(shelf_ask(shelf, "SELECT slot / 1000000 FROM horizons"
                                      " WHERE schedule = 'nightly'"),
                     SLOT + 99998);
}

static void test_close_writes(void **state)
{
    struct shelf *shelf = *state;
    char id[32];
    assert_int_equal(shelf_open(shelf), 0);
    for (uint64_t i = 1; i <= 2000; i++) {
        (void)snprintf(id, sizeof id, "crs-%05llu", (unsigned long long)i);
        assert_int_equal(shelf_start(shelf, i, id, SLOT), 0);
    }
    shelf_close(shelf);
    assert_int_equal(shelf->told_count, 2000);
    assert_int_equal(shelf->told[1999].outcome, 0);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs"), 2000);
    char journal[192];
    (void)snprintf(journal, sizeof journal, "%s-wal", shelf->file);
    assert_int_equal(access(journal, F_OK), -1); /* brought home */
}

static void test_append_after_close(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    shelf_begin_close(shelf);
    assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT), -ESHUTDOWN);
    set_horizon(shelf, "nightly", RULE, SLOT);
    shelf_close(shelf);
    assert_int_equal(shelf->told_count, 0);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM horizons"), 0);
}

/* ---- one process at a time ---- */

static void test_second_holder(void **state)
{
    struct shelf *shelf = *state;
    struct shelf other;
    char number[32];
    assert_int_equal(shelf_open(shelf), 0);
    shelf_make(&other);
    assert_int_equal(rmdir(other.dir), 0);
    (void)snprintf(other.dir, sizeof other.dir, "%s", shelf->dir);
    assert_int_equal(shelf_open(&other), -EBUSY);
    (void)snprintf(number, sizeof number, "process %ld", (long)getpid());
    assert_non_null(strstr(other.err.text, number));
    assert_non_null(strstr(other.err.text, shelf->dir));
    assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT), 0); /* the first is none the worse */
    assert_true(shelf_wait_told(shelf, 1, 10000));
    assert_int_equal(shelf->told[0].outcome, 0);
    shelf_close(shelf);
    assert_int_equal(shelf_open(&other), 0);
    shelf_close(&other);
    assert_int_equal(uv_loop_close(&other.loop), 0);
    free(other.told);
}

/* Whoever finds the file "lock" in the way and removes it gets no second daemon by that. */
static void test_lock_file_removed(void **state)
{
    struct shelf *shelf = *state;
    struct shelf other;
    char path[192];
    assert_int_equal(shelf_open(shelf), 0);
    assert_string_equal(shelf->warning.text, "");
    shelf_make(&other);
    assert_int_equal(rmdir(other.dir), 0);
    (void)snprintf(other.dir, sizeof other.dir, "%s", shelf->dir);
    (void)snprintf(path, sizeof path, "%s/lock", shelf->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(shelf_open(&other), -EBUSY);
    assert_non_null(strstr(other.err.text, "\"lock\" was removed"));
    assert_non_null(strstr(other.err.text, shelf->dir));
    shelf_close(shelf);
    assert_int_equal(shelf_open(&other), 0); /* both locks are given back */
    shelf_close(&other);
    assert_int_equal(uv_loop_close(&other.loop), 0);
    free(other.told);
}

static void test_lock_dies_with_holder(void **state)
{
    struct shelf *shelf = *state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char byte = shelf_open(shelf) == 0 ? 'y' : 'n';
        (void)!write(ready[1], &byte, 1);
        for (;;)
            (void)pause();
    }
    char byte = 0;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_int_equal(shelf_open(shelf), -EBUSY);
    char number[32];
    (void)snprintf(number, sizeof number, "process %ld", (long)child);
    assert_non_null(strstr(shelf->err.text, number));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(shelf_open(shelf), 0);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void test_modes(void **state)
{
    struct shelf *shelf = *state;
    struct stat status;
    mode_t before = umask(0);
    assert_int_equal(shelf_open(shelf), 0);
    (void)umask(before);
    assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT), 0);
    assert_true(shelf_wait_told(shelf, 1, 10000));
    static const char *const names[] = {"ledger.db", "ledger.db-wal", "ledger.db-shm", "lock"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[192];
        (void)snprintf(path, sizeof path, "%s/%s", shelf->dir, names[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
    }
    shelf_close(shelf);
    assert_int_equal(chmod(shelf->dir, 0777), 0);
    assert_int_equal(shelf_open(shelf), 0);
    assert_non_null(strstr(shelf->warning.text, "0700"));
    shelf_close(shelf);
    assert_int_equal(chmod(shelf->dir, 0700), 0);
    assert_int_equal(chmod(shelf->file, 0666), 0);
    assert_int_equal(shelf_open(shelf), 0);
    assert_non_null(strstr(shelf->warning.text, "0600"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_second_attempt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kind_of_a_slot_that_comes_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kind_and_retries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finish, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finish_of_no_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_attempt_after_finish, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finish_without_task, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unfinished_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_finish_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_horizon, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pauses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_group_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_queue_max, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_close_writes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_append_after_close, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_second_holder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lock_file_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lock_dies_with_holder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_modes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
