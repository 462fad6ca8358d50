/*
 * A sink for log lines: the local syslog daemon by syslog(3), identity "crsbackupd", facility
 * daemon.
 *
 * While nobody listens on the socket, or its queue is full, no line is taken. Both kinds of socket
 * are known, datagram and stream. A stream shows no fill: where its daemon lives but has stopped
 * reading, syslog(3) waits once the buffer of the kernel (some 200 kB) is full.
 */
#pragma once

#include "base/result.h"
#include "ports/log_writer.h"

#include <stdbool.h>

#define LOG_SYSLOG_SOCKET "/dev/log"

/* Outcomes: 0; -ENOMEM. */
int log_syslog_create(struct log_sink *ret) MUST_CHECK;

/* Whether somebody listens on the socket, be its queue full or not. */
bool log_syslog_is_there(void);
