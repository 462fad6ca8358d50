/* See engine_twin.h. */
#include "engine_twin.h"

#include "base/bucket.h"

#include "base/text.h"
#include "engine/inquiry.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL "https://redis.tencentcloudapi.com/"

static int send_one(void *context, const struct transport_request *request, struct errtext *err)
{
    struct twin *twin = context;
    if (twin->transport_refuses < 0)
        return errtext_set(err, twin->transport_refuses, "refused by the test");
    bool asks = (request->ticket & INQUIRY_TICKET) != 0;
    assert(asks || twin->sent_count < TWIN_SENT_MAX);
    struct twin_sent *sent =
        asks ? &twin->asked[twin->asked_count++ % TWIN_SENT_MAX] : &twin->sent[twin->sent_count++];
    *sent = (struct twin_sent){
        .ticket = request->ticket, .at = twin->now, .keys = twin->keys.generation};
    (void)snprintf(sent->url, sizeof sent->url, "%s", request->url);
    (void)snprintf(sent->body, sizeof sent->body, "%s", request->body);
    for (size_t i = 0; i < request->header_count; i++)
        if (strcmp(request->headers[i].name, "X-TC-Timestamp") == 0)
            (void)snprintf(sent->stamp, sizeof sent->stamp, "%s", request->headers[i].value);
    for (size_t i = 0; i < request->header_count; i++)
        if (strcmp(request->headers[i].name, "X-TC-Action") == 0)
            (void)snprintf(sent->action, sizeof sent->action, "%s", request->headers[i].value);
    engine_file_on_wire(twin->engine, request->ticket, twin->now.mono);
    if (asks && !twin->keeps_questions && strcmp(sent->action, "DescribeTaskInfo") == 0) {
        static const char running[] =
            "{\"Response\":{\"Status\":\"running\",\"RequestId\":\"r-4\"}}";
        const struct exchange exchange = {
            .kind = EXCHANGE_ANSWERED,
            .http_status = 200,
            .body = running,
            .body_length = strlen(running),
            .date_second = -1,
        };
        sent->answered = true;
        engine_file_outcome(twin->engine, request->ticket, &exchange, twin->now.mono);
    }
    return 0;
}

static void cancel_one(void *context, uint64_t ticket)
{
    struct twin *twin = context;
    const struct exchange exchange = {
        .kind = EXCHANGE_LOST, .error = "cancelled", .date_second = -1};
    engine_file_outcome(twin->engine, ticket, &exchange, twin->now.mono);
}

static void warm_up(void *context, const char *url, unsigned connections)
{
    (void)context;
    (void)url;
    (void)connections;
}

static struct twin_entry *add_entry(struct twin *twin, const char *schedule, struct wall slot)
{
    assert(twin->log_count < TWIN_LOG_MAX);
    struct twin_entry *entry = &twin->log[twin->log_count++];
    *entry = (struct twin_entry){.slot = slot};
    (void)snprintf(entry->schedule, sizeof entry->schedule, "%s", schedule);
    return entry;
}

static int append(void *context, const struct ledger_entry *entry)
{
    struct twin *twin = context;
    if (twin->ledger_refuses_slots && entry->kind == LEDGER_STARTED
        && strcmp(entry->instance, LEDGER_WHOLE_SLOT) == 0)
        return -ENOSPC;
    if (twin->ledger_refuses || twin->ledger_refuses_next > 0) {
        twin->ledger_refuses_next -= twin->ledger_refuses_next > 0;
        return -ENOSPC;
    }
    if (twin->ports.ledger.durable) {
        struct twin_entry *kept = add_entry(twin, entry->schedule, entry->slot);
        kept->kind = entry->kind;
        kept->attempt = entry->attempt;
        kept->run_kind = entry->run_kind;
        kept->retries = entry->retries;
        kept->result = entry->result;
        kept->finish = entry->finish;
        kept->task_id = entry->task_id;
        kept->at = entry->at;
        (void)snprintf(kept->instance, sizeof kept->instance, "%s", entry->instance);
    }
    if (entry->kind == LEDGER_ENDED
        && (entry->result == LEDGER_MISSED || entry->result == LEDGER_SKIPPED))
        assert(entry->message[0] != '\0'); /* why */
    bool whole = strcmp(entry->instance, LEDGER_WHOLE_SLOT) == 0;
    if (whole && entry->kind == LEDGER_ENDED)
        twin->slots_ended[entry->result]++;
    if (whole || (entry->kind == LEDGER_ENDED && entry->result == LEDGER_AGAIN))
        return 0;
    if (entry->kind == LEDGER_FINISHED) {
        twin->finished[entry->finish]++;
        return 0;
    }
    if (entry->kind == LEDGER_ENDED) {
        twin->ended[entry->result]++;
        return 0;
    }
    twin->started++;
    if (!twin->ledger_is_slow)
        engine_file_recorded(twin->engine, entry->ticket, 0);
    return 0;
}

static struct twin_horizon *find_horizon(struct twin *twin, const char *name)
{
    for (int i = 0; i < twin->horizon_count; i++)
        if (strcmp(twin->horizons[i].name, name) == 0)
            return &twin->horizons[i];
    return NULL;
}

static int get_horizon(void *context, const char *schedule, const char *rule, struct wall *ret)
{
    struct twin *twin = context;
    const struct twin_horizon *horizon = find_horizon(twin, schedule);
    if (twin->horizon_unreadable)
        return -EIO;
    if (horizon == NULL)
        return LEDGER_NO_HORIZON;
    *ret = horizon->slot;
    return strcmp(horizon->rule, rule) == 0 ? 0 : LEDGER_OTHER_RULE;
}

static void keep_horizon(struct twin *twin, const char *schedule, const char *rule,
                         struct wall slot)
{
    struct twin_horizon *horizon = find_horizon(twin, schedule);
    if (horizon == NULL) {
        assert(twin->horizon_count < TWIN_SCHEDULES_MAX);
        horizon = &twin->horizons[twin->horizon_count++];
        (void)snprintf(horizon->name, sizeof horizon->name, "%s", schedule);
    }
    horizon->slot = slot;
    (void)snprintf(horizon->rule, sizeof horizon->rule, "%s", rule);
}

static void set_horizon(void *context, const char *schedule, const char *rule, struct wall slot)
{
    struct twin *twin = context;
    keep_horizon(twin, schedule, rule, slot);
    if (!twin->ports.ledger.durable)
        return;
    struct twin_entry *entry = add_entry(twin, schedule, slot);
    entry->is_horizon = true;
    (void)snprintf(entry->rule, sizeof entry->rule, "%s", rule);
}

/* ---- what a start finds in a durable ledger ---- */

static bool same_run(const struct twin_entry *a, const struct twin_entry *b)
{
    return a->is_horizon == b->is_horizon && a->slot.us == b->slot.us
           && strcmp(a->schedule, b->schedule) == 0 && strcmp(a->instance, b->instance) == 0;
}

static bool is_last(const struct twin *twin, int n)
{
    for (int i = n + 1; i < twin->log_count; i++)
        if (same_run(&twin->log[i], &twin->log[n]))
            return false;
    return !twin->log[n].is_horizon;
}

static int recorded(void *context, const char *schedule, struct wall after, struct wall *ret_first,
                    struct wall *ret_last)
{
    const struct twin *twin = context;
    struct wall first = WALL_NEVER;
    struct wall last = {INT64_MIN};
    if (twin->recorded_unreadable)
        return -EIO;
    for (int i = 0; i < twin->log_count; i++) {
        const struct twin_entry *entry = &twin->log[i];
        if (entry->is_horizon || strcmp(entry->schedule, schedule) != 0
            || entry->slot.us <= after.us || entry->run_kind == LEDGER_KIND_OPERATOR)
            continue;
        if (entry->kind == LEDGER_ENDED && strcmp(entry->instance, LEDGER_WHOLE_SLOT) == 0)
            continue; /* what was opened has another, and what was passed over is not recorded */
        first = wall_earlier(first, entry->slot);
        last = entry->slot.us > last.us ? entry->slot : last;
    }
    if (last.us == INT64_MIN)
        return LEDGER_NO_SLOT;
    *ret_first = first;
    *ret_last = last;
    return 0;
}

static void give_row(const struct twin *twin, const struct twin_entry *entry, ledger_row_fn each,
                     void *each_context)
{
    struct ledger_row row = {
        .schedule = entry->schedule,
        .instance = entry->instance,
        .region = twin->region != NULL ? twin->region : "ap-guangzhou",
        .slot = entry->slot,
        .attempt = entry->attempt,
        .kind = entry->run_kind,
        .retries = entry->retries,
        .state = LEDGER_STATE_ENDED,
        .started_at = entry->at,
        .ended_at = entry->at,
        .task_id = entry->task_id,
    };
    if (entry->kind == LEDGER_STARTED)
        row.state = LEDGER_STATE_STARTED;
    else if (entry->kind == LEDGER_ENDED && entry->result == LEDGER_AGAIN)
        row.state = LEDGER_STATE_AGAIN;
    each(each_context, &row);
}

static bool is_whole(const struct twin_entry *entry)
{
    return strcmp(entry->instance, LEDGER_WHOLE_SLOT) == 0;
}

static bool of_open_slot(const struct twin *twin, const struct twin_entry *member)
{
    for (int i = 0; i < twin->log_count; i++) {
        const struct twin_entry *entry = &twin->log[i];
        if (is_last(twin, i) && is_whole(entry) && entry->kind == LEDGER_STARTED
            && member->slot.us == entry->slot.us && strcmp(member->schedule, entry->schedule) == 0)
            return true;
    }
    return false;
}

/* Whole slots before their members, as the contract has it; then those whose slot has ended. */
static int unended(void *context, ledger_row_fn each, void *each_context)
{
    const struct twin *twin = context;
    if (twin->unended_unreadable)
        return -EIO;
    int count = twin->log_count;
    for (int i = 0; i < count; i++) {
        const struct twin_entry *entry = &twin->log[i];
        if (!is_last(twin, i) || entry->kind != LEDGER_STARTED
            || strcmp(entry->instance, LEDGER_WHOLE_SLOT) != 0)
            continue;
        give_row(twin, entry, each, each_context);
        for (int j = 0; j < count; j++) {
            const struct twin_entry *member = &twin->log[j];
            if (j != i && is_last(twin, j) && member->kind == LEDGER_STARTED
                && member->slot.us == entry->slot.us
                && strcmp(member->schedule, entry->schedule) == 0)
                give_row(twin, member, each, each_context);
        }
    }
    for (int i = 0; i < count; i++) {
        const struct twin_entry *entry = &twin->log[i];
        if (is_last(twin, i) && entry->kind == LEDGER_STARTED && !is_whole(entry)
            && !of_open_slot(twin, entry))
            give_row(twin, entry, each, each_context);
    }
    return 0;
}

static int scan(void *context, const char *schedule, struct wall slot, ledger_row_fn each,
                void *each_context)
{
    const struct twin *twin = context;
    if (twin->scan_unreadable)
        return -EBADMSG;
    int count = twin->log_count;
    for (int i = 0; i < count; i++) {
        const struct twin_entry *entry = &twin->log[i];
        if (is_last(twin, i) && strcmp(entry->schedule, schedule) == 0 && entry->slot.us == slot.us
            && strcmp(entry->instance, LEDGER_WHOLE_SLOT) != 0)
            give_row(twin, entry, each, each_context);
    }
    return 0;
}

static int unfinished(void *context, ledger_row_fn each, void *each_context)
{
    const struct twin *twin = context;
    int count = twin->log_count;
    for (int i = 0; i < count; i++) {
        const struct twin_entry *entry = &twin->log[i];
        if (is_last(twin, i) && entry->kind == LEDGER_ENDED && entry->result == LEDGER_SUBMITTED
            && strcmp(entry->instance, LEDGER_WHOLE_SLOT) != 0)
            give_row(twin, entry, each, each_context);
    }
    return 0;
}

void twin_make_durable(struct twin *twin)
{
    twin->ports.ledger.durable = true;
}

void twin_crash(struct twin *twin, int lost)
{
    twin_stop(twin);
    assert(lost <= twin->log_count);
    twin->log_count -= lost;
    twin->horizon_count = 0;
    for (int i = 0; i < twin->log_count; i++)
        if (twin->log[i].is_horizon)
            keep_horizon(twin, twin->log[i].schedule, twin->log[i].rule, twin->log[i].slot);
}

int twin_entries_after(const struct twin *twin, const char *instance, enum ledger_entry_kind kind)
{
    for (int i = twin->log_count; i-- > 0;) {
        const struct twin_entry *entry = &twin->log[i];
        if (!entry->is_horizon && entry->kind == kind && strcmp(entry->instance, instance) == 0)
            return twin->log_count - 1 - i;
    }
    assert(false); /* the test asks for what never was */
    return 0;
}

static int get_keys(void *context, const struct keys **ret, struct errtext *err)
{
    struct twin *twin = context;
    if (twin->keys_gone)
        return errtext_set(err, -ENOENT, "no keys");
    *ret = &twin->keys;
    return 0;
}

static bool refuse_keys(void *context, uint64_t generation)
{
    struct twin *twin = context;
    assert(generation <= twin->keys.generation);
    twin->keys_refused++;
    return twin->keys_may_change;
}

static void write_line(void *context, const struct event *event)
{
    struct twin *twin = context;
    char line[EVENT_LINE_MAX];
    assert(twin->line_count < TWIN_LINES_MAX);
    (void)event_format_line(event, EVENT_LOGFMT, line);
    struct text kept =
        text_over(twin->lines[twin->line_count], sizeof twin->lines[twin->line_count]);
    text_add(&kept, line);
    twin->line_count++;
}

static uint64_t no_chance(void *context)
{
    (void)context;
    return 0; /* a retry waits for the least time */
}

void twin_init(struct twin *twin, int64_t second)
{
    *twin = (struct twin){.now = {{second * US_PER_SECOND}, {INT64_C(1000) * NS_PER_SECOND}}};
    twin->ports = (struct engine_ports){
        .transport = {twin, send_one, cancel_one, warm_up},
        .ledger = {.context = twin,
                   .append = append,
                   .horizon = get_horizon,
                   .set_horizon = set_horizon,
                   .recorded = recorded,
                   .unended = unended,
                   .scan = scan,
                   .unfinished = unfinished},
        .keyring = {.context = twin, .get = get_keys, .refused = refuse_keys},
        .journal = {twin, write_line},
        .chance = {twin, no_chance},
    };
    (void)snprintf(twin->keys.id, sizeof twin->keys.id, "AKIDEXAMPLE");
    int r = secret_set(&twin->keys.key, "example", 7);
    assert(r == 0);
}

void twin_finish(struct twin *twin)
{
    twin_stop(twin);
    secret_finish(&twin->keys.key);
}

struct config *twin_config(void)
{
    struct config *config;
    int r = config_create(&config);
    assert(r == 0);
    return config;
}

struct schedule *twin_every(struct config *config, const char *name, const char *every)
{
    struct schedule *schedule;
    int r = config_add_schedule(config, &schedule);
    assert(r == 0);
    schedule->name = name;
    schedule->when_text = every;
    schedule->start_within_us = 3600 * US_PER_SECOND;
    schedule->overlap = OVERLAP_ALLOW;
    r = text_parse_duration(every, &schedule->when.period_us, NULL);
    assert(r == 0);
    return schedule;
}

void twin_add(struct config *config, struct schedule *schedule, const char *id, const char *url)
{
    struct instance *instance;
    int r = config_add_instance(config, schedule, &instance);
    assert(r == 0);
    r = config_string(config, id, strlen(id), false, &instance->id);
    assert(r == 0);
    instance->region = "ap-guangzhou";
    instance->remark = "";
    r = config_add_host(config, url == NULL ? URL : url, &instance->host);
    assert(r == 0);
}

void twin_start(struct twin *twin, struct config *config_take)
{
    int r = config_freeze(config_take);
    assert(r == 0);
    /* The silence after a start is over by the first step. */
    struct now start = {twin->now.wall, mono_add_ns(twin->now.mono, -BUCKET_WINDOW_NS)};
    r = engine_create(&twin->ports, config_take, start, &twin->engine, NULL);
    assert(r == 0);
    config_unref(config_take);
    twin_step(twin);
}

int twin_start_fails(struct twin *twin, struct config *config_take, struct errtext *err)
{
    int r = config_freeze(config_take);
    assert(r == 0);
    r = engine_create(&twin->ports, config_take, twin->now, &twin->engine, err);
    config_unref(config_take);
    return r;
}

void twin_stop(struct twin *twin)
{
    engine_destroy(twin->engine);
    twin->engine = NULL;
}

void twin_reload(struct twin *twin, struct config *config_take)
{
    int r = config_freeze(config_take);
    assert(r == 0);
    r = engine_reload(twin->engine, config_take, NULL, twin->now);
    assert(r == 0);
    config_unref(config_take);
}

void twin_step(struct twin *twin)
{
    engine_step(twin->engine, twin->now);
}

void twin_run(struct twin *twin, int64_t us)
{
    struct wall end = wall_add_us(twin->now.wall, us);
    for (int turns = 0; turns < 100000; turns++) {
        struct wake wake = engine_next_wake(twin->engine, twin->now);
        int64_t sleep = wall_diff_us(wake.wall, twin->now.wall);
        int64_t left = wall_diff_us(end, twin->now.wall);
        if (wake.mono.ns != MONO_NEVER.ns) {
            int64_t until = (mono_diff_ns(wake.mono, twin->now.mono) + 999) / NS_PER_US;
            sleep = until < sleep ? until : sleep;
        }
        sleep = sleep < 1 ? 1 : sleep;
        bool last = sleep >= left;
        sleep = last ? left : sleep;
        twin->now.wall = wall_add_us(twin->now.wall, sleep);
        twin->now.mono = mono_add_ns(twin->now.mono, sleep * NS_PER_US);
        twin_step(twin);
        if (last)
            return;
    }
    assert(false); /* the engine does not let the clock go on */
}

static void file(struct twin *twin, int n, const struct exchange *exchange)
{
    assert(n < twin->sent_count && !twin->sent[n].answered);
    twin->sent[n].answered = true;
    engine_file_outcome(twin->engine, twin->sent[n].ticket, exchange, twin->now.mono);
    twin_step(twin);
}

static void answer(struct twin *twin, int n, const char *body, int64_t date_second)
{
    const struct exchange exchange = {
        .kind = EXCHANGE_ANSWERED,
        .http_status = 200,
        .body = body,
        .body_length = strlen(body),
        .date_second = date_second,
    };
    file(twin, n, &exchange);
}

int twin_find(const struct twin *twin, const char *action)
{
    for (int i = twin->asked_count; i-- > 0 && i >= twin->asked_count - TWIN_SENT_MAX;) {
        const struct twin_sent *asked = &twin->asked[i % TWIN_SENT_MAX];
        if (!asked->answered && strcmp(asked->action, action) == 0)
            return i;
    }
    return -1;
}

void twin_answer(struct twin *twin, int n, const char *text)
{
    char body[1024];
    (void)snprintf(body, sizeof body, "{\"Response\":{%s,\"RequestId\":\"r-3\"}}", text);
    const struct exchange exchange = {
        .kind = EXCHANGE_ANSWERED,
        .http_status = 200,
        .body = body,
        .body_length = strlen(body),
        .date_second = -1,
    };
    struct twin_sent *asked = &twin->asked[n % TWIN_SENT_MAX];
    assert(n >= 0 && !asked->answered);
    asked->answered = true;
    engine_file_outcome(twin->engine, asked->ticket, &exchange, twin->now.mono);
    twin_step(twin);
}

void twin_accept(struct twin *twin, int n)
{
    answer(twin, n, "{\"Response\":{\"TaskId\":6954227,\"RequestId\":\"r-1\"}}", -1);
}

void twin_refuse(struct twin *twin, int n, const char *code, int64_t date_second)
{
    char body[256];
    (void)snprintf(body, sizeof body,
                   "{\"Response\":{\"Error\":{\"Code\":\"%s\",\"Message\":\"m\"},"
                   "\"RequestId\":\"r-2\"}}",
                   code);
    answer(twin, n, body, date_second);
}

void twin_lose(struct twin *twin, int n, enum exchange_kind kind)
{
    const struct exchange exchange = {.kind = kind, .error = "gone", .date_second = -1};
    file(twin, n, &exchange);
}

void twin_lose_question(struct twin *twin, int n, enum exchange_kind kind)
{
    const struct exchange exchange = {.kind = kind, .error = "gone", .date_second = -1};
    struct twin_sent *asked = &twin->asked[n % TWIN_SENT_MAX];
    asked->answered = true;
    engine_file_outcome(twin->engine, asked->ticket, &exchange, twin->now.mono);
    twin_step(twin);
}

int twin_count_lines(const struct twin *twin, const char *text)
{
    int count = 0;
    for (int i = 0; i < twin->line_count; i++)
        count += strstr(twin->lines[i], text) != NULL;
    return count;
}

int twin_count_sent(const struct twin *twin, const char *id)
{
    int count = 0;
    for (int i = 0; i < twin->sent_count; i++)
        count += strstr(twin->sent[i].body, id) != NULL;
    return count;
}
