/*
 * See metrics_page.h: the families with a sample a schedule, a member or a host that the engine
 * answers. The one with a sample a member is most of a large page, so what its samples have in
 * common is written once a schedule.
 */
#include "daemon/metrics_page.h"
#include "daemon/restore.h"
#include "engine/members.h"
#include "engine/orders.h"
#include "engine/view.h"

#include <string.h>

#define SECONDS_OF_US 6 /* digits behind the point */

static struct sample of_schedule(const struct metrics_page *page, struct text *t, const char *name)
{
    struct sample s = exposition_begin(t, name, "");
    exposition_label(&s, "schedule", page->config->schedules[page->first].name);
    return s;
}

static bool is_over(const struct metrics_page *page)
{
    return page->first == page->config->schedule_count;
}

/* What the ledger had is not known before it is read. */
static bool is_known(const struct metrics_page *page)
{
    return restore_is_over(page->daemon->restore);
}

bool metrics_paused(struct metrics_page *page, const char *name, struct text *t)
{
    if (is_over(page))
        return false;
    struct sample s = of_schedule(page, t, name);
    struct wall until = engine_paused_until(page->daemon->engine, page->first, page->now.wall);
    bool ordered = until.us != LEDGER_NO_PAUSE.us;
    exposition_whole(&s, page->config->schedules[page->first].paused || ordered ? 1 : 0);
    page->first++;
    return true;
}

bool metrics_max_age(struct metrics_page *page, const char *name, struct text *t)
{
    struct view *view = engine_view(page->daemon->engine);
    for (; !is_over(page); page->first++) {
        int64_t us = view_max_age_us(view, page->first, page->now.wall);
        if (us == INT64_MAX)
            continue; /* it has no slot */
        struct sample s = of_schedule(page, t, name);
        exposition_decimal(&s, us, SECONDS_OF_US);
        page->first++;
        return true;
    }
    return false;
}

static bool put_count(struct metrics_page *page, const char *name, struct text *t, bool overdue)
{
    if (!is_known(page) || is_over(page))
        return false;
    struct view *view = engine_view(page->daemon->engine);
    struct view_schedule sums = view_schedule(view, page->first, page->now.wall);
    struct sample s = of_schedule(page, t, name);
    exposition_whole(&s, overdue ? sums.overdue : sums.never_overdue);
    page->first++;
    return true;
}

bool metrics_overdue(struct metrics_page *page, const char *name, struct text *t)
{
    return put_count(page, name, t, true);
}

bool metrics_never_overdue(struct metrics_page *page, const char *name, struct text *t)
{
    return put_count(page, name, t, false);
}

/* name{schedule="...",instance_id="; "instance" is a label of the server's own */
static void begin_schedule(struct metrics_page *page, const char *name)
{
    struct text t = text_over(page->prefix, sizeof page->prefix);
    struct sample s = of_schedule(page, &t, name);
    exposition_label(&s, "instance_id", "");
    page->prefix_length = t.length - 1; /* without its quote */
}

bool metrics_last_success(struct metrics_page *page, const char *name, struct text *t)
{
    if (!is_known(page))
        return false;
    while (!is_over(page) && page->second == page->config->schedules[page->first].instance_count) {
        page->second = 0;
        page->first++;
    }
    if (is_over(page))
        return false;
    if (page->second == 0)
        begin_schedule(page, name);
    struct view *view = engine_view(page->daemon->engine);
    struct view_member member = view_member(view, page->first, page->second, page->now.wall);
    const char *id = page->config->schedules[page->first].instances[page->second].id;
    text_add_bytes(t, page->prefix, page->prefix_length);
    text_add_bytes(t, id, strlen(id)); /* letters, digits and dashes: nothing to escape */
    text_add_bytes(t, "\"", 1);
    struct sample s = {.text = t, .labelled = true};
    exposition_whole(&s, wall_seconds(member.good_at));
    page->second++;
    return true;
}

/* ---- hosts ---- */

/* A host by another scheme, before and after a reload, has two lanes: the first one counts. */
static bool has_earlier(const struct metrics_page *page, const struct lane_now *lane, uint32_t n)
{
    struct lane_now other;
    for (uint32_t i = 0; i < n && engine_lane_now(page->daemon->engine, i, &other); i++)
        if (other.action == lane->action && strcmp(other.host, lane->host) == 0)
            return true;
    return false;
}

/* The next lane and action; false: there is none. */
static bool next_lane(struct metrics_page *page, struct lane_now *ret)
{
    while (engine_lane_now(page->daemon->engine, page->first, ret)) {
        page->first++;
        if (!has_earlier(page, ret, page->first - 1))
            return true;
    }
    return false;
}

static struct sample of_lane(struct text *t, const char *name, const struct lane_now *lane)
{
    struct sample s = exposition_begin(t, name, "");
    exposition_label(&s, "host", lane->host);
    exposition_label(&s, "action", lane->action);
    return s;
}

bool metrics_pace(struct metrics_page *page, const char *name, struct text *t)
{
    struct lane_now lane;
    if (!next_lane(page, &lane))
        return false;
    struct sample s = of_lane(t, name, &lane);
    exposition_decimal(&s, lane.per_second_milli, 3);
    return true;
}

bool metrics_queued(struct metrics_page *page, const char *name, struct text *t)
{
    struct lane_now lane;
    if (!next_lane(page, &lane))
        return false;
    struct sample s = of_lane(t, name, &lane);
    exposition_whole(&s, (int64_t)lane.queued);
    return true;
}

bool metrics_endpoint_up(struct metrics_page *page, const char *name, struct text *t)
{
    struct lane_now lane;
    while (next_lane(page, &lane)) {
        if (strcmp(lane.action, counters_action_name(COUNTERS_BACKUP)) != 0)
            continue; /* once a host */
        struct sample s = exposition_begin(t, name, "");
        exposition_label(&s, "host", lane.host);
        exposition_whole(&s, lane.is_down ? 0 : 1);
        return true;
    }
    return false;
}
