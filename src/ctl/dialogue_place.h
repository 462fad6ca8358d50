/*
 * Where the daemon listens, and the connection to it.
 *
 * In this order: --socket; what the file of -c names; $RUNTIME_DIRECTORY/control.sock or
 * /run/crsbackupd/control.sock; and where nobody answers there, what the default file names.
 */
#pragma once

#include "base/result.h"
#include "engine/model.h"

#include <stdint.h>

struct place {
    char path[MODEL_SOCKET_MAX + 1];
};

/*
 * CTL_GO_ON: *ret_fd is a connected, blocking socket of the caller's. Else an exit code: nobody
 * answers, or this user may not ask (CTL_NO_DAEMON), a wrong path or file (CTL_BAD_DATA); the text
 * names the path and the way out.
 */
int place_connect(const char *socket, const char *config, int64_t timeout_us, struct place *ret,
                  int *ret_fd, struct errtext *err) MUST_CHECK;
