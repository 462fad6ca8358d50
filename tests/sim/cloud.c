/*
 * The cloud and the network, seeded, behind the transport's table.
 *
 * A request's way: send() -> its bytes leave -> it arrives and is answered -> the outcome. What
 * becomes of it on the network is drawn when it is sent, unless its host is dead then; what the
 * cloud makes of it is decided when it arrives, in cloud_decide.c.
 */
#include "sim/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_JITTER_US 9000 /* on the way to the cloud */

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
    *m = (struct message){.date_second = -1, .looks_at = -1};
    return m;
}

static const char *header(const struct transport_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (strcmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return "";
}

static void check_keys(struct sim *sim, const struct transport_request *request)
{
    bool has_token = strcmp(header(request, "X-TC-Token"), ORACLE_TOKEN) == 0;
    if (has_token != sim->world.token || header(request, "Authorization")[0] == '\0')
        oracle_break(&sim->oracle, RULE_ACCOUNT, "not the keys that are there: %s", request->body);
    if (request->ticket >> 63 != 0)
        oracle_break(&sim->oracle, RULE_ORDER, "a ticket that is not the engine's");
    if (request->body_length != strlen(request->body))
        oracle_break(&sim->oracle, RULE_ACCOUNT, "another length: %s", request->body);
}

/* A backup is the one that its ticket's entry announced. */
static struct record *check_backup(struct sim *sim, const struct transport_request *request)
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
    if (strncmp(request->body, expected, strlen(expected)) != 0)
        oracle_break(&sim->oracle, RULE_ACCOUNT, "%s: another body: %s", id, request->body);
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

/* Its way there, from the port on. */
static void set_out(struct sim *sim, uint64_t index, int64_t connect_timeout_us)
{
    struct cloud *cloud = &sim->cloud;
    struct message *m = &cloud->messages[index];
    int64_t leave_us = dice_range(&cloud->dice, 0, sim->faults->leave_max_us);
    const struct outage *outage = world_outage(&sim->world, m->host, sim->clock.now);
    if (outage != NULL) {
        m->fate = outage->kind == OUTAGE_SILENT ? FATE_DEAD : FATE_NOT_SENT;
        leave_us = outage->kind == OUTAGE_UNROUTED ? connect_timeout_us : 1000;
    }
    if (m->fate != FATE_NOT_SENT && leave_us < connect_timeout_us) {
        clock_push(&sim->clock, sim->clock.now + leave_us * NS_PER_US, EVENT_LEAVE, index, 0);
        return;
    }
    m->outcome = EXCHANGE_NOT_SENT;
    m->definite = true;
    int64_t after = leave_us < connect_timeout_us ? leave_us : connect_timeout_us;
    if (dice_chance(&cloud->dice, 300))
        cloud_outcome(sim, index); /* a port may file at once */
    else
        clock_push(&sim->clock, sim->clock.now + after * NS_PER_US, EVENT_OUTCOME, index, 0);
}

static int twin_send(void *context, const struct transport_request *request, struct errtext *err)
{
    struct sim *sim = context;
    struct cloud *cloud = &sim->cloud;
    sim->oracle.progress++;
    if (sim->faults->transfers_max > 0 && cloud->in_flight >= sim->faults->transfers_max)
        return errtext_set(err, -EAGAIN, "too many transfers");
    int action = world_find_action(header(request, "X-TC-Action"));
    struct record *record = action == ACTION_BACKUP ? check_backup(sim, request) : NULL;
    if (action < 0 || (action == ACTION_BACKUP && record == NULL))
        return errtext_set(err, -EINVAL, "unknown");
    check_keys(sim, request);
    int host = world_find_host(request->url);
    oracle_signed(&sim->oracle, sim->keys.generation);
    if (record != NULL) {
        trace_line(&sim->trace, "send %s %d attempt ticket %llx",
                   world_schedule_name(record->schedule), record->instance,
                   (unsigned long long)request->ticket);
        oracle_sent(&sim->oracle, record, request->ticket, host);
    } else {
        trace_line(&sim->trace, "ask %s %s ticket %llx",
                   world_action_name((enum cloud_action)action), request->body,
                   (unsigned long long)request->ticket);
        oracle_asked(&sim->oracle);
    }
    struct message *m = new_message(cloud);
    m->action = (enum cloud_action)action;
    m->record = record == NULL ? MESSAGE_OF_NO_RECORD : (size_t)(record - sim->oracle.records);
    m->ticket = request->ticket;
    m->host = host;
    m->keys = sim->keys.generation;
    m->rate = sim->world.generations[sim->generation].per_second;
    m->stamp_s = strtoll(header(request, "X-TC-Timestamp"), NULL, 10);
    m->sent_at = sim->clock.now;
    m->era = oracle_sends_to(&sim->oracle, host, &m->is_probe);
    m->deadline_at = sim->clock.now + request->timeout_us * NS_PER_US;
    m->fate = draw_fate(sim);
    m->request = strdup(request->body);
    assert(m->request != NULL);
    cloud->in_flight++;
    set_out(sim, (uint64_t)(m - cloud->messages), request->connect_timeout_us);
    return 0;
}

void cloud_leave(struct sim *sim, uint64_t index)
{
    struct message *m = &sim->cloud.messages[index];
    if (m->over)
        return;
    engine_file_on_wire(sim->engine, m->ticket, clock_sample(&sim->clock).mono);
    if (m->fate == FATE_DEAD) {
        m->outcome = EXCHANGE_LOST;
        clock_push(&sim->clock, m->deadline_at, EVENT_OUTCOME, index, 0);
        return;
    }
    int64_t way = dice_range(&sim->cloud.dice, 0, PATH_JITTER_US) * NS_PER_US;
    if (m->fate == FATE_LOST_BEFORE) {
        if (m->record != MESSAGE_OF_NO_RECORD)
            operators_follow(sim, sim->oracle.records[m->record].instance);
        m->outcome = EXCHANGE_LOST;
        push_outcome(sim, m, sim->clock.now + way);
        if (dice_chance(&sim->cloud.dice, 500))
            return; /* it never got there */
    }
    clock_push(&sim->clock, sim->clock.now + way, EVENT_ARRIVE, index, 0);
}

static void release(struct message *m)
{
    free(m->request);
    free(m->body);
    m->request = m->body = NULL;
}

void cloud_arrive(struct sim *sim, uint64_t index, int64_t at)
{
    struct message *m = &sim->cloud.messages[index];
    oracle_arrived(&sim->oracle, m->host, m->action, at, m->rate);
    trace_line(&sim->trace, "arrive ticket %llx", (unsigned long long)m->ticket);
    if (m->fate == FATE_LOST_BEFORE)
        return; /* the gateway saw it, nobody acted; its outcome is on the way */
    cloud_decide(sim, m, at);
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
    if (m->action == ACTION_BACKUP) {
        bool accepted = m->outcome == EXCHANGE_ANSWERED && m->acted && m->fate == FATE_NONE;
        oracle_outcome(&sim->oracle, m->record, m->definite, m->acted, accepted ? m->task_id : 0);
    } else {
        oracle_answered(&sim->oracle);
    }
    bool answered = m->outcome == EXCHANGE_ANSWERED;
    if (m->revoked && answered && m->keys == sim->keys.generation)
        oracle_keys_refused(&sim->oracle);
    else if (answered && m->http_status == 200)
        oracle_keys_serve(&sim->oracle);
    oracle_back_from(&sim->oracle, m->host, m->era, m->is_probe, answered && m->http_status < 500);
    if (answered && m->looks_at >= 0)
        oracle_looked(&sim->oracle, m->looks_at, m->sent_at);
    const char *body = answered ? m->body : NULL;
    struct exchange exchange = {
        .kind = m->outcome,
        .error = body != NULL ? NULL : "connection\nreset by \x1b[1mpeer",
        .http_status = body != NULL ? m->http_status : 0,
        .body = body,
        .body_length = body != NULL ? strlen(body) : 0,
        .date_second = body != NULL ? m->date_second : -1,
    };
    if (planted == PLANT_DOUBLE_FIRE && exchange.kind == EXCHANGE_LOST)
        exchange.kind = EXCHANGE_NOT_SENT;
    trace_line(&sim->trace, "outcome ticket %llx kind %d acted %d", (unsigned long long)m->ticket,
               (int)exchange.kind, m->acted);
    engine_file_outcome(sim->engine, m->ticket, &exchange, clock_sample(&sim->clock).mono);
    free(m->body); /* the request may still be on its way */
    m->body = NULL;
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
    for (size_t i = 0; i < cloud->count; i++)
        release(&cloud->messages[i]);
    free(cloud->messages);
    cloud->messages = NULL;
    tasks_finish(&cloud->tasks);
}
