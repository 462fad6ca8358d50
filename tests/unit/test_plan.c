/* Plan: horizons over starts and reloads, and what is to be done with slots that have passed. */
#include "unit.h"

#include "engine/plan.h"

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND
#define AHEAD (2 * SECOND)

/* A ledger for one schedule. */
struct kept {
    bool known;
    struct wall slot;
    int sets;
};

static int get_horizon(void *context, const char *schedule, const char *rule, struct wall *ret)
{
    (void)rule;
    const struct kept *kept = context;
    (void)schedule;
    if (!kept->known)
        return 1;
    *ret = kept->slot;
    return 0;
}

static void set_horizon(void *context, const char *schedule, const char *rule, struct wall slot)
{
    (void)rule;
    struct kept *kept = context;
    (void)schedule;
    *kept = (struct kept){true, slot, kept->sets + 1};
}

static struct ledger ledger_of(struct kept *kept)
{
    return (struct ledger){.context = kept, .horizon = get_horizon, .set_horizon = set_horizon};
}

static struct wall at(int64_t second)
{
    return (struct wall){(NOON + second) * SECOND};
}

static struct config *config_of(const char *name, const char *text, int64_t period_s)
{
    struct config *config;
    struct schedule *schedule;
    assert_int_equal(config_create(&config), 0);
    assert_int_equal(config_add_schedule(config, &schedule), 0);
    schedule->name = name;
    schedule->when_text = text;
    schedule->when.period_us = period_s * SECOND;
    schedule->start_within_us = 30 * SECOND;
    assert_int_equal(config_freeze(config), 0);
    return config;
}

static struct plan *plan_of(const struct config *config, const struct plan *old, struct kept *kept,
                            int64_t second)
{
    const struct ledger ledger = ledger_of(kept);
    struct plan *plan;
    assert_int_equal(plan_create(config, old, &ledger, at(second), &plan), 0);
    return plan;
}

struct row {
    int64_t now; /* s after noon, where the schedule of every 60 s was at its horizon */
    bool catches_up;
    bool paused;
    bool due;
    enum plan_kind kind;
    int64_t slot;
    int64_t missed;
};

static const struct row rows[] = {
    {57, true, false, false, PLAN_OPEN, 0, 0},
    {58, true, false, true, PLAN_OPEN, 60, 0},
    {60, true, false, true, PLAN_OPEN, 60, 0},
    {65, false, false, true, PLAN_OPEN, 60, 0}, /* in the grace */
    {66, false, false, true, PLAN_MISSED, 60, 0},
    {66, true, false, true, PLAN_CATCH_UP, 60, 0},
    {89, true, false, true, PLAN_CATCH_UP, 60, 0},
    {90, true, false, true, PLAN_MISSED, 60, 0},
    {118, true, false, true, PLAN_MISSED, 60, 0}, /* and the next one is due after it */
    {121, true, false, true, PLAN_OPEN, 120, 1},
    {130, true, false, true, PLAN_CATCH_UP, 120, 1},
    {6000, true, false, true, PLAN_OPEN, 6000, 99},
    {6050, true, false, true, PLAN_MISSED, 6000, 99},
    {60, true, true, true, PLAN_PAUSED, 60, 0},
    {6050, true, true, true, PLAN_PAUSED, 6000, 99},
    {-86400, true, false, false, PLAN_OPEN, 0, 0}, /* set back: nothing repeats */
};

static void late_slots_are_decided(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct row *row = &rows[i];
        struct kept kept = {.known = true, .slot = at(0)};
        struct config *config = config_of("nightly", "1m", 60);
        config->schedules[0].catch_up = row->catches_up ? CATCH_UP_ONCE : CATCH_UP_NONE;
        config->schedules[0].paused = row->paused;
        struct plan *plan = plan_of(config, NULL, &kept, row->now);
        struct plan_due due;
        assert_int_equal(plan_peek(plan, at(row->now), AHEAD, &due), row->due);
        if (row->due) {
            assert_int_equal(due.kind, row->kind);
            assert_int_equal(due.slot.at.us, at(row->slot).us);
            assert_int_equal(due.missed, row->missed);
            if (due.missed > 0)
                assert_int_equal(due.missed_first.us, at(60).us);
            const struct ledger ledger = ledger_of(&kept);
            plan_advance(plan, &due, &ledger);
            assert_int_equal(kept.slot.us, at(row->slot).us);
            assert_int_equal(plan_next_slot(plan).us, at(row->slot + 60).us);
        }
        plan_destroy(plan);
        config_unref(config);
    }
}

static void a_first_start_begins_now_and_is_kept(void **state)
{
    (void)state;
    struct kept kept = {.known = false};
    struct config *config = config_of("nightly", "1m", 60);
    struct plan *plan = plan_of(config, NULL, &kept, 30);
    assert_int_equal(kept.sets, 0); /* not in force yet */
    assert_int_equal(plan_next_slot(plan).us, at(60).us);
    const struct ledger ledger = ledger_of(&kept);
    plan_settle(plan, at(30), &ledger);
    assert_int_equal(kept.slot.us, at(30).us);
    plan_destroy(plan);

    plan = plan_of(config, NULL, &kept, 100); /* after a stop */
    struct plan_due due;
    assert_true(plan_peek(plan, at(80), AHEAD, &due));
    assert_int_equal(due.kind, PLAN_CATCH_UP);
    plan_settle(plan, at(100), &ledger);
    assert_int_equal(kept.sets, 1); /* it goes on: nothing to keep */
    plan_destroy(plan);
    config_unref(config);
}

struct reload {
    const char *name;
    const char *text;
    int64_t period_s;
    int64_t now;
    int64_t next; /* the next slot after the reload; the horizon was at 60 */
    int sets;
};

static const struct reload reloads[] = {
    {"nightly", "1m", 60, 100, 120, 0},  /* the same rule: from the horizon */
    {"nightly", "1m", 60, 200, 120, 0},  /* a slot has passed and is still to be decided */
    {"nightly", "20s", 20, 110, 120, 1}, /* another rule: from now */
    {"nightly", "20s", 20, 58, 80, 1},   /* but not behind what is open */
    {"other", "20s", 20, 110, 120, 1},   /* a new schedule */
};

static void a_reload_keeps_or_begins_anew(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(reloads); i++) {
        struct kept kept = {.known = true, .slot = at(60)};
        struct config *config = config_of("nightly", "1m", 60);
        struct plan *old = plan_of(config, NULL, &kept, 58);
        struct config *changed = config_of(reloads[i].name, reloads[i].text, reloads[i].period_s);
        struct kept none = {.known = false};
        struct plan *plan = plan_of(changed, old, &none, reloads[i].now);
        assert_int_equal(plan_next_slot(plan).us, at(reloads[i].next).us);
        const struct ledger ledger = ledger_of(&none);
        plan_settle(plan, at(reloads[i].now), &ledger);
        assert_int_equal(none.sets, reloads[i].sets);
        plan_destroy(plan);
        plan_destroy(old);
        config_unref(changed);
        config_unref(config);
    }
}

static void slots_come_in_the_order_of_their_instants(void **state)
{
    (void)state;
    static const int64_t periods[] = {7, 60, 1, 13, 60, 3600};
    struct config *config;
    assert_int_equal(config_create(&config), 0);
    static const char *const names[] = {"f", "a", "e", "c", "b", "d"};
    for (size_t i = 0; i < COUNT(periods); i++) {
        struct schedule *schedule;
        assert_int_equal(config_add_schedule(config, &schedule), 0);
        schedule->name = names[i];
        schedule->when.period_us = periods[i] * SECOND;
    }
    assert_int_equal(config_freeze(config), 0);
    struct kept kept = {.known = false};
    const struct ledger ledger = ledger_of(&kept);
    struct plan *plan = plan_of(config, NULL, &kept, 0);
    int64_t count = 0;
    struct wall last = at(0);
    struct plan_due due;
    for (int64_t second = 0; second <= 7200; second++) {
        while (plan_peek(plan, at(second), 0, &due)) {
            assert_true(due.slot.at.us >= last.us && due.missed == 0);
            last = due.slot.at;
            count++;
            plan_advance(plan, &due, &ledger);
        }
    }
    /* Multiples since 1970, of which noon is one of each period but 7 and 13. */
    assert_int_equal(count, 7200 + 120 + 120 + 2 + ((NOON + 7200) / 7 - NOON / 7)
                                + ((NOON + 7200) / 13 - NOON / 13));
    plan_destroy(plan);
    config_unref(config);
}

static void an_empty_config_is_never_due(void **state)
{
    (void)state;
    struct config *config;
    assert_int_equal(config_create(&config), 0);
    assert_int_equal(config_freeze(config), 0);
    struct kept kept = {.known = false};
    struct plan *plan = plan_of(config, NULL, &kept, 0);
    struct plan_due due;
    assert_false(plan_peek(plan, at(0), INT64_MAX, &due));
    assert_int_equal(plan_next_slot(plan).us, WALL_NEVER.us);
    plan_destroy(plan);
    plan_destroy(NULL);
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_slots_are_decided),
        cmocka_unit_test(a_first_start_begins_now_and_is_kept),
        cmocka_unit_test(a_reload_keeps_or_begins_anew),
        cmocka_unit_test(slots_come_in_the_order_of_their_instants),
        cmocka_unit_test(an_empty_config_is_never_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
