/*
 * The certificates that peers are verified against: read beside the loop and by nobody else, kept,
 * read again, and without them no connection.
 */
#include "client.h"
#include "peer.h"
#include "unit.h"

#include <openssl/pem.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct certificates certificates;
static char ca_file[128]; /* of the configuration */

/* ---- who reads certificates ---- */

static pthread_t loop_thread;
static atomic_int read_beside; /* certificates */
static atomic_int read_on_loop;
static atomic_bool disk_hangs;

X509 *__real_PEM_read_bio_X509_AUX(BIO *bio, X509 **x, pem_password_cb *ask, void *context);
X509 *__wrap_PEM_read_bio_X509_AUX(BIO *bio, X509 **x, pem_password_cb *ask, void *context);

X509 *__wrap_PEM_read_bio_X509_AUX(BIO *bio, X509 **x, pem_password_cb *ask, void *context)
{
    while (atomic_load(&disk_hangs))
        (void)usleep(1000);
    atomic_fetch_add(pthread_equal(pthread_self(), loop_thread) ? &read_on_loop : &read_beside, 1);
    return __real_PEM_read_bio_X509_AUX(bio, x, ask, context);
}

/* libcurl's ways to read any; these take the place of OpenSSL's for it. */
int X509_STORE_load_file(X509_STORE *store, const char *file)
{
    (void)store;
    (void)file;
    atomic_fetch_add(&read_on_loop, 1);
    return 0;
}

int X509_STORE_load_path(X509_STORE *store, const char *path)
{
    (void)store;
    (void)path;
    atomic_fetch_add(&read_on_loop, 1);
    return 0;
}

/* ---- the tests ---- */

struct world {
    struct server server;
    struct client client;
    char url[64];
};

static struct http_options options_with(const char *file)
{
    return (struct http_options){.ca_file = file,
                                 .ca_is_checked = true,
                                 .user_agent = "crsbackupd/9.9",
                                 .max_in_flight = 32};
}

static void world_start(struct world *w, const char *file)
{
    const struct http_options options = options_with(file);
    atomic_store(&read_beside, 0);
    atomic_store(&read_on_loop, 0);
    server_start(&w->server, serve_answers, &certificates, CERTIFICATE_GOOD, TLS1_3_VERSION);
    (void)snprintf(w->url, sizeof w->url, "https://localhost:%d/", w->server.port);
    client_start(&w->client, &options);
}

static void world_stop(struct world *w)
{
    client_stop(&w->client);
    server_stop(&w->server);
    assert_int_equal(read_on_loop, 0);
}

static const struct filed *ask(struct world *w, uint64_t ticket)
{
    int outcomes = w->client.outcomes + 1;
    assert_int_equal(client_send(&w->client, ticket, w->url, 20000, 30000), 0);
    assert_true(client_run(&w->client, outcomes, 30000));
    return &w->client.filed[ticket];
}

static void expect(const struct filed *f, enum exchange_kind kind, const char *word)
{
    if (f->kind != kind || strstr(f->error, word) == NULL)
        fail_msg("kind %d, error %s, not %s", (int)f->kind, f->error, word);
}

/* As an editor does it: another file of the name. NULL: none. */
static void put(const char *from)
{
    char bytes[8192];
    char fresh[160];
    (void)unlink(ca_file);
    if (from == NULL)
        return;
    (void)snprintf(fresh, sizeof fresh, "%s.new", ca_file);
    FILE *in = fopen(from, "re");
    FILE *out = fopen(fresh, "we");
    assert_true(in != NULL && out != NULL);
    size_t length = fread(bytes, 1, sizeof bytes, in);
    assert_int_equal(fwrite(bytes, 1, length, out), length);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(rename(fresh, ca_file), 0);
}

static void test_read_once_and_beside_the_loop(void **state)
{
    (void)state;
    struct world w;
    put(certificates.ca_file);
    world_start(&w, ca_file);
    client_rest(&w.client, 20);
    assert_int_equal(read_beside, 0); /* not before somebody needs them */
    expect(ask(&w, 1), EXCHANGE_ANSWERED, "");
    int count = read_beside;
    assert_true(count > 0);
    w.client.brings_keys = true; /* a connection of its own */
    expect(ask(&w, 2), EXCHANGE_ANSWERED, "");
    assert_int_equal(w.server.connections, 2);
    assert_int_equal(read_beside, count);
    world_stop(&w);
}

static void test_those_of_the_system(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, NULL);
    expect(ask(&w, 1), EXCHANGE_NOT_SENT, "certificate");
    assert_int_equal(w.server.requests, 0);
    assert_true(read_beside > 10);
    world_stop(&w);
}

static void test_without_any_none_is_trusted(void **state)
{
    (void)state;
    struct world w;
    put(NULL);
    world_start(&w, ca_file);
    const struct filed *f = ask(&w, 1);
    expect(f, EXCHANGE_NOT_SENT, ca_file);
    expect(f, EXCHANGE_NOT_SENT, "; name a PEM file");
    assert_int_equal(w.server.requests, 0);
    put(certificates.ca_file);
    client_rest(&w.client, 1100);
    expect(ask(&w, 2), EXCHANGE_ANSWERED, ""); /* it waited for them */
    world_stop(&w);
}

static void test_another_file_is_seen_once_a_peer_is_refused(void **state)
{
    (void)state;
    struct world w;
    put(certificates.other_ca_file);
    world_start(&w, ca_file);
    expect(ask(&w, 1), EXCHANGE_NOT_SENT, "");
    assert_int_equal(w.server.requests, 0);
    put(certificates.ca_file);
    for (uint64_t i = 2; i < 30 && w.client.filed[i - 1].kind != EXCHANGE_ANSWERED; i++) {
        client_rest(&w.client, 300);
        (void)ask(&w, i);
    }
    assert_int_equal(w.server.requests, 1);
    world_stop(&w);
}

static void test_a_reload_trusts_the_new_ones_alone(void **state)
{
    (void)state;
    struct world w;
    struct errtext err = {""};
    put(certificates.ca_file);
    world_start(&w, ca_file);
    expect(ask(&w, 1), EXCHANGE_ANSWERED, "");
    put(certificates.other_ca_file);
    const struct http_options options = options_with(ca_file);
    assert_int_equal(http_curl_reload(w.client.http, &options, &err), 0);
    expect(ask(&w, 2), EXCHANGE_NOT_SENT, "");
    assert_int_equal(w.server.requests, 1);
    world_stop(&w);
}

static void test_a_disk_that_hangs_holds_nothing_for_ever(void **state)
{
    (void)state;
    struct world w;
    put(certificates.ca_file);
    world_start(&w, ca_file);
    atomic_store(&disk_hangs, true);
    assert_int_equal(client_send(&w.client, 1, w.url, 20000, 30000), 0);
    w.client.transport.cancel(w.client.transport.context, 1);
    expect(&w.client.filed[1], EXCHANGE_NOT_SENT, "cancelled");
    expect(ask(&w, 2), EXCHANGE_NOT_SENT, "still being read");
    assert_int_equal(w.server.requests, 0);
    atomic_store(&disk_hangs, false);
    for (uint64_t i = 3; i < 30 && w.server.requests == 0; i++) {
        client_rest(&w.client, 100);
        (void)ask(&w, i);
    }
    assert_int_equal(w.server.requests, 1);
    world_stop(&w);
}

static void test_close_while_they_are_read(void **state)
{
    (void)state;
    struct world w;
    put(certificates.ca_file);
    world_start(&w, ca_file);
    assert_int_equal(client_send(&w.client, 1, w.url, 20000, 30000), 0);
    w.client.transport.warm(w.client.transport.context, w.url, 2);
    world_stop(&w);
    expect(&w.client.filed[1], EXCHANGE_NOT_SENT, "stopping");
}

/* An argument chooses tests by a pattern. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_once_and_beside_the_loop),
        cmocka_unit_test(test_those_of_the_system),
        cmocka_unit_test(test_without_any_none_is_trusted),
        cmocka_unit_test(test_another_file_is_seen_once_a_peer_is_refused),
        cmocka_unit_test(test_a_reload_trusts_the_new_ones_alone),
        cmocka_unit_test(test_a_disk_that_hangs_holds_nothing_for_ever),
        cmocka_unit_test(test_close_while_they_are_read),
    };
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    client_environment();
    loop_thread = pthread_self();
    certificates_make(&certificates);
    (void)snprintf(ca_file, sizeof ca_file, "%s/configured.pem", certificates.directory);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(ca_file);
    certificates_finish(&certificates);
    return failed;
}
