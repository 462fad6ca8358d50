/*
 * The proleptic Gregorian calendar: days, weekdays, and ISO 8601 text. Pure arithmetic, no zones.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"

#include <stddef.h>

/* A reading of calendar and clock without a zone. */
struct civil {
    int64_t year; /* 1 is the year 1; any year whose days fit an int64_t */
    int month;    /* 1-12 */
    int day;      /* 1-31 */
    int hour;     /* 0-23 */
    int minute;   /* 0-59 */
    int second;   /* 0-59 */
};

#define CIVIL_TEXT_MAX 48

/* Days from 1970-01-01 to the given date; month 1-12, day 1-31, both trusted. */
int64_t civil_days(int64_t year, int month, int day);

/* 1-7 days in front: 0 is Sunday. */
int civil_weekday(int64_t days);

bool civil_is_leap(int64_t year);

/* 28-31. */
int civil_month_length(int64_t year, int month);

/* Seconds since 1970-01-01T00:00:00 on the same clock, and back. */
int64_t civil_to_seconds(const struct civil *c);
struct civil civil_from_seconds(int64_t seconds);

/*
 * "2026-11-23T19:00:00Z", with microseconds only where there are any. Seconds outside the years
 * 0001-9999 give "out-of-range". Returns `buffer`.
 */
const char *civil_format_utc(struct wall when, char buffer[CIVIL_TEXT_MAX]);

/*
 * "2026-11-24T03:00:00+08:00": the instant as a clock `offset` seconds east of UTC shows it. An
 * offset that is not whole minutes is shown with its seconds ("+00:53:28").
 */
const char *civil_format_offset(struct wall when, int32_t offset, char buffer[CIVIL_TEXT_MAX]);

/*
 * Reads an instant: "YYYY-MM-DDThh:mm[:ss[.ffffff]]" and "Z" or "+hh:mm[:ss]" / "+hhmm"; a blank
 * may stand for the T. "@N" is N seconds since 1970.
 *
 * Outcomes: 0; -EINVAL with a text (no zone, no such day, out of range).
 */
int civil_parse(const char *text, struct wall *ret, struct errtext *err) MUST_CHECK;
