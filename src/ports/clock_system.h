/*
 * The system's two clocks, and timers on each: the only place where a clock is read.
 *
 * The wall clock is CLOCK_REALTIME, the monotonic one CLOCK_MONOTONIC (it stands still in suspend).
 * A timer is a descriptor that becomes readable; the owner of the loop watches it.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"

/* Both clocks, sampled together. */
struct now clock_now(void);
struct mono clock_mono(void);

/* What the calling thread has worked so far: processor time, not waiting. */
struct mono clock_thread(void);

/*
 * A timer on the wall clock. It also becomes readable when somebody sets the clock.
 * Outcomes: a descriptor of the caller's; negative errno.
 */
int clock_wall_timer(void) MUST_CHECK;

/* A timer on the monotonic clock. Outcomes: as above. */
int clock_mono_timer(void) MUST_CHECK;

#define CLOCK_STEPPED 1 /* the clock was set since then: what is planned must be planned anew */

/*
 * Sets a timer to an instant; one that has passed makes it readable at once. WALL_NEVER and
 * MONO_NEVER stop it. Outcomes: 0; CLOCK_STEPPED (set all the same); negative errno.
 */
int clock_wall_timer_set(int fd, struct wall at) MUST_CHECK;
int clock_mono_timer_set(int fd, struct mono at) MUST_CHECK;

/* Takes the expiry. Outcomes: 0 (also where there was none); CLOCK_STEPPED; negative errno. */
int clock_timer_read(int fd) MUST_CHECK;
