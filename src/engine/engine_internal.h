/*
 * The state of the engine, shared by its own rooms:
 *
 *   engine.c     create, file, step, wake, status
 *   slots.c      plan -> open slots -> members whose time ran out
 *   dispatch.c   lanes: members -> runs -> ledger -> token -> request
 *   keys.c       what signs, and what the cloud says of it
 *   settle.c     filed results -> decisions -> ends
 *   change.c     reload and drain
 *   move.c       what is open goes to the host where a new file has its instance
 *   hold.c       what waits for a clock that can be believed
 *   late.c       what a run waits for, and why one was not sent in time
 *   places.c     who may have one of the places in flight
 *   inquiries.c  requests that only read: queues, tokens, answers
 *   doubts.c     an attempt whose answer was lost is looked for in the cloud
 *   watches.c    an accepted backup is followed to its end
 *   orders.c     what an operator wants done
 *   recover.c    what the ledger has open at a start
 */
#pragma once

#include "base/digest.h"
#include "engine/attempt.h"
#include "engine/counters.h"
#include "engine/engine.h"
#include "engine/lane.h"
#include "engine/lookup.h"
#include "engine/ongoing.h"
#include "engine/plan.h"
#include "engine/report.h"
#include "engine/requests.h"
#include "engine/sanity.h"
#include "engine/tag.h"
#include "engine/view.h"
#include "engine/watch.h"

#define ENGINE_TURN_MAX 1000 /* slots opened, or members missed, in one step: bounds its length */
#define ENGINE_RETRY_NS NS_PER_SECOND /* after a failure of memory, keys or the ledger */

/* Keys that the cloud has refused: nothing is signed by them but probes. */
struct refusal {
    bool held;
    uint64_t generation;
    struct mono since; /* the refusal came: answers to what was sent before say nothing of it */
    int64_t wait_ns;   /* between probes */
    struct mono probe_at;
};

/* What the cloud said of keys that it does not know; for people alone. */
struct rejection {
    char code[REPLY_CODE_MAX]; /* "": it knows them, as far as it was asked */
    uint64_t generation;
};

/* Of the places for runs so many are kept for lanes that have few: all of a dead host's may wait.
 */
#define ENGINE_RUNS_KEPT 2048

/* What is known of the places in flight, see places.c. */
struct sharing {
    uint32_t competing; /* hosts that hold places or could use one */
    uint32_t live;      /* hosts that are not dead and have something to send */
    uint32_t probing;   /* probes that are out */
    uint32_t asking;    /* questions that are out to hosts that live */
    bool asks_wait;     /* questions have waited too long for a place */
    bool asked_last;    /* what was sent last was one */
    struct mono probe_from;
};

struct engine {
    struct engine_ports ports;
    struct config *config;
    struct plan *plan;
    struct sanity sanity;
    struct lane **lanes; /* one a host that was ever configured, while it has work */
    uint32_t lane_count;
    struct lane **by_host; /* the present config's hosts -> lanes */
    uint32_t lane_turn; /* which lane goes first: after the last that sent, so that none starves */
    uint32_t ask_turn;  /* the same for questions, by lane and action */
    struct open_slots open_slots;
    struct open_slots left_open; /* nobody waits in them; their entries have no end, see there */
    struct run_pool *pool;
    struct heap deadlines; /* runs by deadline */
    struct requests *requests;
    struct digest *digest;
    struct now now; /* of the present step */
    bool stepped;
    bool draining;
    bool again;       /* work was left for the next turn */
    bool keys_failed; /* told, and none have served since */
    struct refusal refusal;
    struct rejection rejection;
    bool served; /* what the cloud accepted last: */
    uint64_t served_generation;
    struct mono served_at;
    bool ledger_failed; /* told, and nothing has been recorded since */
    struct hindrance clock_wrong;
    struct hindrance ledger_away;
    struct hindrance keys_away;
    struct mono blocked_until; /* no sending before: keys or memory failed */
    struct mono send_from;     /* an earlier life may have sent until just now: no sending before */
    uint32_t run_count;
    uint32_t in_flight;
    struct run *filed; /* list of runs with filed results, oldest first */
    struct run **filed_tail;
    struct flights flights;
    struct sharing places;
    struct flight *filed_flights; /* oldest first */
    struct flight **filed_flights_tail;
    struct ongoings ongoings;
    struct heap stale; /* all watches, by the end of their complete_within */
    uint32_t doubt_count;
    struct wall last_order; /* its slot; no two orders have the same */
    struct engine_status totals;
    struct counters counters;
    struct view *view;
};

/* engine.c: an entry for the ledger, and for the view. Outcomes: the ledger's. */
int engine_record(struct engine *engine, const struct ledger_entry *entry) MUST_CHECK;

/* engine.c: takes over the clocks, and looks whether they can be believed; a step is told. */
void engine_watch_clocks(struct engine *engine, struct now now);

/* engine.c: so many of the schedule's backups came to this. */
void engine_count(struct engine *engine, const char *schedule, enum counters_outcome outcome,
                  uint64_t count);

/* hold.c */

/* A run that was not sent is a member of its slot again. Outcomes: 0; -ENOMEM, -EIO: it stays. */
int engine_send_back(struct engine *engine, struct run *run) MUST_CHECK;
void engine_judge_clock(struct engine *engine, bool jumped);

/* late.c */

/* Once a step, before anything ends for its time. */
void engine_look_at_hindrances(struct engine *engine);

/* What the last question about the task came to. */
void engine_note_watch(struct watch *watch, const struct verdict *verdict);

/* The code of that where it was no answer; "other": none of the known ones; "". */
const char *engine_watch_code(const struct watch *watch);

/* Whether an earlier backup is in the way of the run, or was when it was last looked at. */
bool engine_earlier(const struct engine *engine, const struct run *run, struct earlier *ret);

/* Their time has run out: ends them with what they waited for, the batch's head and a run. */
void engine_end_late_member(struct engine *engine, struct lane *lane, const struct batch *batch);
void engine_end_late_run(struct engine *engine, struct run *run);

/* Why a slot was not begun: "clock", "ledger", or NULL: neither held it up. */
const char *engine_why_passed(const struct engine *engine, struct wall slot);

/* slots.c */
void engine_open_slots(struct engine *engine);

/* plan_left_fn, the context is the engine: they are told and recorded, and will not be opened. */
void engine_pass_slots(void *context, const struct plan_due *due);

/* NULL where the slot is not open. */
struct open_slot *engine_find_open(const struct engine *engine, const char *schedule,
                                   struct wall slot);

/* A slot that has ended, opened again, without members; NULL where that cannot be recorded. */
struct open_slot *engine_reopen(struct engine *engine, const struct schedule *schedule,
                                struct wall slot, enum ledger_kind kind);
void engine_expire(struct engine *engine);

/* dispatch.c */
/* In every heap of the lane, so that later pushes of one more run cannot fail. */
bool engine_reserve_places(struct engine *engine, struct lane *lane) MUST_CHECK;

/* Nothing is sent for a second: keys or memory failed. */
void engine_rest(struct engine *engine);

/* A NEW run with a place in every queue; NULL where memory is short. Its member is counted already.
 */
struct run *engine_make_run(struct engine *engine, struct lane *lane, struct open_slot *open,
                            const struct instance *instance, struct wall due);
void engine_dispatch(struct engine *engine);

/* Whether the batch's head may have its run: not many are prepared that go before it. */
bool engine_wants_run(const struct lane *lane, const struct batch *batch, struct wall now);

/* Whether the lane may begin another run. */
bool engine_has_run_place(const struct engine *engine, const struct lane *lane);

/* places.c: counts anew who wants a place; before a turn's sending, and after it. */
void engine_count_places(struct engine *engine);
/* Whether one more run of the lane, or one more question of any, may be in flight. */
bool engine_has_place(const struct engine *engine, const struct lane *lane);
bool engine_has_ask_place(const struct engine *engine);
/* Whether its host may be sent anything now, or from when on: MONO_NEVER till an answer comes. */
bool engine_may_send(const struct engine *engine, const struct lane *lane);
struct mono engine_may_send_at(const struct engine *engine, const struct lane *lane,
                               struct mono now);
/* A request of the lane leaves: its number where it is a probe, as of breaker_send(). */
uint32_t engine_note_sending(struct engine *engine, struct lane *lane, bool is_question);
void engine_note_probe_end(struct engine *engine, const struct lane *lane);

/* The run waits `delay_us` for its next attempt. */
void engine_wait(struct engine *engine, struct run *run, int64_t delay_us);

/* keys.c */

/* NULL where there are none (that is said, and the lanes rest) or they are refused. */
const struct keys *engine_get_keys(struct engine *engine);

/* False while the keys are refused and no probe is due: looks for others. */
bool engine_may_sign(struct engine *engine);

/* They are not there or cannot sign: said once, and tried again in a second. */
void engine_keys_fail(struct engine *engine, const char *text);

/* Something was signed: ends what engine_keys_fail() has said. */
void engine_keys_serve(struct engine *engine);

/* What an answer says of the keys that signed its question, which was sent at `sent_at`; `run` is
 * whose it is, or NULL. */
void engine_judge_keys(struct engine *engine, uint64_t generation, struct mono sent_at,
                       const struct verdict *verdict, const struct run *run);

/* Whether a run that was refused for its keys gets another attempt, and after how long. */
bool engine_await_keys(struct engine *engine, struct run *run, int64_t left_us,
                       int64_t *ret_delay_us) MUST_CHECK;

/* The run was to wait for other keys, and there are none. */
bool engine_lacks_keys(struct engine *engine, const struct run *run);

/* change.c */

/* Lanes for every host of the config, in its order; the caller owns *ret. Outcomes: 0; negative. */
int engine_make_lanes(struct engine *engine, const struct config *config,
                      struct lane ***ret) MUST_CHECK;

/* The host's lane, made where there is none. Outcomes: 0; negative. */
int engine_get_lane(struct engine *engine, const struct host *host, struct lane **ret) MUST_CHECK;

/* settle.c */

/* What any answer teaches about its lane and the bucket of its action. */
void engine_learn(struct engine *engine, struct lane *lane, struct bucket *bucket,
                  const char *action, const struct verdict *verdict, bool answered, uint32_t probe);

/* The run is accepted: told, ended and watched; `done` says that its backup is known to stand. */
void engine_submit(struct engine *engine, struct run *run, const char *found, bool done);

/* The attempt did nothing, for certain: after a crash the run is simply due again. */
void engine_tell_again(struct engine *engine, const struct run *run);

void engine_take_filed(struct engine *engine);

/* Ends a run: the ledger is told, the run is freed. The report is the caller's. */
void engine_end_run(struct engine *engine, struct run *run, enum ledger_result result);

/* Ends a run that was told of: why nothing was sent, and the code behind that or "". */
void engine_end_unsent(struct engine *engine, struct run *run, enum ledger_result result,
                       const char *reason, const char *code);

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

/* inquiries.c */

/* Room for `count` inquiries of the lane and action to wait at once. */
bool engine_may_ask(struct lane *lane, enum inquiry_action action, uint64_t count) MUST_CHECK;
void engine_ask(struct engine *engine, struct inquiry *inquiry, enum inquiry_action action,
                int64_t delay_us);
void engine_stop_asking(struct inquiry *inquiry);
void engine_send_inquiries(struct engine *engine);
/* The probe of the lane's dead endpoint, where it is due and there is anything to ask. */
void engine_send_probe(struct engine *engine, struct lane *lane);
void engine_wake_for_inquiries(const struct engine *engine, const struct lane *lane,
                               struct mono now, struct wake *wake);
void engine_file_flight_left(struct engine *engine, uint64_t ticket, struct mono at);
void engine_file_flight_outcome(struct engine *engine, uint64_t ticket,
                                const struct exchange *exchange, struct mono at);
void engine_take_flights(struct engine *engine);
void engine_cancel_flights(struct engine *engine);

/* watches.c */

/* Outcomes: 0; -ENOMEM: it is not watched before the next start. */
int engine_watch(struct engine *engine, struct lane *lane, const struct submission *what,
                 int64_t delay_us) MUST_CHECK;
void engine_watch_answered(struct engine *engine, struct watch *watch, const struct flight *flight);
void engine_tell_finished(struct engine *engine, const struct submission *what,
                          enum ledger_finish finish, const char *code, const char *message);
void engine_expire_watches(struct engine *engine);
void engine_drop_watches(struct engine *engine);

/* Whether a run may have its first attempt: another backup of its instance may be under way. */
enum start {
    START_NOW,
    START_LATER, /* look again after engine_start_delay_us() */
    START_NEVER, /* skipped: it is under way, and was seen to be when this one was due */
};
/* What is in the way of a run that has not begun, a watch where there is one; NULL: nothing. */
struct ongoing *engine_find_in_the_way(const struct engine *engine, const struct run *run);
enum start engine_may_start(struct engine *engine, const struct run *run);

/* Whether its instance is a member without a run of another slot of its schedule that goes before.
 */
bool engine_waits_before(const struct engine *engine, const struct run *run);
int64_t engine_start_delay_us(const struct engine *engine, const struct run *run);

/* doubts.c: the run's attempt is looked for; the run may have ended when this returns. */
void engine_doubt(struct engine *engine, struct run *run);
/* Its run has gone to another lane, which has places for it: the look under way begins again. */
void engine_doubt_elsewhere(struct engine *engine, struct doubt *doubt, int64_t delay_us);

/* move.c: where a run of the open slot's instance is to be sent. NULL: no memory. */
struct lane *engine_find_lane(struct engine *engine, const struct open_slot *open,
                              const struct instance *instance);
/* All that is open, after a reload. */
void engine_move(struct engine *engine);
/* One run, which is not on the wire. Without memory it stays. */
void engine_move_run(struct engine *engine, struct run *run);
void engine_doubt_answered(struct engine *engine, struct doubt *doubt, const struct flight *flight);
/* What became of its attempt is not known, and will not be: told and ended. */
void engine_end_unknown(struct engine *engine, struct run *run);
void engine_free_doubt(struct engine *engine, struct run *run);

/* recover.c: takes up what the ledger has open. Outcomes: 0; negative: it cannot be read. */
int engine_recover(struct engine *engine) MUST_CHECK;

/* recover_watches.c: backups not known to have ended are watched again. Outcomes: 0; negative. */
int engine_recover_watches(struct engine *engine) MUST_CHECK;
