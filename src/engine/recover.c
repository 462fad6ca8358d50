/*
 * Recover: what an earlier life of the daemon left open in the ledger.
 *
 *   a slot that was opened   its members without a decision wait again, as members of the same slot
 *   an attempt without end   it may have started a backup: said as unknown, never sent again
 *
 * A crash may have kept the slot's entry but not the schedule's horizon, which is written after it:
 * the horizon is raised, so that the slot is not opened a second time.
 */
#include "engine/engine_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct found {
    char *schedule;
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

/* The entry that ends what was found. */
static void end(struct engine *engine, const struct found *found, enum ledger_result result)
{
    const struct ledger_entry entry = {
        .kind = LEDGER_ENDED,
        .schedule = found->schedule,
        .instance = found->instance,
        .region = "",
        .slot = found->slot,
        .attempt = found->attempt,
        .result = result,
        .code = "",
        .request_id = "",
        .at = engine->now.wall,
    };
    (void)!engine->ports.ledger.append(engine->ports.ledger.context, &entry);
}

static void give_up_attempt(struct engine *engine, const struct found *found)
{
    report_unknown_found(&engine->ports.journal, found->schedule, found->instance, found->slot,
                         found->attempt);
    end(engine, found, LEDGER_UNKNOWN);
    engine->totals.unknown++;
}

/* ---- the members of one slot that are left ---- */

struct decided {
    char **ids; /* sorted before it is searched */
    size_t count;
    size_t capacity;
    bool failed;
};

static void note_decided(void *context, const char *instance, enum ledger_state state)
{
    struct decided *decided = context;
    if (state == LEDGER_STATE_AGAIN)
        return;
    if (decided->count == decided->capacity) {
        size_t capacity = decided->capacity == 0 ? 64 : decided->capacity * 2;
        char **ids = reallocarray((void *)decided->ids, capacity, sizeof *ids);
        if (ids == NULL) {
            decided->failed = true;
            return;
        }
        decided->ids = ids;
        decided->capacity = capacity;
    }
    char *id = strdup(instance);
    if (id == NULL)
        decided->failed = true;
    else
        decided->ids[decided->count++] = id;
}

static void decided_finish(struct decided *decided)
{
    for (size_t i = 0; i < decided->count; i++)
        free(decided->ids[i]);
    free((void *)decided->ids);
}

static int compare_ids(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(*x, *y);
}

static bool is_decided(const struct decided *decided, const char *id)
{
    return decided->count > 0
           && bsearch(&id, (void *)decided->ids, decided->count, sizeof *decided->ids, compare_ids)
                  != NULL;
}

static int reopen_group(struct engine *engine, struct open_slot *open, const struct group *group,
                        const struct decided *decided)
{
    const struct schedule *schedule = open->schedule;
    uint32_t *order = malloc((group->count + 1U) * sizeof *order);
    if (order == NULL)
        return -ENOMEM;
    uint32_t count = 0;
    for (uint32_t i = group->first; i < group->first + group->count; i++)
        if (!is_decided(decided, schedule->instances[schedule->order[i]].id))
            order[count++] = schedule->order[i];
    if (count == 0) {
        free(order);
        return 0;
    }
    open->members += count;
    return lane_open(engine->by_host[group->host], engine->digest, open, NULL, order, count);
}

static int reopen(struct engine *engine, const struct schedule *schedule, const struct found *found)
{
    struct decided decided = {.ids = NULL};
    const struct ledger *ledger = &engine->ports.ledger;
    struct open_slot *open = NULL;
    int r = ledger->scan(ledger->context, found->schedule, found->slot, note_decided, &decided);
    if (r == 0 && decided.failed)
        r = -ENOMEM;
    if (r == 0)
        r = open_slot_add(&engine->open_slots, engine->config, schedule, found->slot, &open);
    if (r == 0 && decided.count > 1)
        qsort((void *)decided.ids, decided.count, sizeof *decided.ids, compare_ids);
    for (uint32_t i = 0; r == 0 && i < schedule->group_count; i++)
        r = reopen_group(engine, open, &schedule->groups[i], &decided);
    decided_finish(&decided);
    if (r < 0)
        return r; /* the engine is not made: what was opened goes with it */
    assert(open != NULL);
    plan_raise(engine->plan, schedule, found->slot, ledger);
    if (open->members > 0) {
        report_slot_resumed(&engine->ports.journal, open);
    } else {
        open_slot_remove(&engine->open_slots, open);
        end(engine, found, LEDGER_SUBMITTED);
    }
    return 0;
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
    if (schedule != NULL) {
        plan_raise(engine->plan, schedule, found->slot, &engine->ports.ledger);
        report_slot_not_run(&engine->ports.journal, "backup_skipped", schedule, found->slot,
                            "paused");
    } else {
        const struct schedule gone = {.name = found->schedule};
        report_slot_not_run(&engine->ports.journal, "backup_skipped", &gone, found->slot,
                            "removed");
    }
    end(engine, found, LEDGER_SKIPPED);
    return 0;
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
