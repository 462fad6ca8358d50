/*
 * See oracle.h: what operators order. An order is a slot of its own, of who was named or of all:
 * taken, each of its runs ends as any other; refused, for a reason, nothing is left of it. A pause
 * holds the slots of the plan that come before its end, and no order. Both outlive the process
 * where the ledger is durable, from the entry on that says so.
 */
#include "sim/oracle_internal.h"

bool oracle_is_paused(const struct oracle *oracle, int schedule, struct wall slot)
{
    return oracle->world->generations[oracle->generation].schedules[schedule].paused
           || wall_before(slot, oracle->schedules[schedule].paused_until);
}

/* Whether the engine may say no: it stops, does not know the time, or could not record it. */
static bool may_refuse(const struct oracle *oracle)
{
    return oracle->draining || oracle->held
           || (oracle->world->durable && oracle->entry_refused_at == oracle->clock->now);
}

/* ---- orders ---- */

void oracle_ordering(struct oracle *oracle, int schedule, struct wall slot, const int *instances,
                     int count)
{
    const struct plan_of_schedule *plan =
        &oracle->world->generations[oracle->generation].schedules[schedule];
    oracle->ordering = true;
    oracle->order_schedule = schedule;
    oracle->order_slot = slot;
    oracle->order_first = oracle->open.count;
    oracle->order_is_named = count > 0;
    for (int i = 0; i < count; i++)
        oracle_open_record(oracle, schedule, instances[i], slot, LEDGER_KIND_OPERATOR);
    for (int i = 0; count == 0 && i < oracle->world->instance_count; i++)
        if (plan->has[i])
            oracle_open_record(oracle, schedule, i, slot, LEDGER_KIND_OPERATOR);
}

bool oracle_is_ordering(const struct oracle *oracle, const struct record *r)
{
    return oracle->ordering && r->schedule == oracle->order_schedule
           && r->slot.us == oracle->order_slot.us;
}

void oracle_order_entry(struct oracle *oracle, struct record *r, const struct ledger_entry *entry)
{
    const char *name = world_schedule_name(r->schedule);
    bool is_again = entry->kind == LEDGER_ENDED && entry->result == LEDGER_AGAIN;
    bool takes_back =
        entry->kind == LEDGER_ENDED && entry->result == LEDGER_SKIPPED && r->announced;
    if (!oracle->order_is_named || (!is_again && !takes_back) || r->told_ledger >= 0
        || (is_again && r->announced))
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: an order says %d of it", name, r->instance,
                     (int)entry->result);
    r->announced = true;
    if (takes_back)
        r->told_ledger = (int)entry->result;
}

/* What was said of it is taken back, and nothing is heard of it any more. */
static void refuse(struct oracle *oracle, struct record *r)
{
    if (r->announced && r->told_ledger != (int)LEDGER_SKIPPED)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: refused, and the ledger says it is to be run",
                     world_schedule_name(r->schedule), r->instance);
    r->unborn = true;
}

static void take(struct oracle *oracle, struct record *r, size_t log_end)
{
    const char *name = world_schedule_name(r->schedule);
    bool is_told = oracle->world->durable && oracle->order_is_named;
    if ((is_told && !r->announced) || r->told_ledger >= 0)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: ordered, and the ledger says nothing of it",
                     name, r->instance);
    r->ordered_at = log_end;
    oracle->ordered++;
}

void oracle_ordered(struct oracle *oracle, bool taken, size_t log_end)
{
    size_t count = oracle->open.count - oracle->order_first;
    oracle->ordering = false;
    if (taken && (oracle->draining || oracle->held))
        oracle_break(oracle, RULE_POLICY, "an order is taken that cannot be carried out");
    if (!taken && count > 0 && !may_refuse(oracle))
        oracle_break(oracle, RULE_POLICY, "an order is refused without a reason");
    for (size_t i = oracle->order_first; i < oracle->open.count; i++) {
        struct record *r = &oracle->records[oracle->open.list[i]];
        if (taken)
            take(oracle, r, log_end);
        else
            refuse(oracle, r);
    }
    oracle->orders += taken;
    if (!taken)
        oracle->open.count = oracle->order_first;
}

/* ---- pauses ---- */

static void note_pause(struct watched_schedule *s, struct wall until, size_t log_end)
{
    if (s->pause_count == PAUSES_TAKEN_MAX) /* the oldest is durable for long */
        for (int i = 0; i + 1 < s->pause_count; i++)
            s->pauses[i] = s->pauses[i + 1];
    s->pause_count -= s->pause_count == PAUSES_TAKEN_MAX;
    s->pauses[s->pause_count++] = (struct taken_pause){until, log_end};
}

void oracle_paused(struct oracle *oracle, int schedule, struct wall until, bool taken,
                   size_t log_end)
{
    struct watched_schedule *s = &oracle->schedules[schedule];
    bool may_fail = oracle->world->durable && oracle->entry_refused_at == oracle->clock->now;
    oracle_check_slots(oracle);
    if (!taken && !may_fail)
        oracle_break(oracle, RULE_POLICY, "%s: a pause is refused without a reason",
                     world_schedule_name(schedule));
    if (!taken)
        return;
    oracle->pauses++;
    s->paused_until = until;
    if (oracle->world->durable)
        note_pause(s, until, log_end);
}

/* ---- over a restart ---- */

static void check_pause(struct oracle *oracle, int schedule, const struct kept_log *log)
{
    struct watched_schedule *s = &oracle->schedules[schedule];
    while (s->pause_count > 0 && s->pauses[s->pause_count - 1].log_end > log->length)
        s->pause_count--; /* nobody was told that it is kept */
    s->paused_until = LEDGER_NO_PAUSE;
    if (s->pause_count > 0)
        s->paused_until = s->pauses[s->pause_count - 1].until;
    if (log->pauses[schedule].us != s->paused_until.us)
        oracle_break(oracle, RULE_ACCOUNT, "%s: paused till %lld, and the ledger has %lld",
                     world_schedule_name(schedule), (long long)s->paused_until.us,
                     (long long)log->pauses[schedule].us);
}

void oracle_check_kept(struct oracle *oracle, const struct kept_log *log)
{
    for (size_t i = 0; i < oracle->record_count; i++) {
        struct record *r = &oracle->records[i];
        bool is_lost = (r->unborn || r->cancelled) && r->ordered_at > 0;
        if (is_lost && r->ordered_at <= log->synced)
            oracle_break(oracle, RULE_ACCOUNT, "%s %d: the order of %lld is lost",
                         world_schedule_name(r->schedule), r->instance, (long long)r->slot.us);
        if (is_lost)
            r->ordered_at = 0; /* nobody was told that it is kept */
    }
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++)
        check_pause(oracle, i, log);
}
