/* See clock.h. The queue is a binary heap of its own: what is tested does not keep the time. */
#include "sim/clock.h"

#include <assert.h>
#include <stdlib.h>

#define MONO_START INT64_C(5000000000000) /* a host that has been up for a while */

void clock_finish(struct clock *clock)
{
    free(clock->queue);
    clock->queue = NULL;
    clock->count = clock->capacity = 0;
}

struct now clock_sample(const struct clock *clock)
{
    return (struct now){
        .wall = {clock->real_us + clock->step_us + clock->now / NS_PER_US},
        .mono = {MONO_START + clock->now - clock->asleep},
    };
}

int64_t clock_cloud_second(const struct clock *clock, int64_t at)
{
    return wall_seconds((struct wall){clock->real_us + at / NS_PER_US});
}

int64_t clock_when_wall(const struct clock *clock, struct wall wall)
{
    int64_t us = instant_sub_saturated(wall.us, clock->real_us + clock->step_us);
    return us > INT64_MAX / NS_PER_US ? INT64_MAX : us * NS_PER_US;
}

int64_t clock_when_mono(const struct clock *clock, struct mono mono)
{
    return instant_add_saturated(mono.ns, clock->asleep - MONO_START);
}

static bool sooner(const struct occasion *a, const struct occasion *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void clock_push(struct clock *clock, int64_t at, enum event_kind kind, uint64_t number, int outcome)
{
    if (clock->count == clock->capacity) {
        clock->capacity = clock->capacity == 0 ? 256 : clock->capacity * 2;
        clock->queue = reallocarray(clock->queue, clock->capacity, sizeof *clock->queue);
        assert(clock->queue != NULL);
    }
    struct occasion new = {at, clock->pushed++, kind, number, outcome};
    size_t place = clock->count++;
    for (; place > 0 && sooner(&new, &clock->queue[(place - 1) / 2]); place = (place - 1) / 2)
        clock->queue[place] = clock->queue[(place - 1) / 2];
    clock->queue[place] = new;
}

const struct occasion *clock_top(const struct clock *clock)
{
    return clock->count == 0 ? NULL : &clock->queue[0];
}

struct occasion clock_pop(struct clock *clock)
{
    assert(clock->count > 0);
    struct occasion top = clock->queue[0];
    struct occasion last = clock->queue[--clock->count];
    size_t place = 0;
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= clock->count)
            break;
        if (child + 1 < clock->count && sooner(&clock->queue[child + 1], &clock->queue[child]))
            child++;
        if (!sooner(&clock->queue[child], &last))
            break;
        clock->queue[place] = clock->queue[child];
        place = child;
    }
    clock->queue[place] = last;
    return top;
}
