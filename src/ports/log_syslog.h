/*
 * Log lines to the local syslog daemon by syslog(3): identity "crsbackupd", facility daemon.
 *
 * While nobody listens on the socket, or its queue is full, lines are kept, up to
 * LOG_SYSLOG_KEPT_MAX of them, and written in order when it is back; lines dropped beyond are
 * counted and said ("event=log_lost lines=N"). There is one syslog(3) a process, so there is one
 * writer at a time.
 */
#pragma once

#include "base/result.h"
#include "ports/log_writer.h"

#define LOG_SYSLOG_SOCKET "/dev/log"
#define LOG_SYSLOG_KEPT_MAX 4096

/* Outcomes: 0, *ret owned by the caller (destroy); -ENOMEM; negative errno without a socket. */
int log_syslog_create(enum event_format format, struct log_writer *ret) MUST_CHECK;

/* Whether somebody listens on the socket. */
bool log_syslog_is_there(void);
