/* A connection to a socket file, and in words why there is none. */
#pragma once

#include "base/result.h"

#include <stdint.h>

/*
 * `path` fits into a socket's address. CTL_GO_ON: *ret is a connected, blocking socket of the
 * caller's. Else CTL_NO_DAEMON, also where this user may not: what the daemon would say is not
 * known.
 */
int dialogue_connect(const char *path, int64_t timeout_us, int *ret,
                     struct errtext *err) MUST_CHECK;
