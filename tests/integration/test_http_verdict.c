/*
 * What is filed of one request, and what the server saw of it: servers that refuse, hang up, keep
 * silent, answer badly, cannot be trusted, and proxies that say no.
 */
#include "client.h"
#include "peer.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct certificates certificates;

/* ---- the servers ---- */

static void serve_hang_up(struct server *s, struct peer *p)
{
    (void)s;
    (void)p;
}

static void serve_reset(struct server *s, struct peer *p)
{
    (void)s;
    peer_reset(p);
}

static void serve_read_and_hang_up(struct server *s, struct peer *p)
{
    (void)s;
    (void)peer_read_request(p);
}

static void serve_read_and_reset(struct server *s, struct peer *p)
{
    (void)s;
    (void)peer_read_request(p);
    peer_reset(p);
}

static void serve_silence(struct server *s, struct peer *p)
{
    if (!s->raw)
        (void)peer_read_request(p);
    (void)server_wait(s, 1);
}

static void answer_with(struct peer *p, const char *text)
{
    if (peer_read_request(p))
        (void)peer_write(p, text, strlen(text));
}

static void serve_half_a_body(struct server *s, struct peer *p)
{
    (void)s;
    answer_with(p, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Response\":");
}

static void serve_half_a_chunk(struct server *s, struct peer *p)
{
    (void)s;
    answer_with(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{\"Response");
}

static void serve_half_a_head(struct server *s, struct peer *p)
{
    (void)s;
    answer_with(p, "HTTP/1.1 200 OK\r\nContent-Le");
}

static void serve_garbage(struct server *s, struct peer *p)
{
    (void)s;
    answer_with(p, "\x01\x02SSH-2.0-nothing of HTTP\r\n\r\n{}");
}

static void serve_plain_garbage(struct server *s, struct peer *p)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    (void)s;
    (void)peer_write(p, text, sizeof text - 1);
}

static void serve_redirect(struct server *s, struct peer *p)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://localhost:%d/again\r\n"
                   "Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n",
                   s->port);
    answer_with(p, text);
    (void)peer_read_request(p);
}

static void serve_unauthorised(struct server *s, struct peer *p)
{
    (void)s;
    answer_with(p, "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n"
                   "Content-Length: 0\r\n\r\n");
    (void)peer_read_request(p);
}

static void serve_continue_first(struct server *s, struct peer *p)
{
    (void)s;
    answer_with(p, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 502 Bad Gateway\r\n"
                   "Content-Length: 6\r\n\r\n<html>");
}

static void serve_byte_by_byte(struct server *s, struct peer *p)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{  }";
    (void)s;
    if (!peer_read_request(p))
        return;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        if (!peer_write(p, text + i, 1))
            return;
        (void)usleep(5000);
    }
}

static void serve_half_and_wait(struct server *s, struct peer *p)
{
    answer_with(p, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Response\":");
    (void)server_wait(s, 1);
}

static void write_body(struct peer *p, size_t length)
{
    static char zeros[64 * 1024];
    memset(zeros, '0', sizeof zeros);
    while (length > 0) {
        size_t n = length < sizeof zeros ? length : sizeof zeros;
        if (!peer_write(p, zeros, n))
            return;
        length -= n;
    }
}

static void serve_longest(struct server *s, struct peer *p)
{
    (void)s;
    answer_with(p, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    write_body(p, REPLY_BODY_MAX);
}

static void serve_too_long(struct server *s, struct peer *p)
{
    (void)s;
    answer_with(p, "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n");
    write_body(p, REPLY_BODY_MAX + 1);
}

static void serve_endless(struct server *s, struct peer *p)
{
    (void)s;
    answer_with(p, "HTTP/1.1 200 OK\r\n\r\n");
    write_body(p, (size_t)64 * 1024 * 1024);
}

static void serve_endless_head(struct server *s, struct peer *p)
{
    static const char line[] = "X-Line: 0123456789012345678901234567890123456789\r\n";
    (void)s;
    answer_with(p, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 100000 && peer_write(p, line, sizeof line - 1); i++)
        ;
}

/* ---- one request against each ---- */

struct row {
    const char *name;
    void (*serve)(struct server *, struct peer *);
    int tls; /* 0: plain */
    bool raw;
    enum certificate certificate;
    enum exchange_kind kind;
    int status;
    int on_wire;
    int requests; /* -1: any */
    int connect_ms;
    int total_ms;
};

#define TLS12 TLS1_2_VERSION
#define TLS13 TLS1_3_VERSION

static const struct row rows[] = {
    {"hangs up at accept", serve_hang_up, TLS13, true, 0, EXCHANGE_NOT_SENT, 0, 0, 0, 20000, 20000},
    {"resets at accept", serve_reset, TLS13, true, 0, EXCHANGE_NOT_SENT, 0, 0, 0, 20000, 20000},
    {"no handshake", serve_silence, TLS13, true, 0, EXCHANGE_NOT_SENT, 0, 0, 0, 200, 2000},
    {"no handshake, total", serve_silence, TLS13, true, 0, EXCHANGE_NOT_SENT, 0, 0, 0, 2000, 200},
    {"TLS 1.1 only", serve_answers, TLS1_1_VERSION, false, 0, EXCHANGE_NOT_SENT, 0, 0, 0, 20000,
     20000},
    {"plain on a TLS port", serve_plain_garbage, TLS13, true, 0, EXCHANGE_NOT_SENT, 0, 0, 0, 20000,
     20000},
    {"expired", serve_answers, TLS13, false, CERTIFICATE_EXPIRED, EXCHANGE_NOT_SENT, 0, 0, 0, 20000,
     20000},
    {"expired, TLS 1.2", serve_answers, TLS12, false, CERTIFICATE_EXPIRED, EXCHANGE_NOT_SENT, 0, 0,
     0, 20000, 20000},
    {"another host's", serve_answers, TLS13, false, CERTIFICATE_ELSEWHERE, EXCHANGE_NOT_SENT, 0, 0,
     0, 20000, 20000},
    {"signed by itself", serve_answers, TLS13, false, CERTIFICATE_STRANGER, EXCHANGE_NOT_SENT, 0, 0,
     0, 20000, 20000},

    {"plain, hangs up unread", serve_hang_up, 0, false, 0, EXCHANGE_LOST, 0, 1, 0, 20000, 20000},
    {"TLS, hangs up unread", serve_hang_up, TLS13, false, 0, EXCHANGE_LOST, 0, 1, 0, 20000, 20000},
    {"TLS, resets unread", serve_reset, TLS12, false, 0, EXCHANGE_LOST, 0, 1, 0, 20000, 20000},
    {"reads, hangs up", serve_read_and_hang_up, TLS13, false, 0, EXCHANGE_LOST, 0, 1, 1, 20000,
     20000},
    {"reads, hangs up, 1.2", serve_read_and_hang_up, TLS12, false, 0, EXCHANGE_LOST, 0, 1, 1, 20000,
     20000},
    {"reads, hangs up, plain", serve_read_and_hang_up, 0, false, 0, EXCHANGE_LOST, 0, 1, 1, 20000,
     20000},
    {"reads, resets", serve_read_and_reset, TLS13, false, 0, EXCHANGE_LOST, 0, 1, 1, 20000, 20000},
    {"never answers", serve_silence, TLS13, false, 0, EXCHANGE_LOST, 0, 1, 1, 20000, 1500},
    {"never answers, plain", serve_silence, 0, false, 0, EXCHANGE_LOST, 0, 1, 1, 20000, 1500},
    {"half a body", serve_half_a_body, TLS13, false, 0, EXCHANGE_LOST, 0, 1, 1, 20000, 20000},
    {"half a chunk", serve_half_a_chunk, TLS13, false, 0, EXCHANGE_LOST, 0, 1, 1, 20000, 20000},
    {"half a head", serve_half_a_head, TLS13, false, 0, EXCHANGE_LOST, 0, 1, 1, 20000, 20000},
    {"garbage", serve_garbage, TLS13, false, 0, EXCHANGE_LOST, 0, 1, 1, 20000, 20000},
    {"too slow", serve_half_and_wait, TLS13, false, 0, EXCHANGE_LOST, 0, 1, 1, 20000, 1500},
    {"a byte too long", serve_too_long, TLS13, false, 0, EXCHANGE_LOST, 0, 1, 1, 20000, 20000},
    {"endless", serve_endless, TLS13, false, 0, EXCHANGE_LOST, 0, 1, 1, 20000, 20000},
    {"endless headers", serve_endless_head, TLS13, false, 0, EXCHANGE_LOST, 0, 1, 1, 20000, 20000},

    {"answers", serve_answers, TLS13, false, 0, EXCHANGE_ANSWERED, 200, 1, 1, 20000, 20000},
    {"answers, 1.2", serve_answers, TLS12, false, 0, EXCHANGE_ANSWERED, 200, 1, 1, 20000, 20000},
    {"answers, plain", serve_answers, 0, false, 0, EXCHANGE_ANSWERED, 200, 1, 1, 20000, 20000},
    {"byte by byte", serve_byte_by_byte, TLS13, false, 0, EXCHANGE_ANSWERED, 200, 1, 1, 20000,
     20000},
    {"the longest", serve_longest, TLS13, false, 0, EXCHANGE_ANSWERED, 200, 1, 1, 20000, 20000},
    {"a redirect", serve_redirect, TLS13, false, 0, EXCHANGE_ANSWERED, 307, 1, 1, 20000, 20000},
    {"a redirect, plain", serve_redirect, 0, false, 0, EXCHANGE_ANSWERED, 307, 1, 1, 20000, 20000},
    {"unauthorised", serve_unauthorised, TLS13, false, 0, EXCHANGE_ANSWERED, 401, 1, 1, 20000,
     20000},
    {"100 first", serve_continue_first, TLS13, false, 0, EXCHANGE_ANSWERED, 502, 1, 1, 20000,
     20000},
};

static struct http_options options_plain(void)
{
    return (struct http_options){
        .ca_file = certificates.ca_file, .user_agent = "crsbackupd/9.9", .max_in_flight = 8};
}

static void expect(const struct filed *f, enum exchange_kind kind, int on_wire, const char *name)
{
    if (f->outcomes != 1 || f->kind != kind || f->on_wire != on_wire)
        fail_msg("%s: outcomes %d, kind %d, on_wire %d, status %d, error %s", name, f->outcomes,
                 (int)f->kind, f->on_wire, f->status, f->error);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct row *row = &rows[i];
        struct server s;
        struct client c;
        char url[64];
        const struct http_options options = options_plain();
        server_start(&s, row->serve, &certificates, row->certificate, row->tls);
        s.raw = row->raw;
        (void)snprintf(url, sizeof url, "http%s://localhost:%d/", row->tls != 0 ? "s" : "", s.port);
        client_start(&c, &options);
        assert_int_equal(client_send(&c, 1, url, row->connect_ms, row->total_ms), 0);
        if (!client_run(&c, 1, 30000))
            fail_msg("%s: no outcome", row->name);
        client_rest(&c, 20); /* time for a second outcome, or a second request */
        expect(&c.filed[1], row->kind, row->on_wire, row->name);
        if (c.filed[1].status != row->status || s.requests != row->requests)
            fail_msg("%s: status %d, requests %d", row->name, c.filed[1].status, s.requests);
        client_stop(&c);
        server_stop(&s);
    }
}

/* The trap of the sample glue: nobody else's event brings the time-out to light. */
static void test_a_lone_time_out_is_told_in_time(void **state)
{
    (void)state;
    struct server s;
    struct client c;
    char url[64];
    const struct http_options options = options_plain();
    server_start(&s, serve_silence, &certificates, CERTIFICATE_GOOD, TLS13);
    (void)snprintf(url, sizeof url, "https://localhost:%d/", s.port);
    client_start(&c, &options);
    c.transport.warm(c.transport.context, url, 1);
    while (s.ready == 0)
        client_rest(&c, 20);
    int64_t begin = client_clock(NULL).ns;
    assert_int_equal(client_send(&c, 1, url, 1000, 300), 0);
    assert_true(client_run(&c, 1, 30000));
    int64_t took_ms = (client_clock(NULL).ns - begin) / 1000000;
    assert_in_range(took_ms, 299, 2000);
    expect(&c.filed[1], EXCHANGE_LOST, 1, "lone time-out");
    assert_int_equal(http_curl_in_flight(c.http), 0);
    client_stop(&c);
    server_stop(&s);
}

static void test_what_is_on_the_wire(void **state)
{
    (void)state;
    struct server s;
    struct client c;
    char url[64];
    const struct http_options options = options_plain();
    static const struct tc3_header headers[] = {
        {"Host", "redis.tencentcloudapi.com"},
        {"Content-Type", "application/json"},
        {"X-Empty", ""},
    };
    server_start(&s, serve_answers, &certificates, CERTIFICATE_GOOD, TLS13);
    (void)snprintf(url, sizeof url, "https://localhost:%d/", s.port);
    client_start(&c, &options);
    const struct transport_request request = {.ticket = 1,
                                              .url = url,
                                              .headers = headers,
                                              .header_count = COUNT(headers),
                                              .body = "{\"a\":1}",
                                              .body_length = 7,
                                              .connect_timeout_us = 20000000,
                                              .timeout_us = 20000000};
    assert_int_equal(c.transport.send(c.transport.context, &request, NULL), 0);
    assert_true(client_run(&c, 1, 30000));
    assert_string_equal(s.head, "POST / HTTP/1.1\r\nHost: redis.tencentcloudapi.com\r\n"
                                "User-Agent: crsbackupd/9.9\r\nAccept: */*\r\n"
                                "Content-Type: application/json\r\nX-Empty:\r\n"
                                "Content-Length: 7\r\n\r\n");
    assert_string_equal(s.body, "{\"a\":1}");
    assert_string_equal(c.filed[1].body, "{}");
    assert_int_equal(c.filed[1].date_second, 1795489200);
    client_stop(&c);
    server_stop(&s);
}

/* ---- no server at all ---- */

static void test_nobody_there(void **state)
{
    (void)state;
    struct client c;
    char refused[64];
    const struct http_options options = options_plain();
    (void)snprintf(refused, sizeof refused, "https://localhost:%d/", closed_port());
    const char *const urls[] = {refused,
                                "https://nowhere.test/",
                                "ftp://localhost/",
                                "file:///etc/hostname",
                                "https://localhost:99999/",
                                "nonsense://x/"};
    client_start(&c, &options);
    for (size_t i = 0; i < COUNT(urls); i++) {
        assert_int_equal(client_send(&c, i + 1, urls[i], 1000, 2000), 0);
        assert_true(client_run(&c, (int)i + 1, 30000));
        expect(&c.filed[i + 1], EXCHANGE_NOT_SENT, 0, urls[i]);
    }
    client_stop(&c);
}

/* The resolver's thread is stuck; the loop must not wait for it. */
static void test_a_name_that_takes_long(void **state)
{
    (void)state;
    struct client c;
    const struct http_options options = options_plain();
    client_start(&c, &options);
    int64_t begin = client_clock(NULL).ns;
    assert_int_equal(client_send(&c, 1, "https://slow.test/", 150, 20000), 0);
    assert_int_equal(client_send(&c, 2, "https://slow.test/", 20000, 20000), 0);
    assert_true(client_run(&c, 1, 30000));
    c.transport.cancel(c.transport.context, 2);
    int64_t took_ms = (client_clock(NULL).ns - begin) / 1000000;
    assert_in_range(took_ms, 149, SLOW_NAME_MS - 500);
    expect(&c.filed[1], EXCHANGE_NOT_SENT, 0, "name, time-out");
    expect(&c.filed[2], EXCHANGE_NOT_SENT, 0, "name, cancelled");
    client_stop(&c);
}

/* libcurl goes on to the second address, on a new socket with the number of the first. */
static void test_a_name_with_two_addresses(void **state)
{
    (void)state;
    struct server s;
    struct client c;
    char url[64];
    const struct http_options options = options_plain();
    server_start(&s, serve_answers, &certificates, CERTIFICATE_GOOD, 0);
    struct clog clogged = clog_queue(s.port);
    (void)snprintf(url, sizeof url, "http://two.test:%d/", s.port);
    client_start(&c, &options);
    assert_int_equal(client_send(&c, 1, url, 3000, 20000), 0);
    assert_true(client_run(&c, 1, 30000));
    expect(&c.filed[1], EXCHANGE_ANSWERED, 1, "second address");
    assert_int_equal(s.requests, 1);
    client_stop(&c);
    unclog(&clogged);
    server_stop(&s);
}

/* ---- proxies ---- */

static void serve_proxy_forbids(struct server *s, struct peer *p)
{
    (void)s;
    answer_with(p, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
}

static void serve_proxy_wants_a_name(struct server *s, struct peer *p)
{
    (void)s;
    answer_with(p, "HTTP/1.1 407 Proxy Authentication Required\r\n"
                   "Proxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n");
}

static void serve_proxy_then_hangs_up(struct server *s, struct peer *p)
{
    (void)s;
    answer_with(p, "HTTP/1.1 200 Connection established\r\n\r\n");
}

static void serve_proxy_bad_gateway_long(struct server *s, struct peer *p)
{
    (void)s;
    answer_with(p, "HTTP/1.1 502 Bad Gateway\r\nDate: Tue, 24 Nov 2026 03:00:00 GMT\r\n"
                   "Content-Length: 5\r\n\r\nhello");
}

static void test_proxies_that_fail(void **state)
{
    (void)state;
    static void (*const proxies[])(struct server *, struct peer *) = {
        serve_proxy_forbids,
        serve_proxy_wants_a_name,
        serve_proxy_then_hangs_up,
        serve_proxy_bad_gateway_long,
        serve_hang_up,
        serve_garbage,
        serve_silence,
    };
    for (size_t i = 0; i < COUNT(proxies); i++) {
        struct server proxy;
        struct server target;
        struct client c;
        char url[64];
        char proxy_url[64];
        server_start(&proxy, proxies[i], &certificates, CERTIFICATE_GOOD, 0);
        server_start(&target, serve_answers, &certificates, CERTIFICATE_GOOD, TLS13);
        (void)snprintf(url, sizeof url, "https://localhost:%d/", target.port);
        (void)snprintf(proxy_url, sizeof proxy_url, "http://127.0.0.1:%d", proxy.port);
        struct http_options options = options_plain();
        options.proxy = proxy_url;
        client_start(&c, &options);
        assert_int_equal(client_send(&c, 1, url, 1000, 20000), 0);
        assert_true(client_run(&c, 1, 30000));
        expect(&c.filed[1], EXCHANGE_NOT_SENT, 0, "proxy");
        assert_int_equal(proxy.connections, 1);
        assert_int_equal(target.connections, 0); /* not around it either */
        client_stop(&c);
        server_stop(&proxy);
        server_stop(&target);
    }
}

static void test_a_proxy_that_works(void **state)
{
    (void)state;
    struct server proxy;
    struct server target;
    struct client c;
    char url[64];
    char proxy_url[64];
    server_start(&proxy, serve_tunnel, &certificates, CERTIFICATE_GOOD, 0);
    server_start(&target, serve_answers, &certificates, CERTIFICATE_GOOD, TLS13);
    (void)snprintf(url, sizeof url, "https://localhost:%d/", target.port);
    (void)snprintf(proxy_url, sizeof proxy_url, "http://127.0.0.1:%d", proxy.port);
    struct http_options options = options_plain();
    options.proxy = proxy_url;
    client_start(&c, &options);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(client_send(&c, i, url, 20000, 20000), 0);
        assert_true(client_run(&c, (int)i, 30000));
        expect(&c.filed[i], EXCHANGE_ANSWERED, 1, "through a proxy");
    }
    assert_int_equal(proxy.connections, 1);
    assert_int_equal(target.connections, 1);
    assert_int_equal(target.requests, 3);
    assert_null(strstr(target.head, "Proxy"));
    client_stop(&c);
    server_stop(&proxy);
    server_stop(&target);
}

/* ---- what is refused at once ---- */

static void test_refused_requests(void **state)
{
    (void)state;
    static const struct tc3_header bad[] = {
        {"X-A", "a\r\nX-B: b"}, {"X-A\n", "a"}, {"X A", "a"}, {"X:A", "a"}, {"", "a"}, {"X;", ""},
    };
    struct client c;
    const struct http_options options = options_plain();
    client_start(&c, &options);
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct errtext err = {""};
        const struct transport_request request = {.ticket = 1,
                                                  .url = "https://localhost/",
                                                  .headers = &bad[i],
                                                  .header_count = 1,
                                                  .body = "",
                                                  .timeout_us = 1000000};
        assert_int_equal(c.transport.send(c.transport.context, &request, &err), -EINVAL);
        assert_string_not_equal(err.text, "");
    }
    const struct transport_request request = {.ticket = 1, .url = "https://a\r\nb/", .body = ""};
    assert_int_equal(c.transport.send(c.transport.context, &request, NULL), -EINVAL);
    client_rest(&c, 20);
    assert_int_equal(c.outcomes, 0);
    assert_int_equal(http_curl_in_flight(c.http), 0);
    client_stop(&c);
}

static void test_no_more_than_allowed(void **state)
{
    (void)state;
    struct server s;
    struct client c;
    char url[64];
    const struct http_options options = options_plain();
    server_start(&s, serve_silence, &certificates, CERTIFICATE_GOOD, 0);
    (void)snprintf(url, sizeof url, "http://localhost:%d/", s.port);
    client_start(&c, &options);
    for (uint64_t i = 1; i <= 8; i++)
        assert_int_equal(client_send(&c, i, url, 1000, 800), 0);
    assert_int_equal(client_send(&c, 9, url, 1000, 800), -EAGAIN);
    c.transport.warm(c.transport.context, url, 2); /* takes no place of theirs */
    assert_int_equal(http_curl_in_flight(c.http), 8);
    assert_true(client_run(&c, 8, 30000));
    assert_int_equal(client_send(&c, 9, url, 1000, 100), 0);
    assert_true(client_run(&c, 9, 30000));
    for (uint64_t i = 1; i <= 9; i++)
        expect(&c.filed[i], EXCHANGE_LOST, 1, "of nine");
    client_stop(&c);
    server_stop(&s);
}

/* ---- CA files ---- */

/* test_certificates has more of them. */
static void test_ca_files(void **state)
{
    (void)state;
    static const char *const files[] = {
        "nothing of the kind\n",
        "-----BEGIN CERTIFICATE-----\nMIIAAAA\n-----END CERTIFICATE-----\n",
    };
    char path[128];
    uv_loop_t loop;
    const struct http_sink sink = {.clock = client_clock};
    assert_int_equal(uv_loop_init(&loop), 0);
    (void)snprintf(path, sizeof path, "%s/bad.pem", certificates.directory);
    struct http_options options = options_plain();
    options.ca_file = path;
    struct http_curl *untouched = NULL;
    struct errtext err;
    assert_int_equal(http_curl_create(&loop, &options, &sink, &untouched, &err), -ENOENT);
    assert_non_null(strstr(err.text, path));
    for (size_t i = 0; i < COUNT(files); i++) {
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(files[i], file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(http_curl_create(&loop, &options, &sink, &untouched, &err), -EINVAL);
        assert_non_null(strstr(err.text, path));
    }
    options.ca_file = certificates.directory;
    assert_int_equal(http_curl_create(&loop, &options, &sink, &untouched, &err), -EISDIR);
    options = options_plain();
    options.proxy = "proxy:3128";
    assert_int_equal(http_curl_create(&loop, &options, &sink, &untouched, &err), -EINVAL);
    options.proxy = "ftp://proxy:3128";
    assert_int_equal(http_curl_create(&loop, &options, &sink, &untouched, &err), -EINVAL);
    assert_null(untouched);
    (void)unlink(path);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* A CA that signed nothing here: the system's directory must not help out. */
static void test_only_the_ca_file_is_trusted(void **state)
{
    (void)state;
    struct server s;
    struct client c;
    char url[64];
    struct http_options options = options_plain();
    options.ca_file = certificates.other_ca_file;
    server_start(&s, serve_answers, &certificates, CERTIFICATE_GOOD, TLS13);
    (void)snprintf(url, sizeof url, "https://localhost:%d/", s.port);
    client_start(&c, &options);
    assert_int_equal(client_send(&c, 1, url, 20000, 20000), 0);
    assert_true(client_run(&c, 1, 30000));
    expect(&c.filed[1], EXCHANGE_NOT_SENT, 0, "another CA");
    assert_int_equal(s.requests, 0);
    client_stop(&c);
    server_stop(&s);
}

/* An argument chooses tests by a pattern. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_a_lone_time_out_is_told_in_time),
        cmocka_unit_test(test_what_is_on_the_wire),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_a_name_that_takes_long),
        cmocka_unit_test(test_a_name_with_two_addresses),
        cmocka_unit_test(test_proxies_that_fail),
        cmocka_unit_test(test_a_proxy_that_works),
        cmocka_unit_test(test_refused_requests),
        cmocka_unit_test(test_no_more_than_allowed),
        cmocka_unit_test(test_ca_files),
        cmocka_unit_test(test_only_the_ca_file_is_trusted),
    };
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    client_environment();
    certificates_make(&certificates);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    certificates_finish(&certificates);
    return failed;
}
