/*
 * See recurrence.h. A period is pure arithmetic: its slots are the multiples of it, before 1970
 * too. A cron expression is asked for its next slot; the latest one before an instant is found by
 * looking back in windows that double until one holds a slot, then by halving: "is there a slot
 * after t?" is true up to the latest slot and false from it on. That takes some sixty questions at
 * the most, however dense or rare the slots are.
 */
#include "base/recurrence.h"

#include <assert.h>

static const struct wall first_wall = {WALL_MIN_SECOND * US_PER_SECOND};
static const struct wall last_wall = {WALL_MAX_SECOND * US_PER_SECOND + (US_PER_SECOND - 1)};

/* How many whole periods lie before or at the instant, counted from 1970; negative before. */
static int64_t periods_until(const struct recurrence *r, struct wall w)
{
    int64_t n = w.us / r->period_us;
    return w.us % r->period_us < 0 ? n - 1 : n;
}

/* Into the years 0001 to 9999; the instant before the first stays one before it. */
static struct wall in_range(struct wall w)
{
    if (w.us < first_wall.us)
        return (struct wall){first_wall.us - 1};
    return w.us > last_wall.us ? last_wall : w;
}

static int next_period(const struct recurrence *r, struct wall after, struct slot_time *ret)
{
    assert(r->period_us > 0);
    int64_t us = (periods_until(r, in_range(after)) + 1) * r->period_us;
    if (us > last_wall.us)
        return RECURRENCE_NEVER;
    *ret = (struct slot_time){{us}, false};
    return 0;
}

static int next_cron(const struct recurrence *r, struct wall after, struct slot_time *ret)
{
    struct cron_slot slot;
    if (cron_next(&r->cron, r->zone, wall_seconds(after), &slot) != 0)
        return RECURRENCE_NEVER;
    *ret = (struct slot_time){wall_from_seconds(slot.second), slot.moved};
    return 0;
}

int recurrence_next(const struct recurrence *r, struct wall after, struct slot_time *ret)
{
    return r->kind == RECURRENCE_EVERY ? next_period(r, after, ret) : next_cron(r, after, ret);
}

static int latest_period(const struct recurrence *r, struct wall after, struct wall until,
                         struct slot_time *ret, int64_t *ret_count)
{
    assert(r->period_us > 0);
    int64_t last = periods_until(r, in_range(until));
    int64_t count = last - periods_until(r, in_range(after));
    if (count <= 0)
        return RECURRENCE_NEVER;
    *ret = (struct slot_time){{last * r->period_us}, false};
    *ret_count = count;
    return 0;
}

/* Whether a slot lies in (after, until]; *ret is the first such. */
static bool next_within(const struct recurrence *r, int64_t after, int64_t until,
                        struct cron_slot *ret)
{
    struct cron_slot slot;
    if (cron_next(&r->cron, r->zone, after, &slot) != 0 || slot.second > until)
        return false;
    *ret = slot;
    return true;
}

/* The latest slot up to `until`; `found` is one of them. */
static struct cron_slot latest_from(const struct recurrence *r, struct cron_slot found,
                                    int64_t until)
{
    int64_t none_after = until; /* no slot in (none_after, until] */
    for (int64_t window = 60; until - window > found.second; window *= 2) {
        if (next_within(r, until - window, until, &found))
            break;
        none_after = until - window;
    }
    while (found.second < none_after) {
        int64_t middle = found.second + (none_after - found.second) / 2;
        if (!next_within(r, middle, until, &found))
            none_after = middle;
    }
    return found;
}

static int64_t count_slots(const struct recurrence *r, struct cron_slot slot, int64_t until,
                           int64_t most)
{
    int64_t count = 1;
    while (count < most && next_within(r, slot.second, until, &slot))
        count++;
    return count;
}

int recurrence_latest(const struct recurrence *r, struct wall after, struct wall until,
                      int64_t most, struct slot_time *ret, int64_t *ret_count)
{
    *ret_count = 0;
    if (!wall_before(after, until))
        return RECURRENCE_NEVER;
    if (r->kind == RECURRENCE_EVERY) {
        int outcome = latest_period(r, after, until, ret, ret_count);
        if (*ret_count > most)
            *ret_count = most;
        return outcome;
    }
    int64_t end = wall_seconds(in_range(until));
    struct cron_slot first;
    if (!next_within(r, wall_seconds(in_range(after)), end, &first))
        return RECURRENCE_NEVER;
    struct cron_slot latest = latest_from(r, first, end);
    *ret = (struct slot_time){wall_from_seconds(latest.second), latest.moved};
    int64_t count = count_slots(r, first, end, most);
    *ret_count = count > most ? most : count;
    return 0;
}

int64_t recurrence_period_us(const struct recurrence *r, struct wall from)
{
    struct slot_time first;
    struct slot_time second;
    if (recurrence_next(r, from, &first) != 0 || recurrence_next(r, first.at, &second) != 0)
        return INT64_MAX;
    return wall_diff_us(second.at, first.at);
}
