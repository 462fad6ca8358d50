/*
 * The ledger's twin: horizons, and the answers of one that is not durable. It answers at once,
 * after a while, or refuses; what it keeps outlives the engine of a restart. The log of a durable
 * one is in ledger_log.c.
 */
#include "sim/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ledger_find_schedule(const char *name)
{
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++)
        if (strcmp(world_schedule_name(i), name) == 0)
            return i;
    return -1;
}

size_t ledger_keep_pending(struct sim *sim, uint64_t ticket, const struct record *record)
{
    struct ledger_twin *ledger = &sim->ledger;
    if (ledger->count == ledger->capacity) {
        ledger->capacity = ledger->capacity == 0 ? 256 : ledger->capacity * 2;
        ledger->pending = reallocarray(ledger->pending, ledger->capacity, sizeof *ledger->pending);
        assert(ledger->pending != NULL);
    }
    ledger->pending[ledger->count] =
        (struct pending_record){ticket, (size_t)(record - sim->oracle.records)};
    return ledger->count++;
}

static void make_durable(struct sim *sim, size_t index)
{
    const struct pending_record *pending = &sim->ledger.pending[index];
    sim->oracle.records[pending->record].durable = pending->ticket;
}

/* -1 of an entry that has none. */
static int result_of(const struct ledger_entry *entry)
{
    switch (entry->kind) {
    case LEDGER_STARTED:
        return -1;
    case LEDGER_ENDED:
        return (int)entry->result;
    case LEDGER_FINISHED:
        return (int)entry->finish;
    }
    return -1;
}

/* A slot that was never opened is passed over; one that a start finds open ends. */
static bool is_passed(const struct ledger_twin *ledger, const struct ledger_entry *entry)
{
    if (entry->kind != LEDGER_ENDED
        || (entry->result != LEDGER_MISSED && entry->result != LEDGER_SKIPPED))
        return false;
    for (size_t i = 0; i < ledger->slot_count; i++)
        if (ledger->slots[i].open && ledger->slots[i].slot.us == entry->slot.us
            && ledger->slots[i].schedule == ledger_find_schedule(entry->schedule))
            return false;
    return true;
}

static int twin_append(void *context, const struct ledger_entry *entry)
{
    struct sim *sim = context;
    struct ledger_twin *ledger = &sim->ledger;
    sim->oracle.progress++;
    static const char *const kinds[] = {"started", "ended", "finished"};
    trace_line(&sim->trace, "ledger %s %s %s slot %lld attempt %d result %d task %lld",
               kinds[entry->kind], entry->schedule, entry->instance,
               (long long)(entry->slot.us / US_PER_SECOND), entry->attempt, result_of(entry),
               (long long)entry->task_id);
    bool whole = strcmp(entry->instance, LEDGER_WHOLE_SLOT) == 0;
    struct record *record = NULL;
    if (whole && is_passed(ledger, entry)) {
        if (planted == PLANT_UNKEPT_PASSED)
            return 0;
        oracle_slot_passed(&sim->oracle, entry->schedule, entry->slot,
                           entry->result == LEDGER_SKIPPED);
    }
    if (!whole) {
        record = oracle_find(&sim->oracle, entry->schedule, entry->instance, entry->slot);
        if (record == NULL)
            return -EINVAL;
        oracle_entry(&sim->oracle, record, entry);
    }
    if (sim->world.durable)
        return ledger_log_append(sim, entry, record);
    if (dice_chance(&ledger->dice, sim->faults->ledger_refuses)) {
        oracle_entry_refused(&sim->oracle);
        return -ENOSPC;
    }
    if (whole || entry->kind != LEDGER_STARTED)
        return 0;
    size_t index = ledger_keep_pending(sim, entry->ticket, record);
    int outcome = dice_chance(&ledger->dice, sim->faults->ledger_fails) ? -EIO : 0;
    int64_t after = dice_range(&ledger->dice, 0, sim->faults->ledger_max_us) * NS_PER_US;
    if (planted == PLANT_UNRECORDED && after > 0)
        engine_file_recorded(sim->engine, entry->ticket, 0);
    if (after == 0)
        ledger_recorded(sim, index, outcome);
    else
        clock_push(&sim->clock, sim->clock.now + after, EVENT_RECORDED, index, outcome);
    return 0;
}

void ledger_recorded(struct sim *sim, uint64_t index, int outcome)
{
    if (index < sim->ledger.first)
        return;
    trace_line(&sim->trace, "recorded %llx %d",
               (unsigned long long)sim->ledger.pending[index].ticket, outcome);
    if (outcome == 0)
        make_durable(sim, index);
    engine_file_recorded(sim->engine, sim->ledger.pending[index].ticket, outcome);
}

static int twin_horizon(void *context, const char *schedule, const char *rule, struct wall *ret)
{
    struct sim *sim = context;
    const struct kept_horizon *kept = &sim->ledger.horizons[ledger_find_schedule(schedule)];
    if (!kept->known)
        return LEDGER_NO_HORIZON;
    *ret = kept->slot;
    return strcmp(sim->ledger.rules[kept->rule_text], rule) == 0 ? 0 : LEDGER_OTHER_RULE;
}

static int keep_rule(struct ledger_twin *ledger, const char *rule)
{
    for (int i = 0; i < ledger->rule_count; i++)
        if (strcmp(ledger->rules[i], rule) == 0)
            return i;
    assert(ledger->rule_count < RULES_KEPT_MAX);
    (void)snprintf(ledger->rules[ledger->rule_count], sizeof ledger->rules[0], "%s", rule);
    return ledger->rule_count++;
}

static void twin_set_horizon(void *context, const char *schedule, const char *rule,
                             struct wall slot)
{
    struct sim *sim = context;
    int index = ledger_find_schedule(schedule);
    sim->oracle.progress++;
    trace_line(&sim->trace, "horizon %s %lld", schedule, (long long)(slot.us / US_PER_SECOND));
    const struct kept_horizon horizon = {
        .known = true,
        .slot = slot,
        .rule_text = keep_rule(&sim->ledger, rule),
        .rule = oracle_horizon(&sim->oracle, schedule, rule, slot),
    };
    sim->ledger.horizons[index] = horizon;
    if (sim->world.durable)
        ledger_log_horizon(sim, index, &horizon);
}

struct ledger ledger_port(struct sim *sim)
{
    return (struct ledger){.context = sim,
                           .durable = sim->world.durable,
                           .append = twin_append,
                           .horizon = twin_horizon,
                           .set_horizon = twin_set_horizon,
                           .recorded = sim->world.durable ? ledger_log_recorded : NULL,
                           .unended = ledger_log_unended,
                           .scan = ledger_log_scan,
                           .unfinished = ledger_log_unfinished,
                           .set_pause = sim->world.durable ? ledger_log_set_pause : NULL,
                           .pauses = sim->world.durable ? ledger_log_pauses : NULL};
}

void ledger_finish(struct ledger_twin *ledger)
{
    free(ledger->pending);
    free(ledger->log);
    free(ledger->slots);
    ledger->pending = NULL;
    ledger->log = NULL;
    ledger->slots = NULL;
}
