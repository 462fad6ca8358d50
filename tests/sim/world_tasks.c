/*
 * See world.h: what a seed says of tasks and hosts: how long backups take, how many fail, how far
 * the cloud's lists lag, what the files say of all that, and when a host is dead. Drawn from dice
 * of its own, after all else. Also when the account's keys are rotated.
 */
#include "sim/world.h"

#define PICK(dice, list) \
    ((list)[dice_range(dice, 0, (int64_t)(sizeof(list) / sizeof((list)[0])) - 1)])

#define S US_PER_SECOND

static int often(struct dice *dice, int most)
{
    return dice_chance(dice, 500) ? (int)dice_range(dice, 0, most) : 0;
}

static void make_policies(const struct world *world, struct dice *dice, struct plan_of_schedule *s)
{
    static const int64_t within_s[] = {5, 20, 60, 300};
    static const int64_t within_long_s[] = {600, 3600, 14400, 86400};
    bool is_long = world->kind == WORLD_LONG;
    s->complete_within_us = (is_long ? PICK(dice, within_long_s) : PICK(dice, within_s)) * S;
    s->retry_failed = often(dice, 3);
    s->resends = dice_chance(dice, 200);
    s->forbids_overlap = dice_chance(dice, 600);
    if (world_is_calm(world)) { /* measured for its pace: nothing is to be skipped */
        s->complete_within_us = 86400 * S;
        s->forbids_overlap = false;
    }
}

/* What the files say; a reload may bring something else. */
static void make_files(struct world *world, struct dice *dice)
{
    world->settle_us =
        world->kind == WORLD_LONG && dice_chance(dice, 700) ? 60 * S : dice_range(dice, 1, 8) * S;
    for (int g = 0; g < world->generation_count; g++) {
        for (int i = 0; i < WORLD_SCHEDULES_MAX; i++) {
            struct plan_of_schedule *s = &world->generations[g].schedules[i];
            const struct plan_of_schedule *was =
                &world->generations[g > 0 ? g - 1 : 0].schedules[i];
            struct plan_of_schedule drawn = *s;
            make_policies(world, dice, &drawn);
            const struct plan_of_schedule *from = g == 0 || dice_chance(dice, 200) ? &drawn : was;
            s->complete_within_us = from->complete_within_us;
            s->retry_failed = from->retry_failed;
            s->resends = from->resends;
            s->forbids_overlap = from->forbids_overlap;
        }
    }
}

static void make_tasks(struct world *world, struct dice *dice)
{
    struct faults *f = &world->faults;
    bool is_long = world->kind == WORLD_LONG;
    f->task_fails = often(dice, 400);
    if (dice_chance(dice, 700)) /* shorter than what the engine lets settle */
        f->list_lag_max_us = dice_range(dice, 0, world->settle_us - S / 2);
    f->slow_tasks = often(dice, 500);
    f->slow_task_max_us = dice_range(dice, 1, is_long ? 50000 : 200) * S;
}

static void make_outages(struct world *world, struct dice *dice)
{
    bool is_long = world->kind == WORLD_LONG;
    int64_t end = world->acts[world->act_count - 2].at; /* quiet begins */
    int count = dice_chance(dice, 400) ? (int)dice_range(dice, 1, WORLD_OUTAGES_MAX) : 0;
    for (int i = 0; i < count; i++) {
        int64_t from = dice_range(dice, 0, end);
        int64_t until = from + dice_range(dice, 1, is_long ? 7200 : 60) * NS_PER_SECOND;
        world->outages[world->outage_count++] = (struct outage){
            .host = (int)dice_range(dice, 0, world->host_count - 1),
            .kind = (enum outage_kind)dice_range(dice, 0, OUTAGE_KINDS - 1),
            .from = from,
            .until = until < end ? until : end,
        };
    }
}

/* What makes one backup hard to tell from another. */
static void make_neighbours(struct world *world)
{
    struct dice dice = dice_of(world->seed, 14);
    struct faults *f = &world->faults;
    if (dice_chance(&dice, 700))
        f->backup_lag_max_us = dice_range(&dice, 1, 6) * S;
    f->short_lists = often(&dice, 60);
    f->automatic = often(&dice, 600);
    f->neighbours = often(&dice, 300);
}

/* A key is rotated: where the daemon reads it, a little before or some time after. */
static void make_keys(struct world *world)
{
    struct dice dice = dice_of(world->seed, 12);
    int64_t end = world->acts[world->act_count - 2].at; /* quiet begins */
    world->keys_may_change = dice_chance(&dice, 600);
    if (!world->keys_may_change || !dice_chance(&dice, 500))
        return;
    world->revoked_at = dice_range(&dice, 1, end);
    int64_t after = dice_range(&dice, -60, world->kind == WORLD_LONG ? 1800 : 90) * NS_PER_SECOND;
    int64_t at = world->revoked_at + after;
    world->replaced_at = at < 0 ? 0 : at > end ? end : at;
}

void world_make_tasks(struct world *world)
{
    struct dice dice = dice_of(world->seed, 11);
    make_files(world, &dice);
    if (world_is_calm(world))
        return;
    make_tasks(world, &dice);
    make_outages(world, &dice);
    make_keys(world);
    make_neighbours(world);
}

const struct outage *world_outage(const struct world *world, int host, int64_t at)
{
    for (int i = 0; i < world->outage_count; i++) {
        const struct outage *o = &world->outages[i];
        if (o->host == host && at >= o->from && at < o->until)
            return o;
    }
    return NULL;
}
