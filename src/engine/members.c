/* See members.h. Reads alone. */
#include "engine/members.h"

#include "engine/engine_internal.h"

#include <string.h>

#define ACTIONS (1 + INQUIRY_ACTIONS) /* of a lane: the backups, and what only reads */

const char *member_state_name(enum member_state state)
{
    static const char *const names[] = {
        [MEMBER_IDLE] = "idle",
        [MEMBER_WAITING] = "waiting",
        [MEMBER_IN_FLIGHT] = "in_flight",
        [MEMBER_RUNNING] = "running",
        [MEMBER_LOOKING_UP] = "looking_up",
    };
    return names[state];
}

static void describe_run(const struct engine *engine, const struct run *run, struct member_now *ret)
{
    ret->slot = run->slot;
    ret->attempt = run->attempt;
    ret->state = MEMBER_WAITING;
    if (run->state == ATTEMPT_SENDING || run->state == ATTEMPT_ON_WIRE)
        ret->state = MEMBER_IN_FLIGHT;
    else if (run->state == ATTEMPT_DOUBTFUL)
        ret->state = MEMBER_LOOKING_UP;
    if (ret->state != MEMBER_WAITING)
        return;
    ret->due = run->due;
    ret->is_recorded = run->state == ATTEMPT_READY;
    memcpy(ret->code, run->verdict.code, sizeof ret->code);
    struct earlier earlier;
    if (run->state == ATTEMPT_WAITING && engine_earlier(engine, run, &earlier)) {
        ret->obstacle = MEMBER_EARLIER;
        ret->earlier_slot = earlier.slot;
        ret->earlier_task = earlier.task_id;
        ret->task_code = earlier.code;
    }
    ret->told = run->state == ATTEMPT_WAITING ? run->attempt : run->attempt - 1;
    if (run->state == ATTEMPT_WAITING) {
        int64_t wait_ns = mono_diff_ns((struct mono){run->queue.key}, engine->now.mono);
        ret->wait_us = wait_ns > 0 ? wait_ns / NS_PER_US : 0;
    }
}

/*
 * The newest open slot in which the member has not begun, 0 without one. One without a run may yet
 * have an entry that says that it is to have one: that of an order which named it, or of an attempt
 * after a failed task.
 */
static struct wall waits_for(const struct engine *engine, uint32_t schedule, uint32_t instance,
                             const struct members_open *open)
{
    struct view_member member = view_member(engine->view, schedule, instance, engine->now.wall);
    struct wall slot = {0};
    if (member.outcome == VIEW_OPEN && !wall_before(member.slot, open->first)
        && !wall_before(open->last, member.slot))
        slot = member.slot;
    if (wall_before(slot, open->planned)
        && !view_has_begun(engine->view, schedule, instance, open->planned))
        slot = open->planned;
    if (wall_before(slot, open->ordered) && wall_before(member.slot, open->ordered))
        slot = open->ordered;
    return slot;
}

static enum member_obstacle obstacle_to(const struct engine *engine, const struct lane *lane)
{
    if (engine->sanity.held)
        return MEMBER_NO_CLOCK;
    if (engine->ledger_failed)
        return MEMBER_NO_LEDGER;
    if (engine->keys_failed)
        return MEMBER_NO_KEYS;
    if (engine->draining)
        return MEMBER_STOPPING;
    return lane->breaker.opened > 0 ? MEMBER_NO_HOST : MEMBER_UNHINDERED;
}

struct member_now engine_member_now(const struct engine *engine, uint32_t schedule,
                                    uint32_t instance, const struct members_open *open)
{
    const struct schedule *of = &engine->config->schedules[schedule];
    struct member_now now = {.state = MEMBER_IDLE, .task_code = ""};
    struct ongoing *node = ongoing_newest(&engine->ongoings, of->name, of->instances[instance].id);
    struct wall waits = waits_for(engine, schedule, instance, open);
    if (waits.us > 0 && (node == NULL || wall_before(node->slot, waits))) {
        now.state = MEMBER_WAITING;
        now.slot = waits;
    } else if (node != NULL && node->is_watch) {
        const struct watch *watch = HEAP_OWNER(node, struct watch, ongoing);
        now.state = MEMBER_RUNNING;
        now.slot = node->slot;
        now.attempt = watch->attempt;
        now.task_id = watch->task_id;
        now.task_code = engine_watch_code(watch);
    } else if (node != NULL) {
        describe_run(engine, HEAP_OWNER(node, struct run, ongoing), &now);
    }
    enum member_obstacle to_all =
        obstacle_to(engine, engine->by_host[of->instances[instance].host]);
    if (now.state == MEMBER_WAITING && to_all != MEMBER_UNHINDERED)
        now.obstacle = to_all;
    now.is_order = now.slot.us % US_PER_SECOND != 0; /* see engine_order_slot() */
    return now;
}

static void widen(struct members_open *of, const struct open_slot *open)
{
    if (of->first.us == 0 || wall_before(open->slot, of->first))
        of->first = open->slot;
    if (wall_before(of->last, open->slot))
        of->last = open->slot;
    if (open->kind != LEDGER_KIND_OPERATOR && wall_before(of->planned, open->slot))
        of->planned = open->slot;
    if (open->kind == LEDGER_KIND_OPERATOR && !open->named && wall_before(of->ordered, open->slot))
        of->ordered = open->slot;
}

void engine_members_open(const struct engine *engine, struct members_open *ret)
{
    const struct open_slot *open = engine->open_slots.first;
    uint32_t schedule;
    for (; open != NULL; open = open->next)
        if (view_find_schedule(engine->view, open->schedule->name, &schedule) == 0)
            widen(&ret[schedule], open);
}

/* A task that is followed stands there also while its next question is not due. */
static uint64_t count_due(const struct ask *ask, struct mono now)
{
    uint64_t count = 0;
    for (size_t i = 0; i < ask->due.count; i++)
        count += ask->due.nodes[i]->key <= now.ns ? 1 : 0;
    return count;
}

bool engine_lane_now(const struct engine *engine, uint32_t n, struct lane_now *ret)
{
    if (n / ACTIONS >= engine->lane_count)
        return false;
    const struct lane *lane = engine->lanes[n / ACTIONS];
    const struct bucket *bucket = &lane->bucket;
    *ret = (struct lane_now){.host = lane->host,
                             .action = counters_action_name((enum counters_action)(n % ACTIONS)),
                             .is_down = lane->breaker.opened > 0 && !lane_is_idle(lane)};
    if (n % ACTIONS == 0) {
        ret->queued = lane_backlog(lane) + lane->runs - lane->in_flight;
    } else {
        const struct ask *ask = &lane->asks[n % ACTIONS - 1];
        bucket = &ask->bucket;
        ret->queued = count_due(ask, engine->now.mono);
    }
    ret->per_second_milli = bucket_rate_milli(bucket, engine->now.mono);
    ret->requests_last_minute = bucket_last_minute(bucket, engine->now.mono);
    return true;
}
