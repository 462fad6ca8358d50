/*
 * A lane: the way to one host for one action, with its token bucket and its queues. Rate limits are
 * counted by host and action, and the places in flight are shared out, so lanes do not hold each
 * other up.
 *
 *   batches   open slots: their members wait here as bare indices, by the due instant of the next
 *   ready     runs by due instant, oldest first: recorded, waiting for that instant and a token
 *   waiting   runs by the monotonic instant of their next attempt
 *   asks      inquiries of each action, with that action's bucket
 */
#pragma once

#include "base/breaker.h"
#include "base/bucket.h"
#include "base/heap.h"
#include "engine/attempt.h"
#include "engine/hindrance.h"
#include "engine/inquiry.h"
#include "engine/model.h"
#include "engine/open_slot.h"

/*
 * Runs recorded ahead of their tokens: those of a quarter of a second, and no fewer than these. The
 * ledger may take so long without costing the pace; a crash makes no more of them unknown.
 */
#define LANE_AHEAD_MIN 4
#define LANE_WARM_DEFAULT 4 /* connections opened ahead while the latency is not known */
#define LANE_WARM_MAX 8
#define LANE_STALE_NS (4 * NS_PER_SECOND) /* connections may have gone after so long a silence */

/* The members of one group of one open slot that have no run yet. */
struct batch {
    struct heap_node node;  /* in lane.batches, by head_due */
    struct open_slot *open; /* alive while the batch has members */
    const struct schedule *schedule;
    struct wall slot;
    const uint32_t *order; /* the group's part of schedule->order, or `owned` */
    uint32_t *owned;       /* NULL, or what a reload left of it */
    uint32_t next;         /* index of the head in `order` */
    uint32_t count;
    struct wall head_due; /* slot + the head's delay */
};

/* The inquiries of one action. */
struct ask {
    struct bucket bucket;
    struct heap due;
};

struct lane {
    char url[MODEL_URL_MAX];
    char host[MODEL_HOST_MAX];
    struct bucket bucket;
    struct heap batches;
    struct heap ready;
    struct heap waiting;
    struct ask asks[INQUIRY_ACTIONS];
    struct breaker breaker;
    bool competes;         /* see places.c */
    struct mono probed_at; /* when the last probe was sent */
    bool turned_away;      /* the last probe was a question, and a gateway answered it */
    struct hindrance down; /* the breaker is open */
    uint32_t watches;      /* that ask here */
    uint32_t flights;      /* questions that are out, also those of nobody any more */
    uint32_t runs;         /* of this lane, in any state */
    uint32_t unsent;       /* of those, RECORDING or READY */
    uint32_t in_flight;    /* of those, SENDING or ON_WIRE */
    int64_t skew_us;       /* the cloud's clock minus ours; 0 until one was learnt */
    int64_t offset_us;     /* the same by the Date of the last answer; for look-ups */
    int64_t latency_ns;    /* smoothed, of answered requests; 0: not known */
    struct mono used_at;   /* when a connection was last used or opened */
    bool used;
};

/* Outcomes: 0, *ret owned by the caller; -ENOMEM; -EINVAL for impossible rates. */
int lane_create(const struct host *host, const struct config *config, struct lane **ret) MUST_CHECK;

/* The config's rates; only a larger ring can fail, and the old rate then stays. */
void lane_configure(struct lane *lane, const struct config *config);

/* Nothing waits here or is under way: no member, run, question or task that is followed. */
bool lane_is_idle(const struct lane *lane);

/* The same, and nothing was sent within the last second. */
bool lane_is_quiet(const struct lane *lane, struct mono now);

/* Batches are freed with it; its runs must be gone. */
void lane_destroy(struct lane *lane);

/*
 * Lets `count` members of an open slot wait here: `order` is a part of schedule->order, or NULL
 * where they are given as `owned_take` (the lane's from now on, also on failure).
 * Outcomes: 0; -ENOMEM; -EIO: nothing was opened.
 */
int lane_open(struct lane *lane, struct digest *digest, struct open_slot *open,
              const uint32_t *order, uint32_t *owned_take, uint32_t count) MUST_CHECK;

/* Takes back what lane_open() has just opened. */
void lane_close(struct lane *lane, const struct open_slot *open);

/* The batch whose head is due first; NULL without one. */
struct batch *lane_first_batch(const struct lane *lane);

const struct instance *batch_head(const struct batch *batch);

/* Leaves the head behind; a batch without members is freed. */
void lane_advance(struct lane *lane, struct digest *digest, struct batch *batch);

/*
 * Why a member, one of the schedule's instances, may not stay (a word for the log), or NULL where
 * it may. `left` of the schedule will be asked about in a row, this one included.
 */
typedef const char *(*lane_why_not_fn)(void *context, const struct schedule *schedule,
                                       const struct instance *instance, enum ledger_kind kind,
                                       uint32_t left);
typedef void (*lane_drop_fn)(void *context, const struct batch *batch,
                             const struct instance *instance, const char *reason);

/*
 * Keeps of every batch the members that may stay; each other one is passed to `drop` first.
 * Outcomes: 0; -ENOMEM: the batches before it in the heap are done, call again.
 */
int lane_filter(struct lane *lane, struct digest *digest, void *context, lane_why_not_fn why_not,
                lane_drop_fn drop) MUST_CHECK;

/* The lane where a member, one of the schedule's instances, is to wait; NULL: where it does. */
typedef struct lane *(*lane_where_fn)(void *context, const struct schedule *schedule,
                                      const struct instance *instance);

/*
 * Members that are to wait elsewhere do so from now on, with their instants.
 * Outcomes: 0; -ENOMEM; -EIO: some stay, and nobody is lost or doubled.
 */
int lane_move(struct lane *lane, struct digest *digest, void *context,
              lane_where_fn where) MUST_CHECK;

/* Members that wait in all its batches. */
uint64_t lane_backlog(const struct lane *lane);

/* Runs that are being recorded, or are and have not been sent. The latter do not count where the
 * first of them is due after `horizon`: the clock was set back, and all of them wait. */
uint32_t lane_unsent_till(const struct lane *lane, struct wall horizon);

/* Whether another run may be prepared. Those that are due after `horizon` do not count. */
bool lane_wants_runs(const struct lane *lane, struct wall horizon);

/* Connections worth having open for a backlog of `coming` requests. */
unsigned lane_connections(const struct lane *lane, uint64_t coming);

/* An answered request took `latency_ns`. */
void lane_learn_latency(struct lane *lane, int64_t latency_ns);
