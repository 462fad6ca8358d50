/*
 * What a person should be warned of when a schedule is loaded. See cron.h.
 *
 * Steps are looked for in the text, since the sets no longer tell "* / 7" from a list; the text has
 * passed cron_parse(), so this reading of it is loose. Clock changes are looked up in the zone.
 */
#include "base/cron_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AHEAD_SECONDS (2 * 366 * SECONDS_PER_DAY)

/* True where an item of the field steps to the field's end without dividing its cycle. */
static bool steps_unevenly(const char *item, size_t length, const struct cron_field *field)
{
    const char *slash = memchr(item, '/', length);
    if (slash == NULL)
        return false;
    int step = 0;
    for (const char *p = slash + 1; p < item + length; p++)
        step = step * 10 + (*p - '0');
    assert(step > 0);
    if (field->size % step == 0)
        return false;
    if (*item == '*')
        return true;
    /* A range that stops short of the end says itself where it stops. */
    const char *dash = memchr(item, '-', length);
    int last = 0;
    for (const char *p = dash + 1; p < slash && *p >= '0' && *p <= '9'; p++)
        last = last * 10 + (*p - '0');
    return last >= field->low + field->size - 1;
}

static bool has_uneven_step(const char *expression)
{
    const char *p = cron_expand_macro(expression);
    for (size_t i = 0; i < CRON_FIELD_COUNT; i++) {
        p += strspn(p, " \t");
        const char *end = p + strcspn(p, " \t");
        while (p < end) {
            size_t length = strcspn(p, ", \t");
            if (steps_unevenly(p, length, &cron_fields[i]))
                return true;
            p += length;
            if (p < end)
                p++;
        }
    }
    return false;
}

/* True where one of the zone's coming changes skips or repeats a reading that matches. */
static bool meets_clock_change(const struct cron *cron, const struct zone *zone, int64_t from)
{
    if (cron->hour_star || !cron_can_fire(cron))
        return false;
    int64_t until = instant_add_saturated(from, LOOK_AHEAD_SECONDS);
    struct zone_change change = {.at = from};
    while (zone_next_change(zone, change.at, &change) && change.at <= until) {
        int64_t before = change.at + change.before;
        int64_t after = change.at + change.after;
        int64_t low = before < after ? before : after;
        int64_t high = before < after ? after : before;
        if (cron_reading_from(cron, low) < high)
            return true;
    }
    return false;
}

unsigned cron_warnings(const char *expression, const struct cron *cron, const struct zone *zone,
                       int64_t from)
{
    unsigned warnings = 0;
    if (!cron_can_fire(cron))
        warnings |= CRON_WARN_NEVER;
    if (has_uneven_step(expression))
        warnings |= CRON_WARN_UNEVEN_STEP;
    if (!cron->day_star && !cron->weekday_star)
        warnings |= CRON_WARN_BOTH_DAYS;
    if (meets_clock_change(cron, zone, from))
        warnings |= CRON_WARN_CLOCK_CHANGE;
    return warnings;
}

const char *cron_warning_text(enum cron_warning warning)
{
    switch (warning) {
    case CRON_WARN_NEVER:
        return "never fires: no day of any year matches";
    case CRON_WARN_UNEVEN_STEP:
        return "uneven step: it does not divide the field's range, so the last interval before the "
               "field begins again is shorter";
    case CRON_WARN_BOTH_DAYS:
        return "both day fields are set: a day that matches either one fires";
    case CRON_WARN_CLOCK_CHANGE:
        return "a local time inside one of the zone's coming clock changes: skipped, it runs once "
               "when the clock goes on; repeated, it runs at the first pass, or at both where the "
               "minute begins with '*'";
    }
    abort();
}
