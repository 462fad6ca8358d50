/*
 * What the files of the cron room share: cron.c (next slot), cron_parse.c, cron_format.c and
 * cron_warn.c. Nothing outside the room includes it.
 */
#pragma once

#include "base/cron.h"

enum cron_field_index {
    CRON_MINUTE,
    CRON_HOUR,
    CRON_DAY,
    CRON_MONTH,
    CRON_WEEKDAY,
    CRON_FIELD_COUNT,
};

struct cron_field {
    const char *name; /* as messages call it */
    int low;
    int high;                 /* 7 for the day of the week: Sunday again */
    int size;                 /* of the cycle: 7 days of the week */
    const char *const *names; /* three letters each, full names, or NULL */
    int name_count;
};

extern const struct cron_field cron_fields[CRON_FIELD_COUNT];

/* The field's set and its star flag, read from or written to a struct cron. */
uint64_t cron_set(const struct cron *cron, enum cron_field_index index);
bool cron_star(const struct cron *cron, enum cron_field_index index);

/* The five fields that a macro stands for, or the expression itself. */
const char *cron_expand_macro(const char *expression);

/*
 * The earliest reading (local seconds, a whole minute) at or after `local_second` that the sets
 * match; INT64_MAX where none comes within 400 years. Minutes and hours are not empty.
 */
int64_t cron_reading_from(const struct cron *cron, int64_t local_second);

/* False where no day of any year matches. */
bool cron_can_fire(const struct cron *cron);
