/*
 * Move: after a reload, what is open goes to the host where the file has its instance now. An
 * endpoint that is dead is mended in the file: nothing may wait for it any longer, neither a backup
 * to be sent nor a question.
 *
 * Where the file has the instance in another region, it stays: it was begun there. So does what is
 * on the wire, until its answer. Failure path: no memory -> it stays where it is; a run is moved
 * after its next attempt, anything else by the next reload that moves somebody.
 */
#include "engine/engine_internal.h"

#include <assert.h>
#include <string.h>

/* NULL: the file does not have it, or has it in another region. */
static struct lane *find_lane(const struct engine *engine, const char *schedule, const char *id,
                              const char *region)
{
    uint32_t of;
    uint32_t number;
    if (view_find(engine->view, schedule, id, &of, &number) != 0)
        return NULL;
    const struct instance *instance = &engine->config->schedules[of].instances[number];
    return strcmp(instance->region, region) == 0 ? engine->by_host[instance->host] : NULL;
}

static struct lane *where(void *context, const struct schedule *schedule,
                          const struct instance *instance)
{
    return find_lane(context, schedule->name, instance->id, instance->region);
}

struct lane *engine_find_lane(struct engine *engine, const struct open_slot *open,
                              const struct instance *instance)
{
    struct lane *lane = where(engine, open->schedule, instance);
    if (lane == NULL && engine_get_lane(engine, &open->config->hosts[instance->host], &lane) < 0)
        return NULL;
    return lane;
}

/* ---- watches ---- */

static int64_t left_us(const struct engine *engine, const struct inquiry *ask)
{
    if (!heap_node_is_queued(&ask->node))
        return 0; /* its question is out, and will be answered by nobody */
    int64_t left_ns = mono_diff_ns((struct mono){ask->node.key}, engine->now.mono);
    return left_ns > 0 ? left_ns / NS_PER_US : 0;
}

static void move_watch(struct engine *engine, struct watch *watch)
{
    struct lane *old = watch->ask.lane;
    struct lane *lane =
        find_lane(engine, watch->ongoing.schedule, watch->ongoing.instance, watch->region);
    if (lane == NULL || lane == old
        || !engine_may_ask(lane, INQUIRY_TASK, (uint64_t)lane->watches + 1))
        return;
    int64_t delay_us = left_us(engine, &watch->ask);
    engine_stop_asking(&watch->ask);
    old->watches--;
    lane->watches++;
    watch->ask.lane = lane;
    engine_ask(engine, &watch->ask, INQUIRY_TASK, delay_us);
}

/* ---- runs ---- */

static void requeue(struct heap *from, struct heap *to, struct heap_node *node)
{
    int64_t key = node->key;
    heap_remove(from, node);
    int r = heap_push(to, node, key);
    assert(r == 0); /* its place was reserved */
}

static void change_lane(struct run *run, struct lane *lane)
{
    struct lane *old = run->lane;
    bool unsent = run->state == ATTEMPT_RECORDING || run->state == ATTEMPT_READY;
    if (run->state == ATTEMPT_READY)
        requeue(&old->ready, &lane->ready, &run->queue);
    else if (run->state == ATTEMPT_WAITING)
        requeue(&old->waiting, &lane->waiting, &run->queue);
    old->runs--;
    lane->runs++;
    old->unsent -= unsent ? 1 : 0;
    lane->unsent += unsent ? 1 : 0;
    run->lane = lane;
}

void engine_move_run(struct engine *engine, struct run *run)
{
    struct lane *lane = where(engine, run->schedule, run->instance);
    if (lane == NULL || lane == run->lane || !engine_reserve_places(engine, lane))
        return;
    if (run->state == ATTEMPT_DOUBTFUL
        && (!engine_may_ask(lane, INQUIRY_TASKS, lane->runs + 1U)
            || !engine_may_ask(lane, INQUIRY_BACKUPS, lane->runs + 1U)))
        return;
    change_lane(run, lane);
    if (run->state == ATTEMPT_DOUBTFUL)
        engine_doubt_elsewhere(engine, run->doubt, left_us(engine, &run->doubt->ask));
}

void engine_move(struct engine *engine)
{
    for (size_t i = 0; i < engine->stale.count; i++)
        move_watch(engine, HEAP_OWNER(engine->stale.nodes[i], struct watch, stale));
    size_t position = 0;
    for (struct run *run; (run = run_pool_next(engine->pool, &position)) != NULL;)
        if (run->state != ATTEMPT_SENDING && run->state != ATTEMPT_ON_WIRE)
            engine_move_run(engine, run);
    for (uint32_t i = 0; i < engine->lane_count; i++)
        if (lane_move(engine->lanes[i], engine->digest, engine, where) < 0)
            return;
}
