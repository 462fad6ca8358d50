/* See console_ask.h: what became of runs, as the ledger has it. */
#include "base/text.h"
#include "daemon/console_ask.h"
#include "daemon/console_desk.h"
#include "engine/ports.h"
#include "engine/view.h"

#include <string.h>

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX 100000
#define FAILURES_MAX 100 /* that `runs` names */

struct history_job {
    struct desk_job job; /* first */
    char schedule[MODEL_NAME_MAX + 1];
    const char *instances[LEDGER_HISTORY_INSTANCES_MAX]; /* the ask's: copied into `ids` */
    char ids[LEDGER_HISTORY_INSTANCES_MAX][MODEL_INSTANCE_ID_MAX + 1];
    struct history_schedules schedules; /* of those instances: the file's, then the ledger's */
    struct history_query query;
    struct history_cursor cursor;
    uint64_t limit;
    uint64_t given;
    bool truncated;
    bool walks;  /* looks for the instances in the file */
    bool walked; /* or has */
};

struct runs_job {
    struct desk_job job; /* first */
    char schedule[MODEL_NAME_MAX + 1];
    struct wall slot;
    struct history_counts counts;
    unsigned failures;
};

/* ---- a run, on the pool's thread ---- */

static void put_time(struct json_writer *w, const char *key, struct wall at)
{
    if (at.us != 0)
        json_put_instant(w, key, at);
}

static void put_run(struct json_writer *w, const struct history_run *run)
{
    json_open(w, NULL, '{');
    json_put_text(w, "schedule", run->schedule);
    json_put_text(w, "instance", run->instance);
    if (strcmp(run->instance, LEDGER_WHOLE_SLOT) == 0)
        json_put_bool(w, "whole_slot", true);
    json_put_instant(w, "slot", run->slot);
    json_put_text(w, "kind", run->kind);
    json_put_text(w, "outcome", history_outcome_name(run->outcome));
    json_put_number(w, "attempts", run->attempts);
    put_time(w, "sent", run->started);
    put_time(w, "ended", run->ended);
    put_time(w, "finished", run->finished);
    if (run->task_id != 0)
        json_put_number(w, "task_id", run->task_id);
    json_put_known(w, "request_id", run->request_id);
    json_put_known(w, "code", run->code);
    json_put_known(w, "text", run->message);
    json_close(w, '}');
}

/* ---- history ---- */

static bool give_run(void *context, const struct history_run *run)
{
    struct history_job *job = context;
    if (job->given == job->limit) {
        job->truncated = true;
        return false;
    }
    const struct json_writer before = job->job.rows;
    put_run(&job->job.rows, run);
    if (job->job.rows.text.cut) {
        json_back(&job->job.rows, &before);
        return false;
    }
    job->given++;
    return true;
}

static int read_history(struct desk_job *desk_job, struct ledger_history *history)
{
    struct history_job *job = (struct history_job *)desk_job;
    int r = 0;
    if (!job->cursor.begun)
        r = ledger_history_schedules(history, job->query.instances, job->query.instance_count,
                                     &job->schedules);
    if (r == 0)
        r = ledger_history_page(history, &job->query, &job->cursor, give_run, job);
    return r == 0 && job->truncated ? LEDGER_HISTORY_DONE : r;
}

/* The instances that were named, in storage of the job's: the ask may be gone before it ends. */
static void name_instances(const struct ask *ask, struct history_job *job)
{
    for (uint32_t i = 0; i < ask->ids.count; i++) {
        struct text t = text_over(job->ids[i], sizeof job->ids[i]);
        text_add(&t, ask->ids.list[i].bytes);
        job->instances[i] = job->ids[i];
    }
    job->query.instances = job->instances;
    job->query.instance_count = ask->ids.count;
}

/* A schedule that is not in the file has no members there. */
static void begin_walk(struct ask *ask, const struct history_job *job)
{
    uint32_t number;
    bool named = job->query.schedule != NULL;
    if (named
        && view_find_schedule(engine_view(ask->daemon->engine), job->query.schedule, &number) == 0)
        ask->only = (int32_t)number;
    ask_begin_walk(ask);
    if (named && ask->only < 0)
        ask->at.schedule = ask->config->schedule_count;
}

/* The schedules that the instances are in, over as many turns as that takes. */
static enum ask_row find_schedules(struct ask *ask, struct history_job *job)
{
    enum ask_row row;
    if (!job->walks)
        begin_walk(ask, job);
    job->walks = true;
    while ((row = ask_next_member(ask)) == ASK_ROW) {
        if (!history_schedules_add(&job->schedules,
                                   ask->config->schedules[ask->at.schedule].name)) {
            ask_refuse(ask, "too_large", "these instances are in more than %d schedules",
                       LEDGER_HISTORY_SCHEDULES_MAX);
            return ASK_OVER;
        }
        ask->at.instance++;
    }
    return row;
}

static enum ask_row history_row(struct ask *ask, struct json_writer *w)
{
    struct history_job *job = (struct history_job *)ask->job;
    enum ask_row row = ASK_OVER;
    if (ask->ids.count > 0 && !job->walked)
        row = find_schedules(ask, job);
    if (row != ASK_OVER || ask->error_code != NULL)
        return row;
    job->walked = true;
    row = ask_desk_rows(ask, w);
    /* A wrong name must not look like a quiet night. */
    if (row == ASK_OVER && ask->error_code == NULL && job->given == 0)
        (void)ask_schedule(ask);
    return row;
}

static void history_end(struct ask *ask, struct json_writer *w)
{
    const struct history_job *job = (const struct history_job *)ask->job;
    if (job->given == 0)
        ask_check_seen(ask);
    json_put_bool(w, "truncated", job->truncated);
}

void console_history(struct ask *ask)
{
    struct history_job *job = desk_make(sizeof *job);
    const char *schedule;
    int64_t limit = LIMIT_DEFAULT;
    struct wall since = {0};
    struct wall until = WALL_NEVER;
    if (job == NULL) {
        ask_refuse(ask, "internal", "out of memory");
        return;
    }
    ask->job = &job->job;
    if (!ask_text(ask, "schedule", job->schedule, sizeof job->schedule, &schedule)
        || !ask_instances(ask, LEDGER_HISTORY_INSTANCES_MAX) || !ask_instant(ask, "since", &since)
        || !ask_instant(ask, "until", &until) || !ask_bool(ask, "failed", &job->query.failed)
        || !ask_number(ask, "limit", 1, LIMIT_MAX, &limit))
        return;
    name_instances(ask, job);
    job->job.work = read_history;
    job->query.schedule = schedule;
    job->query.schedules = &job->schedules;
    job->query.since = since;
    job->query.until = until;
    job->limit = (uint64_t)limit;
    ask->row = history_row;
    ask->end = history_end;
}

/* ---- runs ---- */

static bool give_failure(void *context, const struct history_run *run)
{
    struct runs_job *job = context;
    struct json_writer *w = &job->job.rows;
    const struct json_writer before = *w;
    json_open(w, NULL, '{');
    json_put_text(w, "schedule", run->schedule);
    json_put_text(w, "instance", run->instance);
    json_put_text(w, "outcome", history_outcome_name(run->outcome));
    json_put_known(w, "code", run->code);
    json_put_known(w, "text", run->message);
    json_close(w, '}');
    if (w->text.cut) {
        json_back(w, &before);
        return false;
    }
    return ++job->failures < FAILURES_MAX;
}

static int count_runs(struct desk_job *desk_job, struct ledger_history *history)
{
    struct runs_job *job = (struct runs_job *)desk_job;
    const char *schedule = job->schedule[0] != '\0' ? job->schedule : NULL;
    int r = ledger_history_count(history, job->slot, schedule, &job->counts, give_failure, job);
    return r == 0 ? LEDGER_HISTORY_DONE : r;
}

static void runs_end(struct ask *ask, struct json_writer *w)
{
    const struct runs_job *job = (const struct runs_job *)ask->job;
    const uint64_t *by = job->counts.by;
    json_put_number(w, "slots_open", (int64_t)job->counts.open_slots);
    json_put_number(w, "open", (int64_t)by[HISTORY_OPEN]);
    json_put_number(w, "submitted", (int64_t)(by[HISTORY_SUBMITTED] - job->counts.watched));
    json_put_number(w, "running", (int64_t)job->counts.watched);
    json_put_number(w, "succeeded", (int64_t)by[HISTORY_SUCCEEDED]);
    json_put_number(w, "failed", (int64_t)by[HISTORY_FAILED]);
    json_put_number(w, "other",
                    (int64_t)(by[HISTORY_MISSED] + by[HISTORY_SKIPPED] + by[HISTORY_UNKNOWN]
                              + by[HISTORY_STUCK]));
    json_open(w, "failures", '[');
    ask_put_desk_rows(ask, w);
    json_close(w, ']');
}

void console_runs(struct ask *ask)
{
    struct runs_job *job = desk_make(sizeof *job);
    const char *schedule;
    if (job == NULL) {
        ask_refuse(ask, "internal", "out of memory");
        return;
    }
    ask->job = &job->job;
    job->job.work = count_runs;
    job->slot = WALL_NEVER;
    if (!ask_text(ask, "schedule", job->schedule, sizeof job->schedule, &schedule)
        || !ask_instant(ask, "slot", &job->slot))
        return;
    if (job->slot.us == INT64_MAX) {
        ask_refuse(ask, "usage", "runs needs a slot");
        return;
    }
    ask->row = ask_desk_wait;
    ask->end = runs_end;
}
