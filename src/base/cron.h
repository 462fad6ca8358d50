/*
 * Cron expressions of five fields as Vixie cron reads them, and the macros; the next instant is
 * computed from the sets, not stepped through minute by minute.
 *
 * Field ranges: minute 0-59, hour 0-23, day of the month 1-31, month 1-12 or jan-dec, day of the
 * week 0-7 or sun-sat (0 and 7 are Sunday). Lists, ranges, "* / n", "a-b/n". Where both day fields
 * are restricted either may match; a field that begins with "*" counts as unrestricted.
 *
 * Clock changes of less than three hours:
 *
 *   gap      Hour field not beginning with "*": the slots in the skipped time run once, at the
 * first valid instant, merged with a slot due there. Otherwise the clock is followed. overlap
 * Neither minute nor hour begins with "*": the first pass only. Otherwise both passes.
 *
 * A larger change is a new clock: skipped readings do not run, repeated ones run again. Where
 * changes come close together, an expression of the first pass takes each reading the first time
 * that the clock reaches or skips it.
 *
 * Limits: expressions of at most CRON_TEXT_MAX bytes; instants of the years 0001 to 9999.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"
#include "base/zone.h"

#define CRON_TEXT_MAX 256

struct cron {
    uint64_t minutes; /* bit n: minute n */
    uint32_t hours;   /* bit n: hour n */
    uint32_t days;    /* bit n: day n of the month, 1-31 */
    uint16_t months;  /* bit n: month n, 1-12 */
    uint8_t weekdays; /* bit n: day n of the week, 0-6 */
    bool minute_star; /* the field begins with '*' */
    bool hour_star;
    bool day_star;
    bool weekday_star;
};

/*
 * Outcomes: 0; -EINVAL with a text that names the field, the character's column (from 1) and the
 * right spelling. Names are taken in any case, macros in small letters only; a step may be at most
 * the field's highest number. Blanks and tabs may stand in front, between and behind.
 */
int cron_parse(const char *expression, struct cron *ret, struct errtext *err) MUST_CHECK;

/* Canonical text of what cron_parse() gave: parsing it gives the same struct. Returns `buffer`. */
const char *cron_format(const struct cron *cron, char buffer[CRON_TEXT_MAX]);

/*
 * A slot: the instant, and whether a clock change moved it there from a skipped reading (also where
 * a slot was due there anyway).
 */
struct cron_slot {
    int64_t second;
    bool moved;
};

#define CRON_NEVER 1

/*
 * The first slot strictly after `after` (whole UTC seconds); before the year 0001, the first of
 * that year on.
 * Outcomes: 0 with *ret filled; CRON_NEVER where none comes (known within a millisecond).
 */
int cron_next(const struct cron *cron, const struct zone *zone, int64_t after,
              struct cron_slot *ret) MUST_CHECK;

/* What a person should be warned of at load. */
enum cron_warning {
    CRON_WARN_NEVER = 1 << 0, /* no day of any year matches */
    CRON_WARN_UNEVEN_STEP =
        1 << 1, /* a step that does not divide its field's range, like the 7 of "* / 7" */
    CRON_WARN_BOTH_DAYS = 1 << 2, /* both day fields set: either may match */
    CRON_WARN_CLOCK_CHANGE =
        1 << 3, /* a local time inside one of the zone's coming clock changes */
};

/*
 * A set of enum cron_warning bits for `expression` (which cron_parse accepted as `cron`), looking
 * at the zone's changes in the two years after `from`.
 */
unsigned cron_warnings(const char *expression, const struct cron *cron, const struct zone *zone,
                       int64_t from);

/* One line for a person for one warning bit. */
const char *cron_warning_text(enum cron_warning warning);
