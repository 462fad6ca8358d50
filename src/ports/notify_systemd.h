/*
 * Readiness and status to the service manager: the datagrams of sd_notify(3), without its library.
 *
 * Without $NOTIFY_SOCKET everything here does nothing. Messages never block and never fail the
 * caller: a manager that does not listen is not our trouble.
 */
#pragma once

#include "base/instant.h"

#include <stdbool.h>

#define NOTIFY_STATUS_MAX 512

struct notify {
    int fd; /* -1: nobody to tell */
};

/* Reads $NOTIFY_SOCKET (a path, or '@' and an abstract name). */
void notify_init(struct notify *notify);
void notify_finish(struct notify *notify);

/* "READY=1" with a status line. */
void notify_ready(struct notify *notify, const char *status);

/* "RELOADING=1" with MONOTONIC_USEC, as Type=notify-reload wants it; READY follows after it. */
void notify_reloading(struct notify *notify, struct mono now);
void notify_stopping(struct notify *notify, const char *status);

/* "STATUS=": one line for systemctl status. */
void notify_status(struct notify *notify, const char *status);
