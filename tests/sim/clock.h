/*
 * Virtual time: one true time that never stops, the two clocks of the host derived from it, and
 * the queue of events to come.
 *
 *   true   nanoseconds since the world began; the cloud lives by it
 *   wall   the host's calendar clock: true time, set forward and back by steps
 *   mono   the host's monotonic clock: true time without the time asleep
 */
#pragma once

#include "base/instant.h"

#include <stddef.h>

#define MS INT64_C(1000000) /* in nanoseconds */

enum event_kind {
    EVENT_SCRIPT,    /* something of the world's script: index */
    EVENT_RECORDED,  /* the ledger answers: ticket, outcome */
    EVENT_COMMITTED, /* a commit of the durable one ends: life, outcome */
    EVENT_LEAVE,     /* a request's bytes leave the host: index of the request */
    EVENT_ARRIVE,    /* they arrive at the cloud */
    EVENT_OUTCOME,   /* the request's outcome is known to the host */
    EVENT_OPERATOR,  /* somebody begins a backup at the console: instance */
    EVENT_ERRAND,    /* an operator asks for something: index */
    EVENT_LAPSE,     /* a step of a lapse: its index times LAPSE_STEPS, and the step */
    EVENT_TOLD,      /* something of a story: index */
};

struct occasion {
    int64_t at;     /* true time */
    uint64_t order; /* ties leave in the order they came */
    enum event_kind kind;
    uint64_t number; /* index or ticket */
    int outcome;
};

struct clock {
    int64_t now;     /* true time */
    int64_t asleep;  /* of it, spent suspended */
    int64_t real_us; /* the true calendar instant at true time 0 */
    int64_t step_us; /* what the host's calendar clock is off */
    struct occasion *queue;
    size_t count;
    size_t capacity;
    uint64_t pushed;
};

void clock_finish(struct clock *clock);

struct now clock_sample(const struct clock *clock);

/* The cloud's calendar clock, in whole seconds, at a true time. */
int64_t clock_cloud_second(const struct clock *clock, int64_t at);

/* The true time at which the host's clocks will show the given instants, were nothing to change. */
int64_t clock_when_wall(const struct clock *clock, struct wall wall);
int64_t clock_when_mono(const struct clock *clock, struct mono mono);

void clock_push(struct clock *clock, int64_t at, enum event_kind kind, uint64_t number,
                int outcome);

/* NULL when empty. */
const struct occasion *clock_top(const struct clock *clock);
struct occasion clock_pop(struct clock *clock);
