/* See forecast.h. Pure: every line is built in a bounded buffer. */
#include "engine/forecast.h"

#include "base/civil.h"
#include "base/text.h"

#include <string.h>

_Static_assert(FORECAST_TIME_MAX >= CIVIL_TEXT_MAX, "a time fits");

#define LINE_MAX_BYTES 1024

const char *forecast_time(const struct recurrence *when, struct wall at,
                          char buffer[FORECAST_TIME_MAX])
{
    int32_t offset = zone_seconds_at(when->zone, wall_seconds(at));
    return civil_format_offset(at, offset, buffer);
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
    text_addf(t, "; next %s (%s)%s", forecast_time(&schedule->when, slot.at, local),
              civil_format_utc(slot.at, utc), slot.moved ? ", moved there by a clock change" : "");
}

static void describe_schedule(const struct schedule *schedule, struct wall now, struct text *t)
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
        add_duration(t, "spread", schedule->spread_us);
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
    for (uint32_t i = 0; i < config->schedule_count; i++) {
        t = text_over(buffer, sizeof buffer);
        describe_schedule(&config->schedules[i], now, &t);
        line(context, buffer);
    }
}
