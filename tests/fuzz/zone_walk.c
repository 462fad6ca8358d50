/* See zone_walk.h: spans join, changes come in order, local readings lead back, slots move on. */
#include "zone_walk.h"

#include "base/cron.h"

#include <stdlib.h>

#define CHANGES_LOOKED_AT 64

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_span(const struct zone *zone, int64_t at)
{
    struct zone_span span = zone_span_at(zone, at);
    must(span.from < span.until);
    must(span.seconds >= -ZONE_OFFSET_MAX && span.seconds <= ZONE_OFFSET_MAX);
    must(span.seconds == zone_seconds_at(zone, at));
    must(span.seconds == zone_offset_at(zone, at).seconds);
}

static void check_local(const struct zone *zone, int64_t local)
{
    struct zone_local l = zone_from_local(zone, local);
    if (l.kind == ZONE_GAP) {
        must(l.change.at + l.change.before <= local && local < l.change.at + l.change.after);
        return;
    }
    must(l.first + zone_seconds_at(zone, l.first) == local);
    must(l.last + zone_seconds_at(zone, l.last) == local);
    must((l.kind == ZONE_ONE) == (l.first == l.last) && l.first <= l.last);
    if (l.kind == ZONE_OVERLAP)
        must(l.first < l.change.at && l.change.at <= l.last);
}

static void check_changes(const struct zone *zone, int64_t from)
{
    struct zone_change change = {.at = from};
    for (int i = 0; i < CHANGES_LOOKED_AT; i++) {
        int64_t last = change.at;
        if (!zone_next_change(zone, last, &change))
            return;
        must(change.at > last && change.at < WALL_MAX_SECOND);
        must(zone_seconds_at(zone, change.at) == change.after && change.before != change.after);
        must(zone_seconds_at(zone, change.at - 1) == change.before);
        must(zone_seconds_at(zone, last) == change.before || last == INT64_MIN);
        check_span(zone, change.at);
        if (change.at < WALL_MIN_SECOND)
            continue; /* readings are exact in the years that count */
        check_local(zone, change.at + change.before);
        check_local(zone, change.at + change.after - 1);
    }
}

static void check_slots(const struct zone *zone, const char *expression, int64_t after)
{
    struct cron cron;
    if (cron_parse(expression, &cron, NULL) != 0)
        abort();
    for (int i = 0; i < 4; i++) {
        struct cron_slot slot;
        if (cron_next(&cron, zone, after, &slot) != 0)
            return;
        must(slot.second > after && slot.second <= WALL_MAX_SECOND);
        after = slot.second;
    }
}

void zone_walk(const struct zone *zone)
{
    static const int64_t instants[] = {INT64_MIN,  WALL_MIN_SECOND, -2000000000,     0,
                                       1795460400, 4102444800,      WALL_MAX_SECOND, INT64_MAX};
    for (size_t i = 0; i < sizeof instants / sizeof instants[0]; i++) {
        check_span(zone, instants[i]);
        (void)zone_from_local(zone, instants[i]);
        if (instants[i] > INT64_MIN && instants[i] < INT64_MAX)
            check_local(zone, instants[i]);
        check_changes(zone, instants[i]);
        check_slots(zone, "30 2 * * *", instants[i]);
        check_slots(zone, "*/20 */12 8 3 *", instants[i]);
        check_slots(zone, "0,30 0-3 29 2 *", instants[i]);
    }
}
