/*
 * The metrics' server by itself, on a loop of its own: how much of a page one iteration makes, and
 * that each page is closed once whatever becomes of its client. The clients are threads with plain
 * sockets.
 */
#include "unit.h"

#include "ports/metrics_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define CLIENTS 8
#define PAGE (4L * 1024 * 1024)

struct world {
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_timer_t alarm; /* a test that hangs fails */
    struct metrics_http *http;
    int port;
    long page_size;
    long break_after; /* -1: never */
    int opened;
    int closed;
    int pieces;      /* of all pages, in the present iteration */
    int most_pieces; /* in any iteration */
    uv_timer_t look; /* whether the test is over */
};

struct page {
    struct world *world;
    long left;
};

static void *open_page(void *context)
{
    struct world *world = context;
    struct page *page = calloc(1, sizeof *page);
    assert_non_null(page);
    *page = (struct page){world, world->page_size};
    world->opened++;
    return page;
}

static ptrdiff_t read_page(void *context, char *buffer, size_t room)
{
    struct page *page = context;
    struct world *world = page->world;
    if (++world->pieces > world->most_pieces)
        world->most_pieces = world->pieces;
    if (world->break_after >= 0 && world->page_size - page->left > world->break_after)
        return -1;
    size_t length = page->left < (long)room ? (size_t)page->left : room;
    memset(buffer, 'x', length);
    page->left -= (long)length;
    return (ptrdiff_t)length;
}

static void close_page(void *context)
{
    struct page *page = context;
    page->world->closed++;
    free(page);
}

static bool why_not_ready(void *context, char ret_text[METRICS_HTTP_TEXT_MAX])
{
    (void)context;
    (void)ret_text;
    return false;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct world *world = prepare->data;
    world->pieces = 0;
}

static void on_alarm(uv_timer_t *alarm)
{
    (void)alarm;
    fail_msg("nothing happens any more");
}

static void stop(struct world *world)
{
    metrics_http_close(world->http);
    world->http = NULL;
    uv_close((uv_handle_t *)&world->prepare, NULL);
    uv_close((uv_handle_t *)&world->alarm, NULL);
    uv_close((uv_handle_t *)&world->look, NULL);
}

static struct world *start(long page_size, uv_timer_cb look)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->page_size = page_size;
    world->break_after = -1;
    assert_int_equal(uv_loop_init(&world->loop), 0);
    assert_int_equal(uv_prepare_init(&world->loop, &world->prepare), 0);
    assert_int_equal(uv_timer_init(&world->loop, &world->alarm), 0);
    assert_int_equal(uv_timer_init(&world->loop, &world->look), 0);
    world->prepare.data = world->alarm.data = world->look.data = world;
    assert_int_equal(uv_timer_start(&world->look, look, 10, 10), 0);
    assert_int_equal(uv_prepare_start(&world->prepare, on_prepare), 0);
    assert_int_equal(uv_timer_start(&world->alarm, on_alarm, 60000, 0), 0);
    const struct metrics_http_source source = {world, open_page, read_page, close_page,
                                               why_not_ready};
    int r = -EADDRINUSE;
    for (world->port = 20000 + getpid() % 20000; r == -EADDRINUSE; world->port++) {
        char listen_at[32];
        (void)snprintf(listen_at, sizeof listen_at, "127.0.0.1:%d", world->port);
        r = metrics_http_create(&world->loop, listen_at, &source, &world->http, NULL);
    }
    world->port--;
    assert_int_equal(r, 0);
    return world;
}

static void run(struct world *world)
{
    assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    assert_int_equal(world->opened, world->closed);
    free(world);
}

/* ---- clients ---- */

struct client {
    struct world *world;
    pthread_t thread;
    long read_most; /* then it leaves */
    long got;
    char last[8]; /* bytes */
};

static int ask(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
        (void)!send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
    return fd;
}

static void *scrape(void *context)
{
    struct client *client = context;
    char buffer[65536];
    int fd = ask(client->world->port);
    for (ssize_t n;
         client->got < client->read_most && (n = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
        client->got += n;
        size_t kept = (size_t)n < sizeof client->last ? (size_t)n : sizeof client->last;
        memmove(client->last, client->last + kept, sizeof client->last - kept);
        memcpy(client->last + sizeof client->last - kept, buffer + n - kept, kept);
    }
    (void)close(fd);
    return NULL;
}

static struct client clients[CLIENTS];

static void begin_clients(struct world *world, long read_most)
{
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.world = world, .read_most = read_most};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, scrape, &clients[i]), 0);
    }
}

static void when_all_are_closed(uv_timer_t *look)
{
    struct world *world = look->data;
    if (world->opened == CLIENTS && world->closed == CLIENTS)
        stop(world);
}

static void join_clients(void)
{
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
}

/* ---- tests ---- */

static void an_iteration_makes_few_pieces(void **state)
{
    (void)state;
    struct world *world = start(PAGE, when_all_are_closed);
    int most_pieces = 0;
    begin_clients(world, PAGE * 2);
    assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
    most_pieces = world->most_pieces;
    join_clients();
    run(world);
    /* At most by the descriptor and by the idle handle, and a first one with the head. */
    assert_in_range(most_pieces, 1, 3 * CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(clients[i].got > PAGE);
        assert_memory_equal(clients[i].last + 3, "0\r\n\r\n", 5);
    }
}

static void clients_that_leave_close_their_pages(void **state)
{
    (void)state;
    struct world *world = start(PAGE, when_all_are_closed);
    begin_clients(world, 100000);
    assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
    join_clients();
    run(world);
}

static void a_page_that_breaks_off_has_no_end(void **state)
{
    (void)state;
    struct world *world = start(PAGE, when_all_are_closed);
    world->break_after = PAGE / 2;
    begin_clients(world, PAGE * 2);
    assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
    join_clients();
    run(world);
    for (int i = 0; i < CLIENTS; i++) {
        assert_in_range(clients[i].got, 1, PAGE);
        assert_memory_not_equal(clients[i].last + 3, "0\r\n\r\n", 5);
    }
}

static void when_one_is_open(uv_timer_t *look)
{
    struct world *world = look->data;
    if (world->opened > 0)
        stop(world);
}

static void closing_ends_pages_and_connections(void **state)
{
    (void)state;
    struct world *world = start(64 * PAGE, when_one_is_open);
    begin_clients(world, 128 * PAGE);
    assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
    join_clients();
    run(world);
}

static void what_cannot_be_listened_at_is_told(void **state)
{
    (void)state;
    struct world *world = start(1, when_all_are_closed);
    const struct metrics_http_source source = {world, open_page, read_page, close_page,
                                               why_not_ready};
    struct metrics_http *second = NULL;
    struct errtext err = {""};
    char listen_at[32];
    (void)snprintf(listen_at, sizeof listen_at, "127.0.0.1:%d", world->port);
    assert_int_equal(metrics_http_create(&world->loop, listen_at, &source, &second, &err),
                     -EADDRINUSE);
    assert_non_null(strstr(err.text, listen_at));
    assert_int_equal(metrics_http_create(&world->loop, "192.0.2.1:9", &source, &second, &err),
                     -EADDRNOTAVAIL);
    assert_null(second);
    metrics_http_close(NULL);
    stop(world);
    run(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_iteration_makes_few_pieces),
        cmocka_unit_test(clients_that_leave_close_their_pages),
        cmocka_unit_test(a_page_that_breaks_off_has_no_end),
        cmocka_unit_test(closing_ends_pages_and_connections),
        cmocka_unit_test(what_cannot_be_listened_at_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
