/*
 * The engine: all policy and all state of the daemon, without a clock, a library or I/O.
 *
 * The owner of the loop calls engine_step() once a turn with the two clocks sampled together, and
 * sleeps until engine_next_wake() or until something is filed. Callbacks of the ports only file;
 * engine_step() alone decides, in this order: filed results, slots that are due, the queues of the
 * hosts. It never blocks.
 *
 * One engine serves one thread.
 */
#pragma once

#include "base/instant.h"
#include "base/reply.h"
#include "base/result.h"
#include "engine/counters.h"
#include "engine/model.h"
#include "engine/ports.h"

struct engine;

#define ENGINE_PREPARE_US \
    (2 * US_PER_SECOND) /* runs are recorded and connections opened so long ahead */
#define ENGINE_SLEEP_MAX_US (60 * US_PER_SECOND)
#define ENGINE_RUNS_MAX 16384 /* runs under way or waiting for a retry; more wait in their slot */
#define ENGINE_FILED_MAX                                                     \
    65536 /* results filed between two turns; a port cannot outgrow the runs \
           */

/*
 * Outcomes: 0, *ret owned by the caller; -ENOMEM; -ENOTSUP (no SHA-256). The engine takes one
 * reference to the config. The ports' contexts must outlive the engine.
 */
int engine_create(const struct engine_ports *ports, struct config *config, struct now now,
                  struct engine **ret, struct errtext *err) MUST_CHECK;
void engine_destroy(struct engine *engine);

/* ---- filing, from the ports ---- */

/* The bytes of the request began to leave at `at`. Unknown tickets are ignored. */
void engine_file_on_wire(struct engine *engine, uint64_t ticket, struct mono at);

/* The request ended. The exchange is judged here and now; nothing of it is kept. */
void engine_file_outcome(struct engine *engine, uint64_t ticket, const struct exchange *exchange,
                         struct mono at);

/* A STARTED entry is durable (0) or was not taken (negative). */
void engine_file_recorded(struct engine *engine, uint64_t ticket, int outcome);

/* ---- turning ---- */

void engine_step(struct engine *engine, struct now now);

/* When the next step is due at the latest, by either clock; at most ENGINE_SLEEP_MAX_US ahead. */
struct wake {
    struct wall wall;
    struct mono mono; /* MONO_NEVER: the wall clock alone */
};
struct wake engine_next_wake(const struct engine *engine, struct now now);

/*
 * Swaps the frozen configuration. Slots that are open go on with the instances that the new file
 * still has; the others end as skipped. `view_take` is of that configuration, prepared with
 * engine_view() as it is now, or NULL: then it is made here. Outcomes: 0; -ENOMEM (nothing
 * changed).
 */
struct view;
int engine_reload(struct engine *engine, struct config *config, struct view *view_take,
                  struct now now) MUST_CHECK;

/* No new request from now on; what is not on its way ends as missed, reason "stopping". */
void engine_drain(struct engine *engine, struct now now);

/* True when nothing is in flight. */
bool engine_is_idle(const struct engine *engine);

/* What is going on, for STATUS= and for tests. */
struct engine_status {
    uint32_t in_flight;
    uint64_t waiting;      /* runs and members of open slots that have not been sent */
    struct wall next_slot; /* WALL_NEVER: none */
    uint64_t watched;      /* backups that are not known to have ended */
    uint64_t doubtful;     /* runs whose answer was lost and is looked for */
    bool clock_held;       /* the clock cannot be believed: nothing is opened or sent */
    uint64_t submitted;    /* since the start */
    uint64_t succeeded;
    uint64_t failed;
    uint64_t unknown;
    uint64_t missed;
    uint64_t skipped;
};
struct engine_status engine_status(const struct engine *engine);

/* What is known of each member (engine/view.h), of the configuration in force; till its reload. */
struct view *engine_view(struct engine *engine);

/* The next slot of a schedule of the configuration in force; WALL_NEVER without one. */
struct wall engine_next_slot_of(const struct engine *engine, uint32_t schedule);

/*
 * The code by which the cloud refused the keys that sign now as unknown or wrong, the last time
 * that it was asked; "" where it did not.
 */
const char *engine_keys_rejection(struct engine *engine);

/* Why the wall clock was not believed at the last step, for people; "" where it was. */
const char *engine_clock_doubt(const struct engine *engine);

/* What was done since the start, for metrics. Borrowed; the schedules change with a reload. */
const struct counters *engine_counters(const struct engine *engine);

/* Counts an answer to who asks for keys, as counters_answer(). */
void engine_count_answer(struct engine *engine, enum counters_action action,
                         const struct verdict *verdict, int64_t duration_ns);
