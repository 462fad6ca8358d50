/*
 * See world.h. The number of runs is kept near a budget: a seed must take milliseconds, since many
 * seeds find more than long ones.
 */
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS NS_PER_SECOND

static const int64_t periods_short[] = {1, 2, 3, 5, 7, 10, 15, 20, 30, 60, 120, 300};
static const int64_t periods_long[] = {300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400};

#define PICK(dice, list) \
    ((list)[dice_range(dice, 0, (int64_t)(sizeof(list) / sizeof((list)[0])) - 1)])

bool world_is_calm(const struct world *world)
{
    return world->kind == WORLD_BACKLOG || world->kind == WORLD_CALM;
}

/* ---- rules ---- */

static void make_period(struct rule *rule, int64_t seconds)
{
    *rule = (struct rule){.period_s = seconds};
    (void)snprintf(rule->text, sizeof rule->text, "%llds", (long long)seconds);
}

static void make_minutes(struct dice *dice, struct rule *rule, char *text, size_t size)
{
    static const int steps[] = {5, 10, 15, 20, 30};
    int first = (int)dice_range(dice, 0, 59);
    switch (dice_range(dice, 0, 4)) {
    case 0: {
        int step = (int)PICK(dice, steps);
        rule->minute_star = true;
        for (int m = 0; m < 60; m += step)
            rule->minutes |= UINT64_C(1) << m;
        (void)snprintf(text, size, "*/%d", step);
        break;
    }
    case 1: {
        int other = (int)dice_range(dice, 0, 59);
        rule->minutes = UINT64_C(1) << first | UINT64_C(1) << other;
        (void)snprintf(text, size, "%d,%d", first, other);
        break;
    }
    default:
        rule->minutes = UINT64_C(1) << first;
        (void)snprintf(text, size, "%d", first);
    }
}

static void make_hours(struct dice *dice, struct rule *rule, char *text, size_t size)
{
    int first = (int)dice_range(dice, 0, 23);
    switch (dice_range(dice, 0, 3)) {
    case 0:
        rule->hour_star = true;
        rule->hours = 0xffffff;
        (void)snprintf(text, size, "*");
        break;
    case 1:
        rule->hour_star = true;
        for (int h = 0; h < 24; h += 4)
            rule->hours |= 1U << h;
        (void)snprintf(text, size, "*/4");
        break;
    case 2: {
        int last = (int)dice_range(dice, first, 23);
        for (int h = first; h <= last; h++)
            rule->hours |= 1U << h;
        (void)snprintf(text, size, "%d-%d", first, last);
        break;
    }
    default:
        rule->hours = 1U << first;
        (void)snprintf(text, size, "%d", first);
    }
}

static void make_cron(struct dice *dice, struct rule *rule)
{
    char minutes[16];
    char hours[16];
    bool workdays = dice_chance(dice, 150);
    *rule = (struct rule){.is_cron = true, .weekdays = workdays ? 0x3e : 0x7f};
    rule->zone = (enum almanac_zone)dice_range(dice, 0, ALMANAC_ZONES - 1);
    make_minutes(dice, rule, minutes, sizeof minutes);
    make_hours(dice, rule, hours, sizeof hours);
    (void)snprintf(rule->text, sizeof rule->text, "%s %s * * %s", minutes, hours,
                   workdays ? "1-5" : "*");
}

static void make_rule(const struct world *world, struct dice *dice, struct rule *rule)
{
    if (world->kind == WORLD_BACKLOG)
        make_period(rule, 60);
    else if (world->kind != WORLD_LONG)
        make_period(rule, PICK(dice, periods_short));
    else if (dice_chance(dice, 650))
        make_cron(dice, rule);
    else
        make_period(rule, PICK(dice, periods_long));
}

/* ---- generations ---- */

static void make_times(const struct world *world, struct dice *dice, struct plan_of_schedule *s)
{
    static const int64_t spreads_ms[] = {0, 0, 100, 1500, 5000, 20000};
    static const int64_t spreads_long_ms[] = {0, 0, 1000, 60000, 600000, 1800000};
    static const int64_t within_s[] = {2, 5, 10, 30, 60};
    static const int64_t within_long_s[] = {30, 300, 1200, 3600, 14400, 28800};
    s->catches_up = dice_chance(dice, 700);
    s->paused = !world_is_calm(world) && dice_chance(dice, 100);
    if (world->kind == WORLD_BACKLOG) {
        s->start_within_us = 55 * US_PER_SECOND;
    } else if (world->kind == WORLD_LONG) {
        s->spread_us = PICK(dice, spreads_long_ms) * 1000;
        s->start_within_us = PICK(dice, within_long_s) * US_PER_SECOND;
    } else {
        s->spread_us = PICK(dice, spreads_ms) * 1000;
        s->start_within_us =
            (world->kind == WORLD_CALM ? 60 : PICK(dice, within_s)) * US_PER_SECOND;
    }
}

static void make_schedule(const struct world *world, struct dice *dice, struct plan_of_schedule *s)
{
    *s = (struct plan_of_schedule){.present = true};
    make_rule(world, dice, &s->rule);
    make_times(world, dice, s);
    int permille = world->kind == WORLD_BACKLOG ? 1000 : (int)dice_range(dice, 50, 1000);
    int count = 0;
    for (int i = 0; i < world->instance_count; i++) {
        s->has[i] = dice_chance(dice, permille);
        count += s->has[i];
    }
    if (count == 0 && dice_chance(dice, 900)) /* a schedule may stand there without instances */
        s->has[0] = true;
}

static void make_limits(const struct world *world, struct dice *dice, struct generation *g)
{
    static const int rates[] = {1, 2, 3, 5, 10, 20, 20, 20, 50};
    g->per_second = world->kind == WORLD_BACKLOG ? (int)dice_range(dice, 5, 20) : PICK(dice, rates);
    if (world->kind == WORLD_CALM && g->per_second < 5)
        g->per_second = 5;
    g->burst = dice_chance(dice, 700) ? 1 : (int)dice_range(dice, 1, g->per_second);
    g->max_in_flight = world_is_calm(world) ? 64 : (int)dice_range(dice, 1, 40);
    g->connect_timeout_us = dice_range(dice, 500, 5000) * 1000;
    g->timeout_us = dice_range(dice, 2000, 30000) * 1000;
}

static int members_of(const struct world *world, const struct plan_of_schedule *s)
{
    int count = 0;
    for (int i = 0; i < world->instance_count; i++)
        count += s->has[i];
    return count;
}

/* Longer periods till the schedules make no more than `most` runs in so many seconds. */
static void keep_to_budget(const struct world *world, struct generation *g, int64_t seconds,
                           int64_t most)
{
    const struct wall from = {world->real_us};
    const struct wall to = wall_add_us(from, seconds * US_PER_SECOND);
    int64_t share = most / WORLD_SCHEDULES_MAX;
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++) {
        struct plan_of_schedule *s = &g->schedules[i];
        int members = members_of(world, s);
        if (!s->present)
            continue;
        if (s->rule.is_cron && rule_count(&s->rule, from, to) * members > share)
            make_period(&s->rule, 300);
        while (!s->rule.is_cron && seconds / s->rule.period_s * members > share)
            make_period(&s->rule, s->rule.period_s * 2);
    }
}

static void make_generation(const struct world *world, struct dice *dice, struct generation *g,
                            int64_t seconds, int64_t most)
{
    int count = world->kind == WORLD_BACKLOG ? 1 : (int)dice_range(dice, 1, WORLD_SCHEDULES_MAX);
    *g = (struct generation){.per_second = 0};
    make_limits(world, dice, g);
    for (int i = 0; i < count; i++)
        make_schedule(world, dice, &g->schedules[i]);
    for (int i = 0; i < world->instance_count; i++)
        g->host_of[i] = (int)dice_range(dice, 0, world->host_count - 1);
    if (world->kind != WORLD_BACKLOG)
        keep_to_budget(world, g, seconds, most);
}

/* The next version of the file: a few things changed. */
static void change_generation(const struct world *world, struct dice *dice, struct generation *g,
                              int64_t seconds, int64_t most)
{
    int changes = (int)dice_range(dice, 0, 4);
    for (int i = 0; i < changes; i++) {
        struct plan_of_schedule *s = &g->schedules[dice_range(dice, 0, WORLD_SCHEDULES_MAX - 1)];
        int instance = (int)dice_range(dice, 0, world->instance_count - 1);
        switch (dice_range(dice, 0, 6)) {
        case 0:
            s->present = false;
            break;
        case 1:
            make_schedule(world, dice, s);
            break;
        case 2:
            s->paused = !s->paused;
            break;
        case 3:
            s->has[instance] = !s->has[instance];
            break;
        case 4:
            g->host_of[instance] = (int)dice_range(dice, 0, world->host_count - 1);
            break;
        case 5:
            make_limits(world, dice, g);
            break;
        default:
            if (s->rule.period_s > 0 || s->rule.is_cron)
                s->present = true; /* back as it was */
            make_times(world, dice, s);
        }
    }
    if (dice_chance(dice, 200)) /* everybody to one host, so that the others are dropped */
        for (int i = 0; i < world->instance_count; i++)
            g->host_of[i] = 0;
    keep_to_budget(world, g, seconds, most);
}

/* ---- faults ---- */

static int often(struct dice *dice, int most)
{
    return dice_chance(dice, 500) ? (int)dice_range(dice, 0, most) : 0;
}

static void make_faults(const struct world *world, struct dice *dice, struct faults *f)
{
    *f = world->calm;
    f->not_sent = often(dice, 300);
    f->lost_before = often(dice, 150);
    f->lost_after = often(dice, 150);
    f->silent = often(dice, 100);
    f->gateway = often(dice, 200);
    f->garbage = often(dice, 200);
    f->internal = often(dice, 200);
    f->final = often(dice, 150);
    f->busy = often(dice, 300);
    f->others = often(dice, 1000);
    f->transfers_max = often(dice, 10);
    f->leave_max_us = dice_chance(dice, 500) ? dice_range(dice, 0, 2000000) : 5000;
    f->latency_max_us = dice_range(dice, 1000, dice_chance(dice, 200) ? 40000000 : 2000000);
    f->task_max_us = dice_chance(dice, 300) ? dice_range(dice, 1, 100) * US_PER_SECOND : 0;
    f->ledger_max_us = dice_chance(dice, 300) ? dice_range(dice, 0, 3000000) : f->ledger_max_us;
    f->ledger_refuses = often(dice, 300);
    f->ledger_fails = often(dice, 300);
}

/* ---- the script ---- */

static void add_act(struct world *world, int64_t at, enum act_kind kind, int number, int64_t by_us)
{
    if (world->act_count == WORLD_ACTS_MAX)
        return;
    world->acts[world->act_count++] = (struct act){at, kind, number, by_us, false};
}

static int64_t any_step(const struct world *world, struct dice *dice)
{
    static const int64_t small_s[] = {1, 1, 2, 10, 60};
    static const int64_t large_s[] = {1, 60, 3600, 3600, 86400};
    int64_t s = world->kind == WORLD_LONG ? PICK(dice, large_s) : PICK(dice, small_s);
    int64_t us = s * US_PER_SECOND + dice_range(dice, -500000, 500000);
    return dice_chance(dice, 500) ? us : -us;
}

static void add_reload(struct world *world, struct dice *dice, int64_t at)
{
    if (world->generation_count == WORLD_GENERATIONS_MAX)
        return;
    add_act(world, at, ACT_RELOAD, world->generation_count++, 0);
    if (dice_chance(dice, 250)) /* and back at once */
        add_act(world, at + dice_range(dice, 0, 900) * 1000000, ACT_RELOAD, 0, 0);
}

static void add_trouble(struct world *world, struct dice *dice, int64_t at)
{
    bool is_long = world->kind == WORLD_LONG;
    int64_t pause_us = dice_range(dice, 1, is_long ? 20000 : 90) * US_PER_SECOND;
    switch (dice_range(dice, 0, 8)) {
    case 0:
    case 1:
        add_act(world, at, ACT_STEP, 0, any_step(world, dice));
        break;
    case 2:
        add_act(world, at, ACT_SUSPEND, 0, pause_us);
        break;
    case 3:
    case 4:
        add_reload(world, dice, at);
        break;
    case 5:
        add_act(world, at, ACT_KEYS, 0, 0);
        add_act(world, at + dice_range(dice, 1, 20000) * 1000000, ACT_KEYS, 1, 0);
        break;
    case 6:
        add_act(world, at, ACT_RESTART, -1, pause_us);
        break;
    case 7: /* set back, and a reload soon after */
        add_act(world, at, ACT_STEP, 0, -llabs(any_step(world, dice)));
        add_reload(world, dice, at + dice_range(dice, 0, 2000) * 1000000);
        break;
    default: /* asleep, and a reload before anything else */
        add_act(world, at, ACT_SUSPEND, 0, pause_us);
        add_reload(world, dice, at);
    }
}

static int compare_acts(const void *a, const void *b)
{
    const struct act *x = a;
    const struct act *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->kind < y->kind ? -1 : x->kind > y->kind;
}

/* Crashes, and restarts with another file; some soon after each other. */
static void add_lives(struct world *world, struct dice *dice, int64_t end)
{
    int lives = (int)dice_range(dice, 0, 4);
    for (int i = 0; i < lives; i++) {
        int64_t at = dice_range(dice, 0, end);
        int64_t away_us = 0;
        if (dice_chance(dice, 700))
            away_us = dice_range(dice, 0, world->kind == WORLD_LONG ? 20000 : 30) * US_PER_SECOND;
        if (world->kind == WORLD_LONG && dice_chance(dice, 100))
            away_us = dice_range(dice, 0, 5 * 86400) * US_PER_SECOND;
        int file = -1;
        if (dice_chance(dice, 350) && world->generation_count < WORLD_GENERATIONS_MAX)
            file = world->generation_count++;
        else if (dice_chance(dice, 100))
            file = 0;
        int64_t how = dice_range(dice, 0, 9);
        add_act(world, at,
                how < 4   ? ACT_CRASH
                : how < 8 ? ACT_CRASH_OPEN
                          : ACT_RESTART,
                file, away_us);
        if (dice_chance(dice, 300)) /* and once more, perhaps before the first turn */
            add_act(world, at + dice_range(dice, 0, 2000) * 1000000, ACT_CRASH, -1, 0);
    }
}

/* A host that starts without knowing the time, and has its clock set later. */
static void make_ignorant(struct world *world, struct dice *dice, int64_t end)
{
    world->wrong_us = -dice_range(dice, 2, 600) * 86400 * US_PER_SECOND;
    add_act(world, dice_range(dice, 0, end), ACT_STEP, 0, -world->wrong_us);
}

/* `seconds` with faults, then `quiet` without. */
static void make_script(struct world *world, struct dice *dice, int64_t seconds, int64_t quiet)
{
    int64_t end = seconds * SECOND_NS;
    if (!world_is_calm(world)) {
        int64_t third = end / 3;
        add_act(world, dice_range(dice, 0, third), ACT_FAULTS, 1, 0);
        int troubles = (int)dice_range(dice, 0, 7);
        for (int i = 0; i < troubles; i++)
            add_trouble(world, dice, dice_range(dice, 0, end - third / 2) / 1000 * 1000);
        struct dice lives = dice_of(world->seed, 6);
        if (world->durable)
            add_lives(world, &lives, end - third / 2);
        if (dice_chance(&lives, 60))
            make_ignorant(world, &lives, end - third / 2);
        qsort(world->acts, (size_t)world->act_count, sizeof world->acts[0], compare_acts);
        for (int i = 0; i + 1 < world->act_count; i++)
            world->acts[i].no_turn = world->acts[i].at == world->acts[i + 1].at;
        if (end < world->acts[world->act_count - 1].at)
            end = world->acts[world->act_count - 1].at;
    } else if (dice_chance(dice, 300)) {
        add_reload(world, dice, dice_range(dice, 0, end / 2));
        world->act_count = world->act_count > 1 ? 1 : world->act_count;
    }
    add_act(world, end, ACT_QUIET, 0, 0);
    add_act(world, end + quiet * SECOND_NS, ACT_DRAIN, 0, 0);
}

static int64_t any_instant(struct dice *dice)
{
    /* Near the changes of the zones, or anywhere in some years. */
    static const int64_t near_s[] = {1774746000, 1792890000, 1772953200, 1793512800, 1798761600};
    int64_t s = dice_chance(dice, 400) ? PICK(dice, near_s) - dice_range(dice, 0, 30000)
                                       : dice_range(dice, 1700000000, 1900000000);
    return s * US_PER_SECOND + dice_range(dice, 0, 999999);
}

static enum world_kind any_kind(struct dice *dice)
{
    int64_t n = dice_range(dice, 0, 99);
    return n < 6 ? WORLD_BACKLOG : n < 20 ? WORLD_CALM : n < 65 ? WORLD_BUSY : WORLD_LONG;
}

void world_make(struct world *world, uint64_t seed, bool big)
{
    struct dice dice = dice_of(seed, 1);
    *world = (struct world){.seed = seed, .kind = any_kind(&dice), .real_us = any_instant(&dice)};
    struct dice regions = dice_of(seed, 15);
    world->keeps_regions = dice_chance(&regions, 400);
    struct dice durable = dice_of(seed, 7);
    world->durable = dice_chance(&durable, 600);
    world->built_us = world->real_us - dice_range(&durable, 1, 300) * 86400 * US_PER_SECOND;
    bool is_long = world->kind == WORLD_LONG;
    int64_t seconds = is_long ? dice_range(&dice, 1, 40) * 3600 : dice_range(&dice, 20, 120);
    int64_t quiet = is_long ? 700 : 100;
    int64_t most = big ? 4000 : 250;
    world->instance_count = (int)dice_range(&dice, 1, is_long ? 30 : 60);
    if (world->kind == WORLD_BACKLOG) {
        world->instance_count = (int)dice_range(&dice, 50, WORLD_INSTANCES_MAX);
        seconds = 60;
        quiet = 60;
    }
    world->host_count = (int)dice_range(&dice, 1, WORLD_HOSTS_MAX);
    if (!world_is_calm(world) && dice_chance(&dice, 200))
        world->wrong_us = dice_range(&dice, -900, 900) * US_PER_SECOND;
    world->token = dice_chance(&dice, 300);
    world->calm = (struct faults){
        .leave_max_us = dice_range(&dice, 0, 3000),
        .latency_max_us = dice_range(&dice, 1, 150) * 1000,
        .ledger_max_us = dice_chance(&dice, 400) ? dice_range(&dice, 0, 5000) : 0,
    };
    make_faults(world, &dice, &world->faults);
    make_generation(world, &dice, &world->generations[0], seconds + quiet, most);
    world->generation_count = 1;
    make_script(world, &dice, seconds, quiet);
    for (int i = 1; i < world->generation_count; i++) {
        world->generations[i] = world->generations[i - 1];
        change_generation(world, &dice, &world->generations[i], seconds + quiet, most);
    }
    world_make_tasks(world);
    world_make_errands(world, big);
    world_make_lapses(world);
}

const char *world_kind_name(enum world_kind kind)
{
    static const char *const names[WORLD_KINDS] = {"backlog", "calm", "busy", "long"};
    return names[kind];
}

const char *act_kind_name(enum act_kind kind)
{
    static const char *const names[] = {"step",    "suspend", "reload",     "keys",  "faults",
                                        "restart", "crash",   "crash-open", "quiet", "drain"};
    return names[kind];
}
