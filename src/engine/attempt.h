/*
 * One slot of one instance, from its preparation to its end: a run and its attempts.
 *
 *                    recorded                token, sent               bytes left
 *   NEW ─record─► RECORDING ─────► READY ──────────────► SENDING ─────────────► ON_WIRE
 *                   ▲  │  ▲          │                      │                      │
 *            record │  │  │          ├──── later ───┐       ├──── later ──┐        ├── later ─┐
 *                   │  │  └──────────┼───────┐      ▼       │             ▼        │          ▼
 *                   │  └─ refused ───┼───────┼─► WAITING ◄──┼─────────────┴────────┼──────────┘
 *                   └────────────────┼───────┴──────┤       │                      │
 *                                    └── end ──┬────┴── end ┴──────── end ─────────┘
 *                                              ▼
 *                                            ENDED
 *
 * RECORDING  its STARTED entry is being made durable       READY    waits for its instant and a
 * token SENDING    with the transport, nothing has left yet      ON_WIRE  the bytes left; the
 * answer is due WAITING    until its next attempt                        ENDED    its verdict is
 * recorded
 *
 * DOUBTFUL   an attempt in flight whose answer was lost, or one of an earlier life without an end:
 *            it is looked for in the cloud; then it ends, or waits for another attempt
 *
 *   SENDING, ON_WIRE, NEW ── doubt ──► DOUBTFUL ── later ──► WAITING
 *                                         └─────── end ────► ENDED
 *
 * A NEW run may wait before its first attempt: for an earlier backup of its instance to end.
 * A RECORDING run may also end (its time ran out, the daemon stops). An illegal move aborts.
 */
#pragma once

#include "base/backoff.h"
#include "base/heap.h"
#include "base/reply.h"
#include "engine/model.h"
#include "engine/ongoing.h"
#include "engine/ports.h"

struct lane;
struct open_slot;
struct doubt;

enum attempt_state {
    ATTEMPT_NEW,
    ATTEMPT_RECORDING,
    ATTEMPT_READY,
    ATTEMPT_SENDING,
    ATTEMPT_ON_WIRE,
    ATTEMPT_WAITING,
    ATTEMPT_DOUBTFUL,
    ATTEMPT_ENDED,
};

enum attempt_event {
    ATTEMPT_RECORD,   /* a STARTED entry was handed to the ledger */
    ATTEMPT_RECORDED, /* and is durable */
    ATTEMPT_SEND,     /* handed to the transport */
    ATTEMPT_LEAVE,    /* its bytes left */
    ATTEMPT_LATER,    /* another attempt follows */
    ATTEMPT_DOUBT,    /* it may have started a backup */
    ATTEMPT_END,
};

#define ATTEMPT_STATES (ATTEMPT_ENDED + 1)
#define ATTEMPT_EVENTS (ATTEMPT_END + 1)

/* The state that follows; aborts on a move that the drawing does not have. */
enum attempt_state attempt_move(enum attempt_state state, enum attempt_event event);

/* Whether the drawing has the move. */
bool attempt_may(enum attempt_state state, enum attempt_event event);

const char *attempt_state_name(enum attempt_state state);

/* What a verdict means for the run. */
enum attempt_decision {
    ATTEMPT_SUBMITTED, /* accepted */
    ATTEMPT_RETRY,     /* after `delay_us` */
    ATTEMPT_UNKNOWN,   /* may have started a backup: looked up before anything is sent again */
    ATTEMPT_FAILED,    /* for good */
    ATTEMPT_EXPIRED,   /* a retry would come too late */
};

/*
 * Decides from a verdict, the number of the attempt that ended (from 1), the time left until the
 * run's deadline and 64 random bits. `ret_delay_us` is set for ATTEMPT_RETRY.
 */
enum attempt_decision attempt_decide(const struct verdict *verdict, int attempt, int64_t left_us,
                                     uint64_t bits, int64_t *ret_delay_us);

/* A run; the pool owns the memory, the engine all else. */
struct run {
    struct heap_node queue; /* in its lane's `ready` (by due instant) or `waiting` (by mono) */
    struct heap_node deadline_node;
    struct run *filed_next; /* in the engine's list of runs with filed results */
    uint64_t ticket;        /* of the present attempt; 0: the run is free */
    struct config *config;  /* one reference */
    const struct schedule *schedule;
    const struct instance *instance;
    struct lane *lane;
    struct open_slot *open; /* alive until the run has ended */
    struct doubt *doubt;    /* owned; of a DOUBTFUL run */
    struct ongoing ongoing;
    struct wall slot;     /* nominal: the identity */
    struct wall due;      /* slot + delay of the spread */
    struct wall deadline; /* due + start_within */
    enum attempt_state state;
    int attempt;  /* the present one, from 1 */
    int failures; /* of tasks of this slot */
    enum ledger_kind kind;
    bool owes_token;
    uint32_t probe;       /* its number among the breaker's; 0: it is none */
    bool stayed;          /* it never reached the network: says nothing about the endpoint */
    const char *dropped;  /* a word for the log: no attempt follows the one in flight; NULL */
    struct mono ready_at; /* when its entry was durable */
    struct mono sent_at;
    struct wall started_at; /* the present attempt may have left from then on */
    uint64_t keys;          /* generation of those that signed the last attempt */
    int refusals;           /* of keys of the generation `refused_by` */
    uint64_t refused_by;
    struct mono refused_at; /* the first of those */
    bool wants_other_keys;  /* another attempt by those is of no use */

    /* Filed by the ports, taken up by the next step. */
    bool is_filed;
    bool has_recorded;
    bool has_left;
    bool has_outcome;
    int recorded;
    enum exchange_kind outcome;
    struct mono left_at;
    struct mono outcome_at;
    struct verdict verdict; /* of the last attempt that ended; its code is "" when none did */
};

/* A pool of at most `max` runs; a ticket names one attempt of one run and is never used again. */
struct run_pool;

int run_pool_create(size_t max, struct run_pool **ret) MUST_CHECK;
void run_pool_destroy(struct run_pool *pool); /* every run's config reference is dropped */

/* NULL where the pool is full or memory is short. The run is zeroed but for a fresh ticket. */
struct run *run_pool_take(struct run_pool *pool);
void run_pool_give(struct run_pool *pool, struct run *run);

/* A fresh ticket for the run's next attempt. */
void run_renew_ticket(struct run_pool *pool, struct run *run);

/* NULL for a ticket that names nothing any more. */
struct run *run_pool_find(struct run_pool *pool, uint64_t ticket);

/* Iterates over the runs that are taken: pass 0 first; NULL at the end. */
struct run *run_pool_next(struct run_pool *pool, size_t *position);
