/*
 * Late: what a run waits for, and why one was not sent in time. Reads alone, but for the look once
 * a step at what holds everything up.
 *
 * What holds all up for half of a run's time or longer is the reason, whatever else it waited for:
 * without a clock, a ledger, keys or a host no question about an earlier backup leaves either. Then
 * comes an earlier backup, and only then the rate limit.
 */
#include "engine/engine_internal.h"

#include <string.h>

#define FAILED_BY_OTHER UINT16_MAX /* a code that is not in the table */
#define OTHER "other"

void engine_look_at_hindrances(struct engine *engine)
{
    hindrance_look(&engine->clock_wrong, engine->sanity.held, engine->now.wall);
    hindrance_look(&engine->ledger_away, engine->ledger_failed, engine->now.wall);
    hindrance_look(&engine->keys_away, engine->keys_failed, engine->now.wall);
    for (uint32_t i = 0; i < engine->lane_count; i++) {
        struct lane *lane = engine->lanes[i];
        hindrance_look(&lane->down, lane->breaker.opened > 0, engine->now.wall);
    }
}

void engine_note_watch(struct watch *watch, const struct verdict *verdict)
{
    size_t index;
    if (verdict->class == VERDICT_ACCEPTED)
        watch->failed = 0;
    else if (reply_code_find(verdict->code, &index))
        watch->failed = (uint16_t)(1 + index);
    else
        watch->failed = FAILED_BY_OTHER;
}

const char *engine_watch_code(const struct watch *watch)
{
    if (watch->failed == 0)
        return "";
    return watch->failed == FAILED_BY_OTHER ? OTHER : reply_code(watch->failed - 1U);
}

bool engine_earlier(const struct engine *engine, const struct run *run, struct earlier *ret)
{
    if (run->attempt > 0 || run->schedule->overlap == OVERLAP_ALLOW)
        return false;
    struct ongoing *before = engine_find_in_the_way(engine, run);
    if (before == NULL)
        return false;
    *ret = (struct earlier){.slot = before->slot, .code = ""};
    if (before->is_watch) {
        const struct watch *watch = HEAP_OWNER(before, struct watch, ongoing);
        ret->task_id = watch->task_id;
        ret->code = engine_watch_code(watch);
    }
    return true;
}

static const char *why_all_are_late(const struct engine *engine, const struct lane *lane,
                                    struct wall due, struct wall deadline)
{
    if (hindrance_filled(&engine->clock_wrong, due, deadline))
        return "clock";
    if (hindrance_filled(&engine->ledger_away, due, deadline))
        return "ledger";
    if (hindrance_filled(&engine->keys_away, due, deadline))
        return "keys";
    return hindrance_filled(&lane->down, due, deadline) ? "endpoint" : NULL;
}

void engine_end_late_member(struct engine *engine, struct lane *lane, const struct batch *batch)
{
    struct wall deadline = wall_add_us(batch->head_due, batch->schedule->start_within_us);
    const char *reason = why_all_are_late(engine, lane, batch->head_due, deadline);
    engine_end_member(engine, batch->open, batch_head(batch), LEDGER_MISSED,
                      reason != NULL ? reason : "start_within");
}

void engine_end_late_run(struct engine *engine, struct run *run)
{
    struct earlier earlier;
    const char *reason = why_all_are_late(engine, run->lane, run->due, run->deadline);
    if (run->verdict.code[0] != '\0') {
        engine_give_up(engine, run, "start_within"); /* its verdict says more */
    } else if (reason == NULL && engine_earlier(engine, run, &earlier)) {
        report_late(&engine->ports.journal, run, &earlier);
        engine_end_unsent(engine, run, LEDGER_MISSED, "earlier_backup",
                          strcmp(earlier.code, OTHER) == 0 ? "" : earlier.code);
    } else {
        engine_give_up(engine, run, reason != NULL ? reason : "start_within");
    }
}

const char *engine_why_passed(const struct engine *engine, struct wall slot)
{
    if (hindrance_held(&engine->clock_wrong, slot))
        return "clock";
    return hindrance_held(&engine->ledger_away, slot) ? "ledger" : NULL;
}
