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
    if (run->state == ATTEMPT_WAITING) {
        int64_t wait_ns = mono_diff_ns((struct mono){run->queue.key}, engine->now.mono);
        ret->wait_us = wait_ns > 0 ? wait_ns / NS_PER_US : 0;
    }
}

struct member_now engine_member_now(const struct engine *engine, const char *schedule,
                                    const char *instance, struct wall waits_since, struct wall last)
{
    struct member_now now = {.state = MEMBER_IDLE};
    struct ongoing *node = ongoing_newest(&engine->ongoings, schedule, instance);
    bool waits = waits_since.us > 0 && wall_before(last, waits_since);
    if (waits && (node == NULL || wall_before(node->slot, waits_since))) {
        now.state = MEMBER_WAITING;
        now.slot = waits_since;
    } else if (node != NULL && node->is_watch) {
        const struct watch *watch = HEAP_OWNER(node, struct watch, ongoing);
        now.state = MEMBER_RUNNING;
        now.slot = node->slot;
        now.attempt = watch->attempt;
        now.task_id = watch->task_id;
    } else if (node != NULL) {
        describe_run(engine, HEAP_OWNER(node, struct run, ongoing), &now);
    }
    return now;
}

void engine_open_slots_by_schedule(const struct engine *engine, struct wall *slots)
{
    const struct open_slot *open = engine->open_slots.first;
    for (; open != NULL; open = open->next) {
        uint32_t schedule;
        if (open->kind != LEDGER_KIND_OPERATOR
            && view_find_schedule(engine->view, open->schedule->name, &schedule) == 0
            && wall_before(slots[schedule], open->slot))
            slots[schedule] = open->slot;
    }
}

bool engine_lane_now(const struct engine *engine, uint32_t n, struct lane_now *ret)
{
    if (n / ACTIONS >= engine->lane_count)
        return false;
    const struct lane *lane = engine->lanes[n / ACTIONS];
    const struct bucket *bucket = &lane->bucket;
    *ret = (struct lane_now){.host = lane->host,
                             .action = counters_action_name((enum counters_action)(n % ACTIONS)),
                             .is_down = lane->breaker.opened > 0};
    if (n % ACTIONS == 0) {
        ret->queued = lane_backlog(lane) + lane->runs - lane->in_flight;
    } else {
        const struct ask *ask = &lane->asks[n % ACTIONS - 1];
        bucket = &ask->bucket;
        ret->queued = ask->due.count;
    }
    ret->per_second_milli = bucket_rate_milli(bucket, engine->now.mono);
    ret->requests_last_minute = bucket_last_minute(bucket, engine->now.mono);
    return true;
}
