/*
 * What the daemon itself says: its log, the events of its life, the status for the manager.
 */
#pragma once

#include "base/event.h"
#include "base/result.h"
#include "daemon/lifecycle.h"

/* Opens the log that the configuration wants. Outcomes: 0; negative: the old one stays. */
int daemon_open_log(struct daemon *daemon) MUST_CHECK;

void daemon_write_event(struct daemon *daemon, const struct event *event);

/* "started" with the process, "stopped" with what became of the runs. */
void daemon_say_started(struct daemon *daemon);
void daemon_say_stopped(struct daemon *daemon);

/* "ready" and "reloaded": how much there is to do, and when the next slot is. */
void daemon_say_counts(struct daemon *daemon, const char *name);

/* Where the keys are from. */
void daemon_say_keys(struct daemon *daemon);

/* An err event with a message. */
void daemon_say_failure(struct daemon *daemon, const char *name, const char *text);

/* A line of the loader's warnings; `context` is the daemon. */
void daemon_say_warning(void *context, const char *line);

/* One line for systemctl status. Returns `buffer`. */
const char *daemon_describe(const struct daemon *daemon, char buffer[NOTIFY_STATUS_MAX]);

/* Tells it, at most once a second. */
void daemon_tell_status(struct daemon *daemon, struct mono now);
