/*
 * Backups that an earlier life was told of and did not see the end of. Each is watched again,
 * also where its member has left the file: it is asked for by the region that the ledger has kept.
 * Where that is not known it is said that nobody knows its end.
 *
 * The ledger may have very many of them, so the file's members go into a table by name, made when
 * the first one comes.
 */
#include "engine/recover_gone.h"

#include <errno.h>
#include <stdlib.h>

/* The instances of the file, to be found by name. */
struct known {
    struct ongoing node;
    const struct schedule *schedule;
    const struct instance *instance;
};

struct unfinished {
    struct engine *engine;
    struct ongoings table;
    struct known *list;
    struct gone gone;
    bool failed;
};

static bool know(struct unfinished *unfinished)
{
    const struct config *config = unfinished->engine->config;
    unfinished->list = calloc(config->instance_count + 1, sizeof *unfinished->list);
    if (unfinished->list == NULL)
        return false;
    struct known *known = unfinished->list;
    for (uint32_t i = 0; i < config->schedule_count; i++) {
        const struct schedule *schedule = &config->schedules[i];
        for (uint32_t j = 0; j < schedule->instance_count; j++, known++) {
            known->schedule = schedule;
            known->instance = &schedule->instances[j];
            known->node = (struct ongoing){
                .schedule = schedule->name, .instance = known->instance->id, .slot = {INT64_MIN}};
            if (ongoing_add(&unfinished->table, &known->node) < 0)
                return false;
        }
    }
    return true;
}

/* Where it is asked for, and for how long. Outcomes: 0; GONE_NOWHERE; negative. */
static int find_lane(struct unfinished *unfinished, struct submission *what, struct lane **ret)
{
    struct engine *engine = unfinished->engine;
    struct ongoing *node = ongoing_newest(&unfinished->table, what->schedule, what->instance);
    if (what->task_id <= 0)
        return GONE_NOWHERE;
    if (node != NULL) {
        const struct known *known = HEAP_OWNER(node, struct known, node);
        what->complete_within_us = known->schedule->complete_within_us;
        *ret = engine->by_host[known->instance->host];
        return 0;
    }
    const struct schedule *schedule = config_find_schedule(engine->config, what->schedule);
    what->complete_within_us =
        schedule != NULL ? schedule->complete_within_us : MODEL_COMPLETE_WITHIN_US;
    return gone_find_lane(&unfinished->gone, engine, what->region, ret);
}

static void watch_again(void *context, const struct ledger_row *row)
{
    struct unfinished *unfinished = context;
    struct engine *engine = unfinished->engine;
    if (unfinished->failed || (unfinished->list == NULL && !know(unfinished))) {
        unfinished->failed = true;
        return;
    }
    struct submission what = {
        .schedule = row->schedule,
        .instance = row->instance,
        .region = row->region,
        .slot = row->slot,
        .task_id = row->task_id,
        .attempt = row->attempt,
        .failures = row->retries,
        .kind = row->kind,
        .at = row->ended_at,
    };
    struct lane *lane = NULL;
    int r = find_lane(unfinished, &what, &lane);
    if (r == GONE_NOWHERE) {
        const struct verdict verdict = {.code = "Client.Removed",
                                        .message = "it is no longer in the file"};
        report_cannot_watch(&engine->ports.journal, &what, &verdict);
        engine_tell_finished(engine, &what, LEDGER_UNWATCHED, "", "");
        return;
    }
    if (r < 0 || engine_watch(engine, lane, &what, 0) < 0)
        unfinished->failed = true;
}

int engine_recover_watches(struct engine *engine)
{
    struct unfinished unfinished = {.engine = engine};
    const struct ledger *ledger = &engine->ports.ledger;
    if (ledger->unfinished == NULL)
        return 0;
    int r = ledger->unfinished(ledger->context, watch_again, &unfinished);
    if (r == 0 && unfinished.failed)
        r = -ENOMEM;
    ongoings_finish(&unfinished.table);
    gone_finish(&unfinished.gone);
    free(unfinished.list);
    return r;
}
