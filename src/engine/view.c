/*
 * See view.h. Four arrays by member and one by schedule. A member is found by the hash of both
 * names in a table of numbers that is at most half full.
 *
 * `stamp` is the second of the newest good backup, or where there is none (the bit GOOD is not set)
 * that since which the member is known: what is older than a schedule's max_age is overdue in both
 * cases, so one walk over it answers.
 */
#include "engine/view.h"

#include "engine/gap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GOOD 0x80 /* a bit of outcomes[]: the stamp is of a good backup */
#define OUTCOME 0x0F

#define NOBODY UINT32_MAX

#define GAP_COST_NS 200000
#define MEMBER_COST_NS 3

struct state {
    uint32_t first; /* its members' first number */
    uint32_t last[VIEW_OUTCOMES];
    struct wall last_slot;
    int64_t max_age_us; /* 0: not asked for yet */
    bool fresh;         /* what follows holds for `second` */
    uint32_t second;
    uint32_t never_good;
    uint32_t overdue;
    uint32_t never_overdue;
    uint32_t oldest; /* a member's number; UINT32_MAX: none */
};

struct view {
    const struct config *config;
    struct names names; /* of the schedules, in the configuration's order */
    struct state *states;
    uint32_t count;
    uint32_t *stamps;
    int64_t *slots;
    uint8_t *outcomes;  /* of the last run, and bits */
    uint8_t *scheduled; /* of the schedule's last slot, as it is counted there */
    uint32_t *table;    /* number + 1; 0: empty */
    uint32_t mask;
    uint32_t moved; /* members that were not there before, or at another host */
    /* Between view_prepare() and view_begin(): */
    const struct view *old;
    uint32_t *befores; /* a member's number in `old`, or NOBODY; NULL: none of them was there */
};

const char *view_outcome_name(enum view_outcome outcome)
{
    static const char *const names[VIEW_OUTCOMES] = {
        [VIEW_NONE] = "none",           [VIEW_OPEN] = "open",       [VIEW_SUBMITTED] = "submitted",
        [VIEW_SUCCEEDED] = "succeeded", [VIEW_FAILED] = "failed",   [VIEW_MISSED] = "missed",
        [VIEW_SKIPPED] = "skipped",     [VIEW_UNKNOWN] = "unknown", [VIEW_STUCK] = "stuck",
    };
    return names[outcome];
}

/* Seconds since 1970 that fit: the clock of a machine whose battery is empty, or of the year 2106.
 */
static uint32_t second_of(struct wall at)
{
    int64_t second = wall_seconds(at);
    return second < 0 ? 0 : second > UINT32_MAX ? UINT32_MAX : (uint32_t)second;
}

/* ---- finding ---- */

static uint32_t hash_of(uint32_t schedule, const char *id)
{
    uint64_t h = (UINT64_C(0xcbf29ce484222325) ^ schedule) * UINT64_C(0x100000001b3);
    for (; *id != '\0'; id++)
        h = (h ^ (unsigned char)*id) * UINT64_C(0x100000001b3);
    return (uint32_t)(h ^ (h >> 32));
}

static void enter(struct view *view, uint32_t schedule, uint32_t instance)
{
    const struct schedule *of = &view->config->schedules[schedule];
    uint32_t place = hash_of(schedule, of->instances[instance].id) & view->mask;
    while (view->table[place] != 0)
        place = (place + 1) & view->mask;
    view->table[place] = view->states[schedule].first + instance + 1;
}

int view_find_schedule(const struct view *view, const char *name, uint32_t *ret)
{
    return names_find(&view->names, name, strlen(name), ret) == 0 ? 0 : VIEW_UNKNOWN_NAME;
}

static int find_member(const struct view *view, uint32_t schedule, const char *id, uint32_t *ret)
{
    const struct schedule *of = &view->config->schedules[schedule];
    uint32_t first = view->states[schedule].first;
    uint32_t place = hash_of(schedule, id) & view->mask;
    for (; view->table[place] != 0; place = (place + 1) & view->mask) {
        uint32_t number = view->table[place] - 1;
        if (number >= first && number - first < of->instance_count
            && strcmp(of->instances[number - first].id, id) == 0) {
            *ret = number;
            return 0;
        }
    }
    return VIEW_UNKNOWN_NAME;
}

int view_find(const struct view *view, const char *schedule, const char *instance,
              uint32_t *ret_schedule, uint32_t *ret_instance)
{
    uint32_t of;
    uint32_t number;
    if (view_find_schedule(view, schedule, &of) != 0
        || find_member(view, of, instance, &number) != 0)
        return VIEW_UNKNOWN_NAME;
    *ret_schedule = of;
    *ret_instance = number - view->states[of].first;
    return 0;
}

int view_find_instance(const struct view *view, uint32_t schedule, const char *id, uint32_t *ret)
{
    uint32_t number;
    if (find_member(view, schedule, id, &number) != 0)
        return VIEW_UNKNOWN_NAME;
    *ret = number - view->states[schedule].first;
    return 0;
}

uint32_t view_number(const struct view *view, uint32_t schedule, uint32_t instance)
{
    return view->states[schedule].first + instance;
}

uint32_t view_moved(const struct view *view)
{
    return view->moved;
}

uint32_t view_count(const struct view *view)
{
    return view->count;
}

/* ---- making ---- */

static int make_room(struct view *view)
{
    uint64_t size = 16;
    while (size < (uint64_t)view->count * 2)
        size *= 2;
    size_t room = view->count > 0 ? view->count : 1;
    view->mask = (uint32_t)(size - 1);
    view->stamps = calloc(room, sizeof *view->stamps);
    view->slots = calloc(room, sizeof *view->slots);
    view->outcomes = calloc(room, 1);
    view->scheduled = calloc(room, 1);
    view->table = calloc(size, sizeof *view->table);
    view->states = calloc(view->config->schedule_count + 1U, sizeof *view->states);
    if (view->old != NULL)
        view->befores = malloc(room * sizeof *view->befores);
    bool all = view->stamps != NULL && view->slots != NULL && view->outcomes != NULL
               && view->scheduled != NULL && view->table != NULL && view->states != NULL
               && (view->old == NULL || view->befores != NULL);
    return all ? 0 : -ENOMEM;
}

static bool has_moved(const struct view *view, const struct instance *now, uint32_t before,
                      uint32_t number)
{
    const struct config *old = view->old->config;
    uint32_t index = number - view->old->states[before].first;
    const struct instance *was = &old->schedules[before].instances[index];
    return strcmp(old->hosts[was->host].url, view->config->hosts[now->host].url) != 0;
}

/* Who of a schedule's members were there before. */
static void find_befores(struct view *view, uint32_t schedule)
{
    const struct schedule *of = &view->config->schedules[schedule];
    uint32_t before;
    bool is_new = view_find_schedule(view->old, of->name, &before) != 0;
    for (uint32_t i = 0; i < of->instance_count; i++) {
        uint32_t *number = &view->befores[view->states[schedule].first + i];
        if (is_new || find_member(view->old, before, of->instances[i].id, number) != 0)
            *number = NOBODY;
        if (*number == NOBODY || has_moved(view, &of->instances[i], before, *number))
            view->moved++;
    }
}

static int fill(struct view *view, struct wall now)
{
    uint32_t first = 0;
    for (uint32_t i = 0; i < view->config->schedule_count; i++) {
        const struct schedule *schedule = &view->config->schedules[i];
        uint32_t number;
        int r = names_add(&view->names, schedule->name, strlen(schedule->name), &number);
        if (r < 0)
            return r;
        assert(number == i); /* a name is given once */
        view->states[i].first = first;
        for (uint32_t j = 0; j < schedule->instance_count; j++) {
            view->stamps[first + j] = second_of(now);
            enter(view, i, j);
        }
        first += schedule->instance_count;
        if (view->befores != NULL)
            find_befores(view, i);
    }
    return 0;
}

int view_prepare(const struct config *config, const struct view *old, struct wall now,
                 struct view **ret)
{
    struct view *view = calloc(1, sizeof *view);
    if (view == NULL)
        return -ENOMEM;
    view->config = config;
    view->count = (uint32_t)config->instance_count;
    view->old = old;
    int r = make_room(view);
    if (r == 0)
        r = fill(view, now);
    if (r < 0) {
        view_destroy(view);
        return r;
    }
    *ret = view;
    return 0;
}

/* What the view before knows of a schedule and its members. */
static void carry(struct view *view, uint32_t schedule)
{
    const struct view *old = view->old;
    const struct schedule *of = &view->config->schedules[schedule];
    struct state *state = &view->states[schedule];
    uint32_t before;
    if (view_find_schedule(old, of->name, &before) != 0)
        return;
    state->last_slot = old->states[before].last_slot;
    for (uint32_t number = state->first; number < state->first + of->instance_count; number++) {
        uint32_t was = view->befores[number];
        if (was == NOBODY)
            continue;
        view->stamps[number] = old->stamps[was];
        view->slots[number] = old->slots[was];
        view->outcomes[number] = old->outcomes[was];
        view->scheduled[number] = old->scheduled[was];
    }
}

void view_begin(struct view *view, const struct view *old)
{
    assert(view->old == old);
    for (uint32_t i = 0; i < view->config->schedule_count; i++) {
        struct state *state = &view->states[i];
        uint32_t end = state->first + view->config->schedules[i].instance_count;
        if (view->befores != NULL)
            carry(view, i);
        for (uint32_t j = state->first; j < end; j++)
            state->last[view->scheduled[j]]++;
    }
    free(view->befores);
    view->befores = NULL;
    view->old = NULL;
}

int view_create(const struct config *config, const struct view *old, struct wall now,
                struct view **ret)
{
    struct view *view;
    int r = view_prepare(config, old, now, &view);
    if (r < 0)
        return r;
    view_begin(view, old);
    *ret = view;
    return 0;
}

void view_destroy(struct view *view)
{
    if (view == NULL)
        return;
    names_finish(&view->names);
    free(view->states);
    free(view->stamps);
    free(view->slots);
    free(view->outcomes);
    free(view->scheduled);
    free(view->table);
    free(view->befores);
    free(view);
}

/* ---- what happens ---- */

static enum view_outcome of_entry(const struct ledger_entry *entry)
{
    static const enum view_outcome results[] = {
        [LEDGER_SUBMITTED] = VIEW_SUBMITTED, [LEDGER_FAILED] = VIEW_FAILED,
        [LEDGER_UNKNOWN] = VIEW_UNKNOWN,     [LEDGER_SKIPPED] = VIEW_SKIPPED,
        [LEDGER_MISSED] = VIEW_MISSED,       [LEDGER_AGAIN] = VIEW_OPEN,
    };
    static const enum view_outcome finishes[] = {
        [LEDGER_SUCCEEDED] = VIEW_SUCCEEDED,
        [LEDGER_TASK_FAILED] = VIEW_FAILED,
        [LEDGER_STUCK] = VIEW_STUCK,
        [LEDGER_UNWATCHED] = VIEW_UNKNOWN,
    };
    if (entry->kind == LEDGER_STARTED)
        return VIEW_OPEN;
    return entry->kind == LEDGER_ENDED ? results[entry->result] : finishes[entry->finish];
}

static void set_outcome(struct view *view, uint32_t number, enum view_outcome outcome,
                        struct wall slot)
{
    view->slots[number] = slot.us;
    view->outcomes[number] = (uint8_t)((view->outcomes[number] & GOOD) | (uint8_t)outcome);
}

static void set_good(struct view *view, struct state *state, uint32_t number, struct wall at)
{
    if ((view->outcomes[number] & GOOD) != 0 && view->stamps[number] >= second_of(at))
        return;
    view->stamps[number] = second_of(at);
    view->outcomes[number] |= GOOD;
    state->fresh = false;
}

/* Counts a member of the schedule's last slot; a newer slot begins the counting anew. */
static void count(struct view *view, struct state *state, uint32_t members, uint32_t number,
                  enum view_outcome outcome, struct wall slot, bool begins)
{
    if (begins && wall_before(state->last_slot, slot)) {
        state->last_slot = slot;
        memset(state->last, 0, sizeof state->last);
        if (members > 0)
            memset(view->scheduled + state->first, VIEW_NONE, members);
        state->last[VIEW_NONE] = members;
    }
    if (state->last_slot.us != slot.us)
        return;
    state->last[view->scheduled[number]]--;
    state->last[outcome]++;
    view->scheduled[number] = (uint8_t)outcome;
}

void view_take(struct view *view, const struct ledger_entry *entry)
{
    uint32_t schedule;
    uint32_t instance;
    if (view == NULL
        || view_find(view, entry->schedule, entry->instance, &schedule, &instance) != 0)
        return;
    struct state *state = &view->states[schedule];
    uint32_t number = state->first + instance;
    enum view_outcome outcome = of_entry(entry);
    bool begins =
        entry->run_kind != LEDGER_KIND_OPERATOR
        && (entry->kind == LEDGER_STARTED || (entry->kind == LEDGER_ENDED && entry->attempt == 0));
    count(view, state, view->config->schedules[schedule].instance_count, number, outcome,
          entry->slot, begins);
    if (entry->slot.us >= view->slots[number])
        set_outcome(view, number, outcome, entry->slot);
    if (outcome == VIEW_SUCCEEDED)
        set_good(view, state, number, entry->at);
}

static uint32_t schedule_of(const struct view *view, uint32_t number)
{
    uint32_t low = 0;
    uint32_t high = view->config->schedule_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (view->states[middle].first <= number)
            low = middle;
        else
            high = middle;
    }
    return low;
}

void view_restore(struct view *view, uint32_t member, const struct view_past *past)
{
    assert(member < view->count);
    uint32_t schedule = schedule_of(view, member);
    struct state *state = &view->states[schedule];
    if (past->good_at.us > 0)
        set_good(view, state, member, past->good_at);
    else if ((view->outcomes[member] & GOOD) == 0 && past->first.us > 0
             && second_of(past->first) < view->stamps[member])
        view->stamps[member] = second_of(past->first);
    state->fresh = false;
    if (past->slot.us > view->slots[member])
        set_outcome(view, member, past->outcome, past->slot);
    /* What this life has counted of the same slot is newer. */
    if (past->scheduled_slot.us > 0
        && (state->last_slot.us != past->scheduled_slot.us || view->scheduled[member] == VIEW_NONE))
        count(view, state, view->config->schedules[schedule].instance_count, member,
              past->scheduled, past->scheduled_slot, true);
}

/* ---- questions ---- */

int64_t view_max_age_us(struct view *view, uint32_t schedule, struct wall now)
{
    struct state *state = &view->states[schedule];
    if (state->max_age_us > 0)
        return state->max_age_us;
    const struct schedule *of = &view->config->schedules[schedule];
    int64_t gap = gap_longest_us(&of->when, now);
    int64_t start = of->start_within_us < gap ? of->start_within_us : gap;
    int64_t age = instant_add_saturated(gap, of->spread_us);
    age = instant_add_saturated(age, start);
    state->max_age_us = instant_add_saturated(age, VIEW_BACKUP_US);
    return state->max_age_us;
}

/* The second before which a stamp is overdue. */
static uint32_t limit_of(struct view *view, uint32_t schedule, struct wall now)
{
    return second_of(wall_add_us(now, -view_max_age_us(view, schedule, now)));
}

static void sum_up(struct view *view, uint32_t schedule, struct wall now)
{
    struct state *state = &view->states[schedule];
    uint32_t limit = limit_of(view, schedule, now);
    uint32_t end = state->first + view->config->schedules[schedule].instance_count;
    state->never_good = state->overdue = state->never_overdue = 0;
    state->oldest = UINT32_MAX;
    for (uint32_t i = state->first; i < end; i++) {
        bool overdue = view->stamps[i] < limit;
        bool never = (view->outcomes[i] & GOOD) == 0;
        state->overdue += overdue;
        state->never_good += never;
        state->never_overdue += overdue && never;
        if (!never
            && (state->oldest == UINT32_MAX || view->stamps[i] < view->stamps[state->oldest]))
            state->oldest = i;
    }
    state->second = second_of(now);
    state->fresh = true;
}

struct view_schedule view_schedule(struct view *view, uint32_t schedule, struct wall now)
{
    struct state *state = &view->states[schedule];
    if (!state->fresh || state->second != second_of(now))
        sum_up(view, schedule, now);
    struct view_schedule ret = {
        .last_slot = state->last_slot,
        .never_good = state->never_good,
        .overdue = state->overdue,
        .never_overdue = state->never_overdue,
        .max_age_us = view_max_age_us(view, schedule, now),
    };
    memcpy(ret.last, state->last, sizeof ret.last);
    if (state->oldest != UINT32_MAX) {
        ret.oldest = state->oldest - state->first;
        ret.oldest_good_at = wall_from_seconds(view->stamps[state->oldest]);
    }
    return ret;
}

int64_t view_cost_ns(const struct view *view, uint32_t schedule, struct wall now)
{
    const struct state *state = &view->states[schedule];
    int64_t cost = state->max_age_us > 0 ? 0 : GAP_COST_NS;
    if (!state->fresh || state->second != second_of(now))
        cost += (int64_t)view->config->schedules[schedule].instance_count * MEMBER_COST_NS;
    return cost;
}

struct view_member view_member(struct view *view, uint32_t schedule, uint32_t instance,
                               struct wall now)
{
    uint32_t number = view->states[schedule].first + instance;
    bool good = (view->outcomes[number] & GOOD) != 0;
    struct wall stamp = wall_from_seconds(view->stamps[number]);
    return (struct view_member){
        .outcome = (enum view_outcome)(view->outcomes[number] & OUTCOME),
        .slot = {view->slots[number]},
        .good_at = good ? stamp : (struct wall){0},
        .since = stamp,
        .overdue = view->stamps[number] < limit_of(view, schedule, now),
    };
}

bool view_has_begun(const struct view *view, uint32_t schedule, uint32_t instance, struct wall slot)
{
    const struct state *state = &view->states[schedule];
    uint32_t number = state->first + instance;
    if (state->last_slot.us == slot.us)
        return view->scheduled[number] != VIEW_NONE;
    return wall_before(slot, state->last_slot) && view->slots[number] >= slot.us;
}
