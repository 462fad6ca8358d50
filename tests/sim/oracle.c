/*
 * See oracle.h. Records are kept in an array for the whole seed, found by a hash of schedule,
 * instance and slot; a second list holds those that have not ended.
 */
#include "sim/oracle_internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void oracle_init(struct oracle *oracle, const struct world *world, const struct clock *clock,
                 struct trace *trace, const struct cloud *cloud)
{
    *oracle = (struct oracle){
        .world = world,
        .clock = clock,
        .trace = trace,
        .cloud = cloud,
        .quiet_at = INT64_MAX,
        .refused_at = INT64_MIN / 2,
        .entry_refused_at = INT64_MIN / 2,
    };
    int r = digest_create(&oracle->digest, NULL);
    assert(r == 0);
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++)
        oracle->schedules[i].paused_until = LEDGER_NO_PAUSE;
}

void oracle_finish(struct oracle *oracle)
{
    digest_destroy(oracle->digest);
    free(oracle->records);
    free(oracle->index);
    free(oracle->open.list);
    free(oracle->watched.list);
    oracle->digest = NULL;
    oracle->records = NULL;
    oracle->index = NULL;
    oracle->open.list = oracle->watched.list = NULL;
}

const char *rule_text(enum rule_name rule)
{
    static const char *const texts[RULES] = {"",         "once",   "rate",   "drain",
                                             "account",  "order",  "flight", "live",
                                             "identity", "policy", "dead",   "log"};
    return texts[rule];
}

void oracle_break(struct oracle *oracle, enum rule_name rule, const char *format, ...)
{
    if (oracle->broken != RULE_NONE)
        return;
    oracle->broken = rule;
    va_list args;
    va_start(args, format);
    int head =
        snprintf(oracle->what, sizeof oracle->what, "at %.6f: ", (double)oracle->clock->now / 1e9);
    (void)vsnprintf(oracle->what + head, sizeof oracle->what - (size_t)head, format, args);
    va_end(args);
    trace_line(oracle->trace, "BROKEN %s: %s", rule_text(rule), oracle->what);
}

/* ---- records ---- */

static uint64_t hash_of(int schedule, int instance, struct wall slot)
{
    uint64_t h = (uint64_t)slot.us * UINT64_C(0x9e3779b97f4a7c15);
    h ^= (uint64_t)schedule * UINT64_C(0xc2b2ae3d27d4eb4f)
         + (uint64_t)instance * UINT64_C(0x165667b19e3779f9);
    return h ^ (h >> 29);
}

static size_t *place_of(struct oracle *oracle, int schedule, int instance, struct wall slot)
{
    size_t mask = oracle->index_size - 1;
    for (size_t i = hash_of(schedule, instance, slot) & mask;; i = (i + 1) & mask) {
        if (oracle->index[i] == 0)
            return &oracle->index[i];
        const struct record *r = &oracle->records[oracle->index[i] - 1];
        if (r->schedule == schedule && r->instance == instance && r->slot.us == slot.us)
            return &oracle->index[i];
    }
}

void oracle_list(struct oracle *oracle, struct places *places, const struct record *record)
{
    places->list[places->count++] = (size_t)(record - oracle->records);
}

void oracle_unlist(struct oracle *oracle, struct places *places, const struct record *record)
{
    size_t number = (size_t)(record - oracle->records);
    for (size_t i = 0; i < places->count; i++) {
        if (places->list[i] != number)
            continue;
        places->list[i] = places->list[--places->count];
        return;
    }
}

static void grow_places(struct oracle *oracle, struct places *places)
{
    places->list = reallocarray(places->list, oracle->record_capacity, sizeof *places->list);
    assert(places->list != NULL);
}

static void grow(struct oracle *oracle)
{
    oracle->record_capacity = oracle->record_capacity == 0 ? 256 : oracle->record_capacity * 2;
    oracle->records =
        reallocarray(oracle->records, oracle->record_capacity, sizeof *oracle->records);
    grow_places(oracle, &oracle->open);
    grow_places(oracle, &oracle->watched);
    free(oracle->index);
    oracle->index_size = oracle->record_capacity * 2;
    oracle->index = calloc(oracle->index_size, sizeof *oracle->index);
    assert(oracle->records != NULL && oracle->index != NULL);
    for (size_t i = 0; i < oracle->record_count; i++) {
        const struct record *r = &oracle->records[i];
        *place_of(oracle, r->schedule, r->instance, r->slot) = i + 1;
    }
}

/* The delay of the spread, by its definition. An order has none. */
static int64_t delay_us(struct oracle *oracle, int schedule, int instance, enum ledger_kind kind)
{
    int64_t spread_us =
        oracle->world->generations[oracle->generation].schedules[schedule].spread_us;
    char text[128];
    char id[MODEL_INSTANCE_ID_MAX];
    world_instance_id(instance, id);
    int length = snprintf(text, sizeof text, "%s", world_schedule_name(schedule));
    length += 1 + snprintf(text + length + 1, sizeof text - (size_t)length - 1, "%s", id);
    uint8_t hash[DIGEST_SIZE];
    if (spread_us < 1000 || kind == LEDGER_KIND_OPERATOR)
        return 0;
    int r = digest_sha256(oracle->digest, text, (size_t)length, hash);
    assert(r == 0);
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | hash[i];
    return (int64_t)(number % ((uint64_t)spread_us / 1000)) * 1000;
}

void oracle_open_record(struct oracle *oracle, int schedule, int instance, struct wall slot,
                        enum ledger_kind kind)
{
    const struct generation *g = &oracle->world->generations[oracle->generation];
    const struct plan_of_schedule *s = &g->schedules[schedule];
    if (oracle->record_count == oracle->record_capacity)
        grow(oracle);
    size_t *place = place_of(oracle, schedule, instance, slot);
    struct record *record = &oracle->records[*place == 0 ? oracle->record_count : *place - 1];
    if (*place != 0 && !record->unborn && !oracle->resuming) {
        oracle_break(oracle, RULE_IDENTITY, "%s %d: the slot %lld opens twice",
                     world_schedule_name(schedule), instance, (long long)slot.us);
        return;
    }
    struct wall due = wall_add_us(slot, delay_us(oracle, schedule, instance, kind));
    *record = (struct record){
        .schedule = schedule,
        .instance = instance,
        .host = g->host_of[instance],
        .slot = slot,
        .kind = kind,
        .due = due,
        .deadline = wall_add_us(due, s->start_within_us),
        .complete_within_us = s->complete_within_us,
        .complete_most_us = s->complete_within_us,
        .retry_failed = s->retry_failed,
        .forbids_overlap = s->forbids_overlap,
        .resends = s->resends,
        .opened_at = oracle->clock->now,
        .told_ledger = NOT_TOLD,
        .told_journal = NOT_TOLD,
        .finish_ledger = NOT_TOLD,
        .finish_journal = NOT_TOLD,
    };
    oracle_list(oracle, &oracle->open, record);
    if (*place == 0)
        *place = ++oracle->record_count;
}

void oracle_retime(struct oracle *oracle, struct record *record)
{
    const struct generation *g = &oracle->world->generations[oracle->generation];
    const struct plan_of_schedule *s = &g->schedules[record->schedule];
    struct wall due = wall_add_us(
        record->slot, delay_us(oracle, record->schedule, record->instance, record->kind));
    struct wall deadline = wall_add_us(due, s->start_within_us);
    record->due = wall_earlier(record->due, due);
    if (wall_before(record->deadline, deadline))
        record->deadline = deadline;
    if (s->complete_within_us < record->complete_within_us)
        record->complete_within_us = s->complete_within_us;
    if (s->complete_within_us > record->complete_most_us)
        record->complete_most_us = s->complete_within_us;
}

struct wall oracle_earliest_deadline(struct oracle *oracle, const struct record *record)
{
    const struct generation *g = &oracle->world->generations[oracle->generation];
    const struct plan_of_schedule *s = &g->schedules[record->schedule];
    struct wall due = wall_add_us(
        record->slot, delay_us(oracle, record->schedule, record->instance, record->kind));
    return wall_earlier(record->deadline, wall_add_us(due, s->start_within_us));
}

struct record *oracle_known(struct oracle *oracle, int schedule, int instance, struct wall slot)
{
    if (oracle->index_size == 0)
        return NULL;
    size_t place = *place_of(oracle, schedule, instance, slot);
    return place == 0 || oracle->records[place - 1].unborn ? NULL : &oracle->records[place - 1];
}

void oracle_open_slot(struct oracle *oracle, int schedule, struct wall slot, enum ledger_kind kind)
{
    const struct plan_of_schedule *s =
        &oracle->world->generations[oracle->generation].schedules[schedule];
    for (int i = 0; i < oracle->world->instance_count; i++)
        if (s->has[i])
            oracle_open_record(oracle, schedule, i, slot, kind);
}

int oracle_schedule_index(const char *name)
{
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++)
        if (strcmp(world_schedule_name(i), name) == 0)
            return i;
    return -1;
}

struct record *oracle_find(struct oracle *oracle, const char *schedule, const char *instance,
                           struct wall slot)
{
    int index = oracle_schedule_index(schedule);
    int number = (int)strtol(instance + strlen("crs-sim"), NULL, 10);
    struct record *record = index < 0 ? NULL : oracle_known(oracle, index, number, slot);
    if (record != NULL)
        return record;
    oracle_break(oracle, RULE_IDENTITY, "%s %s: a slot %lld that is not open", schedule, instance,
                 (long long)slot.us);
    return NULL;
}

/* ---- ends ---- */

/* Both the ledger and the journal have been told: it leaves the list of open ones. */
static void close_record(struct oracle *oracle, struct record *record)
{
    const char *name = world_schedule_name(record->schedule);
    if (record->told_ledger < 0 || record->told_journal < 0)
        return;
    if (record->told_ledger != record->told_journal)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: the ledger was told %d, the journal %d", name,
                     record->instance, record->told_ledger, record->told_journal);
    record->ended_at = oracle->clock->now;
    oracle->free_at[record->schedule][record->instance] = oracle->clock->now;
    oracle_unlist(oracle, &oracle->open, record);
    if (record->told_ledger != (int)LEDGER_SUBMITTED)
        return;
    if (record->told_task != record->followed)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: the ledger has task %lld, the journal %lld",
                     name, record->instance, (long long)record->followed,
                     (long long)record->told_task);
    oracle_list(oracle, &oracle->watched, record);
}

static void check_reason(struct oracle *oracle, const struct record *r, enum ledger_result result)
{
    const char *name = world_schedule_name(r->schedule);
    if (result == LEDGER_SKIPPED && !r->overlaps && !r->forsaken && !r->cancelled
        && oracle_is_member(oracle, r))
        oracle_break(oracle, RULE_POLICY, "%s %d: skipped without a reason", name, r->instance);
    if (result == LEDGER_MISSED && r->was_sent && !r->resumed)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: missed after an attempt", name, r->instance);
    bool may_stop = oracle->draining && !oracle->world->durable;
    if (result == LEDGER_MISSED && !may_stop
        && wall_before(clock_sample(oracle->clock).wall, r->deadline))
        oracle_break(oracle, RULE_POLICY, "%s %d: missed before its time is over", name,
                     r->instance);
}

static void ended(struct oracle *oracle, struct record *r, const struct ledger_entry *entry)
{
    const char *name = world_schedule_name(r->schedule);
    if (entry->result == LEDGER_SKIPPED && !r->overlaps)
        oracle_switch(oracle);
    if (r->told_ledger >= 0)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: ends twice", name, r->instance);
    if (r->in_flight)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: ends while its request is out", name,
                     r->instance);
    oracle_check_end(oracle, r, entry);
    check_reason(oracle, r, entry->result);
    if (entry->result == LEDGER_SUBMITTED) {
        r->followed = entry->task_id;
        r->submitted_at = oracle->clock->now;
        r->submitted_wall = entry->at;
        r->finish_ledger = r->finish_journal = NOT_TOLD;
    }
    r->told_ledger = (int)entry->result;
    close_record(oracle, r);
}

/* What goes into the ledger beside it, and is read again by a start. */
static void note_facts(struct oracle *oracle, struct record *r, const struct ledger_entry *entry)
{
    const char *name = world_schedule_name(r->schedule);
    bool is_again = entry->kind == LEDGER_ENDED && entry->result == LEDGER_AGAIN;
    if ((entry->kind == LEDGER_STARTED || (is_again && entry->attempt == 0))
        && entry->run_kind != r->kind)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: recorded as of kind %d, not %d", name,
                     r->instance, (int)entry->run_kind, (int)r->kind);
    if (entry->kind == LEDGER_STARTED && entry->attempt == 1)
        r->begun_at = oracle->clock->now;
    if ((is_again || entry->kind == LEDGER_STARTED) && entry->retries != r->retries)
        oracle_break(oracle, RULE_POLICY, "%s %d: %d failed tasks recorded, not %d", name,
                     r->instance, entry->retries, r->retries);
}

void oracle_entry(struct oracle *oracle, struct record *record, const struct ledger_entry *entry)
{
    if (oracle_is_ordering(oracle, record))
        oracle_order_entry(oracle, record, entry);
    else if (entry->kind == LEDGER_FINISHED)
        oracle_finished(oracle, record, entry);
    else if (entry->kind == LEDGER_ENDED && entry->result == LEDGER_AGAIN)
        oracle_again(oracle, record);
    else if (entry->kind == LEDGER_ENDED)
        ended(oracle, record, entry);
    else if (record->may_have_acted && record->refused)
        oracle_again(oracle, record); /* its slot could not be opened again to say so */
    note_facts(oracle, record, entry);
}

void oracle_told(struct oracle *oracle, struct record *record, int result)
{
    if (record->told_journal >= 0)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: reported twice, %d and %d",
                     world_schedule_name(record->schedule), record->instance, record->told_journal,
                     result);
    record->told_journal = result;
    close_record(oracle, record);
}

/* ---- requests ---- */

bool oracle_is_member(const struct oracle *oracle, const struct record *record)
{
    const struct plan_of_schedule *s =
        &oracle->world->generations[oracle->generation].schedules[record->schedule];
    bool is_held = s->paused && record->kind != LEDGER_KIND_OPERATOR;
    return s->present && !is_held && s->has[record->instance];
}

static void check_order(struct oracle *oracle, const struct record *r, uint64_t ticket, int host)
{
    struct wall now = clock_sample(oracle->clock).wall;
    const char *name = world_schedule_name(r->schedule);
    if (r->durable != ticket)
        oracle_break(oracle, RULE_ORDER, "%s %d: sent before it is durable", name, r->instance);
    if (wall_before(now, r->due))
        oracle_break(oracle, RULE_ORDER, "%s %d: sent %lld us early", name, r->instance,
                     (long long)wall_diff_us(r->due, now));
    if (!wall_before(now, r->deadline))
        oracle_break(oracle, RULE_ORDER, "%s %d: sent %lld us past start_within", name, r->instance,
                     (long long)wall_diff_us(now, r->deadline));
    if (oracle->held)
        oracle_break(oracle, RULE_ORDER, "%s %d: sent by a wrong clock", name, r->instance);
    if (oracle->draining)
        oracle_break(oracle, RULE_ORDER, "%s %d: sent while draining", name, r->instance);
    if (!oracle_is_member(oracle, r))
        oracle_break(oracle, RULE_ORDER, "%s %d: sent, but not in the file", name, r->instance);
    bool is_anew = r->retries > 0; /* the present file's, where its slot had ended */
    int present = oracle->world->generations[oracle->generation].host_of[r->instance];
    if (host != r->host && !(is_anew && host == present))
        oracle_break(oracle, RULE_ORDER, "%s %d: sent to another host", name, r->instance);
}

void oracle_sent(struct oracle *oracle, struct record *record, uint64_t ticket, int host)
{
    const struct generation *g = &oracle->world->generations[oracle->generation];
    const char *name = world_schedule_name(record->schedule);
    if (record->forsaken)
        oracle_break(oracle, RULE_POLICY, "%s %d: sent though its slot was skipped", name,
                     record->instance);
    if (record->in_flight || record->may_have_acted || record->accepted || record->told_ledger >= 0)
        oracle_break(oracle, RULE_ONCE, "%s %d: sent again%s", name, record->instance,
                     record->accepted ? " after it was accepted" : "");
    check_order(oracle, record, ticket, host);
    record->host = host;
    oracle_check_overlap(oracle, record);
    if (oracle->in_flight >= g->max_in_flight)
        oracle_break(oracle, RULE_FLIGHT, "%s %d: sent with %d in flight of %d", name,
                     record->instance, oracle->in_flight, g->max_in_flight);
    oracle_begin_burst(oracle, record, host);
    struct watched_host *watched = &oracle->hosts[host];
    watched->sent[watched->sent_count++ % ARRIVALS_KEPT] = oracle->clock->now;
    record->in_flight = true;
    record->may_have_acted = true;
    record->was_sent = true;
    record->waits = false;
    record->told_doubt = false;
    oracle->in_flight++;
    oracle->hosts[record->host].in_flight++;
    oracle->sent++;
}

void oracle_asked(struct oracle *oracle)
{
    const struct generation *g = &oracle->world->generations[oracle->generation];
    if (oracle->draining)
        oracle_break(oracle, RULE_ORDER, "asked while draining");
    if (oracle->in_flight >= g->max_in_flight)
        oracle_break(oracle, RULE_FLIGHT, "asked with %d in flight of %d", oracle->in_flight,
                     g->max_in_flight);
    oracle->in_flight++;
    oracle->asked++;
}

void oracle_answered(struct oracle *oracle)
{
    oracle->in_flight--;
    oracle->freed_at = oracle->clock->now;
}

void oracle_looked(struct oracle *oracle, int instance, int64_t asked_at)
{
    oracle->looks[instance][oracle->look_count[instance]++ % LOOKS_KEPT] = asked_at;
}

void oracle_outcome(struct oracle *oracle, size_t number, bool definite, bool acted,
                    int64_t task_id)
{
    struct record *record = &oracle->records[number];
    record->in_flight = false;
    record->accepted = task_id != 0;
    record->task_id = task_id;
    record->may_have_acted = !definite;
    record->waits = definite;
    if (!definite && !record->accepted)
        record->doubted_at = oracle->clock->now;
    assert(!(definite && acted));
    oracle->in_flight--;
    oracle->hosts[record->host].in_flight--;
    oracle->hosts[record->host].freed_at = oracle->clock->now;
    oracle_move(oracle, record);
    oracle->freed_at = oracle->clock->now;
    oracle->accepted += record->accepted;
}
