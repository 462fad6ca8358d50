/*
 * See zone.h. Look-up in a zone that zone_tzif.c or zone_posix.c made.
 *
 * Everything rests on stretch_at(): a binary search in the table, and from the last transition on
 * the footer's rule. The other questions walk from stretch to stretch. An instant that shows a
 * given reading lies within ZONE_OFFSET_MAX of it, which bounds the walk of zone_from_local().
 *
 * Nothing here can fail: a zone was checked when it was read, and instants far outside the years
 * 0001 to 9999 are drawn to the nearest that can be computed.
 */
#include "base/zone_internal.h"

#include <assert.h>
#include <string.h>

/*
 * A rule's years are computed up to twice ZONE_INSTANT_LIMIT, so that a walk around a reading at
 * that limit still moves on.
 */
#define RULE_LIMIT (2 * ZONE_INSTANT_LIMIT)

static int64_t clamp(int64_t second, int64_t limit)
{
    if (second > limit)
        return limit;
    return second < -limit ? -limit : second;
}

/* How many transitions lie at or before the instant. */
static size_t transitions_until(const struct zone *zone, int64_t utc_second)
{
    size_t low = 0;
    size_t high = zone->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->at[middle] <= utc_second)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct zone_stretch stretch_at(const struct zone *zone, int64_t utc_second)
{
    size_t passed = transitions_until(zone, utc_second);
    int64_t from = passed > 0 ? zone->at[passed - 1] : INT64_MIN;
    if (passed == zone->count && zone->footer.kind != ZONE_FOOTER_NONE) {
        struct zone_stretch s = zone_footer_stretch(&zone->footer, clamp(utc_second, RULE_LIMIT));
        if (s.from < from)
            s.from = from;
        return s;
    }
    return (struct zone_stretch){
        .from = from,
        .until = passed < zone->count ? zone->at[passed] : INT64_MAX,
        .type = &zone->types[passed > 0 ? zone->type_of[passed - 1] : 0],
    };
}

struct zone_span zone_span_at(const struct zone *zone, int64_t utc_second)
{
    struct zone_stretch s = stretch_at(zone, utc_second);
    return (struct zone_span){s.from, s.until, s.type->seconds};
}

int64_t zone_settled_from(const struct zone *zone)
{
    return zone->count > 0 ? zone->at[zone->count - 1] : INT64_MIN;
}

int32_t zone_seconds_at(const struct zone *zone, int64_t utc_second)
{
    return stretch_at(zone, utc_second).type->seconds;
}

struct zone_offset zone_offset_at(const struct zone *zone, int64_t utc_second)
{
    const struct zone_type *type = stretch_at(zone, utc_second).type;
    struct zone_offset offset = {.seconds = type->seconds, .dst = type->dst};
    const char *name = zone->abbreviations + type->abbreviation;
    size_t length = strnlen(name, ZONE_ABBREVIATION_MAX - 1);
    memcpy(offset.abbreviation, name, length);
    return offset;
}

bool zone_next_change(const struct zone *zone, int64_t utc_second, struct zone_change *ret)
{
    struct zone_span here = zone_span_at(zone, utc_second);
    while (here.until < WALL_MAX_SECOND) {
        struct zone_span next = zone_span_at(zone, here.until);
        if (next.seconds != here.seconds) {
            *ret = (struct zone_change){here.until, here.seconds, next.seconds};
            return true;
        }
        bool table_passed = zone->count == 0 || here.until >= zone->at[zone->count - 1];
        if (table_passed && zone->footer.steady)
            return false;
        here = next;
    }
    return false;
}

/* What the walk around a reading has met so far. */
struct sighting {
    int64_t first;
    int64_t last;
    unsigned count;
    struct zone_change gap;
    struct zone_change overlap;
    bool gap_met;
    bool overlap_met;
};

static void see_change(struct sighting *seen, int64_t local_second, struct zone_change change)
{
    int64_t before = change.at + change.before;
    int64_t after = change.at + change.after;
    if (before <= local_second && local_second < after && !seen->gap_met) {
        seen->gap = change;
        seen->gap_met = true;
    }
    if (after <= local_second && local_second < before && !seen->overlap_met && seen->count > 0) {
        seen->overlap = change;
        seen->overlap_met = true;
    }
}

struct zone_local zone_from_local(const struct zone *zone, int64_t local_second)
{
    int64_t local = clamp(local_second, ZONE_INSTANT_LIMIT);
    struct sighting seen = {0};
    struct zone_span here = zone_span_at(zone, local - ZONE_OFFSET_MAX);
    for (;;) {
        int64_t instant = local - here.seconds;
        if (instant >= here.from && instant < here.until) {
            if (seen.count++ == 0)
                seen.first = instant;
            seen.last = instant;
        }
        if (here.until > local + ZONE_OFFSET_MAX)
            break;
        struct zone_span next = zone_span_at(zone, here.until);
        see_change(&seen, local, (struct zone_change){here.until, here.seconds, next.seconds});
        here = next;
    }
    if (seen.count == 1)
        return (struct zone_local){.kind = ZONE_ONE, .first = seen.first, .last = seen.last};
    if (seen.count > 1) {
        assert(seen.overlap_met);
        return (struct zone_local){ZONE_OVERLAP, seen.first, seen.last, seen.overlap};
    }
    assert(seen.gap_met);
    return (struct zone_local){ZONE_GAP, seen.gap.at, seen.gap.at, seen.gap};
}

static const struct zone_type utc_type = {0, 0, false};
static const struct zone utc = {
    .types = &utc_type,
    .abbreviations = "UTC",
    .footer = {.kind = ZONE_FOOTER_NONE, .steady = true},
};

const struct zone *zone_utc(void)
{
    return &utc;
}

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'
           || c == '_' || c == '+' || c == '-';
}

bool zone_name_is_safe(const char *name)
{
    bool part_begins = true;
    size_t length = 0;
    for (const char *p = name; *p != '\0'; p++) {
        if (++length > ZONE_NAME_MAX)
            return false;
        if (*p == '/') {
            if (part_begins)
                return false;
            part_begins = true;
            continue;
        }
        if (!is_name_character(*p) || (part_begins && *p == '.'))
            return false;
        part_begins = false;
    }
    return !part_begins; /* neither empty nor ending in a slash */
}
