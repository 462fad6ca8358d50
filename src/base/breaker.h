/*
 * A breaker: keeps requests away from an endpoint that is dead.
 *
 *            BREAKER_TRIP dead answers in a row              dead: waits longer
 *   CLOSED ─────────────────────────────────────► OPEN ◄──────────────┐
 *     ▲                                             │ the time is up  │
 *     └──────────────── any sign of life ────── HALF-OPEN ────────────┘
 *                                           (one probe at a time)
 *
 * The n-th wait is between half and all of BREAKER_WAIT_MIN_US * 2^(n-1), at most
 * BREAKER_WAIT_MAX_US. Time and randomness are arguments. A zeroed struct is a closed breaker.
 */
#pragma once

#include "base/instant.h"

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_TRIP 8
#define BREAKER_WAIT_MIN_US US_PER_SECOND
#define BREAKER_WAIT_MAX_US (30 * US_PER_SECOND)

struct breaker {
    int dead;        /* answers in a row, while closed */
    int opened;      /* how often since it was last closed; 0: it is closed */
    uint32_t probe;  /* the number of the one that is under way; 0: none is */
    uint32_t probes; /* numbers given so far */
    struct mono until;
};

/* Probes alone may be sent. */
static inline bool breaker_is_open(const struct breaker *breaker)
{
    return breaker->opened > 0;
}

/* Whether a request may be sent now. */
bool breaker_allows(const struct breaker *breaker, struct mono now);

/* When one may be at the earliest; MONO_NEVER while a probe's answer is awaited. */
struct mono breaker_ready_at(const struct breaker *breaker, struct mono now);

/*
 * A request is sent. 0, or its number where it is the probe, which the caller remembers: one that
 * was sent before the last sign of life is a probe no more.
 */
uint32_t breaker_send(struct breaker *breaker);

enum breaker_change {
    BREAKER_SAME,
    BREAKER_OPENED,
    BREAKER_CLOSED,
};

/* A request ended: with a sign of life of the endpoint, or without. */
enum breaker_change breaker_judge(struct breaker *breaker, struct mono now, bool alive,
                                  uint32_t probe, uint64_t bits);

/* The probe said nothing about the endpoint: another may follow. */
void breaker_forget(struct breaker *breaker, uint32_t probe);
