/* See engine.h, and engine_internal.h for the rooms. */
#include "engine/engine_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define JUMP_US US_PER_SECOND /* the clocks may differ so much between two turns */
#define FILED_ROUNDS_MAX 8    /* a port may file while it is called: looked at in the same turn */

static int build(struct engine *engine, struct config *config, struct errtext *err)
{
    int r = run_pool_create(ENGINE_RUNS_MAX, &engine->pool);
    if (r == 0)
        r = digest_create(&engine->digest, err);
    if (r == 0)
        r = requests_create(&engine->requests, err);
    if (r == 0)
        r = engine_make_lanes(engine, config, &engine->by_host);
    if (r == 0)
        r = counters_configure(&engine->counters, config);
    if (r == 0)
        r = view_create(config, NULL, engine->now.wall, &engine->view);
    if (r < 0)
        return r;
    engine->config = config_ref(config);
    r = plan_create(config, NULL, &engine->ports.ledger, engine->now.wall, &engine->plan);
    if (r == 0 && engine->ports.ledger.durable)
        r = engine_recover(engine);
    if (r < 0)
        return errtext_set(err, r, "the ledger cannot be read: %s", strerrordesc_np(-r));
    engine_judge_clock(engine, false);
    if (!engine->sanity.held)
        plan_settle(engine->plan, engine->now.wall, &engine->ports.ledger);
    return r;
}

int engine_create(const struct engine_ports *ports, struct config *config, struct now now,
                  struct engine **ret, struct errtext *err)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return errtext_set(err, -ENOMEM, "out of memory");
    engine->ports = *ports;
    engine->sanity.built = ports->built;
    engine->now = now;
    engine->filed_tail = &engine->filed;
    engine->filed_flights_tail = &engine->filed_flights;
    engine->blocked_until = (struct mono){INT64_MIN};
    engine->send_from = mono_add_ns(now.mono, BUCKET_WINDOW_NS);
    int r = build(engine, config, err);
    if (r < 0) {
        engine_destroy(engine);
        return r;
    }
    *ret = engine;
    return 0;
}

void engine_destroy(struct engine *engine)
{
    if (engine == NULL)
        return;
    engine_drop_watches(engine);
    heap_finish(&engine->stale);
    heap_finish(&engine->deadlines);
    flights_finish(&engine->flights);
    run_pool_destroy(engine->pool);
    ongoings_finish(&engine->ongoings);
    open_slots_finish(&engine->open_slots);
    open_slots_finish(&engine->left_open);
    for (uint32_t i = 0; i < engine->lane_count; i++) {
        engine->lanes[i]->runs = 0; /* the pool dropped them */
        engine->lanes[i]->ready.count = 0;
        engine->lanes[i]->waiting.count = 0;
        for (int action = 0; action < INQUIRY_ACTIONS; action++)
            engine->lanes[i]->asks[action].due.count = 0;
        lane_destroy(engine->lanes[i]);
    }
    free((void *)engine->lanes);
    free((void *)engine->by_host);
    plan_destroy(engine->plan);
    requests_destroy(engine->requests);
    digest_destroy(engine->digest);
    counters_finish(&engine->counters);
    view_destroy(engine->view);
    config_unref(engine->config);
    free(engine);
}

/* ---- filing ---- */

static void file(struct engine *engine, struct run *run)
{
    if (run->is_filed)
        return;
    run->is_filed = true;
    run->filed_next = NULL;
    *engine->filed_tail = run;
    engine->filed_tail = &run->filed_next;
}

void engine_file_on_wire(struct engine *engine, uint64_t ticket, struct mono at)
{
    if ((ticket & INQUIRY_TICKET) != 0) {
        engine_file_flight_left(engine, ticket, at);
        return;
    }
    struct run *run = run_pool_find(engine->pool, ticket);
    if (run == NULL || run->state != ATTEMPT_SENDING || run->has_left || run->has_outcome)
        return;
    run->has_left = true;
    run->left_at = at;
    file(engine, run);
}

void engine_file_outcome(struct engine *engine, uint64_t ticket, const struct exchange *exchange,
                         struct mono at)
{
    if ((ticket & INQUIRY_TICKET) != 0) {
        engine_file_flight_outcome(engine, ticket, exchange, at);
        return;
    }
    struct run *run = run_pool_find(engine->pool, ticket);
    if (run == NULL || run->has_outcome
        || (run->state != ATTEMPT_SENDING && run->state != ATTEMPT_ON_WIRE))
        return;
    reply_judge(exchange, &run->verdict);
    run->has_outcome = true;
    run->outcome = exchange->kind;
    run->outcome_at = at;
    file(engine, run);
}

void engine_file_recorded(struct engine *engine, uint64_t ticket, int outcome)
{
    struct run *run = run_pool_find(engine->pool, ticket);
    if (run == NULL || run->has_recorded || run->state != ATTEMPT_RECORDING)
        return;
    run->has_recorded = true;
    run->recorded = outcome;
    file(engine, run);
}

int engine_record(struct engine *engine, const struct ledger_entry *entry)
{
    view_take(engine->view, entry);
    return engine->ports.ledger.append(engine->ports.ledger.context, entry);
}

/* ---- turning ---- */

void engine_watch_clocks(struct engine *engine, struct now now)
{
    bool jumped = false;
    if (engine->stepped) {
        int64_t wall_us = wall_diff_us(now.wall, engine->now.wall);
        int64_t mono_us = mono_diff_ns(now.mono, engine->now.mono) / NS_PER_US;
        int64_t jump_us = instant_sub_saturated(wall_us, mono_us);
        jumped = jump_us > JUMP_US || jump_us < -JUMP_US;
        if (jumped) {
            report_clock_jumped(&engine->ports.journal, jump_us);
            if (jump_us < 0)
                plan_step_back(engine->plan, now.wall);
            for (uint32_t i = 0; i < engine->lane_count; i++)
                engine->lanes[i]->skew_us = 0;
        }
    }
    engine->stepped = true;
    engine->now = now;
    engine_judge_clock(engine, jumped);
}

static bool has_filed(const struct engine *engine)
{
    return engine->filed != NULL || engine->filed_flights != NULL;
}

void engine_step(struct engine *engine, struct now now)
{
    engine_watch_clocks(engine, now);
    engine->again = false;
    engine_look_at_hindrances(engine);
    engine_take_filed(engine);
    if (!engine->sanity.held) {
        engine_open_slots(engine);
        engine_expire(engine);
        engine_dispatch(engine);
    }
    for (int i = 0; has_filed(engine) && i < FILED_ROUNDS_MAX; i++) {
        engine_take_filed(engine);
        if (!engine->sanity.held)
            engine_dispatch(engine);
    }
    if (has_filed(engine))
        engine->again = true;
}

static void wake_wall(struct wake *wake, struct wall at)
{
    wake->wall = wall_earlier(wake->wall, at);
}

static struct mono lane_ready_at(const struct engine *engine, const struct lane *lane,
                                 struct mono now)
{
    struct mono at = bucket_ready_at(&lane->bucket, now);
    struct mono allowed = engine_may_send_at(engine, lane, now);
    at = mono_before(at, allowed) ? allowed : at;
    return mono_before(at, engine->send_from) ? engine->send_from : at;
}

static void wake_lane(const struct engine *engine, const struct lane *lane, struct now now,
                      struct wake *wake)
{
    const struct heap_node *waiting = heap_top(&lane->waiting);
    if (waiting != NULL)
        wake->mono = mono_earlier(wake->mono, (struct mono){waiting->key});

    const struct batch *batch = lane_first_batch(lane);
    if (batch != NULL) {
        wake_wall(wake, wall_add_us(batch->head_due, batch->schedule->start_within_us));
        if (engine_wants_run(lane, batch, now.wall) && engine_has_run_place(engine, lane))
            wake_wall(wake, wall_add_us(batch->head_due, -ENGINE_PREPARE_US));
        else if (wall_before(now.wall, batch->head_due) && lane_wants_runs(lane, batch->head_due))
            wake_wall(wake, batch->head_due); /* those that are prepared are due after it */
    }

    engine_wake_for_inquiries(engine, lane, now.mono, wake);
    const struct heap_node *ready = heap_top(&lane->ready);
    if (ready == NULL)
        return;
    if (ready->key > now.wall.us)
        wake_wall(wake, (struct wall){ready->key});
    else if (engine_has_place(engine, lane))
        wake->mono = mono_earlier(wake->mono, lane_ready_at(engine, lane, now.mono));
}

struct wake engine_next_wake(const struct engine *engine, struct now now)
{
    struct wake wake = {wall_add_us(now.wall, ENGINE_SLEEP_MAX_US), MONO_NEVER};
    if (engine->again)
        return (struct wake){now.wall, now.mono};
    if (engine->draining)
        return wake;
    if (engine->sanity.held) {
        wake_wall(&wake, sanity_believed_from(&engine->sanity, plan_newest(engine->plan)));
        return wake;
    }
    struct wall next = plan_next_slot(engine->plan);
    wake_wall(&wake, wall_add_us(next, -ENGINE_PREPARE_US));
    const struct heap_node *deadline = heap_top(&engine->deadlines);
    if (deadline != NULL)
        wake_wall(&wake, (struct wall){deadline->key});
    const struct heap_node *stale = heap_top(&engine->stale);
    if (stale != NULL)
        wake_wall(&wake, (struct wall){stale->key});
    for (uint32_t i = 0; i < engine->lane_count; i++)
        wake_lane(engine, engine->lanes[i], now, &wake);
    if (mono_before(now.mono, engine->blocked_until)) {
        /* Nothing moves before: do not spin on what is due meanwhile. */
        wake.wall = wall_add_us(now.wall, ENGINE_SLEEP_MAX_US);
        wake.mono = engine->blocked_until;
    }
    return wake;
}

bool engine_is_idle(const struct engine *engine)
{
    return engine->in_flight == 0 && engine->flights.busy == 0 && !has_filed(engine);
}

struct view *engine_view(struct engine *engine)
{
    return engine->view;
}

struct wall engine_next_slot_of(const struct engine *engine, uint32_t schedule)
{
    return engine->draining ? WALL_NEVER : plan_next_slot_of(engine->plan, schedule);
}

struct engine_status engine_status(const struct engine *engine)
{
    struct engine_status status = engine->totals;
    status.in_flight = engine->in_flight + engine->flights.busy;
    status.watched = engine->stale.count;
    status.doubtful = engine->doubt_count;
    status.clock_held = engine->sanity.held;
    status.waiting = engine->run_count - engine->in_flight;
    for (uint32_t i = 0; i < engine->lane_count; i++)
        status.waiting += lane_backlog(engine->lanes[i]);
    status.next_slot = engine->draining ? WALL_NEVER : plan_next_slot(engine->plan);
    return status;
}

const struct counters *engine_counters(const struct engine *engine)
{
    return &engine->counters;
}

void engine_count_answer(struct engine *engine, enum counters_action action,
                         const struct verdict *verdict, int64_t duration_ns)
{
    counters_answer(&engine->counters, action, verdict, duration_ns);
}

void engine_count(struct engine *engine, const char *schedule, enum counters_outcome outcome,
                  uint64_t count)
{
    uint64_t *const totals[COUNTERS_OUTCOMES] = {
        [COUNTERS_SUBMITTED] = &engine->totals.submitted,
        [COUNTERS_SUCCEEDED] = &engine->totals.succeeded,
        [COUNTERS_FAILED] = &engine->totals.failed,
        [COUNTERS_UNKNOWN] = &engine->totals.unknown,
        [COUNTERS_MISSED] = &engine->totals.missed,
        [COUNTERS_SKIPPED] = &engine->totals.skipped,
    };
    *totals[outcome] += count;
    counters_end(&engine->counters, schedule, outcome, count);
}
