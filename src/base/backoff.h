/*
 * The delay before another attempt: exponential with full jitter above a floor.
 *
 *   delay = floor + uniform(0, min(cap, base * 2^(attempt - 1)))
 *
 * Randomness is an argument: 64 uniform bits.
 */
#pragma once

#include <stdint.h>

struct backoff {
    int64_t floor_us;
    int64_t base_us;
    int64_t cap_us;
};

/* `attempt` counts from 1: the attempt that has just failed. */
int64_t backoff_delay_us(const struct backoff *policy, int attempt, uint64_t bits);
