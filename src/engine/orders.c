/*
 * See orders.h. An order is an open slot like the plan's, of the kind OPERATOR. A restart must know
 * who is meant: where members are named the slot's entry announces them, each has an entry of its
 * own ("to be run"), and a second one of the slot says that these are all. Without names it is
 * whoever the file has.
 *
 * Failure path: what was told before an entry was refused is ended by what is told now. A restart
 * that finds a slot which is only announced, since nobody was told that the order is kept, ends it.
 */
#include "engine/orders.h"

#include "engine/engine_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An order of an earlier life may have been placed when the clock showed the same. */
static bool is_open(const struct engine *engine, struct wall slot)
{
    for (const struct open_slot *open = engine->open_slots.first; open != NULL; open = open->next)
        if (open->slot.us == slot.us)
            return true;
    return false;
}

/*
 * Now, and no whole second: those are the plan's. Orders of one instant come one after the other.
 * Where the clock was set back since the last one, its slot is of another time and holds nobody up.
 */
struct wall engine_order_slot(struct engine *engine, struct now now)
{
    engine_watch_clocks(engine, now);
    struct wall slot = now.wall;
    int64_t ahead_us = wall_diff_us(engine->last_order, slot);
    if (ahead_us >= 0 && ahead_us < US_PER_SECOND)
        slot = wall_add_us(engine->last_order, 1);
    while (slot.us % US_PER_SECOND == 0 || is_open(engine, slot))
        slot = wall_add_us(slot, 1);
    engine->last_order = slot;
    return engine->last_order;
}

static int refuse_order(const struct engine *engine, struct errtext *err)
{
    if (engine->draining)
        return errtext_set(err, ORDERS_REFUSED, "the daemon is stopping");
    if (engine->sanity.held)
        return errtext_set(err, ORDERS_REFUSED, "the clock cannot be believed");
    return 0; /* whether the ledger takes it is seen when it is told */
}

/* ---- who is meant ---- */

/* The members that enter at one host wait in its lane, as a list of their own. */
static int open_at_host(struct engine *engine, struct open_slot *open, const uint32_t *instances,
                        uint32_t count, uint32_t host)
{
    uint32_t *owned = malloc(count * sizeof *owned);
    if (owned == NULL)
        return -ENOMEM;
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        if (open->schedule->instances[instances[i]].host == host)
            owned[found++] = instances[i];
    open->members += found;
    return lane_open(engine->by_host[host], engine->digest, open, NULL, owned, found);
}

static bool is_first_of_host(const struct schedule *schedule, const uint32_t *instances,
                             uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (schedule->instances[instances[i]].host == schedule->instances[instances[index]].host)
            return false;
    return true;
}

static int open_named(struct engine *engine, struct open_slot *open, const uint32_t *instances,
                      uint32_t count)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < count; i++)
        if (is_first_of_host(open->schedule, instances, i))
            r = open_at_host(engine, open, instances, count,
                             open->schedule->instances[instances[i]].host);
    return r;
}

static int open_all(struct engine *engine, struct open_slot *open)
{
    const struct schedule *schedule = open->schedule;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < schedule->group_count; i++) {
        const struct group *group = &schedule->groups[i];
        r = lane_open(engine->by_host[group->host], engine->digest, open,
                      schedule->order + group->first, NULL, group->count);
        open->members += group->count;
    }
    return r;
}

static void close_order(struct engine *engine, struct open_slot *open)
{
    for (uint32_t i = 0; i < engine->lane_count; i++)
        lane_close(engine->lanes[i], open);
    open_slot_remove(&engine->open_slots, open);
}

/* ---- the ledger ---- */

static int record_member(struct engine *engine, const struct open_slot *open, uint32_t instance,
                         enum ledger_result result, const char *message)
{
    const struct ledger_entry entry = {
        .kind = LEDGER_ENDED,
        .schedule = open->schedule->name,
        .instance = open->schedule->instances[instance].id,
        .region = open->schedule->instances[instance].region,
        .slot = open->slot,
        .run_kind = LEDGER_KIND_OPERATOR,
        .result = result,
        .code = "",
        .message = message,
        .request_id = "",
        .at = engine->now.wall,
    };
    return engine_record(engine, &entry);
}

static int tell_slot(struct engine *engine, struct open_slot *open, enum ledger_entry_kind kind,
                     bool announced)
{
    open->announced = announced;
    return open_slot_tell(open, &engine->ports.ledger, kind, engine->now.wall);
}

static int record_named(struct engine *engine, struct open_slot *open, const uint32_t *instances,
                        uint32_t count)
{
    uint32_t told = 0;
    bool durable = engine->ports.ledger.durable; /* else it need not know */
    int r = tell_slot(engine, open, LEDGER_STARTED, true);
    if (r < 0)
        return durable ? r : 0;
    for (; r == 0 && told < count; told++)
        r = record_member(engine, open, instances[told], LEDGER_AGAIN, "");
    if (r == 0)
        r = tell_slot(engine, open, LEDGER_STARTED, false);
    if (r == 0 || !durable)
        return 0;
    for (uint32_t i = 0; i < told; i++)
        (void)!record_member(engine, open, instances[i], LEDGER_SKIPPED, "refused");
    (void)!tell_slot(engine, open, LEDGER_ENDED, true);
    return r;
}

static int record_order(struct engine *engine, struct open_slot *open, const uint32_t *instances,
                        uint32_t count)
{
    if (instances != NULL)
        return record_named(engine, open, instances, count);
    int r = tell_slot(engine, open, LEDGER_STARTED, false);
    return engine->ports.ledger.durable ? r : 0;
}

/*
 * Runs that were prepared for a slot to come go back to it where the order backs up their instance
 * first: whether it is in their way is seen when they begin again.
 */
static void make_way(struct engine *engine, const struct open_slot *open)
{
    size_t position = 0;
    for (struct run *run; (run = run_pool_next(engine->pool, &position)) != NULL;) {
        bool is_prepared = run->state == ATTEMPT_RECORDING || run->state == ATTEMPT_READY;
        if (is_prepared && run->attempt == 1 && wall_before(open->slot, run->due)
            && run->schedule->overlap == OVERLAP_FORBID
            && strcmp(run->schedule->name, open->schedule->name) == 0
            && engine_waits_before(engine, run))
            (void)!engine_send_back(engine, run); /* where it cannot, the cloud keeps them apart */
    }
}

int engine_order(struct engine *engine, struct wall slot, uint32_t schedule,
                 const uint32_t *instances, uint32_t count, struct errtext *err)
{
    struct open_slot *open = NULL;
    int r = refuse_order(engine, err);
    if (r != 0)
        return r;
    r = open_slot_add(&engine->open_slots, engine->config, &engine->config->schedules[schedule],
                      slot, LEDGER_KIND_OPERATOR, &open);
    if (r < 0)
        return errtext_set(err, ORDERS_REFUSED, "out of memory");
    open->named = instances != NULL;
    r = instances != NULL ? open_named(engine, open, instances, count) : open_all(engine, open);
    if (r == 0 && open->members == 0) {
        close_order(engine, open);
        return errtext_set(err, ORDERS_REFUSED, "the schedule has no instances");
    }
    if (r == 0)
        r = record_order(engine, open, instances, count);
    if (r < 0) {
        close_order(engine, open);
        return errtext_set(err, ORDERS_REFUSED, "it cannot be recorded: %s", strerrordesc_np(-r));
    }
    make_way(engine, open);
    return 0;
}

/* ---- pauses ---- */

int engine_pause(struct engine *engine, struct now now, uint32_t schedule, struct wall until,
                 struct errtext *err)
{
    const struct ledger *ledger = &engine->ports.ledger;
    const char *name = engine->config->schedules[schedule].name;
    engine_watch_clocks(engine, now);
    if (!engine->sanity.held)
        engine_open_slots(engine); /* what has come by now is run or skipped as things were */
    if (plan_paused_until(engine->plan, schedule).us == until.us)
        return 0;
    int r = ledger->set_pause == NULL ? 0 : ledger->set_pause(ledger->context, name, until);
    if (r < 0)
        return errtext_set(err, ORDERS_REFUSED, "it cannot be recorded: %s", strerrordesc_np(-r));
    plan_pause(engine->plan, schedule, until);
    return 0;
}

struct wall engine_paused_until(const struct engine *engine, uint32_t schedule, struct wall now)
{
    struct wall until = plan_paused_until(engine->plan, schedule);
    return wall_before(now, until) ? until : LEDGER_NO_PAUSE;
}
