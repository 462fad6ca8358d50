/* See console_ask.h: each member, and how old its newest good backup is. */
#include "daemon/console_ask.h"
#include "daemon/restore.h"
#include "engine/members.h"
#include "engine/orders.h"
#include "engine/view.h"
#include "ports/clock_system.h"

#include <stdlib.h>
#include <string.h>

#define INSTANCES_MAX 1000 /* that a request may name */
#define WORST_MAX 20
#define AGE_MAX_S (INT64_C(3660) * SECONDS_PER_DAY)

static bool is_paused(const struct ask *ask)
{
    struct wall until =
        engine_paused_until(ask->daemon->engine, ask->at.schedule, clock_now().wall);
    return ask->config->schedules[ask->at.schedule].paused || until.us != LEDGER_NO_PAUSE.us;
}

/* ---- list ---- */

static enum ask_row member_row(struct ask *ask, struct json_writer *w)
{
    enum ask_row row = ask_next_member(ask);
    if (row != ASK_ROW)
        return row;
    const struct engine *engine = ask->daemon->engine;
    const struct schedule *schedule = &ask->config->schedules[ask->at.schedule];
    const struct instance *instance = &schedule->instances[ask->at.instance];
    struct view_member member = view_member(engine_view(ask->daemon->engine), ask->at.schedule,
                                            ask->at.instance, clock_now().wall);
    struct member_now now =
        engine_member_now(engine, ask->at.schedule, ask->at.instance, &ask->open[ask->at.schedule]);
    bool paused = now.state == MEMBER_IDLE && is_paused(ask);
    json_open(w, NULL, '{');
    json_put_text(w, "schedule", schedule->name);
    json_put_text(w, "instance", instance->id);
    json_put_text(w, "region", instance->region);
    json_put_instant(w, "next", engine_next_slot_of(engine, ask->at.schedule));
    json_put_text(w, "state", paused ? "paused" : member_state_name(now.state));
    if (now.state != MEMBER_IDLE)
        json_put_instant(w, "slot", now.slot);
    if (member.outcome != VIEW_NONE) {
        json_put_instant(w, "last_slot", member.slot);
        json_put_text(w, "last_outcome", view_outcome_name(member.outcome));
    }
    if (member.good_at.us > 0)
        json_put_instant(w, "last_good", member.good_at);
    json_put_bool(w, "overdue", member.overdue);
    json_close(w, '}');
    ask->at.instance++;
    return ASK_ROW;
}

static void list_end(struct ask *ask, struct json_writer *w)
{
    (void)w;
    ask_check_seen(ask);
}

void console_list(struct ask *ask)
{
    if (!ask_schedule(ask) || !ask_instances(ask, INSTANCES_MAX))
        return;
    ask_begin_walk(ask);
    ask->open = calloc(ask->config->schedule_count + 1U, sizeof *ask->open);
    if (ask->open == NULL) {
        ask_refuse(ask, "internal", "out of memory");
        return;
    }
    engine_members_open(ask->daemon->engine, ask->open);
    ask->row = member_row;
    ask->end = list_end;
}

/* ---- check-age ---- */

struct worst {
    const char *schedule;
    const char *instance;
    struct wall since; /* of its newest good backup, or of being known */
    bool never;
};

struct age {
    int64_t max_age_us; /* 0: each schedule's own */
    uint64_t checked;
    uint64_t overdue;
    uint64_t never;
    uint64_t paused;               /* members of schedules that are paused: not checked */
    struct worst oldest;           /* of the good backups; instance NULL: there is none */
    struct worst worst[WORST_MAX]; /* the oldest first */
    uint32_t worst_count;
};

static void keep_worst(struct age *age, const struct worst *one)
{
    uint32_t i = age->worst_count < WORST_MAX ? age->worst_count : WORST_MAX;
    while (i > 0 && wall_before(one->since, age->worst[i - 1].since)) {
        if (i < WORST_MAX)
            age->worst[i] = age->worst[i - 1];
        i--;
    }
    if (i == WORST_MAX)
        return;
    age->worst[i] = *one;
    if (age->worst_count < WORST_MAX)
        age->worst_count++;
}

static void look_at_member(struct ask *ask, struct age *age, struct wall now)
{
    const struct schedule *schedule = &ask->config->schedules[ask->at.schedule];
    struct view_member member =
        view_member(engine_view(ask->daemon->engine), ask->at.schedule, ask->at.instance, now);
    const struct worst one = {.schedule = schedule->name,
                              .instance = schedule->instances[ask->at.instance].id,
                              .since = member.since,
                              .never = member.good_at.us == 0};
    bool overdue =
        age->max_age_us > 0 ? wall_diff_us(now, member.since) > age->max_age_us : member.overdue;
    age->checked++;
    age->overdue += overdue;
    age->never += one.never;
    if (overdue)
        keep_worst(age, &one);
    if (!one.never && (age->oldest.instance == NULL || wall_before(one.since, age->oldest.since)))
        age->oldest = one;
}

/* Nothing is written: the end has it all. */
static enum ask_row age_row(struct ask *ask, struct json_writer *w)
{
    struct age *age = ask->state;
    struct wall now = clock_now().wall;
    enum ask_row row;
    (void)w;
    while ((row = ask_next_member(ask)) == ASK_ROW) {
        bool first = ask->at.instance == 0;
        if (is_paused(ask)) {
            age->paused++;
        } else {
            int64_t cost =
                first ? view_cost_ns(engine_view(ask->daemon->engine), ask->at.schedule, now) : 0;
            (void)ask_afford(ask, cost);
            look_at_member(ask, age, now);
        }
        ask->at.instance++;
    }
    return row;
}

static const char *state_of(const struct ask *ask, const struct age *age)
{
    if (!restore_is_over(ask->daemon->restore) || age->checked == 0)
        return "unknown";
    if (age->overdue > 0)
        return "critical";
    return age->never > 0 ? "warning" : "ok";
}

static void put_worst(struct json_writer *w, const char *key, const struct worst *one,
                      struct wall now)
{
    json_open(w, key, '{');
    json_put_text(w, "schedule", one->schedule);
    json_put_text(w, "instance", one->instance);
    if (one->never)
        json_put_bool(w, "never", true);
    else
        json_put_instant(w, "at", one->since);
    json_put_number(w, "age_seconds", wall_diff_us(now, one->since) / US_PER_SECOND);
    json_close(w, '}');
}

static void age_end(struct ask *ask, struct json_writer *w)
{
    const struct age *age = ask->state;
    struct wall now = clock_now().wall;
    ask_check_seen(ask);
    json_put_text(w, "state", state_of(ask, age));
    json_put_number(w, "checked", (int64_t)age->checked);
    json_put_number(w, "overdue", (int64_t)age->overdue);
    json_put_number(w, "never", (int64_t)age->never);
    json_put_number(w, "paused", (int64_t)age->paused);
    if (!restore_is_over(ask->daemon->restore))
        json_put_bool(w, "restoring", true);
    if (age->oldest.instance != NULL)
        put_worst(w, "oldest", &age->oldest, now);
    json_open(w, "worst", '[');
    for (uint32_t i = 0; i < age->worst_count; i++)
        put_worst(w, NULL, &age->worst[i], now);
    json_close(w, ']');
}

void console_check_age(struct ask *ask)
{
    int64_t seconds = 0;
    if (!ask_schedule(ask) || !ask_instances(ask, INSTANCES_MAX)
        || !ask_number(ask, "max_age_seconds", 1, AGE_MAX_S, &seconds))
        return;
    struct age *age = calloc(1, sizeof *age);
    if (age == NULL) {
        ask_refuse(ask, "internal", "out of memory");
        return;
    }
    age->max_age_us = seconds * US_PER_SECOND;
    ask->state = age;
    ask_begin_walk(ask);
    ask->row = age_row;
    ask->end = age_end;
}
