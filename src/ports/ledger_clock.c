/*
 * See ledger_clock.h. Both clocks are slewed alike, and the monotonic one stands still in suspend:
 * what the wall clock has run more or less than the other since the trial began are steps and
 * sleep. Steps that a look did not see, since they were taken back meanwhile, have done nothing.
 */
#include "ports/ledger_clock.h"

bool ledger_clock_is_believed(struct ledger_clock *clock, struct now now)
{
    int64_t run_ns = mono_diff_ns(now.mono, clock->since.mono);
    struct wall expected = wall_add_us(clock->since.wall, run_ns / NS_PER_US);
    int64_t step_us = wall_diff_us(now.wall, expected);
    if (step_us > LEDGER_CLOCK_STEP_US || step_us < -LEDGER_CLOCK_STEP_US) {
        clock->since = now;
        run_ns = 0;
    }
    return run_ns >= clock->trial_ns;
}
