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
 * Hands out a summary line by line, without line feeds: counts, hosts, rate, and each schedule with
 * its next slot after `now`.
 */
void forecast_config(const struct config *config, struct wall now,
                     void (*line)(void *context, const char *text), void *context);
