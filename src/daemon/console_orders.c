/*
 * See console_ask.h: what changes something. An order is placed once, in one turn, and answered
 * when the ledger has it: what was accepted outlives a crash.
 */
#include "daemon/announce.h"
#include "daemon/console_ask.h"
#include "engine/orders.h"
#include "engine/view.h"
#include "ports/clock_system.h"

#include <stdlib.h>
#include <string.h>

#define TOLD_MAX 300 /* runs that the answer names */

/* ---- run ---- */

struct pick {
    uint32_t schedule;
    uint32_t instance;
};

struct order {
    struct wall slot;
    uint64_t accepted;
    uint32_t picked;
    struct pick picks[ORDERS_NAMED_MAX];
    uint32_t *owners; /* of each id, its pick + 1 */
};

static const struct schedule *schedule_of(const struct ask *ask, const struct pick *pick)
{
    return &ask->config->schedules[pick->schedule];
}

static void order_end(struct ask *ask, struct json_writer *w)
{
    const struct order *order = ask->state;
    json_put_number(w, "accepted", (int64_t)order->accepted);
    json_put_instant(w, "slot", order->slot);
    if (order->picked > 0 && order->picked <= TOLD_MAX) {
        json_open(w, "runs", '[');
        for (uint32_t i = 0; i < order->picked; i++) {
            const struct pick *pick = &order->picks[i];
            json_open(w, NULL, '{');
            json_put_text(w, "schedule", schedule_of(ask, pick)->name);
            json_put_text(w, "instance", schedule_of(ask, pick)->instances[pick->instance].id);
            json_close(w, '}');
        }
        json_close(w, ']');
    }
    json_open(w, "refused", '[');
    json_close(w, ']');
}

/* The part of the order that is of one schedule; false: refused. */
static bool place(struct ask *ask, struct order *order, uint32_t schedule,
                  const uint32_t *instances, uint32_t count)
{
    struct errtext err = {""};
    const struct schedule *of = &ask->config->schedules[schedule];
    uint32_t members = instances != NULL ? count : of->instance_count;
    if (ask->daemon->ledger_text[0] != '\0') {
        ask_refuse(ask, "refused", "the ledger cannot record: %s", ask->daemon->ledger_text);
        return false;
    }
    if (engine_order(ask->daemon->engine, order->slot, schedule, instances, count, &err) != 0) {
        ask_refuse(ask, "refused", "%s: %s", of->name, err.text);
        return false;
    }
    order->accepted += members;
    ask_log(ask, of->name, members);
    return true;
}

/* All that were picked, schedule by schedule. What was placed before one is refused stays. */
static void place_picks(struct ask *ask, struct order *order)
{
    uint32_t instances[ORDERS_NAMED_MAX];
    for (uint32_t i = 0; i < order->picked;) {
        uint32_t schedule = order->picks[i].schedule;
        uint32_t count = 0;
        while (i < order->picked && order->picks[i].schedule == schedule)
            instances[count++] = order->picks[i++].instance;
        if (!place(ask, order, schedule, instances, count))
            return;
    }
}

/* An instance of two schedules: which of them is meant? */
static bool pick_member(struct ask *ask, struct order *order)
{
    const struct pick pick = {ask->at.schedule, ask->at.instance};
    const char *id = schedule_of(ask, &pick)->instances[pick.instance].id;
    uint32_t number = 0;
    if (names_find(&ask->ids, id, strlen(id), &number) != 0)
        return true; /* not reached: it is one of those that were named */
    if (order->owners[number] > 0) {
        const struct pick *other = &order->picks[order->owners[number] - 1];
        ask_refuse(ask, "usage", "%s is in the schedules %s and %s; name one", id,
                   schedule_of(ask, other)->name, schedule_of(ask, &pick)->name);
        return false;
    }
    order->picks[order->picked++] = pick;
    order->owners[number] = order->picked;
    return true;
}

/* Who is meant; then the order is placed. Nothing is written before the end. */
static enum ask_row pick_row(struct ask *ask, struct json_writer *w)
{
    struct order *order = ask->state;
    enum ask_row row;
    (void)w;
    while ((row = ask_next_member(ask)) == ASK_ROW) {
        if (!pick_member(ask, order))
            return ASK_OVER;
        ask->at.instance++;
    }
    if (row == ASK_OVER && ask->error_code == NULL)
        ask_check_seen(ask);
    if (row == ASK_LATER || ask->error_code != NULL)
        return row;
    order->slot = engine_order_slot(ask->daemon->engine, clock_now());
    place_picks(ask, order);
    ask->row = NULL; /* not again */
    if (ask->error_code == NULL)
        ask_wait_for_ledger(ask);
    return ASK_LATER;
}

static struct order *make_order(struct ask *ask)
{
    struct order *order = calloc(1, sizeof *order + ORDERS_NAMED_MAX * sizeof *order->owners);
    if (order == NULL)
        ask_refuse(ask, "internal", "out of memory");
    else
        order->owners = (uint32_t *)(void *)(order + 1);
    ask->state = order;
    return order;
}

void console_run(struct ask *ask)
{
    if (!ask_schedule(ask) || !ask_instances(ask, ORDERS_NAMED_MAX))
        return;
    if (ask->only < 0 && ask->ids.count == 0) {
        ask_refuse(ask, "usage", "run needs a schedule or instances");
        return;
    }
    struct order *order = make_order(ask);
    if (order == NULL)
        return;
    ask_begin_walk(ask);
    ask->end = order_end;
    if (ask->ids.count > 0) {
        ask->row = pick_row;
        return;
    }
    order->slot = engine_order_slot(ask->daemon->engine, clock_now());
    if (place(ask, order, (uint32_t)ask->only, NULL, 0))
        ask_wait_for_ledger(ask);
}

/* ---- pause, resume ---- */

static void pause_end(struct ask *ask, struct json_writer *w)
{
    const struct wall *until = ask->state;
    json_put_text(w, "schedule", ask->config->schedules[ask->only].name);
    json_put_bool(w, "paused", until->us != LEDGER_NO_PAUSE.us);
    if (until->us != LEDGER_NO_PAUSE.us)
        json_put_instant(w, "until", *until);
}

static void set_pause(struct ask *ask, struct wall until)
{
    struct errtext err = {""};
    struct wall *state = malloc(sizeof *state);
    if (state == NULL) {
        ask_refuse(ask, "internal", "out of memory");
        return;
    }
    *state = until;
    ask->state = state;
    ask_begin_walk(ask);
    ask->end = pause_end;
    if (engine_pause(ask->daemon->engine, clock_now(), (uint32_t)ask->only, until, &err) != 0) {
        ask_refuse(ask, "refused", "%s", err.text);
        return;
    }
    ask_log(ask, ask->config->schedules[ask->only].name, 0);
    ask_wait_for_ledger(ask);
}

static bool needs_schedule(struct ask *ask)
{
    if (!ask_schedule(ask))
        return false;
    if (ask->only < 0)
        ask_refuse(ask, "usage", "%s needs a schedule", ask->verb->name);
    return ask->only >= 0;
}

void console_pause(struct ask *ask)
{
    struct wall until = WALL_NEVER;
    if (!needs_schedule(ask) || !ask_instant(ask, "until", &until))
        return;
    if (!wall_before(clock_now().wall, until)) {
        ask_refuse(ask, "usage", "until has passed");
        return;
    }
    set_pause(ask, until);
}

void console_resume(struct ask *ask)
{
    if (!needs_schedule(ask))
        return;
    if (ask->daemon->config->schedules[ask->only].paused) {
        ask_refuse(ask, "refused", "%s is paused in the configuration: change it there",
                   ask->daemon->config->schedules[ask->only].name);
        return;
    }
    set_pause(ask, LEDGER_NO_PAUSE);
}
