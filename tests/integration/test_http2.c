/*
 * HTTP/2, against a server of a hundred lines that speaks just enough of it: requests share one
 * connection, and neither a refused stream nor a goodbye makes libcurl send a request twice.
 */
#include "client.h"
#include "peer.h"
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

static struct certificates certificates;

/* ---- the server ---- */

enum frame_type {
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_PING = 6,
    FRAME_GOAWAY = 7,
};

#define END_STREAM 0x01
#define ACK 0x01
#define END_HEADERS 0x04
#define REFUSED_STREAM 7

struct frame {
    uint8_t type;
    uint8_t flags;
    uint32_t stream;
    uint32_t length;
    uint8_t bytes[16384];
};

static bool read_all(struct peer *p, void *bytes, size_t length)
{
    char *at = bytes;
    while (length > 0) {
        int n = SSL_read(p->ssl, at, (int)length);
        if (n <= 0)
            return false;
        at += n;
        length -= (size_t)n;
    }
    return true;
}

static bool read_frame(struct peer *p, struct frame *f)
{
    uint8_t head[9];
    if (!read_all(p, head, sizeof head))
        return false;
    f->length = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
    f->type = head[3];
    f->flags = head[4];
    f->stream =
        ((uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8])
        & 0x7fffffff;
    return f->length <= sizeof f->bytes && read_all(p, f->bytes, f->length);
}

static bool write_frame(struct peer *p, uint8_t type, uint8_t flags, uint32_t stream,
                        const void *bytes, uint32_t length)
{
    char frame[64] = {(char)(length >> 16), (char)(length >> 8), (char)length,
                      (char)type,           (char)flags,         (char)(stream >> 24),
                      (char)(stream >> 16), (char)(stream >> 8), (char)stream};
    if (length > 0)
        memcpy(frame + 9, bytes, length);
    return peer_write(p, frame, 9 + length);
}

static atomic_int greeted; /* connections that have the server's preface */

/* As servers do: at once, since libcurl's preface comes with its first request only. */
static bool greet(struct peer *p)
{
    char preface[24];
    bool done = write_frame(p, FRAME_SETTINGS, 0, 0, NULL, 0);
    atomic_fetch_add(&greeted, done);
    return done && read_all(p, preface, sizeof preface)
           && memcmp(preface, "PRI * HTTP/2.0", 14) == 0;
}

/* Returns the stream of the next request that is whole; 0 when the connection has ended. */
static uint32_t next_request(struct peer *p)
{
    struct frame f;
    while (read_frame(p, &f)) {
        if (f.type == FRAME_SETTINGS && (f.flags & ACK) == 0)
            (void)write_frame(p, FRAME_SETTINGS, ACK, 0, NULL, 0);
        if (f.type == FRAME_PING && (f.flags & ACK) == 0)
            (void)write_frame(p, FRAME_PING, ACK, 0, f.bytes, 8);
        if ((f.type == FRAME_DATA || f.type == FRAME_HEADERS) && (f.flags & END_STREAM) != 0) {
            atomic_fetch_add(&p->server->requests, 1);
            return f.stream;
        }
    }
    return 0;
}

static void answer(struct peer *p, uint32_t stream)
{
    static const uint8_t status_200 = 0x88; /* of the static table */
    (void)write_frame(p, FRAME_HEADERS, END_HEADERS, stream, &status_200, 1);
    (void)write_frame(p, FRAME_DATA, END_STREAM, stream, "{}", 2);
}

static void refuse(struct peer *p, uint32_t stream)
{
    static const uint8_t code[4] = {0, 0, 0, REFUSED_STREAM};
    (void)write_frame(p, FRAME_RST_STREAM, 0, stream, code, sizeof code);
}

/* "I have acted upon the streams up to `last` and will take no more." */
static void say_goodbye(struct peer *p, uint32_t last)
{
    const uint8_t bytes[8] = {(uint8_t)(last >> 24), (uint8_t)(last >> 16), (uint8_t)(last >> 8),
                              (uint8_t)last};
    (void)write_frame(p, FRAME_GOAWAY, 0, 0, bytes, sizeof bytes);
}

static void serve_each(struct server *s, struct peer *p)
{
    uint32_t stream = greet(p) ? next_request(p) : 0;
    (void)s;
    for (; stream != 0; stream = next_request(p))
        answer(p, stream);
}

#define TOGETHER 8

/* Answers only when so many are there, the last one first. */
static void serve_together(struct server *s, struct peer *p)
{
    uint32_t streams[TOGETHER];
    (void)s;
    if (!greet(p))
        return;
    uint32_t first = next_request(p); /* alone, so that the client learns what the server speaks */
    if (first != 0)
        answer(p, first);
    for (int i = 0; i < TOGETHER; i++) {
        streams[i] = next_request(p);
        if (streams[i] == 0)
            return;
    }
    for (int i = TOGETHER; i-- > 0;)
        answer(p, streams[i]);
    (void)next_request(p);
}

/* The first request is answered; what happens to the second is the test's. */
static uint32_t second_request(struct peer *p)
{
    uint32_t stream = greet(p) ? next_request(p) : 0;
    if (stream == 0)
        return 0;
    answer(p, stream);
    return next_request(p);
}

static void serve_refusal(struct server *s, struct peer *p)
{
    uint32_t stream = second_request(p);
    (void)s;
    if (stream == 0)
        return;
    refuse(p, stream);
    while ((stream = next_request(p)) != 0)
        answer(p, stream);
}

static void serve_goodbye(struct server *s, struct peer *p)
{
    uint32_t stream = second_request(p);
    (void)s;
    if (stream == 0)
        return;
    say_goodbye(p, stream - 2); /* not the second any more */
    (void)next_request(p);
}

static void serve_hang_up(struct server *s, struct peer *p)
{
    (void)s;
    (void)second_request(p);
}

static void serve_goodbye_when_idle(struct server *s, struct peer *p)
{
    uint32_t stream = greet(p) ? next_request(p) : 0;
    if (stream == 0)
        return;
    answer(p, stream);
    if (!server_wait(s, p->number))
        return;
    say_goodbye(p, stream);
}

static void serve_silence(struct server *s, struct peer *p)
{
    uint32_t stream = greet(p) ? next_request(p) : 0;
    (void)s;
    if (stream == 0)
        return;
    answer(p, stream);
    (void)next_request(p);
    stream = next_request(p);
    if (stream != 0)
        answer(p, stream); /* the third, not the second */
    (void)next_request(p);
}

static int choose_h2(SSL *ssl, const unsigned char **ret, unsigned char *ret_length,
                     const unsigned char *offered, unsigned int length, void *unused)
{
    static const unsigned char wanted[] = "\x02h2";
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)unused;
    if (SSL_select_next_proto(&chosen, ret_length, wanted, 3, offered, length)
        != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- the tests ---- */

struct world {
    struct server server;
    struct client client;
    char url[64];
};

static void world_start(struct world *w, void (*serve)(struct server *, struct peer *))
{
    const struct http_options options = {
        .ca_file = certificates.ca_file, .user_agent = "crsbackupd/9.9", .max_in_flight = 32};
    atomic_store(&greeted, 0);
    server_start(&w->server, serve, &certificates, CERTIFICATE_GOOD, TLS1_3_VERSION);
    SSL_CTX_set_alpn_select_cb(w->server.context, choose_h2, NULL);
    (void)snprintf(w->url, sizeof w->url, "https://localhost:%d/", w->server.port);
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
    int outcomes = w->client.outcomes + 1;
    send_one(w, ticket);
    assert_true(client_run(&w->client, outcomes, 30000));
}

static void expect(const struct world *w, uint64_t ticket, enum exchange_kind kind)
{
    const struct filed *f = &w->client.filed[ticket];
    if (f->outcomes != 1 || f->kind != kind || f->on_wire != 1)
        fail_msg("ticket %d: outcomes %d, kind %d, on_wire %d, status %d, error %s", (int)ticket,
                 f->outcomes, (int)f->kind, f->on_wire, f->status, f->error);
    if (kind == EXCHANGE_ANSWERED)
        assert_string_equal(f->body, "{}");
}

static void test_one_after_the_other(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, serve_each);
    for (uint64_t i = 1; i <= 20; i++) {
        send_one(&w, i);
        if (i > 1)
            assert_int_equal(w.client.filed[i].on_wire, 1); /* when send() returns */
        assert_true(client_run(&w.client, (int)i, 30000));
        expect(&w, i, EXCHANGE_ANSWERED);
    }
    assert_int_equal(w.server.connections, 1);
    assert_int_equal(w.server.requests, 20);
    world_stop(&w);
}

static void test_all_over_one_connection(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, serve_together);
    send_and_wait(&w, 1);
    for (uint64_t i = 2; i <= 1 + TOGETHER; i++) {
        send_one(&w, i);
        assert_int_equal(w.client.filed[i].on_wire, 1);
    }
    assert_true(client_run(&w.client, 1 + TOGETHER, 30000));
    for (uint64_t i = 1; i <= 1 + TOGETHER; i++)
        expect(&w, i, EXCHANGE_ANSWERED);
    assert_int_equal(w.server.connections, 1);
    assert_int_equal(w.server.requests, 1 + TOGETHER);
    world_stop(&w);
}

static void test_never_twice(void **state)
{
    (void)state;
    static void (*const serves[])(struct server *, struct peer *) = {serve_refusal, serve_goodbye,
                                                                     serve_hang_up};
    for (size_t i = 0; i < COUNT(serves); i++) {
        struct world w;
        world_start(&w, serves[i]);
        send_and_wait(&w, 1);
        send_and_wait(&w, 2);
        client_rest(&w.client, 60);
        expect(&w, 1, EXCHANGE_ANSWERED);
        expect(&w, 2, EXCHANGE_LOST);
        assert_int_equal(w.server.requests, 2);
        send_and_wait(&w, 3); /* and the transport goes on */
        expect(&w, 3, EXCHANGE_ANSWERED);
        assert_int_equal(w.server.requests, 3);
        world_stop(&w);
    }
}

static void test_goodbye_while_idle(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, serve_goodbye_when_idle);
    for (uint64_t i = 1; i <= 3; i++) {
        send_and_wait(&w, i);
        expect(&w, i, EXCHANGE_ANSWERED);
        server_go(&w.server, (int)i);
        for (int j = 0; j < 2000 && server_open(&w.server) > 0; j++)
            (void)usleep(1000);
    }
    assert_int_equal(w.server.requests, 3);
    assert_int_equal(w.server.connections, 3);
    world_stop(&w);
}

static void test_cancel_leaves_the_others(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, serve_silence);
    send_and_wait(&w, 1);
    send_one(&w, 2);
    client_rest(&w.client, 30);
    w.client.transport.cancel(w.client.transport.context, 2);
    expect(&w, 2, EXCHANGE_LOST);
    send_and_wait(&w, 3);
    expect(&w, 3, EXCHANGE_ANSWERED);
    assert_int_equal(w.server.connections, 1); /* one stream ended, not the connection */
    world_stop(&w);
}

static void test_warm_needs_one(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, serve_each);
    w.client.transport.warm(w.client.transport.context, w.url, 1);
    /* libcurl takes a socket with tickets and no frame in it for dead: await the frames. */
    for (int i = 0; i < 5000 && greeted < 1; i++)
        client_rest(&w.client, 2);
    client_rest(&w.client, 30);
    assert_int_equal(w.server.requests, 0);
    send_one(&w, 1);
    assert_int_equal(w.client.filed[1].on_wire, 1);
    assert_true(client_run(&w.client, 1, 30000));
    expect(&w, 1, EXCHANGE_ANSWERED);
    w.client.transport.warm(w.client.transport.context, w.url, 8); /* known to be shared now */
    client_rest(&w.client, 60);
    assert_int_equal(w.server.connections, 1);
    send_and_wait(&w, 2);
    expect(&w, 2, EXCHANGE_ANSWERED);
    assert_int_equal(w.server.connections, 1);
    world_stop(&w);
}

/* What a connection remembers outlives an answer: this server would speak nothing else. */
static void test_keys_do_not_come_this_way(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, serve_each);
    send_and_wait(&w, 1);
    w.client.brings_keys = true;
    send_and_wait(&w, 2);
    assert_int_equal(w.client.filed[2].kind, EXCHANGE_NOT_SENT);
    w.client.brings_keys = false;
    send_and_wait(&w, 3);
    expect(&w, 1, EXCHANGE_ANSWERED);
    expect(&w, 3, EXCHANGE_ANSWERED);
    assert_int_equal(w.server.requests, 2);
    world_stop(&w);
}

/* An argument chooses tests by a pattern. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_all_over_one_connection),
        cmocka_unit_test(test_never_twice),
        cmocka_unit_test(test_goodbye_while_idle),
        cmocka_unit_test(test_cancel_leaves_the_others),
        cmocka_unit_test(test_warm_needs_one),
        cmocka_unit_test(test_keys_do_not_come_this_way),
    };
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    client_environment();
    certificates_make(&certificates);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    certificates_finish(&certificates);
    return failed;
}
