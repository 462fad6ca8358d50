/*
 * Two kinds of time that cannot be mixed.
 *
 *   struct wall   microseconds since 1970-01-01T00:00:00Z, leap seconds not counted. It can jump.
 *                 Slots, signatures and log lines use it.
 *   struct mono   nanoseconds of a clock that only goes forward, from an unknown start.
 *                 Time-outs, back-off and the token bucket use it.
 *
 * Nothing here reads a clock: instants come in as arguments, from the clock port alone, sampled
 * together once a turn of the loop as a `struct now`.
 *
 * Range: walls are meaningful from WALL_MIN to WALL_MAX (years 0001 to 9999); arithmetic
 * saturates at the int64_t limits instead of overflowing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define US_PER_SECOND INT64_C(1000000)
#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_US INT64_C(1000)
#define SECONDS_PER_DAY INT64_C(86400)

struct wall {
    int64_t us;
};

struct mono {
    int64_t ns;
};

struct now {
    struct wall wall;
    struct mono mono;
};

#define WALL_MIN_SECOND INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define WALL_MAX_SECOND INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define WALL_NEVER ((struct wall){INT64_MAX})
#define MONO_NEVER ((struct mono){INT64_MAX})

static inline int64_t instant_add_saturated(int64_t a, int64_t b)
{
    int64_t sum;
    if (!__builtin_add_overflow(a, b, &sum))
        return sum;
    return b > 0 ? INT64_MAX : INT64_MIN;
}

static inline int64_t instant_sub_saturated(int64_t a, int64_t b)
{
    int64_t difference;
    if (!__builtin_sub_overflow(a, b, &difference))
        return difference;
    return b < 0 ? INT64_MAX : INT64_MIN;
}

static inline struct wall wall_from_seconds(int64_t seconds)
{
    int64_t us;
    if (__builtin_mul_overflow(seconds, US_PER_SECOND, &us))
        us = seconds > 0 ? INT64_MAX : INT64_MIN;
    return (struct wall){us};
}

/* Whole seconds, rounded towards the past, also before 1970. */
static inline int64_t wall_seconds(struct wall w)
{
    int64_t s = w.us / US_PER_SECOND;
    return w.us % US_PER_SECOND < 0 ? s - 1 : s;
}

static inline struct wall wall_add_us(struct wall w, int64_t us)
{
    return (struct wall){instant_add_saturated(w.us, us)};
}

/* a - b in microseconds. */
static inline int64_t wall_diff_us(struct wall a, struct wall b)
{
    return instant_sub_saturated(a.us, b.us);
}

static inline bool wall_before(struct wall a, struct wall b)
{
    return a.us < b.us;
}

static inline struct wall wall_earlier(struct wall a, struct wall b)
{
    return a.us < b.us ? a : b;
}

static inline struct mono mono_add_ns(struct mono m, int64_t ns)
{
    return (struct mono){instant_add_saturated(m.ns, ns)};
}

/* a - b in nanoseconds. */
static inline int64_t mono_diff_ns(struct mono a, struct mono b)
{
    return instant_sub_saturated(a.ns, b.ns);
}

static inline bool mono_before(struct mono a, struct mono b)
{
    return a.ns < b.ns;
}

static inline struct mono mono_earlier(struct mono a, struct mono b)
{
    return a.ns < b.ns ? a : b;
}
