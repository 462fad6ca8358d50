/*
 * Dispatch: for each lane, members become runs a little ahead of their instant, runs are recorded,
 * and what is recorded and due leaves as tokens allow.
 *
 * Happy path of one run: begin_run -> record -> (ledger files) -> READY -> send_run.
 * Failure paths: no memory or no keys -> the lanes rest for a second and nothing is lost; the
 * ledger refuses -> the run waits, since what cannot be recorded is not sent.
 */
#include "engine/engine_internal.h"

#include <assert.h>
#include <errno.h>

void engine_rest(struct engine *engine)
{
    engine->blocked_until = mono_add_ns(engine->now.mono, ENGINE_RETRY_NS);
}

static void wait_until(struct engine *engine, struct run *run, int64_t delay_us)
{
    struct mono at = mono_add_ns(engine->now.mono, delay_us * NS_PER_US);
    int r = heap_push(&run->lane->waiting, &run->queue, at.ns);
    if (r < 0)
        engine_give_up(engine, run, "no_memory"); /* places are reserved: not reached */
}

/* Hands the STARTED entry of the run's next attempt to the ledger. */
static void record(struct engine *engine, struct run *run)
{
    run->state = attempt_move(run->state, ATTEMPT_RECORD);
    run->attempt++;
    run->started_at = engine->now.wall;
    run_renew_ticket(engine->pool, run);
    run->lane->unsent++;
    const struct ledger_entry entry = {
        .ticket = run->ticket,
        .kind = LEDGER_STARTED,
        .schedule = run->schedule->name,
        .instance = run->instance->id,
        .region = run->instance->region,
        .slot = run->slot,
        .attempt = run->attempt,
        .run_kind = run->kind,
        .retries = run->failures,
        .code = "",
        .message = "",
        .request_id = "",
        .at = engine->now.wall,
    };
    int r = engine_record(engine, &entry);
    if (r < 0)
        engine_file_recorded(engine, run->ticket, r);
}

bool engine_reserve_places(struct engine *engine, struct lane *lane)
{
    return heap_reserve(&lane->ready, lane->runs + 1U) == 0
           && heap_reserve(&lane->waiting, lane->runs + 1U) == 0
           && heap_reserve(&engine->deadlines, engine->run_count + 1U) == 0;
}

struct run *engine_make_run(struct engine *engine, struct lane *lane, struct open_slot *open,
                            const struct instance *instance, struct wall due)
{
    if (!engine_reserve_places(engine, lane))
        return NULL;
    struct run *run = run_pool_take(engine->pool);
    if (run == NULL)
        return NULL;
    run->config = config_ref(open->config);
    run->schedule = open->schedule;
    run->instance = instance;
    run->lane = lane;
    run->open = open;
    run->slot = open->slot;
    run->kind = open->kind;
    run->dropped = open->forsaken;
    run->due = due;
    run->deadline = wall_add_us(run->due, run->schedule->start_within_us);
    run->state = ATTEMPT_NEW;
    run->ongoing = (struct ongoing){
        .schedule = run->schedule->name, .instance = instance->id, .slot = run->slot};
    if (ongoing_add(&engine->ongoings, &run->ongoing) < 0) {
        run_pool_give(engine->pool, run);
        return NULL;
    }
    run->failures = open_slot_take_carried(open, instance);
    int r = heap_push(&engine->deadlines, &run->deadline_node, run->deadline.us);
    assert(r == 0); /* reserved above */
    lane->runs++;
    engine->run_count++;
    return run;
}

/* While keys are refused, who could be the probe is enough. */
static bool waits_for_probe(const struct engine *engine, const struct lane *lane)
{
    return engine->refusal.held && lane_unsent_till(lane, engine->now.wall) > 0;
}

/* Another backup of its instance is in the way of its first attempt alone: none begins later. */
static enum start may_start(struct engine *engine, const struct run *run)
{
    return run->attempt > 0 ? START_NOW : engine_may_start(engine, run);
}

/* The run's next attempt, unless an earlier backup of its instance is in the way. */
static void start(struct engine *engine, struct run *run)
{
    if (engine_lacks_keys(engine, run)) {
        report_failed(&engine->ports.journal, run, "refused");
        engine_end_run(engine, run, LEDGER_FAILED);
        return;
    }
    switch (may_start(engine, run)) {
    case START_NOW:
        record(engine, run);
        break;
    case START_LATER:
        engine_wait(engine, run, engine_start_delay_us(engine, run));
        break;
    case START_NEVER:
        engine_drop(engine, run, "overlap");
        break;
    }
}

static bool begin_run(struct engine *engine, struct lane *lane, struct batch *batch)
{
    struct run *run =
        engine_make_run(engine, lane, batch->open, batch_head(batch), batch->head_due);
    if (run == NULL)
        return false;
    start(engine, run);
    return true;
}

/* Connections are opened ahead where the next request would find none. */
static void warm(struct engine *engine, struct lane *lane, uint64_t coming)
{
    const struct transport *transport = &engine->ports.transport;
    if (lane->used && mono_diff_ns(engine->now.mono, lane->used_at) < LANE_STALE_NS)
        return;
    lane->used = true;
    lane->used_at = engine->now.mono;
    transport->warm(transport->context, lane->url, lane_connections(lane, coming));
}

bool engine_wants_run(const struct lane *lane, const struct batch *batch, struct wall now)
{
    /* One that is due does not wait for those that were prepared for a later instant. */
    bool is_due = !wall_before(now, batch->head_due);
    return lane_wants_runs(lane, is_due ? now : wall_add_us(now, ENGINE_PREPARE_US));
}

bool engine_has_run_place(const struct engine *engine, const struct lane *lane)
{
    uint32_t share = ENGINE_RUNS_KEPT / engine->lane_count;
    return engine->run_count < ENGINE_RUNS_MAX - ENGINE_RUNS_KEPT
           || (engine->run_count < ENGINE_RUNS_MAX && lane->runs < (share > 0 ? share : 1));
}

static void begin_runs(struct engine *engine, struct lane *lane)
{
    struct wall now = engine->now.wall;
    for (struct batch *batch; (batch = lane_first_batch(lane)) != NULL;) {
        if (wall_diff_us(batch->head_due, now) > ENGINE_PREPARE_US
            || !engine_wants_run(lane, batch, now) || !engine_has_run_place(engine, lane)
            || waits_for_probe(engine, lane))
            return;
        if (wall_diff_us(engine->now.wall, batch->head_due) >= batch->schedule->start_within_us) {
            engine_end_late_member(engine, lane, batch);
        } else {
            warm(engine, lane, batch->count - batch->next);
            if (!begin_run(engine, lane, batch)) {
                engine_rest(engine);
                return;
            }
        }
        lane_advance(lane, engine->digest, batch);
    }
}

static void wake_waiting(struct engine *engine, struct lane *lane)
{
    for (struct heap_node *top; (top = heap_top(&lane->waiting)) != NULL;) {
        if (top->key > engine->now.mono.ns || waits_for_probe(engine, lane))
            return;
        heap_remove(&lane->waiting, top);
        start(engine, HEAP_OWNER(top, struct run, queue));
    }
}

enum sending {
    SENDING_DONE,
    SENDING_STOP, /* nothing more can be sent this turn */
};

/* How long the run has been due and recorded. */
static int64_t waited_ns(const struct engine *engine, const struct run *run)
{
    int64_t ready_ns = mono_diff_ns(engine->now.mono, run->ready_at);
    int64_t late_us = wall_diff_us(engine->now.wall, run->due);
    return late_us < ready_ns / NS_PER_US ? late_us * NS_PER_US : ready_ns;
}

/* The run goes to the transport. */
static void release(struct engine *engine, struct lane *lane, struct run *run)
{
    engine_keys_serve(engine);
    heap_remove(&lane->ready, &run->queue);
    lane->unsent--;
    run->state = attempt_move(run->state, ATTEMPT_SEND);
    counters_attempt(&engine->counters, run->schedule->name);
    counters_wait(&engine->counters, COUNTERS_BACKUP, waited_ns(engine, run));
    run->owes_token = true;
    run->sent_at = engine->now.mono;
    run->started_at = engine->now.wall;
    run->stayed = false;
    run->probe = engine_note_sending(engine, lane, false);
    lane->turned_away = false;
    engine->in_flight++;
    lane->in_flight++;
    lane->used = true;
    lane->used_at = engine->now.mono;
}

/* The token is taken: stamp, sign, send. */
static enum sending send_run(struct engine *engine, struct lane *lane, struct run *run)
{
    const struct keys *keys = engine_get_keys(engine);
    if (keys == NULL) {
        bucket_return(&lane->bucket);
        return SENDING_STOP;
    }
    struct transport_request request;
    struct errtext err = {""};
    struct wall stamp = wall_add_us(engine->now.wall, lane->skew_us);
    char tag[TAG_MAX];
    int r = tag_make(engine->digest, run->schedule->name, run->instance->id, run->slot, tag);
    if (r == 0)
        r = requests_backup(engine->requests, run->config, lane->url, lane->host, run->instance,
                            tag, keys, stamp, &request, &err);
    if (r < 0) {
        engine_keys_fail(engine, err.text);
        bucket_return(&lane->bucket);
        return SENDING_STOP;
    }
    request.ticket = run->ticket;
    run->keys = keys->generation;
    release(engine, lane, run);
    r = engine->ports.transport.send(engine->ports.transport.context, &request, &err);
    if (r < 0) {
        const struct exchange exchange = {
            .kind = EXCHANGE_NOT_SENT, .error = err.text, .date_second = -1};
        run->stayed = true;
        engine_file_outcome(engine, run->ticket, &exchange, engine->now.mono);
    }
    return r == -EAGAIN ? SENDING_STOP : SENDING_DONE;
}

static void send_runs(struct engine *engine, struct lane *lane)
{
    if (mono_before(engine->now.mono, engine->send_from))
        return;
    while (engine_has_place(engine, lane)) {
        struct heap_node *top = heap_top(&lane->ready);
        if (top == NULL || top->key > engine->now.wall.us || !engine_may_send(engine, lane)
            || !bucket_take(&lane->bucket, engine->now.mono))
            return;
        if (send_run(engine, lane, HEAP_OWNER(top, struct run, queue)) == SENDING_STOP)
            return;
    }
}

void engine_dispatch(struct engine *engine)
{
    if (engine->draining || mono_before(engine->now.mono, engine->blocked_until))
        return;
    if (!engine_may_sign(engine)) {
        engine_rest(engine);
        return;
    }
    engine_count_places(engine);
    uint32_t first = engine->lane_turn;
    for (uint32_t i = 0; i < engine->lane_count; i++) {
        uint32_t turn = (first + i) % engine->lane_count;
        struct lane *lane = engine->lanes[turn];
        uint32_t out = engine->in_flight + engine->flights.busy;
        wake_waiting(engine, lane);
        begin_runs(engine, lane);
        engine_send_probe(engine, lane);
        send_runs(engine, lane);
        if (engine->in_flight + engine->flights.busy > out)
            engine->lane_turn = turn + 1;
    }
    engine_send_inquiries(engine);
    engine_count_places(engine);
    if (engine->refusal.held)
        engine_rest(engine); /* there is time enough between two probes */
}

/* The deadline of a run in flight is not watched; that of one that waits again is. */
static void watch_deadline(struct engine *engine, struct run *run)
{
    if (heap_node_is_queued(&run->deadline_node))
        return;
    int r = heap_push(&engine->deadlines, &run->deadline_node, run->deadline.us);
    assert(r == 0); /* a place was reserved when the run began */
}

void engine_wait(struct engine *engine, struct run *run, int64_t delay_us)
{
    watch_deadline(engine, run);
    run->state = attempt_move(run->state, ATTEMPT_LATER);
    wait_until(engine, run, delay_us);
}
