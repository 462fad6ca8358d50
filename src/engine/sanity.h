/*
 * Sanity: whether the wall clock can be believed.
 *
 * Two instants that it cannot be before are known: when the program was made, and the newest slot
 * that was ever opened. Before the first, or behind the second by more than SANITY_BEHIND_US, it
 * is plainly wrong: no slot is opened and nothing is sent till that is over.
 *
 * Behind the newest slot it may also be the slot that is wrong: a clock that ran years ahead once
 * has opened it, and nothing but waiting would ever be done again. A host that reaches the cloud
 * reaches a time server too, and has its clock set within minutes. So a clock that has run for
 * SANITY_STEADY_NS without a step or a sleep while it was behind is believed, and the record goes
 * back to it. Slots that the record has stay recorded, those yet to come by that clock as well:
 * none repeats. A clock before the program's making is never believed.
 *
 *             plainly wrong                     steady, and only behind
 *   BELIEVED ───────────────► HELD ─────────────────────────────────────► (the record goes back)
 *       ▲                      │ ▲                                              │
 *       └──── right again ─────┘ └── still behind: the record cannot be read ───┘
 */
#pragma once

#include "base/instant.h"

#include <stdbool.h>

/* An hour, and the little that slots are opened ahead of their time. */
#define SANITY_BEHIND_US (3605 * US_PER_SECOND)
#define SANITY_STEADY_NS (3 * 3600 * NS_PER_SECOND)

struct sanity {
    struct wall built; /* the clock cannot be before; 0 where that is not known */
    bool held;
    struct mono steady_since; /* while held */
};

enum sanity_change {
    SANITY_SAME,
    SANITY_HOLD,    /* the clock has become unbelievable */
    SANITY_RELEASE, /* it is believable again */
    SANITY_STEADY,  /* held, but it has been steady long enough: said again after as long */
};

/*
 * Looks at the clocks. `newest` is the newest slot that is recorded (INT64_MIN: none), `jumped`
 * says that the clock was set or the host slept since the last look.
 */
enum sanity_change sanity_judge(struct sanity *sanity, struct now now, struct wall newest,
                                bool jumped);

/* The clock is before the program's making. */
bool sanity_is_early(const struct sanity *sanity, struct wall now);

/* From which instant on the clock would be believed. */
struct wall sanity_believed_from(const struct sanity *sanity, struct wall newest);
