/* See report.h. */
#include "engine/report.h"

#include <stdio.h>
#include <string.h>

static void write_event(const struct journal *journal, const struct event *event)
{
    journal->write(journal->context, event);
}

static struct event of_run(enum event_level level, const char *name, const struct run *run)
{
    struct event e = event_make(level, name);
    event_text(&e, "schedule", run->schedule->name);
    event_text(&e, "instance", run->instance->id);
    event_text(&e, "region", run->instance->region);
    event_instant(&e, "slot", run->slot);
    event_number(&e, "attempt", run->attempt);
    return e;
}

void report_submitted(const struct journal *journal, const struct run *run, const char *found)
{
    struct event e = of_run(EVENT_NOTICE, "backup_submitted", run);
    event_number(&e, "task_id", run->verdict.task_id);
    event_text(&e, "request_id", run->verdict.request_id);
    event_text(&e, "found", found);
    write_event(journal, &e);
}

static struct event of_submission(enum event_level level, const char *name,
                                  const struct submission *what)
{
    struct event e = event_make(level, name);
    event_text(&e, "schedule", what->schedule);
    event_text(&e, "instance", what->instance);
    event_text(&e, "region", what->region);
    event_instant(&e, "slot", what->slot);
    event_number(&e, "attempt", what->attempt);
    if (what->task_id != 0)
        event_number(&e, "task_id", what->task_id);
    return e;
}

void report_succeeded(const struct journal *journal, const struct submission *what,
                      int64_t duration_us)
{
    struct event e = of_submission(EVENT_NOTICE, "backup_succeeded", what);
    event_duration(&e, "duration", duration_us);
    write_event(journal, &e);
}

void report_task_failed(const struct journal *journal, const struct submission *what,
                        const char *status, const char *message)
{
    struct event e = of_submission(EVENT_ERR, "backup_failed", what);
    bool stuck = strcmp(status, "stuck") == 0;
    event_text(&e, "reason", stuck ? "stuck" : "task_failed");
    event_text(&e, "code", stuck ? "" : status);
    event_text(&e, "message", message);
    write_event(journal, &e);
}

static void add_verdict(struct event *e, const struct verdict *verdict)
{
    event_text(e, "code", verdict->code);
    event_text(e, "message", verdict->message);
    event_text(e, "request_id", verdict->request_id);
}

void report_cannot_watch(const struct journal *journal, const struct submission *what,
                         const struct verdict *verdict)
{
    struct event e = of_submission(EVENT_WARNING, "watch_failed", what);
    add_verdict(&e, verdict);
    write_event(journal, &e);
}

void report_cannot_look(const struct journal *journal, const struct run *run,
                        const struct verdict *verdict)
{
    struct event e = of_run(EVENT_WARNING, "lookup_failed", run);
    add_verdict(&e, verdict);
    write_event(journal, &e);
}

void report_endpoint(const struct journal *journal, const struct lane *lane, bool up,
                     const struct verdict *verdict)
{
    struct event e =
        event_make(up ? EVENT_NOTICE : EVENT_ERR, up ? "endpoint_up" : "endpoint_down");
    event_text(&e, "host", lane->host);
    if (!up)
        add_verdict(&e, verdict);
    write_event(journal, &e);
}

void report_failed(const struct journal *journal, const struct run *run, const char *reason)
{
    struct event e = of_run(EVENT_ERR, "backup_failed", run);
    event_text(&e, "reason", reason);
    add_verdict(&e, &run->verdict);
    write_event(journal, &e);
}

void report_unknown(const struct journal *journal, const struct run *run)
{
    struct event e = of_run(EVENT_WARNING, "backup_unknown", run);
    add_verdict(&e, &run->verdict);
    write_event(journal, &e);
}

void report_retry(const struct journal *journal, const struct run *run, int64_t delay_us)
{
    struct event e = of_run(EVENT_WARNING, "backup_retry", run);
    event_duration(&e, "delay", delay_us);
    add_verdict(&e, &run->verdict);
    write_event(journal, &e);
}

void report_late(const struct journal *journal, const struct run *run,
                 const struct earlier *earlier)
{
    struct event e = event_make(EVENT_WARNING, "backup_missed");
    event_text(&e, "schedule", run->schedule->name);
    event_text(&e, "instance", run->instance->id);
    event_text(&e, "region", run->instance->region);
    event_instant(&e, "slot", run->slot);
    event_text(&e, "reason", "earlier_backup");
    if (earlier->task_id != 0)
        event_number(&e, "task_id", earlier->task_id);
    if (earlier->code[0] != '\0')
        event_text(&e, "code", earlier->code);
    write_event(journal, &e);
}

void report_not_run(const struct journal *journal, const char *event,
                    const struct schedule *schedule, const struct instance *instance,
                    struct wall slot, const char *reason)
{
    struct event e = event_make(EVENT_WARNING, event);
    event_text(&e, "schedule", schedule->name);
    event_text(&e, "instance", instance->id);
    event_text(&e, "region", instance->region);
    event_instant(&e, "slot", slot);
    event_text(&e, "reason", reason);
    write_event(journal, &e);
}

void report_slot_not_run(const struct journal *journal, const char *event,
                         const struct schedule *schedule, struct wall slot, const char *reason)
{
    struct event e = event_make(EVENT_WARNING, event);
    event_text(&e, "schedule", schedule->name);
    event_instant(&e, "slot", slot);
    event_number(&e, "instances", schedule->instance_count);
    event_text(&e, "reason", reason);
    write_event(journal, &e);
}

void report_slots_not_run(const struct journal *journal, const char *event,
                          const struct schedule *schedule, struct wall first, struct wall before,
                          int64_t count, const char *reason)
{
    struct event e = event_make(EVENT_WARNING, event);
    event_text(&e, "schedule", schedule->name);
    event_instant(&e, "slot", first);
    event_instant(&e, "before", before);
    event_number(&e, "slots", count);
    event_number(&e, "instances", schedule->instance_count);
    event_text(&e, "reason", reason);
    write_event(journal, &e);
}

void report_slot_moved(const struct journal *journal, const struct schedule *schedule,
                       struct wall slot, const char *reason)
{
    struct event e = event_make(EVENT_NOTICE, "slot_moved");
    event_text(&e, "schedule", schedule->name);
    event_instant(&e, "slot", slot);
    event_text(&e, "reason", reason);
    write_event(journal, &e);
}

static void report_slot(const struct journal *journal, const char *name, const char *reason,
                        const struct open_slot *open)
{
    struct event e = event_make(EVENT_NOTICE, name);
    event_text(&e, "schedule", open->schedule->name);
    event_instant(&e, "slot", open->slot);
    event_number(&e, "instances", (int64_t)open->members);
    event_text(&e, "reason", reason);
    write_event(journal, &e);
}

void report_slot_interrupted(const struct journal *journal, const struct open_slot *open)
{
    report_slot(journal, "slot_interrupted", "stopping", open);
}

void report_slot_resumed(const struct journal *journal, const struct open_slot *open)
{
    report_slot(journal, "slot_resumed", "restart", open);
}

void report_unknown_gone(const struct journal *journal, const char *schedule, const char *instance,
                         struct wall slot, int attempt)
{
    struct event e = event_make(EVENT_ERR, "backup_failed");
    event_text(&e, "schedule", schedule);
    event_text(&e, "instance", instance);
    event_instant(&e, "slot", slot);
    event_number(&e, "attempt", attempt);
    event_text(&e, "reason", "unknown");
    event_text(&e, "message", "its answer was lost, and it is paused or no longer in the file");
    write_event(journal, &e);
}

void report_unknown_found(const struct journal *journal, const char *schedule, const char *instance,
                          struct wall slot, int attempt)
{
    struct event e = event_make(EVENT_WARNING, "backup_unknown");
    event_text(&e, "schedule", schedule);
    event_text(&e, "instance", instance);
    event_instant(&e, "slot", slot);
    event_number(&e, "attempt", attempt);
    event_text(&e, "reason", "restart");
    write_event(journal, &e);
}

void report_throttled(const struct journal *journal, const struct lane *lane,
                      const struct bucket *bucket, const char *action,
                      const struct verdict *verdict, struct mono now)
{
    struct event e = event_make(EVENT_WARNING, "throttled");
    event_text(&e, "host", lane->host);
    event_text(&e, "action", action);
    char rate[32];
    int64_t milli = bucket_rate_milli(bucket, now);
    (void)snprintf(rate, sizeof rate, "%lld.%03lld", (long long)(milli / 1000),
                   (long long)(milli % 1000));
    event_text(&e, "per_second", rate);
    add_verdict(&e, verdict);
    write_event(journal, &e);
}

void report_clock_jumped(const struct journal *journal, int64_t by_us)
{
    struct event e = event_make(EVENT_WARNING, "clock_jumped");
    event_duration(&e, "by", by_us);
    write_event(journal, &e);
}

void report_clock_implausible(const struct journal *journal, const char *reason, struct wall than)
{
    struct event e = event_make(EVENT_ERR, "clock_implausible");
    event_text(&e, "reason", reason);
    event_instant(&e, "than", than);
    write_event(journal, &e);
}

void report_clock_plausible(const struct journal *journal, const char *reason)
{
    struct event e = event_make(EVENT_NOTICE, "clock_plausible");
    event_text(&e, "reason", reason);
    write_event(journal, &e);
}

void report_keys(const struct journal *journal, bool available, const char *text)
{
    struct event e = event_make(available ? EVENT_NOTICE : EVENT_ERR,
                                available ? "credentials_refreshed" : "credentials_failed");
    event_text(&e, "message", text);
    write_event(journal, &e);
}

void report_cannot_record(const struct journal *journal, const struct schedule *schedule,
                          struct wall slot, int outcome)
{
    struct event e = event_make(EVENT_ERR, "record_failed");
    event_text(&e, "schedule", schedule->name);
    event_instant(&e, "slot", slot);
    event_text(&e, "message", strerrordesc_np(-outcome));
    write_event(journal, &e);
}
