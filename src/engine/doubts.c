/*
 * Doubts: what the looks of lookup.h ask, and what follows from them.
 *
 * Happy path: a look a second after the loss, more at growing distances; the run ends as submitted
 * with the task that was found, or waits for its next attempt when nothing was there after the
 * settling time. Failure paths: an answer that does not come is asked for again; without any
 * certainty the schedule's on_unknown decides: it is sent again, or looked for, ever more rarely,
 * until it is too late to send it.
 */
#include "engine/engine_internal.h"

#include <stdlib.h>
#include <string.h>

void engine_end_unknown(struct engine *engine, struct run *run)
{
    report_failed(&engine->ports.journal, run, "unknown");
    engine_end_run(engine, run, LEDGER_UNKNOWN);
}

void engine_free_doubt(struct engine *engine, struct run *run)
{
    if (run->doubt == NULL)
        return;
    engine_stop_asking(&run->doubt->ask);
    free(run->doubt);
    run->doubt = NULL;
    engine->doubt_count--;
}

/*
 * When it may have left at the earliest, by our clock as it is now: that may have been set since.
 * In this life the other clock tells how long ago it was. An earlier life's clock may have been
 * ahead without a sign; where it was for certain, nobody knows how far: a day is looked through.
 */
static struct wall sent_from(const struct engine *engine, const struct doubt *doubt)
{
    struct now now = engine->now;
    if (doubt->sent_at.ns != 0) {
        int64_t ago_us = mono_diff_ns(now.mono, doubt->sent_at) / NS_PER_US;
        return wall_earlier(doubt->sent, wall_add_us(now.wall, -ago_us));
    }
    if (wall_before(now.wall, doubt->sent))
        return wall_add_us(now.wall, -SECONDS_PER_DAY * US_PER_SECOND);
    return wall_add_us(doubt->sent, -LOOKUP_AHEAD_S * US_PER_SECOND);
}

static void look(struct engine *engine, struct doubt *doubt, int64_t delay_us)
{
    int64_t offset_us = doubt->ask.lane->offset_us;
    struct wall sent = wall_add_us(sent_from(engine, doubt), offset_us < 0 ? offset_us : 0);
    lookup_begin(doubt, mono_add_ns(engine->now.mono, delay_us * NS_PER_US), wall_seconds(sent),
                 wall_seconds(wall_add_us(engine->now.wall, offset_us)));
    engine_ask(engine, &doubt->ask, INQUIRY_TASKS, delay_us);
}

/* What was looked at so far may be half of a list: from the start, where the run is now. */
void engine_doubt_elsewhere(struct engine *engine, struct doubt *doubt, int64_t delay_us)
{
    engine_stop_asking(&doubt->ask);
    doubt->ask.lane = doubt->run->lane;
    look(engine, doubt, delay_us);
}

static bool may_resend(const struct run *run)
{
    return run->schedule->on_unknown == ON_UNKNOWN_RESEND && run->dropped == NULL;
}

static int64_t patience_us(const struct engine *engine, const struct run *run)
{
    int64_t settle_us = engine->config->settle_us;
    int64_t half_us = run->schedule->start_within_us / 2;
    int64_t most_us = LOOKUP_PATIENCE * settle_us;
    if (!may_resend(run) || half_us > most_us)
        return most_us;
    return half_us > settle_us ? half_us : settle_us;
}

void engine_doubt(struct engine *engine, struct run *run)
{
    struct lane *lane = run->lane;
    bool of_this_life = run->state != ATTEMPT_NEW;
    run->state = attempt_move(run->state, ATTEMPT_DOUBT);
    struct doubt *doubt = calloc(1, sizeof *doubt);
    if (doubt == NULL || !engine_may_ask(lane, INQUIRY_TASKS, lane->runs)
        || !engine_may_ask(lane, INQUIRY_BACKUPS, lane->runs)
        || tag_make(engine->digest, run->schedule->name, run->instance->id, run->slot, doubt->tag)
               < 0) {
        free(doubt);
        engine_end_unknown(engine, run);
        return;
    }
    doubt->ask.lane = lane;
    doubt->run = run;
    doubt->sent = run->started_at;
    doubt->sent_at = of_this_life ? run->sent_at : (struct mono){0};
    doubt->sent_s = INT64_MAX;
    doubt->lost_at = engine->now.mono;
    doubt->patience_us = patience_us(engine, run);
    run->doubt = doubt;
    engine->doubt_count++;
    look(engine, doubt, lookup_delay_us(doubt, engine->config->settle_us, engine->now.mono));
}

static void adopt(struct engine *engine, struct run *run, int64_t task_id)
{
    bool done = run->doubt->landed && run->doubt->landed_status > 1;
    run->verdict = (struct verdict){.class = VERDICT_ACCEPTED, .task_id = task_id};
    engine_submit(engine, run, "lookup", done);
}

static void send_again(struct engine *engine, struct run *run)
{
    if (run->dropped != NULL) {
        engine_drop(engine, run, run->dropped);
        return;
    }
    if (!wall_before(engine->now.wall, run->deadline)) {
        report_failed(&engine->ports.journal, run, "start_within");
        engine_end_run(engine, run, LEDGER_FAILED);
        return;
    }
    engine_tell_again(engine, run);
    report_retry(&engine->ports.journal, run, 0);
    counters_retry(&engine->counters, run->schedule->name);
    engine_free_doubt(engine, run);
    engine_wait(engine, run, 0);
}

/* Nothing was found out for long. While it is not too late the cloud may yet tell. */
static void give_up(struct engine *engine, struct run *run)
{
    struct doubt *doubt = run->doubt;
    int64_t left_us = wall_diff_us(run->deadline, engine->now.wall);
    /* One that may not be sent again would end as if nothing could have landed. */
    if (left_us <= 0)
        engine_end_unknown(engine, run);
    else if (may_resend(run))
        send_again(engine, run);
    else
        look(engine, doubt, lookup_later_us(doubt, left_us, engine->now.mono));
}

static void conclude(struct engine *engine, struct run *run, enum lookup_result result,
                     int64_t task_id)
{
    struct doubt *doubt = run->doubt;
    switch (result) {
    case LOOKUP_AGAIN:
        look(engine, doubt, lookup_delay_us(doubt, engine->config->settle_us, engine->now.mono));
        break;
    case LOOKUP_LANDED:
        adopt(engine, run, task_id);
        break;
    case LOOKUP_NOT_THERE:
        send_again(engine, run);
        break;
    case LOOKUP_NOT_KNOWN:
        give_up(engine, run);
        break;
    }
}

/* No answer that could be read: asked again, unless it has been tried for long enough. */
static void miss(struct engine *engine, struct doubt *doubt, const struct flight *flight)
{
    struct run *run = doubt->run;
    int64_t waited_us = mono_diff_ns(engine->now.mono, doubt->lost_at) / NS_PER_US;
    if (waited_us >= doubt->patience_us
        && (doubt->looks >= LOOKUP_LOOKS_MIN || may_resend(run)
            || !wall_before(engine->now.wall, run->deadline))) {
        conclude(engine, run, LOOKUP_NOT_KNOWN, 0);
        return;
    }
    doubt->offset = 0;
    int64_t delay_us = waited_us / 4;
    delay_us = delay_us < US_PER_SECOND ? US_PER_SECOND : delay_us;
    delay_us = delay_us > 30 * US_PER_SECOND ? 30 * US_PER_SECOND : delay_us;
    if (flight->verdict.class == VERDICT_FINAL && !engine->refusal.held && !doubt->told) {
        report_cannot_look(&engine->ports.journal, run, &flight->verdict);
        doubt->told = true;
    }
    look(engine, doubt, delay_us);
}

void engine_doubt_answered(struct engine *engine, struct doubt *doubt, const struct flight *flight)
{
    if (flight->verdict.class != VERDICT_ACCEPTED) {
        miss(engine, doubt, flight);
        return;
    }
    if (flight->action == INQUIRY_TASKS) {
        bool more = lookup_take_tasks(doubt, &flight->page.tasks);
        engine_ask(engine, &doubt->ask, more ? INQUIRY_TASKS : INQUIRY_BACKUPS, 0);
        return;
    }
    if (lookup_take_backups(doubt, &flight->page.backups)) {
        engine_ask(engine, &doubt->ask, INQUIRY_BACKUPS, 0);
        return;
    }
    int64_t task_id = 0;
    enum lookup_result result =
        lookup_judge(doubt, engine->config->settle_us, engine->now.mono, &task_id);
    conclude(engine, doubt->run, result, task_id);
}
