/*
 * Recover: what an earlier life of the daemon left open in the ledger.
 *
 *   a slot that was opened   its members without a decision wait again, as members of the same slot
 *   an attempt without end   it may have started a backup: said as unknown and looked for in the
 *                            cloud, also where it is not to be made again (recover_gone.h)
 *   a backup not finished    it is watched again, also where its instance has left the file
 *                            (recover_watches.c)
 *
 * An attempt may be without end though its slot has one: the slot was skipped by a file that has
 * changed again since, or was closed by hand. Should it be due again, its slot is opened again with
 * it (open_slot_keep()), since of a slot that has ended the next start looks at nothing else.
 *
 * A crash may have kept the slot's entry but not the schedule's horizon, which is written after it:
 * the horizon is raised, so that the slot is not opened a second time.
 *
 * Who is a member is what the file says now: the ledger names those that were begun, not all. One
 * that was begun, is to be run and has left the file ends as skipped; one that was never begun and
 * has left the file leaves nothing behind; one that is new in the file joins.
 */
#include "engine/recover_gone.h"
#include "engine/recover_rows.h"

#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Outcomes: the ledger's. */
static int end(struct engine *engine, const char *schedule, const char *instance, struct wall slot,
               int attempt, enum ledger_result result, const char *reason)
{
    const struct ledger_entry entry = {
        .kind = LEDGER_ENDED,
        .schedule = schedule,
        .instance = instance,
        .region = "",
        .slot = slot,
        .attempt = attempt,
        .result = result,
        .code = "",
        .message = reason,
        .request_id = "",
        .at = engine->now.wall,
    };
    return engine_record(engine, &entry);
}

/* The entry that ends what was found; one that is not taken is left to the next start. */
static void end_found(struct engine *engine, const struct found *found, enum ledger_result result,
                      const char *reason)
{
    (void)!end(engine, found->schedule, found->instance, found->slot, found->attempt, result,
               reason);
}

/* It cannot be looked for: nothing says where its requests enter. */
static void give_up_attempt(struct engine *engine, const char *schedule, const char *instance,
                            struct wall slot, int attempt)
{
    report_unknown_gone(&engine->ports.journal, schedule, instance, slot, attempt);
    (void)!end(engine, schedule, instance, slot, attempt, LEDGER_UNKNOWN, "");
    engine_count(engine, schedule, COUNTERS_UNKNOWN, 1);
}

int recover_doubt(struct engine *engine, struct open_slot *open, const struct instance *instance,
                  struct lane *lane, const struct lost_attempt *lost)
{
    int64_t delay;
    int r = open_slot_delay(engine->digest, open->schedule, instance, open->kind, &delay);
    if (r < 0)
        return r;
    struct run *run = engine_make_run(engine, lane, open, instance, wall_add_us(open->slot, delay));
    if (run == NULL)
        return -ENOMEM;
    open->members++;
    run->attempt = lost->attempt;
    run->failures = lost->retries;
    run->started_at = lost->started_at;
    struct text code = text_over(run->verdict.code, sizeof run->verdict.code);
    text_add(&code, "Client.Lost");
    struct text message = text_over(run->verdict.message, sizeof run->verdict.message);
    text_add(&message, "the daemon ended before an answer came");
    heap_remove(&engine->deadlines, &run->deadline_node);
    report_unknown_found(&engine->ports.journal, open->schedule->name, instance->id, open->slot,
                         lost->attempt);
    engine_doubt(engine, run);
    return 0;
}

static int doubt_member(struct engine *engine, struct open_slot *open,
                        const struct instance *instance, struct lane *lane,
                        const struct member *member)
{
    const struct lost_attempt lost = {
        .attempt = member->attempt, .retries = member->retries, .started_at = member->started_at};
    return recover_doubt(engine, open, instance, lane, &lost);
}

/* It is not to be made again, but may have begun a backup. Outcomes: 0; negative. */
static int forsake(struct engine *engine, struct gone *gone, const struct schedule *schedule,
                   const struct lost_attempt *lost, const char *reason)
{
    int r = gone_add(gone, engine, schedule, lost, reason);
    if (r != GONE_NOWHERE)
        return r;
    give_up_attempt(engine, lost->schedule, lost->instance, lost->slot, lost->attempt);
    return 0;
}

static int reopen_group(struct engine *engine, struct open_slot *open, const struct group *group,
                        const struct members *members)
{
    const struct schedule *schedule = open->schedule;
    struct lane *lane = engine->by_host[group->host];
    uint32_t *order = malloc((group->count + 1U) * sizeof *order);
    if (order == NULL)
        return -ENOMEM;
    uint32_t count = 0;
    int r = 0;
    for (uint32_t i = group->first; r == 0 && i < group->first + group->count; i++) {
        const struct instance *instance = &schedule->instances[schedule->order[i]];
        struct member *member = members_find(members, instance->id);
        if (member != NULL)
            member->there = true;
        if (member != NULL && member->state == LEDGER_STATE_AGAIN && member->retries > 0)
            r = open_slot_carry(open, instance, member->retries);
        if (member == NULL ? !open->named : member->state == LEDGER_STATE_AGAIN)
            order[count++] = schedule->order[i];
        else if (member != NULL && member->state == LEDGER_STATE_STARTED)
            r = doubt_member(engine, open, instance, lane, member);
    }
    if (r < 0 || count == 0) {
        free(order);
        return r;
    }
    open->members += count;
    return lane_open(lane, engine->digest, open, NULL, order, count);
}

/* Members that were begun, are to be run and are no longer in the file. */
static int drop_gone(struct engine *engine, struct open_slot *open, const struct found *slot,
                     const struct members *members, struct gone *gone)
{
    const struct schedule *schedule = open->schedule;
    int r = 0;
    for (size_t i = 0; r == 0 && i < members->count; i++) {
        const struct member *member = &members->list[i];
        if (member->state == LEDGER_STATE_ENDED || member->there)
            continue;
        if (member->state == LEDGER_STATE_STARTED) {
            const struct lost_attempt lost = {.schedule = schedule->name,
                                              .instance = member->id,
                                              .region = member->region,
                                              .slot = slot->slot,
                                              .kind = slot->kind,
                                              .attempt = member->attempt,
                                              .retries = member->retries,
                                              .started_at = member->started_at};
            r = forsake(engine, gone, schedule, &lost, "removed");
            continue;
        }
        const struct instance instance = {.id = member->id, .region = ""};
        report_not_run(&engine->ports.journal, "backup_skipped", schedule, &instance, slot->slot,
                       "removed");
        if (end(engine, schedule->name, member->id, slot->slot, 0, LEDGER_SKIPPED, "removed") < 0)
            open->incomplete = true;
        engine_count(engine, schedule->name, COUNTERS_SKIPPED, 1);
    }
    return r;
}

static int reopen_members(struct engine *engine, const struct schedule *schedule,
                          const struct found *found, const struct members *members,
                          struct gone *gone)
{
    struct open_slot *open = NULL;
    int r = open_slot_add(&engine->open_slots, engine->config, schedule, found->slot, found->kind,
                          &open);
    if (r == 0) {
        open->members = 1; /* it lives till all is looked at */
        open->named = found->attempt == OPEN_SLOT_NAMED;
    }
    for (uint32_t i = 0; r == 0 && i < schedule->group_count; i++)
        r = reopen_group(engine, open, &schedule->groups[i], members);
    if (r < 0)
        return r; /* the engine is not made: what was opened goes with it */
    assert(open != NULL);
    open->members--;
    r = drop_gone(engine, open, found, members, gone);
    if (r < 0)
        return r;
    if (found->kind != LEDGER_KIND_OPERATOR)
        plan_raise(engine->plan, schedule, found->slot, engine->now.wall, &engine->ports.ledger);
    if (open->members > 0) {
        report_slot_resumed(&engine->ports.journal, open);
    } else {
        open->members = 1;
        engine_member_ended(engine, open);
    }
    return 0;
}

static int reopen(struct engine *engine, const struct schedule *schedule, const struct found *found,
                  struct gone *gone)
{
    struct members members = {.list = NULL};
    int r = members_read(&engine->ports.ledger, found, &members);
    if (r == 0)
        r = reopen_members(engine, schedule, found, &members, gone);
    members_finish(&members);
    return r;
}

/* The slot must not be opened again should its schedule come back; no rule is known for it. */
static int raise_gone(struct engine *engine, const struct found *found)
{
    const struct ledger *ledger = &engine->ports.ledger;
    struct wall horizon;
    if (ledger->recorded != NULL && wall_diff_us(found->slot, engine->now.wall) > SANITY_BEHIND_US)
        return 0; /* a horizon that went back stays there: the slot is recorded */
    int r = ledger->horizon(ledger->context, found->schedule, "", &horizon);
    if (r == LEDGER_NO_HORIZON || (r >= 0 && wall_before(horizon, found->slot)))
        ledger->set_horizon(ledger->context, found->schedule, "", found->slot);
    return r < 0 ? r : 0;
}

/* The file may have paused it since; what an operator ordered is not held up by that. */
static bool goes_on(const struct schedule *schedule, const struct found *found)
{
    return !schedule->paused || found->kind == LEDGER_KIND_OPERATOR;
}

/* An attempt without an end whose slot has one. */
static int take_up_orphan(struct engine *engine, const struct found *found, struct gone *gone)
{
    const struct schedule *schedule = config_find_schedule(engine->config, found->schedule);
    const struct instance *instance = NULL;
    const struct lost_attempt lost = {.schedule = found->schedule,
                                      .instance = found->instance,
                                      .region = found->region,
                                      .slot = found->slot,
                                      .kind = found->kind,
                                      .attempt = found->attempt,
                                      .retries = found->retries,
                                      .started_at = found->started_at};
    if (schedule != NULL && !goes_on(schedule, found))
        return forsake(engine, gone, schedule, &lost, "paused");
    if (schedule != NULL)
        instance = schedule_find_instance(schedule, found->instance);
    if (instance == NULL)
        return forsake(engine, gone, schedule, &lost, "removed");
    struct open_slot *open = engine_find_open(engine, found->schedule, found->slot);
    if (open == NULL) {
        int r = open_slot_add(&engine->open_slots, engine->config, schedule, found->slot,
                              found->kind, &open);
        if (r < 0 || open == NULL)
            return r;
        open->named = true; /* the others have ended */
        open->ended = true; /* while it is looked for, its own entry is all that a start needs */
    }
    return recover_doubt(engine, open, instance, engine->by_host[instance->host], &lost);
}

/* Why a slot is not gone on with as a whole; NULL where it is. */
static const char *why_not(const struct schedule *schedule, const struct found *found)
{
    if (found->attempt >= OPEN_SLOT_CLOSED)
        return "closed";
    if (found->attempt == OPEN_SLOT_ANNOUNCED)
        return "refused"; /* nobody was told that the order is kept */
    if (schedule == NULL)
        return "removed";
    return goes_on(schedule, found) ? NULL : "paused";
}

static int leave_open(struct engine *engine, const struct schedule *schedule,
                      const struct found *found)
{
    struct open_slot *open;
    int r = open_slot_add(&engine->left_open, engine->config, schedule, found->slot, found->kind,
                          &open);
    if (r == 0)
        open->named = found->attempt % OPEN_SLOT_CLOSED != 0;
    return r;
}

/*
 * The slot of a schedule that is paused or gone, of an order that was not recorded as a whole, or
 * one that was closed by hand: its members that are left end with it, in one line. Those whose
 * attempt has no end are looked for (they are found by themselves).
 */
static int skip_slot(struct engine *engine, const struct schedule *schedule,
                     const struct found *found, const char *reason)
{
    bool missed = found->attempt >= OPEN_SLOT_CLOSED;
    bool named = found->attempt % OPEN_SLOT_CLOSED != 0;
    enum ledger_result result = missed ? LEDGER_MISSED : LEDGER_SKIPPED;
    struct members members = {.list = NULL};
    int r = members_read(&engine->ports.ledger, found, &members);
    uint32_t left = 0;
    bool told = true;
    for (size_t i = 0; r == 0 && i < members.count; i++) {
        if (members.list[i].state != LEDGER_STATE_AGAIN)
            continue;
        if (end(engine, found->schedule, members.list[i].id, found->slot, members.list[i].attempt,
                result, reason)
            < 0)
            told = false;
        left++;
    }
    for (uint32_t i = 0; r == 0 && schedule != NULL && !named && i < schedule->instance_count; i++)
        left += members_find(&members, schedule->instances[i].id) == NULL ? 1 : 0;
    members_finish(&members);
    if (r < 0)
        return r;
    const struct schedule of = {.name = found->schedule, .instance_count = left};
    report_slot_not_run(&engine->ports.journal, missed ? "backup_missed" : "backup_skipped", &of,
                        found->slot, reason);
    engine_count(engine, found->schedule, missed ? COUNTERS_MISSED : COUNTERS_SKIPPED, left);
    if (told)
        end_found(engine, found, result, reason);
    else if (schedule != NULL) /* the next start ends who is left */
        return leave_open(engine, schedule, found);
    return 0;
}

/* The plan is not to open it again. */
static int raise_horizon(struct engine *engine, const struct schedule *schedule,
                         const struct found *found)
{
    if (found->kind == LEDGER_KIND_OPERATOR)
        return 0;
    if (schedule == NULL)
        return raise_gone(engine, found);
    plan_raise(engine->plan, schedule, found->slot, engine->now.wall, &engine->ports.ledger);
    return 0;
}

static int take_up(struct engine *engine, const struct found *found, struct gone *gone,
                   bool *ret_reopened)
{
    if (strcmp(found->instance, LEDGER_WHOLE_SLOT) != 0)
        return take_up_orphan(engine, found, gone);
    const struct schedule *schedule = config_find_schedule(engine->config, found->schedule);
    const char *reason = why_not(schedule, found);
    if (reason == NULL) {
        *ret_reopened = true;
        return reopen(engine, schedule, found, gone);
    }
    int r = raise_horizon(engine, schedule, found);
    return r < 0 ? r : skip_slot(engine, schedule, found, reason);
}

int engine_recover(struct engine *engine)
{
    struct findings findings = {.list = NULL};
    struct gone gone = {.config = NULL};
    int r = findings_read(&engine->ports.ledger, &findings);
    const struct found *slot = NULL; /* the one that was reopened last, with all that it holds */
    for (size_t i = 0; r == 0 && i < findings.count; i++) {
        const struct found *found = &findings.list[i];
        if (slot != NULL && slot->slot.us == found->slot.us
            && strcmp(slot->schedule, found->schedule) == 0)
            continue;
        bool reopened = false;
        r = take_up(engine, found, &gone, &reopened);
        slot = reopened ? found : slot;
    }
    if (r == 0)
        r = gone_take_up(&gone, engine);
    gone_finish(&gone);
    findings_finish(&findings);
    return r < 0 ? r : engine_recover_watches(engine);
}
