/* Inquiries: whose turn it is where places are few. */
#include "unit.h"

#include "engine_twin.h"

#include <stdio.h>
#include <string.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND

static int count_asked(const struct twin *twin, const char *action)
{
    int count = 0;
    for (int i = 0; i < twin->asked_count && i < TWIN_SENT_MAX; i++)
        count += strcmp(twin->asked[i].action, action) == 0;
    return count;
}

static void answer_all(struct twin *twin)
{
    static const char *const answers[][2] = {
        {"DescribeTaskInfo", "\"Status\":\"running\""},
        {"DescribeTaskList", "\"TotalCount\":0,\"Tasks\":[]"},
        {"DescribeInstanceBackups", "\"TotalCount\":0,\"BackupSet\":[]"}};
    for (int i = 0, count = twin->asked_count; i < count; i++) {
        const struct twin_sent *asked = &twin->asked[i % TWIN_SENT_MAX];
        for (size_t j = 0; !asked->answered && j < COUNT(answers); j++)
            if (strcmp(asked->action, answers[j][0]) == 0)
                twin_answer(twin, i, answers[j][1]);
    }
}

/* More tasks are to be asked for than there are places; one backup's reply is lost. */
static void a_lost_reply_is_looked_for_among_many_tasks(void **state)
{
    (void)state;
    static struct twin twin;
    static char ids[120][16];
    twin_init(&twin, NOON - 10);
    twin.keeps_questions = true;
    struct config *config = twin_config();
    config->max_in_flight = 2;
    struct schedule *schedule = twin_every(config, "nightly", "12h");
    for (int i = 0; i < 120; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "crs-i%03d", i);
        twin_add(config, schedule, ids[i], NULL);
    }
    twin_start(&twin, config);
    twin_run(&twin, 10 * SECOND);
    for (int i = 0; i < 300 && twin.sent_count < 120; i++) {
        twin_run(&twin, SECOND / 10);
        for (int n = 0; n < twin.sent_count; n++)
            if (!twin.sent[n].answered && n != 50)
                twin_accept(&twin, n);
            else if (!twin.sent[n].answered)
                twin_lose(&twin, n, EXCHANGE_LOST);
        answer_all(&twin);
    }
    for (int second = 0; second < 100; second++) {
        twin_run(&twin, SECOND);
        answer_all(&twin);
    }
    assert_true(count_asked(&twin, "DescribeTaskInfo") > 50);
    assert_true(count_asked(&twin, "DescribeTaskList") > 1);
    assert_int_equal(twin_count_lines(&twin, "event=backup_retry"), 1); /* it is not there */
    twin_finish(&twin);
}

/* All places are taken by backups that wait for them, for long; an answer takes a second. */
static void questions_get_places(int32_t places)
{
    static struct twin twin;
    static char ids[60][16];
    twin_init(&twin, NOON - 10);
    twin.keeps_questions = true;
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", "12h");
    config->max_in_flight = places;
    for (int i = 0; i < 60; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "crs-i%03d", i);
        twin_add(config, schedule, ids[i], NULL);
    }
    twin_start(&twin, config);
    twin_run(&twin, 10 * SECOND);
    for (int second = 0; second < 14; second++) {
        twin_run(&twin, SECOND);
        for (int i = 0; i < twin.sent_count; i++)
            if (!twin.sent[i].answered
                && wall_diff_us(twin.now.wall, twin.sent[i].at.wall) >= SECOND / 2)
                twin_accept(&twin, i);
        for (int n; (n = twin_find(&twin, "DescribeTaskInfo")) >= 0;)
            twin_answer(&twin, n, "\"Status\":\"succeed\"");
    }
    assert_in_range(twin.sent_count, 10 * places, 59);
    assert_true(twin.finished[LEDGER_SUCCEEDED] >= 3);
    twin_finish(&twin);
}

static void backups_leave_places_to_questions(void **state)
{
    (void)state;
    questions_get_places(1);
    questions_get_places(4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_reply_is_looked_for_among_many_tasks),
        cmocka_unit_test(backups_leave_places_to_questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
