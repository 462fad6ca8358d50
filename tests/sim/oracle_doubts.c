/*
 * See oracle.h: what became of requests that may have acted. The oracle looks into the cloud's
 * books; the engine has only what it was answered.
 */
#include "sim/oracle_internal.h"

#include "sim/cloud.h"

#include <string.h>

static const struct plan_of_schedule *plan_of(const struct oracle *oracle, const struct record *r)
{
    return &oracle->world->generations[oracle->generation].schedules[r->schedule];
}

static bool has_failed(const struct oracle *oracle, const struct task *task)
{
    return task != NULL && task_status(task, oracle->clock->now) == STATUS_FAILED;
}

bool oracle_has_backup(const struct oracle *oracle, const struct record *record)
{
    const struct task *task = tasks_find(&oracle->cloud->tasks, record->last_task);
    return task != NULL && !has_failed(oracle, task);
}

/* Where a file sends again what is not known, the earlier of two may be what was found. */
static bool has_any_backup(const struct oracle *oracle, const struct record *record)
{
    const struct tasks *tasks = &oracle->cloud->tasks;
    size_t number = (size_t)(record - oracle->records);
    for (size_t i = 0; i < tasks->count; i++)
        if (tasks->list[i].record == number && !has_failed(oracle, &tasks->list[i]))
            return true;
    return false;
}

/* By the file that opened the slot, or by the present one. */
static bool may_resend(const struct oracle *oracle, const struct record *r)
{
    return r->resends || plan_of(oracle, r)->resends;
}

/* A tag is of one run. */
static void check_tag(struct oracle *oracle, const struct record *r, size_t number, int64_t id)
{
    const struct tasks *tasks = &oracle->cloud->tasks;
    const struct task *task = tasks_find(tasks, id);
    const char *tag = strstr(task->remark, "crsbackupd:");
    if (tag == NULL)
        oracle_break(oracle, RULE_IDENTITY, "%s %d: its backup has no tag",
                     world_schedule_name(r->schedule), r->instance);
    size_t length = tag == NULL ? 0 : strcspn(tag, " ") + 1; /* with what ends it */
    for (size_t i = 0; tag != NULL && i < tasks->count; i++) {
        const struct task *other = &tasks->list[i];
        if (other->instance != task->instance || other->record == number
            || other->record == TASK_OF_OTHERS)
            continue;
        const char *others = strstr(other->remark, "crsbackupd:");
        if (others != NULL && strcspn(others, " ") + 1 == length
            && strncmp(others, tag, length - 1) == 0)
            oracle_break(oracle, RULE_IDENTITY, "%s %d: tasks %lld and %lld have one tag",
                         world_schedule_name(r->schedule), r->instance, (long long)other->id,
                         (long long)id);
    }
}

void oracle_acted(struct oracle *oracle, size_t number, int64_t task)
{
    struct record *record = &oracle->records[number];
    if (oracle_has_backup(oracle, record) && !record->resent && !may_resend(oracle, record))
        oracle_break(oracle, RULE_ONCE, "%s %d: the slot %lld is backed up twice",
                     world_schedule_name(record->schedule), record->instance,
                     (long long)record->slot.us);
    check_tag(oracle, record, number, task);
    record->acts++;
    record->last_task = task;
}

/* ---- due again ---- */

static int64_t settle_ns(const struct oracle *oracle)
{
    return oracle->world->settle_us * NS_PER_US;
}

/* The cloud was asked for its backups twice, once when they had to stand there. */
static bool was_looked_for(const struct oracle *oracle, const struct record *r)
{
    size_t count = oracle->look_count[r->instance];
    int looks = 0;
    int settled = 0;
    for (size_t i = 0; i < count && i < LOOKS_KEPT; i++) {
        int64_t at = oracle->looks[r->instance][i];
        looks += at >= r->doubted_at;
        settled += at >= r->doubted_at + settle_ns(oracle);
    }
    return looks >= 2 && settled >= 1;
}

static bool has_settled(const struct oracle *oracle, const struct record *r)
{
    return oracle->clock->now - r->doubted_at >= settle_ns(oracle);
}

static void check_looked(struct oracle *oracle, const struct record *r, const char *what)
{
    const char *name = world_schedule_name(r->schedule);
    if (r->resent || (may_resend(oracle, r) && has_settled(oracle, r)))
        return;
    if (oracle_has_backup(oracle, r))
        oracle_break(oracle, RULE_ONCE, "%s %d: %s, but its backup is task %lld", name, r->instance,
                     what, (long long)r->last_task);
    if (!was_looked_for(oracle, r))
        oracle_break(oracle, RULE_ONCE, "%s %d: %s before it was looked for", name, r->instance,
                     what);
    if (!r->told_doubt)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: looked for without a line", name, r->instance);
}

/* What was submitted is begun anew, since its task failed. */
static void begin_anew(struct oracle *oracle, struct record *r)
{
    const char *name = world_schedule_name(r->schedule);
    const struct plan_of_schedule *plan = plan_of(oracle, r);
    const struct task *task = tasks_find(&oracle->cloud->tasks, r->followed);
    if (r->finish_ledger >= 0 || r->finish_journal >= 0)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: begun anew after its end", name, r->instance);
    if (!has_failed(oracle, task))
        oracle_break(oracle, RULE_ONCE, "%s %d: begun anew, but task %lld has not failed", name,
                     r->instance, (long long)r->followed);
    int most = plan->retry_failed > r->retry_failed ? plan->retry_failed : r->retry_failed;
    r->retries += r->retried != r->followed; /* the ledger may have lost that it was */
    r->retried = r->followed;
    if (r->retries > most)
        oracle_break(oracle, RULE_POLICY, "%s %d: begun anew after %d tasks failed, not %d", name,
                     r->instance, r->retries, most);
    oracle_unlist(oracle, &oracle->watched, r);
    oracle_list(oracle, &oracle->open, r);
    r->told_ledger = r->told_journal = NOT_TOLD;
    r->accepted = false;
    r->forsaken = false;
    r->may_have_acted = false;
    r->task_id = 0;
    oracle_retime(oracle, r);
}

void oracle_again(struct oracle *oracle, struct record *r)
{
    const char *name = world_schedule_name(r->schedule);
    if (r->told_ledger == (int)LEDGER_SUBMITTED && r->told_journal == (int)LEDGER_SUBMITTED) {
        begin_anew(oracle, r);
        return;
    }
    if (r->in_flight || r->accepted || r->told_ledger >= 0)
        oracle_break(oracle, RULE_ONCE, "%s %d: due again, but it is %s", name, r->instance,
                     r->in_flight ? "out" : "over");
    if (r->may_have_acted)
        check_looked(oracle, r, "due again");
    r->resent = r->resent || (r->may_have_acted && may_resend(oracle, r));
    r->may_have_acted = false;
}

/* ---- ends ---- */

static void check_adopted(struct oracle *oracle, const struct record *r, int64_t id)
{
    const char *name = world_schedule_name(r->schedule);
    const struct task *task = tasks_find(&oracle->cloud->tasks, id);
    if (!r->told_doubt)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: looked for without a line", name, r->instance);
    if (id == 0 && !has_any_backup(oracle, r))
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: submitted, but there is no backup", name,
                     r->instance);
    size_t number = (size_t)(r - oracle->records);
    if (id == 0 || (task != NULL && task->record == number))
        return;
    oracle_break(oracle, RULE_ACCOUNT, "%s %d: task %lld is not its own, but of %s", name,
                 r->instance, (long long)id,
                 task == NULL                     ? "nobody"
                 : task->record == TASK_OF_OTHERS ? "somebody else"
                                                  : "another slot");
}

void oracle_check_end(struct oracle *oracle, const struct record *r,
                      const struct ledger_entry *entry)
{
    const char *name = world_schedule_name(r->schedule);
    bool in_doubt = r->may_have_acted && !r->accepted;
    bool may_stop = oracle->draining && !oracle->world->durable;
    switch (entry->result) {
    case LEDGER_SUBMITTED:
        if (r->accepted ? entry->task_id != r->task_id : !in_doubt)
            oracle_break(oracle, RULE_ACCOUNT, "%s %d: submitted as %lld, accepted as %lld", name,
                         r->instance, (long long)entry->task_id, (long long)r->task_id);
        if (in_doubt)
            check_adopted(oracle, r, entry->task_id);
        break;
    case LEDGER_UNKNOWN:
        if (!in_doubt)
            oracle_break(oracle, RULE_ACCOUNT, "%s %d: unknown, but it was not in doubt", name,
                         r->instance);
        if (!may_stop && !has_settled(oracle, r))
            oracle_break(oracle, RULE_POLICY, "%s %d: given up before it was looked for", name,
                         r->instance);
        break;
    case LEDGER_FAILED:
    case LEDGER_SKIPPED:
    case LEDGER_MISSED:
        if (r->accepted)
            oracle_break(oracle, RULE_ACCOUNT, "%s %d: accepted, and ends as %d", name, r->instance,
                         (int)entry->result);
        if (in_doubt)
            check_looked(oracle, r, "ended");
        else if (oracle_has_backup(oracle, r) && !r->resent && !may_resend(oracle, r))
            oracle_break(oracle, RULE_ACCOUNT, "%s %d: ends as %d, but its backup is task %lld",
                         name, r->instance, (int)entry->result, (long long)r->last_task);
        break;
    case LEDGER_AGAIN:
        break;
    }
}
