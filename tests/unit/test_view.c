/* The view: what entries make of it, what a reload and a restart keep, and its sums. */
#include "unit.h"

#include "engine/view.h"

#include <stdio.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define HOUR INT64_C(3600)

static struct wall at(int64_t second)
{
    return wall_from_seconds(NOON + second);
}

static void add(struct config *config, const char *name, const char *const *ids)
{
    struct schedule *schedule;
    assert_int_equal(config_add_schedule(config, &schedule), 0);
    schedule->name = name;
    schedule->when = (struct recurrence){
        .kind = RECURRENCE_EVERY, .zone = zone_utc(), .period_us = HOUR * US_PER_SECOND};
    schedule->start_within_us = HOUR / 2 * US_PER_SECOND;
    uint32_t host;
    assert_int_equal(config_add_host(config, "http://127.0.0.1:1/", &host), 0);
    for (; *ids != NULL; ids++) {
        struct instance *instance;
        assert_int_equal(config_add_instance(config, schedule, &instance), 0);
        *instance = (struct instance){.id = *ids, .region = "r", .remark = "", .host = host};
    }
}

static struct config *two_schedules(void)
{
    struct config *config;
    assert_int_equal(config_create(&config), 0);
    add(config, "a", (const char *const[]){"crs-1", "crs-2", "crs-3", NULL});
    add(config, "b", (const char *const[]){"crs-2", NULL});
    assert_int_equal(config_freeze(config), 0);
    return config;
}

static struct ledger_entry entry_of(const char *schedule, const char *instance, int64_t slot)
{
    return (struct ledger_entry){.schedule = schedule,
                                 .instance = instance,
                                 .slot = at(slot),
                                 .at = at(slot + 1),
                                 .attempt = 1};
}

static void started(struct view *view, const char *schedule, const char *instance, int64_t slot)
{
    struct ledger_entry e = entry_of(schedule, instance, slot);
    e.kind = LEDGER_STARTED;
    view_take(view, &e);
}

static void ended(struct view *view, const char *schedule, const char *instance, int64_t slot,
                  enum ledger_result result)
{
    struct ledger_entry e = entry_of(schedule, instance, slot);
    e.kind = LEDGER_ENDED;
    e.result = result;
    view_take(view, &e);
}

static void finished(struct view *view, const char *schedule, const char *instance, int64_t slot,
                     enum ledger_finish finish)
{
    struct ledger_entry e = entry_of(schedule, instance, slot);
    e.kind = LEDGER_FINISHED;
    e.finish = finish;
    e.at = at(slot + 100);
    view_take(view, &e);
}

static void a_slot_is_counted(void **state)
{
    (void)state;
    struct config *config = two_schedules();
    struct view *view;
    assert_int_equal(view_create(config, NULL, at(0), &view), 0);
    struct view_schedule sums = view_schedule(view, 0, at(0));
    assert_int_equal(sums.last_slot.us, 0);
    assert_int_equal(sums.never_good, 3);
    assert_int_equal(sums.overdue, 0);
    assert_int_equal(sums.max_age_us, (HOUR + HOUR / 2 + HOUR) * US_PER_SECOND);

    started(view, "a", "crs-1", 10);
    started(view, "a", "crs-2", 10);
    ended(view, "a", "crs-1", 10, LEDGER_SUBMITTED);
    ended(view, "a", "crs-2", 10, LEDGER_FAILED);
    sums = view_schedule(view, 0, at(20));
    assert_int_equal(sums.last_slot.us, at(10).us);
    assert_int_equal(sums.last[VIEW_SUBMITTED], 1);
    assert_int_equal(sums.last[VIEW_FAILED], 1);
    assert_int_equal(sums.last[VIEW_NONE], 1);
    finished(view, "a", "crs-1", 10, LEDGER_SUCCEEDED);
    sums = view_schedule(view, 0, at(20));
    assert_int_equal(sums.last[VIEW_SUCCEEDED], 1);
    assert_int_equal(sums.last[VIEW_SUBMITTED], 0);
    assert_int_equal(sums.never_good, 2);
    assert_int_equal(sums.oldest, 0);
    assert_int_equal(sums.oldest_good_at.us, at(110).us);

    /* The other schedule's member of the same name knows nothing of it. */
    assert_int_equal(view_member(view, 1, 0, at(20)).outcome, VIEW_NONE);
    /* A new slot counts anew. A late end of the old one still makes a backup good. */
    started(view, "a", "crs-3", 20);
    finished(view, "a", "crs-2", 10, LEDGER_SUCCEEDED);
    sums = view_schedule(view, 0, at(20));
    assert_int_equal(sums.last[VIEW_OPEN], 1);
    assert_int_equal(sums.last[VIEW_NONE], 2);
    assert_int_equal(sums.last[VIEW_SUCCEEDED], 0);
    assert_int_equal(sums.never_good, 1);
    view_destroy(view);
    config_unref(config);
}

static void an_operators_run_is_no_slot(void **state)
{
    (void)state;
    struct config *config = two_schedules();
    struct view *view;
    assert_int_equal(view_create(config, NULL, at(0), &view), 0);
    started(view, "a", "crs-1", 10);
    ended(view, "a", "crs-1", 10, LEDGER_SUBMITTED);
    struct ledger_entry order = entry_of("a", "crs-1", 15);
    order.kind = LEDGER_STARTED;
    order.run_kind = LEDGER_KIND_OPERATOR;
    view_take(view, &order);
    ended(view, "a", "crs-1", 15, LEDGER_SUBMITTED);
    finished(view, "a", "crs-1", 15, LEDGER_TASK_FAILED);
    finished(view, "a", "crs-1", 10, LEDGER_SUCCEEDED);
    struct view_schedule sums = view_schedule(view, 0, at(20));
    assert_int_equal(sums.last_slot.us, at(10).us);
    assert_int_equal(sums.last[VIEW_SUCCEEDED], 1);
    assert_int_equal(sums.last[VIEW_NONE], 2);
    struct view_member member = view_member(view, 0, 0, at(20));
    assert_int_equal(member.outcome, VIEW_FAILED);
    assert_int_equal(member.slot.us, at(15).us);
    assert_int_equal(member.good_at.us, at(110).us);
    view_destroy(view);
    config_unref(config);
}

static void age(void **state)
{
    (void)state;
    const int64_t most = HOUR + HOUR / 2 + HOUR;
    struct config *config = two_schedules();
    struct view *view;
    assert_int_equal(view_create(config, NULL, at(0), &view), 0);
    started(view, "a", "crs-1", 10);
    finished(view, "a", "crs-1", 10, LEDGER_SUCCEEDED); /* at 110 */
    assert_int_equal(view_schedule(view, 0, at(most)).overdue, 0);
    assert_int_equal(view_schedule(view, 0, at(most + 1)).overdue, 2);
    assert_int_equal(view_schedule(view, 0, at(most + 1)).never_overdue, 2);
    assert_int_equal(view_schedule(view, 0, at(most + 110)).overdue, 2);
    assert_int_equal(view_schedule(view, 0, at(most + 111)).overdue, 3);
    assert_true(view_member(view, 0, 0, at(most + 111)).overdue);
    assert_false(view_member(view, 0, 0, at(most + 110)).overdue);
    view_destroy(view);
    config_unref(config);
}

/* Also what comes while the new view is prepared. */
static void a_reload_keeps_who_stays(void **state)
{
    (void)state;
    struct config *config = two_schedules();
    struct view *old;
    struct view *view;
    assert_int_equal(view_create(config, NULL, at(0), &old), 0);
    started(old, "a", "crs-1", 10);
    started(old, "a", "crs-3", 10);
    struct config *next;
    assert_int_equal(config_create(&next), 0);
    add(next, "c", (const char *const[]){"crs-1", NULL});
    add(next, "a", (const char *const[]){"crs-3", "crs-9", NULL});
    assert_int_equal(config_freeze(next), 0);
    assert_int_equal(view_prepare(next, old, at(1000), &view), 0);
    ended(old, "a", "crs-3", 10, LEDGER_SUBMITTED);
    finished(old, "a", "crs-3", 10, LEDGER_SUCCEEDED);
    view_begin(view, old);
    view_destroy(old);
    config_unref(config);
    struct view_schedule sums = view_schedule(view, 1, at(1000));
    assert_int_equal(sums.last_slot.us, at(10).us);
    assert_int_equal(sums.last[VIEW_SUCCEEDED], 1);
    assert_int_equal(sums.last[VIEW_OPEN], 0);
    assert_int_equal(sums.last[VIEW_NONE], 1);
    assert_int_equal(sums.never_good, 1);
    assert_int_equal(view_member(view, 1, 0, at(1000)).good_at.us, at(110).us);
    assert_int_equal(view_member(view, 1, 1, at(1000)).since.us, at(1000).us);
    assert_int_equal(view_member(view, 0, 0, at(1000)).outcome, VIEW_NONE);
    ended(view, "b", "crs-2", 20, LEDGER_FAILED); /* of nobody any more */
    ended(view, "a", "*", 20, LEDGER_MISSED);
    assert_int_equal(view_schedule(view, 1, at(1000)).last_slot.us, at(10).us);
    view_destroy(view);
    config_unref(next);
}

static void the_past_fills_up(void **state)
{
    (void)state;
    struct config *config = two_schedules();
    struct view *view;
    assert_int_equal(view_create(config, NULL, at(0), &view), 0);
    started(view, "a", "crs-1", 10);
    const struct view_past past = {.outcome = VIEW_SUCCEEDED,
                                   .slot = at(-HOUR),
                                   .scheduled = VIEW_SUCCEEDED,
                                   .scheduled_slot = at(-HOUR),
                                   .good_at = at(-HOUR + 60)};
    const struct view_past never = {.outcome = VIEW_FAILED,
                                    .slot = at(10),
                                    .scheduled = VIEW_FAILED,
                                    .scheduled_slot = at(10),
                                    .first = at(-24 * HOUR)};
    view_restore(view, 0, &past);
    view_restore(view, 1, &never);
    struct view_schedule sums = view_schedule(view, 0, at(20));
    assert_int_equal(sums.last_slot.us, at(10).us);
    assert_int_equal(sums.last[VIEW_OPEN], 1);
    assert_int_equal(sums.last[VIEW_FAILED], 1);
    assert_int_equal(sums.oldest_good_at.us, at(-HOUR + 60).us);
    assert_int_equal(sums.never_overdue, 1);
    assert_int_equal(view_member(view, 0, 0, at(20)).outcome, VIEW_OPEN);
    assert_int_equal(view_member(view, 0, 1, at(20)).since.us, at(-24 * HOUR).us);
    /* Older than what is known: nothing changes. */
    finished(view, "a", "crs-1", 10, LEDGER_SUCCEEDED);
    view_restore(view, 0, &past);
    assert_int_equal(view_member(view, 0, 0, at(20)).good_at.us, at(110).us);
    assert_int_equal(view_member(view, 0, 0, at(20)).outcome, VIEW_SUCCEEDED);
    view_destroy(view);
    config_unref(config);
}

static void thousands_are_found(void **state)
{
    (void)state;
    static char ids[5000][16];
    static const char *list[COUNT(ids) + 1];
    struct config *config;
    struct view *view;
    for (size_t i = 0; i < COUNT(ids); i++) {
        (void)snprintf(ids[i], sizeof ids[i], "crs-%zu", i);
        list[i] = ids[i];
    }
    assert_int_equal(config_create(&config), 0);
    add(config, "a", list);
    add(config, "b", list);
    assert_int_equal(config_freeze(config), 0);
    assert_int_equal(view_create(config, NULL, at(0), &view), 0);
    for (uint32_t i = 0; i < COUNT(ids); i++) {
        uint32_t schedule;
        uint32_t instance;
        assert_int_equal(view_find(view, "b", ids[i], &schedule, &instance), 0);
        assert_true(schedule == 1 && instance == i);
        assert_int_equal(view_number(view, schedule, instance), COUNT(ids) + i);
    }
    uint32_t none;
    assert_int_equal(view_find(view, "b", "crs-x", &none, &none), VIEW_UNKNOWN_NAME);
    assert_int_equal(view_find(view, "c", "crs-1", &none, &none), VIEW_UNKNOWN_NAME);
    view_destroy(view);
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_is_counted),
        cmocka_unit_test(an_operators_run_is_no_slot),
        cmocka_unit_test(age),
        cmocka_unit_test(a_reload_keeps_who_stays),
        cmocka_unit_test(the_past_fills_up),
        cmocka_unit_test(thousands_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
