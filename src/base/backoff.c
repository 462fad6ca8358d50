/* See backoff.h. */
#include "base/backoff.h"

int64_t backoff_delay_us(const struct backoff *policy, int attempt, uint64_t bits)
{
    int64_t span = policy->base_us;
    for (int i = 1; i < attempt && span < policy->cap_us; i++)
        span = span > INT64_MAX / 2 ? INT64_MAX : span * 2;
    if (span > policy->cap_us)
        span = policy->cap_us;
    if (span <= 0)
        return policy->floor_us;
    return policy->floor_us + (int64_t)(bits % ((uint64_t)span + 1));
}
