/*
 * What the engine has done since the start, counted for the metrics: requests by action and code,
 * how long they took and how long they waited for a token, and what became of the backups of each
 * schedule. The engine counts where it decides; nothing here reads a clock.
 *
 * Every series is there from the start, at 0. The set of codes is bounded: "OK", those of the table
 * in base/reply_table.c, and "other". Schedules are those of the configuration in force: a reload
 * keeps the counts of the schedules that stay, by name, and drops the others; what is counted of a
 * schedule that is gone is in no schedule's series.
 */
#pragma once

#include "base/names.h"
#include "base/reply.h"
#include "base/result.h"
#include "engine/model.h"

#include <stdint.h>

enum counters_action {
    COUNTERS_BACKUP, /* ManualBackupInstance */
    COUNTERS_TASK,   /* and those that only read, in the order of enum inquiry_action */
    COUNTERS_TASKS,
    COUNTERS_BACKUPS,
    COUNTERS_ROLE,         /* those for keys, which pass no limiter: AssumeRole of STS */
    COUNTERS_WEB_IDENTITY, /* AssumeRoleWithWebIdentity of STS */
    COUNTERS_METADATA,     /* any question to the metadata service */
};
#define COUNTERS_LIMITED (COUNTERS_BACKUPS + 1) /* the actions before this one wait for tokens */
#define COUNTERS_ACTIONS (COUNTERS_METADATA + 1)

enum counters_outcome {
    COUNTERS_SUBMITTED, /* the cloud accepted; one of the next two follows */
    COUNTERS_SUCCEEDED,
    COUNTERS_FAILED, /* refused, out of time after an attempt, or its task failed or is stuck */
    COUNTERS_UNKNOWN,
    COUNTERS_MISSED,
    COUNTERS_SKIPPED,
};
#define COUNTERS_OUTCOMES (COUNTERS_SKIPPED + 1)

/* Upper bounds in nanoseconds; the last bucket of a histogram has none. */
#define COUNTERS_BOUNDS 14
extern const int64_t counters_duration_bounds[COUNTERS_BOUNDS];
extern const int64_t counters_wait_bounds[COUNTERS_BOUNDS];

struct counters_histogram {
    uint64_t buckets[COUNTERS_BOUNDS + 1]; /* each by itself, not added up */
    int64_t sum_ns;                        /* saturates */
};

#define COUNTERS_CODES (REPLY_CODES_MAX + 2) /* "OK" first; "other" last of those in use */

struct counters_requests {
    uint64_t by_code[COUNTERS_CODES];
    uint64_t throttled;
    struct counters_histogram duration; /* of those that were answered */
    struct counters_histogram wait;     /* between being due and being sent */
};

struct counters_schedule {
    uint64_t outcomes[COUNTERS_OUTCOMES];
    uint64_t attempts; /* requests for a backup that were sent */
    uint64_t retries;  /* attempts that were decided on after one that came to nothing */
    uint64_t missed_slots;
};

struct counters {
    struct counters_requests requests[COUNTERS_ACTIONS];
    struct names names; /* of the schedules, in the configuration's order */
    struct counters_schedule *schedules;
};

/*
 * The schedules are the config's from now on; their names are borrowed from it until the next call
 * or counters_finish(). A zeroed struct is the beginning.
 * Outcomes: 0; -ENOMEM: unchanged.
 */
int counters_configure(struct counters *counters, const struct config *config) MUST_CHECK;
void counters_finish(struct counters *counters);

/* A request ended; `duration_ns` since it was sent, negative where no answer came. */
void counters_answer(struct counters *counters, enum counters_action action,
                     const struct verdict *verdict, int64_t duration_ns);

/* A request is sent that could have been sent so long ago; less than 0 counts as 0. */
void counters_wait(struct counters *counters, enum counters_action action, int64_t wait_ns);

/* The schedule's counts, to add to; those of a schedule that is not there go nowhere. */
void counters_attempt(struct counters *counters, const char *schedule);
void counters_retry(struct counters *counters, const char *schedule);
void counters_end(struct counters *counters, const char *schedule, enum counters_outcome outcome,
                  uint64_t count);
void counters_missed_slots(struct counters *counters, const char *schedule, uint64_t count);

/* The words of the labels. A code's number is 0 to counters_code_count() - 1. */
const char *counters_action_name(enum counters_action action);
const char *counters_outcome_name(enum counters_outcome outcome);
const char *counters_code_name(size_t code);
size_t counters_code_count(void);
