/* What a member is at: waiting in a slot of the plan, in an operator's run, or in both. */
#include "unit.h"

#include "engine/members.h"
#include "engine/orders.h"
#include "engine_twin.h"

#include <string.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND

static struct wall ordered; /* the slot of the newest order */

/* Every hour, within half an hour of it. */
static struct config *three(void)
{
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "hourly", "1h");
    schedule->overlap = OVERLAP_FORBID;
    schedule->spread_us = 1800 * SECOND;
    schedule->start_within_us = 1800 * SECOND;
    twin_add(config, schedule, "crs-a", NULL);
    twin_add(config, schedule, "crs-b", "http://127.0.0.1:2/");
    twin_add(config, schedule, "crs-c", NULL);
    return config;
}

static void begin(struct twin *twin, int64_t second)
{
    twin_init(twin, second);
    twin_make_durable(twin);
    twin_start(twin, three());
    twin_run(twin, 5 * SECOND);
}

static void order(struct twin *twin, const uint32_t *instances, uint32_t count)
{
    ordered = engine_order_slot(twin->engine, twin->now);
    assert_int_equal(engine_order(twin->engine, ordered, 0, instances, count, NULL), 0);
    twin_step(twin);
}

static struct member_now look(const struct twin *twin, uint32_t instance)
{
    struct members_open open = {.last = {0}};
    engine_members_open(twin->engine, &open);
    return engine_member_now(twin->engine, 0, instance, &open);
}

static void assert_waits(const struct twin *twin, uint32_t instance, struct wall slot)
{
    struct member_now now = look(twin, instance);
    assert_string_equal(member_state_name(now.state), "waiting");
    assert_int_equal(now.slot.us, slot.us);
    assert_int_equal(now.is_order, slot.us == ordered.us);
}

static void assert_state(const struct twin *twin, uint32_t instance, const char *state)
{
    assert_string_equal(member_state_name(look(twin, instance).state), state);
}

/* Without keys nobody has a run yet. */
static void those_that_an_order_names_wait(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, NOON + 60);
    twin.keys_gone = true;
    order(&twin, (const uint32_t[]){2, 1}, 2);
    assert_state(&twin, 0, "idle");
    assert_waits(&twin, 1, ordered);
    assert_waits(&twin, 2, ordered);
    twin_run(&twin, SECOND);
    assert_int_equal(look(&twin, 1).obstacle, MEMBER_NO_KEYS);
    twin.keys_gone = false;
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    assert_state(&twin, 0, "idle");
    assert_state(&twin, 1, "in_flight");
    int b = strstr(twin.sent[0].body, "crs-b") != NULL ? 0 : 1;
    twin_accept(&twin, b);
    twin_refuse(&twin, 1 - b, "InvalidParameter", -1);
    twin_run(&twin, SECOND);
    assert_state(&twin, 1, "running");
    assert_state(&twin, 2, "idle");
    twin_finish(&twin);
}

static void all_wait_in_an_order_for_all(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, NOON + 60);
    twin.keys_gone = true;
    order(&twin, NULL, 0);
    for (uint32_t i = 0; i < 3; i++)
        assert_waits(&twin, i, ordered);
    twin.keys_gone = false;
    twin_run(&twin, 5 * SECOND);
    assert_int_equal(twin.sent_count, 3);
    for (int i = 0; i < 3; i++)
        twin_refuse(&twin, i, "InvalidParameter", -1);
    twin_run(&twin, SECOND);
    for (uint32_t i = 0; i < 3; i++)
        assert_state(&twin, i, "idle");
    twin_finish(&twin);
}

/* An order comes and goes while the members wait for their instants in the slot. */
static void who_waits_in_the_plan_still_does_after_an_order(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, NOON - 20);
    twin_run(&twin, 20 * SECOND);
    assert_int_equal(twin.sent_count, 0);
    for (uint32_t i = 0; i < 3; i++)
        assert_waits(&twin, i, wall_from_seconds(NOON));
    order(&twin, (const uint32_t[]){0}, 1);
    twin_run(&twin, 2 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    assert_state(&twin, 0, "in_flight");
    twin_refuse(&twin, 0, "InvalidParameter", -1);
    twin_run(&twin, SECOND);
    for (uint32_t i = 0; i < 3; i++)
        assert_waits(&twin, i, wall_from_seconds(NOON));
    twin_run(&twin, 1800 * SECOND);
    assert_int_equal(twin.sent_count, 4);
    for (uint32_t i = 0; i < 3; i++)
        assert_state(&twin, i, "in_flight");
    twin_finish(&twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_that_an_order_names_wait),
        cmocka_unit_test(all_wait_in_an_order_for_all),
        cmocka_unit_test(who_waits_in_the_plan_still_does_after_an_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
