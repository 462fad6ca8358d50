/*
 * Watches: see watch.h. A submitted run becomes a watch; what its task comes to is told once, to
 * the journal and the ledger. After a restart the ledger's unfinished runs are watched again.
 *
 * Also here: whether a run may start while another backup of its instance is not known to have
 * ended. The last answer may be old, so the task is asked for anew when the run is due.
 */
#include "engine/engine_internal.h"

#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECHECK_US (US_PER_SECOND / 2)
#define FAILED_WAIT_US (5 * US_PER_SECOND) /* before another attempt after a task that failed */

static const char *keep(char **at, const char *text)
{
    char *kept = *at;
    size_t size = strlen(text) + 1;
    memcpy(kept, text, size);
    *at += size;
    return kept;
}

int engine_watch(struct engine *engine, struct lane *lane, const struct submission *what,
                 int64_t delay_us)
{
    if (engine->stale.count == WATCHES_MAX
        || heap_reserve(&engine->stale, engine->stale.count + 1) < 0
        || !engine_may_ask(lane, INQUIRY_TASK, (uint64_t)lane->watches + 1))
        return -ENOMEM;
    struct watch *watch = calloc(1, sizeof *watch + strlen(what->schedule) + strlen(what->instance)
                                        + strlen(what->region) + 3);
    if (watch == NULL)
        return -ENOMEM;
    char *at = watch->names;
    watch->ongoing = (struct ongoing){.schedule = keep(&at, what->schedule),
                                      .instance = keep(&at, what->instance),
                                      .slot = what->slot,
                                      .is_watch = true};
    watch->region = keep(&at, what->region);
    watch->ask = (struct inquiry){.lane = lane, .of_watch = true};
    watch->task_id = what->task_id;
    watch->attempt = what->attempt;
    watch->failures = what->failures;
    watch->kind = what->kind;
    watch->submitted_at = what->at;
    watch->since = engine->now.mono;
    watch->overdue_at = wall_add_us(what->at, what->complete_within_us);
    if (ongoing_add(&engine->ongoings, &watch->ongoing) < 0) {
        free(watch);
        return -ENOMEM;
    }
    int r = heap_push(&engine->stale, &watch->stale, watch->overdue_at.us);
    assert(r == 0); /* reserved above */
    lane->watches++;
    engine_ask(engine, &watch->ask, INQUIRY_TASK, delay_us);
    return 0;
}

static void destroy(struct engine *engine, struct watch *watch)
{
    engine_stop_asking(&watch->ask);
    ongoing_remove(&engine->ongoings, &watch->ongoing);
    if (heap_node_is_queued(&watch->stale))
        heap_remove(&engine->stale, &watch->stale);
    watch->ask.lane->watches--;
    free(watch);
}

void engine_drop_watches(struct engine *engine)
{
    for (struct heap_node *node; (node = heap_top(&engine->stale)) != NULL;)
        destroy(engine, HEAP_OWNER(node, struct watch, stale));
}

void engine_tell_finished(struct engine *engine, const struct submission *what,
                          enum ledger_finish finish, const char *code, const char *message)
{
    const struct ledger_entry entry = {
        .kind = LEDGER_FINISHED,
        .schedule = what->schedule,
        .instance = what->instance,
        .region = what->region,
        .slot = what->slot,
        .attempt = what->attempt,
        .finish = finish,
        .task_id = what->task_id,
        .code = code,
        .message = message,
        .request_id = "",
        .at = engine->now.wall,
    };
    (void)!engine_record(engine, &entry);
}

static struct submission of_watch(const struct watch *watch)
{
    return (struct submission){
        .schedule = watch->ongoing.schedule,
        .instance = watch->ongoing.instance,
        .region = watch->region,
        .slot = watch->ongoing.slot,
        .task_id = watch->task_id,
        .attempt = watch->attempt,
        .failures = watch->failures,
        .kind = watch->kind,
        .at = watch->submitted_at,
    };
}

static int64_t age_us(const struct engine *engine, const struct watch *watch)
{
    int64_t age = wall_diff_us(engine->now.wall, watch->submitted_at);
    return age < 0 ? 0 : age;
}

static void ask_again(struct engine *engine, struct watch *watch)
{
    int64_t watched_us = mono_diff_ns(engine->now.mono, watch->since) / NS_PER_US;
    int64_t age = age_us(engine, watch); /* none where the clock was set back */
    int64_t delay = watch->graced ? 0 : (age > watched_us ? age : watched_us) / 3;
    delay = delay < WATCH_FIRST_US ? WATCH_FIRST_US : delay;
    engine_ask(engine, &watch->ask, INQUIRY_TASK, delay > WATCH_MOST_US ? WATCH_MOST_US : delay);
}

static void end(struct engine *engine, struct watch *watch, const struct task_info *task)
{
    struct submission what = of_watch(watch);
    if (task->state == TASK_SUCCEEDED) {
        report_succeeded(&engine->ports.journal, &what, age_us(engine, watch));
        engine_count(engine, what.schedule, COUNTERS_SUCCEEDED, 1);
        engine_tell_finished(engine, &what, LEDGER_SUCCEEDED, task->status, task->message);
    } else {
        report_task_failed(&engine->ports.journal, &what, task->status, task->message);
        engine_count(engine, what.schedule, COUNTERS_FAILED, 1);
        engine_tell_finished(engine, &what, LEDGER_TASK_FAILED, task->status, task->message);
    }
    destroy(engine, watch);
}

/* ---- another attempt for a task that failed ---- */

/* False where none is allowed or possible: the failure stands. */
static bool try_again(struct engine *engine, struct watch *watch, const struct task_info *task)
{
    const struct schedule *schedule = config_find_schedule(engine->config, watch->ongoing.schedule);
    if (schedule == NULL || watch->failures >= schedule->retry_failed)
        return false;
    if (schedule->paused && watch->kind != LEDGER_KIND_OPERATOR)
        return false; /* a pause does not hold what was ordered */
    if (schedule_find_instance(schedule, watch->ongoing.instance) == NULL)
        return false; /* a slot that is open still has it */
    struct open_slot *open = engine_find_open(engine, schedule->name, watch->ongoing.slot);
    if (open != NULL)
        schedule = open->schedule;
    const struct instance *instance = schedule_find_instance(schedule, watch->ongoing.instance);
    int64_t delay;
    if (instance == NULL
        || open_slot_delay(engine->digest, schedule, instance, watch->kind, &delay) < 0)
        return false;
    struct wall due = wall_add_us(watch->ongoing.slot, delay);
    if (wall_diff_us(wall_add_us(due, schedule->start_within_us), engine->now.wall)
        <= FAILED_WAIT_US)
        return false;
    bool reopened = open == NULL;
    if (reopened)
        open = engine_reopen(engine, schedule, watch->ongoing.slot, watch->kind);
    if (open == NULL)
        return false;
    struct lane *lane = engine_find_lane(engine, open, instance);
    struct run *run = lane == NULL ? NULL : engine_make_run(engine, lane, open, instance, due);
    if (run == NULL) {
        if (reopened) {
            open->members = 1;
            engine_member_ended(engine, open);
        }
        return false;
    }
    open->members++;
    run->attempt = watch->attempt;
    run->failures = watch->failures + 1;
    struct text text = text_over(run->verdict.code, sizeof run->verdict.code);
    text_add(&text, "Task.failed");
    text = text_over(run->verdict.message, sizeof run->verdict.message);
    text_add(&text, task->message);
    engine_tell_again(engine, run);
    report_retry(&engine->ports.journal, run, FAILED_WAIT_US);
    counters_retry(&engine->counters, run->schedule->name);
    engine_wait(engine, run, FAILED_WAIT_US);
    destroy(engine, watch);
    return true;
}

static void give_up(struct engine *engine, struct watch *watch)
{
    struct submission what = of_watch(watch);
    report_task_failed(&engine->ports.journal, &what, "stuck",
                       "not known to have ended within complete_within");
    engine_count(engine, what.schedule, COUNTERS_FAILED, 1);
    engine_tell_finished(engine, &what, LEDGER_STUCK, "stuck", "");
    destroy(engine, watch);
}

static void set_end(struct engine *engine, struct watch *watch, int64_t from_now_us)
{
    heap_remove(&engine->stale, &watch->stale);
    int r = heap_push(&engine->stale, &watch->stale, wall_add_us(engine->now.wall, from_now_us).us);
    assert(r == 0); /* its place is free */
}

/* The question reached the cloud, or may have. */
static bool was_asked(const struct verdict *verdict)
{
    return verdict->class != VERDICT_NOT_SENT && verdict->class != VERDICT_THROTTLED;
}

/* The clock was ahead for a while, and its grace began too early. */
static void begin_anew(struct engine *engine, struct watch *watch)
{
    watch->graced = watch->in_vain = false;
    set_end(engine, watch, wall_diff_us(watch->overdue_at, engine->now.wall));
}

void engine_watch_answered(struct engine *engine, struct watch *watch, const struct flight *flight)
{
    engine_note_watch(watch, &flight->verdict);
    if (flight->verdict.class != VERDICT_ACCEPTED) {
        if (watch->graced && !watch->in_vain && was_asked(&flight->verdict)) {
            watch->in_vain = true;
            set_end(engine, watch, WATCH_GRACE_US);
        }
        if (flight->verdict.class == VERDICT_FINAL && !watch->told && !engine->refusal.held) {
            struct submission what = of_watch(watch);
            report_cannot_watch(&engine->ports.journal, &what, &flight->verdict);
            watch->told = true;
        }
        ask_again(engine, watch);
        return;
    }
    const struct task_info task = flight->page.task;
    bool overdue = watch->graced && !wall_before(engine->now.wall, watch->overdue_at);
    if (task.state == TASK_RUNNING && overdue) {
        give_up(engine, watch);
    } else if (task.state == TASK_RUNNING) {
        if (watch->graced)
            begin_anew(engine, watch);
        watch->running_at = flight->asked_at;
        ask_again(engine, watch);
    } else if (task.state != TASK_FAILED || !try_again(engine, watch, &task)) {
        end(engine, watch, &task);
    }
}

/* At once, where no question is out. */
static void ask_now(struct engine *engine, struct watch *watch)
{
    if (watch->ask.flight != NULL || watch->ask.node.key <= engine->now.mono.ns)
        return;
    engine_stop_asking(&watch->ask);
    engine_ask(engine, &watch->ask, INQUIRY_TASK, 0);
}

/* How old that is. The clock may have been set since, or the host have slept: the longer of two. */
static int64_t since_running_us(const struct engine *engine, const struct watch *watch)
{
    int64_t by_wall = wall_diff_us(engine->now.wall, watch->running_at.wall);
    int64_t by_mono = mono_diff_ns(engine->now.mono, watch->running_at.mono) / NS_PER_US;
    return by_wall > by_mono ? by_wall : by_mono;
}

/* Nobody has looked for long: it may well have ended meanwhile. */
static bool give_grace(struct engine *engine, struct watch *watch)
{
    if (watch->graced || since_running_us(engine, watch) <= WATCH_MOST_US + WATCH_GRACE_US)
        return false;
    watch->graced = true;
    set_end(engine, watch, WATCH_GRACE_MOST_US);
    ask_now(engine, watch);
    return true;
}

void engine_expire_watches(struct engine *engine)
{
    for (struct heap_node *top; (top = heap_top(&engine->stale)) != NULL;) {
        if (top->key > engine->now.wall.us)
            return;
        struct watch *watch = HEAP_OWNER(top, struct watch, stale);
        if (wall_before(engine->now.wall, watch->overdue_at))
            begin_anew(engine, watch);
        else if (!give_grace(engine, watch))
            give_up(engine, watch);
    }
}

/* ---- runs that wait for another backup ---- */

/* Of two that have not begun the one that is due first goes first: no two wait for each other. */
static bool goes_before(struct wall due, struct wall slot, const struct run *run)
{
    return due.us == run->due.us ? wall_before(slot, run->slot) : wall_before(due, run->due);
}

static bool member_goes_before(const struct engine *engine, const struct batch *batch,
                               const struct instance *instance, const struct run *run)
{
    int64_t delay;
    int r = open_slot_delay(engine->digest, batch->schedule, instance, batch->open->kind, &delay);
    return r == 0 && goes_before(wall_add_us(batch->slot, delay), batch->slot, run);
}

static bool holds_earlier(const struct engine *engine, const struct lane *lane,
                          const struct run *run)
{
    for (size_t i = 0; i < lane->batches.count; i++) {
        const struct batch *batch = HEAP_OWNER(lane->batches.nodes[i], struct batch, node);
        if (batch->slot.us == run->slot.us
            || strcmp(batch->schedule->name, run->schedule->name) != 0)
            continue;
        for (uint32_t j = batch->next; j < batch->count; j++) {
            const struct instance *member = &batch->schedule->instances[batch->order[j]];
            if (strcmp(member->id, run->instance->id) == 0
                && member_goes_before(engine, batch, member, run))
                return true;
        }
    }
    return false;
}

bool engine_waits_before(const struct engine *engine, const struct run *run)
{
    for (uint32_t i = 0; i < engine->lane_count; i++)
        if (holds_earlier(engine, engine->lanes[i], run))
            return true;
    return false;
}

/*
 * A member of another slot that goes before and has no run yet. In the same lane that one goes
 * first; it is elsewhere where a reload has moved its instance to another host.
 */
static bool waits_elsewhere(const struct engine *engine, const struct run *run)
{
    for (uint32_t i = 0; i < engine->lane_count; i++)
        if (engine->lanes[i] != run->lane && holds_earlier(engine, engine->lanes[i], run))
            return true;
    return false;
}

/*
 * Whatever has begun in another slot of its schedule and instance, and what goes before it. An
 * order may come inside the slot's spread, so that neither slot says which of two is first.
 */
struct ongoing *engine_find_in_the_way(const struct engine *engine, const struct run *run)
{
    struct ongoing *found = NULL;
    struct ongoing *node = NULL;
    while ((node = ongoing_next(&engine->ongoings, run->schedule->name, run->instance->id, node))
           != NULL) {
        if (node->slot.us == run->slot.us)
            continue;
        if (node->is_watch)
            return node;
        const struct run *other = HEAP_OWNER(node, struct run, ongoing);
        if (other->attempt > 0 || goes_before(other->due, other->slot, run))
            found = node;
    }
    return found;
}

enum start engine_may_start(struct engine *engine, const struct run *run)
{
    if (run->schedule->overlap == OVERLAP_ALLOW)
        return START_NOW;
    struct ongoing *other = engine_find_in_the_way(engine, run);
    if (other == NULL)
        return waits_elsewhere(engine, run) ? START_LATER : START_NOW;
    if (!other->is_watch || wall_before(engine->now.wall, run->due))
        return START_LATER;
    struct watch *watch = HEAP_OWNER(other, struct watch, ongoing);
    if (since_running_us(engine, watch) <= wall_diff_us(engine->now.wall, run->due))
        return START_NEVER;
    ask_now(engine, watch);
    return START_LATER;
}

int64_t engine_start_delay_us(const struct engine *engine, const struct run *run)
{
    int64_t until_due = wall_diff_us(run->due, engine->now.wall);
    if (until_due > 0)
        return until_due;
    /* All look again at once: one turn for thousands of them. */
    return RECHECK_US - engine->now.mono.ns / NS_PER_US % RECHECK_US;
}
