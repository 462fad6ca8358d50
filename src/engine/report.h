/*
 * What the engine says: each thing that happened, once, as an event of product.md's table.
 */
#pragma once

#include "base/event.h"
#include "base/reply.h"
#include "engine/attempt.h"
#include "engine/lane.h"
#include "engine/plan.h"
#include "engine/ports.h"

/* A backup that the cloud has accepted. */
struct submission {
    const char *schedule;
    const char *instance;
    const char *region;
    struct wall slot;
    int64_t task_id; /* 0: not known */
    int attempt;
    int failures; /* of tasks of this slot before */
    enum ledger_kind kind;
    struct wall at;
    int64_t complete_within_us;
};

/* A backup of an earlier slot that a run waits for. */
struct earlier {
    struct wall slot;
    int64_t task_id;  /* 0: it has none yet, or it is not known */
    const char *code; /* why its task cannot be asked for; "other": not one that is known; or "" */
};

/* `found`: how, where it was not the answer that told; else NULL. */
void report_submitted(const struct journal *journal, const struct run *run, const char *found);
void report_succeeded(const struct journal *journal, const struct submission *what,
                      int64_t duration_us);

/* Its task failed: `status` is the cloud's word, or "stuck". */
void report_task_failed(const struct journal *journal, const struct submission *what,
                        const char *status, const char *message);

/* What becomes of it cannot be asked: the cloud does not let us, or nobody knows its task. */
void report_cannot_watch(const struct journal *journal, const struct submission *what,
                         const struct verdict *verdict);
void report_cannot_look(const struct journal *journal, const struct run *run,
                        const struct verdict *verdict);

/* A host gives no sign of life: nothing but probes is sent to it; or it does again. */
void report_endpoint(const struct journal *journal, const struct lane *lane, bool up,
                     const struct verdict *verdict);
void report_failed(const struct journal *journal, const struct run *run, const char *reason);
void report_unknown(const struct journal *journal, const struct run *run);
void report_retry(const struct journal *journal, const struct run *run, int64_t delay_us);

/* A run without a request: an earlier backup was not known to have ended when its time was out. */
void report_late(const struct journal *journal, const struct run *run,
                 const struct earlier *earlier);

/* One instance of one slot that gets no request: event is "backup_missed" or "backup_skipped". */
void report_not_run(const struct journal *journal, const char *event,
                    const struct schedule *schedule, const struct instance *instance,
                    struct wall slot, const char *reason);

/* A whole slot that gets none. */
void report_slot_not_run(const struct journal *journal, const char *event,
                         const struct schedule *schedule, struct wall slot, const char *reason);

/* `count` slots in a row, from `first` to the last before `before`. */
void report_slots_not_run(const struct journal *journal, const char *event,
                          const struct schedule *schedule, struct wall first, struct wall before,
                          int64_t count, const char *reason);

/* A slot that runs at another instant than its clock reading says, or late. */
void report_slot_moved(const struct journal *journal, const struct schedule *schedule,
                       struct wall slot, const char *reason);

/* The daemon stops with members of the slot left: the next start goes on with them. */
void report_slot_interrupted(const struct journal *journal, const struct open_slot *open);

/* A start goes on with the members that are left. */
void report_slot_resumed(const struct journal *journal, const struct open_slot *open);

/* An attempt of an earlier life of the daemon whose answer nobody saw. */
/* The same, where it cannot be looked for: its schedule or instance is gone from the file. */
void report_unknown_gone(const struct journal *journal, const char *schedule, const char *instance,
                         struct wall slot, int attempt);
void report_unknown_found(const struct journal *journal, const char *schedule, const char *instance,
                          struct wall slot, int attempt);

void report_throttled(const struct journal *journal, const struct lane *lane,
                      const struct bucket *bucket, const char *action,
                      const struct verdict *verdict, struct mono now);
void report_clock_jumped(const struct journal *journal, int64_t by_us);

/* The wall clock is plainly wrong: `than` is the instant that it cannot be before. */
void report_clock_implausible(const struct journal *journal, const char *reason, struct wall than);
void report_clock_plausible(const struct journal *journal, const char *reason);

void report_keys(const struct journal *journal, bool available, const char *text);
/* The ledger does not take an entry of the slot. */
void report_cannot_record(const struct journal *journal, const struct schedule *schedule,
                          struct wall slot, int outcome);
