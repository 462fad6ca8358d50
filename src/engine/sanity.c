/* See sanity.h. */
#include "engine/sanity.h"

bool sanity_is_early(const struct sanity *sanity, struct wall now)
{
    return wall_before(now, sanity->built);
}

struct wall sanity_believed_from(const struct sanity *sanity, struct wall newest)
{
    struct wall from = wall_add_us(newest, -SANITY_BEHIND_US);
    return wall_before(from, sanity->built) ? sanity->built : from;
}

enum sanity_change sanity_judge(struct sanity *sanity, struct now now, struct wall newest,
                                bool jumped)
{
    if (!wall_before(now.wall, sanity_believed_from(sanity, newest))) {
        bool was_held = sanity->held;
        sanity->held = false;
        return was_held ? SANITY_RELEASE : SANITY_SAME;
    }
    bool begins = !sanity->held;
    sanity->held = true;
    if (begins || jumped || sanity_is_early(sanity, now.wall))
        sanity->steady_since = now.mono;
    if (begins)
        return SANITY_HOLD;
    if (mono_diff_ns(now.mono, sanity->steady_since) < SANITY_STEADY_NS)
        return SANITY_SAME;
    sanity->steady_since = now.mono;
    return SANITY_STEADY;
}
