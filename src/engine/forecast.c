/* See forecast.h. Pure: every line is built in a bounded buffer. */
#include "engine/forecast.h"

#include "base/civil.h"
#include "base/digest.h"
#include "base/text.h"

#include "engine/forecast_load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

_Static_assert(FORECAST_TIME_MAX >= CIVIL_TEXT_MAX, "a time fits");

#define LINE_MAX_BYTES 1024

const char *forecast_time(const struct recurrence *when, struct wall at,
                          char buffer[FORECAST_TIME_MAX])
{
    int32_t offset = zone_seconds_at(when->zone, wall_seconds(at));
    return civil_format_offset(at, offset, buffer);
}

static void format_clock(int64_t local_second, char buffer[FORECAST_CLOCK_MAX])
{
    struct civil c = civil_from_seconds(local_second);
    (void)snprintf(buffer, FORECAST_CLOCK_MAX, "%02d:%02d:%02d", c.hour, c.minute, c.second);
}

bool forecast_gap(const struct recurrence *when, struct wall slot, char before[FORECAST_CLOCK_MAX],
                  char after[FORECAST_CLOCK_MAX])
{
    struct zone_change change;
    int64_t second = wall_seconds(slot);
    if (!zone_next_change(when->zone, second - 1, &change) || change.at != second
        || change.after <= change.before)
        return false;
    format_clock(second + change.before, before);
    format_clock(second + change.after, after);
    return true;
}

const char *forecast_moved(const struct recurrence *when, struct wall slot,
                           char buffer[FORECAST_MOVED_MAX])
{
    char before[FORECAST_CLOCK_MAX];
    char after[FORECAST_CLOCK_MAX];
    struct text t = text_over(buffer, FORECAST_MOVED_MAX);
    text_add(&t, "moved by a clock change");
    if (forecast_gap(when, slot, before, after))
        text_addf(&t, ", from %s to %s", before, after);
    return buffer;
}

int forecast_spread(struct digest *digest, const struct schedule *schedule,
                    struct forecast_spread *ret)
{
    struct forecast_spread spread = {0};
    for (uint32_t i = 0; i < schedule->group_count; i++) {
        const struct group *group = &schedule->groups[i];
        const uint32_t *order = schedule->order + group->first;
        const struct instance *first = &schedule->instances[order[0]];
        const struct instance *last = &schedule->instances[order[group->count - 1]];
        int64_t first_us;
        int64_t last_us;
        if (schedule_delay(digest, schedule, first, &first_us) != 0
            || schedule_delay(digest, schedule, last, &last_us) != 0)
            return -EIO;
        if (spread.first == NULL || first_us < spread.first_us) {
            spread.first = first;
            spread.first_us = first_us;
        }
        if (spread.last == NULL || last_us > spread.last_us) {
            spread.last = last;
            spread.last_us = last_us;
        }
    }
    if (spread.first == NULL)
        return 1;
    *ret = spread;
    return 0;
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void add_duration(struct text *t, const char *name, int64_t us)
{
    char buffer[TEXT_DURATION_MAX];
    text_addf(t, ", %s %s", name, text_format_duration(us, buffer));
}

static void add_spread(struct text *t, struct digest *digest, const struct schedule *schedule)
{
    struct forecast_spread spread;
    char after[LOAD_SPAN_TEXT_MAX];
    add_duration(t, "spread", schedule->spread_us);
    if (digest == NULL || forecast_spread(digest, schedule, &spread) != 0)
        return;
    text_addf(t, " (from %s after %s", spread.first->id, load_span_text(spread.first_us, after));
    text_addf(t, " to %s after %s)", spread.last->id, load_span_text(spread.last_us, after));
}

static void add_next(struct text *t, const struct schedule *schedule, struct wall now)
{
    struct slot_time slot;
    if (schedule->paused)
        text_add(t, ", paused");
    if (recurrence_next(&schedule->when, now, &slot) != 0) {
        text_add(t, ", never fires");
        return;
    }
    char local[FORECAST_TIME_MAX];
    char utc[CIVIL_TEXT_MAX];
    char moved[FORECAST_MOVED_MAX];
    text_addf(t, "; next %s (%s)", forecast_time(&schedule->when, slot.at, local),
              civil_format_utc(slot.at, utc));
    if (slot.moved)
        text_addf(t, ", %s", forecast_moved(&schedule->when, slot.at, moved));
}

static void describe_schedule(const struct schedule *schedule, struct digest *digest,
                              struct wall now, struct text *t)
{
    bool cron = schedule->when.kind == RECURRENCE_CRON;
    text_addf(t, "schedule %s: %s ", schedule->name, cron ? "cron" : "every");
    if (cron)
        text_add_json(t, schedule->when_text, strlen(schedule->when_text));
    else
        text_add(t, schedule->when_text);
    text_addf(t, " in %s, %u instance%s", schedule->zone_name, schedule->instance_count,
              plural(schedule->instance_count));
    if (schedule->spread_us > 0)
        add_spread(t, digest, schedule);
    if (schedule->catch_up == CATCH_UP_NONE)
        text_add(t, ", no catch-up");
    add_duration(t, "start within", schedule->start_within_us);
    add_next(t, schedule, now);
}

void forecast_config(const struct config *config, struct wall now,
                     void (*line)(void *context, const char *text), void *context)
{
    char buffer[LINE_MAX_BYTES];
    struct text t = text_over(buffer, sizeof buffer);
    text_addf(&t, "%u schedule%s, %llu instance%s, %u host%s", config->schedule_count,
              plural(config->schedule_count), (unsigned long long)config->instance_count,
              plural(config->instance_count), config->host_count, plural(config->host_count));
    line(context, buffer);
    for (uint32_t i = 0; i < config->host_count; i++) {
        t = text_over(buffer, sizeof buffer);
        text_addf(&t, "host %s: at most %d request%s a second, burst %d", config->hosts[i].name,
                  config->per_second, plural((uint64_t)config->per_second), config->burst);
        line(context, buffer);
    }
    struct digest *digest = NULL;
    if (digest_create(&digest, NULL) != 0)
        digest = NULL; /* that costs the ends of the spread, no more */
    for (uint32_t i = 0; i < config->schedule_count; i++) {
        t = text_over(buffer, sizeof buffer);
        describe_schedule(&config->schedules[i], digest, now, &t);
        line(context, buffer);
    }
    digest_destroy(digest);
}
