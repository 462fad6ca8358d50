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

struct member_now {
    enum member_state state;
    struct wall slot;          /* of what it is at; unset where it is idle */
    int attempt;               /* 0: none yet */
    int64_t task_id;           /* 0: none */
    struct wall due;           /* waiting, no attempt yet: its instant */
    char code[REPLY_CODE_MAX]; /* waiting: of the attempt before; "": there was none */
    bool is_recorded;          /* waiting: for nothing but its instant and a token */
    int64_t wait_us;           /* waiting: so long at least till the next attempt; 0: not known */
};

/*
 * `waits_since` is the schedule's newest open slot as of members_open_slots(), 0 for none; `last`
 * the slot of the member's last run (engine/view.h).
 */
struct member_now engine_member_now(const struct engine *engine, const char *schedule,
                                    const char *instance, struct wall waits_since,
                                    struct wall last);

/*
 * The newest slot of each schedule of the configuration in force that has members without an end;
 * `slots` has a place for each, zeroed.
 */
void engine_open_slots_by_schedule(const struct engine *engine, struct wall *slots);

/* A lane, for people and metrics; the names live as long as the turn. */
struct lane_now {
    const char *host;
    const char *action;
    int64_t per_second_milli;      /* the pace at the moment, in thousandths */
    uint64_t requests_last_minute; /* that left */
    uint64_t queued;
    bool is_down; /* the breaker is open */
};

/* The n-th, from 0, of all lanes and actions. False: there is none. */
bool engine_lane_now(const struct engine *engine, uint32_t n, struct lane_now *ret);
