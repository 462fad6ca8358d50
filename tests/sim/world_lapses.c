/*
 * See world.h: lapses of the file. For the length of one life it pauses schedules, leaves them out
 * or has none of their instances, and with the next start all is there again. The process dies with
 * requests out, and comes back again and again inside the time that the cloud's lists may lag: what
 * was looked for when it died is looked for by the next life too. Drawn from dice of its own, after
 * all else.
 */
#include "sim/world.h"

#define S US_PER_SECOND

/* What a lapse makes of one schedule, in every version of the file. */
static void lapse_schedule(struct world *world, struct dice *dice, int schedule)
{
    int64_t how = dice_range(dice, 0, 99);
    int kept = (int)dice_range(dice, 0, WORLD_INSTANCES_MAX - 1); /* of the instances */
    bool keeps = dice_chance(dice, 500);
    for (int g = 0; g < world->generation_count; g++) {
        struct plan_of_schedule *s = &world->generations[world_lapsed(g)].schedules[schedule];
        if (how < 40)
            s->paused = true;
        else if (how < 60)
            s->present = false;
        for (int i = 0; how >= 60 && i < WORLD_INSTANCES_MAX; i++)
            s->has[i] = s->has[i] && keeps && i < kept;
    }
}

static void make_lapsed_files(struct world *world, struct dice *dice)
{
    int first = (int)dice_range(dice, 0, WORLD_SCHEDULES_MAX - 1);
    for (int g = 0; g < world->generation_count; g++)
        world->generations[world_lapsed(g)] = world->generations[g];
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++)
        if (i == first || dice_chance(dice, 700))
            lapse_schedule(world, dice, i);
}

void world_make_lapses(struct world *world)
{
    struct dice dice = dice_of(world->seed, 14);
    int64_t end = world->acts[world->act_count - 2].at; /* quiet begins */
    if (!world->durable || world_is_calm(world) || !dice_chance(&dice, 350))
        return;
    make_lapsed_files(world, &dice);
    int count = (int)dice_range(&dice, 1, WORLD_LAPSES_MAX);
    for (int i = 0; i < count; i++) {
        struct lapse *lapse = &world->lapses[world->lapse_count++];
        lapse->at = dice_range(&dice, 0, end);
        lapse->waits_for_send = dice_chance(&dice, 800);
        for (int j = 0; j < LAPSE_STEPS; j++) {
            int64_t most = world->settle_us * (j + 1) + (j > 0 ? 4 * S : 0);
            lapse->after_us[j] = dice_range(&dice, 0, most);
            lapse->away_us[j] = dice_chance(&dice, 700) ? 0 : dice_range(&dice, 0, 5 * S);
            lapse->drains[j] = dice_chance(&dice, 300);
        }
    }
}

int world_lapsed(int generation)
{
    return WORLD_GENERATIONS_MAX + generation % WORLD_GENERATIONS_MAX;
}

int world_unlapsed(int generation)
{
    return generation % WORLD_GENERATIONS_MAX;
}
