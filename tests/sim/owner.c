/*
 * The owner of the loop: what the daemon's main loop does, on virtual time. It sleeps till the
 * engine's wake or the next event, passes on what happened, gives the engine its turn, and lets
 * happen what the world's script says.
 */
#include "sim/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TURNS_MAX 3000000
#define TIMER_LATE_US 300 /* timers fire a little late */
#define DRAIN_MAX_NS (40 * NS_PER_SECOND)

static int twin_keys(void *context, const struct keys **ret, struct errtext *err)
{
    struct sim *sim = context;
    if (!sim->keys_available)
        return errtext_set(err, -ENOENT, "no keys\nevent=forged");
    *ret = &sim->keys;
    return 0;
}

static bool twin_refused(void *context, uint64_t generation)
{
    struct sim *sim = context;
    sim->oracle.progress++;
    trace_line(&sim->trace, "keys %llu are refused", (unsigned long long)generation);
    sim->keys_refused = true;
    return sim->world.keys_may_change;
}

/* The keys as they stand where they are read. */
static void read_keys(struct sim *sim)
{
    sim->keys_refused = false;
    if (sim->world.revoked_at == 0 || sim->clock.now < sim->world.replaced_at
        || sim->keys.generation == 2)
        return;
    sim->keys.generation = 2;
    sim->keys.id[4] = 'y';
    trace_line(&sim->trace, "keys 2 are taken up");
}

static void twin_write(void *context, const struct event *event)
{
    struct sim *sim = context;
    if (planted == PLANT_SILENT_END && strcmp(event->name, "backup_submitted") == 0
        && sim->oracle.accepted % 16 == 15)
        return;
    oracle_event(&sim->oracle, event);
    if (sim->teller.heard != NULL)
        sim->teller.heard(sim->teller.context, event);
}

static uint64_t twin_chance(void *context)
{
    struct sim *sim = context;
    return dice_next(&sim->chance);
}

static void start_engine(struct sim *sim)
{
    struct errtext err = {""};
    struct config *config = world_config(&sim->world, sim->generation);
    read_keys(sim);
    oracle_keys_serve(&sim->oracle);
    oracle_configured(&sim->oracle, sim->generation, true);
    if (sim->world.durable)
        oracle_resuming(&sim->oracle);
    oracle_judge_clock(&sim->oracle);
    int r = engine_create(&sim->ports, config, clock_sample(&sim->clock), &sim->engine, &err);
    assert(r == 0);
    sim->oracle.reloading = false; /* where schedules begin has been told */
    config_unref(config);
}

static void init(struct sim *sim)
{
    uint64_t seed = sim->world.seed;
    sim->clock = (struct clock){.real_us = sim->world.real_us, .step_us = sim->world.wrong_us};
    sim->trace.now = &sim->clock.now;
    sim->trace.hash = UINT64_C(0xcbf29ce484222325);
    sim->cloud.dice = dice_of(seed, 2);
    sim->cloud.tasks.dice = dice_of(seed, 9);
    sim->ledger.dice = dice_of(seed, 3);
    sim->chance = dice_of(seed, 4);
    sim->owner = dice_of(seed, 5);
    sim->faults = &sim->world.calm;
    sim->keys_available = true;
    memcpy(sim->keys.id, "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", 37);
    int r = secret_set(&sim->keys.key, ORACLE_SECRET, strlen(ORACLE_SECRET));
    assert(r == 0);
    r = secret_set(&sim->keys.token, ORACLE_TOKEN, sim->world.token ? strlen(ORACLE_TOKEN) : 0);
    assert(r == 0);
    sim->keys.generation = 1;
    oracle_init(&sim->oracle, &sim->world, &sim->clock, &sim->trace, &sim->cloud);
    sim->ports = (struct engine_ports){
        .transport = cloud_transport(sim),
        .ledger = ledger_port(sim),
        .keyring = {.context = sim, .get = twin_keys, .refused = twin_refused},
        .journal = {sim, twin_write},
        .chance = {sim, twin_chance},
        .built = {sim->world.built_us},
    };
    for (int i = 0; i < sim->world.act_count; i++)
        clock_push(&sim->clock, sim->world.acts[i].at, EVENT_SCRIPT, (uint64_t)i, 0);
    for (int i = 0; i < sim->world.errand_count; i++)
        clock_push(&sim->clock, sim->world.errands[i].at, EVENT_ERRAND, (uint64_t)i, 0);
    for (int i = 0; i < sim->world.lapse_count; i++)
        clock_push(&sim->clock, sim->world.lapses[i].at, EVENT_LAPSE, (uint64_t)(i * LAPSE_STEPS),
                   0);
}

/* The process is gone, drained or crashed: away for a while and back, or over. */
static void gone(struct sim *sim, bool crashed)
{
    engine_destroy(sim->engine);
    sim->engine = NULL;
    sim->stopping = false;
    sim->crash_armed = false;
    cloud_forget(sim);
    if (!crashed)
        oracle_stopped(&sim->oracle);
    ledger_stopped(sim, crashed);
    if (sim->over || sim->oracle.broken != RULE_NONE)
        return;
    sim->clock.now += sim->away_us * NS_PER_US;
    if (sim->next_generation >= 0)
        sim->generation = sim->next_generation;
    start_engine(sim);
}

static void take_step(struct sim *sim, int lapse, int step);

static void turn(struct sim *sim)
{
    uint64_t sent = sim->oracle.sent;
    if (sim->engine == NULL || sim->oracle.broken != RULE_NONE)
        return;
    if (sim->keys_refused && sim->world.keys_may_change)
        read_keys(sim);
    oracle_before_turn(&sim->oracle);
    sim->slot_begun = false;
    engine_step(sim->engine, clock_sample(&sim->clock));
    oracle_after_turn(&sim->oracle);
    if (sim->crash_armed && sim->slot_begun && sim->oracle.broken == RULE_NONE) {
        trace_line(&sim->trace, "crash, a slot was begun");
        gone(sim, true);
    } else if (sim->lapse_armed > 0 && sim->oracle.sent > sent && sim->oracle.broken == RULE_NONE) {
        take_step(sim, sim->lapse_armed - 1, 0);
    }
}

static void reload(struct sim *sim, int generation)
{
    struct config *config = world_config(&sim->world, generation);
    sim->generation = generation;
    oracle_reloading(&sim->oracle, generation);
    int r = engine_reload(sim->engine, config, NULL, clock_sample(&sim->clock));
    assert(r == 0);
    oracle_reloaded(&sim->oracle);
    config_unref(config);
}

static void drain(struct sim *sim)
{
    if (sim->stopping)
        return;
    sim->stopping = true;
    oracle_drained(&sim->oracle);
    engine_drain(sim->engine, clock_sample(&sim->clock));
    clock_push(&sim->clock, sim->clock.now + DRAIN_MAX_NS, EVENT_SCRIPT, UINT64_MAX, 0);
}

static void suspend(struct sim *sim, int64_t us)
{
    sim->clock.now += us * NS_PER_US;
    sim->clock.asleep += us * NS_PER_US;
}

static void act(struct sim *sim, const struct act *act)
{
    trace_line(&sim->trace, "act %s %d %lld", act_kind_name(act->kind), act->number,
               (long long)act->by_us);
    if (sim->stopping && act->kind != ACT_DRAIN && act->kind != ACT_KEYS && act->kind != ACT_QUIET
        && act->kind != ACT_FAULTS && act->kind != ACT_CRASH)
        return; /* on its way down for a restart */
    switch (act->kind) {
    case ACT_STEP:
        sim->clock.step_us += act->by_us;
        break;
    case ACT_SUSPEND:
        suspend(sim, act->by_us);
        break;
    case ACT_RELOAD:
        reload(sim, act->number);
        break;
    case ACT_KEYS:
        sim->keys_available = act->number != 0;
        break;
    case ACT_FAULTS:
        sim->faults = act->number != 0 ? &sim->world.faults : &sim->world.calm;
        break;
    case ACT_RESTART:
        sim->away_us = act->by_us;
        sim->next_generation = act->number;
        drain(sim);
        break;
    case ACT_CRASH:
        sim->away_us = act->by_us;
        sim->next_generation = act->number;
        gone(sim, true);
        break;
    case ACT_CRASH_OPEN:
        sim->away_us = act->by_us;
        sim->next_generation = act->number;
        sim->crash_armed = true;
        break;
    case ACT_QUIET:
        sim->faults = &sim->world.calm;
        sim->keys_available = true;
        sim->lapse_armed = 0;
        oracle_quiet(&sim->oracle);
        break;
    case ACT_DRAIN:
        sim->over = true;
        drain(sim);
        break;
    }
}

/* The process dies: into the lapsed file, out of it, and once more. */
static void take_step(struct sim *sim, int number, int step)
{
    const struct lapse *lapse = &sim->world.lapses[number];
    struct act dies = {.kind = lapse->drains[step] && step > 0 ? ACT_RESTART : ACT_CRASH,
                       .number = world_unlapsed(sim->generation),
                       .by_us = lapse->away_us[step]};
    if (sim->over)
        return;
    if (step == 0) {
        dies.number = world_lapsed(sim->generation);
        sim->lapse_armed = 0;
    }
    act(sim, &dies);
    if (step + 1 < LAPSE_STEPS)
        clock_push(&sim->clock, sim->clock.now + lapse->after_us[step] * NS_PER_US, EVENT_LAPSE,
                   (uint64_t)(number * LAPSE_STEPS + step + 1), 0);
}

static void lapse(struct sim *sim, int number, int step)
{
    if (step > 0 || !sim->world.lapses[number].waits_for_send)
        take_step(sim, number, step);
    else
        sim->lapse_armed = number + 1;
}

/* What is due by now. Events of the time asleep come late, the cloud's own at their time. */
static bool take_events(struct sim *sim, int64_t until)
{
    bool skip_turn = false;
    for (const struct occasion *top; (top = clock_top(&sim->clock)) != NULL && top->at <= until;) {
        struct occasion o = clock_pop(&sim->clock);
        if (o.at > sim->clock.now)
            sim->clock.now = o.at;
        sim->oracle.progress++;
        switch (o.kind) {
        case EVENT_SCRIPT:
            if (o.number == UINT64_MAX) {
                if (sim->stopping && sim->clock.now - sim->oracle.drained_at >= DRAIN_MAX_NS)
                    oracle_break(&sim->oracle, RULE_LIVE, "the drain does not end");
                break;
            }
            act(sim, &sim->world.acts[o.number]);
            skip_turn = sim->world.acts[o.number].no_turn;
            if (until < sim->clock.now)
                until = sim->clock.now;
            break;
        case EVENT_RECORDED:
            ledger_recorded(sim, o.number, o.outcome);
            break;
        case EVENT_COMMITTED:
            ledger_committed(sim, o.number, o.outcome);
            break;
        case EVENT_LEAVE:
            cloud_leave(sim, o.number);
            break;
        case EVENT_ARRIVE:
            cloud_arrive(sim, o.number, o.at);
            break;
        case EVENT_OUTCOME:
            cloud_outcome(sim, o.number);
            break;
        case EVENT_OPERATOR:
            operator_acts(sim, (int)o.number);
            break;
        case EVENT_ERRAND:
            errand_run(sim, &sim->world.errands[o.number]);
            break;
        case EVENT_LAPSE:
            lapse(sim, (int)o.number / LAPSE_STEPS, (int)o.number % LAPSE_STEPS);
            if (until < sim->clock.now)
                until = sim->clock.now;
            break;
        case EVENT_TOLD:
            sim->teller.happens(sim->teller.context, o.number);
            break;
        }
        if (sim->oracle.broken != RULE_NONE)
            return false;
    }
    return !skip_turn;
}

static int64_t wake_at(struct sim *sim)
{
    struct wake wake = engine_next_wake(sim->engine, clock_sample(&sim->clock));
    int64_t wall = clock_when_wall(&sim->clock, wake.wall);
    int64_t mono = clock_when_mono(&sim->clock, wake.mono);
    int64_t at = wall < mono ? wall : mono;
    if (at > sim->clock.now + 2 * ENGINE_SLEEP_MAX_US * NS_PER_US)
        oracle_break(&sim->oracle, RULE_LIVE, "sleeps longer than it may");
    if (at <= sim->clock.now)
        return sim->clock.now + 50 * NS_PER_US; /* the loop's own turn takes its time */
    at = (at + 999) / 1000 * 1000;
    return at + dice_range(&sim->owner, 0, TIMER_LATE_US) * NS_PER_US;
}

static void run(struct sim *sim)
{
    start_engine(sim);
    turn(sim);
    while (sim->engine != NULL && sim->oracle.broken == RULE_NONE) {
        int64_t wake = wake_at(sim);
        const struct occasion *top = clock_top(&sim->clock);
        int64_t next = top != NULL && top->at < wake ? top->at : wake;
        if (next > sim->clock.now)
            sim->clock.now = next;
        /* Several things may have happened before the loop comes round. */
        int64_t until = sim->clock.now + dice_range(&sim->owner, 0, 200) * NS_PER_US;
        if (take_events(sim, until))
            turn(sim);
        if (sim->stopping && engine_is_idle(sim->engine))
            gone(sim, false);
        if (sim->oracle.turns > TURNS_MAX)
            oracle_break(&sim->oracle, RULE_LIVE, "too many turns");
    }
}

void sim_run(struct sim *sim, uint64_t seed, bool big)
{
    world_make(&sim->world, seed, big);
    init(sim);
    operators_plan(sim, sim->world.acts[sim->world.act_count - 1].at);
    run(sim);
}

void sim_tell(struct sim *sim, const struct teller *teller)
{
    sim->teller = *teller;
    init(sim);
    for (size_t i = 0; i < teller->count; i++)
        clock_push(&sim->clock, teller->at[i], EVENT_TOLD, i, 0);
    run(sim);
}

void sim_finish(struct sim *sim)
{
    engine_destroy(sim->engine);
    sim->engine = NULL;
    oracle_finish(&sim->oracle);
    cloud_finish(&sim->cloud);
    ledger_finish(&sim->ledger);
    clock_finish(&sim->clock);
    secret_finish(&sim->keys.key);
    secret_finish(&sim->keys.token);
}
