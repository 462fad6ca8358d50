/* See counters.h. */
#include "engine/counters.h"

#include "engine/inquiry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)

const int64_t counters_duration_bounds[COUNTERS_BOUNDS] = {
    5 * MS,    10 * MS,   25 * MS,   50 * MS,    100 * MS,   250 * MS,   500 * MS,
    1000 * MS, 2500 * MS, 5000 * MS, 10000 * MS, 20000 * MS, 30000 * MS, 60000 * MS,
};

const int64_t counters_wait_bounds[COUNTERS_BOUNDS] = {
    5 * MS,    25 * MS,    50 * MS,    100 * MS,    250 * MS,    500 * MS,     1000 * MS,
    5000 * MS, 15000 * MS, 60000 * MS, 300000 * MS, 900000 * MS, 3600000 * MS, 14400000 * MS,
};

/* ---- schedules ---- */

static int name_all(struct names *names, const struct config *config)
{
    for (uint32_t i = 0; i < config->schedule_count; i++) {
        const char *name = config->schedules[i].name;
        uint32_t number;
        int r = names_add(names, name, strlen(name), &number);
        if (r < 0)
            return r;
    }
    return 0;
}

static struct counters_schedule *find(const struct counters *counters, const char *schedule)
{
    uint32_t number;
    if (names_find(&counters->names, schedule, strlen(schedule), &number) != 0)
        return NULL;
    return &counters->schedules[number];
}

int counters_configure(struct counters *counters, const struct config *config)
{
    struct names names = {0};
    struct counters_schedule *schedules = calloc(config->schedule_count + 1U, sizeof *schedules);
    int r = schedules == NULL ? -ENOMEM : name_all(&names, config);
    if (r < 0) {
        names_finish(&names);
        free(schedules);
        return r;
    }
    for (uint32_t i = 0; i < names.count; i++) {
        const struct counters_schedule *before = find(counters, names.list[i].bytes);
        if (before != NULL)
            schedules[i] = *before;
    }
    counters_finish(counters);
    counters->names = names;
    counters->schedules = schedules;
    return 0;
}

void counters_finish(struct counters *counters)
{
    names_finish(&counters->names);
    free(counters->schedules);
    counters->schedules = NULL;
}

/* ---- counting ---- */

static void observe(struct counters_histogram *histogram, const int64_t *bounds, int64_t ns)
{
    size_t i = 0;
    while (i < COUNTERS_BOUNDS && ns > bounds[i])
        i++;
    histogram->buckets[i]++;
    histogram->sum_ns = instant_add_saturated(histogram->sum_ns, ns);
}

static size_t code_of(const struct verdict *verdict)
{
    size_t index;
    if (verdict->class == VERDICT_ACCEPTED)
        return 0;
    return reply_code_find(verdict->code, &index) ? 1 + index : counters_code_count() - 1;
}

void counters_answer(struct counters *counters, enum counters_action action,
                     const struct verdict *verdict, int64_t duration_ns)
{
    struct counters_requests *requests = &counters->requests[action];
    requests->by_code[code_of(verdict)]++;
    if (verdict->class == VERDICT_THROTTLED)
        requests->throttled++;
    if (duration_ns >= 0)
        observe(&requests->duration, counters_duration_bounds, duration_ns);
}

void counters_wait(struct counters *counters, enum counters_action action, int64_t wait_ns)
{
    observe(&counters->requests[action].wait, counters_wait_bounds, wait_ns < 0 ? 0 : wait_ns);
}

void counters_attempt(struct counters *counters, const char *schedule)
{
    struct counters_schedule *of = find(counters, schedule);
    if (of != NULL)
        of->attempts++;
}

void counters_retry(struct counters *counters, const char *schedule)
{
    struct counters_schedule *of = find(counters, schedule);
    if (of != NULL)
        of->retries++;
}

void counters_end(struct counters *counters, const char *schedule, enum counters_outcome outcome,
                  uint64_t count)
{
    struct counters_schedule *of = find(counters, schedule);
    if (of != NULL)
        of->outcomes[outcome] += count;
}

void counters_missed_slots(struct counters *counters, const char *schedule, uint64_t count)
{
    struct counters_schedule *of = find(counters, schedule);
    if (of != NULL)
        of->missed_slots += count;
}

/* ---- words ---- */

const char *counters_action_name(enum counters_action action)
{
    switch (action) {
    case COUNTERS_BACKUP:
        return "ManualBackupInstance";
    case COUNTERS_ROLE:
        return "AssumeRole";
    case COUNTERS_WEB_IDENTITY:
        return "AssumeRoleWithWebIdentity";
    case COUNTERS_METADATA:
        return "Metadata";
    case COUNTERS_TASK:
    case COUNTERS_TASKS:
    case COUNTERS_BACKUPS:
        break;
    }
    return inquiry_name((enum inquiry_action)(action - COUNTERS_TASK));
}

const char *counters_outcome_name(enum counters_outcome outcome)
{
    static const char *const names[COUNTERS_OUTCOMES] = {
        [COUNTERS_SUBMITTED] = "submitted", [COUNTERS_SUCCEEDED] = "succeeded",
        [COUNTERS_FAILED] = "failed",       [COUNTERS_UNKNOWN] = "unknown",
        [COUNTERS_MISSED] = "missed",       [COUNTERS_SKIPPED] = "skipped",
    };
    return names[outcome];
}

const char *counters_code_name(size_t code)
{
    if (code == 0)
        return "OK";
    return code == counters_code_count() - 1 ? "other" : reply_code(code - 1);
}

size_t counters_code_count(void)
{
    return reply_code_count() + 2;
}
