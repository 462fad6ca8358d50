/*
 * Slots: what the plan says is due is opened, one batch a group; what has waited too long is ended.
 */
#include "base/civil.h"
#include "base/text.h"
#include "engine/engine_internal.h"

#define MISSED_LINES_MAX 10 /* passed slots with a line of their own; the rest share one */

/* A slot that is decided without being opened: the record comes before the horizon that passes it,
 * and for a ledger that does not take it the line is all there is. */
static int record_unopened(struct engine *engine, const struct plan_due *due, struct wall slot,
                           const char *reason)
{
    const struct ledger_entry entry = {
        .kind = LEDGER_ENDED,
        .schedule = due->schedule->name,
        .instance = LEDGER_WHOLE_SLOT,
        .region = "",
        .slot = slot,
        .run_kind = LEDGER_KIND_SCHEDULE,
        .result = due->kind == PLAN_PAUSED ? LEDGER_SKIPPED : LEDGER_MISSED,
        .code = "",
        .message = reason,
        .request_id = "",
        .at = engine->now.wall,
    };
    return engine_record(engine, &entry);
}

static void tell_unopened(struct engine *engine, const struct plan_due *due, struct wall slot,
                          const char *reason)
{
    report_slot_not_run(&engine->ports.journal,
                        due->kind == PLAN_PAUSED ? "backup_skipped" : "backup_missed",
                        due->schedule, slot, reason);
}

static void end_unopened(struct engine *engine, const struct plan_due *due, struct wall slot,
                         const char *reason)
{
    (void)!record_unopened(engine, due, slot, reason);
    tell_unopened(engine, due, slot, reason);
}

/* So many of the schedule's slots are passed over as a whole. */
static void count_slots(struct engine *engine, const struct plan_due *due, uint64_t slots)
{
    bool paused = due->kind == PLAN_PAUSED;
    engine_count(engine, due->schedule->name, paused ? COUNTERS_SKIPPED : COUNTERS_MISSED,
                 slots * due->schedule->instance_count);
    if (!paused)
        counters_missed_slots(&engine->counters, due->schedule->name, slots);
}

static const char *why_passed(struct engine *engine, const struct plan_due *due, struct wall slot)
{
    const char *why = due->kind == PLAN_PAUSED ? NULL : engine_why_passed(engine, slot);
    return why != NULL ? why : due->kind == PLAN_PAUSED ? "paused" : "passed";
}

/* Those without a line of their own: the first of them stands in the ledger for all. */
static int record_rest(struct engine *engine, const struct plan_due *due)
{
    char words[REPLY_MESSAGE_MAX];
    char before[CIVIL_TEXT_MAX];
    struct text t = text_over(words, sizeof words);
    text_add(&t, due->kind == PLAN_PAUSED ? "paused" : "passed");
    if (due->missed > 1)
        text_addf(&t, ", with all others before %s", civil_format_utc(due->slot.at, before));
    return record_unopened(engine, due, due->missed_first, words);
}

/*
 * The slots before due->slot that have passed, each recorded and then told; `due` is left with
 * those that are still to be. Where they `must` be recorded the first refusal ends it.
 * Outcomes: 0: all are done; negative: the ledger's.
 */
static int end_passed(struct engine *engine, struct plan_due *due, bool must)
{
    for (int lines = 0; due->missed > 0 && lines < MISSED_LINES_MAX; lines++) {
        const char *why = why_passed(engine, due, due->missed_first);
        int r = record_unopened(engine, due, due->missed_first, why);
        if (r < 0 && must)
            return r;
        tell_unopened(engine, due, due->missed_first, why);
        count_slots(engine, due, 1);
        due->missed--;
        struct slot_time next;
        if (recurrence_next(&due->schedule->when, due->missed_first, &next) != 0)
            break;
        due->missed_first = next.at;
    }
    if (due->missed == 0)
        return 0;
    int r = record_rest(engine, due);
    if (r < 0 && must)
        return r;
    report_slots_not_run(&engine->ports.journal,
                         due->kind == PLAN_PAUSED ? "backup_skipped" : "backup_missed",
                         due->schedule, due->missed_first, due->slot.at, due->missed,
                         due->kind == PLAN_PAUSED ? "paused" : "passed");
    count_slots(engine, due, (uint64_t)due->missed);
    due->missed = 0;
    return 0;
}

static void report_refusal(struct engine *engine, const struct schedule *schedule, struct wall slot,
                           int error)
{
    if (!engine->ledger_failed)
        report_cannot_record(&engine->ports.journal, schedule, slot, error);
    engine->ledger_failed = true;
}

/* A ledger that outlives the process must know of the slot before anything of it is done. */
static int record_slot(struct engine *engine, const struct open_slot *open)
{
    const struct ledger *ledger = &engine->ports.ledger;
    int r = open_slot_tell(open, ledger, LEDGER_STARTED, engine->now.wall);
    if (r == 0)
        engine->ledger_failed = false;
    if (r == 0 || !ledger->durable)
        return 0;
    report_refusal(engine, open->schedule, open->slot, r);
    return r;
}

/* All groups or none: a failure leaves the slot for the next turn. */
static bool open_groups(struct engine *engine, const struct plan_due *due)
{
    const struct schedule *schedule = due->schedule;
    struct open_slot *open = NULL;
    enum ledger_kind kind =
        due->kind == PLAN_CATCH_UP ? LEDGER_KIND_CATCH_UP : LEDGER_KIND_SCHEDULE;
    int r = open_slot_add(&engine->open_slots, engine->config, schedule, due->slot.at, kind, &open);
    uint32_t i = 0;
    for (; r == 0 && i < schedule->group_count; i++) {
        const struct group *group = &schedule->groups[i];
        r = lane_open(engine->by_host[group->host], engine->digest, open,
                      schedule->order + group->first, NULL, group->count);
        open->members += group->count;
    }
    if (r == 0 && open->members > 0) {
        r = record_slot(engine, open);
        if (r == 0)
            return true;
    }
    if (open != NULL) {
        for (uint32_t j = 0; j < i; j++)
            lane_close(engine->by_host[schedule->groups[j].host], open);
        open_slot_remove(&engine->open_slots, open);
    }
    if (r < 0)
        engine->blocked_until = mono_add_ns(engine->now.mono, ENGINE_RETRY_NS);
    return r == 0;
}

void engine_pass_slots(void *context, const struct plan_due *due)
{
    struct engine *engine = context;
    struct plan_due passed = *due;
    (void)!end_passed(engine, &passed, false);
    end_unopened(engine, due, due->slot.at, due->kind == PLAN_PAUSED ? "paused" : "changed");
    count_slots(engine, due, 1);
}

/*
 * They are recorded before the slot that runs is: behind an open one no start would look for them.
 * False where they cannot be: they come again.
 */
static bool pass(struct engine *engine, const struct plan_due *due, bool runs)
{
    struct plan_due passed = *due;
    int r = end_passed(engine, &passed, runs && engine->ports.ledger.durable);
    plan_pass(engine->plan, due, r < 0 ? passed.missed_first : due->slot.at);
    if (r == 0)
        return true;
    report_refusal(engine, due->schedule, passed.missed_first, r);
    engine->blocked_until = mono_add_ns(engine->now.mono, ENGINE_RETRY_NS);
    return false;
}

static bool handle(struct engine *engine, const struct plan_due *due)
{
    const struct journal *journal = &engine->ports.journal;
    bool runs = due->kind == PLAN_OPEN || due->kind == PLAN_CATCH_UP;
    if (due->missed > 0)
        return pass(engine, due, runs);
    if (runs && !open_groups(engine, due))
        return false;
    if (due->kind == PLAN_PAUSED) {
        end_unopened(engine, due, due->slot.at, "paused");
        count_slots(engine, due, 1);
    } else if (due->kind == PLAN_MISSED) {
        const char *why = engine_why_passed(engine, due->slot.at);
        end_unopened(engine, due, due->slot.at,
                     why != NULL   ? why
                     : due->passed ? "passed"
                                   : "too_late");
        count_slots(engine, due, 1);
    } else if (due->kind == PLAN_CATCH_UP) {
        report_slot_moved(journal, due->schedule, due->slot.at, "catch_up");
    } else if (due->slot.moved) {
        report_slot_moved(journal, due->schedule, due->slot.at, "clock_change");
    }
    plan_advance(engine->plan, due, &engine->ports.ledger);
    return true;
}

void engine_open_slots(struct engine *engine)
{
    struct plan_due due;
    if (engine->draining)
        return;
    for (int i = 0; plan_peek(engine->plan, engine->now.wall, ENGINE_PREPARE_US, &due); i++) {
        if (i == ENGINE_TURN_MAX) {
            engine->again = true;
            return;
        }
        if (!handle(engine, &due))
            return;
    }
}

static void expire_runs(struct engine *engine)
{
    for (struct heap_node *top; (top = heap_top(&engine->deadlines)) != NULL;) {
        if (top->key > engine->now.wall.us)
            return;
        struct run *run = HEAP_OWNER(top, struct run, deadline_node);
        if (run->state == ATTEMPT_SENDING || run->state == ATTEMPT_ON_WIRE
            || run->state == ATTEMPT_DOUBTFUL)
            heap_remove(&engine->deadlines, &run->deadline_node); /* its answer decides */
        else
            engine_end_late_run(engine, run);
    }
}

/* Members that have waited past start_within; true where the turn's share was used up. */
static bool expire_members(struct engine *engine, struct lane *lane, int *left)
{
    for (struct batch *batch; (batch = lane_first_batch(lane)) != NULL;) {
        struct wall deadline = wall_add_us(batch->head_due, batch->schedule->start_within_us);
        if (wall_before(engine->now.wall, deadline))
            return false;
        if ((*left)-- == 0)
            return true;
        engine_end_late_member(engine, lane, batch);
        lane_advance(lane, engine->digest, batch);
    }
    return false;
}

void engine_expire(struct engine *engine)
{
    expire_runs(engine);
    engine_expire_watches(engine);
    int left = ENGINE_TURN_MAX;
    for (uint32_t i = 0; i < engine->lane_count; i++)
        if (expire_members(engine, engine->lanes[i], &left))
            engine->again = true;
}

struct open_slot *engine_find_open(const struct engine *engine, const char *schedule,
                                   struct wall slot)
{
    return open_slot_find(&engine->open_slots, schedule, slot);
}

struct open_slot *engine_reopen(struct engine *engine, const struct schedule *schedule,
                                struct wall slot, enum ledger_kind kind)
{
    struct open_slot *open;
    struct open_slot *left = open_slot_find(&engine->left_open, schedule->name, slot);
    if (open_slot_add(&engine->open_slots, engine->config, schedule, slot, kind, &open) < 0)
        return NULL;
    if (left != NULL) { /* it stays as the ledger has it */
        open->named = left->named;
        open->ended = left->ended;
        open->incomplete = true;
        open_slot_remove(&engine->left_open, left);
        return open;
    }
    open->named = true; /* the others have ended; one that is new in the file is none of it */
    if (open_slot_tell(open, &engine->ports.ledger, LEDGER_STARTED, engine->now.wall) == 0)
        return open;
    open_slot_remove(&engine->open_slots, open);
    return NULL;
}
