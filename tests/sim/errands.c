/*
 * Operators: what the daemon's console makes of a request, on virtual time. It finds out who is
 * meant, and calls the engine between its turns. An order that names who is not there is refused as
 * a whole; one that names somebody twice means him once.
 */
#include "engine/orders.h"
#include "sim/sim.h"

static const struct plan_of_schedule *plan_of(const struct sim *sim, int schedule)
{
    return &sim->world.generations[sim->generation].schedules[schedule];
}

/* Its place in the configuration in force. */
static uint32_t place_of_schedule(const struct sim *sim, int schedule)
{
    uint32_t place = 0;
    for (int i = 0; i < schedule; i++)
        place += plan_of(sim, i)->present;
    return place;
}

static uint32_t place_of_instance(const struct sim *sim, int schedule, int instance)
{
    uint32_t place = 0;
    for (int i = 0; i < instance; i++)
        place += plan_of(sim, schedule)->has[i];
    return place;
}

/* ---- runs ---- */

/* The part of an order that is of one schedule; `count` 0: all. False: refused. */
static bool place(struct sim *sim, struct wall slot, int schedule, const int *instances, int count)
{
    uint32_t indices[ERRAND_NAMES_MAX];
    struct errtext err = {""};
    for (int i = 0; i < count; i++)
        indices[i] = place_of_instance(sim, schedule, instances[i]);
    oracle_ordering(&sim->oracle, schedule, slot, instances, count);
    int r = engine_order(sim->engine, slot, place_of_schedule(sim, schedule),
                         count > 0 ? indices : NULL, (uint32_t)count, &err);
    oracle_ordered(&sim->oracle, r == 0, sim->ledger.log_count);
    trace_line(&sim->trace, "order %s %d slot %lld: %s", world_schedule_name(schedule), count,
               (long long)slot.us, r == 0 ? "taken" : err.text);
    return r == 0;
}

static bool is_there(const struct sim *sim, const struct errand_name *name)
{
    const struct plan_of_schedule *plan = plan_of(sim, name->schedule);
    return plan->present && name->instance < sim->world.instance_count && plan->has[name->instance];
}

/* Those of one schedule, in the errand's order; none twice. */
static int pick(const struct errand *errand, int schedule, int ret[ERRAND_NAMES_MAX])
{
    int count = 0;
    for (int i = 0; i < errand->name_count; i++) {
        bool is_new = errand->names[i].schedule == schedule;
        for (int j = 0; is_new && j < count; j++)
            is_new = ret[j] != errand->names[i].instance;
        if (is_new)
            ret[count++] = errand->names[i].instance;
    }
    return count;
}

static struct wall slot_of_order(struct sim *sim)
{
    oracle_judge_clock(&sim->oracle);
    return engine_order_slot(sim->engine, clock_sample(&sim->clock));
}

static void order(struct sim *sim, const struct errand *errand)
{
    for (int i = 0; i < errand->name_count; i++)
        if (!is_there(sim, &errand->names[i]))
            return;
    if (errand->name_count == 0) {
        if (plan_of(sim, errand->schedule)->present)
            (void)place(sim, slot_of_order(sim), errand->schedule, NULL, 0);
        return;
    }
    struct wall slot = slot_of_order(sim);
    int instances[ERRAND_NAMES_MAX];
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++) {
        int count = pick(errand, i, instances);
        if (count > 0 && !place(sim, slot, i, instances, count))
            return; /* what was placed before stays */
    }
}

/* ---- pauses ---- */

static void set_pause(struct sim *sim, int schedule, struct wall until)
{
    struct errtext err = {""};
    oracle_judge_clock(&sim->oracle);
    int r = engine_pause(sim->engine, clock_sample(&sim->clock), place_of_schedule(sim, schedule),
                         until, &err);
    oracle_paused(&sim->oracle, schedule, until, r == 0, sim->ledger.log_count);
    trace_line(&sim->trace, "pause %s till %lld: %s", world_schedule_name(schedule),
               (long long)until.us, r == 0 ? "taken" : err.text);
}

void errand_run(struct sim *sim, const struct errand *errand)
{
    const struct plan_of_schedule *plan = plan_of(sim, errand->schedule);
    sim->oracle.progress++;
    switch (errand->kind) {
    case ERRAND_RUN:
        order(sim, errand);
        break;
    case ERRAND_PAUSE:
        if (plan->present)
            set_pause(sim, errand->schedule,
                      errand->for_us == 0
                          ? WALL_NEVER
                          : wall_add_us(clock_sample(&sim->clock).wall, errand->for_us));
        break;
    case ERRAND_RESUME:
        if (plan->present && !plan->paused) /* else it is to be changed in the file */
            set_pause(sim, errand->schedule, LEDGER_NO_PAUSE);
        break;
    }
}
