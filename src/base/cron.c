/*
 * The next slot of a cron expression in a zone. See cron.h.
 *
 * Two halves. cron_reading_from() knows no zones: it finds the next reading of a clock that the
 * sets match, month by month with a mask of the days and then by the lowest set bit; it looks at no
 * day or minute that does not match. cron_next() walks the zone's spans of constant offset: in a
 * span, readings and instants differ by a number, so the first match at or after the span's first
 * reading is the slot if the span still holds it. Between spans stands a change of the clock:
 *
 *     forward   readings are skipped. Unless the hour follows the clock ('*'), a match among them
 *               is a slot at the change itself, and the slot that is due there is the same slot.
 *     back      readings return. An expression with neither minute nor hour '*' is `once`: it takes
 *               no reading below the highest that the clock has shown (the water line), so each
 *               reading counts at its first passing, also where changes come close together.
 *     3 h or    a new clock: skipped readings are lost, and the water line is forgotten.
 *     more
 *
 * Before the start, the water line is computed from the changes of the last WATER_LOOKBACK seconds:
 * an offset is at most 26 h either way, so no earlier reading can stand above the present one.
 *
 * The search ends: an expression whose days never come is known from its masks, and where the
 * zone's table is passed, calendar, weekdays and the footer's rule repeat after 400 years. What no
 * such span holds does not come.
 */
#include "base/cron_internal.h"

#include "base/civil.h"

#define SECONDS_PER_MINUTE 60
#define NEW_CLOCK_SECONDS (3 * 3600)
#define WATER_LOOKBACK (2 * (int64_t)ZONE_OFFSET_MAX)
#define CYCLE_YEARS 400
/* The whole cycle and what the walk may have to look beyond it. */
#define CYCLE_SECONDS ((CYCLE_YEARS + 2) * 366 * SECONDS_PER_DAY)

/* Bits 1 to `length` of the days that match in a month whose first day is `first_weekday`. */
static uint32_t days_of_month(const struct cron *cron, int first_weekday, int length)
{
    uint32_t in_month = (uint32_t)((UINT64_C(2) << length) - 2);
    uint32_t week = cron->weekdays | (uint32_t)cron->weekdays << 7;
    uint32_t from_first = week >> first_weekday & 0x7F;
    /* Seven bits five times over, then moved up to begin at bit 1. */
    uint32_t by_weekday = (uint32_t)((UINT64_C(0x10204081) * from_first) << 1);
    if (cron->day_star || cron->weekday_star)
        return cron->days & by_weekday & in_month;
    return (cron->days | by_weekday) & in_month;
}

bool cron_can_fire(const struct cron *cron)
{
    if (cron->minutes == 0 || cron->hours == 0)
        return false;
    if (!cron->day_star && !cron->weekday_star)
        return true; /* either may match, and a day of the week always comes */
    for (int month = 1; month <= 12; month++) {
        int length = civil_month_length(2000, month); /* a leap year */
        uint32_t in_month = (uint32_t)((UINT64_C(2) << length) - 2);
        /* Within 400 years each date meets each day of the week, 29 February too. */
        if ((cron->months >> month & 1) != 0 && (cron->days & in_month) != 0 && cron->weekdays != 0)
            return true;
    }
    return false;
}

/* The lowest set bit at or above `from`, -1 where there is none. */
static int bit_from(uint64_t set, int from)
{
    uint64_t rest = from > 63 ? 0 : set >> from << from;
    return rest == 0 ? -1 : __builtin_ctzll(rest);
}

/* The first matching minute of a day at or after `from` (0-1439), -1 where there is none. */
static int minute_of_day_from(const struct cron *cron, int from)
{
    int hour = from / 60;
    if (cron->hours >> hour & 1) {
        int minute = bit_from(cron->minutes, from % 60);
        if (minute >= 0)
            return hour * 60 + minute;
    }
    hour = bit_from(cron->hours, hour + 1);
    return hour < 0 ? -1 : hour * 60 + __builtin_ctzll(cron->minutes);
}

/* The first matching day at or after the given one, as days since 1970; INT64_MAX without one. */
static int64_t day_from(const struct cron *cron, int64_t year, int month, int day)
{
    int64_t last_year = year + CYCLE_YEARS;
    int64_t first = civil_days(year, month, 1);
    for (;;) {
        int length = civil_month_length(year, month);
        if (cron->months >> month & 1) {
            int found = bit_from(days_of_month(cron, civil_weekday(first), length), day);
            if (found >= 0)
                return first + found - 1;
        }
        first += length;
        day = 1;
        if (++month > 12) {
            month = 1;
            if (++year > last_year)
                return INT64_MAX;
        }
    }
}

int64_t cron_reading_from(const struct cron *cron, int64_t local_second)
{
    int64_t aligned = local_second + SECONDS_PER_MINUTE - 1;
    struct civil c = civil_from_seconds(aligned);
    int64_t day = day_from(cron, c.year, c.month, c.day);
    if (day == INT64_MAX)
        return INT64_MAX;
    int64_t today = civil_days(c.year, c.month, c.day);
    int minute = minute_of_day_from(cron, day == today ? c.hour * 60 + c.minute : 0);
    if (minute < 0) { /* today's are over */
        struct civil next = civil_from_seconds((today + 1) * SECONDS_PER_DAY);
        day = day_from(cron, next.year, next.month, next.day);
        if (day == INT64_MAX)
            return INT64_MAX;
        minute = minute_of_day_from(cron, 0);
    }
    return day * SECONDS_PER_DAY + minute * SECONDS_PER_MINUTE;
}

#define NO_WATER INT64_MIN

struct walk {
    const struct cron *cron;
    const struct zone *zone;
    bool follows;  /* the hour begins with '*': the clock is followed */
    bool once;     /* neither minute nor hour does: each reading once */
    int64_t water; /* readings below have been shown; NO_WATER where none matters */
    /* No reading in [searched, found) matches, `found` does; from the last search. */
    int64_t searched;
    int64_t found;
};

static int64_t match_from(struct walk *w, int64_t reading)
{
    if (reading < w->searched || reading > w->found) {
        w->found = cron_reading_from(w->cron, reading);
        w->searched = reading;
    }
    return w->found;
}

/* Raises the water line over a change, or forgets it where a new clock begins. */
static void pass_change(struct walk *w, struct zone_change change)
{
    int64_t step = (int64_t)change.after - change.before;
    int64_t shown = change.at + change.before;
    if (!w->once || step >= NEW_CLOCK_SECONDS || step <= -NEW_CLOCK_SECONDS)
        w->water = NO_WATER;
    else if (shown > w->water)
        w->water = shown;
}

/* True where readings that the change skips make a slot at the change. */
static bool moves_here(struct walk *w, struct zone_change change)
{
    int64_t from = change.at + change.before;
    int64_t until = change.at + change.after;
    if (w->follows || until <= from || until - from >= NEW_CLOCK_SECONDS)
        return false;
    if (from < w->water)
        from = w->water;
    return from < until && match_from(w, from) < until;
}

static struct zone_change change_after(const struct zone_span *here, const struct zone_span *next)
{
    return (struct zone_change){here->until, here->seconds, next->seconds};
}

/* The span of `instant`, with the water line as it stands when the clock comes to it. */
static struct zone_span begin_walk(struct walk *w, int64_t instant)
{
    struct zone_span here = zone_span_at(w->zone, instant);
    int64_t back = instant - WATER_LOOKBACK;
    if (!w->once || here.from <= back)
        return here;
    here = zone_span_at(w->zone, back);
    while (here.until <= instant) {
        struct zone_span next = zone_span_at(w->zone, here.until);
        pass_change(w, change_after(&here, &next));
        here = next;
    }
    return here;
}

/* A slot that has not come by then does not come. */
static int64_t horizon_of(const struct zone *zone, int64_t instant)
{
    int64_t settled = zone_settled_from(zone);
    int64_t end = (settled > instant ? settled : instant) + CYCLE_SECONDS;
    return end < WALL_MAX_SECOND ? end : WALL_MAX_SECOND;
}

int cron_next(const struct cron *cron, const struct zone *zone, int64_t after,
              struct cron_slot *ret)
{
    if (after >= WALL_MAX_SECOND || !cron_can_fire(cron))
        return CRON_NEVER;
    int64_t instant = after < WALL_MIN_SECOND ? WALL_MIN_SECOND : after + 1;
    struct walk w = {
        .cron = cron,
        .zone = zone,
        .follows = cron->hour_star,
        .once = !cron->hour_star && !cron->minute_star,
        .water = NO_WATER,
        .searched = INT64_MAX,
        .found = INT64_MIN,
    };
    int64_t horizon = horizon_of(zone, instant);
    /* From the instant before, so that a change right at the first instant is met. */
    struct zone_span here = begin_walk(&w, instant - 1);
    for (;;) {
        int64_t reading = (instant > here.from ? instant : here.from) + here.seconds;
        int64_t match = match_from(&w, reading > w.water ? reading : w.water);
        if (match != INT64_MAX && match - here.seconds < here.until) {
            if (match - here.seconds > WALL_MAX_SECOND)
                return CRON_NEVER;
            *ret = (struct cron_slot){match - here.seconds, false};
            return 0;
        }
        if (here.until > horizon)
            return CRON_NEVER;
        struct zone_span next = zone_span_at(zone, here.until);
        struct zone_change change = change_after(&here, &next);
        if (moves_here(&w, change)) {
            *ret = (struct cron_slot){change.at, true};
            return 0;
        }
        pass_change(&w, change);
        here = next;
    }
}
