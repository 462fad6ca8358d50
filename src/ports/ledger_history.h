/*
 * The ledger as people ask about it: a page of its history, what became of one slot, the newest
 * good backup. A connection of its own beside the writer's, for reading; it sees what is durable.
 *
 * One struct ledger_history serves one thread at a time, any thread. No call holds an old state of
 * the file, and with it the journal, when it returns. Every call is bounded: a page ends after so
 * many rows looked at, whatever it found.
 */
#pragma once

#include "base/instant.h"
#include "base/reply.h"
#include "base/result.h"
#include "engine/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger_history;

/* A file that a writer has open. Outcomes: those of ledger_schema_open_reader(). */
int ledger_history_open(const char *file, struct ledger_history **ret,
                        struct errtext *err) MUST_CHECK;
void ledger_history_close(struct ledger_history *history); /* NULL is fine */

/* ---- runs, newest first ---- */

#define LEDGER_HISTORY_INSTANCES_MAX 256 /* that one question may name */
#define LEDGER_HISTORY_SCHEDULES_MAX 512 /* whose slots as a whole belong to those */
#define LEDGER_HISTORY_LOOKED_MAX 10000  /* rows that one page looks at: some tens of ms */
#define LEDGER_HISTORY_DONE 1

/* How a run stands. Everything behind HISTORY_SUCCEEDED counts as failed. */
enum history_outcome {
    HISTORY_OPEN,      /* an attempt may have left, or another is to follow */
    HISTORY_SUBMITTED, /* accepted; its end is not known yet, or nobody ever asked */
    HISTORY_SUCCEEDED,
    HISTORY_FAILED,
    HISTORY_MISSED,
    HISTORY_SKIPPED,
    HISTORY_UNKNOWN, /* its answer was lost, or it was removed before its end was seen */
    HISTORY_STUCK,   /* not finished inside complete_within */
};
const char *history_outcome_name(enum history_outcome outcome); /* "open", "submitted", ... */

/* Borrowed for the call. An instant of 0 and a text of "" are not known. */
struct history_run {
    const char *schedule;
    const char *instance; /* "*": the slot as a whole, or what was left of it; missed and skipped
                             alone */
    const char *region;
    const char *kind; /* "schedule", "catch_up", "operator" */
    struct wall slot;
    enum history_outcome outcome;
    bool watched;              /* HISTORY_SUBMITTED: its end is being looked for */
    int attempts;              /* the number of the last one */
    int retries;               /* tasks of it that failed and were begun anew */
    struct wall first;         /* when the first attempt was recorded, */
    struct wall started;       /* the last one, */
    struct wall ended;         /* the verdict, */
    struct wall finished;      /* and the task's end was seen */
    int64_t task_id;           /* 0: none */
    char code[REPLY_CODE_MAX]; /* of what did not succeed */
    char message[REPLY_MESSAGE_MAX];
    char request_id[REPLY_REQUEST_ID_MAX];
};

/* Schedules that instances are in, or were. */
struct history_schedules {
    size_t count;
    char names[LEDGER_HISTORY_SCHEDULES_MAX][MODEL_NAME_MAX + 1]; /* none twice */
};

/* `name` is at most MODEL_NAME_MAX bytes. False: there is no place left. */
bool history_schedules_add(struct history_schedules *schedules, const char *name) MUST_CHECK;

struct history_query {
    const char *schedule;                      /* NULL: every one */
    const char *const *instances;              /* no name twice */
    size_t instance_count;                     /* 0: every one, and slots as a whole */
    const struct history_schedules *schedules; /* with instances: and of these the slots as a whole
                                                  in which not each instance has a run of its own;
                                                  NULL: none */
    struct wall since;                         /* of slots; included. 0: all there are */
    struct wall until; /* of slots; not included. WALL_NEVER: all there are */
    bool failed;       /* these alone */
};

/* The last run that was looked at; zeroed: before all. */
struct history_cursor {
    bool begun;
    struct wall slot;
    char schedule[MODEL_NAME_MAX + 1];
    char instance[MODEL_INSTANCE_ID_MAX + 1];
};

/* False: the run was not taken, and the page ends in front of it. */
typedef bool (*history_run_fn)(void *context, const struct history_run *run);

/*
 * Adds the schedules that the instances have runs in. The newest LEDGER_HISTORY_LOOKED_MAX of these
 * are looked at, of each instance its share. What finds no place is left out. Outcomes: 0; -E2BIG,
 * too many instances; negative as of ledger_schema_outcome().
 */
int ledger_history_schedules(struct ledger_history *history, const char *const *instances,
                             size_t count, struct history_schedules *schedules) MUST_CHECK;

/*
 * Gives runs behind *cursor to `each`, newest slot first, and moves *cursor on. In a slot they come
 * by schedule and instance; where instances are asked for, by instance and schedule, and the slot
 * as a whole before them. Outcomes: 0, go on with the next page (where `each` took all it was given
 * and this found none, too); LEDGER_HISTORY_DONE, these were the last; -E2BIG, too many instances;
 * negative as of ledger_schema_outcome().
 */
int ledger_history_page(struct ledger_history *history, const struct history_query *query,
                        struct history_cursor *cursor, history_run_fn each,
                        void *context) MUST_CHECK;

/* ---- what became of one slot ---- */

struct history_counts {
    uint64_t by[HISTORY_STUCK + 1]; /* runs of each outcome */
    uint64_t watched;               /* of those submitted, their end is being looked for */
    uint64_t open_slots;            /* schedules whose slot has members left to be sent */
};

/*
 * Counts the runs of a slot, of one schedule or (NULL) of all; `each` gets those that failed, until
 * it returns false. Some 3 us a run. Outcomes: 0; negative as above.
 */
int ledger_history_count(struct ledger_history *history, struct wall slot, const char *schedule,
                         struct history_counts *ret, history_run_fn each, void *context) MUST_CHECK;

/* ---- the newest good backup ---- */

#define LEDGER_HISTORY_NONE 1

/*
 * Of an instance in a schedule: the newest slot whose backup is known to have succeeded, and when
 * that was seen. Outcomes: 0; LEDGER_HISTORY_NONE; negative as above.
 */
int ledger_history_good(struct ledger_history *history, const char *schedule, const char *instance,
                        struct wall *ret_slot, struct wall *ret_finished) MUST_CHECK;
