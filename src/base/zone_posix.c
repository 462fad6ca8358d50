/*
 * The footer of a TZif file: a POSIX TZ string, "EST5EDT,M3.2.0,M11.1.0", with the hours from -167
 * to 167 that RFC 8536 adds. See zone_internal.h.
 *
 * Reading: a cursor over the bytes; each taker moves it past what it understood or fails, and
 * whatever is left at the end is an error. A name for summer time needs its rule: POSIX leaves the
 * dates to the system without one, and no TZif writer does.
 *
 * Evaluation: each year has two events, the start and the end of summer time. For a tame rule (all
 * that are in use) both lie well inside their UTC year, so that an instant's stretch lies between
 * neighbours among the events of three years. For a wild one the events of five years are sorted:
 * an event can leave its year by at most a week and a day. Events at one instant count in the order
 * of their years, so that summer time that ends and begins again at one instant never ends.
 */
#include "base/zone_internal.h"

#include "base/civil.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HOURS_MAX_OFFSET 24
#define HOURS_MAX_RULE 167

struct cursor {
    const char *at;
    const char *end;
};

static char peek(const struct cursor *c)
{
    return c->at < c->end ? *c->at : '\0';
}

static bool take(struct cursor *c, char wanted)
{
    if (c->at >= c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* One to three digits, at most `max`. */
static bool take_number(struct cursor *c, int max, int *ret)
{
    int value = 0;
    int digits = 0;
    for (; digits < 3 && is_digit(peek(c)); digits++, c->at++)
        value = value * 10 + (*c->at - '0');
    if (digits == 0 || value > max)
        return false;
    *ret = value;
    return true;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool take_clock(struct cursor *c, int hours_max, int32_t *ret)
{
    bool negative = take(c, '-');
    if (!negative)
        (void)take(c, '+');
    int hours;
    int minutes = 0;
    int seconds = 0;
    if (!take_number(c, hours_max, &hours))
        return false;
    if (take(c, ':')) {
        if (!take_number(c, 59, &minutes))
            return false;
        if (take(c, ':') && !take_number(c, 59, &seconds))
            return false;
    }
    int32_t total = hours * 3600 + minutes * 60 + seconds;
    *ret = negative ? -total : total;
    return true;
}

/* "EST" or "<+0330>": at least three characters. */
static bool take_name(struct cursor *c, char ret[ZONE_ABBREVIATION_MAX])
{
    bool quoted = take(c, '<');
    char name[ZONE_ABBREVIATION_MAX] = {0};
    size_t length = 0;
    for (;; c->at++) {
        char next = peek(c);
        bool sign_or_digit = is_digit(next) || next == '+' || next == '-';
        if (!is_letter(next) && !(quoted && sign_or_digit))
            break;
        if (length == sizeof name - 1)
            return false;
        name[length++] = next;
    }
    if (length < 3 || (quoted && !take(c, '>')))
        return false;
    memcpy(ret, name, sizeof name);
    return true;
}

static bool take_rule(struct cursor *c, struct zone_rule *ret)
{
    struct zone_rule rule = {.clock = 2 * 3600};
    int day;
    int month = 0;
    int week = 0;
    if (take(c, 'M')) {
        rule.kind = ZONE_DAY_WEEKDAY;
        if (!take_number(c, 12, &month) || month < 1 || !take(c, '.') || !take_number(c, 5, &week)
            || week < 1 || !take(c, '.') || !take_number(c, 6, &day))
            return false;
    } else if (take(c, 'J')) {
        rule.kind = ZONE_DAY_JULIAN;
        if (!take_number(c, 365, &day) || day < 1)
            return false;
    } else {
        rule.kind = ZONE_DAY_ORDINAL;
        if (!take_number(c, 365, &day))
            return false;
    }
    if (take(c, '/') && !take_clock(c, HOURS_MAX_RULE, &rule.clock))
        return false;
    rule.day = (int16_t)day;
    rule.month = (int8_t)month;
    rule.week = (int8_t)week;
    *ret = rule;
    return true;
}

/* More than a week and a day away from both ends of the year. */
static bool is_tame(const struct zone_rule *rule)
{
    switch (rule->kind) {
    case ZONE_DAY_JULIAN:
    case ZONE_DAY_ORDINAL:
        return rule->day > 10 && rule->day < 355;
    case ZONE_DAY_WEEKDAY:
        return rule->month > 1 && rule->month < 12;
    }
    abort();
}

static int64_t day_of_year(const struct zone_rule *rule, int64_t year)
{
    switch (rule->kind) {
    case ZONE_DAY_JULIAN:
        return civil_days(year, 1, 1) + rule->day - 1
               + (civil_is_leap(year) && rule->day >= 60 ? 1 : 0);
    case ZONE_DAY_ORDINAL:
        return civil_days(year, 1, 1) + rule->day;
    case ZONE_DAY_WEEKDAY:
        break;
    }
    int64_t first = civil_days(year, rule->month, 1);
    int ahead = (rule->day - civil_weekday(first) + 7) % 7 + (rule->week - 1) * 7;
    if (ahead >= civil_month_length(year, rule->month))
        ahead -= 7;
    return first + ahead;
}

/* One event: at this instant the clock becomes that of `type`. */
struct event {
    int64_t at;
    const struct zone_type *type;
};

/* Each event's clock is that in force before it. */
static struct event start_of(const struct zone_footer *f, int64_t year)
{
    int64_t local = day_of_year(&f->start, year) * SECONDS_PER_DAY + f->start.clock;
    return (struct event){local - f->standard.seconds, &f->summer};
}

static struct event end_of(const struct zone_footer *f, int64_t year)
{
    int64_t local = day_of_year(&f->end, year) * SECONDS_PER_DAY + f->end.clock;
    return (struct event){local - f->summer.seconds, &f->standard};
}

/* The two events of a year, earlier first. */
static void events_of(const struct zone_footer *f, int64_t year, struct event ret[2])
{
    struct event start = start_of(f, year);
    struct event end = end_of(f, year);
    bool start_first = start.at <= end.at;
    ret[0] = start_first ? start : end;
    ret[1] = start_first ? end : start;
}

static struct zone_stretch tame_stretch(const struct zone_footer *f, int64_t year, int64_t t)
{
    struct event own[2];
    struct event other[2];
    events_of(f, year, own);
    if (t < own[0].at) {
        events_of(f, year - 1, other);
        return (struct zone_stretch){other[1].at, own[0].at, other[1].type};
    }
    if (t < own[1].at)
        return (struct zone_stretch){own[0].at, own[1].at, own[0].type};
    events_of(f, year + 1, other);
    return (struct zone_stretch){own[1].at, other[0].at, own[1].type};
}

#define WILD_YEARS 5
#define WILD_EVENTS (2 * WILD_YEARS)

static struct zone_stretch wild_stretch(const struct zone_footer *f, int64_t year, int64_t t)
{
    struct event events[WILD_EVENTS];
    for (size_t i = 0; i < WILD_YEARS; i++)
        events_of(f, year - 2 + (int64_t)i, events + 2 * i);
    for (size_t i = 1; i < WILD_EVENTS; i++) { /* insertion: stable, nearly sorted already */
        struct event moving = events[i];
        size_t j = i;
        for (; j > 0 && events[j - 1].at > moving.at; j--)
            events[j] = events[j - 1];
        events[j] = moving;
    }
    size_t passed = 0;
    while (passed < WILD_EVENTS && events[passed].at <= t)
        passed++;
    if (passed == 0 || passed == WILD_EVENTS)
        abort(); /* five years around t hold events on both sides of it */
    return (struct zone_stretch){events[passed - 1].at, events[passed].at, events[passed - 1].type};
}

struct zone_stretch zone_footer_stretch(const struct zone_footer *footer, int64_t utc_second)
{
    if (footer->kind == ZONE_FOOTER_FIXED)
        return (struct zone_stretch){INT64_MIN, INT64_MAX, &footer->standard};
    int64_t year = civil_from_seconds(utc_second).year;
    return footer->tame ? tame_stretch(footer, year, utc_second)
                        : wild_stretch(footer, year, utc_second);
}

/*
 * True where the offset never changes: the calendar repeats after 400 years. Ordinary rules show a
 * change at once.
 */
static bool is_steady(const struct zone_footer *f)
{
    if (f->kind != ZONE_FOOTER_RULE || f->standard.seconds == f->summer.seconds)
        return true;
    const int64_t end = 402 * 366 * SECONDS_PER_DAY;
    struct zone_stretch here = zone_footer_stretch(f, 0);
    while (here.until < end) {
        struct zone_stretch next = zone_footer_stretch(f, here.until);
        if (next.type->seconds != here.type->seconds)
            return false;
        here = next;
    }
    return true;
}

static int read_rule(struct cursor *c, struct zone_posix *z, struct errtext *err)
{
    struct zone_footer *f = &z->footer;
    f->summer.seconds = f->standard.seconds + 3600;
    f->summer.dst = true;
    if (!take_name(c, z->summer))
        return errtext_set(err, -EINVAL, "the zone rule's summer time has no usable name");
    if (c->at < c->end && *c->at != ',') {
        int32_t west;
        if (!take_clock(c, HOURS_MAX_OFFSET, &west))
            return errtext_set(err, -EINVAL, "the zone rule's summer offset is not [+-]hh[:mm]");
        f->summer.seconds = -west;
    }
    if (!take(c, ',') || !take_rule(c, &f->start) || !take(c, ',') || !take_rule(c, &f->end))
        return errtext_set(err, -EINVAL,
                           "the zone rule's dates are not of the form ,M3.2.0/2,M11.1.0/2");
    f->kind = ZONE_FOOTER_RULE;
    f->tame = is_tame(&f->start) && is_tame(&f->end);
    return 0;
}

int zone_posix_read(const char *bytes, size_t length, struct zone_posix *ret, struct errtext *err)
{
    struct cursor c = {bytes, bytes + length};
    struct zone_posix z = {.footer = {.kind = ZONE_FOOTER_FIXED}};
    int32_t west;
    if (!take_name(&c, z.standard))
        return errtext_set(err, -EINVAL, "the zone rule does not begin with a name such as EST");
    if (!take_clock(&c, HOURS_MAX_OFFSET, &west))
        return errtext_set(err, -EINVAL, "the zone rule's offset is not [+-]hh[:mm[:ss]]");
    z.footer.standard.seconds = -west;
    if (c.at < c.end) {
        int outcome = read_rule(&c, &z, err);
        if (outcome != 0)
            return outcome;
    }
    if (c.at < c.end)
        return errtext_set(err, -EINVAL, "the zone rule has something after its end");
    z.footer.steady = is_steady(&z.footer);
    *ret = z;
    return 0;
}
