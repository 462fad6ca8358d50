/* Lookup: what two lists of the cloud say of an attempt whose answer was lost, by table. */
#include "unit.h"

#include "engine/lookup.h"

#include <string.h>

#define SENT INT64_C(1793534400)
#define SETTLE_US (60 * US_PER_SECOND)
#define PATIENCE_US (LOOKUP_PATIENCE * SETTLE_US)
#define LIST_MAX 6

/* Starts are seconds from the send. */
struct row {
    const char *what;
    struct listed_task tasks[LIST_MAX];
    struct listed_backup backups[LIST_MAX];
    enum lookup_result result;
    int64_t task;       /* of LANDED */
    int64_t task_total; /* where it is not the list's length */
    int64_t backup_total;
};

#define TASK(number, at)              \
    {                                 \
        .id = (number), .start = (at) \
    }
#define OTHERS(at)                                 \
    {                                              \
        .start = (at), .status = 2, .manual = true \
    }
#define AUTOMATIC(at)              \
    {                              \
        .start = (at), .status = 2 \
    }
#define OURS(at)                                                   \
    {                                                              \
        .start = (at), .status = 1, .manual = true, .tagged = true \
    }

static const struct row rows[] = {
    {"nothing", {{0}}, {{0}}, LOOKUP_NOT_THERE, 0, 0, 0},
    {"ours", {TASK(22, 1)}, {OURS(1)}, LOOKUP_LANDED, 22, 0, 0},
    {"a task alone", {TASK(22, 1)}, {{0}}, LOOKUP_AGAIN, 0, 0, 0},
    {"somebody else's", {TASK(11, 1)}, {OTHERS(1)}, LOOKUP_NOT_THERE, 0, 0, 0},

    /* Backups begin a while after their tasks. */
    {"a neighbour's short one before",
     {TASK(22, 5), TASK(11, 0)},
     {OURS(9), OTHERS(3)},
     LOOKUP_LANDED,
     22,
     0,
     0},
    {"a neighbour's short one behind",
     {TASK(33, 9), TASK(22, 1)},
     {OTHERS(12), OURS(8)},
     LOOKUP_LANDED,
     22,
     0,
     0},
    {"a neighbour's backup before our task", {TASK(22, 5)}, {OTHERS(3)}, LOOKUP_AGAIN, 0, 0, 0},
    {"a stamp is rounded down", {TASK(22, 5)}, {OURS(4)}, LOOKUP_LANDED, 22, 0, 0},
    {"our task is not listed yet", {TASK(11, 0)}, {OURS(9), OTHERS(3)}, LOOKUP_AGAIN, 0, 0, 0},

    /* What stood there before the send accounts for nothing since. */
    {"a neighbour's, begun 70 s before",
     {TASK(22, 1), TASK(11, -70)},
     {OTHERS(-70)},
     LOOKUP_AGAIN,
     0,
     0,
     0},
    {"a neighbour's whose task is a minute older than its backup",
     {TASK(11, -100)},
     {OTHERS(-40)},
     LOOKUP_NOT_THERE,
     0,
     0,
     0},
    {"a task of long ago", {TASK(11, -61)}, {{0}}, LOOKUP_NOT_THERE, 0, 0, 0},

    /* Manual backups alone have manual tasks. */
    {"an automatic one before", {TASK(22, 1)}, {AUTOMATIC(-80)}, LOOKUP_AGAIN, 0, 0, 0},
    {"an automatic one at once", {TASK(22, 1)}, {AUTOMATIC(1)}, LOOKUP_AGAIN, 0, 0, 0},

    /* Lists that are not whole. */
    {"a task is withheld", {{0}}, {{0}}, LOOKUP_AGAIN, 0, 1, 0},
    {"a backup is withheld", {{0}}, {{0}}, LOOKUP_AGAIN, 0, 0, 1},
    {"a short page", {TASK(11, 1)}, {OTHERS(1)}, LOOKUP_AGAIN, 0, 2, 1},
    {"a short page of backups", {TASK(11, 1)}, {OTHERS(1)}, LOOKUP_AGAIN, 0, 1, 30},
    {"ours on a short page", {TASK(22, 1)}, {OURS(1)}, LOOKUP_LANDED, 22, 5, 5},
};

static struct doubt doubt;

static int64_t since_send(int64_t start)
{
    return SENT + start;
}

static void take_lists(const struct row *row)
{
    static struct task_page tasks;
    static struct backup_page backups;
    tasks = (struct task_page){0};
    backups = (struct backup_page){0};
    for (; tasks.count < LIST_MAX && row->tasks[tasks.count].id != 0; tasks.count++) {
        tasks.list[tasks.count] = row->tasks[tasks.count];
        tasks.list[tasks.count].start = since_send(row->tasks[tasks.count].start);
    }
    for (; backups.count < LIST_MAX && row->backups[backups.count].status != 0; backups.count++) {
        backups.list[backups.count] = row->backups[backups.count];
        backups.list[backups.count].start = since_send(row->backups[backups.count].start);
    }
    tasks.total = row->task_total > 0 ? row->task_total : tasks.count;
    backups.total = row->backup_total > 0 ? row->backup_total : backups.count;
    assert_false(lookup_take_tasks(&doubt, &tasks));
    assert_false(lookup_take_backups(&doubt, &backups));
}

/* The second of two looks, both begun after the settling time. */
static void what_two_looks_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct row *row = &rows[i];
        enum lookup_result result = LOOKUP_AGAIN;
        int64_t task = 0;
        doubt = (struct doubt){.patience_us = PATIENCE_US, .sent_s = SENT};
        for (int look = 0; look < 2 && result == LOOKUP_AGAIN; look++) {
            struct mono now = {(61 + look) * NS_PER_SECOND};
            lookup_begin(&doubt, now, SENT, SENT + 60);
            take_lists(row);
            result = lookup_judge(&doubt, SETTLE_US, now, &task);
        }
        if (result != row->result || (result == LOOKUP_LANDED && task != row->task))
            fail_msg("%s: %d, task %d", row->what, (int)result, (int)task);
    }
}

static struct task_page *page_of(uint32_t count, int64_t total, int64_t first)
{
    static struct task_page page;
    page = (struct task_page){.count = count, .total = total};
    for (uint32_t i = 0; i < count; i++)
        page.list[i] = (struct listed_task){.id = first - i, .start = SENT, .failed = true};
    return &page;
}

/* Two pages of tasks that failed: nothing is there where both of them are whole. */
static enum lookup_result two_pages(uint32_t second, int64_t total, int64_t total_then)
{
    static const struct backup_page none;
    struct mono now = {61 * NS_PER_SECOND};
    int64_t task;
    doubt = (struct doubt){.patience_us = PATIENCE_US, .sent_s = SENT, .looks = 1, .empty = 1};
    lookup_begin(&doubt, now, SENT, SENT + 60);
    assert_true(lookup_take_tasks(&doubt, page_of(LISTING_PAGE, total, 500)));
    assert_int_equal(doubt.offset, LISTING_PAGE);
    assert_false(lookup_take_tasks(&doubt, page_of(second, total_then, 400)));
    assert_int_equal(doubt.offset, 0);
    assert_false(lookup_take_backups(&doubt, &none));
    return lookup_judge(&doubt, SETTLE_US, now, &task);
}

static void pages_make_a_whole_list(void **state)
{
    (void)state;
    assert_int_equal(two_pages(30, 130, 130), LOOKUP_NOT_THERE);
    assert_int_equal(two_pages(29, 130, 130), LOOKUP_AGAIN);
    assert_int_equal(two_pages(0, 130, 130), LOOKUP_AGAIN);
    assert_int_equal(two_pages(31, 130, 131), LOOKUP_AGAIN); /* one came in between */
}

/* The clock of the host was ahead, and is put right while it is looked for. */
static void the_cut_only_falls(void **state)
{
    (void)state;
    static const struct row ours = {"ours", {TASK(22, -600)}, {{0}}, LOOKUP_AGAIN, 0, 0, 0};
    struct mono now = {61 * NS_PER_SECOND};
    int64_t task;
    doubt = (struct doubt){.patience_us = PATIENCE_US, .sent_s = INT64_MAX};
    lookup_begin(&doubt, now, SENT - 600, SENT);
    take_lists(&ours);
    assert_int_equal(lookup_judge(&doubt, SETTLE_US, now, &task), LOOKUP_AGAIN);
    for (int i = 0; i < 3; i++) {
        lookup_begin(&doubt, now, SENT, SENT);
        take_lists(&ours);
        assert_int_equal(lookup_judge(&doubt, SETTLE_US, now, &task), LOOKUP_AGAIN);
    }
}

/* Tasks are listed for a month: what is not seen of those before is not known not to be there. */
static void tasks_of_long_ago_are_not_listed(void **state)
{
    (void)state;
    static const struct row nothing = {"", {{0}}, {{0}}, LOOKUP_AGAIN, 0, 0, 0};
    static const struct row tagged = {"", {{0}}, {OURS(1)}, LOOKUP_LANDED, 0, 0, 0};
    struct mono now = {61 * NS_PER_SECOND};
    for (int days = 28; days <= 31; days++) {
        enum lookup_result result = LOOKUP_AGAIN;
        int64_t task;
        doubt = (struct doubt){.patience_us = PATIENCE_US, .sent_s = INT64_MAX};
        for (int i = 0; i < 4; i++) {
            lookup_begin(&doubt, now, SENT, SENT + days * SECONDS_PER_DAY);
            take_lists(&nothing);
            result = lookup_judge(&doubt, SETTLE_US, now, &task);
        }
        assert_int_equal(result, days < 29 ? LOOKUP_NOT_THERE : LOOKUP_AGAIN);
        doubt = (struct doubt){.patience_us = PATIENCE_US, .sent_s = INT64_MAX};
        for (int i = 0; i < 4; i++) {
            lookup_begin(&doubt, now, SENT, SENT + days * SECONDS_PER_DAY);
            take_lists(&tagged);
            result = lookup_judge(&doubt, SETTLE_US, now, &task);
        }
        assert_int_equal(result, LOOKUP_LANDED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_two_looks_say),
        cmocka_unit_test(pages_make_a_whole_list),
        cmocka_unit_test(the_cut_only_falls),
        cmocka_unit_test(tasks_of_long_ago_are_not_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
