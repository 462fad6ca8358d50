/*
 * See oracle.h: the host's clock is plainly wrong while it is before the program's making or more
 * than an hour behind the newest slot. Then nothing is opened and nothing sent, until it is right
 * again, or was steady for three hours while it was only behind.
 */
#include "sim/oracle_internal.h"

#include <string.h>

#define BEHIND_US (3605 * US_PER_SECOND)
#define STEADY_NS (3 * 3600 * NS_PER_SECOND)
#define SLEEP_NS (61 * NS_PER_SECOND) /* the longest between two looks, and some */

static struct wall newest(const struct oracle *oracle)
{
    struct wall at = {INT64_MIN};
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++) {
        const struct watched_schedule *s = &oracle->schedules[i];
        if (s->active && !s->unsettled && s->horizon.us > at.us)
            at = s->horizon;
        if (s->left.any && s->left.told.us > at.us)
            at = s->left.told;
    }
    return at;
}

static bool is_wrong(const struct oracle *oracle, struct wall now)
{
    return now.us < oracle->world->built_us || wall_diff_us(newest(oracle), now) > BEHIND_US;
}

static void settle(struct oracle *oracle, struct wall now)
{
    oracle->settling = true;
    oracle_owe_left(oracle, clock_sample(oracle->clock));
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++) {
        struct watched_schedule *s = &oracle->schedules[i];
        if (!s->active || !s->unsettled)
            continue;
        s->unsettled = false;
        s->just_settled = true;
        if (s->horizon.us <= now.us || !s->in_ledger)
            s->horizon = now;
        s->next = oracle_next_slot(s, s->horizon);
    }
    if (oracle->quiet_at != INT64_MAX) /* what waited has its time from here on */
        oracle_quiet(oracle);
    if (oracle->unjudged_until < oracle->clock->now + NS_PER_SECOND)
        oracle->unjudged_until = oracle->clock->now + NS_PER_SECOND;
}

/* Slots were told by a clock that was ahead, and are not in the horizon: they come again. */
static void forget_told(struct oracle *oracle, struct wall now)
{
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++) {
        struct watched_schedule *s = &oracle->schedules[i];
        if (!s->told_any || wall_diff_us(s->next, now) <= BEHIND_US)
            continue;
        s->told_any = false;
        s->next = oracle_next_slot(s, s->horizon);
    }
}

void oracle_judge_clock(struct oracle *oracle)
{
    struct now now = clock_sample(oracle->clock);
    int64_t jump = 0;
    if (!oracle->held)
        oracle_check_left(oracle);
    if (oracle->has_judged)
        jump = wall_diff_us(now.wall, oracle->judged.wall)
               - mono_diff_ns(now.mono, oracle->judged.mono) / NS_PER_US;
    bool jumped = jump > US_PER_SECOND || jump < -US_PER_SECOND;
    if (jump < -US_PER_SECOND)
        forget_told(oracle, now.wall);
    oracle->judged = now;
    oracle->has_judged = true;
    oracle->settling = false;
    bool was_held = oracle->held;
    oracle->held = is_wrong(oracle, now.wall);
    if (!oracle->held) {
        if (was_held)
            settle(oracle, now.wall);
        return;
    }
    if (!was_held || jumped || now.wall.us < oracle->world->built_us)
        oracle->held_at = oracle->clock->now;
    if (oracle->world->durable && oracle->clock->now - oracle->held_at > STEADY_NS + SLEEP_NS)
        oracle_break(oracle, RULE_LIVE, "the clock is steady and nothing is done");
}

static bool is_steady(const struct oracle *oracle, struct wall now)
{
    return oracle->held && oracle->world->durable && now.us >= oracle->world->built_us
           && oracle->clock->now - oracle->held_at >= STEADY_NS;
}

bool oracle_goes_back(struct oracle *oracle, struct watched_schedule *s, struct wall slot)
{
    struct wall now = clock_sample(oracle->clock).wall;
    if (slot.us != now.us || wall_diff_us(s->horizon, now) <= BEHIND_US)
        return false;
    if (!is_steady(oracle, now))
        oracle_break(oracle, RULE_POLICY, "a horizon goes back too early");
    s->horizon = now;
    s->told_any = false;
    s->next = oracle_next_slot(s, now);
    return true;
}

static void trusted(struct oracle *oracle)
{
    struct wall now = clock_sample(oracle->clock).wall;
    if (!is_steady(oracle, now))
        oracle_break(oracle, RULE_POLICY, "a wrong clock is believed too early");
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++) {
        struct left_rule *left = &oracle->schedules[i].left;
        left->any = left->any && wall_diff_us(left->told, now) <= BEHIND_US;
    }
    oracle->held = is_wrong(oracle, now);
    if (oracle->held)
        oracle_break(oracle, RULE_LIVE, "a clock is believed and still behind");
    settle(oracle, now);
}

void oracle_told_clock(struct oracle *oracle, const struct event *event)
{
    bool wrong = strcmp(event->name, "clock_implausible") == 0;
    if (!wrong && strcmp(event->name, "clock_plausible") != 0)
        return;
    if (wrong == oracle->told_held)
        oracle_break(oracle, RULE_POLICY, "%s is said again", event->name);
    oracle->told_held = wrong;
    if (!wrong && strcmp(event->fields[0].text, "steady") == 0)
        trusted(oracle);
}

void oracle_check_clock(struct oracle *oracle)
{
    if (oracle->held != oracle->told_held)
        oracle_break(oracle, RULE_POLICY, "the clock is wrong: %d, said: %d", oracle->held,
                     oracle->told_held);
}

/* Whatever the ledger answers: orders are no slots of the plan. */
void oracle_recorded(struct oracle *oracle, int schedule, struct wall after)
{
    struct watched_schedule *s = &oracle->schedules[schedule];
    struct wall first = WALL_NEVER;
    struct wall last = {INT64_MIN};
    for (size_t i = 0; i < oracle->record_count; i++) {
        const struct record *r = &oracle->records[i];
        if (r->schedule != schedule || r->unborn || r->kind == LEDGER_KIND_OPERATOR
            || r->slot.us <= after.us)
            continue;
        first = wall_earlier(first, r->slot);
        last = r->slot.us > last.us ? r->slot : last;
    }
    if (last.us == INT64_MIN)
        return;
    s->recorded_first = first;
    s->recorded_last = last;
    if (s->active)
        s->next = oracle_next_slot(s, s->horizon);
}
