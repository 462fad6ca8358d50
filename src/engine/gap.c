/*
 * See gap.h. A cron's days are alike: the gap inside a day is known from the sets, and only its
 * first and its last slot are looked at.
 */
#include "engine/gap.h"

#define MINUTES_AN_HOUR 60
#define HOURS_A_DAY 24

/* The readings of a cron's day, in minutes after midnight. */
struct readings {
    int last;
    int gap; /* the longest between two of them; 0: there is one */
};

static struct readings readings_of(const struct cron *cron)
{
    struct readings r = {.last = -1};
    for (int hour = 0; hour < HOURS_A_DAY; hour++) {
        if ((cron->hours >> hour & 1) == 0)
            continue;
        for (int minute = 0; minute < MINUTES_AN_HOUR; minute++) {
            if ((cron->minutes >> minute & 1) == 0)
                continue;
            int reading = hour * MINUTES_AN_HOUR + minute;
            if (r.last >= 0 && reading - r.last > r.gap)
                r.gap = reading - r.last;
            r.last = reading;
        }
    }
    return r;
}

/* The last slot of the day of which `first` is one. */
static struct wall last_of_day(const struct recurrence *when, const struct readings *readings,
                               struct wall first)
{
    int64_t second = wall_seconds(first);
    int64_t local = second + zone_seconds_at(when->zone, second);
    int64_t midnight = local - (local % SECONDS_PER_DAY + SECONDS_PER_DAY) % SECONDS_PER_DAY;
    int64_t last = midnight + (int64_t)readings->last * 60 - (local - second);
    struct wall at = wall_from_seconds(last);
    return wall_before(at, first) ? first : at;
}

static int64_t longest_of_cron(const struct recurrence *when, struct wall from)
{
    const struct readings readings = readings_of(&when->cron);
    struct wall end = wall_add_us(from, GAP_DAYS * SECONDS_PER_DAY * US_PER_SECOND);
    int64_t longest = 0;
    struct wall at = from;
    struct slot_time next;
    for (int i = 0; i < GAP_STEPS_MAX; i++) {
        if (recurrence_next(when, at, &next) != 0)
            return i < 2 && longest == 0 ? INT64_MAX : longest;
        if (i > 0 && wall_diff_us(next.at, at) > longest)
            longest = wall_diff_us(next.at, at);
        if (i > 0 && !wall_before(next.at, end))
            break;
        at = last_of_day(when, &readings, next.at);
    }
    int64_t inside = (int64_t)readings.gap * 60 * US_PER_SECOND;
    return inside > longest ? inside : longest;
}

int64_t gap_longest_us(const struct recurrence *when, struct wall from)
{
    return when->kind == RECURRENCE_EVERY ? when->period_us : longest_of_cron(when, from);
}
