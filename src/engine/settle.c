/*
 * Settle: what the ports filed becomes decisions and ends. Nothing else changes a run that is with
 * the ledger or the transport.
 */
#include "engine/engine_internal.h"

#include <assert.h>

#define SKEW_ROOM_SECONDS (INT64_C(100) * 366 * SECONDS_PER_DAY)
#define LEDGER_RETRY_US (2 * US_PER_SECOND)

static void leave_queues(struct engine *engine, struct run *run)
{
    struct lane *lane = run->lane;
    if (heap_node_is_queued(&run->queue))
        heap_remove(run->state == ATTEMPT_WAITING ? &lane->waiting : &lane->ready, &run->queue);
    if (heap_node_is_queued(&run->deadline_node))
        heap_remove(&engine->deadlines, &run->deadline_node);
    if (run->state == ATTEMPT_RECORDING || run->state == ATTEMPT_READY)
        lane->unsent--;
}

/* A run that ends on its own time may still stand in the list of filed ones. */
static void unfile(struct engine *engine, struct run *run)
{
    if (!run->is_filed)
        return;
    struct run **link = &engine->filed;
    while (*link != run)
        link = &(*link)->filed_next;
    *link = run->filed_next;
    if (engine->filed_tail == &run->filed_next)
        engine->filed_tail = link;
    run->is_filed = false;
}

void engine_member_ended(struct engine *engine, struct open_slot *open)
{
    open->members--;
    if (open->members > 0)
        return;
    if (open->forsaken == NULL && open->incomplete) {
        open_slot_move(&engine->open_slots, open, &engine->left_open);
        return;
    }
    /* One that is not taken is found by the next start, which ends it. */
    if (open->forsaken == NULL && !open->ended)
        (void)!open_slot_tell(open, &engine->ports.ledger, LEDGER_ENDED, engine->now.wall);
    open_slot_remove(&engine->open_slots, open);
}

static void count_end(struct engine *engine, const struct schedule *schedule,
                      enum ledger_result result)
{
    switch (result) {
    case LEDGER_SUBMITTED:
        engine_count(engine, schedule->name, COUNTERS_SUBMITTED, 1);
        break;
    case LEDGER_FAILED:
        engine_count(engine, schedule->name, COUNTERS_FAILED, 1);
        break;
    case LEDGER_UNKNOWN:
        engine_count(engine, schedule->name, COUNTERS_UNKNOWN, 1);
        break;
    case LEDGER_SKIPPED:
        engine_count(engine, schedule->name, COUNTERS_SKIPPED, 1);
        break;
    case LEDGER_MISSED:
        engine_count(engine, schedule->name, COUNTERS_MISSED, 1);
        break;
    case LEDGER_AGAIN:
        break;
    }
}

static void free_run(struct engine *engine, struct run *run)
{
    struct open_slot *open = run->open;
    run->lane->runs--;
    engine->run_count--;
    engine_free_doubt(engine, run);
    ongoing_remove(&engine->ongoings, &run->ongoing);
    run_pool_give(engine->pool, run);
    if (open != NULL)
        engine_member_ended(engine, open);
}

/* An end that is not taken leaves its slot to the next start, or nobody would see that. */
static void record_end(struct engine *engine, struct open_slot *open,
                       const struct ledger_entry *entry)
{
    if (engine_record(engine, entry) < 0)
        open->incomplete = true;
}

void engine_tell_again(struct engine *engine, const struct run *run)
{
    /* Without its slot nobody would find it: its attempt is then left without an end. */
    if (open_slot_keep(run->open, &engine->ports.ledger, engine->now.wall) < 0)
        return;
    const struct ledger_entry entry = {
        .kind = LEDGER_ENDED,
        .schedule = run->schedule->name,
        .instance = run->instance->id,
        .region = run->instance->region,
        .slot = run->slot,
        .attempt = run->attempt,
        .run_kind = run->kind,
        .retries = run->failures,
        .result = LEDGER_AGAIN,
        .code = run->verdict.code,
        .message = run->verdict.message,
        .request_id = run->verdict.request_id,
        .at = engine->now.wall,
    };
    (void)!engine_record(engine, &entry);
}

void engine_end_run(struct engine *engine, struct run *run, enum ledger_result result)
{
    leave_queues(engine, run);
    unfile(engine, run);
    run->state = run->state == ATTEMPT_NEW ? ATTEMPT_ENDED : attempt_move(run->state, ATTEMPT_END);
    const struct ledger_entry entry = {
        .kind = LEDGER_ENDED,
        .schedule = run->schedule->name,
        .instance = run->instance->id,
        .region = run->instance->region,
        .slot = run->slot,
        .attempt = run->attempt,
        .run_kind = run->kind,
        .retries = run->failures,
        .result = result,
        .task_id = result == LEDGER_SUBMITTED ? run->verdict.task_id : 0,
        .code = run->verdict.code,
        .message = run->verdict.message,
        .request_id = run->verdict.request_id,
        .at = engine->now.wall,
    };
    record_end(engine, run->open, &entry);
    count_end(engine, run->schedule, result);
    free_run(engine, run);
}

void engine_put_back(struct engine *engine, struct run *run)
{
    bool told = run->state == ATTEMPT_RECORDING || run->state == ATTEMPT_READY;
    leave_queues(engine, run);
    unfile(engine, run);
    if (told)
        engine_tell_again(engine, run);
    run->state = attempt_move(run->state, ATTEMPT_END);
    run->open = NULL; /* its slot stays open in the ledger */
    free_run(engine, run);
}

/* Why nothing was sent takes the place of what an earlier attempt was told. */
void engine_end_unsent(struct engine *engine, struct run *run, enum ledger_result result,
                       const char *reason, const char *code)
{
    struct text message = text_over(run->verdict.message, sizeof run->verdict.message);
    text_add(&message, reason);
    if (code[0] != '\0') {
        struct text t = text_over(run->verdict.code, sizeof run->verdict.code);
        text_add(&t, code);
    }
    engine_end_run(engine, run, result);
}

void engine_give_up(struct engine *engine, struct run *run, const char *reason)
{
    if (run->verdict.code[0] != '\0') {
        report_failed(&engine->ports.journal, run, reason);
        engine_end_run(engine, run, LEDGER_FAILED);
    } else {
        report_not_run(&engine->ports.journal, "backup_missed", run->schedule, run->instance,
                       run->slot, reason);
        engine_end_unsent(engine, run, LEDGER_MISSED, reason, "");
    }
}

void engine_drop(struct engine *engine, struct run *run, const char *reason)
{
    report_not_run(&engine->ports.journal, "backup_skipped", run->schedule, run->instance,
                   run->slot, reason);
    engine_end_unsent(engine, run, LEDGER_SKIPPED, reason, "");
}

void engine_end_member(struct engine *engine, struct open_slot *open,
                       const struct instance *instance, enum ledger_result result,
                       const char *reason)
{
    bool skipped = result == LEDGER_SKIPPED;
    const struct ledger_entry entry = {
        .kind = LEDGER_ENDED,
        .schedule = open->schedule->name,
        .instance = instance->id,
        .region = instance->region,
        .slot = open->slot,
        .run_kind = open->kind,
        .result = result,
        .code = "",
        .message = reason,
        .request_id = "",
        .at = engine->now.wall,
    };
    record_end(engine, open, &entry);
    count_end(engine, open->schedule, result);
    report_not_run(&engine->ports.journal, skipped ? "backup_skipped" : "backup_missed",
                   open->schedule, instance, open->slot, reason);
    engine_member_ended(engine, open);
}

static void take_recorded(struct engine *engine, struct run *run)
{
    run->has_recorded = false;
    if (run->recorded < 0) {
        if (!engine->ledger_failed) /* the others' lines would say the same */
            report_cannot_record(&engine->ports.journal, run->schedule, run->slot, run->recorded);
        engine->ledger_failed = true;
        run->lane->unsent--;
        run->attempt--; /* it was never made */
        engine_wait(engine, run, LEDGER_RETRY_US);
        return;
    }
    engine->ledger_failed = false;
    run->state = attempt_move(run->state, ATTEMPT_RECORDED);
    run->ready_at = engine->now.mono;
    int r = heap_push(&run->lane->ready, &run->queue, run->due.us);
    assert(r == 0); /* a place was reserved when the run began */
}

static void take_left(struct run *run)
{
    run->has_left = false;
    run->state = attempt_move(run->state, ATTEMPT_LEAVE);
    bucket_confirm(&run->lane->bucket, run->left_at);
    run->owes_token = false;
}

/* Whether the host lives. A gateway that has nothing behind it is as good as dead. */
static void judge_endpoint(struct engine *engine, struct lane *lane, const struct verdict *verdict,
                           bool answered, uint32_t probe)
{
    bool alive = answered && verdict->http_status < 500;
    uint64_t bits = engine->ports.chance.next(engine->ports.chance.context);
    enum breaker_change change =
        breaker_judge(&lane->breaker, engine->now.mono, alive, probe, bits);
    if (change != BREAKER_SAME)
        report_endpoint(&engine->ports.journal, lane, change == BREAKER_CLOSED, verdict);
    if (probe != 0)
        engine_note_probe_end(engine, lane);
}

void engine_learn(struct engine *engine, struct lane *lane, struct bucket *bucket,
                  const char *action, const struct verdict *verdict, bool answered, uint32_t probe)
{
    judge_endpoint(engine, lane, verdict, answered, probe);
    if (verdict->class == VERDICT_THROTTLED
        && bucket_throttle(bucket, engine->now.mono, verdict->limit))
        report_throttled(&engine->ports.journal, lane, bucket, action, verdict, engine->now.mono);
    /*
     * The header has whole seconds: the middle of the second is the best guess. A date that leaves
     * no room behind it is nonsense, and no stamp could be made of it.
     */
    if (verdict->date_second >= 0 && verdict->date_second <= WALL_MAX_SECOND - SKEW_ROOM_SECONDS) {
        struct wall cloud = wall_add_us(wall_from_seconds(verdict->date_second), US_PER_SECOND / 2);
        lane->offset_us = wall_diff_us(cloud, engine->now.wall);
        if (verdict->class == VERDICT_CLOCK)
            lane->skew_us = lane->offset_us;
    }
}

void engine_submit(struct engine *engine, struct run *run, const char *found, bool done)
{
    const struct submission what = {
        .schedule = run->schedule->name,
        .instance = run->instance->id,
        .region = run->instance->region,
        .slot = run->slot,
        .task_id = run->verdict.task_id,
        .attempt = run->attempt,
        .failures = run->failures,
        .kind = run->kind,
        .at = engine->now.wall,
        .complete_within_us = run->schedule->complete_within_us,
    };
    struct open_slot *open = run->open;
    report_submitted(&engine->ports.journal, run, found);
    bool watched = what.task_id != 0 && engine_watch(engine, run->lane, &what, WATCH_FIRST_US) == 0;
    open->members++; /* it and its names live till the last line of this */
    engine_end_run(engine, run, LEDGER_SUBMITTED);
    if (!watched && what.task_id != 0) {
        /* It stays open in the ledger. */
        const struct verdict verdict = {.code = "Client.Memory",
                                        .message = "no memory to follow it: the next start does"};
        report_cannot_watch(&engine->ports.journal, &what, &verdict);
    } else if (!watched) {
        const struct verdict verdict = {.code = "Client.NoTask",
                                        .message = "its backup is there, its task is not listed"};
        if (done) {
            report_succeeded(&engine->ports.journal, &what, 0);
            engine_count(engine, what.schedule, COUNTERS_SUCCEEDED, 1);
        } else {
            report_cannot_watch(&engine->ports.journal, &what, &verdict);
        }
        engine_tell_finished(engine, &what, done ? LEDGER_SUCCEEDED : LEDGER_UNWATCHED, "", "");
    }
    engine_member_ended(engine, open);
}

/* The next start takes it up. */
static void leave_unended(struct engine *engine, struct run *run)
{
    leave_queues(engine, run);
    run->state = attempt_move(run->state, ATTEMPT_END);
    run->open = NULL;
    free_run(engine, run);
}

static void decide(struct engine *engine, struct run *run)
{
    const struct journal *journal = &engine->ports.journal;
    int64_t left_us = wall_diff_us(run->deadline, engine->now.wall);
    uint64_t bits = engine->ports.chance.next(engine->ports.chance.context);
    int64_t delay_us;
    enum attempt_decision decision =
        attempt_decide(&run->verdict, run->attempt, left_us, bits, &delay_us);
    if (decision == ATTEMPT_FAILED && engine_await_keys(engine, run, left_us, &delay_us))
        decision = ATTEMPT_RETRY;
    switch (decision) {
    case ATTEMPT_SUBMITTED:
        engine_submit(engine, run, NULL, false);
        break;
    case ATTEMPT_UNKNOWN:
        report_unknown(journal, run);
        if (!engine->draining)
            engine_doubt(engine, run);
        else if (engine->ports.ledger.durable)
            leave_unended(engine, run);
        else
            engine_end_unknown(engine, run);
        break;
    case ATTEMPT_FAILED:
        report_failed(journal, run, "refused");
        engine_end_run(engine, run, LEDGER_FAILED);
        break;
    case ATTEMPT_EXPIRED:
        report_failed(journal, run, "start_within");
        engine_end_run(engine, run, LEDGER_FAILED);
        break;
    case ATTEMPT_RETRY:
        if (run->dropped != NULL) {
            engine_drop(engine, run, run->dropped);
            break;
        }
        if (engine->draining && !engine->ports.ledger.durable) {
            engine_give_up(engine, run, "stopping");
            break;
        }
        engine_tell_again(engine, run);
        if (engine->draining) {
            engine_put_back(engine, run);
            break;
        }
        report_retry(journal, run, delay_us);
        counters_retry(&engine->counters, run->schedule->name);
        engine_wait(engine, run, delay_us);
        break;
    }
}

static void take_outcome(struct engine *engine, struct run *run)
{
    run->has_outcome = false;
    engine->in_flight--;
    run->lane->in_flight--;
    if (run->owes_token && run->outcome == EXCHANGE_NOT_SENT)
        bucket_return(&run->lane->bucket);
    else if (run->owes_token)
        bucket_confirm(&run->lane->bucket, run->outcome_at);
    run->owes_token = false;
    int64_t took_ns = mono_diff_ns(run->outcome_at, run->sent_at);
    bool answered = run->outcome == EXCHANGE_ANSWERED;
    if (answered)
        lane_learn_latency(run->lane, took_ns);
    counters_answer(&engine->counters, COUNTERS_BACKUP, &run->verdict, answered ? took_ns : -1);
    if (run->stayed)
        breaker_forget(&run->lane->breaker, run->probe);
    else
        engine_learn(engine, run->lane, &run->lane->bucket, "ManualBackupInstance", &run->verdict,
                     answered, run->probe);
    run->probe = 0;
    engine_judge_keys(engine, run->keys, run->sent_at, &run->verdict, run);
    if (run->config != engine->config)
        engine_move_run(engine, run); /* it was on its way when the file changed */
    decide(engine, run);
}

void engine_take_filed(struct engine *engine)
{
    for (struct run *run; (run = engine->filed) != NULL;) {
        engine->filed = run->filed_next;
        if (engine->filed == NULL)
            engine->filed_tail = &engine->filed;
        run->is_filed = false;
        if (run->has_recorded)
            take_recorded(engine, run);
        if (run->has_left)
            take_left(run);
        if (run->has_outcome)
            take_outcome(engine, run);
    }
    engine_take_flights(engine);
}
