/*
 * What an operator wants done: runs at once, and schedules held. Called in the loop's turn, between
 * steps.
 */
#pragma once

#include "engine/engine.h"

/* Instances that one order may name: each has an entry of its own. */
#define ORDERS_NAMED_MAX 1000
#define ORDERS_REFUSED 1

/*
 * The slot of an order that is placed now, in one or several schedules: no other has it. Call it in
 * the turn of the order.
 */
struct wall engine_order_slot(struct engine *engine, struct now now);

/*
 * Backs up `count` instances of a schedule of the configuration in force (indices into
 * schedule->instances, none twice), or all of them where `instances` is NULL, as a slot of its own.
 * It goes through the same ledger, queues, limiter and overlap rules as any other, without the
 * schedule's spread; a pause does not hold it. Runs of its instances that were prepared for a slot
 * to come make way.
 * Outcomes: 0; ORDERS_REFUSED with a text: nothing was begun.
 */
int engine_order(struct engine *engine, struct wall slot, uint32_t schedule,
                 const uint32_t *instances, uint32_t count, struct errtext *err) MUST_CHECK;

/*
 * The schedule's slots before `until` are skipped, WALL_NEVER: all; LEDGER_NO_PAUSE: none any more.
 * What has begun goes on, and nothing that was skipped is caught up. Slots that have come by `now`,
 * or come within ENGINE_PREPARE_US, are taken up before, as things were. Kept by the ledger over a
 * restart. Asked twice, it is done. Outcomes: 0; ORDERS_REFUSED with a text: nothing changed.
 */
int engine_pause(struct engine *engine, struct now now, uint32_t schedule, struct wall until,
                 struct errtext *err) MUST_CHECK;

/* LEDGER_NO_PAUSE, also where a pause has ended. */
struct wall engine_paused_until(const struct engine *engine, uint32_t schedule, struct wall now);
