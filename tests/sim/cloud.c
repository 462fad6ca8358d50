/*
 * The cloud and the network, seeded, behind the transport's table.
 *
 * A request's way: send() -> its bytes leave -> it arrives and is answered -> the outcome. What
 * becomes of it on the network is drawn when it is sent; what the cloud makes of it is decided when
 * it arrives: its stamp, the quota of that fixed second, the instance's lock, then the faults.
 */
#include "sim/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_JITTER_US 9000 /* on the way to the cloud */
#define SKEW_MAX_S 300

enum fate {
    FATE_NOT_SENT,
    FATE_LOST_BEFORE,
    FATE_LOST_AFTER,
    FATE_SILENT,
    FATE_GATEWAY,
    FATE_GARBAGE,
    FATE_INTERNAL,
    FATE_FINAL,
    FATE_BUSY,
    FATE_NONE,
};

static enum fate draw_fate(struct sim *sim)
{
    const struct faults *f = sim->faults;
    const int share[FATE_NONE] = {f->not_sent, f->lost_before, f->lost_after, f->silent, f->gateway,
                                  f->garbage,  f->internal,    f->final,      f->busy};
    int n = (int)dice_range(&sim->cloud.dice, 0, 1999);
    for (int fate = 0; fate < FATE_NONE; fate++) {
        n -= share[fate];
        if (n < 0)
            return (enum fate)fate;
    }
    return FATE_NONE;
}

static struct message *new_message(struct cloud *cloud)
{
    if (cloud->count == cloud->capacity) {
        cloud->capacity = cloud->capacity == 0 ? 64 : cloud->capacity * 2;
        cloud->messages = reallocarray(cloud->messages, cloud->capacity, sizeof *cloud->messages);
        assert(cloud->messages != NULL);
    }
    struct message *m = &cloud->messages[cloud->count++];
    *m = (struct message){.date_second = -1};
    return m;
}

static const char *header(const struct transport_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (strcmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return "";
}

/* The request is the one that its ticket's entry announced. */
static struct record *check_request(struct sim *sim, const struct transport_request *request)
{
    struct record *record = NULL;
    for (size_t i = sim->ledger.count; i-- > sim->ledger.first;)
        if (sim->ledger.pending[i].ticket == request->ticket) {
            record = &sim->oracle.records[sim->ledger.pending[i].record];
            break;
        }
    if (record == NULL) {
        oracle_break(&sim->oracle, RULE_ORDER, "a request whose ticket was never recorded");
        return NULL;
    }
    char id[MODEL_INSTANCE_ID_MAX];
    char expected[MODEL_INSTANCE_ID_MAX + 32];
    world_instance_id(record->instance, id);
    (void)snprintf(expected, sizeof expected, "{\"InstanceId\":\"%s\"", id);
    if (request->body_length != strlen(request->body)
        || strncmp(request->body, expected, strlen(expected)) != 0)
        oracle_break(&sim->oracle, RULE_ACCOUNT, "%s: another body: %s", id, request->body);
    bool has_token = strcmp(header(request, "X-TC-Token"), ORACLE_TOKEN) == 0;
    if (has_token != sim->world.token || header(request, "Authorization")[0] == '\0')
        oracle_break(&sim->oracle, RULE_ACCOUNT, "%s: not the keys that are there", id);
    return record;
}

static void push_outcome(struct sim *sim, struct message *m, int64_t at)
{
    if (at > m->deadline_at) {
        at = m->deadline_at;
        m->outcome = EXCHANGE_LOST;
        m->definite = false;
    }
    clock_push(&sim->clock, at, EVENT_OUTCOME, (uint64_t)(m - sim->cloud.messages), 0);
}

static int twin_send(void *context, const struct transport_request *request, struct errtext *err)
{
    struct sim *sim = context;
    struct cloud *cloud = &sim->cloud;
    sim->oracle.progress++;
    if (sim->faults->transfers_max > 0 && cloud->in_flight >= sim->faults->transfers_max)
        return errtext_set(err, -EAGAIN, "too many transfers");
    struct record *record = check_request(sim, request);
    if (record == NULL)
        return errtext_set(err, -EINVAL, "unknown");
    int host = world_find_host(request->url);
    trace_line(&sim->trace, "send %s %d attempt ticket %llx", world_schedule_name(record->schedule),
               record->instance, (unsigned long long)request->ticket);
    oracle_sent(&sim->oracle, record, request->ticket, host);
    struct message *m = new_message(cloud);
    m->record = (size_t)(record - sim->oracle.records);
    m->ticket = request->ticket;
    m->host = host;
    m->rate = sim->world.generations[sim->generation].per_second;
    m->stamp_s = strtoll(header(request, "X-TC-Timestamp"), NULL, 10);
    m->deadline_at = sim->clock.now + request->timeout_us * NS_PER_US;
    m->fate = (int)draw_fate(sim);
    cloud->in_flight++;
    uint64_t index = (uint64_t)(m - cloud->messages);
    int64_t leave_us = dice_range(&cloud->dice, 0, sim->faults->leave_max_us);
    if (m->fate == FATE_NOT_SENT || leave_us >= request->connect_timeout_us) {
        m->outcome = EXCHANGE_NOT_SENT;
        m->definite = true;
        int64_t after =
            leave_us < request->connect_timeout_us ? leave_us : request->connect_timeout_us;
        if (dice_chance(&cloud->dice, 300))
            cloud_outcome(sim, index); /* a port may file at once */
        else
            clock_push(&sim->clock, sim->clock.now + after * NS_PER_US, EVENT_OUTCOME, index, 0);
        return 0;
    }
    clock_push(&sim->clock, sim->clock.now + leave_us * NS_PER_US, EVENT_LEAVE, index, 0);
    return 0;
}

void cloud_leave(struct sim *sim, uint64_t index)
{
    struct message *m = &sim->cloud.messages[index];
    if (m->over)
        return;
    engine_file_on_wire(sim->engine, m->ticket, clock_sample(&sim->clock).mono);
    int64_t way = dice_range(&sim->cloud.dice, 0, PATH_JITTER_US) * NS_PER_US;
    if (m->fate == FATE_LOST_BEFORE) {
        m->outcome = EXCHANGE_LOST;
        push_outcome(sim, m, sim->clock.now + way);
        if (dice_chance(&sim->cloud.dice, 500))
            return; /* it never got there */
    }
    clock_push(&sim->clock, sim->clock.now + way, EVENT_ARRIVE, index, 0);
}

/* ---- the cloud ---- */

static void answer(struct message *m, const char *text)
{
    m->outcome = EXCHANGE_ANSWERED;
    m->http_status = 200;
    (void)snprintf(m->body, sizeof m->body, "{\"Response\":{%s,\"RequestId\":\"r-%llx\"}}", text,
                   (unsigned long long)m->ticket);
}

static void refuse(struct message *m, const char *code, const char *message, bool definite)
{
    char text[256];
    (void)snprintf(text, sizeof text, "\"Error\":{\"Code\":\"%s\",\"Message\":\"%s\"}", code,
                   message);
    answer(m, text);
    m->definite = definite;
}

/* Requests of other programs count too. */
static bool is_over_quota(struct sim *sim, struct message *m, int64_t at, int *ret_limit)
{
    struct cloud *cloud = &sim->cloud;
    int64_t second = clock_cloud_second(&sim->clock, at);
    if (cloud->second[m->host] != second) {
        cloud->second[m->host] = second;
        cloud->counted[m->host] = 0;
        if (sim->faults->others > 0 && dice_chance(&cloud->dice, sim->faults->others))
            cloud->counted[m->host] = (int)dice_range(&cloud->dice, 0, 20);
    }
    *ret_limit = 20;
    int limit = sim->world.generations[sim->generation].per_second > 20 ? 100 : 20;
    if (sim->faults != &sim->world.calm && sim->world.seed % 3 == 0)
        *ret_limit = limit = limit / 2;
    return ++cloud->counted[m->host] > limit;
}

static void act_on(struct sim *sim, struct message *m, int64_t at)
{
    struct cloud *cloud = &sim->cloud;
    int instance = sim->oracle.records[m->record].instance;
    oracle_acted(&sim->oracle, m->record);
    m->acted = true;
    m->task_id = ++cloud->next_task;
    cloud->locked_until[instance] =
        at + dice_range(&cloud->dice, 0, sim->faults->task_max_us) * NS_PER_US;
}

static void accept_it(struct sim *sim, struct message *m)
{
    char text[96];
    const char *quote = dice_chance(&sim->cloud.dice, 500) ? "\"" : "";
    (void)snprintf(text, sizeof text, "\"TaskId\":%s%lld%s", quote, (long long)m->task_id, quote);
    answer(m, text);
}

/* What was drawn for it goes wrong; true where that decides the outcome. */
static bool goes_wrong(struct sim *sim, struct message *m, int64_t at)
{
    static const char *const finals[] = {
        "UnauthorizedOperation.NoCAMAuthed", "InvalidParameter.PermissionDenied",
        "ResourceNotFound.InstanceNotExists", "AuthFailure.SecretIdNotFound", "LimitExceeded"};
    static const char *const busy[] = {"ResourceUnavailable.InstanceStateError",
                                       "ResourceUnavailable.InstanceStatusAbnormal",
                                       "ResourceInUse", "ServiceUnavailable"};
    static const char *const garbage[] = {"<html>\n<b>502</b>",
                                          "{\"Response\":{\"TaskId\":12",
                                          "",
                                          "\x01\x02\xff\xfe{{{{",
                                          "{\"Response\":{\"RequestId\":\"x\"}}",
                                          "{\"Response\":{\"TaskId\":null}}"};
    struct dice *dice = &sim->cloud.dice;
    bool acts = dice_chance(dice, 500);
    switch (m->fate) {
    case FATE_FINAL:
        refuse(m, finals[dice_range(dice, 0, 4)], "no\\nevent=backup_submitted task_id=1", true);
        return true;
    case FATE_BUSY:
        refuse(m, busy[dice_range(dice, 0, 3)], "later\\u001b[31m", true);
        return true;
    case FATE_LOST_AFTER:
        act_on(sim, m, at);
        m->outcome = EXCHANGE_LOST;
        return true;
    case FATE_SILENT:
        if (acts)
            act_on(sim, m, at);
        m->outcome = EXCHANGE_LOST;
        return true;
    case FATE_GATEWAY:
    case FATE_GARBAGE:
        if (acts)
            act_on(sim, m, at);
        m->outcome = EXCHANGE_ANSWERED;
        m->http_status = m->fate == FATE_GATEWAY ? (int)dice_range(dice, 500, 504) : 200;
        (void)snprintf(m->body, sizeof m->body, "%s", garbage[dice_range(dice, 0, 5)]);
        return true;
    case FATE_INTERNAL:
        if (acts)
            act_on(sim, m, at);
        refuse(m, acts ? "InternalError.InternalError" : "FailedOperation.SystemError", "oops",
               false);
        return true;
    default:
        return false;
    }
}

static void decide(struct sim *sim, struct message *m, int64_t at)
{
    int64_t second = clock_cloud_second(&sim->clock, at);
    int instance = sim->oracle.records[m->record].instance;
    int limit;
    m->date_second = second;
    if (llabs(second - m->stamp_s) > SKEW_MAX_S) {
        refuse(m, "AuthFailure.SignatureExpire", "expired", true);
    } else if (is_over_quota(sim, m, at, &limit)) {
        char text[128];
        (void)snprintf(text, sizeof text,
                       "Your current request times equals to `%d` in a second, which exceeds the "
                       "frequency limit `%d` for a second",
                       sim->cloud.counted[m->host], limit);
        refuse(m, "RequestLimitExceeded", text, true);
    } else if (goes_wrong(sim, m, at)) {
        return;
    } else if (at < sim->cloud.locked_until[instance]) {
        refuse(m, "ResourceUnavailable.InstanceLockedError", "locked", true);
    } else {
        act_on(sim, m, at);
        accept_it(sim, m);
    }
}

void cloud_arrive(struct sim *sim, uint64_t index, int64_t at)
{
    struct message *m = &sim->cloud.messages[index];
    oracle_arrived(&sim->oracle, m->host, at, m->rate);
    trace_line(&sim->trace, "arrive ticket %llx", (unsigned long long)m->ticket);
    if (m->fate == FATE_LOST_BEFORE)
        return; /* the gateway saw it, nobody acted; its outcome is on the way */
    decide(sim, m, at);
    int64_t latency = dice_range(&sim->cloud.dice, 100, sim->faults->latency_max_us + 100);
    if (m->fate == FATE_SILENT && m->outcome == EXCHANGE_LOST)
        latency = INT64_C(1) << 40;
    push_outcome(sim, m, at + latency * NS_PER_US);
}

void cloud_outcome(struct sim *sim, uint64_t index)
{
    struct message *m = &sim->cloud.messages[index];
    if (m->over)
        return;
    m->over = true;
    sim->cloud.in_flight--;
    if (planted == PLANT_LOST_RUN && index % 40 == 39)
        return;
    bool accepted = m->outcome == EXCHANGE_ANSWERED && m->acted && !m->definite
                    && strstr(m->body, "\"TaskId\":") != NULL && m->fate == FATE_NONE;
    oracle_outcome(&sim->oracle, m->record, m->definite, m->acted, accepted ? m->task_id : 0);
    struct exchange exchange = {
        .kind = m->outcome,
        .error = m->outcome == EXCHANGE_ANSWERED ? NULL : "connection\nreset by \x1b[1mpeer",
        .http_status = m->http_status,
        .body = m->outcome == EXCHANGE_ANSWERED ? m->body : NULL,
        .body_length = m->outcome == EXCHANGE_ANSWERED ? strlen(m->body) : 0,
        .date_second = m->outcome == EXCHANGE_ANSWERED ? m->date_second : -1,
    };
    if (planted == PLANT_DOUBLE_FIRE && exchange.kind == EXCHANGE_LOST)
        exchange.kind = EXCHANGE_NOT_SENT;
    trace_line(&sim->trace, "outcome ticket %llx kind %d acted %d", (unsigned long long)m->ticket,
               (int)exchange.kind, m->acted);
    engine_file_outcome(sim->engine, m->ticket, &exchange, clock_sample(&sim->clock).mono);
}

static void twin_cancel(void *context, uint64_t ticket)
{
    struct sim *sim = context;
    for (size_t i = sim->cloud.count; i-- > 0;) {
        struct message *m = &sim->cloud.messages[i];
        if (m->ticket != ticket || m->over)
            continue;
        m->outcome = EXCHANGE_LOST;
        m->definite = false;
        cloud_outcome(sim, i);
        return;
    }
}

static void twin_warm(void *context, const char *url, unsigned connections)
{
    struct sim *sim = context;
    trace_line(&sim->trace, "warm %s %u", url, connections);
}

struct transport cloud_transport(struct sim *sim)
{
    return (struct transport){sim, twin_send, twin_cancel, twin_warm};
}

void cloud_forget(struct sim *sim)
{
    for (size_t i = 0; i < sim->cloud.count; i++)
        sim->cloud.messages[i].over = true;
    sim->cloud.in_flight = 0;
}

void cloud_finish(struct cloud *cloud)
{
    free(cloud->messages);
    cloud->messages = NULL;
}
