/*
 * Readiness, status and signs of life to the service manager: the datagrams of sd_notify(3),
 * without its library.
 *
 * Without $NOTIFY_SOCKET everything here does nothing. Messages never block and never fail the
 * caller: a manager that does not listen is not our trouble.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"

#include <stdbool.h>

#define NOTIFY_STATUS_MAX 512

/* What one sign of a long stop asks for, and how often one is sent. */
#define NOTIFY_EXTEND_SECONDS 20
#define NOTIFY_EXTEND_NS (5 * NS_PER_SECOND)

struct notify {
    int fd;               /* -1: nobody to tell */
    int64_t alive_ns;     /* between two signs of life; 0: nobody watches */
    struct mono alive_at; /* the next one */
    struct mono extend_at;
};

/*
 * Reads $NOTIFY_SOCKET (a path, or '@' and an abstract name), $WATCHDOG_USEC and $WATCHDOG_PID.
 * The first sign of life is due at once.
 */
void notify_init(struct notify *notify);
void notify_finish(struct notify *notify);

/* "READY=1" with a status line. */
void notify_ready(struct notify *notify, const char *status);

/* "RELOADING=1" with MONOTONIC_USEC, as Type=notify-reload wants it; READY follows after it. */
void notify_reloading(struct notify *notify, struct mono now);
void notify_stopping(struct notify *notify, const char *status);

/* "STATUS=": one line for systemctl status. */
void notify_status(struct notify *notify, const char *status);

/*
 * "WATCHDOG=1" when it is due: twice in the manager's time. To be called by what has to go on, and
 * by nothing else. Returns when it wants to be called again at the latest; MONO_NEVER: no watchdog.
 */
struct mono notify_alive(struct notify *notify, struct mono now) MUST_CHECK;

/* "EXTEND_TIMEOUT_USEC=" when it is due, for a stop that goes on. Returns as notify_alive() does.
 */
struct mono notify_extend(struct notify *notify, struct mono now) MUST_CHECK;
