/*
 * What a configuration will do, in lines for people: for --check and for crsbackupctl.
 */
#pragma once

#include "base/instant.h"
#include "base/recurrence.h"
#include "engine/model.h"

#define FORECAST_TIME_MAX 48

/* The instant as the recurrence's zone shows it: "2026-11-24T03:00:00+08:00". Returns `buffer`. */
const char *forecast_time(const struct recurrence *when, struct wall at,
                          char buffer[FORECAST_TIME_MAX]);

/*
 * Why a slot was moved, for people: "moved by a clock change, from 02:00:00 to 03:00:00"; the two
 * readings are left out where the change is not at the slot itself. Returns `buffer`.
 */
#define FORECAST_MOVED_MAX 96
const char *forecast_moved(const struct recurrence *when, struct wall slot,
                           char buffer[FORECAST_MOVED_MAX]);

/*
 * The clock change that moved a slot: its readings before and after, "02:00:00" and "03:00:00".
 * False where none is at the slot.
 */
#define FORECAST_CLOCK_MAX 12
bool forecast_gap(const struct recurrence *when, struct wall slot, char before[FORECAST_CLOCK_MAX],
                  char after[FORECAST_CLOCK_MAX]);

/* The first and the last instance of each slot, and how long after it they are due. */
struct forecast_spread {
    const struct instance *first;
    const struct instance *last;
    int64_t first_us;
    int64_t last_us;
};

/* Outcomes: 0; 1, the schedule has no instance; -EIO. The config is frozen. */
struct digest;
int forecast_spread(struct digest *digest, const struct schedule *schedule,
                    struct forecast_spread *ret) MUST_CHECK;

/*
 * Hands out a summary line by line, without line feeds: counts, hosts, rate, and each schedule with
 * its next slot after `now`.
 */
void forecast_config(const struct config *config, struct wall now,
                     void (*line)(void *context, const char *text), void *context);
