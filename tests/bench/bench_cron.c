/*
 * The next slot of 100,000 schedules of mixed expressions and zones, from one instant, as at start
 * and at every step of the clock; beside it the same work for a sample by brute force, minute by
 * minute.
 */
#include "base/civil.h"
#include "base/cron.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SCHEDULES 100000
#define ROUNDS 5
#define BRUTE_SAMPLE 500
#define BRUTE_MINUTES (400 * 1440)
#define START INT64_C(1795460400)

static const char *const expressions[] = {
    "0 3 * * *",    "30 2 * * 0",      "*/15 * * * *",    "0 */6 * * *",   "15 1 1 * *",
    "0 0 * * 1-5",  "45 23 28-31 * *", "0 4 13 * fri",    "5 0 1 jan *",   "*/5 8-18 * * mon-fri",
    "@daily",       "@weekly",         "0 12 */2 * *",    "59 23 31 12 *", "0 0 29 2 *",
    "17 5 * 3,9 *", "* * * * *",       "0 1,13 1,15 * *",
};
static const char *const zone_names[] = {
    "UTC",           "Asia/Shanghai",     "America/New_York",    "Europe/London",
    "Europe/Berlin", "America/Santiago",  "Australia/Lord_Howe", "Africa/Casablanca",
    "Asia/Kolkata",  "America/Sao_Paulo", "Asia/Beirut",         "Pacific/Auckland",
};
#define EXPRESSION_COUNT (sizeof expressions / sizeof expressions[0])
#define ZONE_COUNT (sizeof zone_names / sizeof zone_names[0])

struct schedule {
    struct cron cron;
    const struct zone *zone;
};

static struct zone *load(const char *name)
{
    static uint8_t bytes[ZONE_FILE_MAX];
    char path[256];
    (void)snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    FILE *file = fopen(path, "rbe");
    struct zone *zone = NULL;
    struct errtext err = {"cannot be opened"};
    if (file == NULL || zone_parse(bytes, fread(bytes, 1, sizeof bytes, file), &zone, &err) != 0) {
        (void)fprintf(stderr, "%s: %s\n", path, err.text);
        exit(1);
    }
    (void)fclose(file);
    return zone;
}

static double seconds_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool shows(const struct cron *c, int64_t reading)
{
    struct civil when = civil_from_seconds(reading);
    if (when.second != 0 || (c->minutes >> when.minute & 1) == 0 || (c->hours >> when.hour & 1) == 0
        || (c->months >> when.month & 1) == 0)
        return false;
    bool day = (c->days >> when.day & 1) != 0;
    int weekday = civil_weekday(civil_days(when.year, when.month, when.day));
    bool week = (c->weekdays >> weekday & 1) != 0;
    return c->day_star || c->weekday_star ? day && week : day || week;
}

/* No rule for skipped and repeated readings: the cost is what counts here. */
static int64_t brute(const struct schedule *s, int64_t after)
{
    int64_t u = after + 60;
    for (int i = 0; i < BRUTE_MINUTES; i++, u += 60)
        if (shows(&s->cron, u + zone_seconds_at(s->zone, u)))
            return u;
    return INT64_MAX;
}

static double measure(const struct schedule *schedules, int64_t after, uint64_t *ret_sum)
{
    double begin = seconds_now();
    for (size_t i = 0; i < SCHEDULES; i++) {
        struct cron_slot slot;
        if (cron_next(&schedules[i].cron, schedules[i].zone, after, &slot) == 0)
            *ret_sum += (uint64_t)slot.second;
    }
    return seconds_now() - begin;
}

int main(void)
{
    struct zone *zones[ZONE_COUNT];
    for (size_t i = 0; i < ZONE_COUNT; i++)
        zones[i] = load(zone_names[i]);
    struct schedule *schedules = calloc(SCHEDULES, sizeof *schedules);
    if (schedules == NULL)
        return 1;
    for (size_t i = 0; i < SCHEDULES; i++) {
        if (cron_parse(expressions[i % EXPRESSION_COUNT], &schedules[i].cron, NULL) != 0)
            return 1;
        schedules[i].zone = zones[i / EXPRESSION_COUNT % ZONE_COUNT];
    }
    static const struct {
        const char *label;
        int64_t after;
    } starts[] = {{"2026, from the tables", START}, {"2050, from the footers", 2540000000}};
    uint64_t sum = 0;
    for (size_t k = 0; k < sizeof starts / sizeof starts[0]; k++) {
        double best = 1e9;
        for (int round = 0; round < ROUNDS; round++) {
            double took = measure(schedules, starts[k].after, &sum);
            best = took < best ? took : best;
        }
        (void)printf("%d next slots in %s: %.4f s, %.0f ns each\n", SCHEDULES, starts[k].label,
                     best, best / SCHEDULES * 1e9);
    }
    double begin = seconds_now();
    for (size_t i = 0; i < BRUTE_SAMPLE; i++)
        sum += (uint64_t)brute(&schedules[i], START);
    double took = seconds_now() - begin;
    (void)printf("by brute force (%d of them, at most 400 days): %.0f ns each, %.1f s for %d\n",
                 BRUTE_SAMPLE, took / BRUTE_SAMPLE * 1e9, took / BRUTE_SAMPLE * SCHEDULES,
                 SCHEDULES);
    (void)printf("(sum of all, against a clever compiler: %" PRIu64 ")\n", sum);
    free(schedules);
    for (size_t i = 0; i < ZONE_COUNT; i++)
        zone_destroy(zones[i]);
    return 0;
}
