/* Listing: what the reading actions answer, by table. */
#include "unit.h"

#include "base/listing.h"

#include <stdio.h>
#include <string.h>

static struct exchange answer(const char *body)
{
    return (struct exchange){.kind = EXCHANGE_ANSWERED,
                             .http_status = 200,
                             .body = body,
                             .body_length = strlen(body),
                             .date_second = -1};
}

struct task_row {
    const char *body;
    enum verdict_class class;
    enum task_state state;
    const char *message;
};

static const struct task_row task_rows[] = {
    {"{\"Response\":{\"Status\":\"preparing\",\"RequestId\":\"r\"}}", VERDICT_ACCEPTED,
     TASK_RUNNING, ""},
    {"{\"Response\":{\"Status\":\"running\",\"TaskMessage\":null}}", VERDICT_ACCEPTED, TASK_RUNNING,
     ""},
    {"{\"Response\":{\"Status\":\"succeed\"}}", VERDICT_ACCEPTED, TASK_SUCCEEDED, ""},
    {"{\"Response\":{\"Status\":\"failed\",\"TaskMessage\":\"no\\ndisk\"}}", VERDICT_ACCEPTED,
     TASK_FAILED, "no disk"},
    {"{\"Response\":{\"Status\":\"error\"}}", VERDICT_ACCEPTED, TASK_FAILED, ""},
    {"{\"Response\":{\"Status\":\"somewhat\"}}", VERDICT_ACCEPTED, TASK_RUNNING, ""},
    {"{\"Response\":{\"RequestId\":\"r\"}}", VERDICT_AMBIGUOUS, 0, ""},
    {"{\"Response\":{\"Status\":7}}", VERDICT_AMBIGUOUS, 0, ""},
    {"{\"Response\":{\"Status\":\"succeed\",\"Status\":\"failed\"}}", VERDICT_AMBIGUOUS, 0, ""},
    {"{\"Response\":{\"Error\":{\"Code\":\"RequestLimitExceeded\",\"Message\":\"m\"}}}",
     VERDICT_THROTTLED, 0, ""},
    {"{\"Response\":{\"Error\":{\"Code\":\"UnauthorizedOperation.NoCAMAuthed\",\"Message\":\"m\"}}"
     "}",
     VERDICT_FINAL, 0, ""},
    {"<html>", VERDICT_AMBIGUOUS, 0, ""},
};

static void a_task_by_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(task_rows); i++) {
        struct exchange exchange = answer(task_rows[i].body);
        struct task_info info;
        struct verdict verdict;
        listing_judge_task(&exchange, &info, &verdict);
        assert_int_equal(verdict.class, task_rows[i].class);
        if (verdict.class != VERDICT_ACCEPTED)
            continue;
        assert_int_equal(info.state, task_rows[i].state);
        assert_string_equal(info.message, task_rows[i].message);
    }
}

static void stamps_are_utc_plus_8(void **state)
{
    (void)state;
    char stamp[LISTING_STAMP_MAX];
    assert_string_equal(listing_stamp(1793534400, stamp), "2026-11-01 20:00:00");
    struct exchange exchange =
        answer("{\"Response\":{\"TotalCount\":5,\"Tasks\":["
               "{\"TaskId\":\"77\",\"StartTime\":\"2026-11-01 20:00:00\",\"Result\":2},"
               "{\"TaskId\":78,\"StartTime\":\"2026-02-30 20:00:00\",\"Result\":4},"
               "{\"TaskId\":79,\"StartTime\":\"\",\"Result\":1},"
               "{\"TaskId\":80,\"StartTime\":null,\"Result\":1},"
               "{\"TaskId\":81,\"StartTime\":\"2026-11-01T20:00:00\",\"Result\":1}]}}");
    struct task_page page;
    struct verdict verdict;
    listing_judge_tasks(&exchange, &page, &verdict);
    assert_int_equal(verdict.class, VERDICT_ACCEPTED);
    assert_int_equal(page.count, 5);
    assert_int_equal(page.list[0].id, 77);
    assert_int_equal(page.list[0].start, 1793534400);
    assert_false(page.list[0].failed);
    assert_true(page.list[1].failed);
    for (int i = 1; i < 5; i++)
        assert_int_equal(page.list[i].start, LISTING_NO_TIME);
}

static void a_list_that_misses_one_is_no_list(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"Response\":{\"Tasks\":[]}}",
        "{\"Response\":{\"TotalCount\":-1,\"Tasks\":[]}}",
        "{\"Response\":{\"TotalCount\":1}}",
        "{\"Response\":{\"TotalCount\":1,\"Tasks\":{}}}",
        "{\"Response\":{\"TotalCount\":1,\"Tasks\":[{\"TaskId\":1}]}}",
        "{\"Response\":{\"TotalCount\":1,\"Tasks\":[7]}}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct exchange exchange = answer(bodies[i]);
        struct task_page page;
        struct verdict verdict;
        listing_judge_tasks(&exchange, &page, &verdict);
        assert_int_equal(verdict.class, VERDICT_AMBIGUOUS);
    }
    static char many[LISTING_PAGE * 40 + 200];
    int at = snprintf(many, sizeof many, "{\"Response\":{\"TotalCount\":101,\"Tasks\":[");
    for (int i = 0; i <= LISTING_PAGE; i++)
        at += snprintf(many + at, sizeof many - (size_t)at, "%s{\"TaskId\":%d,\"Result\":1}",
                       i > 0 ? "," : "", i + 1);
    (void)snprintf(many + at, sizeof many - (size_t)at, "]}}");
    struct exchange exchange = answer(many);
    struct task_page page;
    struct verdict verdict;
    listing_judge_tasks(&exchange, &page, &verdict);
    assert_int_equal(verdict.class, VERDICT_AMBIGUOUS);
}

static void backups_tell_whether_anybody_asked_for_them(void **state)
{
    (void)state;
    struct exchange exchange = answer("{\"Response\":{\"TotalCount\":5,\"BackupSet\":["
                                      "{\"BackupType\":\"0\",\"Status\":2},"
                                      "{\"BackupType\":0,\"Status\":2},"
                                      "{\"BackupType\":\"1\",\"Status\":2},"
                                      "{\"BackupType\":\"\",\"Status\":2},"
                                      "{\"Status\":2}]}}");
    struct backup_page page;
    struct verdict verdict;
    listing_judge_backups(&exchange, "tag-1", &page, &verdict);
    assert_int_equal(verdict.class, VERDICT_ACCEPTED);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(page.list[i].manual, i < 2);
}

static void backups_tell_their_tag(void **state)
{
    (void)state;
    struct exchange exchange =
        answer("{\"Response\":{\"TotalCount\":4,\"BackupSet\":["
               "{\"StartTime\":\"2026-11-01 20:00:00\",\"Status\":1,\"Remark\":\"ours tag-1\"},"
               "{\"StartTime\":\"2026-11-01 20:00:00\",\"Status\":2,\"Remark\":\"tag-2\"},"
               "{\"StartTime\":\"2026-11-01 20:00:00\",\"Status\":2,\"Remark\":\"tag-1 ou\"},"
               "{\"StartTime\":\"2026-11-01 20:00:00\",\"Status\":-1,\"Remark\":null}]}}");
    struct backup_page page;
    struct verdict verdict;
    listing_judge_backups(&exchange, "tag-1", &page, &verdict);
    assert_int_equal(verdict.class, VERDICT_ACCEPTED);
    assert_int_equal(page.count, 4);
    assert_true(page.list[0].tagged && page.list[2].tagged); /* before its text, or behind it */
    assert_true(!page.list[1].tagged && !page.list[3].tagged);
    assert_int_equal(page.list[3].status, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_by_table),
        cmocka_unit_test(stamps_are_utc_plus_8),
        cmocka_unit_test(a_list_that_misses_one_is_no_list),
        cmocka_unit_test(backups_tell_whether_anybody_asked_for_them),
        cmocka_unit_test(backups_tell_their_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
