/*
 * The token bucket of one action at one host, with a promise about arrivals: in no one-second
 * window, wherever it starts, do more than `per_second` requests leave, and a backlog still drains
 * at 98 % of per_second or better.
 *
 * Two rules hold at once:
 *
 *   pace    tokens come at per_second / BUCKET_PACE_STRETCH, at most `burst` (and a tenth, so that
 *           a late timer costs no throughput) are saved up;
 *   window  the requests whose bytes left during the last BUCKET_WINDOW_NS (one second and a
 *           head-room for jitter on the way), together with those that were released and may
 *           leave any moment, are never more than per_second.
 *
 * What counts is when the bytes leave, not when a request is handed over: each token taken is later
 * confirmed with that instant, or returned where nothing left. A released request counts against
 * the window until then, so a delayed one can never crowd into a window that is full.
 *
 * On throttling the pace halves (not below one in twenty of the configured rate) and comes back in
 * steps of a tenth; a true limit named by the cloud becomes the ceiling for an hour.
 *
 * Time is an argument throughout. init/finish on the caller's memory.
 */
#pragma once

#include "base/instant.h"
#include "base/minute.h"
#include "base/result.h"

#include <stdint.h>

#define BUCKET_RATE_MAX 1000
#define BUCKET_WINDOW_NS (NS_PER_SECOND + 10000 * NS_PER_US)
#define BUCKET_SLOW_MIN 50      /* permille of the configured rate */
#define BUCKET_RECOVER_STEP 100 /* permille a step */
#define BUCKET_RECOVER_NS (2 * NS_PER_SECOND)
#define BUCKET_CEILING_NS (3600 * NS_PER_SECOND)

struct bucket {
    int32_t per_second;
    int32_t burst;

    int64_t due_ns;    /* when the next token is full, were none saved up */
    struct mono *left; /* ring of the last BUCKET_RATE_MAX instants at most, oldest first */
    int32_t ring_size;
    int32_t left_first;
    int32_t left_count;
    int32_t released; /* taken, neither confirmed nor returned */

    int32_t slow;          /* permille of the rate that is used: 1000 is all */
    struct mono slowed_at; /* last change of `slow` */
    int32_t ceiling;       /* requests a second that the cloud named; 0: none */
    struct mono ceiling_at;

    struct minute minute; /* of those that left, for people */
};

/* per_second 1 to BUCKET_RATE_MAX, burst 1 to per_second. Outcomes: 0; -EINVAL; -ENOMEM. */
int bucket_init(struct bucket *bucket, int32_t per_second, int32_t burst) MUST_CHECK;
void bucket_finish(struct bucket *bucket);

/* New settings; what left before still counts. Outcomes: as bucket_init(); unchanged on failure. */
int bucket_configure(struct bucket *bucket, int32_t per_second, int32_t burst) MUST_CHECK;

/* Takes a token: true, and the caller owes one bucket_confirm() or bucket_return(). */
bool bucket_take(struct bucket *bucket, struct mono now) MUST_CHECK;

/* The bytes of a released request left at `at`. */
void bucket_confirm(struct bucket *bucket, struct mono at);

/* A released request will never leave. */
void bucket_return(struct bucket *bucket);

/*
 * The earliest instant at which bucket_take() can succeed: `now` or before it where it can already;
 * MONO_NEVER while it depends on a confirm or a return.
 */
struct mono bucket_ready_at(const struct bucket *bucket, struct mono now);

/*
 * The cloud refused a request for its rate; `limit` is the true limit that it named, 0 for none.
 * True where this changed the pace (one second's refusals count once).
 */
bool bucket_throttle(struct bucket *bucket, struct mono now, int64_t limit);

/* Nothing is under way or in the window any more: a new bucket would let no more through. */
bool bucket_is_quiet(const struct bucket *bucket, struct mono now);

/* How many left in the last minute, to the second. */
uint64_t bucket_last_minute(const struct bucket *bucket, struct mono now);

/* The pace in thousandths of requests a second at `now`. */
int64_t bucket_rate_milli(const struct bucket *bucket, struct mono now);
