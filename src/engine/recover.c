/*
 * Recover: what an earlier life of the daemon left open in the ledger.
 *
 *   a slot that was opened   its members without a decision wait again, as members of the same slot
 *   an attempt without end   it may have started a backup: said as unknown, never sent again
 *
 * A crash may have kept the slot's entry but not the schedule's horizon, which is written after it:
 * the horizon is raised, so that the slot is not opened a second time.
 *
 * Who is a member is what the file says now: the ledger names those that were begun, not all. One
 * that was begun, is to be run and has left the file ends as skipped; one that was never begun and
 * has left the file leaves nothing behind; one that is new in the file joins.
 */
#include "engine/engine_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct found {
    char *schedule; /* owned */
    char *instance;
    struct wall slot;
    int attempt;
};

struct findings {
    struct found *list;
    size_t count;
    size_t capacity;
    bool failed; /* memory ran out */
};

static void find(void *context, const char *schedule, const char *instance, struct wall slot,
                 int attempt)
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
    struct found found = {strdup(schedule), strdup(instance), slot, attempt};
    findings->list[findings->count++] = found;
    if (found.schedule == NULL || found.instance == NULL)
        findings->failed = true;
}

static void findings_finish(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->list[i].schedule);
        free(findings->list[i].instance);
    }
    free(findings->list);
}

static void end(struct engine *engine, const char *schedule, const char *instance, struct wall slot,
                int attempt, enum ledger_result result)
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
        .request_id = "",
        .at = engine->now.wall,
    };
    (void)!engine->ports.ledger.append(engine->ports.ledger.context, &entry);
}

/* The entry that ends what was found. */
static void end_found(struct engine *engine, const struct found *found, enum ledger_result result)
{
    end(engine, found->schedule, found->instance, found->slot, found->attempt, result);
}

static void give_up_attempt(struct engine *engine, const struct found *found)
{
    report_unknown_found(&engine->ports.journal, found->schedule, found->instance, found->slot,
                         found->attempt);
    end_found(engine, found, LEDGER_UNKNOWN);
    engine->totals.unknown++;
}

/* ---- the members of one slot that are left ---- */

struct member {
    char *id;
    bool again; /* to be run: its last attempt did nothing */
    bool there; /* in the file */
};

struct members {
    struct member *list; /* sorted by id before it is searched */
    size_t count;
    size_t capacity;
    bool failed;
};

static void note_member(void *context, const char *instance, enum ledger_state state)
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
    *member = (struct member){.id = strdup(instance), .again = state == LEDGER_STATE_AGAIN};
    if (member->id == NULL)
        members->failed = true;
    else
        members->count++;
}

static void members_finish(struct members *members)
{
    for (size_t i = 0; i < members->count; i++)
        free(members->list[i].id);
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

static bool is_left(const struct members *members, const char *id)
{
    struct member *member = find_member(members, id);
    if (member == NULL)
        return true;
    member->there = true;
    return member->again;
}

static int reopen_group(struct engine *engine, struct open_slot *open, const struct group *group,
                        const struct members *members)
{
    const struct schedule *schedule = open->schedule;
    uint32_t *order = malloc((group->count + 1U) * sizeof *order);
    if (order == NULL)
        return -ENOMEM;
    uint32_t count = 0;
    for (uint32_t i = group->first; i < group->first + group->count; i++)
        if (is_left(members, schedule->instances[schedule->order[i]].id))
            order[count++] = schedule->order[i];
    if (count == 0) {
        free(order);
        return 0;
    }
    open->members += count;
    return lane_open(engine->by_host[group->host], engine->digest, open, NULL, order, count);
}

/* Members that were begun, are to be run and are no longer in the file. */
static void drop_gone(struct engine *engine, const struct schedule *schedule, struct wall slot,
                      const struct members *members)
{
    for (size_t i = 0; i < members->count; i++) {
        const struct member *member = &members->list[i];
        if (!member->again || member->there)
            continue;
        const struct instance gone = {.id = member->id, .region = ""};
        report_not_run(&engine->ports.journal, "backup_skipped", schedule, &gone, slot, "removed");
        end(engine, schedule->name, member->id, slot, 0, LEDGER_SKIPPED);
        engine->totals.skipped++;
    }
}

static int reopen_members(struct engine *engine, const struct schedule *schedule,
                          const struct found *found, const struct members *members)
{
    struct open_slot *open = NULL;
    int r = open_slot_add(&engine->open_slots, engine->config, schedule, found->slot, &open);
    for (uint32_t i = 0; r == 0 && i < schedule->group_count; i++)
        r = reopen_group(engine, open, &schedule->groups[i], members);
    if (r < 0)
        return r; /* the engine is not made: what was opened goes with it */
    assert(open != NULL);
    drop_gone(engine, schedule, found->slot, members);
    plan_raise(engine->plan, schedule, found->slot, engine->now.wall, &engine->ports.ledger);
    if (open->members > 0) {
        report_slot_resumed(&engine->ports.journal, open);
    } else {
        open_slot_remove(&engine->open_slots, open);
        end_found(engine, found, LEDGER_SUBMITTED);
    }
    return 0;
}

static int reopen(struct engine *engine, const struct schedule *schedule, const struct found *found)
{
    struct members members = {.list = NULL};
    const struct ledger *ledger = &engine->ports.ledger;
    int r = ledger->scan(ledger->context, found->schedule, found->slot, note_member, &members);
    if (r == 0 && members.failed)
        r = -ENOMEM;
    if (r == 0 && members.count > 1)
        qsort(members.list, members.count, sizeof *members.list, compare_members);
    if (r == 0)
        r = reopen_members(engine, schedule, found, &members);
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

static int take_up(struct engine *engine, const struct found *found)
{
    if (strcmp(found->instance, LEDGER_WHOLE_SLOT) != 0) {
        give_up_attempt(engine, found);
        return 0;
    }
    const struct schedule *schedule = config_find_schedule(engine->config, found->schedule);
    if (schedule != NULL && !schedule->paused)
        return reopen(engine, schedule, found);
    int r = 0;
    if (schedule != NULL)
        plan_raise(engine->plan, schedule, found->slot, engine->now.wall, &engine->ports.ledger);
    else
        r = raise_gone(engine, found);
    const struct schedule gone = {.name = found->schedule};
    report_slot_not_run(&engine->ports.journal, "backup_skipped",
                        schedule != NULL ? schedule : &gone, found->slot,
                        schedule != NULL ? "paused" : "removed");
    end_found(engine, found, LEDGER_SKIPPED);
    return r;
}

int engine_recover(struct engine *engine)
{
    struct findings findings = {.list = NULL};
    const struct ledger *ledger = &engine->ports.ledger;
    int r = ledger->unended(ledger->context, find, &findings);
    if (r == 0 && findings.failed)
        r = -ENOMEM;
    for (size_t i = 0; r == 0 && i < findings.count; i++)
        r = take_up(engine, &findings.list[i]);
    findings_finish(&findings);
    return r;
}
