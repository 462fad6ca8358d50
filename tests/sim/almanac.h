/*
 * When a rule is due, found the slow way: a period's multiples, and a cron rule minute by minute.
 * It shares no code with base/cron.c, base/zone.c and base/recurrence.c, and so can judge them.
 */
#pragma once

#include "base/instant.h"

#include <stdbool.h>

enum almanac_zone {
    ALMANAC_UTC,
    ALMANAC_SHANGHAI, /* UTC+8, no changes */
    ALMANAC_BERLIN,   /* CET with the summer time of the European Union */
    ALMANAC_NEW_YORK, /* EST with the summer time of the United States */
    ALMANAC_ZONES,
};

/* The rule as a POSIX TZ string, for zone_parse_posix(); NULL for UTC. */
const char *almanac_zone_posix(enum almanac_zone zone);

#define RULE_TEXT_MAX 64

struct rule {
    bool is_cron;
    int64_t period_s; /* of a period */
    uint64_t minutes; /* of a cron rule, as in struct cron; the month's days and months are all */
    uint32_t hours;
    uint32_t weekdays;
    bool minute_star; /* the field begins with a star */
    bool hour_star;
    enum almanac_zone zone;
    char text[RULE_TEXT_MAX]; /* as the configuration has it */
};

/* The first slot strictly after `after`; WALL_NEVER where none comes within 60 days. */
struct wall rule_next(const struct rule *rule, struct wall after);

/* Slots in (after, until]. */
int64_t rule_count(const struct rule *rule, struct wall after, struct wall until);
