/*
 * Whether the wall clock may say how old the ledger's rows are. What is deleted for its age is
 * gone, and a clock that is a year ahead till the first answer of a time server makes all of it
 * old. So the clock is on trial: it is believed when it has run LEDGER_CLOCK_TRIAL_NS of this
 * process's life without a step or a sleep.
 *
 *   ON TRIAL ──LEDGER_CLOCK_TRIAL_NS without a step──▶ BELIEVED
 *       ▲                                                 │
 *       └──────────── a step or a sleep ──────────────────┘
 */
#pragma once

#include "base/instant.h"

#include <stdbool.h>

#define LEDGER_CLOCK_TRIAL_NS (6 * 3600 * NS_PER_SECOND)

/* What the wall clock may run more or less than the other meanwhile. */
#define LEDGER_CLOCK_STEP_US (600 * US_PER_SECOND)

struct ledger_clock {
    struct now since; /* the trial's begin */
    int64_t trial_ns;
};

/* Looks at the clock: is it believed? A step begins the trial anew. */
bool ledger_clock_is_believed(struct ledger_clock *clock, struct now now);
