/*
 * See world.h: what a seed says of operators: runs that they order, and schedules that they pause
 * and resume. Drawn from dice of their own, so that the rest of a world does not depend on them.
 *
 * Half of them come when something else happens: with an act of the script, just before or after
 * it, or near a slot.
 */
#include "sim/world.h"

#include <stdlib.h>

#define S US_PER_SECOND
#define RUNS_MAX 400 /* ordered in a world; of a large one ten times as many */

static const struct plan_of_schedule *plan_of(const struct world *world, int schedule)
{
    return &world->generations[0].schedules[schedule];
}

static int any_schedule(const struct world *world, struct dice *dice)
{
    int schedule = 0;
    for (int tries = 0; tries < 4; tries++) {
        schedule = (int)dice_range(dice, 0, WORLD_SCHEDULES_MAX - 1);
        if (plan_of(world, schedule)->present)
            break;
    }
    return schedule;
}

/* ---- when ---- */

static int64_t with_an_act(const struct world *world, struct dice *dice)
{
    static const int64_t around_us[] = {0, -50, 50, 5000, 300000, -1 * S, 2 * S, 20 * S};
    const struct act *act = &world->acts[dice_range(dice, 0, world->act_count - 1)];
    int64_t us = around_us[dice_range(dice, 0, 7)];
    return act->at + (us < 0 ? -dice_range(dice, 0, -us) : dice_range(dice, 0, us)) * NS_PER_US;
}

static int64_t near_a_slot(const struct world *world, struct dice *dice, int64_t end)
{
    const struct plan_of_schedule *plan = plan_of(world, any_schedule(world, dice));
    int64_t from = world->real_us + world->wrong_us + dice_range(dice, 0, end) / NS_PER_US;
    struct wall slot = {from};
    if (plan->present)
        slot = rule_next(&plan->rule, slot);
    if (slot.us - from > end / NS_PER_US)
        slot.us = from;
    int64_t us = slot.us - world->real_us - world->wrong_us + dice_range(dice, -3 * S, 3 * S);
    return us * NS_PER_US;
}

static int64_t any_moment(const struct world *world, struct dice *dice)
{
    int64_t end = world->acts[world->act_count - 1].at;
    int64_t how = dice_range(dice, 0, 99);
    int64_t at = how < 30   ? with_an_act(world, dice)
                 : how < 50 ? near_a_slot(world, dice, end)
                            : dice_range(dice, 0, end);
    return at < 0 ? 0 : at;
}

/* ---- what ---- */

static struct errand *add(struct world *world, int64_t at, enum errand_kind kind, int schedule)
{
    if (world->errand_count == WORLD_ERRANDS_MAX)
        return NULL;
    struct errand *errand = &world->errands[world->errand_count++];
    *errand = (struct errand){.at = at, .kind = kind, .schedule = schedule};
    return errand;
}

static int members_of(const struct world *world, int schedule)
{
    int count = 0;
    for (int i = 0; i < world->instance_count; i++)
        count += plan_of(world, schedule)->has[i];
    return count;
}

/* One that the schedule has, mostly. */
static int any_member(const struct world *world, struct dice *dice, int schedule)
{
    int first = (int)dice_range(dice, 0, world->instance_count - 1);
    if (dice_chance(dice, 20))
        return world->instance_count; /* nobody has it */
    for (int i = 0; i < world->instance_count; i++)
        if (plan_of(world, schedule)->has[(first + i) % world->instance_count])
            return (first + i) % world->instance_count;
    return first;
}

static void name_some(const struct world *world, struct dice *dice, struct errand *errand)
{
    int count = (int)dice_range(dice, 1, ERRAND_NAMES_MAX);
    bool of_many = dice_chance(dice, 200); /* schedules */
    for (int i = 0; i < count; i++) {
        int schedule = of_many ? any_schedule(world, dice) : errand->schedule;
        struct errand_name name = {schedule, any_member(world, dice, schedule)};
        if (i > 0 && dice_chance(dice, 100))
            name = errand->names[dice_range(dice, 0, i - 1)];
        errand->names[errand->name_count++] = name;
    }
}

/* Returns how many runs it may be. */
static int add_run(struct world *world, struct dice *dice, int64_t at)
{
    int schedule = any_schedule(world, dice);
    struct errand *errand = add(world, at, ERRAND_RUN, schedule);
    if (errand == NULL)
        return 0;
    if (dice_chance(dice, 600))
        name_some(world, dice, errand);
    return errand->name_count > 0 ? errand->name_count : members_of(world, schedule);
}

static void add_pause(struct world *world, struct dice *dice, int64_t at)
{
    bool is_long = world->kind == WORLD_LONG;
    int schedule = any_schedule(world, dice);
    struct errand *errand = add(world, at, ERRAND_PAUSE, schedule);
    if (errand == NULL)
        return;
    if (dice_chance(dice, 600))
        errand->for_us = dice_range(dice, 1, is_long ? 30000 * S : 60 * S);
    if (dice_chance(dice, 150)) /* nobody lifts it */
        return;
    int64_t after = dice_range(dice, 0, is_long ? 30000 * S : 45 * S) * NS_PER_US;
    int64_t back = dice_chance(dice, 500) ? at + after : any_moment(world, dice);
    (void)add(world, back, ERRAND_RESUME, schedule);
}

static int compare_errands(const void *a, const void *b)
{
    const struct errand *x = a;
    const struct errand *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return (x->kind > y->kind) - (x->kind < y->kind);
}

void world_make_errands(struct world *world, bool big)
{
    struct dice dice = dice_of(world->seed, 13);
    if (!dice_chance(&dice, 550))
        return;
    int most = big ? WORLD_ERRANDS_MAX : WORLD_ERRANDS_MAX / 5;
    int count = (int)dice_range(&dice, 1, most);
    int left = big ? 10 * RUNS_MAX : RUNS_MAX;
    for (int i = 0; i < count && left > 0; i++) {
        int64_t at = any_moment(world, &dice);
        if (dice_chance(&dice, 600))
            left -= add_run(world, &dice, at);
        else
            add_pause(world, &dice, at);
        if (dice_chance(&dice, 100)) /* and once more, at once */
            left -= add_run(world, &dice, at + dice_range(&dice, 0, 900) * 1000);
    }
    qsort(world->errands, (size_t)world->errand_count, sizeof world->errands[0], compare_errands);
}
