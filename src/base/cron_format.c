/*
 * Canonical text of a cron expression. See cron.h.
 *
 * Each field becomes a list of single values and ranges. A field that began with '*' keeps doing
 * so, since that decides about days and clock changes: "*" where it holds everything, else the
 * smallest step whose values all lie in the set, followed by the ranges that hold anything else,
 * cut at both ends to what the step does not cover. Of any set that cron_parse() can give, such a
 * step exists. No text is longer than CRON_TEXT_MAX - 1: the worst fields have 118, 46, 59, 17 and
 * 11 characters.
 */
#include "base/cron_internal.h"

#include "base/text.h"

#include <assert.h>

uint64_t cron_set(const struct cron *cron, enum cron_field_index index)
{
    const uint64_t sets[CRON_FIELD_COUNT] = {cron->minutes, cron->hours, cron->days, cron->months,
                                             cron->weekdays};
    return sets[index];
}

bool cron_star(const struct cron *cron, enum cron_field_index index)
{
    switch (index) {
    case CRON_MINUTE:
        return cron->minute_star;
    case CRON_HOUR:
        return cron->hour_star;
    case CRON_DAY:
        return cron->day_star;
    case CRON_WEEKDAY:
        return cron->weekday_star;
    case CRON_MONTH:
    case CRON_FIELD_COUNT:
        break;
    }
    return false;
}

/* The values of "* / step", Sunday as 0. */
static uint64_t stepped_set(const struct cron_field *f, int step)
{
    uint64_t set = 0;
    for (int value = f->low; value <= f->high; value += step)
        set |= UINT64_C(1) << (f->size == 7 && value == 7 ? 0 : value);
    return set;
}

/* Writes the leading "*" or "* / n" and returns the values that it covers. */
static uint64_t add_star(struct text *t, const struct cron_field *f, uint64_t set)
{
    for (int step = 1; step <= f->high; step++) {
        uint64_t covered = stepped_set(f, step);
        if ((covered & ~set) != 0)
            continue;
        text_add_char(t, '*');
        if (step > 1)
            text_addf(t, "/%d", step);
        return covered;
    }
    return 0;
}

static void add_range(struct text *t, int first, int last)
{
    text_addf(t, "%d", first);
    if (last > first)
        text_addf(t, "-%d", last);
}

static bool holds(uint64_t set, int value)
{
    assert(value >= 0 && value < 64);
    return (set >> value & 1) != 0;
}

static void add_field(struct text *t, enum cron_field_index index, uint64_t set, bool star)
{
    const struct cron_field *f = &cron_fields[index];
    size_t begin = t->length;
    uint64_t covered = star ? add_star(t, f, set) : 0;
    int end = f->low + f->size;
    for (int first = f->low; first < end; first++) {
        if (!holds(set, first) || holds(covered, first))
            continue;
        int next = first; /* the first value behind the range */
        int last = first;
        for (; next < end && holds(set, next); next++)
            if (!holds(covered, next))
                last = next;
        if (t->length > begin)
            text_add_char(t, ',');
        add_range(t, first, last);
        first = next;
    }
}

const char *cron_format(const struct cron *cron, char buffer[CRON_TEXT_MAX])
{
    struct text t = text_over(buffer, CRON_TEXT_MAX);
    for (enum cron_field_index i = 0; i < CRON_FIELD_COUNT; i++) {
        if (i > 0)
            text_add_char(&t, ' ');
        uint64_t set = cron_set(cron, i);
        /* Stars of the month mean nothing: all twelve are "*". */
        bool star = i == CRON_MONTH ? set == 0x1FFE : cron_star(cron, i);
        add_field(&t, i, set, star);
    }
    assert(!t.cut);
    return buffer;
}
