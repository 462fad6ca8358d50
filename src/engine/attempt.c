/*
 * See attempt.h. The machine is a table of states by events; the decision is a function of the
 * verdict's class.
 */
#include "engine/attempt.h"

#include <assert.h>
#include <stddef.h>

#define NONE ATTEMPT_NEW /* no move leads back to NEW: it marks an illegal one */

/* clang-format off */
static const enum attempt_state moves[ATTEMPT_STATES][ATTEMPT_EVENTS] = {
    /*                      RECORD             RECORDED           SEND               LEAVE              LATER              DOUBT            END */
    [ATTEMPT_NEW]       = {ATTEMPT_RECORDING, NONE,              NONE,              NONE,              ATTEMPT_WAITING,   ATTEMPT_DOUBTFUL,  NONE},
    [ATTEMPT_RECORDING] = {NONE,              ATTEMPT_READY,     NONE,              NONE,              ATTEMPT_WAITING,   NONE,              ATTEMPT_ENDED},
    [ATTEMPT_READY]     = {NONE,              NONE,              ATTEMPT_SENDING,   NONE,              ATTEMPT_WAITING,   NONE,              ATTEMPT_ENDED},
    [ATTEMPT_SENDING]   = {NONE,              NONE,              NONE,              ATTEMPT_ON_WIRE,   ATTEMPT_WAITING,   ATTEMPT_DOUBTFUL,  ATTEMPT_ENDED},
    [ATTEMPT_ON_WIRE]   = {NONE,              NONE,              NONE,              NONE,              ATTEMPT_WAITING,   ATTEMPT_DOUBTFUL,  ATTEMPT_ENDED},
    [ATTEMPT_WAITING]   = {ATTEMPT_RECORDING, NONE,              NONE,              NONE,              ATTEMPT_WAITING,   NONE,              ATTEMPT_ENDED},
    [ATTEMPT_DOUBTFUL]  = {NONE,              NONE,              NONE,              NONE,              ATTEMPT_WAITING,   NONE,              ATTEMPT_ENDED},
    [ATTEMPT_ENDED]     = {NONE,              NONE,              NONE,              NONE,              NONE,              NONE,              NONE},
};
/* clang-format on */

bool attempt_may(enum attempt_state state, enum attempt_event event)
{
    return moves[state][event] != NONE;
}

enum attempt_state attempt_move(enum attempt_state state, enum attempt_event event)
{
    assert(attempt_may(state, event));
    return moves[state][event];
}

const char *attempt_state_name(enum attempt_state state)
{
    static const char *const names[ATTEMPT_STATES] = {"new",     "recording", "ready",    "sending",
                                                      "on_wire", "waiting",   "doubtful", "ended"};
    return names[state];
}

/* Retried classes and their patience. */
static const struct backoff throttled_backoff = {0, US_PER_SECOND, 60 * US_PER_SECOND};
static const struct backoff clock_backoff = {0, US_PER_SECOND / 4, 60 * US_PER_SECOND};
static const struct backoff busy_backoff = {2 * US_PER_SECOND, 8 * US_PER_SECOND,
                                            300 * US_PER_SECOND};
static const struct backoff not_sent_backoff = {US_PER_SECOND / 4, US_PER_SECOND,
                                                60 * US_PER_SECOND};

#define LAST_CHANCE_US US_PER_SECOND /* the last attempt begins so long before the deadline */

static const struct backoff *backoff_of(enum verdict_class class)
{
    switch (class) {
    case VERDICT_THROTTLED:
        return &throttled_backoff;
    case VERDICT_CLOCK:
        return &clock_backoff;
    case VERDICT_BUSY:
        return &busy_backoff;
    case VERDICT_NOT_SENT:
        return &not_sent_backoff;
    case VERDICT_ACCEPTED:
    case VERDICT_AMBIGUOUS:
    case VERDICT_FINAL:
        break;
    }
    return NULL;
}

enum attempt_decision attempt_decide(const struct verdict *verdict, int attempt, int64_t left_us,
                                     uint64_t bits, int64_t *ret_delay_us)
{
    if (verdict->class == VERDICT_ACCEPTED)
        return ATTEMPT_SUBMITTED;
    if (verdict->class == VERDICT_AMBIGUOUS)
        return ATTEMPT_UNKNOWN;
    if (verdict->class == VERDICT_FINAL)
        return ATTEMPT_FAILED;
    int64_t delay = backoff_delay_us(backoff_of(verdict->class), attempt, bits);
    if (delay >= left_us - LAST_CHANCE_US)
        delay = left_us - LAST_CHANCE_US; /* the time that is left is used to its end */
    if (delay < backoff_of(verdict->class)->floor_us || delay < 0)
        return ATTEMPT_EXPIRED;
    *ret_delay_us = delay;
    return ATTEMPT_RETRY;
}
