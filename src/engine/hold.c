/*
 * Hold: what the engine does while the wall clock is plainly wrong, and when that is over.
 *
 * While held, filed results are taken up and nothing else is: no slot is opened, no member ends for
 * its time, nothing is sent. A schedule that is new has no beginning yet: it begins when the clock
 * can be believed. Slots passed till then are late ones, as after downtime; of a rule that a reload
 * has given up meanwhile they are missed, as many as had come when it did.
 *
 * A clock that is believed for its steadiness takes the schedules' horizons back to now. Runs of
 * slots that lie ahead by that clock go back to their slot, so that they do not fill the lanes.
 */
#include "engine/engine_internal.h"

#include <errno.h>
#include <stdlib.h>

static bool may_go_back(const struct engine *engine, const struct run *run)
{
    bool unsent = run->state == ATTEMPT_RECORDING || run->state == ATTEMPT_READY
                  || run->state == ATTEMPT_WAITING;
    return unsent && wall_diff_us(run->due, engine->now.wall) > SANITY_BEHIND_US;
}

int engine_send_back(struct engine *engine, struct run *run)
{
    uint32_t *order = malloc(sizeof *order);
    if (order == NULL)
        return -ENOMEM;
    order[0] = (uint32_t)(run->instance - run->schedule->instances);
    if (run->failures > 0 && open_slot_carry(run->open, run->instance, run->failures) < 0) {
        free(order);
        return -ENOMEM;
    }
    int r = lane_open(run->lane, engine->digest, run->open, NULL, order, 1);
    if (r == 0)
        engine_put_back(engine, run);
    return r;
}

static void put_back_what_lies_ahead(struct engine *engine)
{
    size_t position = 0;
    for (struct run *run; (run = run_pool_next(engine->pool, &position)) != NULL;)
        if (may_go_back(engine, run) && engine_send_back(engine, run) == -ENOMEM)
            return; /* they stay where they are */
}

const char *engine_clock_doubt(const struct engine *engine)
{
    if (!engine->sanity.held)
        return "";
    return sanity_is_early(&engine->sanity, engine->now.wall)
               ? "it is before the making of this program"
               : "it is behind the newest slot that was begun";
}

static void report_hold(const struct engine *engine)
{
    struct wall newest = plan_newest(engine->plan);
    bool early = sanity_is_early(&engine->sanity, engine->now.wall);
    report_clock_implausible(&engine->ports.journal, early ? "before_build" : "behind",
                             early ? engine->sanity.built : newest);
}

static void release(struct engine *engine, const char *reason)
{
    report_clock_plausible(&engine->ports.journal, reason);
    plan_tell_left(engine->plan, engine->now, &engine->ports.ledger, engine_pass_slots, engine);
    plan_settle(engine->plan, engine->now.wall, &engine->ports.ledger);
}

void engine_judge_clock(struct engine *engine, bool jumped)
{
    struct wall newest = plan_newest(engine->plan);
    switch (sanity_judge(&engine->sanity, engine->now, newest, jumped)) {
    case SANITY_SAME:
        break;
    case SANITY_HOLD:
        report_hold(engine);
        break;
    case SANITY_RELEASE:
        release(engine, "set");
        break;
    case SANITY_STEADY:
        plan_lower(engine->plan, engine->now.wall, &engine->ports.ledger);
        newest = plan_newest(engine->plan);
        if (sanity_judge(&engine->sanity, engine->now, newest, false) == SANITY_RELEASE) {
            put_back_what_lies_ahead(engine);
            release(engine, "steady");
        }
        break;
    }
}
