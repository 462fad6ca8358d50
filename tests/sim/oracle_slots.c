/*
 * See oracle.h: slots and lines. A schedule's horizon only moves to slots of its rule, in order,
 * and each slot it passes has one line for the whole of it, or a record for each instance. What has
 * a line for the whole has an entry in the ledger before it, a row of them one for the first.
 */
#include "sim/oracle_internal.h"

#include <stdio.h>
#include <string.h>

#define AHEAD_US (2 * US_PER_SECOND)
#define GRACE_US (5 * US_PER_SECOND)
#define MANY_SLOTS 999900      /* no more are counted */
#define REFUSED_NS (1100 * MS) /* the ledger is asked again by then */

static const struct plan_of_schedule *plan_of(const struct oracle *oracle, int schedule)
{
    return &oracle->world->generations[oracle->generation].schedules[schedule];
}

static bool same_rule(const struct rule *a, const struct rule *b)
{
    return a->is_cron == b->is_cron && strcmp(a->text, b->text) == 0
           && (!a->is_cron || a->zone == b->zone);
}

struct wall oracle_next_slot(const struct watched_schedule *s, struct wall after)
{
    struct wall next = rule_next(&s->rule, after);
    bool is_recorded = after.us < s->recorded_last.us && next.us >= s->recorded_first.us
                       && next.us <= s->recorded_last.us;
    return is_recorded ? rule_next(&s->rule, s->recorded_last) : next;
}

/* ---- rules that are given up ---- */

static bool gives_up(const struct watched_schedule *s, const struct plan_of_schedule *plan)
{
    return !plan->present || !same_rule(&s->rule, &plan->rule);
}

/* The engine reloads, and the new file does not go on with it. */
static bool is_left(const struct oracle *oracle, int schedule)
{
    const struct watched_schedule *s = &oracle->schedules[schedule];
    const struct generation *g = &oracle->world->generations[oracle->next_generation];
    return oracle->pending_switch && s->active && !oracle->held
           && gives_up(s, &g->schedules[schedule]);
}

static void leave_rule(const struct oracle *oracle, struct watched_schedule *s, int generation)
{
    if (!oracle->held || !s->active || s->unsettled)
        return;
    s->left = (struct left_rule){
        .any = true,
        .generation = generation,
        .rule = s->rule,
        .recorded_first = s->recorded_first,
        .recorded_last = s->recorded_last,
        .told = s->horizon,
        .at = clock_sample(oracle->clock).mono,
    };
}

static struct wall next_left(const struct left_rule *left)
{
    const struct watched_schedule s = {
        .rule = left->rule,
        .recorded_first = left->recorded_first,
        .recorded_last = left->recorded_last,
    };
    return oracle_next_slot(&s, left->told);
}

void oracle_owe_left(struct oracle *oracle, struct now now)
{
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++) {
        struct left_rule *left = &oracle->schedules[i].left;
        left->until = wall_add_us(now.wall, -(mono_diff_ns(now.mono, left->at) / NS_PER_US));
    }
}

void oracle_check_left(struct oracle *oracle)
{
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++) {
        struct left_rule *left = &oracle->schedules[i].left;
        if (left->any && next_left(left).us <= left->until.us)
            oracle_break(oracle, RULE_ACCOUNT, "%s: the slot %lld came by a rule of before, unsaid",
                         world_schedule_name(i), (long long)next_left(left).us);
        left->any = false;
    }
}

/* Slots that the horizon must have passed by now, but has not. */
static void check_covered(struct oracle *oracle, int schedule)
{
    const struct watched_schedule *s = &oracle->schedules[schedule];
    struct wall now = clock_sample(oracle->clock).wall;
    if (oracle->clock->now - oracle->refused_at < REFUSED_NS)
        return; /* what cannot be recorded is not opened: tried again in a second */
    if (oracle->held)
        return;
    if (s->active && !oracle->draining && s->next.us <= now.us)
        oracle_break(oracle, RULE_ACCOUNT, "%s: the slot %lld came and nothing was done",
                     world_schedule_name(schedule), (long long)s->next.us);
}

void oracle_check_slots(struct oracle *oracle)
{
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++)
        check_covered(oracle, i);
}

/* A start knows what the ledger has, and nothing of what the clocks did before. */
static void start_clock(struct oracle *oracle)
{
    oracle->has_judged = false;
    oracle->told_held = false;
    oracle->held = true; /* till the first look */
    oracle->held_at = oracle->clock->now;
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++) {
        struct watched_schedule *s = &oracle->schedules[i];
        s->unsettled = false;
        s->left.any = false;
        s->awaits_line = false;
        s->horizon = s->kept_horizon;
    }
}

void oracle_configured(struct oracle *oracle, int generation, bool starts)
{
    int before = oracle->generation;
    oracle->generation = oracle->next_generation = generation;
    oracle->unjudged_until = oracle->clock->now + NS_PER_SECOND + 100 * MS;
    oracle->reloading = true;
    oracle_forget_hosts(oracle, starts);
    for (int i = 0; i < WORLD_HOSTS_MAX; i++)
        oracle->hosts[i].burst_count = -1;
    struct wall now = clock_sample(oracle->clock).wall;
    if (starts)
        start_clock(oracle);
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++) {
        struct watched_schedule *s = &oracle->schedules[i];
        const struct plan_of_schedule *plan = plan_of(oracle, i);
        const struct rule *old = s->active && !starts ? &s->rule : s->kept_rule;
        bool returns = !s->active && !starts; /* by a reload */
        if (!starts && gives_up(s, plan))
            leave_rule(oracle, s, before);
        if (!s->active) /* the ledger is asked */
            s->horizon = s->kept_horizon;
        bool changed = !s->in_ledger || returns || old == NULL || !same_rule(old, &plan->rule);
        s->active = plan->present;
        s->unsettled = plan->present && s->unsettled;
        if (!plan->present && !oracle->world->durable)
            s->paused_until = LEDGER_NO_PAUSE; /* nobody keeps it for one that is gone */
        if (!plan->present)
            continue;
        s->rule = plan->rule;
        s->unsettled = oracle->held && (s->unsettled || changed);
        if (changed && !oracle->held && (!s->in_ledger || wall_before(s->horizon, now)))
            s->horizon = now;
        s->told_any = s->told_any && !changed && !starts;
        s->next = oracle_next_slot(s, s->told_any ? s->told_last : s->horizon);
    }
}

void oracle_reloading(struct oracle *oracle, int generation)
{
    oracle_judge_clock(oracle);
    oracle->next_generation = generation;
    oracle->pending_switch = true;
}

void oracle_switch(struct oracle *oracle)
{
    if (!oracle->pending_switch)
        return;
    struct wall now = clock_sample(oracle->clock).wall;
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++)
        if (is_left(oracle, i) && !oracle->draining && oracle->schedules[i].next.us <= now.us)
            oracle_break(oracle, RULE_ACCOUNT, "%s: the slot %lld came, and another rule took over",
                         world_schedule_name(i), (long long)oracle->schedules[i].next.us);
    oracle->pending_switch = false;
    oracle_check_slots(oracle);
    oracle_configured(oracle, oracle->next_generation, false);
}

/* ---- the horizon ---- */

/* What the file says of a slot at this instant. */
enum choice { CHOICE_RUN, CHOICE_MISS, CHOICE_PAUSED };

static enum choice choose(const struct oracle *oracle, int schedule, struct wall slot,
                          struct wall now)
{
    const struct plan_of_schedule *plan = plan_of(oracle, schedule);
    int64_t late = wall_diff_us(now, slot);
    if (oracle_is_paused(oracle, schedule, slot))
        return CHOICE_PAUSED;
    if (late <= GRACE_US)
        return CHOICE_RUN;
    return plan->catches_up && late < plan->spread_us + plan->start_within_us ? CHOICE_RUN
                                                                              : CHOICE_MISS;
}

static void check_horizon(struct oracle *oracle, int index, struct wall slot)
{
    const char *name = world_schedule_name(index);
    struct watched_schedule *s = &oracle->schedules[index];
    struct wall now = clock_sample(oracle->clock).wall;
    if ((oracle->reloading || oracle->settling) && slot.us == s->horizon.us)
        return; /* where a schedule begins */
    if (oracle_is_raise(oracle, index, slot) || oracle_goes_back(oracle, s, slot))
        return;
    if (oracle->held)
        oracle_break(oracle, RULE_POLICY, "%s: the slot %lld opens by a wrong clock", name,
                     (long long)slot.us);
    if (s->awaits_line && !s->passed_refused)
        oracle_break(oracle, RULE_ACCOUNT, "%s: the ledger has the slot %lld, the log nothing",
                     name, (long long)s->passed.us);
    struct wall from = s->told_any ? s->told_last : s->horizon;
    bool has_line = s->told_any && s->told_last.us == slot.us;
    if (slot.us <= s->horizon.us)
        oracle_break(oracle, RULE_IDENTITY, "%s: back to the slot %lld", name, (long long)slot.us);
    else if (!has_line && oracle_next_slot(s, from).us != slot.us)
        oracle_break(oracle, RULE_IDENTITY, "%s: %lld is not the slot after %lld", name,
                     (long long)slot.us, (long long)from.us);
    if (slot.us > now.us + AHEAD_US)
        oracle_break(oracle, RULE_POLICY, "%s: the slot %lld opens too early", name,
                     (long long)slot.us);
    enum choice choice = choose(oracle, index, slot, now);
    bool is_latest = oracle_next_slot(s, slot).us > now.us;
    if (choice == CHOICE_RUN && has_line && !is_latest)
        choice = CHOICE_MISS; /* slots between it and the latest are recorded */
    bool could_not = is_left(oracle, index) && oracle->clock->now - oracle->refused_at < REFUSED_NS;
    if (choice == CHOICE_RUN && has_line && could_not)
        choice = CHOICE_MISS; /* the ledger does not take it, and there is no later */
    if ((choice == CHOICE_RUN) == has_line)
        oracle_break(oracle, RULE_POLICY, "%s: the slot %lld, %lld us late, was %s", name,
                     (long long)slot.us, (long long)wall_diff_us(now, slot),
                     has_line ? "not run" : "run");
    s->horizon = slot;
    s->told_any = false;
    s->next = oracle_next_slot(s, slot);
    if (!has_line && s->next.us <= now.us)
        oracle_break(oracle, RULE_POLICY, "%s: %lld runs, but is not the latest", name,
                     (long long)slot.us);
    bool is_late = wall_diff_us(now, slot) > GRACE_US;
    if (!has_line)
        oracle_open_slot(oracle, index, slot,
                         is_late ? LEDGER_KIND_CATCH_UP : LEDGER_KIND_SCHEDULE);
}

const struct rule *oracle_horizon(struct oracle *oracle, const char *name, const char *rule,
                                  struct wall slot)
{
    int index = oracle_schedule_index(name);
    struct watched_schedule *s = &oracle->schedules[index];
    bool is_settled = s->just_settled;
    bool has_line = s->told_any && s->told_last.us == slot.us;
    if (s->left.any && s->left.told_any && s->left.told.us == slot.us) {
        s->in_ledger = true;
        s->kept_horizon = slot;
        s->kept_rule = &oracle->world->generations[s->left.generation].schedules[index].rule;
        return s->kept_rule;
    }
    s->just_settled = false;
    if (!is_settled && !has_line
        && (slot.us == clock_sample(oracle->clock).wall.us || slot.us == s->horizon.us))
        oracle_switch(oracle); /* where a schedule begins by another rule */
    check_horizon(oracle, index, slot);
    s->in_ledger = true;
    s->kept_horizon = slot;
    s->kept_rule = rule[0] == '\0' ? NULL : &plan_of(oracle, index)->rule;
    return s->kept_rule;
}

void oracle_entry_refused(struct oracle *oracle)
{
    oracle->entry_refused_at = oracle->clock->now;
}

void oracle_slot_refused(struct oracle *oracle)
{
    oracle->refused_at = oracle->clock->now;
}

void oracle_whole_refused(struct oracle *oracle, int schedule, struct wall slot)
{
    struct watched_schedule *s = &oracle->schedules[schedule];
    s->passed_refused = s->passed_refused || (s->awaits_line && s->passed.us == slot.us);
    for (int i = 0; i < oracle->world->instance_count; i++) {
        struct record *record = oracle_known(oracle, schedule, i, slot);
        if (record != NULL)
            record->refused = true;
    }
}

/* ---- lines ---- */

static const struct field *field_of(const struct event *event, const char *key)
{
    for (size_t i = 0; i < event->count; i++)
        if (strcmp(event->fields[i].key, key) == 0)
            return &event->fields[i];
    return NULL;
}

void oracle_slot_passed(struct oracle *oracle, const char *schedule, struct wall slot, bool skipped)
{
    struct watched_schedule *s = &oracle->schedules[oracle_schedule_index(schedule)];
    if (s->awaits_line && !s->passed_refused)
        oracle_break(oracle, RULE_ACCOUNT, "%s: the ledger has the slot %lld, the log nothing",
                     schedule, (long long)s->passed.us);
    s->awaits_line = true;
    s->passed_refused = false;
    s->passed = slot;
    s->passed_skipped = skipped;
}

static void check_passed(struct oracle *oracle, const char *name, struct watched_schedule *s,
                         struct wall slot, bool skipped)
{
    if (!s->awaits_line || s->passed.us != slot.us || s->passed_skipped != skipped)
        oracle_break(oracle, RULE_ACCOUNT, "%s: a line for the slot %lld, and no entry", name,
                     (long long)slot.us);
    s->awaits_line = false;
}

/* What lies in a pause is called skipped, and nothing else is. */
static void check_paused(struct oracle *oracle, int schedule, struct wall slot, bool skipped)
{
    if (oracle_is_paused(oracle, schedule, slot) != skipped)
        oracle_break(oracle, RULE_POLICY, "%s: the slot %lld is called %s",
                     world_schedule_name(schedule), (long long)slot.us,
                     skipped ? "skipped" : "missed");
}

/* The same of a rule that was given up while the clock was not believed. */
static bool told_left(struct oracle *oracle, const struct event *event, const char *name,
                      bool skipped)
{
    struct watched_schedule *s = &oracle->schedules[oracle_schedule_index(name)];
    struct left_rule *left = &s->left;
    const struct field *slot = field_of(event, "slot");
    const struct field *before = field_of(event, "before");
    const struct field *slots = field_of(event, "slots");
    if (!left->any || oracle->held || slot == NULL || next_left(left).us != slot->number)
        return false;
    struct wall from = left->told;
    left->told_any = true;
    left->told = (struct wall){slot->number};
    if (before != NULL) {
        left->told = wall_add_us((struct wall){before->number}, -1);
        int64_t count = rule_count(&left->rule, from, left->told);
        if (slots == NULL || (slots->number != count && slots->number < MANY_SLOTS))
            oracle_break(oracle, RULE_ACCOUNT, "%s: not %lld slots in one line", name,
                         (long long)count);
    }
    check_passed(oracle, name, s, (struct wall){slot->number}, skipped);
    if (left->told.us > left->until.us)
        oracle_break(oracle, RULE_POLICY, "%s: the slot %lld comes after its rule was given up",
                     name, (long long)left->told.us);
    return true;
}

/* A line for a whole slot, or for a row of them. */
static void told_slots(struct oracle *oracle, const struct event *event, const char *name,
                       bool skipped)
{
    int index = oracle_schedule_index(name);
    struct watched_schedule *s = &oracle->schedules[index];
    const struct field *slot = field_of(event, "slot");
    const struct field *before = field_of(event, "before");
    const struct field *slots = field_of(event, "slots");
    if (slot != NULL && oracle_told_whole(oracle, index, (struct wall){slot->number}, skipped))
        return;
    if (told_left(oracle, event, name, skipped))
        return;
    struct wall from = s->told_any ? s->told_last : s->horizon;
    if (slot == NULL || oracle_next_slot(s, from).us != slot->number) {
        oracle_break(oracle, RULE_ACCOUNT, "%s: a line for a slot out of order", name);
        return;
    }
    s->told_any = true;
    s->told_last = (struct wall){slot->number};
    check_paused(oracle, index, s->told_last, skipped);
    check_passed(oracle, name, s, s->told_last, skipped);
    s->next = oracle_next_slot(s, s->told_last);
    if (before == NULL)
        return;
    struct wall last = wall_add_us((struct wall){before->number}, -1);
    check_paused(oracle, index, last, skipped);
    int64_t count = rule_count(&s->rule, from, last);
    bool is_many = slots != NULL && slots->number >= MANY_SLOTS && count >= slots->number;
    if (slots == NULL || (slots->number != count && !is_many))
        oracle_break(oracle, RULE_ACCOUNT, "%s: %lld slots in one line, not %lld", name,
                     slots == NULL ? -1LL : (long long)slots->number, (long long)count);
    s->told_last = last;
    s->next = oracle_next_slot(s, last);
}

static bool has_text(const struct event *event, const char *key, const char *text)
{
    const struct field *field = field_of(event, key);
    return field != NULL && strcmp(field->text, text) == 0;
}

/* What a line says of a run: its end, NOT_TOLD where it says none. */
static int result_of(const struct event *event)
{
    static const char *const names[] = {"backup_submitted", "backup_failed", "", "backup_skipped",
                                        "backup_missed"}; /* as in enum ledger_result */
    for (int i = 0; i < 5; i++)
        if (strcmp(names[i], event->name) == 0)
            return has_text(event, "reason", "unknown") ? (int)LEDGER_UNKNOWN : i;
    return NOT_TOLD;
}

/* What it says of a backup: the end of its task, or that nobody will know it. */
static int finish_of(const struct event *event)
{
    if (strcmp(event->name, "backup_succeeded") == 0)
        return (int)LEDGER_SUCCEEDED;
    if (strcmp(event->name, "watch_failed") == 0
        && (has_text(event, "code", "Client.Removed") || has_text(event, "code", "Client.NoTask")))
        return (int)LEDGER_UNWATCHED;
    if (strcmp(event->name, "backup_failed") != 0)
        return NOT_TOLD;
    if (has_text(event, "reason", "task_failed"))
        return (int)LEDGER_TASK_FAILED;
    return has_text(event, "reason", "stuck") ? (int)LEDGER_STUCK : NOT_TOLD;
}

static void check_line(struct oracle *oracle, const struct event *event)
{
    char line[EVENT_LINE_MAX];
    enum event_format format = oracle->record_count % 8 == 0 ? EVENT_JSON : EVENT_LOGFMT;
    size_t length = event_format_line(event, format, line);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            oracle_break(oracle, RULE_LOG, "%s: a control character", event->name);
    if (strstr(line, ORACLE_SECRET) != NULL || strstr(line, ORACLE_TOKEN) != NULL)
        oracle_break(oracle, RULE_LOG, "%s: a secret", event->name);
    if (strstr(line, " event=") != NULL && strstr(line, "\"") == NULL)
        oracle_break(oracle, RULE_LOG, "%s: a forged event", event->name);
    trace_line(oracle->trace, "log %s", line);
}

static void told_doubt(struct oracle *oracle, struct record *record)
{
    if (record->told_doubt || !record->may_have_acted)
        oracle_break(oracle, RULE_ACCOUNT, "%s %d: called unknown, but %s",
                     world_schedule_name(record->schedule), record->instance,
                     record->told_doubt ? "it was before" : "it is not");
    record->told_doubt = true;
    record->must_be_doubted = false;
}

/* A line that names one instance. */
static void told_one(struct oracle *oracle, const struct event *event, struct record *record)
{
    int result = result_of(event);
    int finish = finish_of(event);
    const struct field *task = field_of(event, "task_id");
    if (strcmp(event->name, "backup_unknown") == 0) {
        told_doubt(oracle, record);
        return;
    }
    if (finish != NOT_TOLD) {
        oracle_told_finish(oracle, record, finish);
        return;
    }
    if (result == (int)LEDGER_SUBMITTED)
        record->told_task = task == NULL ? 0 : task->number;
    if (result == (int)LEDGER_SKIPPED && has_text(event, "reason", "overlap"))
        oracle_told_overlap(oracle, record);
    oracle_told(oracle, record, result);
}

void oracle_event(struct oracle *oracle, const struct event *event)
{
    oracle->progress++;
    check_line(oracle, event);
    if (strncmp(event->name, "clock_", 6) == 0)
        oracle_told_clock(oracle, event);
    int result = result_of(event);
    const struct field *schedule = field_of(event, "schedule");
    const struct field *instance = field_of(event, "instance");
    const struct field *slot = field_of(event, "slot");
    bool of_run = result != NOT_TOLD || finish_of(event) != NOT_TOLD
                  || strcmp(event->name, "backup_unknown") == 0;
    if (!of_run)
        return;
    if (schedule == NULL || slot == NULL) {
        oracle_break(oracle, RULE_ACCOUNT, "%s: of what?", event->name);
        return;
    }
    if (instance == NULL) {
        told_slots(oracle, event, schedule->text, result == LEDGER_SKIPPED);
        return;
    }
    struct record *record =
        oracle_find(oracle, schedule->text, instance->text, (struct wall){slot->number});
    if (record != NULL)
        told_one(oracle, event, record);
}
