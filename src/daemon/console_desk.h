/*
 * The reading desk: questions to the ledger's history, one after the other on a thread of libuv's
 * pool, so that neither the loop nor the other clients wait for the disk. Private to
 * daemon/console*.c.
 *
 * An ask has one job at a time, embedded in what its verb keeps. The desk owns the job from
 * desk_make() on; desk_leave() gives it back, also while it is worked at: it then ends unheard.
 */
#pragma once

#include "base/json_write.h"
#include "ports/ledger_history.h"

#include <stdbool.h>
#include <stddef.h>

struct ask;
struct desk;
struct uv_loop_s;

#define DESK_PART_MAX (48 * 1024) /* of rows that one piece of work writes; less than a part */

struct desk_job {
    /*
     * On the pool's thread: sees the job and the history, nothing else. Writes rows into `rows`,
     * each after the other as members of an array. Outcomes: 0, there is more; LEDGER_HISTORY_DONE;
     * negative: it cannot be read.
     */
    int (*work)(struct desk_job *job, struct ledger_history *history);
    struct json_writer rows;
    char bytes[DESK_PART_MAX];

    /* The desk's: */
    struct ask *ask; /* NULL: nobody listens */
    struct desk_job *next;
    enum { JOB_IDLE, JOB_QUEUED, JOB_WORKING, JOB_ANSWERED } state;
    int outcome;
    struct errtext err;
};

/* `file` is the ledger's. Outcomes: 0; -ENOMEM. */
int desk_create(struct uv_loop_s *loop, const char *state_dir, struct desk **ret) MUST_CHECK;

/* No ask is left. What is under way ends with the loop; destroy() after that. NULL is fine. */
void desk_close(struct desk *desk);
void desk_destroy(struct desk *desk);

/* A zeroed job of `size` bytes, at least a struct desk_job, which stands first in it. NULL: none.
 */
void *desk_make(size_t size);

/* The ask is answered from its job, by the next turns: it waits until a piece of work is done. */
void desk_ask(struct desk *desk, struct ask *ask, struct desk_job *job);

/* NULL is fine. */
void desk_leave(struct desk *desk, struct desk_job *job);
