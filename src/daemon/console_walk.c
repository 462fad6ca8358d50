/* See console_ask.h. Each step looks at a bounded number of members, and none twice. */
#include "daemon/console_ask.h"
#include "engine/view.h"
#include "ports/clock_system.h"

#include <string.h>

void ask_begin_walk(struct ask *ask)
{
    ask->config = config_ref(ask->daemon->config);
    if (ask->only >= 0)
        ask->at.schedule = (uint32_t)ask->only;
}

/* What is walked is gone with a reload. */
static bool is_current(struct ask *ask)
{
    if (ask->config == ask->daemon->config)
        return true;
    ask_refuse(ask, "refused", "the configuration was reloaded meanwhile; ask again");
    return false;
}

static bool is_over(const struct ask *ask)
{
    return ask->at.schedule == ask->config->schedule_count
           || (ask->only >= 0 && ask->at.schedule != (uint32_t)ask->only);
}

enum ask_row ask_next_schedule(struct ask *ask)
{
    if (!is_current(ask) || is_over(ask))
        return ASK_OVER;
    struct view *view = engine_view(ask->daemon->engine);
    int64_t cost = ASK_COST_ROW_NS + view_cost_ns(view, ask->at.schedule, clock_now().wall);
    return ask_afford(ask, cost) ? ASK_ROW : ASK_LATER;
}

/* Is it one of those that were named? */
static bool is_wanted(struct ask *ask, const char *id)
{
    uint32_t number;
    if (ask->ids.count == 0)
        return true;
    if (names_find(&ask->ids, id, strlen(id), &number) != 0)
        return false;
    ask->id_seen[number] = true;
    return true;
}

enum ask_row ask_next_member(struct ask *ask)
{
    if (!is_current(ask))
        return ASK_OVER;
    while (!is_over(ask)) {
        const struct schedule *schedule = &ask->config->schedules[ask->at.schedule];
        if (!ask_afford(ask, ASK_COST_MEMBER_NS))
            return ASK_LATER;
        if (ask->at.instance == schedule->instance_count) {
            ask->at.schedule++;
            ask->at.instance = 0;
        } else if (is_wanted(ask, schedule->instances[ask->at.instance].id)) {
            return ask_afford(ask, ASK_COST_ROW_NS) ? ASK_ROW : ASK_LATER;
        } else {
            ask->at.instance++;
        }
    }
    return ASK_OVER;
}

void ask_check_seen(struct ask *ask)
{
    for (uint32_t i = 0; i < ask->ids.count; i++)
        if (!ask->id_seen[i]) {
            ask_refuse(ask, "not_found", "no %s has an instance %s",
                       ask->only >= 0 ? "schedule of that name" : "schedule",
                       ask->ids.list[i].bytes);
            return;
        }
}
