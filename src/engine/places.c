/*
 * Places: at most max_in_flight requests are out at a time; who may have the next one.
 *
 *   hosts      share them. Those alone count that hold places, or have a run that is due and
 *              recorded: one that waits for more than its token needs none
 *   questions  have at most a quarter, one at least, for backups go first; and they are sure of it
 *              once one has waited for PATIENCE_NS: else whoever has more backups than places would
 *              never learn what became of them. Where there is one place alone they take turns.
 *              Those to dead hosts do not count
 *   probes     of dead hosts hold a place for as long as the time-out lasts. While others have
 *              anything to send, all of them have a quarter of the places at a time, or of the time
 *              where there are fewer places than four
 *
 * It is counted before a turn's sending, and after it for the wake: once over the hosts, however
 * many are sent.
 */
#include "engine/engine_internal.h"

#define SHARE 4
#define PATIENCE_NS (5 * NS_PER_SECOND)

static uint32_t most_of(const struct engine *engine)
{
    return (uint32_t)engine->config->max_in_flight;
}

static uint32_t share_of(const struct engine *engine)
{
    uint32_t share = most_of(engine) / SHARE;
    return share > 0 ? share : 1;
}

static uint32_t taken(const struct engine *engine)
{
    return engine->in_flight + engine->flights.busy;
}

/* ---- who wants one ---- */

static bool has_ready(const struct lane *lane, struct wall now)
{
    const struct heap_node *top = heap_top(&lane->ready);
    return top != NULL && top->key <= now.us;
}

/* A question has been due for so long, and could go but for a place. */
static bool asks_since(const struct lane *lane, struct mono now, int64_t patience_ns)
{
    for (int action = 0; action < INQUIRY_ACTIONS; action++) {
        const struct ask *ask = &lane->asks[action];
        const struct heap_node *top = heap_top(&ask->due);
        if (top != NULL && now.ns - patience_ns >= top->key
            && !mono_before(now, bucket_ready_at(&ask->bucket, now)))
            return true;
    }
    return false;
}

void engine_count_places(struct engine *engine)
{
    struct sharing *places = &engine->places;
    struct now now = engine->now;
    places->competing = places->live = places->probing = places->asking = 0;
    places->asks_wait = false;
    for (uint32_t i = 0; i < engine->lane_count; i++) {
        struct lane *lane = engine->lanes[i];
        bool is_open = breaker_is_open(&lane->breaker);
        bool is_ready = !is_open && has_ready(lane, now.wall);
        lane->competes = lane->in_flight > 0 || is_ready;
        places->competing += lane->competes ? 1 : 0;
        places->probing += lane->breaker.probe != 0 ? 1 : 0;
        places->asking += is_open ? 0 : lane->flights;
        places->live += is_ready || (!is_open && asks_since(lane, now.mono, 0)) ? 1 : 0;
        places->asks_wait =
            places->asks_wait || (!is_open && asks_since(lane, now.mono, PATIENCE_NS));
    }
    places->asks_wait = places->asks_wait && places->asking < share_of(engine);
}

/* ---- backups ---- */

/* Of all places, what runs may have. */
static uint32_t run_places(const struct engine *engine)
{
    if (!engine->places.asks_wait)
        return most_of(engine);
    if (most_of(engine) == 1)
        return engine->places.asked_last ? 1 : 0;
    return most_of(engine) - share_of(engine);
}

bool engine_has_place(const struct engine *engine, const struct lane *lane)
{
    uint32_t busy = engine->places.competing + (lane->competes ? 0 : 1);
    uint32_t share = most_of(engine) / busy;
    return taken(engine) < most_of(engine) && engine->in_flight < run_places(engine)
           && lane->in_flight < (share > 0 ? share : 1);
}

/* ---- questions ---- */

bool engine_has_ask_place(const struct engine *engine)
{
    return engine->places.asking < share_of(engine) && taken(engine) < most_of(engine);
}

/* ---- probes ---- */

static bool is_resting(const struct engine *engine, struct mono now)
{
    return most_of(engine) < SHARE && mono_before(now, engine->places.probe_from);
}

static bool may_probe(const struct engine *engine)
{
    return engine->places.live == 0
           || (engine->places.probing < share_of(engine) && !is_resting(engine, engine->now.mono));
}

bool engine_may_send(const struct engine *engine, const struct lane *lane)
{
    return breaker_allows(&lane->breaker, engine->now.mono)
           && (!breaker_is_open(&lane->breaker) || may_probe(engine));
}

struct mono engine_may_send_at(const struct engine *engine, const struct lane *lane,
                               struct mono now)
{
    struct mono at = breaker_ready_at(&lane->breaker, now);
    if (!breaker_is_open(&lane->breaker) || engine->places.live == 0)
        return at;
    if (engine->places.probing >= share_of(engine))
        return MONO_NEVER; /* an answer wakes */
    if (is_resting(engine, now) && mono_before(at, engine->places.probe_from))
        return engine->places.probe_from;
    return at;
}

uint32_t engine_note_sending(struct engine *engine, struct lane *lane, bool is_question)
{
    engine->places.asked_last = is_question;
    uint32_t probe = breaker_send(&lane->breaker);
    engine->places.asking += is_question && !breaker_is_open(&lane->breaker) ? 1 : 0;
    if (probe != 0) {
        engine->places.probing++;
        lane->probed_at = engine->now.mono;
    }
    return probe;
}

void engine_note_probe_end(struct engine *engine, const struct lane *lane)
{
    int64_t took_ns = mono_diff_ns(engine->now.mono, lane->probed_at);
    engine->places.probe_from = mono_add_ns(engine->now.mono, took_ns * (SHARE - 1));
}
