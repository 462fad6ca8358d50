/* A transport on a loop of its own, and what it filed. */
#pragma once

#include "ports/http_curl.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#define CLIENT_TICKETS 128

struct filed {
    int on_wire;
    int outcomes;
    enum exchange_kind kind;
    int status;
    int64_t date_second;
    size_t body_length;
    char body[256]; /* its beginning */
    char error[256];
    bool arrived; /* client.requests was positive at the instant that on_wire told */
    struct mono ended_at;
    int order; /* of its outcome among all */
};

struct client {
    uv_loop_t loop;
    uv_timer_t limit;
    struct http_curl *http;
    struct transport transport;
    bool brings_keys;                   /* of the requests to come */
    struct filed filed[CLIENT_TICKETS]; /* by ticket */
    int outcomes;                       /* of all tickets */
    bool late;
    bool closed;
    const atomic_int *requests; /* each look at the clock waits for it to be positive; NULL: none */
    struct mono looked_at;      /* the last look at the clock, and what became of the wait */
    bool arrived;
};

#define ARRIVAL_WAIT_MS                                                      \
    5000 /* of a look at the clock: a process that loses its processor there \
          */

/*
 * For main(): proxies in the environment that nobody may ask, and no death by SIGPIPE. Names below
 * .test never reach the system's resolver: "slow.test" takes SLOW_NAME_MS and is then unknown like
 * the others; "two.test" has the addresses 127.0.0.3 and 127.0.0.1, in this order.
 */
#define SLOW_NAME_MS 4000
void client_environment(void);

void client_start(struct client *c, const struct http_options *options);
void client_stop(struct client *c);

/* Tickets count from 1. Time-outs in milliseconds. Returns what send() does. */
int client_send(struct client *c, uint64_t ticket, const char *url, int connect_ms, int total_ms);

/* Turns the loop until `outcomes` outcomes have come in all; false after `limit_ms`. */
bool client_run(struct client *c, int outcomes, int limit_ms);

/* Turns the loop for so long. */
void client_rest(struct client *c, int ms);

struct mono client_clock(void *unused);
