/*
 * How many of something there were in the last minute, to the second: a ring of counts, a place a
 * second. What is older is forgotten; nothing is allocated. Time is an argument.
 *
 *   struct minute minute = {0};
 *   minute_add(&minute, at);
 *   minute_count(&minute, now);   the second of `now`, as far as it has come, and the 59 before it
 */
#pragma once

#include "base/instant.h"

#include <stdint.h>

#define MINUTE_SECONDS 60

/* A zeroed struct has counted nothing. */
struct minute {
    int64_t second; /* the newest that was counted, since the clock's start */
    uint32_t counts[MINUTE_SECONDS];
};

/* One at `at`; more than a minute behind the newest it is not counted. */
void minute_add(struct minute *minute, struct mono at);

/* Those after `now` are not among them. */
uint64_t minute_count(const struct minute *minute, struct mono now);
