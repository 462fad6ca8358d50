/*
 * Change: a new configuration, and the way out.
 *
 * A reload first takes up what has come by the old file: a slot passed while the host slept is the
 * old schedule's. It makes the new plan and lanes and swaps them in only when all of it stands.
 * Open slots keep their old config; members and unsent runs whose instance is no longer in their
 * schedule end as skipped, and so do those in flight if their attempt comes to nothing.
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

int engine_make_lanes(struct engine *engine, const struct config *config)
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
    free((void *)engine->by_host);
    engine->by_host = by_host;
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

/* The ids of one schedule of the new config, sorted; made when first asked for. */
struct members {
    const struct schedule *schedule;
    const char **ids;
};

struct filter {
    struct engine *engine;
    struct members *of;         /* one a schedule of the new config */
    bool failed;                /* memory ran out: everybody may stay */
    const struct schedule *old; /* the last one that was looked up, and its successor */
    const struct schedule *successor;
};

static int compare_ids(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(*x, *y);
}

static bool sort_members(struct members *members)
{
    uint32_t count = members->schedule->instance_count;
    members->ids = malloc((count + 1U) * sizeof *members->ids);
    if (members->ids == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        members->ids[i] = members->schedule->instances[i].id;
    qsort((void *)members->ids, count, sizeof *members->ids, compare_ids);
    return true;
}

static const char *why_not(void *context, const struct schedule *old,
                           const struct instance *instance, enum ledger_kind kind)
{
    struct filter *filter = context;
    const struct config *config = filter->engine->config;
    if (filter->old != old)
        filter->successor = config_find_schedule(config, old->name);
    filter->old = old;
    const struct schedule *schedule = filter->successor;
    if (filter->failed)
        return NULL;
    if (schedule == NULL)
        return "removed";
    if (schedule->paused && kind != LEDGER_KIND_OPERATOR)
        return "paused";
    struct members *members = &filter->of[schedule - config->schedules];
    members->schedule = schedule;
    if (members->ids == NULL && !sort_members(members)) {
        filter->failed = true;
        return NULL;
    }
    const void *found = bsearch(&instance->id, (void *)members->ids, schedule->instance_count,
                                sizeof *members->ids, compare_ids);
    return found == NULL ? "removed" : NULL;
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
    filter.of = calloc(engine->config->schedule_count + 1U, sizeof *filter.of);
    if (filter.of == NULL)
        return; /* they go on as before: no backup is lost by it */
    for (uint32_t i = 0; i < engine->lane_count; i++)
        if (lane_filter(engine->lanes[i], engine->digest, &filter, why_not, drop_member) < 0)
            break;
    size_t position = 0;
    for (struct run *run; (run = run_pool_next(engine->pool, &position)) != NULL;) {
        if (run->open->forsaken != NULL)
            continue; /* whatever the file says now: it is only looked for */
        const char *reason = why_not(&filter, run->schedule, run->instance, run->kind);
        run->dropped = reason;
        if (reason == NULL || !is_unsent(run))
            continue;
        engine_drop(engine, run, reason);
    }
    for (uint32_t i = 0; i < engine->config->schedule_count; i++)
        free((void *)filter.of[i].ids);
    free(filter.of);
}

int engine_reload(struct engine *engine, struct config *config, struct now now)
{
    struct plan *plan;
    struct view *view = NULL;
    engine_watch_clocks(engine, now);
    if (!engine->sanity.held)
        engine_open_slots(engine);
    int r = plan_create(config, engine->plan, &engine->ports.ledger, now.wall, &plan);
    if (r < 0)
        return r;
    r = engine_make_lanes(engine, config);
    if (r == 0)
        r = view_create(config, engine->view, now.wall, &view);
    if (r == 0)
        r = counters_configure(&engine->counters, config);
    if (r < 0) {
        view_destroy(view);
        plan_destroy(plan);
        return r;
    }
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
