/*
 * See oracle.h: turns. The engine neither spins nor sleeps past its work, and once the faults have
 * stopped everything ends.
 */
#include "sim/oracle_internal.h"

#define NAMED_LIMIT_MIN 10               /* a second: the least that the cloud may have named */
#define RECOVERY_NS (65 * NS_PER_SECOND) /* requests out, throttling and waits of the faults */
#define IDLE_TURNS_MAX 20                /* in a row, without anything done */
#define PREPARE_NS (2 * NS_PER_SECOND)   /* so long ahead a member is made ready */
#define TURN_CLOSE_NS (5 * MS)           /* turns nearer than this are one after the other */
#define OVERLAP_LOOK_NS (600 * MS)       /* a run looks again so soon whether it may begin */
#define LATE_SLACK_NS (4 * MS)           /* a late timer and the ledger's delay come on top */
#define BACKOFF_MAX_US (620 * US_PER_SECOND)
#define LOOKS_US (75 * US_PER_SECOND) /* after the settling time, for what is in doubt */
#define END_SLACK_US (10 * US_PER_SECOND)

/* The earliest true time at which the host could have been sent another request. */
static int64_t host_free_at(const struct oracle *oracle, const struct watched_host *host)
{
    int rate = oracle->world->generations[oracle->generation].per_second;
    bool limited = !world_is_calm(oracle->world) && rate > NAMED_LIMIT_MIN;
    if (limited)
        rate = NAMED_LIMIT_MIN;
    /* The last may have gone a tenth before its token, which a limit that lapses does not give. */
    int64_t permille = limited ? 1104 : 1004;
    size_t n = host->sent_count;
    int64_t at = 0;
    if (n > 0)
        at = host->sent[(n - 1) % ARRIVALS_KEPT] + NS_PER_SECOND * permille / 1000 / rate;
    if (n >= (size_t)rate) {
        int64_t window = host->sent[(n - (size_t)rate) % ARRIVALS_KEPT] + 1010 * MS
                         + oracle->world->calm.leave_max_us * NS_PER_US;
        at = window > at ? window : at;
    }
    return at;
}

/* Without faults nothing that may go waits longer than its token and a few ms. */
static void check_lateness(struct oracle *oracle)
{
    const struct generation *g = &oracle->world->generations[oracle->generation];
    const struct clock *clock = oracle->clock;
    int share = g->max_in_flight / WORLD_HOSTS_MAX; /* the least that a host has to itself */
    share = share > 0 ? share : 1;
    int64_t ledger = 2 * oracle->world->calm.ledger_max_us * NS_PER_US;
    int asks = g->max_in_flight / 4 > 0 ? g->max_in_flight / 4 : 1; /* places that they may have */
    if (oracle->draining || oracle->held || oracle->in_flight + asks >= g->max_in_flight)
        return;
    for (size_t i = 0; i < oracle->open.count; i++) {
        const struct record *r = &oracle->records[oracle->open.list[i]];
        const struct watched_host *host = &oracle->hosts[r->host];
        if (r->was_sent || host->in_flight >= share || host->dead > 0
            || (r->forbids_overlap && oracle_before(oracle, r) != NULL))
            continue; /* the next sign of life, or the end of the backup before, lets it go */
        int64_t could = host_free_at(oracle, host);
        could = host->alive_at > could ? host->alive_at : could;
        if (host->in_flight == share - 1) /* it had all the places that are its own */
            could = host->freed_at > could ? host->freed_at : could;
        int64_t free_at = oracle->free_at[r->schedule][r->instance] + OVERLAP_LOOK_NS;
        could = r->forbids_overlap && free_at > could ? free_at : could;
        int64_t due = clock_when_wall(clock, r->due);
        could = due > could ? due : could;
        could = r->opened_at > could ? r->opened_at : could;
        could = oracle->freed_at > could && g->max_in_flight < 64 ? oracle->freed_at : could;
        could = oracle->unjudged_until > could ? oracle->unjudged_until : could;
        int64_t late = clock->now - could;
        if (late > oracle->worst_late)
            oracle->worst_late = late;
        if (late > LATE_SLACK_NS + ledger)
            oracle_break(oracle, RULE_LIVE, "%s %d: could have gone %.6f s ago",
                         world_schedule_name(r->schedule), r->instance, (double)late / 1e9);
    }
}

void oracle_before_turn(struct oracle *oracle)
{
    oracle_judge_clock(oracle);
    bool calm = world_is_calm(oracle->world)
                || oracle->clock->now > instant_add_saturated(oracle->quiet_at, RECOVERY_NS);
    if (calm)
        check_lateness(oracle);
}

/* Somebody's instant has come, or that to be prepared for it, who may have to wait for an earlier
 * backup all the same. */
static bool has_come_due(const struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->open.count; i++) {
        const struct record *r = &oracle->records[oracle->open.list[i]];
        int64_t due = clock_when_wall(oracle->clock, r->due);
        int64_t prepared = due - PREPARE_NS;
        if (!r->was_sent
            && ((due > oracle->last_turn && due <= oracle->clock->now)
                || (prepared > oracle->last_turn && prepared <= oracle->clock->now)))
            return true;
    }
    return false;
}

static void check_spinning(struct oracle *oracle)
{
    bool close = oracle->clock->now - oracle->last_turn < TURN_CLOSE_NS;
    bool idle = oracle->progress == oracle->seen && !(close && has_come_due(oracle));
    oracle->idle_turns = idle && close ? oracle->idle_turns + 1 : 0;
    oracle->seen = oracle->progress;
    oracle->last_turn = oracle->clock->now;
    oracle->turns++;
    if (oracle->idle_turns > IDLE_TURNS_MAX)
        oracle_break(oracle, RULE_LIVE, "it spins");
}

void oracle_after_turn(struct oracle *oracle)
{
    oracle->reloading = false;
    if (oracle->resuming)
        oracle_check_resumed(oracle);
    check_spinning(oracle);
    oracle_check_clock(oracle);
    oracle_check_silence(oracle);
    if (!oracle->held)
        oracle_check_left(oracle);
    if (oracle->broken == RULE_NONE)
        oracle_check_slots(oracle);
}

void oracle_reloaded(struct oracle *oracle)
{
    oracle_switch(oracle);
    oracle->reloading = false;
    for (size_t i = 0; i < oracle->watched.count; i++)
        oracle_move(oracle, &oracle->records[oracle->watched.list[i]]);
    for (size_t i = 0; i < oracle->open.count; i++)
        oracle_move(oracle, &oracle->records[oracle->open.list[i]]);
    for (size_t i = 0; i < oracle->open.count; i++) {
        const struct record *r = &oracle->records[oracle->open.list[i]];
        if (!r->in_flight && !r->may_have_acted && !r->waits && !oracle_is_member(oracle, r))
            oracle_break(oracle, RULE_ACCOUNT, "%s %d: removed or paused, but still waits",
                         world_schedule_name(r->schedule), r->instance);
    }
}

void oracle_quiet(struct oracle *oracle)
{
    oracle->quiet_at = oracle->clock->now;
    oracle->quiet_wall = clock_sample(oracle->clock).wall;
}

/* The longest start_within, or the longest back-off. A member may wait behind another's. */
static int64_t longest_patience_us(const struct oracle *oracle)
{
    int64_t longest = 0;
    for (size_t i = 0; i < oracle->open.count; i++) {
        const struct record *r = &oracle->records[oracle->open.list[i]];
        int64_t us = wall_diff_us(r->deadline, r->due);
        longest = us > longest ? us : longest;
    }
    return longest < BACKOFF_MAX_US ? longest : BACKOFF_MAX_US;
}

/* At the end of the quiet time: all that was due and had its time since is over. */
static void check_ended(struct oracle *oracle)
{
    const struct generation *g = &oracle->world->generations[oracle->generation];
    struct wall now = clock_sample(oracle->clock).wall;
    int64_t patience = longest_patience_us(oracle);
    for (size_t i = 0; i < oracle->open.count; i++) {
        const struct record *r = &oracle->records[oracle->open.list[i]];
        struct wall from = wall_before(r->due, oracle->quiet_wall) ? oracle->quiet_wall : r->due;
        int64_t allowed = patience + g->timeout_us + END_SLACK_US;
        if (oracle->world->keys_may_change)
            allowed += KEYS_REST_NS / NS_PER_US;
        if (r->doubted_at > 0)
            allowed += oracle->world->settle_us + LOOKS_US;
        int64_t before = oracle->clock->now - allowed * NS_PER_US;
        if (wall_before(now, r->due) || wall_diff_us(now, from) < allowed
            || oracle_is_locked(oracle, r, before) || r->doubted_at > before
            || (r->forbids_overlap
                && (oracle_before(oracle, r) != NULL
                    || oracle->free_at[r->schedule][r->instance] > before)))
            continue;
        oracle_break(oracle, RULE_LIVE, "%s %d: due at %lld and not over",
                     world_schedule_name(r->schedule), r->instance, (long long)r->due.us);
    }
}

void oracle_drained(struct oracle *oracle)
{
    oracle_judge_clock(oracle);
    oracle->draining = true;
    oracle->drained_at = oracle->clock->now;
    if (oracle->quiet_at != INT64_MAX && oracle->clock->now > oracle->quiet_at && !oracle->held)
        check_ended(oracle);
    if (oracle->quiet_at != INT64_MAX && !oracle->held)
        oracle_check_finished(oracle);
}

void oracle_stopped(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->open.count && !oracle->world->durable; i++) {
        const struct record *r = &oracle->records[oracle->open.list[i]];
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: drained, but slot %lld never ended",
                     world_schedule_name(r->schedule), r->instance, (long long)r->slot.us);
    }
    oracle->draining = false;
    oracle->idle_turns = 0;
    if (oracle->world->durable)
        return;
    oracle->watched.count = 0; /* what it followed is forgotten with it, and what was paused */
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++)
        oracle->schedules[i].paused_until = LEDGER_NO_PAUSE;
}
