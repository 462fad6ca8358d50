/*
 * See plan.h. A heap holds the schedules by their next slot. A schedule is looked at when that slot
 * is near; only then is it decided whether others have been passed meanwhile.
 */
#include "engine/plan.h"

#include "engine/sanity.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct heap_node node; /* by next.at */
    const struct schedule *schedule;
    struct wall horizon;
    bool anew;                  /* it has yet to begin: its horizon is not the ledger's */
    bool never;                 /* and there is none of it: it has never begun */
    struct wall recorded_first; /* slots after the horizon that are recorded; */
    struct wall recorded_last;  /* before the horizon: none */
    struct wall told;           /* slots before it have been told, though the horizon is older */
    struct wall passed;         /* the horizon, or the last of the recorded ones behind it */
    struct wall paused_until;   /* by an operator; slots before it are skipped */
    struct slot_time next;      /* the slot after that; at is WALL_NEVER without one */
};

/* A schedule that left the plan, or its rule, while the clock was not believed. */
struct former {
    struct entry entry;
    struct config *config; /* its own; one reference */
    struct mono left_at;
};

struct plan {
    struct entry *entries; /* in the config's order */
    size_t count;
    struct heap due;
    struct wall newest;           /* horizon of those that have begun */
    const struct entry **by_name; /* sorted, for the next reload */
    struct former *formers;
    size_t former_count;
};

static int compare_names(const void *a, const void *b)
{
    const struct entry *const *x = a;
    const struct entry *const *y = b;
    return strcmp((*x)->schedule->name, (*y)->schedule->name);
}

static const struct entry *find(const struct plan *plan, const char *name)
{
    if (plan == NULL || plan->count == 0)
        return NULL;
    const struct schedule schedule = {.name = name};
    const struct entry key = {.schedule = &schedule};
    const struct entry *wanted = &key;
    const struct entry *const *found = bsearch(&wanted, (const void *)plan->by_name, plan->count,
                                               sizeof plan->by_name[0], compare_names);
    return found == NULL ? NULL : *found;
}

/* A schedule by another rule goes on behind slots that lie ahead: they do not repeat. */
static bool begins(const struct entry *entry, struct wall now)
{
    return entry->anew && (entry->never || !wall_before(now, entry->horizon));
}

static bool same_rule(const struct schedule *a, const struct schedule *b)
{
    char rule_a[SCHEDULE_RULE_MAX];
    char rule_b[SCHEDULE_RULE_MAX];
    return strcmp(schedule_rule(a, rule_a), schedule_rule(b, rule_b)) == 0;
}

/* Outcomes: 0; negative: the ledger cannot be read. */
static int find_recorded(struct entry *entry, const struct ledger *ledger, struct wall after)
{
    struct wall first;
    struct wall last;
    if (!ledger->durable || ledger->recorded == NULL)
        return 0;
    int r = ledger->recorded(ledger->context, entry->schedule->name, after, &first, &last);
    if (r == 0) {
        entry->recorded_first = first;
        entry->recorded_last = last;
    }
    return r < 0 ? r : 0;
}

/* Outcomes: 0; negative: the ledger cannot be read. */
static int ask_ledger(struct entry *entry, const struct ledger *ledger, struct wall now)
{
    char rule[SCHEDULE_RULE_MAX];
    int r = ledger->horizon(ledger->context, entry->schedule->name,
                            schedule_rule(entry->schedule, rule), &entry->horizon);
    if (r < 0)
        return r;
    entry->anew = r == LEDGER_NO_HORIZON || r == LEDGER_OTHER_RULE;
    entry->never = r == LEDGER_NO_HORIZON;
    if (entry->never)
        entry->horizon = (struct wall){INT64_MIN};
    return find_recorded(entry, ledger, entry->never ? now : entry->horizon);
}

static int find_horizon(struct entry *entry, const struct plan *old, const struct ledger *ledger,
                        struct wall now)
{
    const struct schedule *schedule = entry->schedule;
    const struct entry *before = find(old, schedule->name);
    entry->paused_until = LEDGER_NO_PAUSE;
    entry->told = (struct wall){INT64_MIN};
    if (before != NULL) {
        entry->paused_until = before->paused_until;
        entry->horizon = before->horizon;
        entry->recorded_first = before->recorded_first;
        entry->recorded_last = before->recorded_last;
        entry->never = before->never;
        entry->anew = before->anew || !same_rule(before->schedule, schedule);
        if (!entry->anew)
            entry->told = before->told;
    } else {
        int r = ask_ledger(entry, ledger, now);
        if (r < 0)
            return r;
        /* New in a reload: nothing is caught up, and nothing repeated should it come back. */
        if (old != NULL)
            entry->anew = true;
    }
    return 0;
}

static bool is_recorded(const struct entry *entry, struct wall slot)
{
    return wall_before(entry->horizon, entry->recorded_last)
           && !wall_before(slot, entry->recorded_first) && !wall_before(entry->recorded_last, slot);
}

static void find_next(struct entry *entry, struct wall from)
{
    const struct recurrence *when = &entry->schedule->when;
    struct slot_time next;
    entry->passed = wall_before(from, entry->told) ? wall_add_us(entry->told, -1) : from;
    int r = recurrence_next(when, entry->passed, &next);
    if (r == 0 && is_recorded(entry, next.at)) {
        entry->passed = entry->recorded_last;
        r = recurrence_next(when, entry->passed, &next);
    }
    entry->next = r == 0 ? next : (struct slot_time){.at = WALL_NEVER};
}

static void note_newest(struct plan *plan, const struct entry *entry)
{
    if (!entry->anew && wall_before(plan->newest, entry->horizon))
        plan->newest = entry->horizon;
}

/* Its horizon has moved. */
static void place(struct plan *plan, struct entry *entry)
{
    heap_remove(&plan->due, &entry->node);
    find_next(entry, entry->horizon);
    note_newest(plan, entry);
    int r = heap_push(&plan->due, &entry->node, entry->next.at.us);
    assert(r == 0); /* a place was freed just before */
}

static int fill(struct plan *plan, const struct config *config, const struct plan *old,
                const struct ledger *ledger, struct wall now)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct entry *entry = &plan->entries[i];
        entry->schedule = &config->schedules[i];
        int r = find_horizon(entry, old, ledger, now);
        if (r < 0)
            return r;
        find_next(entry, begins(entry, now) ? now : entry->horizon);
        note_newest(plan, entry);
        plan->by_name[i] = entry;
        r = heap_push(&plan->due, &entry->node, entry->next.at.us);
        if (r < 0)
            return r;
    }
    if (plan->count > 1)
        qsort((void *)plan->by_name, plan->count, sizeof plan->by_name[0], compare_names);
    return 0;
}

struct pausing {
    struct plan *plan;
    const struct plan *old;
};

/* What the plan before knows of a schedule is newer. */
static void take_pause(void *context, const char *schedule, struct wall until)
{
    struct pausing *pausing = context;
    const struct entry *found = find(pausing->plan, schedule);
    if (found != NULL && find(pausing->old, schedule) == NULL)
        pausing->plan->entries[found - pausing->plan->entries].paused_until = until;
}

static int find_pauses(struct plan *plan, const struct plan *old, const struct ledger *ledger)
{
    struct pausing pausing = {plan, old};
    return ledger->pauses == NULL ? 0 : ledger->pauses(ledger->context, take_pause, &pausing);
}

int plan_create(const struct config *config, const struct plan *old, const struct ledger *ledger,
                struct wall now, struct plan **ret)
{
    struct plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return -ENOMEM;
    plan->count = config->schedule_count;
    plan->newest = (struct wall){INT64_MIN};
    size_t room = plan->count > 0 ? plan->count : 1;
    plan->entries = calloc(room, sizeof *plan->entries);
    plan->by_name = calloc(room, sizeof plan->by_name[0]);
    int r = -ENOMEM;
    if (plan->entries != NULL && plan->by_name != NULL)
        r = heap_reserve(&plan->due, room);
    if (r == 0)
        r = fill(plan, config, old, ledger, now);
    if (r == 0)
        r = find_pauses(plan, old, ledger);
    if (r < 0) {
        plan_destroy(plan);
        return r;
    }
    *ret = plan;
    return 0;
}

void plan_destroy(struct plan *plan)
{
    if (plan == NULL)
        return;
    heap_finish(&plan->due);
    for (size_t i = 0; i < plan->former_count; i++)
        config_unref(plan->formers[i].config);
    free(plan->formers);
    free(plan->entries);
    free((void *)plan->by_name);
    free(plan);
}

static void tell_horizon(const struct entry *entry, const struct ledger *ledger)
{
    char rule[SCHEDULE_RULE_MAX];
    ledger->set_horizon(ledger->context, entry->schedule->name,
                        schedule_rule(entry->schedule, rule), entry->horizon);
}

void plan_raise(struct plan *plan, const struct schedule *schedule, struct wall slot,
                struct wall now, const struct ledger *ledger)
{
    assert(plan->count > 0 && schedule >= plan->entries[0].schedule);
    struct entry *entry = &plan->entries[schedule - plan->entries[0].schedule];
    bool lies_ahead = wall_diff_us(slot, now) > SANITY_BEHIND_US && is_recorded(entry, slot);
    if (lies_ahead || !wall_before(entry->horizon, slot))
        return;
    entry->horizon = slot;
    entry->never = false;
    if (!entry->anew)
        tell_horizon(entry, ledger);
    place(plan, entry);
}

void plan_settle(struct plan *plan, struct wall now, const struct ledger *ledger)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct entry *entry = &plan->entries[i];
        if (!entry->anew)
            continue;
        if (begins(entry, now))
            entry->horizon = now;
        entry->anew = false;
        entry->never = false;
        tell_horizon(entry, ledger);
        place(plan, entry);
    }
}

struct wall plan_newest(const struct plan *plan)
{
    return plan->newest;
}

/* One that was given up says all the same how late it was. */
static void recount_newest(struct plan *plan)
{
    plan->newest = (struct wall){INT64_MIN};
    for (size_t i = 0; i < plan->count; i++)
        note_newest(plan, &plan->entries[i]);
    for (size_t i = 0; i < plan->former_count; i++)
        note_newest(plan, &plan->formers[i].entry);
}

static void drop_formers_ahead(struct plan *plan, struct wall now)
{
    size_t kept = 0;
    for (size_t i = 0; i < plan->former_count; i++) {
        if (wall_diff_us(plan->formers[i].entry.horizon, now) <= SANITY_BEHIND_US)
            plan->formers[kept++] = plan->formers[i];
        else
            config_unref(plan->formers[i].config);
    }
    plan->former_count = kept;
}

void plan_step_back(struct plan *plan, struct wall now)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct entry *entry = &plan->entries[i];
        if (wall_diff_us(entry->told, now) <= SANITY_BEHIND_US)
            continue;
        entry->told = (struct wall){INT64_MIN};
        place(plan, entry);
    }
}

void plan_lower(struct plan *plan, struct wall now, const struct ledger *ledger)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct entry *entry = &plan->entries[i];
        bool ahead = wall_diff_us(entry->horizon, now) > SANITY_BEHIND_US;
        if (ahead && ledger->durable && ledger->recorded != NULL
            && find_recorded(entry, ledger, now) == 0) {
            entry->horizon = now;
            entry->told = (struct wall){INT64_MIN};
            tell_horizon(entry, ledger);
            place(plan, entry);
        }
    }
    if (ledger->durable && ledger->recorded != NULL)
        drop_formers_ahead(plan, now);
    recount_newest(plan);
}

/*
 * Slots have been passed: keeps the latest and counts the others. Those of an operator's pause come
 * by themselves: they are skipped, whatever becomes of the ones after its end.
 */
static void look_back(const struct entry *entry, struct wall now, struct plan_due *due)
{
    struct slot_time latest;
    int64_t count;
    struct wall until = now;
    bool is_cut = wall_before(entry->next.at, entry->recorded_first)
                  && !wall_before(until, entry->recorded_first);
    if (is_cut)
        until = wall_add_us(entry->recorded_first, -1); /* what follows is recorded */
    if (wall_before(entry->next.at, entry->paused_until))
        until = wall_earlier(until, wall_add_us(entry->paused_until, -1));
    int r = recurrence_latest(&entry->schedule->when, entry->passed, until, PLAN_COUNT_MAX, &latest,
                              &count);
    if (r != 0 || count < 1)
        return;
    due->slot = latest;
    due->missed = count - 1;
    due->missed_first = entry->next.at;
    struct slot_time after;
    due->passed = is_cut
                  && recurrence_next(&entry->schedule->when, entry->recorded_last, &after) == 0
                  && !wall_before(now, after.at);
}

static enum plan_kind kind_of(const struct entry *entry, struct wall slot, struct wall now)
{
    const struct schedule *schedule = entry->schedule;
    if (schedule->paused || wall_before(slot, entry->paused_until))
        return PLAN_PAUSED;
    int64_t late = wall_diff_us(now, slot);
    if (late <= PLAN_GRACE_US)
        return PLAN_OPEN;
    int64_t last = instant_add_saturated(schedule->spread_us, schedule->start_within_us);
    if (schedule->catch_up == CATCH_UP_NONE || late >= last)
        return PLAN_MISSED;
    return PLAN_CATCH_UP;
}

bool plan_peek(struct plan *plan, struct wall now, int64_t ahead_us, struct plan_due *ret)
{
    struct heap_node *top = heap_top(&plan->due);
    if (top == NULL || top->key > wall_add_us(now, ahead_us).us || top->key == WALL_NEVER.us)
        return false;
    const struct entry *entry = HEAP_OWNER(top, struct entry, node);
    *ret = (struct plan_due){.schedule = entry->schedule, .slot = entry->next};
    if (!wall_before(now, entry->next.at))
        look_back(entry, now, ret);
    ret->kind = kind_of(entry, ret->slot.at, now);
    if (ret->passed && ret->kind != PLAN_PAUSED)
        ret->kind = PLAN_MISSED; /* only the latest is caught up */
    return true;
}

void plan_pass(struct plan *plan, const struct plan_due *due, struct wall before)
{
    struct entry *entry = HEAP_OWNER(heap_top(&plan->due), struct entry, node);
    assert(entry->schedule == due->schedule);
    entry->told = before;
    place(plan, entry);
}

void plan_advance(struct plan *plan, const struct plan_due *due, const struct ledger *ledger)
{
    struct heap_node *top = heap_pop(&plan->due);
    struct entry *entry = HEAP_OWNER(top, struct entry, node);
    assert(entry->schedule == due->schedule);
    entry->horizon = due->slot.at;
    tell_horizon(entry, ledger);
    find_next(entry, entry->horizon);
    note_newest(plan, entry);
    int r = heap_push(&plan->due, &entry->node, entry->next.at.us);
    assert(r == 0); /* a place was freed just before */
}

/* ---- what a reload leaves behind ---- */

static bool goes_on(const struct plan *next, const struct entry *entry)
{
    const struct entry *after = find(next, entry->schedule->name);
    return entry->anew || (after != NULL && same_rule(after->schedule, entry->schedule));
}

/* It is in no heap any more, or in one that is of no use. */
static void tell_left(struct entry *entry, struct wall now, const struct ledger *ledger,
                      plan_left_fn each, void *context)
{
    while (entry->next.at.us != WALL_NEVER.us && !wall_before(now, entry->next.at)) {
        struct plan_due due = {.schedule = entry->schedule, .slot = entry->next};
        look_back(entry, now, &due);
        due.kind = kind_of(entry, due.slot.at, now) == PLAN_PAUSED ? PLAN_PAUSED : PLAN_MISSED;
        each(context, &due);
        entry->horizon = due.slot.at;
        tell_horizon(entry, ledger);
        find_next(entry, entry->horizon);
    }
}

void plan_leave(struct plan *plan, const struct plan *next, struct wall now,
                const struct ledger *ledger, plan_left_fn each, void *context)
{
    for (size_t i = 0; i < plan->count; i++)
        if (!goes_on(next, &plan->entries[i]))
            tell_left(&plan->entries[i], now, ledger, each, context);
}

int plan_leave_later(struct plan *plan, struct plan *next, struct config *config, struct mono now)
{
    struct former *formers = calloc(plan->former_count + plan->count + 1, sizeof *formers);
    size_t count = plan->former_count;
    if (formers == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        formers[i] = plan->formers[i];
    for (size_t i = 0; i < plan->count; i++)
        if (!goes_on(next, &plan->entries[i]))
            formers[count++] = (struct former){plan->entries[i], config_ref(config), now};
    free(plan->formers);
    plan->formers = NULL;
    plan->former_count = 0;
    next->formers = formers;
    next->former_count = count;
    recount_newest(next);
    return 0;
}

void plan_tell_left(struct plan *plan, struct now now, const struct ledger *ledger,
                    plan_left_fn each, void *context)
{
    for (size_t i = 0; i < plan->former_count; i++) {
        struct former *former = &plan->formers[i];
        int64_t since_us = mono_diff_ns(now.mono, former->left_at) / NS_PER_US;
        tell_left(&former->entry, wall_add_us(now.wall, -since_us), ledger, each, context);
        config_unref(former->config);
    }
    plan->former_count = 0;
    recount_newest(plan);
}

struct wall plan_next_slot(const struct plan *plan)
{
    struct heap_node *top = heap_top(&plan->due);
    return top == NULL ? WALL_NEVER : (struct wall){top->key};
}

struct wall plan_next_slot_of(const struct plan *plan, uint32_t schedule)
{
    assert(schedule < plan->count);
    return plan->entries[schedule].next.at;
}

void plan_pause(struct plan *plan, uint32_t schedule, struct wall until)
{
    assert(schedule < plan->count);
    plan->entries[schedule].paused_until = until;
}

struct wall plan_paused_until(const struct plan *plan, uint32_t schedule)
{
    assert(schedule < plan->count);
    return plan->entries[schedule].paused_until;
}
