/* Ledger in memory: durable at once, horizons by schedule and rule. */
#include "unit.h"

#include "ports/ledger_memory.h"

#include <stdio.h>

struct seen {
    uint64_t ticket;
    int outcome;
    int count;
};

static void on_recorded(void *context, uint64_t ticket, int outcome)
{
    struct seen *seen = context;
    *seen = (struct seen){ticket, outcome, seen->count + 1};
}

static void started_is_answered_at_once(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct ledger_memory *memory;
    const struct ledger_sink sink = {&seen, on_recorded};
    assert_int_equal(ledger_memory_create(&sink, &memory), 0);
    struct ledger ledger = ledger_memory_port(memory);
    struct ledger_entry entry = {
        .ticket = 42, .kind = LEDGER_STARTED, .schedule = "a", .instance = "crs-1"};
    assert_int_equal(ledger.append(ledger.context, &entry), 0);
    assert_int_equal(seen.ticket, 42);
    assert_int_equal(seen.outcome, 0);
    entry.kind = LEDGER_ENDED;
    assert_int_equal(ledger.append(ledger.context, &entry), 0);
    /* A slot's own entry has no ticket: nobody is told. */
    entry = (struct ledger_entry){
        .kind = LEDGER_STARTED, .schedule = "a", .instance = LEDGER_WHOLE_SLOT};
    assert_int_equal(ledger.append(ledger.context, &entry), 0);
    assert_int_equal(seen.count, 1);
    assert_false(ledger.durable);
    ledger_memory_destroy(memory);
}

static void horizons_are_kept_by_schedule_and_rule(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct ledger_memory *memory;
    const struct ledger_sink sink = {&seen, on_recorded};
    assert_int_equal(ledger_memory_create(&sink, &memory), 0);
    struct ledger ledger = ledger_memory_port(memory);
    struct wall slot = {-1};
    char name[32];
    assert_int_equal(ledger.horizon(ledger.context, "s1", "every 60s", &slot), LEDGER_NO_HORIZON);
    assert_int_equal(slot.us, -1);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 200; i++) {
            (void)snprintf(name, sizeof name, "s%d", i);
            ledger.set_horizon(ledger.context, name, "every 60s", (struct wall){round * 1000 + i});
        }
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof name, "s%d", i);
        assert_int_equal(ledger.horizon(ledger.context, name, "every 60s", &slot), 0);
        assert_int_equal(slot.us, 1000 + i);
    }
    assert_int_equal(ledger.horizon(ledger.context, "s7", "every 61s", &slot), LEDGER_OTHER_RULE);
    assert_int_equal(slot.us, 1007);
    ledger.set_horizon(ledger.context, "s7", "every 61s", (struct wall){5});
    assert_int_equal(ledger.horizon(ledger.context, "s7", "every 61s", &slot), 0);
    assert_int_equal(slot.us, 5);
    ledger_memory_destroy(memory);
    ledger_memory_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(started_is_answered_at_once),
        cmocka_unit_test(horizons_are_kept_by_schedule_and_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
