/*
 * See bucket.h.
 *
 * Pace is kept as one instant, due_ns: each token moves it one interval ahead, and a token may be
 * taken `tolerance` before it. tolerance = (burst - 1) intervals plus a tenth of one: a bucket of
 * capacity burst + 0.1. Lateness below a tenth of an interval therefore does not add up, and more
 * than that is lost rather than caught up with.
 *
 * The window is kept as the ring of the last instants at which bytes left. An instant older than
 * BUCKET_WINDOW_NS no longer counts. Since released requests count as if they left now, the number
 * in any window of that length can never pass per_second, whatever the delays on the way out.
 */
#include "base/bucket.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define FULL 1000                      /* permille */
#define STRETCH_PERMILLE INT64_C(1004) /* the interval between tokens is a little over 1 / rate */

static bool settings_are_valid(int32_t per_second, int32_t burst)
{
    return per_second >= 1 && per_second <= BUCKET_RATE_MAX && burst >= 1 && burst <= per_second;
}

int bucket_init(struct bucket *bucket, int32_t per_second, int32_t burst)
{
    *bucket = (struct bucket){.slow = FULL, .due_ns = INT64_MIN};
    return bucket_configure(bucket, per_second, burst);
}

void bucket_finish(struct bucket *bucket)
{
    free(bucket->left);
    bucket->left = NULL;
    bucket->left_count = 0;
}

int bucket_configure(struct bucket *bucket, int32_t per_second, int32_t burst)
{
    if (!settings_are_valid(per_second, burst))
        return -EINVAL;
    assert(bucket->left != NULL || bucket->left_count == 0);
    if (bucket->left == NULL || per_second > bucket->ring_size) {
        struct mono *ring = calloc((size_t)per_second, sizeof *ring);
        if (ring == NULL)
            return -ENOMEM;
        for (int32_t i = 0; i < bucket->left_count; i++)
            ring[i] = bucket->left[(bucket->left_first + i) % bucket->ring_size];
        free(bucket->left);
        bucket->left = ring;
        bucket->left_first = 0;
        bucket->ring_size = per_second;
    }
    bucket->per_second = per_second;
    bucket->burst = burst;
    return 0;
}

static int32_t ceiling_at(const struct bucket *bucket, struct mono now)
{
    if (bucket->ceiling == 0 || bucket->ceiling >= bucket->per_second
        || mono_diff_ns(now, bucket->ceiling_at) >= BUCKET_CEILING_NS)
        return bucket->per_second;
    return bucket->ceiling;
}

/* Permille in force at `now`: steps back up since the last slow-down. */
static int64_t slow_at(const struct bucket *bucket, struct mono now)
{
    if (bucket->slow >= FULL)
        return FULL;
    int64_t steps = mono_diff_ns(now, bucket->slowed_at) / BUCKET_RECOVER_NS;
    if (steps < 0)
        steps = 0;
    if (steps > FULL / BUCKET_RECOVER_STEP)
        return FULL;
    int64_t slow = bucket->slow + steps * BUCKET_RECOVER_STEP;
    return slow > FULL ? FULL : slow;
}

int64_t bucket_rate_milli(const struct bucket *bucket, struct mono now)
{
    return ceiling_at(bucket, now) * slow_at(bucket, now);
}

static int64_t interval_ns(const struct bucket *bucket, struct mono now)
{
    return NS_PER_SECOND * STRETCH_PERMILLE / bucket_rate_milli(bucket, now);
}

static int64_t token_at(const struct bucket *bucket, struct mono now)
{
    int64_t interval = interval_ns(bucket, now);
    int64_t tolerance = (bucket->burst - 1) * interval + interval / 10;
    return instant_sub_saturated(bucket->due_ns, tolerance);
}

/* When the window has room for one more: `now` or before, or MONO_NEVER. */
static struct mono window_at(const struct bucket *bucket, struct mono now)
{
    int32_t limit = ceiling_at(bucket, now);
    int32_t room_for = limit - bucket->released; /* confirmed ones that may be in the window, +1 */
    if (room_for <= 0)
        return MONO_NEVER;
    if (bucket->left_count < room_for)
        return (struct mono){INT64_MIN};
    /* The oldest of the newest `room_for` must have left the window. */
    int32_t index = (bucket->left_first + bucket->left_count - room_for) % bucket->ring_size;
    return mono_add_ns(bucket->left[index], BUCKET_WINDOW_NS);
}

struct mono bucket_ready_at(const struct bucket *bucket, struct mono now)
{
    struct mono window = window_at(bucket, now);
    struct mono token = {token_at(bucket, now)};
    return mono_before(window, token) ? token : window;
}

bool bucket_take(struct bucket *bucket, struct mono now)
{
    if (mono_before(now, bucket_ready_at(bucket, now)))
        return false;
    int64_t from = bucket->due_ns > now.ns ? bucket->due_ns : now.ns;
    bucket->due_ns = instant_add_saturated(from, interval_ns(bucket, now));
    bucket->released++;
    return true;
}

void bucket_confirm(struct bucket *bucket, struct mono at)
{
    bucket->released--;
    if (bucket->left_count > 0) {
        /* Keep the ring in order: a later instant is the safer one. */
        int32_t newest = (bucket->left_first + bucket->left_count - 1) % bucket->ring_size;
        if (mono_before(at, bucket->left[newest]))
            at = bucket->left[newest];
    }
    if (bucket->left_count == bucket->ring_size)
        bucket->left_first = (bucket->left_first + 1) % bucket->ring_size;
    else
        bucket->left_count++;
    int32_t last = (bucket->left_first + bucket->left_count - 1) % bucket->ring_size;
    bucket->left[last] = at;
    minute_add(&bucket->minute, at);
}

uint64_t bucket_last_minute(const struct bucket *bucket, struct mono now)
{
    return minute_count(&bucket->minute, now);
}

void bucket_return(struct bucket *bucket)
{
    bucket->released--;
}

bool bucket_is_quiet(const struct bucket *bucket, struct mono now)
{
    if (bucket->released > 0 || bucket->due_ns > now.ns)
        return false;
    if (bucket->left_count == 0)
        return true;
    int32_t newest = (bucket->left_first + bucket->left_count - 1) % bucket->ring_size;
    return mono_diff_ns(now, bucket->left[newest]) >= BUCKET_WINDOW_NS;
}

bool bucket_throttle(struct bucket *bucket, struct mono now, int64_t limit)
{
    bool changed = limit > 0 && limit < ceiling_at(bucket, now);
    if (changed)
        bucket->ceiling = (int32_t)limit;
    else if (ceiling_at(bucket, now) == bucket->per_second)
        bucket->ceiling = 0; /* it has lapsed, or there was none */
    if (bucket->ceiling != 0)
        bucket->ceiling_at = now;
    int64_t slow = slow_at(bucket, now);
    if (bucket->slow < FULL && mono_diff_ns(now, bucket->slowed_at) < NS_PER_SECOND)
        return changed;
    bucket->slow = (int32_t)(slow / 2 < BUCKET_SLOW_MIN ? BUCKET_SLOW_MIN : slow / 2);
    bucket->slowed_at = now;
    return true;
}
