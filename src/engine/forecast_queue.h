/*
 * The queue of one host in a forecast, as arithmetic: any number of requests that are due at the
 * same instant leave one interval apart, the oldest instant first. What comes later never changes
 * when something earlier leaves; so no queue is kept, only the instant at which it is free again.
 *
 * Time is counted in ticks, QUEUE_INTERVAL of them a request, from an instant that the caller
 * chooses.
 */
#pragma once

#include "engine/model.h"

#define QUEUE_INTERVAL US_PER_SECOND

/* Who sends: a schedule at this host. */
struct queue_user {
    const struct schedule *schedule;
    uint64_t period; /* private: the busy period that `sent` counts in */
    uint64_t sent;
};

/* Requests of one user that are due at one instant. */
struct queue_turn {
    struct queue_user *user;
    uint32_t left;
    int64_t deadline; /* one that would leave then or later is missed */
};

struct queue {
    int64_t free; /* when all that came so far is through */
    uint64_t period;
    struct queue_user *leaders[2]; /* who sent most since the queue was last empty */

    /* Requests that are missed; `behind` sent most meanwhile, NULL where nobody else did. */
    void (*missed)(void *context, struct queue_user *user, uint32_t count,
                   const struct schedule *behind);
    void *context;
};

/* Of `count` requests one interval apart from `start` on, how many leave before the deadline. */
int64_t queue_in_time(int64_t start, int64_t deadline, int64_t count);

/*
 * Lets through what is due at `due`, which is not before an earlier call's; the turns take one
 * request each, again and again. Uses the turns up. Returns how many turns were looked at, as a
 * measure of the work.
 */
uint64_t queue_serve(struct queue *queue, struct queue_turn *turns, size_t count, int64_t due);
