/*
 * Change: a new configuration, and the way out.
 *
 * A reload first takes up what has come by the old file: a slot passed while the host slept is the
 * old schedule's. What cannot be taken up, since it cannot be recorded or the clock is not
 * believed, is still to come where the new file has the schedule by the same rule, and missed with
 * a line where it has not. It makes the new plan and lanes and swaps them in only when all of it
 * stands. Open slots keep their old config, but for the host that they are sent to (move.c);
 * members and unsent runs whose instance is no longer in their schedule end as skipped, and so do
 * those in flight if their attempt comes to nothing.
 */
#include "engine/engine_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- lanes ---- */

static struct lane *find_lane(const struct engine *engine, const char *url)
{
    for (uint32_t i = 0; i < engine->lane_count; i++)
        if (strcmp(engine->lanes[i]->url, url) == 0)
            return engine->lanes[i];
    return NULL;
}

static int add_lane(struct engine *engine, const struct host *host, const struct config *config)
{
    struct lane **lanes =
        reallocarray((void *)engine->lanes, engine->lane_count + 1U, sizeof *lanes);
    if (lanes == NULL)
        return -ENOMEM;
    engine->lanes = lanes;
    int r = lane_create(host, config, &lanes[engine->lane_count]);
    if (r == 0)
        engine->lane_count++;
    return r;
}

int engine_get_lane(struct engine *engine, const struct host *host, struct lane **ret)
{
    int r = 0;
    if (find_lane(engine, host->url) == NULL)
        r = add_lane(engine, host, engine->config);
    if (r == 0)
        *ret = find_lane(engine, host->url);
    return r;
}

int engine_make_lanes(struct engine *engine, const struct config *config, struct lane ***ret)
{
    struct lane **by_host = calloc(config->host_count + 1U, sizeof *by_host);
    if (by_host == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < config->host_count; i++) {
        int r = 0;
        if (find_lane(engine, config->hosts[i].url) == NULL)
            r = add_lane(engine, &config->hosts[i], config);
        if (r < 0) {
            free((void *)by_host);
            return r;
        }
        by_host[i] = find_lane(engine, config->hosts[i].url);
    }
    *ret = by_host;
    return 0;
}

static void configure_lanes(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->lane_count; i++)
        lane_configure(engine->lanes[i], engine->config);
}

/*
 * Lanes that the new config does not have and that nothing waits for. One that has sent within the
 * last second stays till the next reload: if that brings its host back, those requests still count.
 */
static void drop_lanes(struct engine *engine)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < engine->lane_count; i++) {
        struct lane *lane = engine->lanes[i];
        bool wanted = !lane_is_quiet(lane, engine->now.mono);
        for (uint32_t j = 0; !wanted && j < engine->config->host_count; j++)
            wanted = engine->by_host[j] == lane;
        if (wanted)
            engine->lanes[kept++] = lane;
        else
            lane_destroy(lane);
    }
    engine->lane_count = kept;
}

/* ---- who is still there ---- */

#define EXPECTED_WITHIN 4 /* places that are looked at before the view's table is asked */

struct filter {
    struct engine *engine;
    const struct schedule *old; /* the last one that was looked up, and its successor */
    const struct schedule *successor;
    uint32_t number;   /* of that */
    uint32_t expected; /* where the next one stands in it, if the file has hardly changed */
    bool *stays; /* of each instance of `old`; NULL: each is looked for when it is asked for */
};

static void find_successor(struct filter *filter, const struct schedule *old)
{
    const struct engine *engine = filter->engine;
    if (filter->old == old)
        return;
    free(filter->stays);
    *filter = (struct filter){.engine = filter->engine, .old = old};
    if (view_find_schedule(engine->view, old->name, &filter->number) == 0)
        filter->successor = &engine->config->schedules[filter->number];
}

static bool is_expected(struct filter *filter, const char *id)
{
    const struct schedule *schedule = filter->successor;
    for (uint32_t i = filter->expected; i < schedule->instance_count; i++) {
        if (i - filter->expected == EXPECTED_WITHIN)
            return false;
        if (strcmp(schedule->instances[i].id, id) == 0) {
            filter->expected = i + 1;
            return true;
        }
    }
    return false;
}

static bool is_member(struct filter *filter, const char *id)
{
    uint32_t instance;
    if (is_expected(filter, id))
        return true;
    if (view_find_instance(filter->engine->view, filter->number, id, &instance) != 0)
        return false;
    filter->expected = instance + 1;
    return true;
}

/*
 * In the file's order nearly everybody stands right behind the one before, in both files, which
 * the caches like better than a table: this takes a quarter of looking each up.
 */
static void mark_all(struct filter *filter)
{
    const struct schedule *old = filter->old;
    filter->stays = malloc(old->instance_count * sizeof *filter->stays);
    for (uint32_t i = 0; filter->stays != NULL && i < old->instance_count; i++)
        filter->stays[i] = is_member(filter, old->instances[i].id);
}

static const char *why_not(void *context, const struct schedule *old,
                           const struct instance *instance, enum ledger_kind kind, uint32_t left)
{
    struct filter *filter = context;
    find_successor(filter, old);
    if (filter->successor == NULL)
        return "removed";
    if (filter->successor->paused && kind != LEDGER_KIND_OPERATOR)
        return "paused";
    if (filter->stays == NULL && left > old->instance_count / 2)
        mark_all(filter);
    bool stays = filter->stays != NULL ? filter->stays[instance - old->instances]
                                       : is_member(filter, instance->id);
    return stays ? NULL : "removed";
}

static void drop_member(void *context, const struct batch *batch, const struct instance *instance,
                        const char *reason)
{
    struct filter *filter = context;
    engine_end_member(filter->engine, batch->open, instance, LEDGER_SKIPPED, reason);
}

static bool is_unsent(const struct run *run)
{
    return run->state == ATTEMPT_RECORDING || run->state == ATTEMPT_READY
           || run->state == ATTEMPT_WAITING;
}

static void drop_removed(struct engine *engine)
{
    struct filter filter = {.engine = engine};
    for (uint32_t i = 0; i < engine->lane_count; i++)
        if (lane_filter(engine->lanes[i], engine->digest, &filter, why_not, drop_member) < 0)
            break;
    size_t position = 0;
    for (struct run *run; (run = run_pool_next(engine->pool, &position)) != NULL;) {
        if (run->open->forsaken != NULL)
            continue; /* whatever the file says now: it is only looked for */
        const char *reason = why_not(&filter, run->schedule, run->instance, run->kind, 1);
        run->dropped = reason;
        if (reason == NULL || !is_unsent(run))
            continue;
        engine_drop(engine, run, reason);
    }
    free(filter.stays);
}

/* What the new config needs beside the view: all of it, or nothing has changed. */
static int make_parts(struct engine *engine, const struct config *config, struct wall now,
                      struct plan **ret)
{
    struct plan *plan;
    struct lane **by_host = NULL;
    int r = plan_create(config, engine->plan, &engine->ports.ledger, now, &plan);
    if (r < 0)
        return r;
    r = engine_make_lanes(engine, config, &by_host);
    if (r == 0)
        r = counters_configure(&engine->counters, config);
    if (r == 0 && engine->sanity.held)
        r = plan_leave_later(engine->plan, plan, engine->config, engine->now.mono);
    if (r < 0) {
        free((void *)by_host);
        plan_destroy(plan);
        return r;
    }
    free((void *)engine->by_host);
    engine->by_host = by_host;
    *ret = plan;
    return 0;
}

/* All that has come, however many they are. */
static void take_up(struct engine *engine)
{
    bool again = engine->again;
    do {
        engine->again = false;
        engine_open_slots(engine);
    } while (engine->again);
    engine->again = again;
}

int engine_reload(struct engine *engine, struct config *config, struct view *view_take,
                  struct now now)
{
    struct view *view = view_take;
    struct plan *plan = NULL;
    engine_watch_clocks(engine, now);
    if (!engine->sanity.held)
        take_up(engine);
    int r = view != NULL ? 0 : view_prepare(config, engine->view, now.wall, &view);
    if (r == 0)
        r = make_parts(engine, config, now.wall, &plan);
    if (r < 0) {
        view_destroy(view);
        return r;
    }
    if (!engine->sanity.held)
        plan_leave(engine->plan, plan, now.wall, &engine->ports.ledger, engine_pass_slots, engine);
    view_begin(view, engine->view);
    view_destroy(engine->view);
    engine->view = view;
    plan_destroy(engine->plan);
    engine->plan = plan;
    if (!engine->sanity.held)
        plan_settle(plan, now.wall, &engine->ports.ledger);
    struct config *old = engine->config;
    engine->config = config_ref(config);
    config_unref(old);
    configure_lanes(engine);
    drop_removed(engine);
    if (view_moved(engine->view) > 0)
        engine_move(engine); /* who is new may have been there once */
    drop_lanes(engine);
    return 0;
}

/* ---- the way out ---- */

/* What a durable ledger keeps is taken up again by the next start: nothing ends here. */
static void put_back(struct engine *engine)
{
    size_t position = 0;
    for (struct open_slot *open = engine->open_slots.first; open != NULL; open = open->next)
        if (open->forsaken == NULL)
            report_slot_interrupted(&engine->ports.journal, open);
    for (struct run *run; (run = run_pool_next(engine->pool, &position)) != NULL;)
        if (is_unsent(run) || run->state == ATTEMPT_DOUBTFUL)
            engine_put_back(engine, run);
}

static void give_up(struct engine *engine)
{
    size_t position = 0;
    for (struct run *run; (run = run_pool_next(engine->pool, &position)) != NULL;)
        if (is_unsent(run))
            engine_give_up(engine, run, "stopping");
        else if (run->state == ATTEMPT_DOUBTFUL)
            engine_end_unknown(engine, run);
    for (uint32_t i = 0; i < engine->lane_count; i++) {
        struct lane *lane = engine->lanes[i];
        for (struct batch *batch; (batch = lane_first_batch(lane)) != NULL;) {
            engine_end_member(engine, batch->open, batch_head(batch), LEDGER_MISSED, "stopping");
            lane_advance(lane, engine->digest, batch);
        }
    }
}

void engine_drain(struct engine *engine, struct now now)
{
    engine_watch_clocks(engine, now);
    if (engine->draining)
        return;
    engine->draining = true;
    engine_cancel_flights(engine);
    if (engine->ports.ledger.durable)
        put_back(engine);
    else
        give_up(engine);
}
