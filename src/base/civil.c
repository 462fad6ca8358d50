/*
 * See civil.h. Days are counted in eras of 400 years that begin on 1 March, so that the leap day
 * is the last of its year and every month's start is a linear formula.
 */
#include "base/civil.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DAYS_PER_ERA 146097 /* 400 years */
#define DAYS_TO_1970 719468 /* from 0000-03-01 to 1970-01-01 */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

int64_t civil_days(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_div(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t month_from_march = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

int civil_weekday(int64_t days)
{
    int64_t w = (days % 7 + 7 + 4) % 7; /* 1970-01-01 was a Thursday */
    return (int)w;
}

bool civil_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int civil_month_length(int64_t year, int month)
{
    static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && civil_is_leap(year) ? 29 : length[month - 1];
}

int64_t civil_to_seconds(const struct civil *c)
{
    int64_t days = civil_days(c->year, c->month, c->day);
    return ((days * 24 + c->hour) * 60 + c->minute) * 60 + c->second;
}

struct civil civil_from_seconds(int64_t seconds)
{
    int64_t days = floor_div(seconds, SECONDS_PER_DAY);
    int second_of_day = (int)(seconds - days * SECONDS_PER_DAY);

    int64_t shifted = days + DAYS_TO_1970;
    int64_t era = floor_div(shifted, DAYS_PER_ERA);
    int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;

    struct civil c;
    c.day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    c.month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    c.year = era * 400 + year_of_era + (c.month <= 2 ? 1 : 0);
    c.hour = second_of_day / 3600;
    c.minute = second_of_day / 60 % 60;
    c.second = second_of_day % 60;
    return c;
}

/* The date and the clock, without a zone; returns the number of characters, 0 out of range. */
static int format_reading(struct wall when, int32_t offset, char buffer[CIVIL_TEXT_MAX])
{
    int64_t local = wall_seconds(when) + offset;
    if (local < WALL_MIN_SECOND || local > WALL_MAX_SECOND)
        return 0;
    struct civil c = civil_from_seconds(local);
    int64_t fraction = when.us - wall_seconds(when) * US_PER_SECOND;
    int n = snprintf(buffer, CIVIL_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d", (int)c.year, c.month,
                     c.day, c.hour, c.minute, c.second);
    if (fraction != 0)
        n += snprintf(buffer + n, CIVIL_TEXT_MAX - (size_t)n, ".%06d", (int)fraction);
    return n;
}

const char *civil_format_utc(struct wall when, char buffer[CIVIL_TEXT_MAX])
{
    int n = format_reading(when, 0, buffer);
    if (n == 0)
        memcpy(buffer, "out-of-range", sizeof "out-of-range");
    else
        memcpy(buffer + n, "Z", sizeof "Z");
    return buffer;
}

const char *civil_format_offset(struct wall when, int32_t offset, char buffer[CIVIL_TEXT_MAX])
{
    int n = format_reading(when, offset, buffer);
    if (n == 0) {
        memcpy(buffer, "out-of-range", sizeof "out-of-range");
        return buffer;
    }
    int32_t size = offset < 0 ? -offset : offset;
    char sign = offset < 0 ? '-' : '+';
    size_t room = CIVIL_TEXT_MAX - (size_t)n;
    if (size % 60 != 0)
        (void)snprintf(buffer + n, room, "%c%02d:%02d:%02d", sign, size / 3600, size / 60 % 60,
                       size % 60);
    else
        (void)snprintf(buffer + n, room, "%c%02d:%02d", sign, size / 3600, size / 60 % 60);
    return buffer;
}

/* Exactly `digits` decimal digits at *p; -1 where there are fewer. */
static int take_number(const char **p, int digits)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        char c = (*p)[i];
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    *p += digits;
    return value;
}

static bool take(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

static int parse_date(const char **p, struct civil *c)
{
    int year = take_number(p, 4);
    if (year < 1 || !take(p, '-'))
        return -EINVAL;
    c->year = year;
    c->month = take_number(p, 2);
    if (c->month < 1 || c->month > 12 || !take(p, '-'))
        return -EINVAL;
    c->day = take_number(p, 2);
    if (c->day < 1 || c->day > civil_month_length(year, c->month))
        return -EINVAL;
    return 0;
}

static int parse_clock(const char **p, struct civil *c, int64_t *ret_us)
{
    c->hour = take_number(p, 2);
    if (c->hour < 0 || c->hour > 23 || !take(p, ':'))
        return -EINVAL;
    c->minute = take_number(p, 2);
    if (c->minute < 0 || c->minute > 59)
        return -EINVAL;
    c->second = 0;
    *ret_us = 0;
    if (!take(p, ':'))
        return 0;
    c->second = take_number(p, 2);
    if (c->second < 0 || c->second > 59)
        return -EINVAL;
    if (!take(p, '.'))
        return 0;
    int64_t scale = US_PER_SECOND / 10;
    int digits = 0;
    for (; **p >= '0' && **p <= '9'; (*p)++, digits++, scale /= 10)
        *ret_us += (**p - '0') * scale;
    return digits > 0 ? 0 : -EINVAL;
}

static int parse_offset(const char **p, int64_t *ret_offset)
{
    *ret_offset = 0;
    if (take(p, 'Z') || take(p, 'z'))
        return 0;
    int sign = **p == '-' ? -1 : 1;
    if (!take(p, '+') && !take(p, '-'))
        return -EINVAL;
    int hours = take_number(p, 2);
    bool colon = take(p, ':');
    int minutes = take_number(p, 2);
    int seconds = 0;
    if (colon && take(p, ':'))
        seconds = take_number(p, 2);
    if (hours < 0 || hours > 25 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 59)
        return -EINVAL;
    *ret_offset = sign * ((INT64_C(60) * hours + minutes) * 60 + seconds);
    return 0;
}

static int parse_epoch(const char *p, int64_t *ret_seconds)
{
    bool negative = take(&p, '-');
    int64_t value = 0;
    if (*p == '\0')
        return -EINVAL;
    for (; *p != '\0'; p++) {
        if (*p < '0' || *p > '9' || value > WALL_MAX_SECOND)
            return -EINVAL;
        value = value * 10 + (*p - '0');
    }
    *ret_seconds = negative ? -value : value;
    return 0;
}

/* A date as far as it goes, but of the year 0, before it, or of more than four digits. */
static bool year_is_outside(const char *text)
{
    bool is_signed = text[0] == '-' || text[0] == '+';
    size_t digits = strspn(text + is_signed, "0123456789");
    if (digits < 4 || text[is_signed + digits] != '-')
        return false;
    return is_signed || digits > 4 || strncmp(text, "0000", 4) == 0;
}

int civil_parse(const char *text, struct wall *ret, struct errtext *err)
{
    const char *p = text;
    struct civil c = {0};
    int64_t us = 0;
    int64_t offset = 0;
    int64_t seconds = 0;

    if (take(&p, '@')) {
        if (parse_epoch(p, &seconds) < 0)
            return errtext_set(err, -EINVAL, "'%.60s' is not a number of seconds since 1970", text);
    } else {
        if (year_is_outside(text))
            return errtext_set(err, -EINVAL, "'%.60s' is outside the years 0001 to 9999", text);
        if (parse_date(&p, &c) < 0)
            return errtext_set(
                err, -EINVAL,
                "'%.60s' does not begin with a date that exists; write 2026-11-23T19:00:00Z", text);
        if ((!take(&p, 'T') && !take(&p, 't') && !take(&p, ' ')) || parse_clock(&p, &c, &us) < 0)
            return errtext_set(err, -EINVAL,
                               "'%.60s' has no time of day; write 2026-11-23T19:00:00Z", text);
        if (parse_offset(&p, &offset) < 0 || *p != '\0')
            return errtext_set(err, -EINVAL, "'%.60s' must end in Z or an offset such as +08:00",
                               text);
        seconds = civil_to_seconds(&c) - offset;
    }
    if (seconds < WALL_MIN_SECOND || seconds > WALL_MAX_SECOND)
        return errtext_set(err, -EINVAL, "'%.60s' is outside the years 0001 to 9999", text);
    *ret = wall_add_us(wall_from_seconds(seconds), us);
    return 0;
}
