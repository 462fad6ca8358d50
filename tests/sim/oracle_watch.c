/*
 * See oracle.h: what was submitted is followed to its end, and what comes after it waits where the
 * file forbids an overlap.
 */
#include "sim/oracle_internal.h"

#include "sim/cloud.h"

#define POLL_LEAST_NS (2 * NS_PER_SECOND)
#define POLL_MOST_NS (300 * NS_PER_SECOND)
#define SLACK_NS (10 * NS_PER_SECOND)
#define TURN_US 1000
#define GRACE_US (60 * US_PER_SECOND)
#define RETRY_ROOM_US (6 * US_PER_SECOND) /* another attempt must begin so long before its end */

static const struct plan_of_schedule *plan_of(const struct oracle *oracle, const struct record *r)
{
    return &oracle->world->generations[oracle->generation].schedules[r->schedule];
}

/* The task that the engine follows, or its backup's where it knows none. */
static const struct task *task_of(const struct oracle *oracle, const struct record *r)
{
    return tasks_find(&oracle->cloud->tasks, r->followed != 0 ? r->followed : r->last_task);
}

/* Where it knows none, any backup of the run may be the one that it found. */
static bool has_status(const struct oracle *oracle, const struct record *r, enum task_status status)
{
    const struct tasks *tasks = &oracle->cloud->tasks;
    size_t number = (size_t)(r - oracle->records);
    for (size_t i = 0; i < tasks->count; i++) {
        const struct task *task = &tasks->list[i];
        bool is_it = r->followed != 0 ? task->id == r->followed : task->record == number;
        if (is_it && task_status(task, oracle->clock->now) == status)
            return true;
    }
    return false;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- the end of a task ---- */

static void close_finished(struct oracle *oracle, struct record *r)
{
    if (r->finish_ledger < 0 || r->finish_journal < 0)
        return;
    if (r->finish_ledger != r->finish_journal)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: finished as %d in the ledger, %d in the journal",
                     world_schedule_name(r->schedule), r->instance, r->finish_ledger,
                     r->finish_journal);
    oracle->free_at[r->schedule][r->instance] = oracle->clock->now;
    oracle_unlist(oracle, &oracle->watched, r);
}

/* A failure that the file lets be repeated must be. */
static void check_retry(struct oracle *oracle, const struct record *r)
{
    const struct plan_of_schedule *plan = plan_of(oracle, r);
    struct wall now = clock_sample(oracle->clock).wall;
    struct wall deadline = oracle_earliest_deadline(oracle, r);
    int begun_anew =
        r->retries - (r->retries > 0 && r->retried == r->followed); /* this one, lost */
    if (begun_anew >= (int)least(plan->retry_failed, r->retry_failed)
        || !oracle_is_member(oracle, r) || oracle->clock->now == oracle->entry_refused_at
        || r->refused || wall_diff_us(deadline, now) <= RETRY_ROOM_US)
        return;
    oracle_break(oracle, RULE_POLICY, "%s %d: its task failed, and no other attempt follows",
                 world_schedule_name(r->schedule), r->instance);
}

static bool is_true(struct oracle *oracle, const struct record *r, enum ledger_finish finish)
{
    struct wall now = clock_sample(oracle->clock).wall;
    int64_t within = least(r->complete_within_us, plan_of(oracle, r)->complete_within_us);
    switch (finish) {
    case LEDGER_SUCCEEDED:
        return has_status(oracle, r, STATUS_SUCCEEDED);
    case LEDGER_TASK_FAILED:
        return has_status(oracle, r, STATUS_FAILED);
    case LEDGER_STUCK:
        return wall_diff_us(now, r->submitted_wall) >= within;
    case LEDGER_UNWATCHED:
        return r->must_be_dropped || r->followed == 0;
    }
    return false;
}

void oracle_finished(struct oracle *oracle, struct record *r, const struct ledger_entry *entry)
{
    const char *name = world_schedule_name(r->schedule);
    if (r->told_ledger != (int)LEDGER_SUBMITTED || r->finish_ledger >= 0)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: finished, but it was %s", name, r->instance,
                     r->finish_ledger >= 0 ? "so before" : "not submitted");
    if (entry->task_id != r->followed)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: task %lld is finished, not %lld", name,
                     r->instance, (long long)entry->task_id, (long long)r->followed);
    if (!is_true(oracle, r, entry->finish))
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: finished as %d, which is not true", name,
                     r->instance, (int)entry->finish);
    if (entry->finish == LEDGER_TASK_FAILED)
        check_retry(oracle, r);
    r->finish_ledger = (int)entry->finish;
    close_finished(oracle, r);
}

void oracle_told_finish(struct oracle *oracle, struct record *r, int finish)
{
    if (r->finish_journal >= 0 || r->told_journal != (int)LEDGER_SUBMITTED)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: its end is reported twice or before its time",
                     world_schedule_name(r->schedule), r->instance);
    r->finish_journal = finish;
    close_finished(oracle, r);
}

void oracle_check_silence(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->watched.count; i++) {
        const struct record *r = &oracle->records[oracle->watched.list[i]];
        if ((r->finish_ledger >= 0) != (r->finish_journal >= 0))
            oracle_break(oracle, RULE_ACCOUNT, "%s %d: finished as %d, told %d",
                         world_schedule_name(r->schedule), r->instance, r->finish_ledger,
                         r->finish_journal);
        if (r->must_be_dropped && !oracle->resuming)
            oracle_break(oracle, RULE_ACCOUNT, "%s %d: nobody says that it is not followed",
                         world_schedule_name(r->schedule), r->instance);
    }
}

/* ---- at the end of the quiet time ---- */

/* Until all that are followed have been asked for: a question may have one place alone, in turns
 * with backups. */
static int64_t queue_ns(const struct oracle *oracle)
{
    const struct generation *g = &oracle->world->generations[oracle->generation];
    const struct faults *calm = &oracle->world->calm;
    int64_t share = g->max_in_flight / 4 > 0 ? g->max_in_flight / 4 : 1;
    int64_t trip_ns = (calm->leave_max_us + 2 * calm->latency_max_us + TURN_US) * NS_PER_US;
    int64_t by_place = 2 * trip_ns / share;
    int64_t by_rate = NS_PER_SECOND / g->per_second;
    return (int64_t)oracle->watched.count * (by_place > by_rate ? by_place : by_rate);
}

/* How long after the end of a task its end may not be known, at the most. */
static int64_t blind_ns(const struct oracle *oracle, const struct record *r, int64_t from)
{
    const struct generation *g = &oracle->world->generations[oracle->generation];
    int64_t age = from - r->submitted_at;
    int64_t by_wall = wall_diff_us(clock_sample(oracle->clock).wall, r->submitted_wall) * NS_PER_US;
    age = by_wall > age ? by_wall : age;
    int64_t poll = age / 3 < POLL_LEAST_NS ? POLL_LEAST_NS : least(age / 3, POLL_MOST_NS);
    int64_t keys = oracle->world->keys_may_change ? KEYS_REST_NS : 0;
    return keys + poll + poll / 3 + queue_ns(oracle) + g->timeout_us * NS_PER_US + SLACK_NS;
}

void oracle_check_finished(struct oracle *oracle)
{
    struct now now = clock_sample(oracle->clock);
    for (size_t i = 0; i < oracle->watched.count; i++) {
        const struct record *r = &oracle->records[oracle->watched.list[i]];
        const struct task *task = task_of(oracle, r);
        int64_t within = r->complete_most_us;
        if (plan_of(oracle, r)->complete_within_us > within)
            within = plan_of(oracle, r)->complete_within_us;
        int64_t from = oracle->quiet_at;
        from = task != NULL && task->ends_at > from ? task->ends_at : from;
        from = r->submitted_at > from ? r->submitted_at : from;
        bool late = oracle->clock->now - from > blind_ns(oracle, r, from);
        /* One that nobody looked at for long is asked for once more. */
        bool stuck =
            wall_diff_us(now.wall, r->submitted_wall) > within + GRACE_US + 2 * US_PER_SECOND
            && oracle->clock->now - oracle->quiet_at
                   > GRACE_US * NS_PER_US + SLACK_NS + queue_ns(oracle);
        if (late || stuck)
            oracle_break(oracle, RULE_LIVE, "%s %d: task %lld of the slot %lld is %s, and not told",
                         world_schedule_name(r->schedule), r->instance, (long long)r->followed,
                         (long long)r->slot.us, late ? "over" : "stuck");
    }
}

/* ---- overlap ---- */

static bool is_other(const struct record *a, const struct record *b)
{
    return a->schedule == b->schedule && a->instance == b->instance && a->slot.us != b->slot.us;
}

/* It has begun, or goes first by its instant. */
static bool is_before(const struct record *a, const struct record *b)
{
    return is_other(a, b)
           && (a->told_ledger >= 0 || a->was_sent || a->durable != 0 || a->due.us <= b->due.us);
}

const struct record *oracle_before(const struct oracle *oracle, const struct record *record)
{
    const struct places *lists[] = {&oracle->watched, &oracle->open};
    for (int i = 0; i < 2; i++)
        for (size_t j = 0; j < lists[i]->count; j++) {
            const struct record *r = &oracle->records[lists[i]->list[j]];
            if (is_before(r, record))
                return r;
        }
    return NULL;
}

void oracle_check_overlap(struct oracle *oracle, const struct record *record)
{
    if (!record->forbids_overlap || record->was_sent)
        return;
    for (size_t i = 0; i < oracle->watched.count; i++) {
        const struct record *r = &oracle->records[oracle->watched.list[i]];
        const struct task *task = task_of(oracle, r);
        if (!r->forbids_overlap && r->begun_at >= record->begun_at)
            continue; /* its file let it overtake */
        if (is_other(r, record) && task != NULL && task->ends_at > oracle->clock->now)
            oracle_break(oracle, RULE_POLICY, "%s %d: sent while task %lld of the slot %lld runs",
                         world_schedule_name(r->schedule), r->instance, (long long)task->id,
                         (long long)r->slot.us);
    }
}

void oracle_told_overlap(struct oracle *oracle, struct record *record)
{
    /* What the engine knows of the task may be as old as an answer. */
    const struct generation *g = &oracle->world->generations[oracle->generation];
    int64_t since = record->opened_at - g->timeout_us * NS_PER_US;
    record->overlaps = true;
    bool has_reason = false;
    const struct places *lists[] = {&oracle->watched, &oracle->open}; /* some may await a line */
    for (int i = 0; i < 2; i++)
        for (size_t j = 0; j < lists[i]->count; j++) {
            const struct record *r = &oracle->records[lists[i]->list[j]];
            const struct task *task = task_of(oracle, r);
            has_reason = has_reason
                         || (is_other(r, record) && r->told_ledger == (int)LEDGER_SUBMITTED
                             && task != NULL && task->ends_at > since);
        }
    if (!record->forbids_overlap || !has_reason)
        oracle_break(oracle, RULE_POLICY, "%s %d: skipped for an overlap that is none",
                     world_schedule_name(record->schedule), record->instance);
}

bool oracle_is_locked(const struct oracle *oracle, const struct record *record, int64_t at)
{
    return oracle->cloud->locked_until[record->instance] > at;
}
