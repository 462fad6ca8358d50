/* See console_ask.h: what an instance is doing and why, and what was decided about it. */
#include "base/civil.h"
#include "base/text.h"
#include "daemon/console_ask.h"
#include "daemon/console_desk.h"
#include "engine/members.h"
#include "engine/orders.h"
#include "engine/ports.h"
#include "engine/view.h"
#include "ports/clock_system.h"
#include "ports/ledger_decisions.h"

#include <stdlib.h>
#include <string.h>

#define SCHEDULES_MAX 100 /* of one instance, that are told of */
#define WORDS_MAX 512

/* The newest slot of a schedule that a decision is about. */
struct last_slot {
    struct wall slot; /* 0: none */
    bool whole;       /* which was passed over as a whole, */
    bool skipped;     /* by a rule */
};

struct why_job {
    struct desk_job job; /* first */
    char instance[MODEL_INSTANCE_ID_MAX + 1];
    unsigned given;
    bool walked;
    struct ask_place places[SCHEDULES_MAX]; /* where it is a member */
    size_t count;
    struct history_schedules schedules; /* those, then others of the ledger's */
    struct last_slot lasts[SCHEDULES_MAX];
};

/* ---- decisions, on the pool's thread ---- */

static void note_slot(struct why_job *job, const struct history_run *run, bool whole)
{
    for (size_t i = 0; i < job->count; i++)
        if (strcmp(job->schedules.names[i], run->schedule) == 0
            && wall_before(job->lasts[i].slot, run->slot))
            job->lasts[i] = (struct last_slot){
                .slot = run->slot, .whole = whole, .skipped = run->outcome == HISTORY_SKIPPED};
}

static void give_decision(void *context, const struct ledger_decision *decision)
{
    struct why_job *job = context;
    struct json_writer *w = &job->job.rows;
    const struct json_writer before = *w;
    bool whole = strcmp(decision->run->instance, LEDGER_WHOLE_SLOT) == 0;
    note_slot(job, decision->run, whole);
    json_open(w, NULL, '{');
    json_put_instant(w, "at", decision->at);
    json_put_text(w, "schedule", decision->run->schedule);
    if (whole)
        json_put_bool(w, "whole_slot", true);
    json_put_instant(w, "slot", decision->run->slot);
    json_put_text(w, "event", decision->event);
    json_put_known(w, "code", decision->code);
    json_put_text(w, "text", decision->text);
    if (decision->run->attempts > 0)
        json_put_number(w, "attempt", decision->run->attempts);
    if (decision->run->task_id != 0)
        json_put_number(w, "task_id", decision->run->task_id);
    json_close(w, '}');
    if (w->text.cut)
        json_back(w, &before);
    else
        job->given++;
}

static int read_decisions(struct desk_job *desk_job, struct ledger_history *history)
{
    struct why_job *job = (struct why_job *)desk_job;
    const char *instance = job->instance;
    const struct ledger_decided of = {instance, &job->schedules};
    int r = ledger_history_schedules(history, &instance, 1, &job->schedules);
    if (r == 0)
        r = ledger_decisions(history, &of, give_decision, job);
    return r == 0 ? LEDGER_HISTORY_DONE : r;
}

/* ---- what it is doing ---- */

/* Whether a backup is done is asked in vain. */
static void add_task_code(struct text *t, const struct member_now *now)
{
    bool known = strcmp(now->task_code, "other") != 0;
    if (now->task_code[0] != '\0')
        text_addf(t, "; the last question about it came to %s",
                  known ? now->task_code : "what watch_failed in the log says");
}

/* Why there is the obstacle, as far as the daemon knows more than its name. */
static void add_cause(struct text *t, const struct daemon *daemon, const struct member_now *now)
{
    char instant[CIVIL_TEXT_MAX];
    const char *refused = engine_keys_rejection(daemon->engine);
    const char *cause = "";
    if (now->obstacle == MEMBER_NO_CLOCK)
        cause = engine_clock_doubt(daemon->engine);
    else if (now->obstacle == MEMBER_NO_LEDGER)
        cause = daemon->ledger_text;
    else if (now->obstacle == MEMBER_NO_KEYS)
        cause = refused[0] != '\0' ? refused : credentials_text(daemon->credentials);
    if (cause[0] != '\0')
        text_addf(t, ": %s", cause);
    if (now->obstacle != MEMBER_EARLIER)
        return;
    text_addf(t, ", of slot %s", civil_format_utc(now->earlier_slot, instant));
    if (now->earlier_task != 0)
        text_addf(t, ", task %lld", (long long)now->earlier_task);
    add_task_code(t, now);
}

static void say_waiting(struct text *t, const struct daemon *daemon, const struct member_now *now)
{
    static const char *const obstacles[] = {
        [MEMBER_NO_CLOCK] = "waits until the clock can be believed",
        [MEMBER_NO_LEDGER] = "waits until the ledger can record",
        [MEMBER_NO_KEYS] = "waits for keys that the cloud takes",
        [MEMBER_NO_HOST] = "waits until its host gives a sign of life again",
        [MEMBER_STOPPING] = "waits for the next start: the daemon is stopping",
        [MEMBER_EARLIER] = "waits for the end of an earlier backup",
    };
    char wait[TEXT_DURATION_MAX];
    bool hindered = now->obstacle != MEMBER_UNHINDERED;
    if (now->code[0] != '\0')
        text_addf(t, "attempt %d was told %s; ", now->told, now->code);
    if (hindered) {
        text_add(t, obstacles[now->obstacle]);
        add_cause(t, daemon, now);
    } else if (now->is_recorded) {
        text_add(t, "waits for its turn at the rate limit");
    } else if (now->code[0] == '\0') {
        text_add(t, now->is_order ? "waits for its turn in an operator's run"
                                  : "waits for its turn in the slot");
    } else {
        text_add(t, "another follows");
    }
    if (now->code[0] != '\0' && now->wait_us > US_PER_SECOND && !hindered)
        text_addf(t, " in %s",
                  text_format_duration(now->wait_us / US_PER_SECOND * US_PER_SECOND, wait));
}

static void say_quiet(struct text *t, const struct last_slot *last)
{
    char instant[CIVIL_TEXT_MAX];
    text_add(t, "nothing to do till its next slot");
    if (last->whole)
        text_addf(t, "; its last slot, %s, was %s as a whole",
                  civil_format_utc(last->slot, instant), last->skipped ? "skipped" : "missed");
}

static void say_idle(struct text *t, const struct daemon *daemon, bool in_file, struct wall until,
                     const struct last_slot *last)
{
    const char *doubt = engine_clock_doubt(daemon->engine);
    char when[CIVIL_TEXT_MAX];
    if (in_file)
        text_add(t, "the schedule is paused in the file");
    else if (until.us == WALL_NEVER.us)
        text_add(t, "an operator has paused the schedule");
    else if (until.us != LEDGER_NO_PAUSE.us)
        text_addf(t, "an operator has paused the schedule until %s", civil_format_utc(until, when));
    else if (doubt[0] != '\0')
        text_addf(t, "no slot is begun until the clock can be believed: %s", doubt);
    else if (daemon->ledger_text[0] != '\0')
        text_addf(t, "no slot is begun until the ledger can record: %s", daemon->ledger_text);
    else
        say_quiet(t, last);
}

static void say(struct text *t, const struct daemon *daemon, bool in_file, struct wall until,
                const struct member_now *now, const struct last_slot *last)
{
    switch (now->state) {
    case MEMBER_IDLE:
        say_idle(t, daemon, in_file, until, last);
        break;
    case MEMBER_WAITING:
        say_waiting(t, daemon, now);
        break;
    case MEMBER_IN_FLIGHT:
        text_addf(t, "attempt %d is on its way", now->attempt);
        break;
    case MEMBER_RUNNING:
        text_addf(t, "%s, task %lld",
                  now->task_code[0] == '\0' ? "the cloud is making the backup"
                                            : "the cloud has accepted the backup",
                  (long long)now->task_id);
        add_task_code(t, now);
        break;
    case MEMBER_LOOKING_UP:
        text_addf(t, "the answer to attempt %d was lost; the cloud is asked what became of it",
                  now->attempt);
        break;
    }
}

static void put_schedule(struct ask *ask, struct json_writer *w, struct ask_place place,
                         const struct last_slot *last)
{
    char words[WORDS_MAX];
    struct text t = text_over(words, sizeof words);
    struct wall wall = clock_now().wall;
    struct engine *engine = ask->daemon->engine;
    const struct schedule *schedule = &ask->config->schedules[place.schedule];
    struct member_now now =
        engine_member_now(engine, place.schedule, place.instance, &ask->open[place.schedule]);
    struct wall until = engine_paused_until(engine, place.schedule, wall);
    bool paused = schedule->paused || until.us != LEDGER_NO_PAUSE.us;
    say(&t, ask->daemon, schedule->paused, until, &now, last);
    json_open(w, NULL, '{');
    json_put_text(w, "name", schedule->name);
    json_put_text(w, "state",
                  paused && now.state == MEMBER_IDLE ? "paused" : member_state_name(now.state));
    json_put_instant(w, "next", engine_next_slot_of(engine, place.schedule));
    json_put_text(w, "text", words);
    json_close(w, '}');
}

/* ---- the verb ---- */

/* Looks for the schedules it is in, over as many turns as it takes; then asks the ledger. */
static enum ask_row why_row(struct ask *ask, struct json_writer *w)
{
    struct why_job *job = (struct why_job *)ask->job;
    enum ask_row row = ASK_OVER;
    while (!job->walked && (row = ask_next_member(ask)) == ASK_ROW) {
        /* Each schedule comes once. */
        if (job->count < SCHEDULES_MAX
            && history_schedules_add(&job->schedules,
                                     ask->config->schedules[ask->at.schedule].name))
            job->places[job->count++] = ask->at;
        ask->at.instance++;
    }
    if (row == ASK_LATER || ask->error_code != NULL)
        return row;
    job->walked = true;
    return ask_desk_rows(ask, w);
}

static void why_end(struct ask *ask, struct json_writer *w)
{
    const struct why_job *job = (const struct why_job *)ask->job;
    if (job->given == 0)
        ask_check_seen(ask);
    if (job->count > 0 && ask->config != ask->daemon->config)
        ask_refuse(ask, "refused", "the configuration was reloaded meanwhile; ask again");
    if (ask->error_code != NULL)
        return;
    engine_members_open(ask->daemon->engine, ask->open);
    json_put_text(w, "instance", job->instance);
    json_open(w, "schedules", '[');
    for (size_t i = 0; i < job->count; i++)
        put_schedule(ask, w, job->places[i], &job->lasts[i]);
    json_close(w, ']');
}

void console_why(struct ask *ask)
{
    struct why_job *job = desk_make(sizeof *job);
    if (job == NULL) {
        ask_refuse(ask, "internal", "out of memory");
        return;
    }
    ask->job = &job->job;
    job->job.work = read_decisions;
    if (!ask_instances(ask, 1))
        return;
    if (ask->ids.count == 0) {
        ask_refuse(ask, "usage", "why needs an instance");
        return;
    }
    struct text t = text_over(job->instance, sizeof job->instance);
    text_add(&t, ask->ids.list[0].bytes);
    ask_begin_walk(ask);
    ask->open = calloc(ask->config->schedule_count + 1U, sizeof *ask->open);
    if (ask->open == NULL) {
        ask_refuse(ask, "internal", "out of memory");
        return;
    }
    ask->row = why_row;
    ask->end = why_end;
}
