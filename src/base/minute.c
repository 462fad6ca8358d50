/*
 * See minute.h. A second's place in the ring is its number modulo the ring's size; a newer second
 * empties the places of those that it leaves behind.
 */
#include "base/minute.h"

/* Rounded towards the past, also before the clock's start. */
static int64_t second_of(struct mono at)
{
    int64_t second = at.ns / NS_PER_SECOND;
    return at.ns % NS_PER_SECOND < 0 ? second - 1 : second;
}

static uint32_t place_of(int64_t second)
{
    int64_t place = second % MINUTE_SECONDS;
    return (uint32_t)(place < 0 ? place + MINUTE_SECONDS : place);
}

void minute_add(struct minute *minute, struct mono at)
{
    int64_t second = second_of(at);
    if (second <= minute->second - MINUTE_SECONDS)
        return;
    for (int i = 0; i < MINUTE_SECONDS && minute->second + i < second; i++)
        minute->counts[place_of(second - i)] = 0;
    if (minute->second < second)
        minute->second = second;
    minute->counts[place_of(second)]++;
}

uint64_t minute_count(const struct minute *minute, struct mono now)
{
    int64_t last = second_of(now);
    uint64_t count = 0;
    for (int64_t second = minute->second; second > minute->second - MINUTE_SECONDS; second--)
        if (second <= last && second > last - MINUTE_SECONDS)
            count += minute->counts[place_of(second)];
    return count;
}
