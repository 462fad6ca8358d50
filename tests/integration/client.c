/* See client.h. */
#include "client.h"

#include "unit.h"

#include <dlfcn.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void client_environment(void)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY",
                                        "all_proxy"};
    for (size_t i = 0; i < COUNT(names); i++)
        (void)setenv(names[i], "http://127.0.0.1:1", 1);
    (void)setenv("no_proxy", "*", 1);
    (void)signal(SIGPIPE, SIG_IGN);
}

/* Takes the place of the C library's for the whole program, libcurl's thread included. */
int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
    size_t length = node != NULL ? strlen(node) : 0;
    if (length > 5 && strcmp(node + length - 5, ".test") == 0) {
        if (strcmp(node, "slow.test") == 0)
            (void)usleep(SLOW_NAME_MS * 1000);
        if (strcmp(node, "two.test") != 0)
            return EAI_NONAME;
    }
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        (__typeof__(real))dlsym(RTLD_NEXT, "getaddrinfo");
    if (node == NULL || strcmp(node, "two.test") != 0)
        return real(node, service, hints, ret);
    int outcome = real("127.0.0.3", service, hints, ret);
    return outcome != 0 ? outcome : real("127.0.0.1", service, hints, &(*ret)->ai_next);
}

struct mono client_clock(void *unused)
{
    (void)unused;
    return (struct mono){(int64_t)uv_hrtime()};
}

/* The process reads the clock, and then does not run until the request has arrived. */
static struct mono slow_clock(void *context)
{
    struct client *c = context;
    c->looked_at = client_clock(NULL);
    if (c->requests == NULL)
        return c->looked_at;
    for (int i = 0; i < ARRIVAL_WAIT_MS && atomic_load(c->requests) == 0; i++)
        uv_sleep(1);
    c->arrived = atomic_load(c->requests) > 0;
    return c->looked_at;
}

static void on_wire(void *context, uint64_t ticket, struct mono at)
{
    struct client *c = context;
    struct filed *f = &c->filed[ticket];
    assert_int_equal(f->outcomes, 0); /* ahead of the outcome */
    f->on_wire++;
    f->arrived = at.ns == c->looked_at.ns && c->arrived;
}

static void outcome(void *context, uint64_t ticket, const struct exchange *exchange, struct mono at)
{
    struct client *c = context;
    struct filed *f = &c->filed[ticket];
    f->outcomes++;
    f->kind = exchange->kind;
    f->status = exchange->http_status;
    f->date_second = exchange->date_second;
    f->body_length = exchange->body_length;
    f->ended_at = at;
    f->order = ++c->outcomes;
    if (exchange->kind == EXCHANGE_ANSWERED) {
        assert_null(exchange->error);
        (void)snprintf(f->body, sizeof f->body, "%.*s", (int)exchange->body_length, exchange->body);
    } else {
        assert_non_null(exchange->error);
        assert_string_not_equal(exchange->error, "");
        (void)snprintf(f->error, sizeof f->error, "%s", exchange->error);
    }
}

static void on_limit(uv_timer_t *timer)
{
    struct client *c = timer->data;
    c->late = true;
}

void client_start(struct client *c, const struct http_options *options)
{
    struct errtext err = {""};
    memset(c, 0, sizeof *c);
    assert_int_equal(uv_loop_init(&c->loop), 0);
    assert_int_equal(uv_timer_init(&c->loop, &c->limit), 0);
    c->limit.data = c;
    const struct http_sink sink = {
        .context = c, .on_wire = on_wire, .outcome = outcome, .clock = slow_clock};
    if (http_curl_create(&c->loop, options, &sink, &c->http, &err) != 0)
        fail_msg("%s", err.text);
    c->transport = http_curl_transport(c->http);
}

static void on_closed(void *context)
{
    struct client *c = context;
    assert_false(c->closed);
    c->closed = true;
}

void client_stop(struct client *c)
{
    http_curl_close(c->http, on_closed, c);
    assert_int_equal(http_curl_in_flight(c->http), 0);
    assert_false(c->closed); /* from the loop, not from here */
    uv_close((uv_handle_t *)&c->limit, NULL);
    (void)uv_run(&c->loop, UV_RUN_DEFAULT);
    assert_true(c->closed);
    http_curl_destroy(c->http);
    assert_int_equal(uv_loop_close(&c->loop), 0); /* no handle is left */
    for (int i = 0; i < CLIENT_TICKETS; i++)
        assert_true(c->filed[i].outcomes <= 1 && c->filed[i].on_wire <= 1);
}

int client_send(struct client *c, uint64_t ticket, const char *url, int connect_ms, int total_ms)
{
    static const struct tc3_header headers[] = {
        {"Host", "cloud.test"},
        {"Content-Type", "application/json"},
        {"X-TC-Action", "ManualBackupInstance"},
    };
    static const char body[] = "{\"InstanceId\":\"crs-5a4py64p\"}";
    const struct transport_request request = {
        .ticket = ticket,
        .url = url,
        .headers = headers,
        .header_count = COUNT(headers),
        .body = body,
        .body_length = sizeof body - 1,
        .connect_timeout_us = connect_ms * 1000,
        .timeout_us = total_ms * 1000,
        .brings_keys = c->brings_keys,
    };
    struct errtext err = {""};
    return c->transport.send(c->transport.context, &request, &err);
}

static bool run(struct client *c, int outcomes, int limit_ms)
{
    c->late = false;
    (void)uv_timer_start(&c->limit, on_limit, (uint64_t)limit_ms, 0);
    uv_update_time(&c->loop);
    (void)uv_timer_start(&c->limit, on_limit, (uint64_t)limit_ms, 0);
    while (c->outcomes < outcomes && !c->late)
        (void)uv_run(&c->loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&c->limit);
    return c->outcomes >= outcomes;
}

bool client_run(struct client *c, int outcomes, int limit_ms)
{
    return run(c, outcomes, limit_ms);
}

void client_rest(struct client *c, int ms)
{
    (void)run(c, INT32_MAX, ms);
}
