/* See almanac.h. */
#include "sim/almanac.h"

#include "base/civil.h"

#include <stddef.h>

#define MINUTE 60
#define HOUR 3600
#define SCAN_MINUTES (60 * 24 * 60)

const char *almanac_zone_posix(enum almanac_zone zone)
{
    static const char *const texts[ALMANAC_ZONES] = {NULL, "CST-8", "CET-1CEST,M3.5.0,M10.5.0/3",
                                                     "EST5EDT,M3.2.0,M11.1.0"};
    return texts[zone];
}

/* The day of the n-th Sunday of a month; n 0 is the last one. */
static int64_t sunday(int64_t year, int month, int n)
{
    if (n == 0) {
        int64_t last = civil_days(year, month, civil_month_length(year, month));
        return last - civil_weekday(last);
    }
    int64_t first = civil_days(year, month, 1);
    return first + (7 - civil_weekday(first)) % 7 + 7 * (n - 1);
}

/* The two changes of a year, in UTC seconds: to summer time and back. */
static void changes(enum almanac_zone zone, int64_t year, int64_t *ret_on, int64_t *ret_off)
{
    if (zone == ALMANAC_BERLIN) {
        *ret_on = sunday(year, 3, 0) * SECONDS_PER_DAY + HOUR;
        *ret_off = sunday(year, 10, 0) * SECONDS_PER_DAY + HOUR;
    } else {
        *ret_on = sunday(year, 3, 2) * SECONDS_PER_DAY + 7 * HOUR;
        *ret_off = sunday(year, 11, 1) * SECONDS_PER_DAY + 6 * HOUR;
    }
}

/* Seconds east of UTC. */
static int64_t offset_at(enum almanac_zone zone, int64_t second)
{
    if (zone == ALMANAC_UTC)
        return 0;
    if (zone == ALMANAC_SHANGHAI)
        return 8 * HOUR;
    int64_t on;
    int64_t off;
    changes(zone, civil_from_seconds(second).year, &on, &off);
    int64_t standard = zone == ALMANAC_BERLIN ? HOUR : -5 * HOUR;
    return standard + (second >= on && second < off ? HOUR : 0);
}

static bool reads(const struct rule *rule, int64_t local)
{
    struct civil c = civil_from_seconds(local);
    int weekday = civil_weekday(local / SECONDS_PER_DAY);
    return (rule->minutes >> c.minute & 1) && (rule->hours >> c.hour & 1)
           && (rule->weekdays >> weekday & 1);
}

/* Whether the minute that begins at `second` is a slot. */
static bool is_slot(const struct rule *rule, int64_t second)
{
    int64_t offset = offset_at(rule->zone, second);
    int64_t before = offset_at(rule->zone, second - 1);
    if (reads(rule, second + offset)) {
        /* In the second pass of an overlap the same reading was an hour ago. */
        bool repeated = offset_at(rule->zone, second - HOUR) == offset + HOUR;
        if (!repeated || rule->minute_star || rule->hour_star)
            return true;
    }
    if (offset <= before || rule->hour_star)
        return false;
    for (int64_t skipped = second + before; skipped < second + offset; skipped += MINUTE)
        if (reads(rule, skipped))
            return true;
    return false;
}

static bool may_be_in_hour(const struct rule *rule, int64_t second)
{
    int64_t offset = offset_at(rule->zone, second);
    bool quiet = offset_at(rule->zone, second - 2 * HOUR) == offset
                 && offset_at(rule->zone, second + 2 * HOUR) == offset;
    return !quiet || (rule->hours >> civil_from_seconds(second + offset).hour & 1);
}

struct wall rule_next(const struct rule *rule, struct wall after)
{
    int64_t from = wall_seconds(after);
    if (!rule->is_cron)
        return wall_from_seconds((from / rule->period_s + 1) * rule->period_s);
    int64_t second = (from / MINUTE + 1) * MINUTE;
    for (int i = 0; i < SCAN_MINUTES; i++, second += MINUTE) {
        if (second % HOUR == 0 && !may_be_in_hour(rule, second))
            second += HOUR - MINUTE;
        else if (is_slot(rule, second))
            return wall_from_seconds(second);
    }
    return WALL_NEVER;
}

int64_t rule_count(const struct rule *rule, struct wall after, struct wall until)
{
    if (until.us <= after.us)
        return 0;
    if (!rule->is_cron)
        return wall_seconds(until) / rule->period_s - wall_seconds(after) / rule->period_s;
    int64_t count = 0;
    for (struct wall at = rule_next(rule, after); at.us <= until.us; at = rule_next(rule, at))
        count++;
    return count;
}
