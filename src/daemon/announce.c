/* See announce.h. */
#include "daemon/announce.h"

#include "base/civil.h"
#include "base/text.h"
#include "daemon/obstacle.h"
#include "ports/clock_system.h"
#include "ports/log_journal.h"
#include "ports/log_stderr.h"
#include "ports/log_syslog.h"
#include "version.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STATUS_NS NS_PER_SECOND

/* Two seconds for the last lines of a log that has no room. */
#define LAST_TRIES 200
#define LAST_PAUSE_MS 10

/* ---- log ---- */

static struct wall wall_clock(void)
{
    return clock_now().wall;
}

static enum log_target decide_target(struct daemon *daemon)
{
    if (daemon->config->log_target != LOG_TARGET_AUTO)
        return daemon->config->log_target;
    if (daemon->log_auto == LOG_TARGET_AUTO)
        daemon->log_auto = !log_stderr_is_terminal() && log_syslog_is_there() ? LOG_TARGET_SYSLOG
                                                                              : LOG_TARGET_STDERR;
    return daemon->log_auto;
}

/* Outcomes: 0; negative errno: the old sink stays. */
static int open_sink(struct daemon *daemon, enum log_target target)
{
    struct log_sink sink;
    int r = target == LOG_TARGET_SYSLOG    ? log_syslog_create(&sink)
            : target == LOG_TARGET_JOURNAL ? log_journal_create(LOG_JOURNAL_SOCKET, &sink)
                                           : log_stderr_create(wall_clock, &sink);
    if (r < 0)
        return r;
    log_writer_open(daemon->log, sink);
    daemon->log_target = target;
    return 0;
}

int daemon_open_log(struct daemon *daemon)
{
    const struct config *config = daemon->config;
    int r = 0;
    if (daemon->log == NULL) {
        r = log_writer_create(config->log_level, config->log_format, &daemon->log);
        if (r < 0)
            return r;
        daemon->journal = log_writer_journal(daemon->log);
    }
    enum log_target target = decide_target(daemon);
    if (target != daemon->log_target)
        r = open_sink(daemon, target);
    if (r == 0)
        log_writer_filter(daemon->log, config->log_level, config->log_format);
    return r;
}

/* Whether a line that waits may yet be taken. */
static bool has_reader(enum log_target target)
{
    return target == LOG_TARGET_SYSLOG    ? log_syslog_is_there()
           : target == LOG_TARGET_JOURNAL ? log_journal_is_there(LOG_JOURNAL_SOCKET)
                                          : true;
}

/* Returns how many lines are left. */
static size_t flush_patiently(struct daemon *daemon)
{
    size_t left = log_writer_flush(daemon->log);
    for (int i = 0; left > 0 && i < LAST_TRIES; i++) {
        if (!has_reader(daemon->log_target))
            break;
        (void)poll(NULL, 0, LAST_PAUSE_MS);
        left = log_writer_flush(daemon->log);
    }
    return left;
}

void daemon_close_log(struct daemon *daemon)
{
    if (daemon->log == NULL)
        return;
    size_t left = flush_patiently(daemon);
    struct log_sink sink;
    if (left > 0 && daemon->log_target != LOG_TARGET_STDERR
        && log_stderr_create(wall_clock, &sink) == 0) {
        struct event e = event_make(EVENT_WARNING, "log_undelivered");
        event_text(&e, "target", daemon->log_target == LOG_TARGET_JOURNAL ? "journal" : "syslog");
        event_number(&e, "lines", (int64_t)left);
        log_writer_open(daemon->log, sink);
        daemon->log_target = LOG_TARGET_STDERR;
        (void)log_writer_put(daemon->log, &e);
        (void)flush_patiently(daemon);
    }
    log_writer_destroy(daemon->log);
    daemon->log = NULL;
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
    event_text(&e, "provider", credentials_provider_name(daemon->credentials));
    event_text(&e, "source", credentials_origin(daemon->credentials));
    struct wall end = credentials_end(daemon->credentials);
    if (end.us != WALL_NEVER.us)
        event_instant(&e, "expires", end);
    daemon_write_event(daemon, &e);
}

void daemon_say_no_keys(struct daemon *daemon)
{
    struct event e = event_make(EVENT_ERR, "credentials_failed");
    event_text(&e, "provider", credentials_provider_name(daemon->credentials));
    event_text(&e, "message", credentials_text(daemon->credentials));
    struct wall end = credentials_end(daemon->credentials);
    if (credentials_are_there(daemon->credentials) && end.us != WALL_NEVER.us)
        event_instant(&e, "expires", end);
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

/* What a person has to look at goes before all else. */
static void add_obstacle(struct text *t, const struct daemon *daemon)
{
    char text[OBSTACLE_TEXT_MAX];
    for (int i = OBSTACLE_STOPPING + 1; i < OBSTACLES; i++) {
        if (!obstacle_is_there(daemon, (enum obstacle)i, text))
            continue;
        text_addf(t, "Trouble: %s; ", text);
        return;
    }
}

const char *daemon_describe(const struct daemon *daemon, char buffer[NOTIFY_STATUS_MAX])
{
    struct engine_status status = engine_status(daemon->engine);
    struct text t = text_over(buffer, NOTIFY_STATUS_MAX);
    add_obstacle(&t, daemon);
    char instant[CIVIL_TEXT_MAX];
    if (daemon->draining)
        text_add(&t, "Stopping");
    else
        text_addf(&t, "Next slot %s",
                  status.next_slot.us == WALL_NEVER.us
                      ? "never"
                      : civil_format_utc(status.next_slot, instant));
    text_addf(&t,
              "; %" PRIu32 " in flight, %" PRIu64 " waiting; %" PRIu64 " submitted, %" PRIu64
              " failed, %" PRIu64 " unknown, %" PRIu64 " missed, %" PRIu64 " skipped",
              status.in_flight, status.waiting, status.submitted, status.failed, status.unknown,
              status.missed, status.skipped);
    return buffer;
}

struct mono daemon_tell_status(struct daemon *daemon, struct mono now)
{
    char buffer[NOTIFY_STATUS_MAX];
    if (daemon->notify.fd < 0 || strcmp(daemon_describe(daemon, buffer), daemon->status_told) == 0)
        return MONO_NEVER;
    if (mono_diff_ns(now, daemon->status_at) < STATUS_NS)
        return mono_add_ns(daemon->status_at, STATUS_NS);
    daemon->status_at = now;
    memcpy(daemon->status_told, buffer, sizeof buffer);
    notify_status(&daemon->notify, buffer);
    return MONO_NEVER;
}
