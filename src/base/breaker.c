/* See breaker.h. Answers of requests that were sent before it opened only count as signs of life.
 */
#include "base/breaker.h"

bool breaker_allows(const struct breaker *breaker, struct mono now)
{
    return breaker->opened == 0 || (breaker->probe == 0 && !mono_before(now, breaker->until));
}

struct mono breaker_ready_at(const struct breaker *breaker, struct mono now)
{
    if (breaker->opened == 0)
        return now;
    return breaker->probe != 0 ? MONO_NEVER : breaker->until;
}

uint32_t breaker_send(struct breaker *breaker)
{
    if (breaker->opened == 0)
        return 0;
    if (++breaker->probes == 0)
        breaker->probes = 1;
    breaker->probe = breaker->probes;
    return breaker->probe;
}

static void open_it(struct breaker *breaker, struct mono now, uint64_t bits)
{
    int64_t span_us = BREAKER_WAIT_MIN_US;
    for (int i = 0; i < breaker->opened && span_us < BREAKER_WAIT_MAX_US; i++)
        span_us *= 2;
    span_us = span_us < BREAKER_WAIT_MAX_US ? span_us : BREAKER_WAIT_MAX_US;
    breaker->opened++;
    int64_t delay_us = span_us / 2 + (int64_t)(bits % (uint64_t)(span_us / 2));
    breaker->until = mono_add_ns(now, delay_us * NS_PER_US);
}

enum breaker_change breaker_judge(struct breaker *breaker, struct mono now, bool alive,
                                  uint32_t probe, uint64_t bits)
{
    if (alive) {
        bool was_open = breaker->opened > 0;
        *breaker = (struct breaker){.probes = breaker->probes};
        return was_open ? BREAKER_CLOSED : BREAKER_SAME;
    }
    if (breaker->opened > 0) {
        if (probe != 0 && probe == breaker->probe) {
            breaker->probe = 0;
            open_it(breaker, now, bits);
        }
        return BREAKER_SAME;
    }
    if (++breaker->dead < BREAKER_TRIP)
        return BREAKER_SAME;
    open_it(breaker, now, bits);
    return BREAKER_OPENED;
}

void breaker_forget(struct breaker *breaker, uint32_t probe)
{
    if (probe == breaker->probe)
        breaker->probe = 0;
}
