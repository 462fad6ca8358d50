/* See announce.h. */
#include "daemon/announce.h"

#include "base/civil.h"
#include "ports/clock_system.h"
#include "ports/log_stderr.h"
#include "ports/log_syslog.h"
#include "version.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define STATUS_NS NS_PER_SECOND

/* ---- log ---- */

static struct wall wall_clock(void)
{
    return clock_now().wall;
}

static bool wants_syslog(enum log_target target)
{
    switch (target) {
    case LOG_TARGET_SYSLOG:
        return true;
    case LOG_TARGET_STDERR:
        return false;
    case LOG_TARGET_AUTO:
        break;
    }
    return !log_stderr_is_terminal() && log_syslog_is_there();
}

/* Outcomes: 0; -ENOMEM and the like: the old writer stays. */
int daemon_open_log(struct daemon *daemon)
{
    const struct config *config = daemon->config;
    struct log_writer writer;
    int r = wants_syslog(config->log_target)
                ? log_syslog_create(config->log_format, &writer)
                : log_stderr_create(config->log_format, wall_clock, &writer);
    if (r < 0)
        return r;
    if (daemon->log.writer.destroy != NULL)
        daemon->log.writer.destroy(daemon->log.writer.context);
    daemon->log = (struct log_line){writer, config->log_level, config->log_format};
    daemon->journal = log_line_journal(&daemon->log);
    return 0;
}

void daemon_write_event(struct daemon *daemon, const struct event *event)
{
    daemon->journal.write(daemon->journal.context, event);
}

void daemon_say_started(struct daemon *daemon)
{
    struct event e = event_make(EVENT_NOTICE, "started");
    event_text(&e, "version", CRSBACKUPD_VERSION);
    event_number(&e, "pid", getpid());
    daemon_write_event(daemon, &e);
}

void daemon_say_stopped(struct daemon *daemon)
{
    struct engine_status status = engine_status(daemon->engine);
    struct event e = event_make(EVENT_NOTICE, "stopped");
    event_number(&e, "submitted", (int64_t)status.submitted);
    event_number(&e, "failed", (int64_t)status.failed);
    event_number(&e, "unknown", (int64_t)status.unknown);
    event_number(&e, "missed", (int64_t)status.missed);
    event_number(&e, "skipped", (int64_t)status.skipped);
    daemon_write_event(daemon, &e);
}

void daemon_say_counts(struct daemon *daemon, const char *name)
{
    struct event e = event_make(EVENT_NOTICE, name);
    event_text(&e, "version", CRSBACKUPD_VERSION);
    event_text(&e, "config", daemon->config_path);
    event_number(&e, "schedules", daemon->config->schedule_count);
    event_number(&e, "instances", (int64_t)daemon->config->instance_count);
    struct wall next = engine_status(daemon->engine).next_slot;
    if (next.us != WALL_NEVER.us)
        event_instant(&e, "next_slot", next);
    daemon_write_event(daemon, &e);
}

void daemon_say_keys(struct daemon *daemon)
{
    struct event e = event_make(EVENT_NOTICE, "credentials_refreshed");
    event_text(&e, "source", credentials_origin(daemon->credentials));
    daemon_write_event(daemon, &e);
}

void daemon_say_failure(struct daemon *daemon, const char *name, const char *text)
{
    struct event e = event_make(EVENT_ERR, name);
    event_text(&e, "config", daemon->config_path);
    event_text(&e, "message", text);
    daemon_write_event(daemon, &e);
}

void daemon_say_warning(void *context, const char *line)
{
    struct event e = event_make(EVENT_WARNING, "configuration_warning");
    event_text(&e, "message", line);
    daemon_write_event(context, &e);
}

/* ---- status ---- */

const char *daemon_describe(const struct daemon *daemon, char buffer[NOTIFY_STATUS_MAX])
{
    struct engine_status status = engine_status(daemon->engine);
    char instant[CIVIL_TEXT_MAX];
    (void)snprintf(
        buffer, NOTIFY_STATUS_MAX,
        "%s%s; %" PRIu32 " in flight, %" PRIu64 " waiting; %" PRIu64 " submitted, %" PRIu64
        " failed, %" PRIu64 " unknown, %" PRIu64 " missed, %" PRIu64 " skipped",
        daemon->draining ? "Stopping" : "Next slot ",
        daemon->draining                       ? ""
        : status.next_slot.us == WALL_NEVER.us ? "never"
                                               : civil_format_utc(status.next_slot, instant),
        status.in_flight, status.waiting, status.submitted, status.failed, status.unknown,
        status.missed, status.skipped);
    return buffer;
}

void daemon_tell_status(struct daemon *daemon, struct mono now)
{
    if (mono_diff_ns(now, daemon->status_at) < STATUS_NS)
        return;
    char buffer[NOTIFY_STATUS_MAX];
    daemon->status_at = now;
    notify_status(&daemon->notify, daemon_describe(daemon, buffer));
}
