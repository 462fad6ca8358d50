/*
 * What keeps the daemon from its work: the one answer that status, health, /readyz, STATUS and the
 * metrics are made of.
 *
 * All but the last are the daemon's own: while one of them is there, nothing is sent, and it is not
 * ready. That the cloud refuses the keys is the cloud's word. It makes the daemon unhealthy, which
 * a person looks at, and leaves it ready: whoever restarts what is not ready mends no key.
 */
#pragma once

#include "daemon/lifecycle.h"

enum obstacle {
    OBSTACLE_STOPPING,
    OBSTACLE_LEDGER,  /* it cannot record */
    OBSTACLE_CLOCK,   /* it is not believed */
    OBSTACLE_KEYS,    /* there are none that hold */
    OBSTACLE_REFUSED, /* the cloud does not take the keys */
};
#define OBSTACLES (OBSTACLE_REFUSED + 1)
#define OBSTACLE_TEXT_MAX 384 /* with the NUL; what is longer is cut */

/* False where it is not there, else a line of text for people. */
bool obstacle_is_there(const struct daemon *daemon, enum obstacle which,
                       char ret_text[OBSTACLE_TEXT_MAX]);

/* The first that keeps the daemon from being ready; false: it is ready. */
bool obstacle_to_ready(const struct daemon *daemon, char ret_text[OBSTACLE_TEXT_MAX]);
