/*
 * See oracle.h: hosts. No more than the promised rate arrives at one, a backlog drains at nearly
 * that rate, and one that is dead is left alone: after DEAD_MANY requests in a row without a sign
 * of life one is out at a time, and they come ever more seldom.
 */
#include "sim/oracle_internal.h"

#define DEAD_MANY 10
#define PROBE_AFTER_NS (400 * MS) /* the last of these came back */
#define PROBES_AT_FIRST 12        /* and then one in so long */
#define PROBE_EACH_NS (4 * NS_PER_SECOND)

/* ---- dead or alive ---- */

uint64_t oracle_sends_to(struct oracle *oracle, int number, bool *ret_is_probe)
{
    struct watched_host *host = &oracle->hosts[number];
    int64_t now = oracle->clock->now;
    /* What came back while it was sending is only taken up after that. */
    *ret_is_probe = host->dead >= DEAD_MANY && now > host->tripped_at;
    if (!*ret_is_probe)
        return host->era;
    if (host->probes > 0)
        oracle_break(oracle, RULE_DEAD, "host %d is dead, and %d requests are out", number,
                     host->probes + 1);
    if (now - host->died_at < PROBE_AFTER_NS)
        oracle_break(oracle, RULE_DEAD, "host %d is dead, and asked again after %.3f s", number,
                     (double)(now - host->died_at) / 1e9);
    host->probes++;
    host->probe_count++;
    trace_line(oracle->trace, "probe of host %d", number);
    if (host->probe_count > PROBES_AT_FIRST + (now - host->tripped_at) / PROBE_EACH_NS)
        oracle_break(oracle, RULE_DEAD, "host %d is dead for %.1f s, and got %lld requests", number,
                     (double)(now - host->tripped_at) / 1e9, (long long)host->probe_count);
    return host->era;
}

static void revive(struct watched_host *host)
{
    host->dead = 0;
    host->probes = 0;
    host->probe_count = 0;
    host->era++;
}

void oracle_back_from(struct oracle *oracle, int number, uint64_t era, bool is_probe, bool alive)
{
    struct watched_host *host = &oracle->hosts[number];
    int64_t now = oracle->clock->now;
    if (alive) {
        if (host->dead > 0)
            host->alive_at = now;
        revive(host);
        return;
    }
    if (era != host->era)
        return;
    host->dead++;
    if (is_probe) {
        host->probes--;
        host->died_at = now;
    }
    if (host->dead == DEAD_MANY) {
        host->tripped_at = now;
        host->died_at = now - PROBE_AFTER_NS;
    }
}

void oracle_forget_hosts(struct oracle *oracle, bool all)
{
    const struct generation *g = &oracle->world->generations[oracle->generation];
    for (int i = 0; i < WORLD_HOSTS_MAX; i++) {
        bool used = false;
        for (int j = 0; !all && j < oracle->world->instance_count; j++)
            used = used || g->host_of[j] == i;
        if (!used)
            revive(&oracle->hosts[i]);
    }
}

/* ---- the rate ---- */

static void measure_drain(struct oracle *oracle, struct watched_host *host, int64_t at)
{
    if (oracle->world->kind != WORLD_BACKLOG)
        return;
    int per_second = oracle->world->generations[oracle->generation].per_second;
    if (at - host->burst_last > 10 * NS_PER_SECOND)
        host->burst_count = 0;
    host->burst_last = at;
    if (host->burst_count < 0)
        return; /* a reload came in between */
    if (host->burst_count++ == 0)
        host->burst_first = at;
    if (host->burst_count < 2 * per_second + 1)
        return;
    double seconds = (double)(at - host->burst_first) / 1e9;
    /* The first may have been late on its way and the last early: no more than the jitter. */
    double permille = (double)(host->burst_count - 1) / (seconds - 0.009) / per_second * 1000;
    if (oracle->worst_drain == 0 || permille < oracle->worst_drain)
        oracle->worst_drain = permille;
    if (permille < 980)
        oracle_break(oracle, RULE_DRAIN, "%lld arrivals in %.3f s at %d a second",
                     (long long)host->burst_count, seconds, per_second);
}

void oracle_move(struct oracle *oracle, struct record *record)
{
    const struct generation *g = &oracle->world->generations[oracle->generation];
    const struct plan_of_schedule *plan = &g->schedules[record->schedule];
    if (oracle->world->keeps_regions && !record->in_flight && plan->present
        && plan->has[record->instance])
        record->host = g->host_of[record->instance];
}

/*
 * The oldest goes first: what could have gone only after the one before had nobody before it. One
 * that begins in the second of another has only what that has left, and is not measured.
 */
void oracle_begin_burst(struct oracle *oracle, const struct record *r, int number)
{
    struct watched_host *host = &oracle->hosts[number];
    int64_t due = clock_when_wall(oracle->clock, r->due);
    int64_t could = due > r->opened_at ? due : r->opened_at;
    if (host->sent_count == 0 || host->burst_count <= 0)
        return;
    int64_t last = host->sent[(host->sent_count - 1) % ARRIVALS_KEPT];
    if (could > last)
        host->burst_count = oracle->clock->now - last > NS_PER_SECOND * 11 / 10 ? 0 : -1;
}

void oracle_arrived(struct oracle *oracle, int number, enum cloud_action action, int64_t at,
                    int rate)
{
    struct watched_lane *lane = &oracle->hosts[number].lanes[action];
    lane->arrivals[lane->arrival_count++ % ARRIVALS_KEPT] = (struct arrival){at, rate};
    size_t count = 0;
    int most = 0; /* after a reload those sent by the old rate may still be on their way */
    for (; count < lane->arrival_count && count < ARRIVALS_KEPT; count++) {
        const struct arrival *a =
            &lane->arrivals[(lane->arrival_count - 1 - count) % ARRIVALS_KEPT];
        if (at - a->at >= NS_PER_SECOND)
            break;
        most = a->rate > most ? a->rate : most;
    }
    if (count > (size_t)most)
        oracle_break(oracle, RULE_RATE, "%zu arrivals of %s at host %d in one second, not %d",
                     count, world_action_name(action), number, most);
    if (action == ACTION_BACKUP)
        measure_drain(oracle, &oracle->hosts[number], at);
}
