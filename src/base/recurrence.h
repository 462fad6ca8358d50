/*
 * When a schedule is due: a cron expression in a zone, or a period counted from 1970.
 */
#pragma once

#include "base/cron.h"
#include "base/instant.h"
#include "base/zone.h"

#define RECURRENCE_PERIOD_MIN_US US_PER_SECOND
#define RECURRENCE_PERIOD_MAX_US (INT64_C(366) * SECONDS_PER_DAY * US_PER_SECOND)

enum recurrence_kind {
    RECURRENCE_CRON,
    RECURRENCE_EVERY,
};

struct recurrence {
    enum recurrence_kind kind;
    struct cron cron;        /* RECURRENCE_CRON */
    const struct zone *zone; /* both kinds: whose clock people read; borrowed */
    int64_t period_us;       /* RECURRENCE_EVERY: whole seconds, in the limits above */
};

struct slot_time {
    struct wall at; /* the nominal instant: a run's identity with schedule and instance */
    bool moved;     /* a clock change put it there */
};

#define RECURRENCE_NEVER 1

/*
 * The first slot strictly after `after`.
 * Outcomes: 0; RECURRENCE_NEVER.
 */
int recurrence_next(const struct recurrence *r, struct wall after,
                    struct slot_time *ret) MUST_CHECK;

/*
 * The latest slot in (after, until], and how many slots lie in it (counted up to `most`, then
 * *ret_count is `most`, but the slot is still the latest one).
 * Outcomes: 0; RECURRENCE_NEVER where the interval holds none (*ret_count is 0).
 */
int recurrence_latest(const struct recurrence *r, struct wall after, struct wall until,
                      int64_t most, struct slot_time *ret, int64_t *ret_count) MUST_CHECK;

/*
 * The time between the next slot after `from` and the one that follows it, in microseconds;
 * INT64_MAX where there are not two.
 */
int64_t recurrence_period_us(const struct recurrence *r, struct wall from);
