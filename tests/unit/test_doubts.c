/* Lost answers and the watch over accepted backups: scenarios by hand, an engine and its twin. */
#include "unit.h"

#include "base/civil.h"
#include "base/listing.h"
#include "engine/members.h"
#include "engine/tag.h"
#include "engine_twin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND

#define NO_TASKS "\"TotalCount\":0,\"Tasks\":[]"
#define NO_BACKUPS "\"TotalCount\":0,\"BackupSet\":[]"
#define NO_ANSWER "\"Error\":{\"Code\":\"InternalError\",\"Message\":\"\"}"
#define NOT_ALLOWED "\"Error\":{\"Code\":\"UnauthorizedOperation.NoCAMAuthed\",\"Message\":\"\"}"
/* 12:00:00Z as the cloud writes it */
#define ONE_TASK                                                                        \
    "\"TotalCount\":1,\"Tasks\":[{\"TaskId\":77,\"StartTime\":\"2026-11-01 20:00:00\"," \
    "\"EndTime\":\"\",\"InstanceId\":\"crs-a\",\"Progress\":0,\"Result\":1}]"

static void begin_within(struct twin *twin, enum on_unknown on_unknown, int64_t start_within_s)
{
    twin_init(twin, NOON - 10);
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", "1h");
    schedule->on_unknown = on_unknown;
    schedule->start_within_us = start_within_s * SECOND;
    twin_add(config, schedule, "crs-a", NULL);
    twin->keeps_questions = true;
    twin_start(twin, config);
    twin_run(twin, 11 * SECOND);
    assert_int_equal(twin->sent_count, 1);
}

static void begin(struct twin *twin, const char *every, enum on_unknown on_unknown,
                  int32_t retry_failed, enum overlap overlap)
{
    twin_init(twin, NOON - 10);
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", every);
    schedule->on_unknown = on_unknown;
    schedule->retry_failed = retry_failed;
    schedule->overlap = overlap;
    schedule->start_within_us = 1800 * SECOND;
    twin_add(config, schedule, "crs-a", NULL);
    twin->keeps_questions = true;
    twin_make_durable(twin);
    twin_start(twin, config);
    twin_run(twin, 11 * SECOND);
    assert_int_equal(twin->sent_count, 1);
}

/* The run's tag, from the request that went out. */
static void tag_of(const struct twin *twin, char ret[64])
{
    const char *at = strstr(twin->sent[0].body, "crsbackupd:20261101T120000Z:");
    assert_non_null(at);
    (void)snprintf(ret, 64, "%.*s", (int)strcspn(at, "\""), at);
}

static void answer_looks(struct twin *twin, const char *tasks, const char *backups, int64_t us)
{
    for (int64_t i = 0; i < us / SECOND; i++) {
        twin_run(twin, SECOND);
        int n = twin_find(twin, "DescribeTaskList");
        if (n >= 0)
            twin_answer(twin, n, tasks);
        n = twin_find(twin, "DescribeInstanceBackups");
        if (n >= 0)
            twin_answer(twin, n, backups);
    }
}

static void what_is_not_there_is_sent_again_after_the_settling_time(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, "1h", ON_UNKNOWN_HOLD, 0, OVERLAP_ALLOW);
    twin_lose(&twin, 0, EXCHANGE_LOST);
    assert_int_equal(twin_count_lines(&twin, "event=backup_unknown"), 1);
    answer_looks(&twin, NO_TASKS, NO_BACKUPS, 58 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    answer_looks(&twin, NO_TASKS, NO_BACKUPS, 6 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    assert_int_equal(twin_count_lines(&twin, "event=backup_retry"), 1);
    twin_accept(&twin, 1);
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 1);
    twin_finish(&twin);
}

static void a_backup_with_the_tag_is_adopted(void **state)
{
    (void)state;
    static struct twin twin;
    char tag[64];
    char backups[512];
    begin(&twin, "1h", ON_UNKNOWN_HOLD, 0, OVERLAP_ALLOW);
    tag_of(&twin, tag);
    (void)snprintf(backups, sizeof backups,
                   "\"TotalCount\":1,\"BackupSet\":[{\"StartTime\":\"2026-11-01 20:00:01\","
                   "\"BackupId\":\"b\",\"BackupType\":\"0\",\"Status\":1,\"Remark\":\"x %s\"}]",
                   tag);
    twin_refuse(&twin, 0, "InternalError.InternalError", -1);
    answer_looks(&twin, ONE_TASK, backups, 70 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    assert_int_equal(twin_count_lines(&twin, "event=backup_submitted schedule=nightly "
                                             "instance=crs-a region=ap-guangzhou "
                                             "slot=2026-11-01T12:00:00Z attempt=1 task_id=77"),
                     1);
    twin_run(&twin, 5 * SECOND);
    int n = twin_find(&twin, "DescribeTaskInfo");
    assert_true(n >= 0 && strcmp(twin.asked[n].body, "{\"TaskId\":77}") == 0);
    twin_answer(&twin, n, "\"Status\":\"succeed\"");
    assert_int_equal(twin_count_lines(&twin, "event=backup_succeeded"), 1);
    assert_int_equal(twin.finished[LEDGER_SUCCEEDED], 1);
    twin_finish(&twin);
}

static void a_task_that_nothing_explains(enum on_unknown on_unknown, int want_sent)
{
    static struct twin twin;
    begin(&twin, "1h", on_unknown, 0, OVERLAP_ALLOW);
    twin_lose(&twin, 0, EXCHANGE_LOST);
    answer_looks(&twin, ONE_TASK, NO_BACKUPS, 500 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    answer_looks(&twin, ONE_TASK, NO_BACKUPS, 200 * SECOND);
    assert_int_equal(twin.sent_count, want_sent);
    assert_int_equal(twin.ended[LEDGER_UNKNOWN], 0);
    if (on_unknown == ON_UNKNOWN_HOLD) /* till start_within is over */
        answer_looks(&twin, ONE_TASK, NO_BACKUPS, 1120 * SECOND);
    assert_int_equal(twin.sent_count, want_sent);
    assert_int_equal(twin_count_lines(&twin, "event=backup_failed"), 2 - want_sent);
    assert_int_equal(twin_count_lines(&twin, "reason=unknown"), 2 - want_sent);
    assert_int_equal(twin.ended[LEDGER_UNKNOWN], 2 - want_sent);
    twin_finish(&twin);
}

/* Two looks too early, an outage of ten settling times, and an hour of start_within. */
static void an_outage_makes_nothing_unknown(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, "12h", ON_UNKNOWN_HOLD, 0, OVERLAP_ALLOW);
    twin_lose(&twin, 0, EXCHANGE_LOST);
    answer_looks(&twin, NO_TASKS, NO_BACKUPS, 8 * SECOND);
    answer_looks(&twin, NO_ANSWER, NO_ANSWER, 650 * SECOND);
    assert_int_equal(engine_status(twin.engine).doubtful, 1);
    int asked = twin.asked_count;
    answer_looks(&twin, NO_ANSWER, NO_ANSWER, 400 * SECOND);
    assert_in_range(twin.asked_count - asked, 1, 4); /* ever more rarely */
    answer_looks(&twin, NO_TASKS, NO_BACKUPS, 400 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    assert_int_equal(twin.ended[LEDGER_UNKNOWN], 0);
    twin_finish(&twin);
}

static void what_cannot_be_told_is_held_or_sent(void **state)
{
    (void)state;
    a_task_that_nothing_explains(ON_UNKNOWN_HOLD, 1);
    a_task_that_nothing_explains(ON_UNKNOWN_RESEND, 2);
}

/* Out of time it is not sent again, and is not said to have done nothing. */
static void what_cannot_be_told_in_time_is_unknown(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, "1h", ON_UNKNOWN_HOLD, 0, OVERLAP_ALLOW);
    twin_lose(&twin, 0, EXCHANGE_LOST);
    answer_looks(&twin, NO_ANSWER, NO_ANSWER, 1900 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    assert_int_equal(twin.ended[LEDGER_UNKNOWN], 1);
    assert_int_equal(twin.ended[LEDGER_FAILED], 0);
    twin_finish(&twin);
}

/* Where the questions are not answered, or not allowed, resend sends again all the same. */
static void resend_needs_no_answers(void **state)
{
    (void)state;
    static const struct {
        int64_t start_within_s;
        int64_t wait_s;
        int sent;
    } rows[] = {{1800, 590, 1}, {1800, 680, 2}, {300, 140, 1},
                {300, 220, 2},  {80, 100, 2},   {50, 100, 1}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        static struct twin twin;
        begin_within(&twin, ON_UNKNOWN_RESEND, rows[i].start_within_s);
        twin_lose(&twin, 0, EXCHANGE_LOST);
        answer_looks(&twin, NOT_ALLOWED, NOT_ALLOWED, rows[i].wait_s * SECOND);
        if (twin.sent_count != rows[i].sent)
            fail_msg("row %zu: %d", i, twin.sent_count);
        twin_finish(&twin);
    }
}

static void runs_of_one_second_have_tags_of_their_own(void **state)
{
    (void)state;
    struct digest *digest;
    char planned[TAG_MAX];
    char first[TAG_MAX];
    char second[TAG_MAX];
    struct errtext err = {""};
    assert_int_equal(digest_create(&digest, &err), 0);
    assert_int_equal(tag_make(digest, "nightly", "crs-a", (struct wall){10 * SECOND}, planned), 0);
    assert_int_equal(tag_make(digest, "nightly", "crs-a", (struct wall){10 * SECOND + 1}, first),
                     0);
    assert_int_equal(tag_make(digest, "nightly", "crs-a", (struct wall){10 * SECOND + 2}, second),
                     0);
    assert_string_not_equal(planned, first);
    assert_string_not_equal(first, second);
    digest_destroy(digest);
}

static void a_crash_leaves_a_doubt(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, "1h", ON_UNKNOWN_HOLD, 0, OVERLAP_ALLOW);
    twin_crash(&twin, 0); /* its answer is never seen */
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", "1h");
    twin_add(config, schedule, "crs-a", NULL);
    twin_start(&twin, config);
    assert_int_equal(engine_status(twin.engine).doubtful, 1);
    answer_looks(&twin, NO_TASKS, NO_BACKUPS, 70 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    twin_accept(&twin, 1);
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 1);
    twin_finish(&twin);
}

/* The host's clock was ahead, and is right after the crash; what the attempt began is told by it.
 */
static void a_clock_was_ahead(int64_t ahead_s, int64_t down_s, bool backup_listed)
{
    static struct twin twin;
    char tag[64];
    char stamp[LISTING_STAMP_MAX];
    char tasks[256];
    char backups[512];
    begin(&twin, "1h", ON_UNKNOWN_HOLD, 0, OVERLAP_ALLOW);
    tag_of(&twin, tag);
    twin_crash(&twin, 0);
    twin.now.wall = wall_from_seconds(NOON - ahead_s + down_s);
    listing_stamp(NOON - ahead_s, stamp);
    (void)snprintf(tasks, sizeof tasks,
                   "\"TotalCount\":1,\"Tasks\":[{\"TaskId\":77,\"StartTime\":\"%s\","
                   "\"InstanceId\":\"crs-a\",\"Progress\":0,\"Result\":1}]",
                   stamp);
    (void)snprintf(backups, sizeof backups,
                   "\"TotalCount\":1,\"BackupSet\":[{\"StartTime\":\"%s\","
                   "\"BackupType\":\"0\",\"Remark\":\"%s\",\"Status\":1}]",
                   stamp, tag);
    struct config *config = twin_config();
    twin_add(config, twin_every(config, "nightly", "1h"), "crs-a", NULL);
    twin_start(&twin, config);
    if (ahead_s > 3600)
        twin_run(&twin, 3 * 3600 * SECOND); /* till a clock that fell so far is believed */
    answer_looks(&twin, tasks, backup_listed ? backups : NO_BACKUPS, 300 * SECOND);
    assert_int_equal(twin_count_lines(&twin, "event=backup_retry"), 0);
    assert_int_equal(twin_count_lines(&twin, "task_id=77 found=lookup"), backup_listed ? 1 : 0);
    int open = (int)engine_status(twin.engine).doubtful + twin.ended[LEDGER_UNKNOWN];
    assert_int_equal(open, backup_listed ? 0 : 1);
    twin_finish(&twin);
}

static void a_clock_put_right_after_a_crash(void **state)
{
    (void)state;
    for (int listed = 0; listed < 2; listed++) {
        a_clock_was_ahead(600, 90, listed);
        a_clock_was_ahead(600, 900, listed); /* down for longer than it was ahead */
        a_clock_was_ahead(5 * 3600, 90, listed);
        a_clock_was_ahead(5 * 3600, 3600, listed);
    }
}

/* Between the two stamps of a question. */
static int64_t window_s(const char *body)
{
    int64_t at[2];
    static const char *const names[] = {"\"BeginTime\":\"", "\"EndTime\":\""};
    for (int i = 0; i < 2; i++) {
        const char *stamp = strstr(body, names[i]);
        int64_t year;
        struct civil c;
        assert_non_null(stamp);
        assert_int_equal(sscanf(stamp + strlen(names[i]), "%" SCNd64 "-%d-%d %d:%d:%d", &year,
                                &c.month, &c.day, &c.hour, &c.minute, &c.second),
                         6);
        c.year = year;
        at[i] = civil_to_seconds(&c);
    }
    return at[1] - at[0];
}

/* However long it was down: the API takes no window of more than thirty days. */
static void a_window_is_one_that_the_api_takes(void **state)
{
    (void)state;
    static const int downs[] = {0, 27, 28, 29, 31, 90};
    for (size_t i = 0; i < COUNT(downs); i++) {
        static struct twin twin;
        begin(&twin, "1h", ON_UNKNOWN_HOLD, 0, OVERLAP_ALLOW);
        twin_crash(&twin, 0);
        twin.now.wall = wall_add_us(twin.now.wall, (downs[i] * SECONDS_PER_DAY + 1800) * SECOND);
        struct config *config = twin_config();
        struct schedule *schedule = twin_every(config, "nightly", "1h");
        schedule->catch_up = CATCH_UP_NONE;
        twin_add(config, schedule, "crs-a", NULL);
        twin_start(&twin, config);
        twin_run(&twin, 3 * SECOND);
        int n = twin_find(&twin, "DescribeTaskList");
        assert_true(n >= 0);
        assert_in_range(window_s(twin.asked[n].body), 1, 30 * SECONDS_PER_DAY);
        twin_answer(&twin, n, NO_TASKS);
        n = twin_find(&twin, "DescribeInstanceBackups");
        assert_true(n >= 0);
        assert_in_range(window_s(twin.asked[n].body), 1, 30 * SECONDS_PER_DAY);
        twin_answer(&twin, n, NO_BACKUPS);
        answer_looks(&twin, NO_TASKS, NO_BACKUPS, 700 * SECOND);
        /* In time sent again; too late, but known not to be there; its task no longer listed. */
        assert_int_equal(twin.sent_count, downs[i] == 0 ? 2 : 1);
        assert_int_equal(twin.ended[LEDGER_FAILED], downs[i] > 0 && downs[i] < 29 ? 1 : 0);
        assert_int_equal(twin.ended[LEDGER_UNKNOWN], downs[i] >= 29 ? 1 : 0);
        twin_finish(&twin);
    }
}

static void a_task_that_failed(int32_t retry_failed, int want_sent)
{
    static struct twin twin;
    begin(&twin, "1h", ON_UNKNOWN_HOLD, retry_failed, OVERLAP_ALLOW);
    for (int i = 0; i < want_sent; i++) {
        assert_int_equal(twin.sent_count, i + 1);
        twin_accept(&twin, i);
        twin_run(&twin, 5 * SECOND);
        twin_answer(&twin, twin_find(&twin, "DescribeTaskInfo"),
                    "\"Status\":\"failed\",\"TaskMessage\":\"no disk\"");
        twin_run(&twin, 10 * SECOND);
    }
    assert_int_equal(twin.sent_count, want_sent);
    assert_int_equal(twin_count_lines(&twin, "event=backup_retry"), want_sent - 1);
    assert_int_equal(twin_count_lines(&twin, "reason=task_failed code=failed message=\"no disk\""),
                     1);
    assert_int_equal(twin.finished[LEDGER_TASK_FAILED], 1);
    twin_finish(&twin);
}

static void a_failed_task_is_tried_again_as_often_as_allowed(void **state)
{
    (void)state;
    a_task_that_failed(0, 1);
    a_task_that_failed(1, 2);
}

static void restart_after(struct twin *twin, int32_t retry_failed, int lost)
{
    twin_crash(twin, lost);
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", "1h");
    schedule->retry_failed = retry_failed;
    schedule->start_within_us = 1800 * SECOND;
    twin_add(config, schedule, "crs-a", NULL);
    twin_start(twin, config);
}

/* The newest task is told to have failed. */
static void fail_task(struct twin *twin)
{
    twin_run(twin, 5 * SECOND);
    twin_answer(twin, twin_find(twin, "DescribeTaskInfo"),
                "\"Status\":\"failed\",\"TaskMessage\":\"no disk\"");
}

enum crash {
    CRASH_WAITING,  /* the failure is known, the next attempt is due */
    CRASH_WATCHING, /* the next attempt was accepted */
    CRASH_ON_WIRE,  /* and its answer was lost */
};

static void failures_are_counted_over(enum crash crash)
{
    static struct twin twin;
    char tag[64];
    char backups[512];
    begin(&twin, "1h", ON_UNKNOWN_HOLD, 1, OVERLAP_ALLOW);
    tag_of(&twin, tag);
    twin_accept(&twin, 0);
    fail_task(&twin);
    if (crash != CRASH_WAITING) {
        twin_run(&twin, 10 * SECOND);
        assert_int_equal(twin.sent_count, 2);
    }
    if (crash == CRASH_WATCHING)
        twin_accept(&twin, 1);
    restart_after(&twin, 1, 0);
    twin_run(&twin, 10 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    if (crash == CRASH_WAITING)
        twin_accept(&twin, 1);
    (void)snprintf(backups, sizeof backups,
                   "\"TotalCount\":1,\"BackupSet\":[{\"StartTime\":\"2026-11-01 20:00:00\","
                   "\"InstanceId\":\"crs-a\",\"Remark\":\"%s\",\"Status\":1}]",
                   tag);
    if (crash == CRASH_ON_WIRE)
        answer_looks(&twin, ONE_TASK, backups, 70 * SECOND);
    fail_task(&twin);
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    assert_int_equal(twin.finished[LEDGER_TASK_FAILED], 1);
    twin_finish(&twin);
}

static void a_restart_knows_how_many_tasks_failed(void **state)
{
    (void)state;
    failures_are_counted_over(CRASH_WAITING);
    failures_are_counted_over(CRASH_WATCHING);
    failures_are_counted_over(CRASH_ON_WIRE);
}

static void a_restart_goes_on_watching(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, "1h", ON_UNKNOWN_HOLD, 0, OVERLAP_ALLOW);
    twin_accept(&twin, 0);
    twin_crash(&twin, 0);
    struct config *config = twin_config();
    twin_add(config, twin_every(config, "nightly", "1h"), "crs-a", NULL);
    twin_start(&twin, config);
    twin_run(&twin, 2 * SECOND);
    twin_answer(&twin, twin_find(&twin, "DescribeTaskInfo"), "\"Status\":\"succeed\"");
    assert_int_equal(twin_count_lines(&twin, "event=backup_succeeded"), 1);
    twin_crash(&twin, 0);
    config = twin_config();
    twin_add(config, twin_every(config, "nightly", "1h"), "crs-a", NULL);
    twin_start(&twin, config);
    assert_int_equal(engine_status(twin.engine).watched, 0);
    twin_finish(&twin);
}

/* Down for longer than complete_within: it is asked for before it is given up. */
static void an_overdue_watch_is_asked_for_once_more(const char *status, int want_ended_well)
{
    static struct twin twin;
    begin(&twin, "1h", ON_UNKNOWN_HOLD, 0, OVERLAP_ALLOW);
    twin_accept(&twin, 0);
    twin_crash(&twin, 0);
    twin.now.wall = wall_add_us(twin.now.wall, 2 * 86400 * SECOND);
    twin.now.mono = mono_add_ns(twin.now.mono, 2 * 86400 * NS_PER_SECOND);
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", "1h");
    schedule->complete_within_us = 86400 * SECOND;
    schedule->catch_up = CATCH_UP_NONE;
    twin_add(config, schedule, "crs-a", NULL);
    twin_start(&twin, config);
    twin_run(&twin, 2 * SECOND);
    int n = twin_find(&twin, "DescribeTaskInfo");
    assert_true(n >= 0);
    twin_answer(&twin, n, status);
    twin_run(&twin, 70 * SECOND);
    assert_int_equal(twin.finished[LEDGER_SUCCEEDED], want_ended_well);
    assert_int_equal(twin.finished[LEDGER_STUCK], 1 - want_ended_well);
    assert_int_equal(engine_status(twin.engine).watched, 0);
    twin_finish(&twin);
}

static void a_long_downtime_makes_nothing_stuck_unseen(void **state)
{
    (void)state;
    an_overdue_watch_is_asked_for_once_more("\"Status\":\"succeed\"", 1);
    an_overdue_watch_is_asked_for_once_more("\"Status\":\"running\"", 0);
}

/* As many as take longer to ask for than any fixed grace, and how they end. */
static void many_are_overdue(const char *status, bool lost, int want_succeeded, int want_stuck)
{
    static struct twin twin;
    static char ids[100][16];
    twin_init(&twin, NOON - 10);
    twin.keeps_questions = true;
    twin_make_durable(&twin);
    for (int life = 0; life < 2; life++) {
        struct config *config = twin_config();
        struct schedule *schedule = twin_every(config, "nightly", "12h");
        config->max_in_flight = 32;
        config->per_second = life == 0 ? 20 : 1; /* 100 of them as 2,000 at 20 a second */
        schedule->complete_within_us = 4 * 3600 * SECOND;
        for (int i = 0; i < 100; i++) {
            (void)snprintf(ids[i], sizeof ids[i], "crs-i%03d", i);
            twin_add(config, schedule, ids[i], NULL);
        }
        twin_start(&twin, config);
        for (int i = 0; i < 30 && life == 0; i++) {
            twin_run(&twin, SECOND);
            for (int j = 0; j < twin.sent_count; j++)
                if (!twin.sent[j].answered)
                    twin_accept(&twin, j);
        }
        if (life == 0)
            twin_crash(&twin, 0);
        twin.now.wall = wall_add_us(twin.now.wall, life == 0 ? 5 * 3600 * SECOND : 0);
    }
    for (int i = 0; i < 2000; i++) {
        twin_run(&twin, SECOND / 10);
        for (int n; (n = twin_find(&twin, "DescribeTaskInfo")) >= 0;)
            twin_answer(&twin, n, lost ? NO_ANSWER : status);
    }
    assert_int_equal(twin.finished[LEDGER_SUCCEEDED], want_succeeded);
    assert_int_equal(twin.finished[LEDGER_STUCK], want_stuck);
    twin_finish(&twin);
}

/* A backup that runs, whose complete_within a clock that was ahead for a moment had ended. */
static void begin_with_clock_ahead(struct twin *twin)
{
    twin_init(twin, NOON - 10);
    twin->keeps_questions = true;
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", "12h");
    schedule->complete_within_us = 1200 * SECOND;
    twin_add(config, schedule, "crs-a", NULL);
    twin_start(twin, config);
    twin_run(twin, 11 * SECOND);
    twin_accept(twin, 0);
    twin_run(twin, 5 * SECOND);
    struct wall was = twin->now.wall;
    twin->now.wall = wall_add_us(was, 1800 * SECOND);
    twin_step(twin);
    twin->now.wall = was;
    twin_step(twin);
}

/* The clock was set ahead and back before the answer came: its time is not over. */
static void a_grace_ends_with_its_cause(void **state)
{
    (void)state;
    static struct twin twin;
    begin_with_clock_ahead(&twin);
    twin_answer(&twin, twin_find(&twin, "DescribeTaskInfo"), "\"Status\":\"running\"");
    assert_int_equal(engine_status(twin.engine).watched, 1);
    assert_int_equal(twin.finished[LEDGER_STUCK], 0);
    twin_run(&twin, 10 * SECOND);
    twin_answer(&twin, twin_find(&twin, "DescribeTaskInfo"), "\"Status\":\"succeed\"");
    assert_int_equal(twin.finished[LEDGER_SUCCEEDED], 1);
    twin_finish(&twin);
}

static void an_overdue_watch_waits_for_its_turn(void **state)
{
    (void)state;
    many_are_overdue("\"Status\":\"succeed\"", false, 100, 0);
    many_are_overdue("\"Status\":\"running\"", false, 0, 100);
    many_are_overdue("", true, 0, 100);
}

/* A slot that was over, and is open again for a task that failed, has no place for newcomers. */
static void a_reopened_slot_takes_in_nobody(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, "1h", ON_UNKNOWN_HOLD, 1, OVERLAP_ALLOW);
    twin_accept(&twin, 0);
    twin_run(&twin, 5 * SECOND);
    twin_answer(&twin, twin_find(&twin, "DescribeTaskInfo"), "\"Status\":\"failed\"");
    assert_int_equal(twin_count_lines(&twin, "event=backup_retry"), 1);
    twin_crash(&twin, 0);
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", "1h");
    schedule->retry_failed = 1;
    schedule->start_within_us = 1800 * SECOND;
    twin_add(config, schedule, "crs-a", NULL);
    twin_add(config, schedule, "crs-new", NULL);
    twin_start(&twin, config);
    twin_run(&twin, 60 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 2);
    assert_int_equal(twin_count_sent(&twin, "crs-new"), 0);
    twin_finish(&twin);
}

/* Its members end with it in the ledger, those too that waited for another attempt. */
static void a_slot_that_is_not_gone_on_with_ends_whole(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, "1h", ON_UNKNOWN_HOLD, 0, OVERLAP_ALLOW);
    twin_refuse(&twin, 0, "ResourceUnavailable.InstanceLockedError", -1);
    assert_int_equal(twin_count_lines(&twin, "event=backup_retry"), 1);
    int before = twin.ended[LEDGER_SKIPPED];
    twin_crash(&twin, 0);
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", "1h");
    schedule->paused = true;
    twin_add(config, schedule, "crs-a", NULL);
    twin_add(config, schedule, "crs-b", NULL);
    twin_start(&twin, config);
    assert_int_equal(twin_count_lines(&twin, "event=backup_skipped schedule=nightly "
                                             "slot=2026-11-01T12:00:00Z instances=2 reason=paused"),
                     1);
    assert_int_equal(twin.ended[LEDGER_SKIPPED] - before, 1); /* crs-a's */
    assert_int_equal(engine_status(twin.engine).skipped, 2);
    twin_finish(&twin);
}

/* ---- what is not to be made again ---- */

enum file { FILE_PAUSED, FILE_WITHOUT_INSTANCE, FILE_WITHOUT_SCHEDULE };
#define FILES (FILE_WITHOUT_SCHEDULE + 1)

static void restart_with(struct twin *twin, enum file file)
{
    twin_crash(twin, 0);
    struct config *config = twin_config();
    struct schedule *schedule =
        twin_every(config, file == FILE_WITHOUT_SCHEDULE ? "weekly" : "nightly", "1h");
    schedule->paused = file == FILE_PAUSED;
    twin_add(config, schedule, file == FILE_WITHOUT_INSTANCE ? "crs-b" : "crs-a", NULL);
    twin_start(twin, config);
}

static void an_attempt_that_was_forsaken(enum file file, bool landed, bool again)
{
    static struct twin twin;
    char tag[64];
    char backups[512];
    begin(&twin, "1h", ON_UNKNOWN_HOLD, 0, OVERLAP_ALLOW);
    tag_of(&twin, tag);
    (void)snprintf(backups, sizeof backups,
                   "\"TotalCount\":1,\"BackupSet\":[{\"StartTime\":\"2026-11-01 20:00:00\","
                   "\"InstanceId\":\"crs-a\",\"Remark\":\"%s\",\"Status\":2}]",
                   tag);
    restart_with(&twin, file);
    assert_int_equal(twin_count_lines(&twin, "event=backup_unknown"), 1);
    if (again) {
        answer_looks(&twin, NO_TASKS, NO_BACKUPS, 20 * SECOND);
        restart_with(&twin, file);
    }
    answer_looks(&twin, landed ? ONE_TASK : NO_TASKS, landed ? backups : NO_BACKUPS, 90 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 1);
    assert_int_equal(twin_count_lines(&twin, "task_id=77 found=lookup"), landed ? 1 : 0);
    assert_int_equal(twin.ended[LEDGER_UNKNOWN], 0);
    if (landed) {
        twin_answer(&twin, twin_find(&twin, "DescribeTaskInfo"), "\"Status\":\"succeed\"");
        assert_int_equal(twin_count_lines(&twin, "event=backup_succeeded"), 1);
    } else {
        assert_int_equal(twin_count_lines(&twin, file == FILE_PAUSED
                                                     ? "instance=crs-a region=ap-guangzhou "
                                                       "slot=2026-11-01T12:00:00Z reason=paused"
                                                     : "instance=crs-a region=ap-guangzhou "
                                                       "slot=2026-11-01T12:00:00Z reason=removed"),
                         1);
    }
    restart_with(&twin, file); /* it is over for good; crs-b had joined the slot */
    assert_int_equal(
        twin_count_lines(&twin, "event=backup_unknown schedule=nightly instance=crs-a"),
        again ? 2 : 1);
    assert_int_equal(engine_status(twin.engine).watched, 0);
    twin_finish(&twin);
}

static void who_is_not_sent_again_is_looked_for(void **state)
{
    (void)state;
    for (int file = 0; file < FILES; file++)
        for (int i = 0; i < 4; i++)
            an_attempt_that_was_forsaken((enum file)file, i % 2 == 0, i / 2 == 1);
}

/* What a reload brings back while it is looked for is not sent again: its slot was skipped. */
static void a_forsaken_attempt_stays_so(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, "1h", ON_UNKNOWN_HOLD, 0, OVERLAP_ALLOW);
    restart_with(&twin, FILE_PAUSED);
    answer_looks(&twin, NO_TASKS, NO_BACKUPS, 10 * SECOND);
    struct config *config = twin_config();
    twin_add(config, twin_every(config, "nightly", "1h"), "crs-a", NULL);
    twin_reload(&twin, config);
    answer_looks(&twin, NO_TASKS, NO_BACKUPS, 90 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 1);
    assert_int_equal(twin.ended[LEDGER_SKIPPED], 1);
    twin_run(&twin, 3600 * SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-a"), 2);
    twin_finish(&twin);
}

static void a_backup_that_does_not_end_is_stuck(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", "1h");
    schedule->complete_within_us = 600 * SECOND;
    schedule->overlap = OVERLAP_FORBID;
    twin_add(config, schedule, "crs-a", NULL);
    twin_start(&twin, config);
    twin_run(&twin, 11 * SECOND);
    twin_accept(&twin, 0);
    twin_run(&twin, 590 * SECOND);
    assert_int_equal(engine_status(twin.engine).watched, 1);
    twin_run(&twin, 20 * SECOND);
    assert_int_equal(twin_count_lines(&twin, "event=backup_failed"), 1);
    assert_int_equal(twin_count_lines(&twin, "reason=stuck"), 1);
    assert_int_equal(twin.finished[LEDGER_STUCK], 1);
    twin_run(&twin, 3000 * SECOND); /* it is no longer in the way */
    assert_int_equal(twin.sent_count, 2);
    twin_finish(&twin);
}

static void forbidden_overlap_asks_first(const char *status, int want_sent, int want_skipped)
{
    static struct twin twin;
    begin(&twin, "1m", ON_UNKNOWN_HOLD, 0, OVERLAP_FORBID);
    twin_accept(&twin, 0);
    twin.keeps_questions = false; /* till then it is running */
    twin_run(&twin, 45 * SECOND);
    twin.keeps_questions = true;
    twin_run(&twin, 16 * SECOND); /* the next slot, a second ago */
    assert_int_equal(twin.sent_count, 1);
    int n = twin_find(&twin, "DescribeTaskInfo");
    assert_true(n >= 0);
    twin_answer(&twin, n, status);
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin.sent_count, want_sent);
    assert_int_equal(twin_count_lines(&twin, "event=backup_skipped schedule=nightly "
                                             "instance=crs-a region=ap-guangzhou "
                                             "slot=2026-11-01T12:01:00Z reason=overlap"),
                     want_skipped);
    twin_finish(&twin);
}

static void an_earlier_backup_is_in_the_way(void **state)
{
    (void)state;
    forbidden_overlap_asks_first("\"Status\":\"running\"", 1, 1);
    forbidden_overlap_asks_first("\"Status\":\"succeed\"", 2, 0);
}

/* A dead host is not hammered, and nothing is lost by it. */
static void a_dead_host_gets_probes(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", "1h");
    for (int i = 0; i < 60; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "crs-i%03d", i);
        twin_add(config, schedule, id, NULL);
    }
    twin_start(&twin, config);
    int answered = 0;
    for (int i = 0; i < 1800; i++) {
        twin_run(&twin, SECOND / 10);
        for (; answered < twin.sent_count; answered++)
            twin_lose(&twin, answered, EXCHANGE_NOT_SENT);
    }
    assert_int_equal(twin_count_lines(&twin, "event=endpoint_down"), 1);
    assert_in_range(twin.sent_count, 10, 60); /* in three minutes; 3,000 without a breaker */
    for (int i = 0; i < 1200; i++) {
        twin_run(&twin, SECOND / 10);
        for (; answered < twin.sent_count; answered++)
            twin_accept(&twin, answered);
    }
    assert_int_equal(twin_count_lines(&twin, "event=endpoint_up"), 1);
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 60);
    twin_finish(&twin);
}

static bool is_down(const struct twin *twin)
{
    struct lane_now lane;
    assert_true(engine_lane_now(twin->engine, 0, &lane));
    return lane.is_down;
}

/* Nobody finds out whether it lives again while nothing is sent to it: nothing depends on it. */
static void a_dead_host_is_down_while_somebody_waits_for_it(void **state)
{
    (void)state;
    static struct twin twin;
    begin_within(&twin, ON_UNKNOWN_HOLD, 300);
    for (int second = 0; second < 400; second++) {
        for (int i = 0; i < twin.sent_count; i++)
            if (!twin.sent[i].answered)
                twin_lose(&twin, i, EXCHANGE_NOT_SENT);
        twin_run(&twin, SECOND);
        if (second == 200)
            assert_true(is_down(&twin));
    }
    assert_int_equal(twin.ended[LEDGER_FAILED], 1);
    assert_false(is_down(&twin));
    twin_finish(&twin);
}

/* What was sent `us` ago or longer is lost, or turned away where it asks. */
static void lose_old(struct twin *twin, int64_t us, bool gateway)
{
    const struct exchange lost = {.kind = EXCHANGE_LOST, .error = "silent", .date_second = -1};
    const struct exchange refused = {
        .kind = EXCHANGE_ANSWERED, .http_status = 502, .body = "", .date_second = -1};
    for (int i = 0; i < twin->sent_count; i++)
        if (!twin->sent[i].answered && wall_diff_us(twin->now.wall, twin->sent[i].at.wall) >= us) {
            if (gateway)
                twin_accept(twin, i);
            else
                twin_lose(twin, i, EXCHANGE_LOST);
        }
    int oldest = twin->asked_count > TWIN_SENT_MAX ? twin->asked_count - TWIN_SENT_MAX : 0;
    for (int i = oldest; i < twin->asked_count; i++) {
        struct twin_sent *asked = &twin->asked[i % TWIN_SENT_MAX];
        if (asked->answered || wall_diff_us(twin->now.wall, asked->at.wall) < us)
            continue;
        asked->answered = true;
        engine_file_outcome(twin->engine, asked->ticket, gateway ? &refused : &lost,
                            twin->now.mono);
        twin_step(twin);
    }
}

/* A clock that is set back makes no task young again: it is asked for as rarely as before. */
static void a_clock_set_back_does_not_hurry_questions(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, "12h", ON_UNKNOWN_HOLD, 0, OVERLAP_ALLOW);
    twin.keeps_questions = false; /* it is running */
    twin_accept(&twin, 0);
    twin_run(&twin, 600 * SECOND);
    int before = twin.asked_count;
    twin.now.wall = wall_add_us(twin.now.wall, -3000 * SECOND);
    twin_run(&twin, 600 * SECOND);
    assert_in_range(twin.asked_count - before, 1, 6);
    twin_finish(&twin);
}

/* Overdue by a clock that was ahead alone, and asked for in vain: not stuck before its time. */
static void a_grace_that_began_too_early_is_none(void **state)
{
    (void)state;
    static struct twin twin;
    begin_with_clock_ahead(&twin);
    for (int i = 0; i < 300; i++) {
        lose_old(&twin, 0, false);
        twin_run(&twin, SECOND);
    }
    assert_int_equal(twin.finished[LEDGER_STUCK], 0);
    assert_int_equal(engine_status(twin.engine).watched, 1);
    for (int i = 0; i < 1200; i++) {
        lose_old(&twin, 0, false);
        twin_run(&twin, SECOND);
    }
    assert_int_equal(twin.finished[LEDGER_STUCK], 1);
    twin_finish(&twin);
}

static void start_many(struct twin *twin)
{
    static char ids[60][16];
    twin_init(twin, NOON - 10);
    twin->keeps_questions = true;
    twin_make_durable(twin);
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", "12h");
    config->max_in_flight = 12;
    for (int i = 0; i < 60; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "crs-i%03d", i);
        twin_add(config, schedule, ids[i], NULL);
    }
    twin_start(twin, config);
    twin_run(twin, 10 * SECOND);
}

/* It takes connections and never answers: no more runs become doubtful by finding that out. */
static void a_silent_host_is_asked(void **state)
{
    (void)state;
    static struct twin twin;
    start_many(&twin);
    while (twin_count_lines(&twin, "event=endpoint_down") == 0) {
        twin_run(&twin, SECOND);
        lose_old(&twin, 30 * SECOND, false);
    }
    int sent = twin.sent_count;
    int asked = twin.asked_count;
    assert_in_range(sent, 8, 24);
    for (int i = 0; i < 1800; i++) {
        twin_run(&twin, SECOND);
        lose_old(&twin, 30 * SECOND, false);
    }
    assert_int_equal(twin.sent_count, sent);
    assert_in_range(twin.asked_count - asked, 20, 80); /* one at a time */
    assert_int_equal(engine_status(twin.engine).doubtful, sent);
    twin_finish(&twin);
}

/* A gateway turns questions away, and would let backups through. */
static void a_gateway_that_takes_backups_gets_them(void **state)
{
    (void)state;
    static struct twin twin;
    start_many(&twin);
    while (twin_count_lines(&twin, "event=endpoint_down") == 0) {
        twin_run(&twin, SECOND);
        lose_old(&twin, 30 * SECOND, false);
    }
    for (int i = 0; i < 1200; i++) {
        twin_run(&twin, SECOND);
        lose_old(&twin, 2 * SECOND, true);
    }
    assert_int_equal(twin.sent_count, 60);
    twin_finish(&twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_there_is_sent_again_after_the_settling_time),
        cmocka_unit_test(a_backup_with_the_tag_is_adopted),
        cmocka_unit_test(an_outage_makes_nothing_unknown),
        cmocka_unit_test(what_cannot_be_told_is_held_or_sent),
        cmocka_unit_test(what_cannot_be_told_in_time_is_unknown),
        cmocka_unit_test(resend_needs_no_answers),
        cmocka_unit_test(runs_of_one_second_have_tags_of_their_own),
        cmocka_unit_test(a_crash_leaves_a_doubt),
        cmocka_unit_test(a_clock_put_right_after_a_crash),
        cmocka_unit_test(a_window_is_one_that_the_api_takes),
        cmocka_unit_test(a_failed_task_is_tried_again_as_often_as_allowed),
        cmocka_unit_test(who_is_not_sent_again_is_looked_for),
        cmocka_unit_test(a_forsaken_attempt_stays_so),
        cmocka_unit_test(a_restart_knows_how_many_tasks_failed),
        cmocka_unit_test(a_restart_goes_on_watching),
        cmocka_unit_test(a_long_downtime_makes_nothing_stuck_unseen),
        cmocka_unit_test(an_overdue_watch_waits_for_its_turn),
        cmocka_unit_test(a_grace_ends_with_its_cause),
        cmocka_unit_test(a_clock_set_back_does_not_hurry_questions),
        cmocka_unit_test(a_grace_that_began_too_early_is_none),
        cmocka_unit_test(a_reopened_slot_takes_in_nobody),
        cmocka_unit_test(a_slot_that_is_not_gone_on_with_ends_whole),
        cmocka_unit_test(a_backup_that_does_not_end_is_stuck),
        cmocka_unit_test(an_earlier_backup_is_in_the_way),
        cmocka_unit_test(a_dead_host_gets_probes),
        cmocka_unit_test(a_dead_host_is_down_while_somebody_waits_for_it),
        cmocka_unit_test(a_silent_host_is_asked),
        cmocka_unit_test(a_gateway_that_takes_backups_gets_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
