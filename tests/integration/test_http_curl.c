/* The transport against purpose-made servers: what is filed, and what the server saw. */
#include "client.h"
#include "peer.h"
#include "unit.h"

#include <stdio.h>

static struct certificates certificates;

static void test_answers_and_warms(void **state)
{
    (void)state;
    struct server s;
    struct client c;
    char url[64];
    server_start(&s, serve_answers, &certificates, CERTIFICATE_GOOD, TLS1_3_VERSION);
    (void)snprintf(url, sizeof url, "https://localhost:%d/", s.port);
    const struct http_options options = {
        .ca_file = certificates.ca_file, .user_agent = "crsbackupd/0", .max_in_flight = 32};
    client_start(&c, &options);
    assert_int_equal(client_send(&c, 1, url, 1000, 2000), 0);
    assert_true(client_run(&c, 1, 3000));
    assert_int_equal(c.filed[1].status, 200);
    assert_int_equal(client_send(&c, 2, url, 1000, 2000), 0);
    assert_int_equal(c.filed[2].on_wire, 1); /* at once, on the open connection */
    assert_true(client_run(&c, 2, 3000));
    assert_int_equal(s.connections, 1);
    c.transport.warm(c.transport.context, url, 3);
    client_rest(&c, 300);
    assert_int_equal(s.handshakes, 3);
    assert_int_equal(s.requests, 2);
    client_stop(&c);
    server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers_and_warms)};
    certificates_make(&certificates);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    certificates_finish(&certificates);
    return failed;
}
