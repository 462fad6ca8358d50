/* See hindrance.h. */
#include "engine/hindrance.h"

void hindrance_look(struct hindrance *hindrance, bool on, struct wall now)
{
    if (on && !hindrance->on)
        hindrance->since = now;
    if (!on && hindrance->on)
        hindrance->until = now;
    hindrance->on = on;
}

bool hindrance_held(const struct hindrance *hindrance, struct wall at)
{
    bool began = hindrance->on || hindrance->until.us != 0;
    return began && !wall_before(at, hindrance->since)
           && (hindrance->on || !wall_before(hindrance->until, at));
}

bool hindrance_filled(const struct hindrance *hindrance, struct wall from, struct wall until)
{
    bool ended = !hindrance->on && wall_before(hindrance->until, until);
    struct wall last = ended ? hindrance->until : until;
    struct wall first = wall_before(hindrance->since, from) ? from : hindrance->since;
    return (hindrance->on || hindrance->until.us != 0) && wall_before(first, last)
           && wall_diff_us(last, first) >= wall_diff_us(until, from) / 2;
}
