/*
 * The event loop: libuv, two precise timers and the signals, and one turn function.
 *
 * Once in every iteration, before the loop sleeps, `turn` is called with nothing else on the stack:
 * all decisions are made there. It says when it wants to be called again at the latest.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"

struct uv_loop_s;
struct loop;

struct loop_wake {
    struct wall wall; /* WALL_NEVER: not by this clock */
    struct mono mono;
};

struct loop_calls {
    void *context;
    struct loop_wake (*turn)(void *context);
    void (*signalled)(void *context, int signal); /* SIGHUP, SIGTERM, SIGINT */
};

/* Unblocks the signals once it can take them. Outcomes: 0, *ret owned by the caller; negative. */
int loop_create(const struct loop_calls *calls, struct loop **ret, struct errtext *err) MUST_CHECK;

/* The loop for ports that need it. */
struct uv_loop_s *loop_uv(struct loop *loop);

/*
 * The longest that the loop was not ready for anything new, callbacks and the turn between two
 * sleeps: by the clock, and of that its own work, which a busy machine does not lengthen. Of the
 * whole life but its first turn, in which the start's work is done.
 */
int64_t loop_longest_turn_ns(const struct loop *loop);
int64_t loop_longest_work_ns(const struct loop *loop);

/* Runs until loop_stop() and until every handle of the ports is closed. Outcomes: 0; -EIO. */
int loop_run(struct loop *loop, struct errtext *err) MUST_CHECK;

/* Closes the loop's own handles; loop_run() returns when the ports' are closed too. */
void loop_stop(struct loop *loop);

/* After loop_run(), or without one. NULL is fine. */
void loop_destroy(struct loop *loop);
