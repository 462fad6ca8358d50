/*
 * Seeded chance: splitmix64. The same seed gives the same numbers on every machine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_next(struct dice *dice)
{
    dice->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = dice->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Streams of one seed are far apart, and so are neighbouring seeds. */
static inline struct dice dice_of(uint64_t seed, uint64_t stream)
{
    struct dice seeds = {seed};
    struct dice streams = {dice_next(&seeds) ^ stream * UINT64_C(0xd1342543de82ef95)};
    return (struct dice){dice_next(&streams)};
}

/* Uniform in [low, high]. */
static inline int64_t dice_range(struct dice *dice, int64_t low, int64_t high)
{
    return low + (int64_t)(dice_next(dice) % (uint64_t)(high - low + 1));
}

static inline bool dice_chance(struct dice *dice, int permille)
{
    return dice_range(dice, 0, 999) < permille;
}
