/* Move: an endpoint that is dead is mended in the file, in the middle of a slot. */
#include "unit.h"

#include "engine/members.h"
#include "engine_twin.h"

#include <stdio.h>
#include <string.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND
#define HOUR (3600 * SECOND)
#define A "https://a.example.com/"
#define B "https://b.example.com/"
#define C "https://c.example.com/"

static struct twin twin;

/* Two instances, each at its host. */
static struct config *at(const char *first, const char *second)
{
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "hourly", "1h");
    schedule->overlap = OVERLAP_FORBID;
    schedule->start_within_us = HOUR / 2;
    schedule->complete_within_us = 24 * HOUR;
    twin_add(config, schedule, "crs-a", first);
    twin_add(config, schedule, "crs-b", second);
    return config;
}

static void begin(struct config *config)
{
    twin_init(&twin, NOON - 10);
    twin.keeps_questions = true;
    twin_start(&twin, config);
    twin_run(&twin, 10 * SECOND + SECOND / 2);
}

static int sent_to(const char *url)
{
    int count = 0;
    for (int i = 0; i < twin.sent_count; i++)
        count += strcmp(twin.sent[i].url, url) == 0;
    return count;
}

static int asked_at(const char *url, const char *action)
{
    int count = 0;
    for (int i = 0; i < twin.asked_count && i < TWIN_SENT_MAX; i++)
        count += strcmp(twin.asked[i].url, url) == 0 && strcmp(twin.asked[i].action, action) == 0;
    return count;
}

static void answer_question(int n)
{
    bool is_task = strcmp(twin.asked[n % TWIN_SENT_MAX].action, "DescribeTaskInfo") == 0;
    twin_answer(&twin, n,
                is_task ? "\"Status\":\"succeed\""
                        : "\"TotalCount\":0,\"Tasks\":[],\"BackupSet\":[]");
}

/* A is dead, every other host answers. */
static void live(int64_t us)
{
    for (int64_t passed = 0; passed < us; passed += SECOND) {
        twin_run(&twin, SECOND);
        for (int i = 0; i < twin.sent_count; i++)
            if (!twin.sent[i].answered && strcmp(twin.sent[i].url, A) == 0)
                twin_lose(&twin, i, EXCHANGE_NOT_SENT);
            else if (!twin.sent[i].answered)
                twin_accept(&twin, i);
        int oldest = twin.asked_count > TWIN_SENT_MAX ? twin.asked_count - TWIN_SENT_MAX : 0;
        for (int i = oldest; i < twin.asked_count; i++)
            if (!twin.asked[i % TWIN_SENT_MAX].answered
                && strcmp(twin.asked[i % TWIN_SENT_MAX].url, A) == 0)
                twin_lose_question(&twin, i, EXCHANGE_NOT_SENT);
            else if (!twin.asked[i % TWIN_SENT_MAX].answered)
                answer_question(i);
    }
}

/* Their ends are asked for where the file has them now, and the next slots run. */
static void backups_that_run_are_followed_elsewhere(void **state)
{
    (void)state;
    begin(at(A, A));
    twin_accept(&twin, 0);
    twin_accept(&twin, 1);
    live(600 * SECOND);
    assert_int_equal(twin.finished[LEDGER_SUCCEEDED], 0);
    twin_reload(&twin, at(B, B));
    live(600 * SECOND);
    assert_int_equal(twin.finished[LEDGER_SUCCEEDED], 2);
    live(HOUR);
    assert_int_equal(sent_to(B), 2);
    assert_int_equal(twin_count_lines(&twin, "event=backup_missed"), 0);
    twin_finish(&twin);
}

/* Those that wait for another attempt, and those that have had none, each to its own new host. */
static void what_is_to_be_sent_goes_elsewhere(void **state)
{
    (void)state;
    begin(at(A, A));
    live(300 * SECOND);
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 0);
    int before = sent_to(A);
    twin_reload(&twin, at(B, C));
    live(120 * SECOND);
    assert_int_equal(sent_to(A), before);
    assert_true(sent_to(B) == 1 && sent_to(C) == 1);
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 2);
    twin_finish(&twin);
}

static struct config *many(const char *url, int count)
{
    static char ids[200][16];
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "hourly", "1h");
    for (int i = 0; i < count; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "crs-i%03d", i);
        twin_add(config, schedule, ids[i], url != NULL ? url : i % 3 == 0 ? B : i % 3 == 1 ? C : A);
    }
    return config;
}

/* Of a slot that is only begun a third goes to each of two hosts, and a third stays. */
static void members_part(void **state)
{
    (void)state;
    begin(many(A, 150));
    live(60 * SECOND);
    twin_reload(&twin, many(NULL, 150));
    live(60 * SECOND);
    assert_true(sent_to(B) == 50 && sent_to(C) == 50);
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 100);
    assert_int_equal(engine_status(twin.engine).waiting, 50);
    twin_reload(&twin, many(B, 150));
    live(60 * SECOND);
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 150);
    for (int i = 0; i < 150; i++) {
        char id[16];
        int accepted = 0;
        (void)snprintf(id, sizeof id, "crs-i%03d", i);
        for (int n = 0; n < twin.sent_count; n++)
            accepted += strcmp(twin.sent[n].url, A) != 0 && strstr(twin.sent[n].body, id) != NULL;
        assert_int_equal(accepted, 1);
    }
    twin_finish(&twin);
}

/* A lost reply is looked for elsewhere, from the start; a reply on its way is waited for. */
static void what_is_in_doubt_is_looked_for_elsewhere(void **state)
{
    (void)state;
    begin(at(A, A));
    twin_lose(&twin, 0, EXCHANGE_LOST);
    twin_run(&twin, 2 * SECOND); /* a question is out, at A */
    assert_int_equal(asked_at(A, "DescribeTaskList"), 1);
    twin_reload(&twin, at(B, B));
    twin_lose(&twin, 1, EXCHANGE_LOST);
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(asked_at(B, "DescribeTaskList"), 2);
    answer_question(0); /* too late: it is nobody's */
    live(200 * SECOND); /* not there: sent again */
    assert_int_equal(asked_at(A, "DescribeInstanceBackups"), 0);
    assert_true(sent_to(A) == 2 && sent_to(B) == 2);
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 2);
    twin_finish(&twin);
}

/* It stood in the middle of a list, of which the other host knows nothing. */
static void a_look_begins_again_elsewhere(void **state)
{
    (void)state;
    begin(at(A, A));
    twin_accept(&twin, 1);
    twin_lose(&twin, 0, EXCHANGE_LOST);
    twin_run(&twin, 2 * SECOND);
    int n = twin_find(&twin, "DescribeTaskList");
    assert_true(n >= 0 && strstr(twin.asked[n].body, "\"Offset\":0,") != NULL);
    twin_answer(&twin, n,
                "\"TotalCount\":150,\"Tasks\":[{\"TaskId\":7,\"Progress\":100,\"Result\":4}]");
    twin_run(&twin, SECOND);
    n = twin_find(&twin, "DescribeTaskList");
    assert_true(n >= 0 && strstr(twin.asked[n].body, "\"Offset\":100,") != NULL);
    twin_reload(&twin, at(B, B));
    twin_run(&twin, SECOND);
    n = twin_find(&twin, "DescribeTaskList");
    assert_true(n >= 0 && strcmp(twin.asked[n].url, B) == 0);
    assert_non_null(strstr(twin.asked[n].body, "\"Offset\":0,"));
    twin_finish(&twin);
}

static bool is_known(const char *host)
{
    struct lane_now lane;
    for (uint32_t n = 0; engine_lane_now(twin.engine, n, &lane); n++)
        if (strcmp(lane.host, host) == 0)
            return true;
    return false;
}

/* Nothing is left at a host that the file does not have: it is forgotten by the next reload. */
static void a_host_without_anybody_is_forgotten(void **state)
{
    (void)state;
    begin(at(A, A));
    twin_accept(&twin, 0);
    twin_accept(&twin, 1);
    twin_reload(&twin, at(B, B));
    live(5 * SECOND);
    assert_true(is_known("a.example.com"));
    twin_reload(&twin, at(B, B));
    assert_false(is_known("a.example.com"));
    twin_finish(&twin);
}

/* An instance is of one region: a backup that was begun in another is followed there. */
static void another_region_is_another_place(void **state)
{
    (void)state;
    begin(at(A, A));
    twin_accept(&twin, 0);
    struct config *config = at(B, B);
    for (int i = 0; i < 2; i++)
        config->schedules[0].instances[i].region = "ap-shanghai";
    twin_reload(&twin, config);
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(asked_at(A, "DescribeTaskInfo"), 1);
    assert_int_equal(asked_at(B, "DescribeTaskInfo"), 0);
    twin_finish(&twin);
}

/* It was out of the file for a while. */
static void who_comes_back_goes_elsewhere_too(void **state)
{
    (void)state;
    begin(at(A, A));
    twin_accept(&twin, 0);
    twin_accept(&twin, 1);
    struct config *config = twin_config();
    twin_add(config, twin_every(config, "hourly", "1h"), "crs-b", A);
    twin_reload(&twin, config);
    twin_reload(&twin, at(B, A));
    live(60 * SECOND);
    assert_int_equal(twin.finished[LEDGER_SUCCEEDED], 1);
    assert_int_equal(asked_at(B, "DescribeTaskInfo"), 1);
    twin_finish(&twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backups_that_run_are_followed_elsewhere),
        cmocka_unit_test(what_is_to_be_sent_goes_elsewhere),
        cmocka_unit_test(members_part),
        cmocka_unit_test(what_is_in_doubt_is_looked_for_elsewhere),
        cmocka_unit_test(a_look_begins_again_elsewhere),
        cmocka_unit_test(a_host_without_anybody_is_forgotten),
        cmocka_unit_test(another_region_is_another_place),
        cmocka_unit_test(who_comes_back_goes_elsewhere_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
