/* See lane.h. */
#include "engine/lane.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An account's own limit may be raised for backups; that of the other actions is the API's. */
static int32_t ask_rate(const struct config *config, enum inquiry_action action)
{
    int32_t limit = inquiry_limit(action);
    return config->per_second < limit ? config->per_second : limit;
}

int lane_create(const struct host *host, const struct config *config, struct lane **ret)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return -ENOMEM;
    (void)snprintf(lane->url, sizeof lane->url, "%s", host->url);
    (void)snprintf(lane->host, sizeof lane->host, "%s", host->name);
    int r = bucket_init(&lane->bucket, config->per_second, config->burst);
    for (int i = 0; r == 0 && i < INQUIRY_ACTIONS; i++)
        r = bucket_init(&lane->asks[i].bucket, ask_rate(config, (enum inquiry_action)i), 1);
    if (r < 0) {
        lane_destroy(lane);
        return r;
    }
    *ret = lane;
    return 0;
}

void lane_configure(struct lane *lane, const struct config *config)
{
    (void)!bucket_configure(&lane->bucket, config->per_second, config->burst);
    for (int i = 0; i < INQUIRY_ACTIONS; i++)
        (void)!bucket_configure(&lane->asks[i].bucket, ask_rate(config, (enum inquiry_action)i), 1);
}

bool lane_is_idle(const struct lane *lane)
{
    bool idle =
        lane->runs == 0 && lane->watches == 0 && lane->batches.count == 0 && lane->flights == 0;
    for (int i = 0; i < INQUIRY_ACTIONS; i++)
        idle = idle && lane->asks[i].due.count == 0;
    return idle;
}

bool lane_is_quiet(const struct lane *lane, struct mono now)
{
    bool quiet = lane_is_idle(lane) && bucket_is_quiet(&lane->bucket, now);
    for (int i = 0; i < INQUIRY_ACTIONS; i++)
        quiet = quiet && bucket_is_quiet(&lane->asks[i].bucket, now);
    return quiet;
}

static void batch_destroy(struct batch *batch)
{
    free(batch->owned);
    free(batch);
}

void lane_destroy(struct lane *lane)
{
    if (lane == NULL)
        return;
    assert(lane->runs == 0);
    for (struct heap_node *node; (node = heap_pop(&lane->batches)) != NULL;)
        batch_destroy(HEAP_OWNER(node, struct batch, node));
    heap_finish(&lane->batches);
    heap_finish(&lane->ready);
    heap_finish(&lane->waiting);
    for (int i = 0; i < INQUIRY_ACTIONS; i++) {
        heap_finish(&lane->asks[i].due);
        bucket_finish(&lane->asks[i].bucket);
    }
    bucket_finish(&lane->bucket);
    free(lane);
}

const struct instance *batch_head(const struct batch *batch)
{
    return &batch->schedule->instances[batch->order[batch->next]];
}

static int find_head_due(struct batch *batch, struct digest *digest)
{
    int64_t delay;
    int r = open_slot_delay(digest, batch->schedule, batch_head(batch), batch->open->kind, &delay);
    if (r < 0)
        return r;
    batch->head_due = wall_add_us(batch->slot, delay);
    return 0;
}

int lane_open(struct lane *lane, struct digest *digest, struct open_slot *open,
              const uint32_t *order, uint32_t *owned_take, uint32_t count)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        free(owned_take);
        return -ENOMEM;
    }
    *batch = (struct batch){
        .open = open,
        .schedule = open->schedule,
        .slot = open->slot,
        .order = owned_take != NULL ? owned_take : order,
        .owned = owned_take,
        .count = count,
    };
    int r = find_head_due(batch, digest);
    if (r == 0)
        r = heap_push(&lane->batches, &batch->node, batch->head_due.us);
    if (r < 0)
        batch_destroy(batch);
    return r;
}

struct batch *lane_first_batch(const struct lane *lane)
{
    struct heap_node *top = heap_top(&lane->batches);
    return top == NULL ? NULL : HEAP_OWNER(top, struct batch, node);
}

void lane_advance(struct lane *lane, struct digest *digest, struct batch *batch)
{
    heap_remove(&lane->batches, &batch->node);
    batch->next++;
    if (batch->next == batch->count) {
        batch_destroy(batch);
        return;
    }
    /* A digest that fails leaves the head due with the one before it: early within the spread. */
    (void)!find_head_due(batch, digest);
    int r = heap_push(&lane->batches, &batch->node, batch->head_due.us);
    assert(r == 0); /* a place was freed just before */
}

void lane_close(struct lane *lane, const struct open_slot *open)
{
    for (size_t i = lane->batches.count; i-- > 0;) {
        struct batch *batch = HEAP_OWNER(lane->batches.nodes[i], struct batch, node);
        if (batch->open != open)
            continue;
        heap_remove(&lane->batches, &batch->node);
        batch_destroy(batch);
        return;
    }
}

/* From here on these members wait in the batch. */
static void take_order(struct batch *batch, uint32_t *owned_take, uint32_t count)
{
    free(batch->owned);
    batch->owned = owned_take;
    batch->order = owned_take;
    batch->next = 0;
    batch->count = count;
}

/* A batch's members that are kept, as a copy of their indices; drops the others. */
static int filter_batch(struct batch *batch, void *context, lane_why_not_fn why_not,
                        lane_drop_fn drop)
{
    uint32_t *kept = malloc((batch->count - batch->next) * sizeof *kept);
    if (kept == NULL)
        return -ENOMEM;
    uint32_t count = 0;
    for (uint32_t i = batch->next; i < batch->count; i++) {
        const struct instance *instance = &batch->schedule->instances[batch->order[i]];
        const char *reason =
            why_not(context, batch->schedule, instance, batch->open->kind, batch->count - i);
        if (reason == NULL)
            kept[count++] = batch->order[i];
        else
            drop(context, batch, instance, reason);
    }
    take_order(batch, kept, count);
    return 0;
}

int lane_filter(struct lane *lane, struct digest *digest, void *context, lane_why_not_fn why_not,
                lane_drop_fn drop)
{
    struct heap done = {0};
    int r = heap_reserve(&done, lane->batches.count);
    if (r < 0)
        return r;
    while (r == 0 && lane->batches.count > 0) {
        struct batch *batch = lane_first_batch(lane);
        r = filter_batch(batch, context, why_not, drop);
        if (r < 0)
            break;
        heap_remove(&lane->batches, &batch->node);
        if (batch->count == 0) {
            batch_destroy(batch);
            continue;
        }
        (void)!find_head_due(batch, digest);
        r = heap_push(&done, &batch->node, batch->head_due.us);
        assert(r == 0); /* reserved above */
    }
    for (struct heap_node *node; (node = heap_pop(&done)) != NULL;) {
        int pushed = heap_push(&lane->batches, node, node->key);
        assert(pushed == 0); /* its old place is free */
    }
    heap_finish(&done);
    return r;
}

/* ---- members that go to another lane ---- */

static int own_order(struct batch *batch)
{
    uint32_t waiting = batch->count - batch->next;
    uint32_t *owned = malloc(waiting * sizeof *owned);
    if (owned == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < waiting; i++)
        owned[i] = batch->order[batch->next + i];
    take_order(batch, owned, waiting);
    return 0;
}

/* Those whose lane is `target` wait there from now on. */
static int move_to(struct batch *batch, struct digest *digest, struct lane *target,
                   struct lane **lanes)
{
    uint32_t *moved = malloc(batch->count * sizeof *moved);
    if (moved == NULL)
        return -ENOMEM;
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->count; i++)
        if (lanes[i] == target)
            moved[count++] = batch->owned[i];
    int r = lane_open(target, digest, batch->open, NULL, moved, count);
    if (r < 0)
        return r;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (lanes[i] == target)
            continue;
        batch->owned[kept] = batch->owned[i];
        lanes[kept++] = lanes[i];
    }
    batch->count = kept;
    return 0;
}

/* Whoever has no lane, or this one, stays. */
static struct lane *find_other(const struct lane *lane, struct lane **lanes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (lanes[i] != NULL && lanes[i] != lane)
            return lanes[i];
    return NULL;
}

static int move_batch(struct lane *lane, struct batch *batch, struct digest *digest,
                      struct lane **lanes)
{
    if (find_other(lane, lanes, batch->count - batch->next) == NULL)
        return 0;
    int r = own_order(batch);
    for (struct lane *target; r == 0 && (target = find_other(lane, lanes, batch->count)) != NULL;)
        r = move_to(batch, digest, target, lanes);
    heap_remove(&lane->batches, &batch->node);
    if (batch->count == 0) {
        batch_destroy(batch);
        return r;
    }
    (void)!find_head_due(batch, digest);
    int pushed = heap_push(&lane->batches, &batch->node, batch->head_due.us);
    assert(pushed == 0); /* its old place is free */
    return r;
}

static int find_and_move(struct lane *lane, struct batch *batch, struct digest *digest,
                         void *context, lane_where_fn where)
{
    uint32_t waiting = batch->count - batch->next;
    struct lane **lanes = malloc(waiting * sizeof *lanes);
    if (lanes == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < waiting; i++) {
        const struct schedule *schedule = batch->schedule;
        lanes[i] = where(context, schedule, &schedule->instances[batch->order[batch->next + i]]);
    }
    int r = move_batch(lane, batch, digest, lanes);
    free((void *)lanes);
    return r;
}

int lane_move(struct lane *lane, struct digest *digest, void *context, lane_where_fn where)
{
    size_t count = lane->batches.count;
    struct batch **list = count == 0 ? NULL : calloc(count, sizeof *list);
    if (list == NULL)
        return count == 0 ? 0 : -ENOMEM;
    for (size_t i = 0; i < count; i++)
        list[i] = HEAP_OWNER(lane->batches.nodes[i], struct batch, node);
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = find_and_move(lane, list[i], digest, context, where);
    free((void *)list);
    return r;
}

uint64_t lane_backlog(const struct lane *lane)
{
    uint64_t backlog = 0;
    for (size_t i = 0; i < lane->batches.count; i++) {
        const struct batch *batch = HEAP_OWNER(lane->batches.nodes[i], struct batch, node);
        backlog += batch->count - batch->next;
    }
    return backlog;
}

uint32_t lane_unsent_till(const struct lane *lane, struct wall horizon)
{
    const struct heap_node *first = heap_top(&lane->ready);
    if (first != NULL && first->key > horizon.us)
        return lane->unsent - (uint32_t)lane->ready.count;
    return lane->unsent;
}

bool lane_wants_runs(const struct lane *lane, struct wall horizon)
{
    uint32_t ahead = (uint32_t)lane->bucket.per_second / 4;
    return lane_unsent_till(lane, horizon) < (ahead < LANE_AHEAD_MIN ? LANE_AHEAD_MIN : ahead);
}

unsigned lane_connections(const struct lane *lane, uint64_t coming)
{
    uint64_t wanted = LANE_WARM_DEFAULT;
    if (lane->latency_ns > 0)
        wanted = (uint64_t)(lane->latency_ns * lane->bucket.per_second / NS_PER_SECOND) + 2;
    if (wanted > LANE_WARM_MAX)
        wanted = LANE_WARM_MAX;
    return (unsigned)(wanted < coming ? wanted : coming);
}

void lane_learn_latency(struct lane *lane, int64_t latency_ns)
{
    if (latency_ns > 60 * NS_PER_SECOND)
        latency_ns = 60 * NS_PER_SECOND;
    if (lane->latency_ns == 0)
        lane->latency_ns = latency_ns;
    else
        lane->latency_ns += (latency_ns - lane->latency_ns) / 8;
}
