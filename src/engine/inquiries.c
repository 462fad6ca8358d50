/*
 * Inquiries: what waits to be asked is asked as tokens allow; what came back goes to its owner.
 *
 * How many may be out is said in places.c. While an endpoint is dead its probes are questions, due
 * or not, where there are any: another backup would only be another one that nobody knows about.
 * Failure paths: no keys, no memory -> the lanes rest for a second; a transport that refuses counts
 * as an answer that never came, and the owner asks again later.
 */
#include "engine/engine_internal.h"

#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define BODY_MAX 512
#define AFTER_S SECONDS_PER_DAY /* lists are asked for up to so long from now */
/* And from so long before the send: stamps of another zone, or our clock a day ahead then. */
#define BEFORE_S (34 * 3600)
#define SPAN_S (30 * SECONDS_PER_DAY) /* the API takes no wider window */

bool engine_may_ask(struct lane *lane, enum inquiry_action action, uint64_t count)
{
    return heap_reserve(&lane->asks[action].due, count) == 0;
}

void engine_ask(struct engine *engine, struct inquiry *inquiry, enum inquiry_action action,
                int64_t delay_us)
{
    assert(inquiry->flight == NULL && !heap_node_is_queued(&inquiry->node));
    struct mono at = mono_add_ns(engine->now.mono, delay_us * NS_PER_US);
    inquiry->action = action;
    int r = heap_push(&inquiry->lane->asks[action].due, &inquiry->node, at.ns);
    assert(r == 0); /* a place was reserved for its owner */
}

void engine_stop_asking(struct inquiry *inquiry)
{
    if (heap_node_is_queued(&inquiry->node))
        heap_remove(&inquiry->lane->asks[inquiry->action].due, &inquiry->node);
    if (inquiry->flight != NULL)
        inquiry->flight->inquiry = NULL;
    inquiry->flight = NULL;
}

/* ---- out ---- */

/* Neither wider than the API takes, nor, of tasks, from before what it lists. */
static void add_window(struct text *body, const struct doubt *doubt, int64_t now_s)
{
    char stamp[LISTING_STAMP_MAX];
    int64_t first = (doubt->sent_s < now_s ? doubt->sent_s : now_s) - BEFORE_S;
    if (doubt->ask.action == INQUIRY_TASKS && first < now_s - LOOKUP_REACH_S)
        first = now_s - LOOKUP_REACH_S;
    int64_t last = now_s + AFTER_S < first + SPAN_S ? now_s + AFTER_S : first + SPAN_S;
    text_addf(body, ",\"BeginTime\":\"%s\"", listing_stamp(first, stamp));
    text_addf(body, ",\"EndTime\":\"%s\"", listing_stamp(last, stamp));
}

static void build_body(const struct engine *engine, struct inquiry *inquiry, struct text *body,
                       const char **ret_region)
{
    if (inquiry->of_watch) {
        const struct watch *watch = HEAP_OWNER(inquiry, struct watch, ask);
        text_addf(body, "{\"TaskId\":%" PRId64 "}", watch->task_id);
        *ret_region = watch->region;
        return;
    }
    const struct doubt *doubt = HEAP_OWNER(inquiry, struct doubt, ask);
    int64_t now_s = wall_seconds(wall_add_us(engine->now.wall, inquiry->lane->offset_us));
    text_addf(body, "{\"InstanceId\":\"%s\",\"Limit\":%d,\"Offset\":%" PRIu32,
              doubt->run->instance->id, LISTING_PAGE, doubt->offset);
    add_window(body, doubt, now_s);
    text_add(body, inquiry->action == INQUIRY_TASKS ? ",\"TaskTypes\":[\"012\"]}"
                                                    : ",\"Status\":[1,2,3,4]}");
    *ret_region = doubt->run->instance->region;
}

static void start_look(const struct engine *engine, struct inquiry *inquiry, struct flight *flight)
{
    struct doubt *doubt = HEAP_OWNER(inquiry, struct doubt, ask);
    (void)memcpy(flight->tag, doubt->tag, sizeof flight->tag);
    if (inquiry->action == INQUIRY_TASKS && doubt->offset == 0)
        doubt->began_at = engine->now.mono;
}

static bool send_flight(struct engine *engine, struct inquiry *inquiry)
{
    struct lane *lane = inquiry->lane;
    struct bucket *bucket = &lane->asks[inquiry->action].bucket;
    const struct keys *keys = engine_get_keys(engine);
    struct transport_request request;
    struct errtext err = {""};
    char buffer[BODY_MAX];
    struct text body = text_over(buffer, sizeof buffer);
    const char *region = "";
    build_body(engine, inquiry, &body, &region);
    int r = keys == NULL
                ? -ENOENT
                : requests_query(engine->requests, engine->config, lane->url, lane->host,
                                 inquiry_name(inquiry->action), region, buffer, keys,
                                 wall_add_us(engine->now.wall, lane->skew_us), &request, &err);
    struct flight *flight = r < 0 ? NULL : flight_take(&engine->flights, inquiry);
    if (flight == NULL) {
        bucket_return(bucket);
        engine_rest(engine);
        return false;
    }
    engine_keys_serve(engine);
    lane->flights++;
    counters_wait(&engine->counters, COUNTERS_TASK + (unsigned)inquiry->action,
                  mono_diff_ns(engine->now.mono, (struct mono){inquiry->node.key}));
    heap_remove(&lane->asks[inquiry->action].due, &inquiry->node);
    if (!inquiry->of_watch)
        start_look(engine, inquiry, flight);
    flight->asked_at = engine->now;
    flight->sent_at = engine->now.mono;
    flight->keys = keys->generation;
    flight->owes_token = true;
    flight->probe = engine_note_sending(engine, lane, true);
    lane->turned_away = false;
    request.ticket = flight->ticket;
    lane->used = true;
    lane->used_at = engine->now.mono;
    r = engine->ports.transport.send(engine->ports.transport.context, &request, &err);
    if (r < 0) {
        const struct exchange exchange = {
            .kind = EXCHANGE_NOT_SENT, .error = err.text, .date_second = -1};
        breaker_forget(&lane->breaker, flight->probe);
        flight->probe = 0;
        engine_file_outcome(engine, flight->ticket, &exchange, engine->now.mono);
    }
    return r >= 0;
}

static bool send_one(struct engine *engine, struct lane *lane, struct ask *ask)
{
    struct heap_node *top = heap_top(&ask->due);
    return top != NULL && top->key <= engine->now.mono.ns && engine_has_ask_place(engine)
           && engine_may_send(engine, lane) && bucket_take(&ask->bucket, engine->now.mono)
           && send_flight(engine, HEAP_OWNER(top, struct inquiry, node));
}

/* A dead endpoint gets probes alone. Where one of them was a question that a gateway turned away,
 * the next is whatever is due: backups may get through where questions do not. */
static bool probes_by_question(const struct lane *lane)
{
    return breaker_is_open(&lane->breaker) && !lane->turned_away;
}

void engine_send_probe(struct engine *engine, struct lane *lane)
{
    if (!probes_by_question(lane) || mono_before(engine->now.mono, engine->send_from)
        || !engine_may_send(engine, lane)
        || engine->in_flight + engine->flights.busy >= (uint32_t)engine->config->max_in_flight)
        return;
    for (int action = INQUIRY_ACTIONS; action-- > 0;) { /* looks before watches */
        struct ask *ask = &lane->asks[action];
        struct heap_node *top = heap_top(&ask->due);
        if (top != NULL && bucket_take(&ask->bucket, engine->now.mono)) {
            (void)send_flight(engine, HEAP_OWNER(top, struct inquiry, node));
            return;
        }
    }
}

/* One of each lane and action in turn, and whoever comes after the last one goes first when there
 * is a place again: a few lost replies are looked for though thousands of tasks are followed. */
void engine_send_inquiries(struct engine *engine)
{
    if (mono_before(engine->now.mono, engine->send_from))
        return;
    uint32_t kinds = engine->lane_count * INQUIRY_ACTIONS;
    uint32_t in_vain = 0;
    for (uint32_t turn = engine->ask_turn; in_vain < kinds; turn++) {
        uint32_t kind = turn % kinds;
        struct lane *lane = engine->lanes[kind / INQUIRY_ACTIONS];
        if (send_one(engine, lane, &lane->asks[kind % INQUIRY_ACTIONS])) {
            engine->ask_turn = kind + 1;
            in_vain = 0;
        } else {
            in_vain++;
        }
    }
}

void engine_wake_for_inquiries(const struct engine *engine, const struct lane *lane,
                               struct mono now, struct wake *wake)
{
    if (!engine_has_ask_place(engine))
        return; /* an answer wakes */
    for (int action = 0; action < INQUIRY_ACTIONS; action++) {
        const struct heap_node *top = heap_top(&lane->asks[action].due);
        if (top == NULL)
            continue;
        struct mono at = bucket_ready_at(&lane->asks[action].bucket, now);
        struct mono allowed = engine_may_send_at(engine, lane, now);
        at = mono_before(at, allowed) ? allowed : at;
        at = mono_before(at, engine->send_from) ? engine->send_from : at;
        struct mono due = {top->key};
        at = mono_before(at, due) && !probes_by_question(lane) ? due : at;
        wake->mono = mono_earlier(wake->mono, at);
    }
}

/* ---- back ---- */

static void file(struct engine *engine, struct flight *flight)
{
    if (flight->is_filed)
        return;
    flight->is_filed = true;
    flight->filed_next = NULL;
    *engine->filed_flights_tail = flight;
    engine->filed_flights_tail = &flight->filed_next;
}

void engine_file_flight_left(struct engine *engine, uint64_t ticket, struct mono at)
{
    struct flight *flight = flight_find(&engine->flights, ticket);
    if (flight == NULL || flight->has_left || flight->has_outcome)
        return;
    flight->has_left = true;
    flight->left_at = at;
    file(engine, flight);
}

void engine_file_flight_outcome(struct engine *engine, uint64_t ticket,
                                const struct exchange *exchange, struct mono at)
{
    struct flight *flight = flight_find(&engine->flights, ticket);
    if (flight == NULL || flight->has_outcome)
        return;
    switch (flight->action) {
    case INQUIRY_TASK:
        listing_judge_task(exchange, &flight->page.task, &flight->verdict);
        break;
    case INQUIRY_TASKS:
        listing_judge_tasks(exchange, &flight->page.tasks, &flight->verdict);
        break;
    case INQUIRY_BACKUPS:
        listing_judge_backups(exchange, flight->tag, &flight->page.backups, &flight->verdict);
        break;
    }
    flight->has_outcome = true;
    flight->outcome = exchange->kind;
    flight->outcome_at = at;
    file(engine, flight);
}

static void take_flight(struct engine *engine, struct flight *flight)
{
    struct lane *lane = flight->lane;
    struct bucket *bucket = &lane->asks[flight->action].bucket;
    if (flight->has_left && flight->owes_token) {
        bucket_confirm(bucket, flight->left_at);
        flight->owes_token = false;
    }
    if (!flight->has_outcome)
        return;
    if (flight->owes_token && flight->outcome == EXCHANGE_NOT_SENT)
        bucket_return(bucket);
    else if (flight->owes_token)
        bucket_confirm(bucket, flight->outcome_at);
    bool answered = flight->outcome == EXCHANGE_ANSWERED;
    int64_t took_ns = mono_diff_ns(flight->outcome_at, flight->sent_at);
    counters_answer(&engine->counters, COUNTERS_TASK + (unsigned)flight->action, &flight->verdict,
                    answered ? took_ns : -1);
    engine_learn(engine, lane, bucket, inquiry_name(flight->action), &flight->verdict, answered,
                 flight->probe);
    engine_judge_keys(engine, flight->keys, flight->sent_at, &flight->verdict, NULL);
    if (flight->probe != 0)
        lane->turned_away = answered && breaker_is_open(&lane->breaker);
    struct inquiry *inquiry = flight->inquiry;
    lane->flights--;
    flight_give(&engine->flights, flight); /* what it holds stays till the next one is taken */
    if (inquiry == NULL || engine->draining)
        return;
    if (inquiry->of_watch)
        engine_watch_answered(engine, HEAP_OWNER(inquiry, struct watch, ask), flight);
    else
        engine_doubt_answered(engine, HEAP_OWNER(inquiry, struct doubt, ask), flight);
}

void engine_take_flights(struct engine *engine)
{
    for (struct flight *flight; (flight = engine->filed_flights) != NULL;) {
        engine->filed_flights = flight->filed_next;
        if (engine->filed_flights == NULL)
            engine->filed_flights_tail = &engine->filed_flights;
        flight->is_filed = false;
        take_flight(engine, flight);
    }
}

void engine_cancel_flights(struct engine *engine)
{
    const struct transport *transport = &engine->ports.transport;
    for (uint32_t i = 0; i < engine->flights.made; i++)
        if (engine->flights.list[i]->ticket != 0)
            transport->cancel(transport->context, engine->flights.list[i]->ticket);
}
