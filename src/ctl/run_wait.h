/* Waiting for the end of an operator's run: see verb_run.c. */
#pragma once

#include "ctl/dialogue.h"

#define RUN_WAIT_EVERY_US (US_PER_SECOND / 2) /* or five times as long as an answer takes */
#define RUN_WAIT_AWAY_US (60 * US_PER_SECOND) /* how long no daemon may answer */

struct run_wait {
    const struct dialogue_options *where;
    const char *slot;
    const char *schedule; /* NULL: of all */
    int64_t accepted;
    const char *order; /* print {"order":this,"result":...}; NULL: text */
};

/* CTL_DONE, all succeeded; CTL_FAILED, some did not; CTL_NO_DAEMON; said on stderr. */
int run_wait(const struct run_wait *wait);
