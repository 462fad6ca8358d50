/*
 * The ledger's thread: takes what is queued, writes it, hands the answers back.
 *
 * One mutex guards all that both threads touch. The thread owns the connection and nothing else of
 * the process; it tells of itself through `notify`, which it calls with the mutex held and which
 * must only wake the loop.
 *
 *   IDLE ──something is queued──▶ WRITING ──durable──▶ IDLE
 *                                  │   ▲
 *                                fails │ every LEDGER_RETRY_NS, the oldest items first
 *                                  ▼   │
 *                                 FAILING ──told to stop, time is up──▶ gives up ──▶ ended
 *
 * What fails is answered where somebody waits (a ticket), and kept where nobody does.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"
#include "engine/model.h"
#include "ports/ledger_rows.h"
#include "ports/ledger_sqlite.h"

#include <stdbool.h>
#include <stdint.h>

#define LEDGER_RETRY_NS NS_PER_SECOND
#define LEDGER_BATCH_MAX 16384 /* items of one transaction */
#define LEDGER_PROBE_MAX 64    /* the same while the disk fails */
#define LEDGER_SWEEP_PERIOD_NS (3600 * NS_PER_SECOND)
#define LEDGER_SWEEP_PAUSE_NS (50 * NS_PER_SECOND / 1000)
#define LEDGER_LATE_CHAINS 256

struct ledger_worker;

struct ledger_worker_options {
    const char *file; /* copied */
    int64_t keep_us;
    int64_t trial_ns; /* of the clock; sweeps are no further apart than this either */
    unsigned queue_max;
    void (*notify)(void *context);
    void *context;
};

/* What the thread has to say, taken all at once. */
struct ledger_news {
    struct ledger_item *answered; /* in order; the taker frees them */
    bool failed;                  /* the disk failed since the last news, as `text` says */
    bool ok;                      /* and how it is now */
    bool ended;                   /* the thread is about to return */
    unsigned lost;                /* `ended`: entries that were given up */
    struct errtext text;
};

/* Opens the file and starts the thread. Outcomes: those of ledger_rows_open(); -EAGAIN. */
int ledger_worker_create(const struct ledger_worker_options *options, struct ledger_worker **ret,
                         struct errtext *err) MUST_CHECK;

/* Takes the item over on 0. Outcomes: 0; -EAGAIN, full; -ENOMEM; -ESHUTDOWN, stopping. */
int ledger_worker_put(struct ledger_worker *worker, struct ledger_item *item_take) MUST_CHECK;

/* The same for a horizon, which is never refused; NULL: there was no memory for it. */
void ledger_worker_put_horizon(struct ledger_worker *worker, struct ledger_item *item_take);

/* A pause, or the end of one, that is not durable yet. */
struct ledger_pause {
    struct wall until;
    char schedule[MODEL_NAME_MAX + 1];
};

/*
 * Copies of all of those, oldest first; the caller frees *ret. One that is missing here was durable
 * before this returned. Outcomes: 0; -ENOMEM.
 */
int ledger_worker_pauses(struct ledger_worker *worker, struct ledger_pause **ret,
                         size_t *ret_count) MUST_CHECK;

/* A horizon that is not durable yet. Outcomes: of struct ledger's horizon(). */
int ledger_worker_horizon(struct ledger_worker *worker, const char *schedule, const char *rule,
                          struct wall *ret) MUST_CHECK;

/* From the next sweep on. */
void ledger_worker_set_keep(struct ledger_worker *worker, int64_t keep_us);

void ledger_worker_take_news(struct ledger_worker *worker, struct ledger_news *ret);
void ledger_worker_read_figures(struct ledger_worker *worker, struct ledger_figures *ret);

/* Writes what is there and ends; gives up what cannot be written after `patience_ns`. */
void ledger_worker_stop(struct ledger_worker *worker, int64_t patience_ns);

/*
 * Waits for the thread's return and frees all; after news of `ended`, or where nothing was ever
 * put. NULL is fine.
 */
void ledger_worker_destroy(struct ledger_worker *worker);

/*
 * Instead of it, where the thread hangs in a call of the system: `notify` is called no more, and
 * the thread, should it ever come back, frees all by itself.
 */
void ledger_worker_abandon(struct ledger_worker *worker);
