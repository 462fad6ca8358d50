/*
 * The durable ledger's twin: a log of entries in order, made durable in groups after a while. What
 * a crash leaves is the log up to some entry that is not older than the last one made durable: a
 * commit under way may have come through, in part or as a whole.
 */
#include "engine/open_slot.h"
#include "sim/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS (20 * MS) /* a commit that failed is tried again */

/* ---- writing ---- */

static struct ledger_line *push(struct sim *sim, const struct ledger_line *line)
{
    struct ledger_twin *ledger = &sim->ledger;
    if (ledger->log_count == ledger->log_capacity) {
        ledger->log_capacity = ledger->log_capacity == 0 ? 256 : ledger->log_capacity * 2;
        ledger->log = reallocarray(ledger->log, ledger->log_capacity, sizeof *ledger->log);
        assert(ledger->log != NULL);
    }
    ledger->log[ledger->log_count] = *line;
    return &ledger->log[ledger->log_count++];
}

/* Answers those who wait in the commit. A STARTED that fails is there all the same, or is not. */
static void answer(struct sim *sim, int outcome)
{
    struct ledger_twin *ledger = &sim->ledger;
    for (size_t i = ledger->synced; i < ledger->target; i++) {
        struct ledger_line *line = &ledger->log[i];
        uint64_t ticket = line->ticket;
        if (ticket == 0)
            continue;
        line->ticket = 0;
        if (outcome == 0)
            sim->oracle.records[line->record].durable = ticket;
        else if (dice_chance(&ledger->dice, 500))
            line->kind = LINE_VOID;
        else
            sim->oracle.records[line->record].refused = true;
        trace_line(&sim->trace, "recorded %llx %d", (unsigned long long)ticket, outcome);
        engine_file_recorded(sim->engine, ticket, outcome);
    }
}

static void commit(struct sim *sim)
{
    struct ledger_twin *ledger = &sim->ledger;
    while (!ledger->committing && ledger->synced < ledger->log_count) {
        int64_t after = dice_range(&ledger->dice, 0, sim->faults->ledger_max_us) * NS_PER_US;
        bool fails = dice_chance(&ledger->dice, sim->faults->ledger_fails);
        ledger->target = ledger->log_count;
        if (after > 0 || fails) {
            ledger->committing = true;
            clock_push(&sim->clock, sim->clock.now + (fails ? after + RETRY_NS : after),
                       EVENT_COMMITTED, ledger->life, fails ? -EIO : 0);
            return;
        }
        answer(sim, 0);
        ledger->synced = ledger->target;
    }
}

void ledger_committed(struct sim *sim, uint64_t life, int outcome)
{
    struct ledger_twin *ledger = &sim->ledger;
    if (life != ledger->life || !ledger->committing)
        return;
    answer(sim, outcome);
    if (outcome == 0)
        ledger->synced = ledger->target;
    ledger->committing = false;
    commit(sim);
}

int ledger_log_append(struct sim *sim, const struct ledger_entry *entry, struct record *record)
{
    static const enum line_kind kinds[] = {LINE_STARTED, LINE_ENDED, LINE_FINISHED};
    struct ledger_twin *ledger = &sim->ledger;
    bool whole = record == NULL;
    if (dice_chance(&ledger->dice, sim->faults->ledger_refuses)) {
        oracle_entry_refused(&sim->oracle);
        if (!whole)
            record->refused = true;
        else
            oracle_whole_refused(&sim->oracle, ledger_find_schedule(entry->schedule), entry->slot);
        if (whole && entry->run_kind != LEDGER_KIND_OPERATOR)
            oracle_slot_refused(&sim->oracle);
        return -ENOSPC;
    }
    if (whole && entry->kind == LEDGER_STARTED)
        sim->slot_begun = true;
    if (entry->ticket != 0)
        ledger_keep_pending(sim, entry->ticket, record);
    push(sim, &(struct ledger_line){
                  .kind = kinds[entry->kind],
                  .schedule = ledger_find_schedule(entry->schedule),
                  .record = whole ? SIZE_MAX : (size_t)(record - sim->oracle.records),
                  .slot = entry->slot,
                  .attempt = entry->attempt,
                  .host = world_find_region(entry->region),
                  .run_kind = entry->run_kind,
                  .retries = entry->retries,
                  .result = (int)entry->result,
                  .task_id = entry->task_id,
                  .at = entry->at,
                  .ticket = entry->ticket,
              });
    if (planted == PLANT_UNSTARTED && entry->ticket != 0 && entry->run_kind == LEDGER_KIND_OPERATOR)
        engine_file_recorded(sim->engine, entry->ticket, 0);
    commit(sim);
    return 0;
}

void ledger_log_horizon(struct sim *sim, int schedule, const struct kept_horizon *horizon)
{
    push(sim,
         &(struct ledger_line){.kind = LINE_HORIZON, .schedule = schedule, .horizon = *horizon});
    commit(sim);
}

int ledger_log_set_pause(void *context, const char *schedule, struct wall until)
{
    struct sim *sim = context;
    sim->oracle.progress++;
    trace_line(&sim->trace, "ledger pause %s %lld", schedule, (long long)until.us);
    if (dice_chance(&sim->ledger.dice, sim->faults->ledger_refuses)) {
        oracle_entry_refused(&sim->oracle);
        return -ENOSPC;
    }
    push(sim, &(struct ledger_line){
                  .kind = LINE_PAUSE, .schedule = ledger_find_schedule(schedule), .until = until});
    commit(sim);
    return 0;
}

/* ---- what is left of it ---- */

static struct kept_slot *slot_of(struct ledger_twin *ledger, const struct ledger_line *line)
{
    for (size_t i = ledger->slot_count; i-- > 0;)
        if (ledger->slots[i].slot.us == line->slot.us
            && ledger->slots[i].schedule == line->schedule)
            return &ledger->slots[i];
    if (ledger->slot_count == ledger->slot_capacity) {
        ledger->slot_capacity = ledger->slot_capacity == 0 ? 64 : ledger->slot_capacity * 2;
        ledger->slots = reallocarray(ledger->slots, ledger->slot_capacity, sizeof *ledger->slots);
        assert(ledger->slots != NULL);
    }
    struct kept_slot *slot = &ledger->slots[ledger->slot_count++];
    *slot =
        (struct kept_slot){.schedule = line->schedule, .slot = line->slot, .kind = line->run_kind};
    return slot;
}

static void replay(struct sim *sim, const struct ledger_line *line)
{
    struct ledger_twin *ledger = &sim->ledger;
    if (line->kind == LINE_VOID)
        return;
    if (line->kind == LINE_HORIZON) {
        ledger->horizons[line->schedule] = line->horizon;
        return;
    }
    if (line->kind == LINE_PAUSE) {
        ledger->pauses[line->schedule] = line->until;
        return;
    }
    if (line->record == SIZE_MAX) {
        struct kept_slot *slot = slot_of(ledger, line);
        slot->open = line->kind == LINE_STARTED;
        if (slot->open)
            slot->kind = line->run_kind; /* it may have been passed over before, by another */
        slot->begun = slot->begun || slot->open;
        slot->named = line->attempt == OPEN_SLOT_NAMED;
        slot->announced = line->attempt == OPEN_SLOT_ANNOUNCED;
        return;
    }
    struct record *r = &sim->oracle.records[line->record];
    if (line->kind == LINE_FINISHED) {
        if (r->kept == KEPT_ENDED && r->kept_result == (int)LEDGER_SUBMITTED)
            r->kept_finished = true;
        return;
    }
    if (r->kept == KEPT_NOTHING)
        r->kept_kind = line->run_kind;
    if (line->host >= 0)
        r->kept_host = line->host;
    if (r->kept_retries < line->retries)
        r->kept_retries = line->retries;
    r->kept = line->kind == LINE_STARTED          ? KEPT_STARTED
              : line->result == (int)LEDGER_AGAIN ? KEPT_AGAIN
                                                  : KEPT_ENDED;
    r->kept_finished = false;
    r->kept_attempt = line->attempt;
    r->kept_result = line->result;
    r->kept_task = line->kind == LINE_STARTED ? 0 : line->task_id;
    *(line->kind == LINE_STARTED ? &r->kept_started_at : &r->kept_ended_at) = line->at;
}

void ledger_stopped(struct sim *sim, bool crashed)
{
    struct ledger_twin *ledger = &sim->ledger;
    ledger->first = ledger->count; /* what is still to come is for nobody */
    if (!sim->world.durable)
        return;
    size_t kept = ledger->log_count;
    if (crashed)
        kept = (size_t)dice_range(&ledger->dice, (int64_t)ledger->synced, (int64_t)kept);
    trace_line(&sim->trace, "ledger keeps %zu of %zu, %zu durable", kept, ledger->log_count,
               ledger->synced);
    size_t synced = ledger->synced;
    ledger->log_count = ledger->synced = kept;
    ledger->committing = false;
    ledger->life++;
    ledger->slot_count = 0;
    memset(ledger->horizons, 0, sizeof ledger->horizons);
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++)
        ledger->pauses[i] = LEDGER_NO_PAUSE;
    for (size_t i = 0; i < sim->oracle.record_count; i++)
        oracle_forget_kept(&sim->oracle.records[i]);
    for (size_t i = 0; i < kept; i++)
        replay(sim, &ledger->log[i]);
    oracle_gone(&sim->oracle,
                &(struct kept_log){.horizons = ledger->horizons,
                                   .pauses = ledger->pauses,
                                   .slots = ledger->slots,
                                   .slot_count = ledger->slot_count,
                                   .length = kept,
                                   .synced = synced},
                crashed);
}

/* ---- reading ---- */

/* It names a slot of the plan. */
static bool is_of_plan(const struct sim *sim, const struct ledger_line *line)
{
    if (line->kind == LINE_HORIZON || line->kind == LINE_VOID || line->kind == LINE_PAUSE)
        return false;
    if (line->record != SIZE_MAX)
        return sim->oracle.records[line->record].kind != LEDGER_KIND_OPERATOR;
    return line->kind == LINE_STARTED && line->run_kind != LEDGER_KIND_OPERATOR;
}

int ledger_log_recorded(void *context, const char *schedule, struct wall after,
                        struct wall *ret_first, struct wall *ret_last)
{
    struct sim *sim = context;
    int index = ledger_find_schedule(schedule);
    struct wall first = WALL_NEVER;
    struct wall last = {INT64_MIN};
    for (size_t i = 0; i < sim->ledger.log_count; i++) {
        const struct ledger_line *line = &sim->ledger.log[i];
        if (!is_of_plan(sim, line) || line->schedule != index || line->slot.us <= after.us)
            continue;
        first = wall_earlier(first, line->slot);
        last = line->slot.us > last.us ? line->slot : last;
    }
    oracle_recorded(&sim->oracle, index, after);
    if (last.us == INT64_MIN)
        return LEDGER_NO_SLOT;
    *ret_first = first;
    *ret_last = last;
    return 0;
}

int ledger_log_pauses(void *context, ledger_pause_fn each, void *each_context)
{
    struct sim *sim = context;
    for (size_t i = 0; i < sim->ledger.log_count; i++) {
        const struct ledger_line *line = &sim->ledger.log[i];
        if (line->kind == LINE_PAUSE && planted != PLANT_FORGET_PAUSE)
            each(each_context, world_schedule_name(line->schedule), line->until);
    }
    return 0;
}

struct rows {
    struct ledger_row *list;
    size_t count;
    size_t capacity;
};

static void add_row(struct rows *rows, const struct ledger_row *row)
{
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity == 0 ? 64 : rows->capacity * 2;
        rows->list = reallocarray(rows->list, rows->capacity, sizeof *rows->list);
        assert(rows->list != NULL);
    }
    rows->list[rows->count++] = *row;
}

/* `id` is the caller's, and the row borrows it. */
static struct ledger_row row_of(const struct record *r, char id[MODEL_INSTANCE_ID_MAX])
{
    static const enum ledger_state states[] = {LEDGER_STATE_ENDED, LEDGER_STATE_STARTED,
                                               LEDGER_STATE_AGAIN, LEDGER_STATE_ENDED};
    world_instance_id(r->instance, id);
    return (struct ledger_row){
        .schedule = world_schedule_name(r->schedule),
        .instance = id,
        .region = r->kept_host < 0 ? "" : world_region(r->kept_host),
        .slot = r->slot,
        .attempt = r->kept_attempt,
        .kind = r->kept_kind,
        .retries = planted == PLANT_FORGET_FAILS ? 0 : r->kept_retries,
        .state = states[r->kept],
        .started_at = r->kept_started_at,
        .ended_at = r->kept_ended_at,
        .task_id = r->kept_task,
    };
}

static int compare_rows(const void *a, const void *b)
{
    const struct ledger_row *x = a;
    const struct ledger_row *y = b;
    int order = strcmp(x->schedule, y->schedule);
    if (order == 0)
        order = (x->slot.us > y->slot.us) - (x->slot.us < y->slot.us);
    return order != 0 ? order : strcmp(x->instance, y->instance);
}

static int compare_slots(const void *a, const void *b)
{
    const struct ledger_row *x = a;
    const struct ledger_row *y = b;
    int order = (x->slot.us > y->slot.us) - (x->slot.us < y->slot.us);
    return order != 0 ? order : compare_rows(a, b);
}

static void give_rows(struct rows *rows, int (*compare)(const void *, const void *),
                      ledger_row_fn each, void *each_context)
{
    if (rows->count > 1)
        qsort(rows->list, rows->count, sizeof *rows->list, compare);
    for (size_t i = 0; i < rows->count; i++)
        each(each_context, &rows->list[i]);
    free(rows->list);
}

static char *ids_for(const struct sim *sim)
{
    char *ids = calloc(sim->oracle.record_count + 1, MODEL_INSTANCE_ID_MAX);
    assert(ids != NULL);
    return ids;
}

int ledger_log_unended(void *context, ledger_row_fn each, void *each_context)
{
    struct sim *sim = context;
    const struct ledger_twin *ledger = &sim->ledger;
    struct rows rows = {.list = NULL};
    char *ids = ids_for(sim);
    for (size_t i = 0; i < ledger->slot_count; i++)
        if (ledger->slots[i].open)
            add_row(&rows, &(struct ledger_row){
                               .schedule = world_schedule_name(ledger->slots[i].schedule),
                               .instance = LEDGER_WHOLE_SLOT,
                               .region = "",
                               .slot = ledger->slots[i].slot,
                               .attempt = ledger->slots[i].announced ? OPEN_SLOT_ANNOUNCED
                                          : ledger->slots[i].named   ? OPEN_SLOT_NAMED
                                                                     : 0,
                               .kind = ledger->slots[i].kind,
                           });
    for (size_t i = 0; i < sim->oracle.record_count; i++) {
        const struct record *r = &sim->oracle.records[i];
        if (r->unborn || r->kept != KEPT_STARTED || planted == PLANT_RESEND)
            continue;
        struct ledger_row row = row_of(r, ids + i * MODEL_INSTANCE_ID_MAX);
        add_row(&rows, &row);
    }
    give_rows(&rows, compare_rows, each, each_context);
    free(ids);
    return 0;
}

int ledger_log_scan(void *context, const char *schedule, struct wall slot, ledger_row_fn each,
                    void *each_context)
{
    struct sim *sim = context;
    for (int i = sim->world.instance_count - 1; i >= 0; i--) {
        const struct record *r =
            oracle_known(&sim->oracle, ledger_find_schedule(schedule), i, slot);
        if (r == NULL || r->kept == KEPT_NOTHING)
            continue;
        char id[MODEL_INSTANCE_ID_MAX];
        struct ledger_row row = row_of(r, id);
        if (planted == PLANT_FORGET_AGAIN && row.state == LEDGER_STATE_AGAIN)
            row.state = LEDGER_STATE_ENDED;
        if (planted == PLANT_DROP_ORDERED && row.state == LEDGER_STATE_AGAIN
            && row.kind == LEDGER_KIND_OPERATOR)
            row.state = LEDGER_STATE_ENDED;
        if (planted == PLANT_RESEND && row.state == LEDGER_STATE_STARTED)
            row.state = LEDGER_STATE_AGAIN;
        each(each_context, &row);
    }
    return 0;
}

int ledger_log_unfinished(void *context, ledger_row_fn each, void *each_context)
{
    struct sim *sim = context;
    struct rows rows = {.list = NULL};
    char *ids = ids_for(sim);
    for (size_t i = 0; i < sim->oracle.record_count; i++) {
        const struct record *r = &sim->oracle.records[i];
        if (r->unborn || r->kept != KEPT_ENDED || r->kept_result != (int)LEDGER_SUBMITTED
            || r->kept_finished || planted == PLANT_FORGET_WATCH)
            continue;
        struct ledger_row row = row_of(r, ids + i * MODEL_INSTANCE_ID_MAX);
        add_row(&rows, &row);
    }
    give_rows(&rows, compare_slots, each, each_context);
    free(ids);
    return 0;
}
