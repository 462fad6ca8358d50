/*
 * When each schedule's next slot is, and what is to be done with slots that have passed.
 *
 * Per schedule the plan keeps a horizon: every slot up to it is opened or decided, so no slot is
 * ever opened twice, whatever the clock does. A schedule's first start has its horizon at that
 * instant: nothing is caught up.
 *
 * Where a horizon had to go back (sanity.h), slots after it may be recorded already: from the first
 * to the last of them none is opened.
 *
 * Late slots: where the clock has passed one or more slots (downtime, suspend, a step of the
 * clock), the latest may still run, once, if the schedule catches up and the slot is younger than
 * start_within; the others are missed. A slot at most PLAN_GRACE_US late is simply on time.
 */
#pragma once

#include "base/heap.h"
#include "engine/model.h"
#include "engine/ports.h"

#define PLAN_GRACE_US (5 * US_PER_SECOND)
#define PLAN_COUNT_MAX 1000000 /* missed slots are counted up to here */

struct plan;

/*
 * `old` is the plan before a reload, or NULL at the start: a schedule that it has keeps its
 * horizon; one whose rule changed begins anew at `now`. The plan borrows the config.
 * Outcomes: 0, *ret owned by the caller; -ENOMEM; negative: the ledger cannot be read.
 */
int plan_create(const struct config *config, const struct plan *old, const struct ledger *ledger,
                struct wall now, struct plan **ret) MUST_CHECK;
void plan_destroy(struct plan *plan);

/*
 * The plan is in force, and the clock can be believed: schedules that are new or have another rule
 * begin now. The ledger keeps that instant, so that a slot which comes while the daemon is down is
 * not taken for one before their first start. Before it, no slot may be peeked at.
 */
void plan_settle(struct plan *plan, struct wall now, const struct ledger *ledger);

/*
 * The newest horizon of a schedule that has begun, also of what waits for plan_tell_left();
 * INT64_MIN where there is none.
 */
struct wall plan_newest(const struct plan *plan);

/*
 * The clock is right and horizons that lie ahead of it by more than SANITY_BEHIND_US are not: they
 * go back to `now`. Slots ahead that are recorded are passed over when their time comes. A horizon
 * stays where the ledger cannot say which those are.
 */
void plan_lower(struct plan *plan, struct wall now, const struct ledger *ledger);

/*
 * The clock has been set back. What plan_pass() was told of slots that lie ahead by more than
 * SANITY_BEHIND_US now is forgotten: they come again.
 */
void plan_step_back(struct plan *plan, struct wall now);

/*
 * The schedule's slots up to `slot` are opened or decided: what a start found in the ledger. Not so
 * for one that lies ahead by more than SANITY_BEHIND_US and that is known to be recorded: the
 * horizon went back before it.
 */
void plan_raise(struct plan *plan, const struct schedule *schedule, struct wall slot,
                struct wall now, const struct ledger *ledger);

enum plan_kind {
    PLAN_OPEN,     /* run it: its instant is near or has just come */
    PLAN_CATCH_UP, /* run it late */
    PLAN_MISSED,   /* too late */
    PLAN_PAUSED,   /* skip it: the schedule is paused */
};

struct plan_due {
    enum plan_kind kind;
    const struct schedule *schedule;
    struct slot_time slot;
    int64_t missed;           /* slots before it that were passed and will not run */
    struct wall missed_first; /* the first of those; valid where missed > 0 */
    bool passed; /* so was this one: behind those that are recorded, a later one has come */
};

typedef void (*plan_left_fn)(void *context, const struct plan_due *due);

/*
 * Before `plan` gives way to `next`: what has come of the schedules that `next` does not have, or
 * has by another rule, and was not opened. Each is PLAN_MISSED or PLAN_PAUSED, is passed to `each`,
 * and is done after that.
 */
void plan_leave(struct plan *plan, const struct plan *next, struct wall now,
                const struct ledger *ledger, plan_left_fn each, void *context);

/*
 * The same while the clock is not believed: what has come till `now` is kept for plan_tell_left(),
 * which is called when it is believed, before plan_settle(). `config` is the one of `plan`; it is
 * kept so long. Nothing may fail between this and the end of `plan`. Outcomes: 0; -ENOMEM.
 */
int plan_leave_later(struct plan *plan, struct plan *next, struct config *config,
                     struct mono now) MUST_CHECK;
void plan_tell_left(struct plan *plan, struct now now, const struct ledger *ledger,
                    plan_left_fn each, void *context);

/* The next thing to be done at `now` with slots up to `ahead_us` in the future. */
bool plan_peek(struct plan *plan, struct wall now, int64_t ahead_us, struct plan_due *ret);

/*
 * The slots of a schedule before `until` are skipped (engine/ports.h, set_pause()). Kept over a
 * reload, and found in the ledger by plan_create(). LEDGER_NO_PAUSE where there is none.
 */
void plan_pause(struct plan *plan, uint32_t schedule, struct wall until);
struct wall plan_paused_until(const struct plan *plan, uint32_t schedule);

/*
 * Slots before `before` have been recorded and told, of those that `due` counts as missed; the
 * others and its own slot are still to be done, and come again. Known to this life alone, till the
 * horizon passes them.
 */
void plan_pass(struct plan *plan, const struct plan_due *due, struct wall before);

/* It is done: the schedule's horizon is set to its slot, here and in the ledger. */
void plan_advance(struct plan *plan, const struct plan_due *due, const struct ledger *ledger);

/* The earliest slot to come, of all or of one schedule; WALL_NEVER without one. */
struct wall plan_next_slot(const struct plan *plan);
struct wall plan_next_slot_of(const struct plan *plan, uint32_t schedule);
