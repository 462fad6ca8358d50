/*
 * See oracle.h: a process with a durable ledger that dies and starts again. What counts is what its
 * log still has when it is gone; what a start owes follows from it:
 *
 *   begun, not ended        in doubt, and said so; where its slot or instance has left the file,
 *                           it is looked for and not sent again
 *   its attempt did nothing due again, or skipped where it has left the file
 *   nothing                 due again; leaves nothing behind where it has left the file
 *   submitted, not finished followed again; said to be not where it has left the file
 *   ended else              over for good
 */
#include "sim/oracle_internal.h"

#include <string.h>

#define AHEAD_US (3605 * US_PER_SECOND)        /* a horizon that went back stays there */
#define GONE_WITHIN_US (86400 * US_PER_SECOND) /* what no file says a complete_within for has */

void oracle_forget_kept(struct record *record)
{
    record->kept = KEPT_NOTHING;
    record->kept_finished = false;
    record->kept_task = 0;
    record->kept_host = -1;
    record->kept_retries = 0;
    record->kept_started_at = record->kept_ended_at = (struct wall){0};
}

/* ---- gone ---- */

static const struct kept_slot *slot_of(const struct oracle *oracle, const struct record *r)
{
    for (size_t i = oracle->slot_count; i-- > 0;)
        if (oracle->slots[i].slot.us == r->slot.us && oracle->slots[i].schedule == r->schedule)
            return &oracle->slots[i];
    return NULL;
}

/* Of an order that was taken back or cut off the log has its announcement: a start ends it. */
static void cancel(const struct oracle *oracle, struct record *r)
{
    const struct kept_slot *slot = slot_of(oracle, r);
    r->cancelled = slot != NULL && slot->open && slot->announced;
    r->unborn = r->unborn && !r->cancelled;
}

static void forget(struct oracle *oracle, struct record *r, const struct kept_horizon *horizon,
                   bool crashed)
{
    bool is_order = r->kind == LEDGER_KIND_OPERATOR;
    const char *name = world_schedule_name(r->schedule);
    const struct kept_slot *slot = slot_of(oracle, r);
    if (slot == NULL || !slot->begun) {
        r->unborn = true;
        if (!is_order && horizon->known && horizon->slot.us >= r->slot.us)
            oracle_break(oracle, RULE_ACCOUNT, "%s %d: the slot %lld is lost", name, r->instance,
                         (long long)r->slot.us);
        return;
    }
    if (!crashed && r->kept == KEPT_STARTED && !r->refused && !r->may_have_acted)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: drained, but its attempt has no end", name,
                     r->instance);
    if (r->kept != KEPT_STARTED && r->kept != KEPT_ENDED && r->may_have_acted)
        oracle_break(oracle, RULE_ONCE, "%s %d: sent, and the ledger does not know", name,
                     r->instance);
    if (r->kept == KEPT_NOTHING && r->told_ledger >= 0 && !slot_of(oracle, r)->open)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: the slot %lld ended without its end", name,
                     r->instance, (long long)r->slot.us);
    if (r->kept == KEPT_AGAIN && !slot_of(oracle, r)->open)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: due again in the slot %lld, which has ended",
                     name, r->instance, (long long)r->slot.us);
    if (r->kept == KEPT_STARTED)
        r->retries = r->kept_retries; /* that its task failed may not have been taken */
    r->told_ledger = r->told_journal = r->kept == KEPT_ENDED ? r->kept_result : NOT_TOLD;
    r->finish_ledger = r->finish_journal = NOT_TOLD;
    r->followed = r->told_task = r->kept_task;
    r->submitted_wall = r->kept_ended_at;
    r->submitted_at = oracle->clock->now;
    r->overlaps = r->told_doubt = false;
    r->must_be_skipped = r->must_be_dropped = r->must_be_doubted = r->forsaken = false;
    r->in_flight = false;
    r->waits = false;
    r->durable = 0;
}

void oracle_gone(struct oracle *oracle, const struct kept_log *log, bool crashed)
{
    const struct kept_horizon *horizons = log->horizons;
    oracle->slots = log->slots;
    oracle->slot_count = log->slot_count;
    for (size_t i = 0; i < oracle->record_count; i++) {
        struct record *r = &oracle->records[i];
        if (r->kind == LEDGER_KIND_OPERATOR)
            cancel(oracle, r);
        if (!r->unborn)
            forget(oracle, r, &horizons[r->schedule], crashed);
    }
    oracle_check_kept(oracle, log);
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++) {
        struct watched_schedule *s = &oracle->schedules[i];
        s->in_ledger = horizons[i].known;
        s->kept_horizon = horizons[i].slot;
        s->recorded_last = (struct wall){INT64_MIN};
        s->kept_rule = horizons[i].rule;
    }
    oracle->open.count = 0;
    oracle->watched.count = 0;
    oracle->in_flight = 0;
    memset(oracle->look_count, 0, sizeof oracle->look_count);
    oracle->refused_at = INT64_MIN / 2;
    oracle->draining = false;
    oracle->pending_switch = false;
    oracle->idle_turns = 0;
}

/* ---- back ---- */

static const struct plan_of_schedule *plan_of(const struct oracle *oracle, int schedule)
{
    return &oracle->world->generations[oracle->generation].schedules[schedule];
}

/* Opened again by the present file; what is known of it stays. */
static struct record *open_again(struct oracle *oracle, int schedule, int instance,
                                 struct wall slot, enum ledger_kind kind)
{
    const struct record *known = oracle_known(oracle, schedule, instance, slot);
    struct record was = {.kept = KEPT_NOTHING};
    if (known != NULL)
        was = *known;
    oracle_open_record(oracle, schedule, instance, slot, kind);
    struct record *r = oracle_known(oracle, schedule, instance, slot);
    r->kept = was.kept;
    r->kept_finished = was.kept_finished;
    r->kept_task = was.kept_task;
    r->kept_attempt = was.kept_attempt;
    r->kept_host = was.kept_host;
    r->kept_retries = was.kept_retries;
    r->kept_kind = was.kept_kind;
    r->ordered_at = was.ordered_at;
    r->announced = was.announced;
    r->kept_result = was.kept_result;
    r->kept_started_at = was.kept_started_at;
    r->kept_ended_at = was.kept_ended_at;
    r->refused = was.refused;
    r->acts = was.acts;
    r->resent = was.resent;
    r->last_task = was.last_task;
    r->retries = was.retries;
    r->retried = was.retried;
    return r;
}

/* An attempt without end. */
static void owe_doubt(struct oracle *oracle, struct record *r)
{
    const struct plan_of_schedule *plan = plan_of(oracle, r->schedule);
    bool is_held = plan->paused && r->kind != LEDGER_KIND_OPERATOR;
    bool is_there = plan->present && !is_held && plan->has[r->instance];
    if (is_there)
        r = open_again(oracle, r->schedule, r->instance, r->slot, r->kind);
    else
        oracle_list(oracle, &oracle->open, r);
    if (!plan->present && r->complete_most_us < GONE_WITHIN_US)
        r->complete_most_us = GONE_WITHIN_US;
    r->was_sent = r->resumed = true;
    r->must_be_doubted = true;
    r->forsaken = !is_there;
    r->may_have_acted = true;
    r->accepted = false;
    r->doubted_at = oracle->clock->now;
}

/* A backup that was submitted and is not known to have ended. */
static void owe_watch(struct oracle *oracle, struct record *r)
{
    const struct generation *g = &oracle->world->generations[oracle->generation];
    const struct plan_of_schedule *plan = plan_of(oracle, r->schedule);
    bool is_there = plan->present && plan->has[r->instance];
    r->must_be_dropped = r->kept_task == 0 || (!is_there && r->kept_host < 0);
    r->complete_within_us = plan->present ? plan->complete_within_us : GONE_WITHIN_US;
    r->complete_most_us = r->complete_within_us;
    r->host = is_there || r->must_be_dropped ? g->host_of[r->instance] : r->kept_host;
    oracle_list(oracle, &oracle->watched, r);
}

/* What was begun, whatever became of its schedule. */
static void owe_begun(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->record_count; i++) {
        struct record *r = &oracle->records[i];
        if (r->unborn)
            continue;
        if (r->kept == KEPT_STARTED)
            owe_doubt(oracle, r);
        else if (r->kept == KEPT_ENDED && r->kept_result == (int)LEDGER_SUBMITTED
                 && !r->kept_finished)
            owe_watch(oracle, r);
    }
}

static void resume_member(struct oracle *oracle, const struct kept_slot *slot, int instance,
                          bool is_there)
{
    struct record *r = oracle_known(oracle, slot->schedule, instance, slot->slot);
    enum kept_state kept = r == NULL ? KEPT_NOTHING : r->kept;
    if (kept == KEPT_STARTED || kept == KEPT_ENDED)
        return;
    if (is_there && (kept != KEPT_NOTHING || !slot->named)) {
        (void)open_again(oracle, slot->schedule, instance, slot->slot, slot->kind);
    } else if (kept == KEPT_AGAIN) {
        r->must_be_skipped = true;
        r->accepted = false;
        oracle_list(oracle, &oracle->open, r);
    }
}

static void resume_slot(struct oracle *oracle, struct kept_slot *kept)
{
    const struct generation *g = &oracle->world->generations[oracle->generation];
    const struct plan_of_schedule *plan = &g->schedules[kept->schedule];
    struct watched_schedule *s = &oracle->schedules[kept->schedule];
    struct wall now = clock_sample(oracle->clock).wall;
    bool lies_ahead = wall_diff_us(kept->slot, now) > AHEAD_US;
    bool is_order = kept->kind == LEDGER_KIND_OPERATOR; /* the plan knows nothing of it */
    if (!is_order && !lies_ahead && wall_before(s->horizon, kept->slot)) {
        s->horizon = kept->slot;
        if (plan->present)
            s->next = oracle_next_slot(s, s->horizon);
    }
    kept->awaits_line = kept->announced || !plan->present || (plan->paused && !is_order);
    for (int i = 0; i < oracle->world->instance_count && !kept->awaits_line; i++)
        resume_member(oracle, kept, i, plan->has[i]);
}

void oracle_resuming(struct oracle *oracle)
{
    oracle->resuming = true;
    if (oracle->quiet_at != INT64_MAX) /* the quiet time is that of this life */
        oracle_quiet(oracle);
    owe_begun(oracle);
    for (size_t i = 0; i < oracle->slot_count; i++)
        if (oracle->slots[i].open)
            resume_slot(oracle, &oracle->slots[i]);
}

bool oracle_is_raise(const struct oracle *oracle, int schedule, struct wall slot)
{
    for (size_t i = 0; oracle->resuming && i < oracle->slot_count; i++) {
        const struct kept_slot *kept = &oracle->slots[i];
        if (kept->open && kept->schedule == schedule && kept->slot.us == slot.us)
            return slot.us <= oracle->schedules[schedule].horizon.us;
    }
    return false;
}

bool oracle_told_whole(struct oracle *oracle, int schedule, struct wall slot, bool skipped)
{
    for (size_t i = 0; oracle->resuming && skipped && i < oracle->slot_count; i++) {
        struct kept_slot *kept = &oracle->slots[i];
        if (!kept->awaits_line || kept->schedule != schedule || kept->slot.us != slot.us)
            continue;
        kept->awaits_line = false;
        return true;
    }
    return false;
}

void oracle_check_resumed(struct oracle *oracle)
{
    oracle->resuming = false;
    for (size_t i = 0; i < oracle->record_count; i++) {
        const struct record *r = &oracle->records[i];
        if (r->cancelled && r->kept == KEPT_AGAIN && r->told_ledger != (int)LEDGER_SKIPPED)
            oracle_break(oracle, RULE_ACCOUNT, "%s %d: a start leaves an order that is none",
                         world_schedule_name(r->schedule), r->instance);
    }
    for (size_t i = 0; i < oracle->open.count; i++) {
        const struct record *r = &oracle->records[oracle->open.list[i]];
        if (r->must_be_skipped || r->must_be_doubted)
            oracle_break(oracle, RULE_ACCOUNT, "%s %d: a start says nothing of the slot %lld",
                         world_schedule_name(r->schedule), r->instance, (long long)r->slot.us);
    }
    for (size_t i = 0; i < oracle->slot_count; i++)
        if (oracle->slots[i].awaits_line)
            oracle_break(oracle, RULE_ACCOUNT, "%s: a start says nothing of the slot %lld",
                         world_schedule_name(oracle->slots[i].schedule),
                         (long long)oracle->slots[i].slot.us);
}
