/*
 * Connections over more than one request: kept, ended by the server at bad moments, opened ahead,
 * given up, and the transport's own ends: cancel, reload, close.
 */
#include "client.h"
#include "peer.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct certificates certificates;

struct world {
    struct server server;
    struct client client;
    char url[64];
};

static struct http_options options_plain(void)
{
    return (struct http_options){
        .ca_file = certificates.ca_file, .user_agent = "crsbackupd/9.9", .max_in_flight = 32};
}

/* `tls` 0: plain. */
static void world_start(struct world *w, void (*serve)(struct server *, struct peer *), int tls)
{
    const struct http_options options = options_plain();
    server_start(&w->server, serve, &certificates, CERTIFICATE_GOOD, tls);
    (void)snprintf(w->url, sizeof w->url, "http%s://localhost:%d/", tls != 0 ? "s" : "",
                   w->server.port);
    client_start(&w->client, &options);
}

static void world_stop(struct world *w)
{
    client_stop(&w->client);
    server_stop(&w->server);
}

static void send_one(struct world *w, uint64_t ticket)
{
    assert_int_equal(client_send(&w->client, ticket, w->url, 20000, 30000), 0);
}

static void send_and_wait(struct world *w, uint64_t ticket)
{
    int outcomes = w->client.outcomes + 1; /* a fast answer is filed inside send() */
    send_one(w, ticket);
    assert_true(client_run(&w->client, outcomes, 30000));
}

static void expect(const struct world *w, uint64_t ticket, enum exchange_kind kind, int on_wire)
{
    const struct filed *f = &w->client.filed[ticket];
    if (f->outcomes != 1 || f->kind != kind || f->on_wire != on_wire)
        fail_msg("ticket %d: outcomes %d, kind %d, on_wire %d, status %d, error %s", (int)ticket,
                 f->outcomes, (int)f->kind, f->on_wire, f->status, f->error);
}

static void warm(struct world *w, unsigned connections)
{
    w->client.transport.warm(w->client.transport.context, w->url, connections);
}

static void cancel(struct world *w, uint64_t ticket)
{
    w->client.transport.cancel(w->client.transport.context, ticket);
}

/* Turns the loop till the condition holds, in good time on a busy machine too, and a bit longer. */
#define REST_UNTIL(w, condition)                          \
    do {                                                  \
        for (int i_ = 0; i_ < 5000 && !(condition); i_++) \
            client_rest(&(w).client, 2);                  \
        assert_true(condition);                           \
        client_rest(&(w).client, 30);                     \
    } while (0)

static const int versions[] = {0, TLS1_2_VERSION, TLS1_3_VERSION};

/* ---- reuse ---- */

static void test_one_connection_for_all(void **state)
{
    (void)state;
    for (size_t v = 0; v < COUNT(versions); v++) {
        struct world w;
        world_start(&w, serve_answers, versions[v]);
        for (uint64_t i = 1; i <= 20; i++) {
            send_one(&w, i);
            if (i > 1) /* the connection stands: on the wire when send() returns */
                assert_int_equal(w.client.filed[i].on_wire, 1);
            assert_true(client_run(&w.client, (int)i, 30000));
            expect(&w, i, EXCHANGE_ANSWERED, 1);
        }
        assert_int_equal(w.server.connections, 1);
        assert_int_equal(w.server.requests, 20);
        world_stop(&w);
    }
}

/* The limiter must never take a request for older than it is. */
/* A connection of its own, which ends with it, beside one that is kept for the others. */
static void test_an_answer_with_keys_is_alone(void **state)
{
    (void)state;
    for (size_t v = 0; v < COUNT(versions); v++) {
        struct world w;
        world_start(&w, serve_answers, versions[v]);
        send_and_wait(&w, 1);
        w.client.brings_keys = true;
        send_and_wait(&w, 2);
        assert_int_equal(w.server.connections, 2);
        REST_UNTIL(w, server_open(&w.server) == 1);
        w.client.brings_keys = false;
        send_and_wait(&w, 3);
        send_and_wait(&w, 4);
        assert_int_equal(w.server.connections, 2);
        for (uint64_t i = 1; i <= 4; i++)
            expect(&w, i, EXCHANGE_ANSWERED, 1);
        world_stop(&w);
    }
}

static void test_the_wire_is_told_when_the_bytes_are_out(void **state)
{
    (void)state;
    for (size_t v = 0; v < COUNT(versions); v++) {
        struct world w;
        world_start(&w, serve_answers, versions[v]);
        send_one(&w, 1);
        w.client.requests = &w.server.requests;
        assert_true(client_run(&w.client, 1, 30000));
        expect(&w, 1, EXCHANGE_ANSWERED, 1);
        assert_true(w.client.filed[1].arrived);
        world_stop(&w);
    }
}

/* Answers each connection's first request, and ends the connection in some way when told to. */
static void serve_once(struct server *s, struct peer *p)
{
    if (peer_read_request(p) && peer_answer(p, "{}"))
        (void)server_wait(s, p->number);
}

static void serve_once_and_reset(struct server *s, struct peer *p)
{
    serve_once(s, p);
    peer_reset(p);
}

/* Says goodbye, as TLS wants it, ahead of the end. */
static void serve_once_politely(struct server *s, struct peer *p)
{
    serve_once(s, p);
    if (p->ssl != NULL)
        (void)SSL_shutdown(p->ssl);
}

static void wait_till_closed(struct world *w)
{
    for (int i = 0; i < 1000 && server_open(&w->server) > 0; i++)
        (void)usleep(2000);
    assert_int_equal(server_open(&w->server), 0);
}

static void test_closed_while_idle(void **state)
{
    (void)state;
    static void (*const serves[])(struct server *, struct peer *) = {
        serve_once, serve_once_and_reset, serve_once_politely};
    for (size_t v = 0; v < COUNT(versions) * COUNT(serves); v++) {
        struct world w;
        world_start(&w, serves[v / COUNT(versions)], versions[v % COUNT(versions)]);
        for (uint64_t i = 1; i <= 4; i++) {
            send_and_wait(&w, i);
            expect(&w, i, EXCHANGE_ANSWERED, 1);
            server_go(&w.server, (int)i);
            wait_till_closed(&w);
            if (i % 2 == 0)
                client_rest(&w.client, 10); /* else the loop does not see the end */
        }
        assert_int_equal(w.server.requests, 4);
        assert_int_equal(w.server.connections, 4);
        world_stop(&w);
    }
}

/*
 * The double backup: libcurl takes the end of a reused connection for one that came before its
 * request, and sends it once more.
 */
static void serve_second_unanswered(struct server *s, struct peer *p)
{
    (void)s;
    if (peer_read_request(p) && peer_answer(p, "{}"))
        (void)peer_read_request(p);
}

static void serve_second_reset(struct server *s, struct peer *p)
{
    serve_second_unanswered(s, p);
    peer_reset(p);
}

static void test_never_twice(void **state)
{
    (void)state;
    static void (*const serves[])(struct server *, struct peer *) = {serve_second_unanswered,
                                                                     serve_second_reset};
    for (size_t v = 0; v < COUNT(versions) * COUNT(serves); v++) {
        struct world w;
        world_start(&w, serves[v / COUNT(versions)], versions[v % COUNT(versions)]);
        send_and_wait(&w, 1);
        send_and_wait(&w, 2);
        client_rest(&w.client, 60);
        expect(&w, 1, EXCHANGE_ANSWERED, 1);
        expect(&w, 2, EXCHANGE_LOST, 1);
        assert_int_equal(w.server.requests, 2);
        send_and_wait(&w, 3); /* and the transport goes on */
        expect(&w, 3, EXCHANGE_ANSWERED, 1);
        assert_int_equal(w.server.requests, 3);
        world_stop(&w);
    }
}

static void serve_slowly(struct server *s, struct peer *p)
{
    (void)s;
    while (peer_read_request(p)) {
        (void)usleep(50000);
        if (!peer_answer(p, "{}"))
            return;
    }
}

static void test_many_at_once(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, serve_slowly, TLS1_3_VERSION);
    for (int round = 1; round <= 3; round++) {
        for (uint64_t i = 1; i <= 32; i++)
            send_one(&w, (uint64_t)(round - 1) * 32 + i);
        assert_true(client_run(&w.client, round * 32, 30000));
    }
    for (uint64_t i = 1; i <= 96; i++)
        expect(&w, i, EXCHANGE_ANSWERED, 1);
    assert_int_equal(w.server.requests, 96);
    assert_int_equal(w.server.connections, 32); /* none was evicted */
    world_stop(&w);
}

static void test_idle_limit(void **state)
{
    (void)state;
    struct world w;
    struct http_options options = options_plain();
    options.idle_seconds = 2;
    server_start(&w.server, serve_answers, &certificates, CERTIFICATE_GOOD, TLS1_3_VERSION);
    (void)snprintf(w.url, sizeof w.url, "https://localhost:%d/", w.server.port);
    client_start(&w.client, &options);
    send_and_wait(&w, 1);
    client_rest(&w.client, 900);
    send_and_wait(&w, 2);
    assert_int_equal(w.server.connections, 1); /* young enough */
    (void)usleep(2100000);                     /* the loop stands still meanwhile */
    send_and_wait(&w, 3);
    assert_int_equal(w.server.connections, 2); /* too old */
    assert_int_equal(server_open(&w.server), 1);
    client_rest(&w.client, 3600);
    assert_int_equal(server_open(&w.server), 0); /* closed at rest, with nobody asking */
    send_and_wait(&w, 4);
    for (uint64_t i = 1; i <= 4; i++)
        expect(&w, i, EXCHANGE_ANSWERED, 1);
    world_stop(&w);
}

/* ---- connections opened ahead ---- */

static void test_warm_opens_without_a_request(void **state)
{
    (void)state;
    for (size_t v = 0; v < COUNT(versions); v++) {
        struct world w;
        world_start(&w, serve_slowly, versions[v]);
        warm(&w, 3);
        warm(&w, 3); /* while they are being opened */
        REST_UNTIL(w, w.server.ready == 3);
        assert_int_equal(w.server.connections, 3);
        warm(&w, 3); /* and when they are there */
        warm(&w, 2);
        client_rest(&w.client, 50);
        assert_int_equal(w.server.connections, 3);
        assert_int_equal(w.server.requests, 0);
        assert_int_equal(http_curl_in_flight(w.client.http), 0);
        for (uint64_t i = 1; i <= 3; i++) {
            send_one(&w, i);
            assert_int_equal(w.client.filed[i].on_wire, 1);
        }
        assert_true(client_run(&w.client, 3, 30000));
        for (uint64_t i = 1; i <= 3; i++)
            expect(&w, i, EXCHANGE_ANSWERED, 1);
        assert_int_equal(w.server.connections, 3);
        assert_int_equal(w.server.requests, 3);
        warm(&w, 5); /* two more */
        REST_UNTIL(w, w.server.ready == 5);
        assert_int_equal(w.server.connections, 5);
        warm(&w, 1000);
        REST_UNTIL(w, w.server.ready == HTTP_WARM_MAX);
        assert_int_equal(w.server.connections, HTTP_WARM_MAX);
        world_stop(&w);
    }
}

static void serve_until_told(struct server *s, struct peer *p)
{
    if (p->number == 1)
        (void)server_wait(s, 1);
    else
        serve_answers(s, p);
}

/* TLS 1.3 tickets lie unread in the socket and hide its end from libcurl's look. */
static void test_warm_and_closed_before_use(void **state)
{
    (void)state;
    for (size_t v = 0; v < COUNT(versions) * 2; v++) {
        struct world w;
        world_start(&w, serve_until_told, versions[v / 2]);
        warm(&w, 1);
        REST_UNTIL(w, w.server.ready == 1);
        assert_int_equal(w.server.connections, 1);
        server_go(&w.server, 1);
        wait_till_closed(&w);
        if (v % 2 == 0)
            client_rest(&w.client, 10); /* else the loop does not see the end: send() must look */
        send_and_wait(&w, 1);
        expect(&w, 1, EXCHANGE_ANSWERED, 1);
        assert_int_equal(w.server.connections, 2);
        assert_int_equal(w.server.requests, 1);
        world_stop(&w);
    }
}

static void serve_nothing(struct server *s, struct peer *p)
{
    (void)s;
    (void)p;
}

static void test_warm_gives_up_for_a_while(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, serve_nothing, TLS1_3_VERSION);
    warm(&w, 2);
    REST_UNTIL(w, w.server.ready == 2);
    warm(&w, 2); /* they were closed unused */
    client_rest(&w.client, 100);
    assert_int_equal(w.server.connections, 2);
    world_stop(&w);

    world_start(&w, serve_answers, TLS1_3_VERSION);
    (void)snprintf(w.url, sizeof w.url, "https://localhost:%d/", closed_port());
    for (int i = 0; i < 3; i++) {
        warm(&w, 8); /* silent: the requests themselves tell */
        client_rest(&w.client, 30);
    }
    send_and_wait(&w, 1);
    expect(&w, 1, EXCHANGE_NOT_SENT, 0);
    warm(&w, 2);
    world_stop(&w); /* closes while nothing is under way */
}

static void serve_stuck_first(struct server *s, struct peer *p)
{
    if (p->number <= 2) {
        (void)server_wait(s, 1);
        return;
    }
    p->ssl = SSL_new(s->context);
    (void)SSL_set_fd(p->ssl, p->fd);
    if (SSL_accept(p->ssl) == 1)
        serve_answers(s, p);
}

static void test_warm_never_holds_a_request_up(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, serve_stuck_first, TLS1_3_VERSION);
    w.server.raw = true;
    warm(&w, 2);
    REST_UNTIL(w, w.server.connections == 2);
    int64_t begin = client_clock(NULL).ns;
    send_and_wait(&w, 1);
    expect(&w, 1, EXCHANGE_ANSWERED, 1);
    assert_true(client_clock(NULL).ns - begin < 4 * NS_PER_SECOND);
    world_stop(&w); /* with two connections still being opened */
}

/* ---- cancel ---- */

static void serve_silence(struct server *s, struct peer *p)
{
    if (!s->raw)
        (void)peer_read_request(p);
    (void)server_wait(s, 1);
}

static void test_cancel(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, serve_silence, TLS1_3_VERSION);
    cancel(&w, 7); /* nobody of that name */
    send_one(&w, 1);
    cancel(&w, 1); /* hardly begun */
    expect(&w, 1, EXCHANGE_NOT_SENT, 0);
    cancel(&w, 1);
    send_one(&w, 2);
    REST_UNTIL(w, w.client.filed[2].on_wire == 1 && w.server.requests == 1);
    cancel(&w, 2); /* sent */
    expect(&w, 2, EXCHANGE_LOST, 1);
    cancel(&w, 2);
    send_one(&w, 3);
    send_one(&w, 4);
    cancel(&w, 3);
    REST_UNTIL(w, w.client.filed[4].on_wire == 1 && w.server.requests == 2);
    assert_int_equal(w.client.filed[4].outcomes, 0); /* the others go on */
    cancel(&w, 4);
    expect(&w, 4, EXCHANGE_LOST, 1);
    assert_int_equal(http_curl_in_flight(w.client.http), 0);
    assert_int_equal(w.server.requests, 2);
    world_stop(&w);

    world_start(&w, serve_silence, TLS1_3_VERSION);
    w.server.raw = true;
    send_one(&w, 1);
    REST_UNTIL(w, w.server.connections == 1);
    cancel(&w, 1); /* in the handshake */
    expect(&w, 1, EXCHANGE_NOT_SENT, 0);
    world_stop(&w);
}

static void test_close_ends_all(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, serve_silence, TLS1_3_VERSION);
    send_one(&w, 1);
    REST_UNTIL(w, w.client.filed[1].on_wire == 1);
    send_one(&w, 2);
    warm(&w, 8);
    client_stop(&w.client);
    expect(&w, 1, EXCHANGE_LOST, 1);
    expect(&w, 2, EXCHANGE_NOT_SENT, 0);
    server_stop(&w.server);
}

/* ---- reload ---- */

static void test_reload(void **state)
{
    (void)state;
    struct world w;
    struct errtext err = {""};
    struct http_options options = options_plain();
    world_start(&w, serve_slowly, TLS1_3_VERSION);
    send_and_wait(&w, 1);
    send_one(&w, 2);
    options.ca_file = "/nonexistent.pem";
    assert_int_equal(http_curl_reload(w.client.http, &options, &err), -ENOENT);
    options.ca_file = certificates.other_ca_file;
    options.max_in_flight = 2;
    assert_int_equal(http_curl_reload(w.client.http, &options, &err), 0);
    send_one(&w, 3); /* not over the connection that was trusted before */
    assert_int_equal(client_send(&w.client, 4, w.url, 1000, 1000), -EAGAIN);
    assert_true(client_run(&w.client, 3, 30000));
    expect(&w, 2, EXCHANGE_ANSWERED, 1); /* as it began */
    expect(&w, 3, EXCHANGE_NOT_SENT, 0);
    options = options_plain();
    assert_int_equal(http_curl_reload(w.client.http, &options, &err), 0);
    send_one(&w, 5);
    client_rest(&w.client, 20);
    assert_int_equal(http_curl_reload(w.client.http, &options, &err), 0);
    cancel(&w, 5); /* of a pool that is on its way out */
    assert_int_equal(w.client.filed[5].outcomes, 1);
    warm(&w, 2);
    assert_int_equal(http_curl_reload(w.client.http, &options, &err), 0);
    send_and_wait(&w, 6);
    expect(&w, 6, EXCHANGE_ANSWERED, 1);
    world_stop(&w);
}

/* An argument chooses tests by a pattern. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_connection_for_all),
        cmocka_unit_test(test_an_answer_with_keys_is_alone),
        cmocka_unit_test(test_the_wire_is_told_when_the_bytes_are_out),
        cmocka_unit_test(test_closed_while_idle),
        cmocka_unit_test(test_never_twice),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_idle_limit),
        cmocka_unit_test(test_warm_opens_without_a_request),
        cmocka_unit_test(test_warm_and_closed_before_use),
        cmocka_unit_test(test_warm_gives_up_for_a_while),
        cmocka_unit_test(test_warm_never_holds_a_request_up),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_close_ends_all),
        cmocka_unit_test(test_reload),
    };
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    client_environment();
    certificates_make(&certificates);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    certificates_finish(&certificates);
    return failed;
}
