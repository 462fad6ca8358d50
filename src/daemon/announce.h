/*
 * What the daemon itself says: its log, the events of its life, the status for the manager.
 */
#pragma once

#include "base/event.h"
#include "base/result.h"
#include "daemon/lifecycle.h"

/*
 * The log as the configuration wants it; lines that are kept go along. The target "auto" is decided
 * once a process. Outcomes: 0; negative: it stays as it was.
 */
int daemon_open_log(struct daemon *daemon) MUST_CHECK;

/*
 * Gets rid of the lines that are kept: waits a little for room; what syslog does not take goes to
 * standard error below a line "event=log_undelivered lines=N". Without a log nothing happens.
 */
void daemon_close_log(struct daemon *daemon);

void daemon_write_event(struct daemon *daemon, const struct event *event);

/* "started" with the process, "stopped" with what became of the runs. */
void daemon_say_started(struct daemon *daemon);
void daemon_say_stopped(struct daemon *daemon);

/* "ready" and "reloaded": how much there is to do, and when the next slot is. */
void daemon_say_counts(struct daemon *daemon, const char *name);

/* Where the keys are from, and when they end. */
void daemon_say_keys(struct daemon *daemon);

/* Why there are none, or no newer ones: those in use then end at `expires`. */
void daemon_say_no_keys(struct daemon *daemon);

/* An err event with a message. */
void daemon_say_failure(struct daemon *daemon, const char *name, const char *text);

/* A line of the loader's warnings; `context` is the daemon. */
void daemon_say_warning(void *context, const char *line);

/* One line for systemctl status. Returns `buffer`. */
const char *daemon_describe(const struct daemon *daemon, char buffer[NOTIFY_STATUS_MAX]);

/*
 * Tells it where it changed, at most once a second. Returns when there is more to tell, or
 * MONO_NEVER.
 */
struct mono daemon_tell_status(struct daemon *daemon, struct mono now) MUST_CHECK;
