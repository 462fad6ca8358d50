/*
 * The state of the engine, shared by its own rooms:
 *
 *   engine.c     create, file, step, wake, status
 *   slots.c      plan -> open slots -> members whose time ran out
 *   dispatch.c   lanes: members -> runs -> ledger -> token -> request
 *   settle.c     filed results -> decisions -> ends
 *   change.c     reload and drain
 *   hold.c       what waits for a clock that can be believed
 *   recover.c    what the ledger has open at a start
 */
#pragma once

#include "base/digest.h"
#include "engine/attempt.h"
#include "engine/engine.h"
#include "engine/lane.h"
#include "engine/plan.h"
#include "engine/report.h"
#include "engine/requests.h"
#include "engine/sanity.h"

#define ENGINE_TURN_MAX 1000 /* slots opened, or members missed, in one step: bounds its length */
#define ENGINE_RETRY_NS NS_PER_SECOND /* after a failure of memory, keys or the ledger */

struct engine {
    struct engine_ports ports;
    struct config *config;
    struct plan *plan;
    struct sanity sanity;
    struct lane **lanes; /* one a host that was ever configured, while it has work */
    uint32_t lane_count;
    struct lane **by_host; /* the present config's hosts -> lanes */
    uint32_t lane_turn;    /* which lane goes first: in turn, so that none starves */
    struct open_slots open_slots;
    struct run_pool *pool;
    struct heap deadlines; /* runs by deadline */
    struct requests *requests;
    struct digest *digest;
    struct now now; /* of the present step */
    bool stepped;
    bool draining;
    bool again; /* work was left for the next turn */
    bool keys_failed;
    bool ledger_failed;        /* told, and nothing has been recorded since */
    struct mono blocked_until; /* no sending before: keys or memory failed */
    struct mono send_from;     /* an earlier life may have sent until just now: no sending before */
    uint32_t run_count;
    uint32_t in_flight;
    struct run *filed; /* list of runs with filed results, oldest first */
    struct run **filed_tail;
    struct engine_status totals;
};

/* engine.c: takes over the clocks, and looks whether they can be believed; a step is told. */
void engine_watch_clocks(struct engine *engine, struct now now);

/* hold.c */
void engine_judge_clock(struct engine *engine, bool jumped);

/* slots.c */
void engine_open_slots(struct engine *engine);
void engine_expire(struct engine *engine);

/* dispatch.c */
void engine_dispatch(struct engine *engine);

/* Whether one more request of the lane may be in flight: its share of max_in_flight is not used. */
bool engine_has_place(const struct engine *engine, const struct lane *lane);

/* The run waits `delay_us` for its next attempt. */
void engine_wait(struct engine *engine, struct run *run, int64_t delay_us);

/* change.c */

/* Lanes for every host of the config; nothing changed on failure. Outcomes: 0; negative. */
int engine_make_lanes(struct engine *engine, const struct config *config) MUST_CHECK;

/* settle.c */
void engine_take_filed(struct engine *engine);

/* Ends a run: the ledger is told, the run is freed. The report is the caller's. */
void engine_end_run(struct engine *engine, struct run *run, enum ledger_result result);

/* Ends a run whose time ran out or that may not go on, with its report. */
void engine_give_up(struct engine *engine, struct run *run, const char *reason);

/* Ends a run that the new configuration does not have, with its report. */
void engine_drop(struct engine *engine, struct run *run, const char *reason);

/* A member of an open slot ends without ever having had a run. */
void engine_end_member(struct engine *engine, struct open_slot *open,
                       const struct instance *instance, enum ledger_result result,
                       const char *reason);

/* One member less; the last one closes the slot. */
void engine_member_ended(struct engine *engine, struct open_slot *open);

/* The run goes back to its slot in the ledger, for the next start. */
void engine_put_back(struct engine *engine, struct run *run);

/* recover.c: takes up what the ledger has open. Outcomes: 0; negative: it cannot be read. */
int engine_recover(struct engine *engine) MUST_CHECK;
