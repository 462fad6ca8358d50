/*
 * What each member is doing at the moment, for people who ask.
 */
#pragma once

#include "engine/engine.h"

enum member_state {
    MEMBER_IDLE,
    MEMBER_WAITING, /* for its instant, a token, another attempt, an earlier backup */
    MEMBER_IN_FLIGHT,
    MEMBER_RUNNING,    /* the cloud is at it */
    MEMBER_LOOKING_UP, /* its answer was lost */
};

/* "idle", "waiting", ... */
const char *member_state_name(enum member_state state);

/* What nobody's turn helps against. */
enum member_obstacle {
    MEMBER_UNHINDERED,
    MEMBER_NO_CLOCK,  /* it cannot be believed */
    MEMBER_NO_LEDGER, /* it cannot record */
    MEMBER_NO_KEYS,   /* there are none that the cloud takes */
    MEMBER_NO_HOST,   /* it gives no sign of life */
    MEMBER_STOPPING,  /* the next start goes on with it */
    MEMBER_EARLIER,   /* an earlier backup is not known to have ended */
};

struct member_now {
    enum member_state state;
    struct wall slot;          /* of what it is at; unset where it is idle */
    bool is_order;             /* that slot is an operator's run */
    int attempt;               /* 0: none yet */
    int64_t task_id;           /* 0: none */
    struct wall due;           /* waiting, no attempt yet: its instant */
    char code[REPLY_CODE_MAX]; /* waiting: what attempt `told` ended in; "": there was none */
    int told;
    bool is_recorded; /* waiting: for nothing but its instant and a token */
    int64_t wait_us;  /* waiting: so long at least till the next attempt; 0: not known */
    enum member_obstacle obstacle; /* waiting: what holds it up before its turn counts */
    struct wall earlier_slot;      /* of MEMBER_EARLIER, as in report.h */
    int64_t earlier_task;
    const char *task_code; /* what the last question about that task, or its own, came to; "" */
};

/* The slots of a schedule that have members without an end. An instant of 0: there is none. */
struct members_open {
    struct wall planned; /* the newest of the plan */
    struct wall ordered; /* the newest that an operator ordered for all members */
    struct wall first;   /* the oldest and the newest of all, */
    struct wall last;    /* those with named members among them */
};

/* Of each schedule of the configuration in force; `ret` has a place for each, zeroed. */
void engine_members_open(const struct engine *engine, struct members_open *ret);

/* A member of the configuration in force. `open` is of its schedule, and may be some turns old. */
struct member_now engine_member_now(const struct engine *engine, uint32_t schedule,
                                    uint32_t instance, const struct members_open *open);

/* A lane, for people and metrics; the names live as long as the turn. */
struct lane_now {
    const char *host;
    const char *action;
    int64_t per_second_milli;      /* the pace at the moment, in thousandths */
    uint64_t requests_last_minute; /* that left */
    uint64_t queued;
    bool is_down; /* the breaker is open, and something waits for it to close */
};

/* The n-th, from 0, of all lanes and actions. False: there is none. */
bool engine_lane_now(const struct engine *engine, uint32_t n, struct lane_now *ret);
