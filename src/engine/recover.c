/*
 * Recover: what an earlier life of the daemon left open in the ledger.
 *
 *   a slot that was opened   its members without a decision wait again, as members of the same slot
 *   an attempt without end   it may have started a backup: said as unknown and looked for in the
 *                            cloud, also where it is not to be made again (recover_gone.h)
 *   a backup not finished    it is watched again
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

#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct found {
    char *schedule; /* owned */
    char *instance;
    char *region;
    struct wall slot;
    int attempt;
    enum ledger_kind kind;
    int retries;
    struct wall started_at;
};

struct findings {
    struct found *list;
    size_t count;
    size_t capacity;
    bool failed; /* memory ran out */
};

static void find(void *context, const struct ledger_row *row)
{
    struct findings *findings = context;
    if (findings->count == findings->capacity) {
        size_t capacity = findings->capacity == 0 ? 64 : findings->capacity * 2;
        struct found *list = reallocarray(findings->list, capacity, sizeof *list);
        if (list == NULL) {
            findings->failed = true;
            return;
        }
        findings->list = list;
        findings->capacity = capacity;
    }
    struct found found = {.schedule = strdup(row->schedule),
                          .instance = strdup(row->instance),
                          .region = strdup(row->region),
                          .slot = row->slot,
                          .attempt = row->attempt,
                          .kind = row->kind,
                          .retries = row->retries,
                          .started_at = row->started_at};
    findings->list[findings->count++] = found;
    if (found.schedule == NULL || found.instance == NULL || found.region == NULL)
        findings->failed = true;
}

static void findings_finish(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->list[i].schedule);
        free(findings->list[i].instance);
        free(findings->list[i].region);
    }
    free(findings->list);
}

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

/* ---- the members of one slot that are left ---- */

struct member {
    char *id;
    char *region;
    enum ledger_state state;
    bool there; /* in the file */
    int attempt;
    int retries;
    struct wall started_at;
};

struct members {
    struct member *list; /* sorted by id before it is searched */
    size_t count;
    size_t capacity;
    bool failed;
};

static void note_member(void *context, const struct ledger_row *row)
{
    struct members *members = context;
    if (members->count == members->capacity) {
        size_t capacity = members->capacity == 0 ? 64 : members->capacity * 2;
        struct member *list = reallocarray(members->list, capacity, sizeof *list);
        if (list == NULL) {
            members->failed = true;
            return;
        }
        members->list = list;
        members->capacity = capacity;
    }
    struct member *member = &members->list[members->count];
    *member = (struct member){.id = strdup(row->instance),
                              .region = strdup(row->region),
                              .state = row->state,
                              .attempt = row->attempt,
                              .retries = row->retries,
                              .started_at = row->started_at};
    members->count++;
    if (member->id == NULL || member->region == NULL)
        members->failed = true;
}

static void members_finish(struct members *members)
{
    for (size_t i = 0; i < members->count; i++) {
        free(members->list[i].region);
        free(members->list[i].id);
    }
    free(members->list);
}

static int compare_members(const void *a, const void *b)
{
    const struct member *x = a;
    const struct member *y = b;
    return strcmp(x->id, y->id);
}

/* NULL for one that the ledger has nothing of. */
static struct member *find_member(const struct members *members, const char *id)
{
    for (size_t low = 0, high = members->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(id, members->list[middle].id);
        if (order == 0)
            return &members->list[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
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
        struct member *member = find_member(members, instance->id);
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

/* What the ledger has of a slot's members, sorted. Outcomes: 0; negative. */
static int read_members(struct engine *engine, const struct found *found, struct members *members)
{
    const struct ledger *ledger = &engine->ports.ledger;
    int r = ledger->scan(ledger->context, found->schedule, found->slot, note_member, members);
    if (r == 0 && members->failed)
        r = -ENOMEM;
    if (r == 0 && members->count > 1)
        qsort(members->list, members->count, sizeof *members->list, compare_members);
    return r;
}

static int reopen(struct engine *engine, const struct schedule *schedule, const struct found *found,
                  struct gone *gone)
{
    struct members members = {.list = NULL};
    int r = read_members(engine, found, &members);
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
    int r = read_members(engine, found, &members);
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
        left += find_member(&members, schedule->instances[i].id) == NULL ? 1 : 0;
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

/* ---- backups that are not known to have ended ---- */

/* The instances of the file, to be found by name. */
struct known {
    struct ongoing node;
    const struct schedule *schedule;
    const struct instance *instance;
};

struct unfinished {
    struct engine *engine;
    struct ongoings table;
    struct known *list;
    bool failed;
};

static bool know(struct unfinished *unfinished)
{
    const struct config *config = unfinished->engine->config;
    unfinished->list = calloc(config->instance_count + 1, sizeof *unfinished->list);
    if (unfinished->list == NULL)
        return false;
    struct known *known = unfinished->list;
    for (uint32_t i = 0; i < config->schedule_count; i++) {
        const struct schedule *schedule = &config->schedules[i];
        for (uint32_t j = 0; j < schedule->instance_count; j++, known++) {
            known->schedule = schedule;
            known->instance = &schedule->instances[j];
            known->node = (struct ongoing){
                .schedule = schedule->name, .instance = known->instance->id, .slot = {INT64_MIN}};
            if (ongoing_add(&unfinished->table, &known->node) < 0)
                return false;
        }
    }
    return true;
}

static void watch_again(void *context, const struct ledger_row *row)
{
    struct unfinished *unfinished = context;
    struct engine *engine = unfinished->engine;
    if (unfinished->failed || (unfinished->list == NULL && !know(unfinished))) {
        unfinished->failed = true;
        return;
    }
    struct ongoing *node = ongoing_newest(&unfinished->table, row->schedule, row->instance);
    struct submission what = {
        .schedule = row->schedule,
        .instance = row->instance,
        .region = row->region,
        .slot = row->slot,
        .task_id = row->task_id,
        .attempt = row->attempt,
        .failures = row->retries,
        .kind = row->kind,
        .at = row->ended_at,
    };
    if (node == NULL || row->task_id <= 0) {
        const struct verdict verdict = {.code = "Client.Removed",
                                        .message = "it is no longer in the file"};
        report_cannot_watch(&engine->ports.journal, &what, &verdict);
        engine_tell_finished(engine, &what, LEDGER_UNWATCHED, "", "");
        return;
    }
    const struct known *known = HEAP_OWNER(node, struct known, node);
    what.complete_within_us = known->schedule->complete_within_us;
    struct lane *lane = engine->by_host[known->instance->host];
    if (engine_watch(engine, lane, &what, 0) < 0)
        unfinished->failed = true;
}

static int take_up_unfinished(struct engine *engine)
{
    struct unfinished unfinished = {.engine = engine};
    const struct ledger *ledger = &engine->ports.ledger;
    if (ledger->unfinished == NULL)
        return 0;
    int r = ledger->unfinished(ledger->context, watch_again, &unfinished);
    if (r == 0 && unfinished.failed)
        r = -ENOMEM;
    ongoings_finish(&unfinished.table);
    free(unfinished.list);
    return r;
}

int engine_recover(struct engine *engine)
{
    struct findings findings = {.list = NULL};
    struct gone gone = {.config = NULL};
    const struct ledger *ledger = &engine->ports.ledger;
    int r = ledger->unended(ledger->context, find, &findings);
    if (r == 0 && findings.failed)
        r = -ENOMEM;
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
    return r < 0 ? r : take_up_unfinished(engine);
}
