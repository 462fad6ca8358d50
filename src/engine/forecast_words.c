/* See forecast_load.h: the load in words. Pure: every line is built in a bounded buffer. */
#include "base/text.h"
#include "engine/forecast.h"
#include "engine/forecast_load.h"

#include <string.h>

#define LINE_MAX_BYTES 1024
#define WARNINGS_MAX 100 /* lines about the schedules of one host */

typedef void (*line_fn)(void *context, const char *text);

static void add_unit(struct text *t, int64_t count, const char *unit)
{
    if (count > 0)
        text_addf(t, "%s%lld %s%s", t->length > 0 ? " " : "", (long long)count, unit,
                  count == 1 ? "" : "s");
}

/* Seconds with up to three decimals. */
static void add_short(struct text *t, int64_t us)
{
    int64_t ms = us / 1000 + (us % 1000 > 0 ? 1 : 0);
    char decimals[8] = "";
    size_t length = 0;
    for (int64_t rest = ms % 1000, digit = 100; rest > 0; rest %= digit, digit /= 10)
        decimals[length++] = (char)('0' + rest / digit);
    text_addf(t, "%lld%s%s second%s", (long long)(ms / 1000), length > 0 ? "." : "", decimals,
              ms == 1000 ? "" : "s");
}

const char *load_span_text(int64_t us, char buffer[LOAD_SPAN_TEXT_MAX])
{
    struct text t = text_over(buffer, LOAD_SPAN_TEXT_MAX);
    if (us < 60 * US_PER_SECOND) {
        add_short(&t, us);
        return buffer;
    }
    int64_t seconds = us / US_PER_SECOND + (us % US_PER_SECOND > 0 ? 1 : 0);
    add_unit(&t, seconds / 86400, "day");
    add_unit(&t, seconds / 3600 % 24, "hour");
    add_unit(&t, seconds / 60 % 60, "minute");
    add_unit(&t, seconds % 60, "second");
    return buffer;
}

static unsigned long long number(uint64_t n)
{
    return (unsigned long long)n;
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* ---- what there is ---- */

/* Whole seconds, rounded up: what people need. */
static struct wall rounded(struct wall at)
{
    int64_t second = wall_seconds(at);
    return wall_from_seconds(at.us > second * US_PER_SECOND ? second + 1 : second);
}

static void say_minute(const struct load *load, const struct load_minute *minute, line_fn line,
                       void *context)
{
    char buffer[LINE_MAX_BYTES];
    char at[FORECAST_TIME_MAX];
    char drained[FORECAST_TIME_MAX];
    char span[LOAD_SPAN_TEXT_MAX];
    struct text t = text_over(buffer, sizeof buffer);
    text_addf(&t, "  minute %s: %u request%s, drained in %s, at %s",
              forecast_time(&load->clock, wall_from_seconds(minute->minute * 60), at), minute->due,
              plural(minute->due), load_span_text(minute->drain_us, span),
              forecast_time(&load->clock, rounded(minute->drained), drained));
    if (minute->missed > 0)
        text_addf(&t, "; %u missed", minute->missed);
    line(context, buffer);
}

/* The indices of the minutes with the most requests, the earlier first among equals, in order. */
static size_t busiest(const struct load_host *host, size_t ret[LOAD_BUSY_SHOWN])
{
    size_t count = 0;
    for (size_t i = 0; i < host->minute_count; i++) {
        size_t place = count;
        while (place > 0 && host->minutes[ret[place - 1]].due < host->minutes[i].due)
            place--;
        if (place == LOAD_BUSY_SHOWN)
            continue;
        count += count < LOAD_BUSY_SHOWN;
        memmove(&ret[place + 1], &ret[place], (count - place - 1) * sizeof ret[0]);
        ret[place] = i;
    }
    for (size_t i = 1; i < count; i++) {
        for (size_t j = i; j > 0 && ret[j - 1] > ret[j]; j--) {
            size_t later = ret[j - 1];
            ret[j - 1] = ret[j];
            ret[j] = later;
        }
    }
    return count;
}

static void say_host(const struct load *load, const struct load_host *host, line_fn line,
                     void *context)
{
    char buffer[LINE_MAX_BYTES];
    char time[FORECAST_TIME_MAX];
    char span[LOAD_SPAN_TEXT_MAX];
    struct text t = text_over(buffer, sizeof buffer);
    text_addf(&t, "load of %s until %s: %llu request%s in %zu minute%s", host->host->name,
              forecast_time(&load->clock, host->until, time), number(host->due), plural(host->due),
              host->minute_count, plural(host->minute_count));
    if (host->due > 0)
        text_addf(&t, ", drained in at most %s at %d a second",
                  load_span_text(host->longest_drain_us, span), load->per_second);
    line(context, buffer);
    size_t busy[LOAD_BUSY_SHOWN];
    size_t shown = busiest(host, busy);
    for (size_t i = 0; i < shown; i++)
        say_minute(load, &host->minutes[busy[i]], line, context);
    if (host->minute_count > shown) {
        t = text_over(buffer, sizeof buffer);
        text_addf(&t, "  and %zu minute%s with no more than these", host->minute_count - shown,
                  plural(host->minute_count - shown));
        line(context, buffer);
    }
}

void load_lines(const struct load *load, line_fn line, void *context)
{
    for (uint32_t h = 0; h < load->host_count; h++)
        say_host(load, &load->hosts[h], line, context);
}

/* ---- what is wrong with it ---- */

static void warn_alone(const struct load *load, const struct load_host *host,
                       const struct load_share *share, struct text *t)
{
    char need[LOAD_SPAN_TEXT_MAX];
    char within[LOAD_SPAN_TEXT_MAX];
    text_addf(t,
              "schedule %s: the %u requests of one slot take %s at %d a second at %s, and "
              "start_within is %s: %u of them are missed",
              share->schedule->name, share->count, load_span_text(share->alone_us, need),
              load->per_second, host->host->name,
              load_span_text(share->schedule->start_within_us, within), share->alone_missed);
}

static void warn_crowd(const struct load *load, const struct load_host *host,
                       const struct load_share *share, struct text *t)
{
    char time[FORECAST_TIME_MAX];
    char within[LOAD_SPAN_TEXT_MAX];
    text_addf(t,
              "schedule %s: %llu of %llu requests wait at %s longer than their start_within of %s "
              "and are missed, the first those due at %s",
              share->schedule->name, number(share->missed), number(share->due), host->host->name,
              load_span_text(share->schedule->start_within_us, within),
              forecast_time(&load->clock, share->first_missed, time));
    if (share->behind != NULL)
        text_addf(t, ", behind schedule %s", share->behind->name);
    else
        text_add(t, ", behind its own earlier slots");
}

static void warn_host(const struct load *load, const struct load_host *host, line_fn line,
                      void *context)
{
    char buffer[LINE_MAX_BYTES];
    char span[LOAD_SPAN_TEXT_MAX];
    char time[FORECAST_TIME_MAX];
    struct text t = text_over(buffer, sizeof buffer);
    int64_t span_us = wall_diff_us(host->until, load->from);
    if ((double)host->due * (double)US_PER_SECOND > (double)span_us * load->per_second) {
        text_addf(&t, "host %s: %llu requests are due within %s, more than %d a second let through",
                  host->host->name, number(host->due), load_span_text(span_us, span),
                  load->per_second);
        line(context, buffer);
    }
    if (host->cut) {
        t = text_over(buffer, sizeof buffer);
        text_addf(&t, "host %s: the load is computed until %s only, it has too many slots",
                  host->host->name, forecast_time(&load->clock, host->until, time));
        line(context, buffer);
    }
}

void load_host_warnings(const struct load *load, const struct load_host *host, line_fn line,
                        void *context)
{
    char buffer[LINE_MAX_BYTES];
    uint64_t warnings = 0;
    for (size_t i = 0; i < host->share_count; i++) {
        const struct load_share *share = &host->shares[i];
        struct text t = text_over(buffer, sizeof buffer);
        if (share->alone_missed == 0 && share->missed == 0)
            continue;
        if (++warnings > WARNINGS_MAX)
            continue;
        if (share->alone_missed > 0)
            warn_alone(load, host, share, &t);
        else
            warn_crowd(load, host, share, &t);
        line(context, buffer);
    }
    if (warnings > WARNINGS_MAX) {
        struct text t = text_over(buffer, sizeof buffer);
        text_addf(&t, "host %s: and %llu more schedules whose requests are missed",
                  host->host->name, number(warnings - WARNINGS_MAX));
        line(context, buffer);
    }
    warn_host(load, host, line, context);
}

void load_warnings(const struct load *load, line_fn line, void *context)
{
    for (uint32_t h = 0; h < load->host_count; h++)
        load_host_warnings(load, &load->hosts[h], line, context);
}
