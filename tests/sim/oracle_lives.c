/*
 * See oracle.h: a process with a durable ledger that dies and starts again. What counts is what its
 * log still has when it is gone; what a start owes follows from it:
 *
 *   begun, not ended        said to be unknown at once, then looked for
 *   its attempt did nothing due again, or skipped where it has left the file
 *   nothing                 due again; leaves nothing behind where it has left the file
 *   ended                   over for good
 */
#include "sim/oracle_internal.h"

#define AHEAD_US (3605 * US_PER_SECOND) /* a horizon that went back stays there */

void oracle_again(struct oracle *oracle, struct record *record)
{
    if (record->in_flight || record->acts > 0 || record->told_ledger >= 0)
        oracle_break(oracle, RULE_ONCE, "%s %d: due again, but it has acted or is over",
                     world_schedule_name(record->schedule), record->instance);
    record->may_have_acted = false;
    record->waits = true;
}

void oracle_acted(struct oracle *oracle, size_t number, int64_t task_id, bool fails)
{
    struct record *record = &oracle->records[number];
    record->acted_task = task_id;
    record->acted_at = oracle->clock->now;
    record->acts += fails ? 0 : 1;
    if (record->acts > 1)
        oracle_break(oracle, RULE_ONCE, "%s %d: the slot %lld is backed up twice",
                     world_schedule_name(record->schedule), record->instance,
                     (long long)record->slot.us);
}

/* ---- gone ---- */

static bool has_slot(const struct oracle *oracle, const struct record *r)
{
    for (size_t i = oracle->slot_count; i-- > 0;)
        if (oracle->slots[i].slot.us == r->slot.us && oracle->slots[i].schedule == r->schedule)
            return true;
    return false;
}

static void forget(struct oracle *oracle, struct record *r, const struct kept_horizon *horizon,
                   bool crashed)
{
    const char *name = world_schedule_name(r->schedule);
    if (!has_slot(oracle, r)) {
        r->unborn = true;
        if (horizon->known && horizon->slot.us >= r->slot.us)
            oracle_break(oracle, RULE_ACCOUNT, "%s %d: the slot %lld is lost", name, r->instance,
                         (long long)r->slot.us);
        return;
    }
    if (!crashed && r->kept == KEPT_STARTED && !r->refused && !r->may_have_acted)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: drained, but its attempt has no end", name,
                     r->instance);
    if (r->kept != KEPT_STARTED && r->kept != KEPT_ENDED && r->may_have_acted)
        oracle_break(oracle, RULE_ONCE, "%s %d: sent, and the ledger does not know", name,
                     r->instance);
    r->told_ledger = r->told_journal = r->kept == KEPT_ENDED ? r->kept_result : -1;
    r->in_flight = false;
    r->waits = false;
    r->durable = 0;
}

void oracle_gone(struct oracle *oracle, const struct kept_horizon *horizons,
                 struct kept_slot *slots, size_t slot_count, bool crashed)
{
    oracle->slots = slots;
    oracle->slot_count = slot_count;
    for (size_t i = 0; i < oracle->record_count; i++) {
        struct record *r = &oracle->records[i];
        if (!r->unborn)
            forget(oracle, r, &horizons[r->schedule], crashed);
    }
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++) {
        struct watched_schedule *s = &oracle->schedules[i];
        s->in_ledger = horizons[i].known;
        s->kept_horizon = horizons[i].slot;
        s->recorded_last = (struct wall){INT64_MIN};
        s->kept_rule = horizons[i].rule;
    }
    oracle->open_count = 0;
    oracle->in_flight = 0;
    oracle->refused_at = INT64_MIN / 2;
    oracle->draining = false;
    oracle->pending_switch = false;
    oracle->idle_turns = 0;
}

/* ---- back ---- */

static void owe(struct oracle *oracle, struct record *r)
{
    oracle->open[oracle->open_count++] = (size_t)(r - oracle->records);
}

/* Attempts without end, whatever became of their schedule. */
static void owe_unknown(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->record_count; i++) {
        struct record *r = &oracle->records[i];
        if (r->unborn || r->kept != KEPT_STARTED)
            continue;
        r->must_be_unknown = true;
        r->may_have_acted = true;
        r->accepted = false;
        oracle_renew_record(oracle, r);
        owe(oracle, r);
    }
}

static void resume_member(struct oracle *oracle, int schedule, int instance, struct wall slot,
                          bool is_there)
{
    struct record *r = oracle_known(oracle, schedule, instance, slot);
    enum kept_state kept = r == NULL ? KEPT_NOTHING : r->kept;
    if (kept == KEPT_STARTED || kept == KEPT_ENDED)
        return;
    if (is_there) {
        struct record was = {.kept = KEPT_NOTHING};
        if (r != NULL)
            was = *r;
        oracle_open_record(oracle, schedule, instance, slot);
        r = oracle_known(oracle, schedule, instance, slot);
        r->kept = kept;
        r->refused = was.refused;
        r->acts = was.acts;
        r->acted_task = was.acted_task;
        r->acted_at = was.acted_at;
    } else if (kept == KEPT_AGAIN) {
        r->must_be_skipped = true;
        r->accepted = false;
        owe(oracle, r);
    }
}

static void resume_slot(struct oracle *oracle, struct kept_slot *kept)
{
    const struct generation *g = &oracle->world->generations[oracle->generation];
    const struct plan_of_schedule *plan = &g->schedules[kept->schedule];
    struct watched_schedule *s = &oracle->schedules[kept->schedule];
    struct wall now = clock_sample(oracle->clock).wall;
    bool lies_ahead = wall_diff_us(kept->slot, now) > AHEAD_US;
    if (!lies_ahead && wall_before(s->horizon, kept->slot)) {
        s->horizon = kept->slot;
        if (plan->present)
            s->next = oracle_next_slot(s, s->horizon);
    }
    kept->awaits_line = !plan->present || plan->paused;
    for (int i = 0; i < oracle->world->instance_count && !kept->awaits_line; i++)
        resume_member(oracle, kept->schedule, i, kept->slot, plan->has[i]);
}

void oracle_resuming(struct oracle *oracle)
{
    oracle->resuming = true;
    if (oracle->quiet_at != INT64_MAX) /* the quiet time is that of this life */
        oracle_quiet(oracle);
    owe_unknown(oracle);
    for (size_t i = 0; i < oracle->slot_count; i++)
        if (oracle->slots[i].open)
            resume_slot(oracle, &oracle->slots[i]);
}

bool oracle_told_whole(struct oracle *oracle, int schedule, struct wall slot, bool skipped)
{
    for (size_t i = 0; oracle->resuming && skipped && i < oracle->slot_count; i++) {
        struct kept_slot *kept = &oracle->slots[i];
        if (!kept->awaits_line || kept->schedule != schedule || kept->slot.us != slot.us)
            continue;
        kept->awaits_line = false;
        return true;
    }
    return false;
}

void oracle_check_resumed(struct oracle *oracle)
{
    oracle->resuming = false;
    for (size_t i = 0; i < oracle->open_count; i++) {
        const struct record *r = &oracle->records[oracle->open[i]];
        if (r->must_be_unknown || r->must_be_skipped)
            oracle_break(oracle, RULE_ACCOUNT, "%s %d: a start says nothing of the slot %lld",
                         world_schedule_name(r->schedule), r->instance, (long long)r->slot.us);
    }
    for (size_t i = 0; i < oracle->slot_count; i++)
        if (oracle->slots[i].awaits_line)
            oracle_break(oracle, RULE_ACCOUNT, "%s: a start says nothing of the slot %lld",
                         world_schedule_name(oracle->slots[i].schedule),
                         (long long)oracle->slots[i].slot.us);
}
