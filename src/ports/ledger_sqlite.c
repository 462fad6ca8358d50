/*
 * See ledger_sqlite.h. This is the loop's side: the port's functions make items for the worker
 * (ledger_worker.h), and its news come by one uv_async and are handed to the sink.
 *
 *   OPEN ──close──▶ STOPPING ──the worker ended──────────▶ CLOSING ──both handles closed──▶ CLOSED
 *                      └──it hangs: abandoned by the timer──▲
 *
 * An abandoned worker may still hold the file: then the lock is kept, so that no second process
 * writes beside it, and ends with the process.
 */
#include "ports/ledger_sqlite.h"

#include "engine/model.h"
#include "ports/ledger_clock.h"
#include "ports/ledger_lock.h"
#include "ports/ledger_reader.h"
#include "ports/ledger_rows.h"
#include "ports/ledger_worker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define READER_IDLE_MS 1000

/*
 * Memory for so many entries without a ticket is kept for when there is none: they tell of what has
 * happened already, and nobody would tell it again before the next start.
 */
#define SPARES 16

struct ledger_sqlite {
    struct ledger_sqlite_sink sink;
    struct ledger_worker *worker; /* NULL: ended or abandoned */
    struct ledger_reader *reader; /* open for READER_IDLE_MS after it was wanted */
    char *file;
    struct ledger_lock lock;
    void *spares[SPARES]; /* NULL: used */
    bool closing;
    bool told_ok;
    uv_async_t async;
    uv_timer_t timer; /* the reader's end; from close on, our patience */
    int handles;
    void (*done)(void *context);
    void *done_context;
};

/* ---- the port ---- */

static void drop_reader(struct ledger_sqlite *ledger)
{
    ledger_reader_close(ledger->reader);
    ledger->reader = NULL;
}

/* Reading is over: the reader's memory is given back. */
static void on_read(uv_timer_t *timer)
{
    drop_reader(timer->data);
}

static int want_reader(struct ledger_sqlite *ledger)
{
    if (ledger->reader != NULL)
        return 0;
    if (ledger->closing)
        return -ESHUTDOWN;
    int r = ledger_reader_open(ledger->file, &ledger->reader, NULL);
    if (r == 0)
        r = uv_timer_start(&ledger->timer, on_read, READER_IDLE_MS, 0);
    return r;
}

/* NULL: there was no memory for it. */
static int put(struct ledger_sqlite *ledger, struct ledger_item *item_take)
{
    if (item_take == NULL)
        return -ENOMEM;
    int r = ledger_worker_put(ledger->worker, item_take);
    if (r < 0)
        free(item_take);
    return r;
}

/* One that is there, where any is; those that were used are sought anew. */
static void **spare_of(struct ledger_sqlite *ledger)
{
    void **found = &ledger->spares[0];
    for (size_t i = 0; i < SPARES; i++) {
        if (ledger->spares[i] == NULL)
            ledger->spares[i] = malloc(LEDGER_ITEM_SIZE_MAX);
        if (ledger->spares[i] != NULL)
            found = &ledger->spares[i];
    }
    return found;
}

static int port_append(void *context, const struct ledger_entry *entry)
{
    struct ledger_sqlite *ledger = context;
    if (ledger->worker == NULL)
        return -ESHUTDOWN;
    void *none = NULL;
    bool has_ticket = entry->kind == LEDGER_STARTED && entry->ticket != 0;
    return put(ledger, ledger_item_of_entry(entry, has_ticket ? &none : spare_of(ledger)));
}

static int port_set_pause(void *context, const char *schedule, struct wall until)
{
    struct ledger_sqlite *ledger = context;
    return ledger->worker == NULL ? -ESHUTDOWN : put(ledger, ledger_item_of_pause(schedule, until));
}

static int port_pauses(void *context, ledger_pause_fn each, void *each_context)
{
    struct ledger_sqlite *ledger = context;
    struct ledger_pause *queued;
    size_t count;
    if (ledger->worker == NULL)
        return -ESHUTDOWN;
    int r = ledger_worker_pauses(ledger->worker, &queued, &count);
    if (r < 0)
        return r;
    r = want_reader(ledger);
    if (r == 0)
        r = ledger_reader_pauses(ledger->reader, each, each_context);
    for (size_t i = 0; r == 0 && i < count; i++)
        each(each_context, queued[i].schedule, queued[i].until);
    free(queued);
    return r;
}

static int port_horizon(void *context, const char *schedule, const char *rule, struct wall *ret)
{
    struct ledger_sqlite *ledger = context;
    if (ledger->worker == NULL)
        return -ESHUTDOWN;
    int r = ledger_worker_horizon(ledger->worker, schedule, rule, ret);
    if (r != LEDGER_NO_HORIZON)
        return r;
    r = want_reader(ledger);
    return r < 0 ? r : ledger_reader_horizon(ledger->reader, schedule, rule, ret);
}

static void port_set_horizon(void *context, const char *schedule, const char *rule,
                             struct wall slot)
{
    struct ledger_sqlite *ledger = context;
    if (ledger->worker != NULL)
        ledger_worker_put_horizon(ledger->worker, ledger_item_of_horizon(schedule, rule, slot));
}

static int port_recorded(void *context, const char *schedule, struct wall after,
                         struct wall *ret_first, struct wall *ret_last)
{
    struct ledger_sqlite *ledger = context;
    int r = want_reader(ledger);
    if (r < 0)
        return r;
    return ledger_reader_recorded(ledger->reader, schedule, after, ret_first, ret_last);
}

static int port_unended(void *context, ledger_row_fn each, void *each_context)
{
    struct ledger_sqlite *ledger = context;
    int r = want_reader(ledger);
    return r < 0 ? r : ledger_reader_unended(ledger->reader, each, each_context);
}

static int port_scan(void *context, const char *schedule, struct wall slot, ledger_row_fn each,
                     void *each_context)
{
    struct ledger_sqlite *ledger = context;
    int r = want_reader(ledger);
    return r < 0 ? r : ledger_reader_scan(ledger->reader, schedule, slot, each, each_context);
}

static int port_unfinished(void *context, ledger_row_fn each, void *each_context)
{
    struct ledger_sqlite *ledger = context;
    int r = want_reader(ledger);
    return r < 0 ? r : ledger_reader_unfinished(ledger->reader, each, each_context);
}

struct ledger ledger_sqlite_port(struct ledger_sqlite *ledger)
{
    return (struct ledger){
        .context = ledger,
        .durable = true,
        .append = port_append,
        .horizon = port_horizon,
        .set_horizon = port_set_horizon,
        .recorded = port_recorded,
        .unended = port_unended,
        .scan = port_scan,
        .unfinished = port_unfinished,
        .set_pause = port_set_pause,
        .pauses = port_pauses,
    };
}

void ledger_sqlite_set_keep(struct ledger_sqlite *ledger, int64_t keep_us)
{
    if (ledger->worker != NULL)
        ledger_worker_set_keep(ledger->worker, keep_us);
}

void ledger_sqlite_read_figures(struct ledger_sqlite *ledger, struct ledger_figures *ret)
{
    *ret = (struct ledger_figures){.ok = false};
    if (ledger->worker != NULL)
        ledger_worker_read_figures(ledger->worker, ret);
}

/* ---- news ---- */

/* A failure that is over already is told too: first that it was, then that it is not. */
static void tell_state(struct ledger_sqlite *ledger, const struct ledger_news *news)
{
    const struct ledger_sqlite_sink *sink = &ledger->sink;
    if (news->failed && ledger->told_ok) {
        ledger->told_ok = false;
        sink->state(sink->context, false, news->text.text);
    }
    if (news->ok && !ledger->told_ok) {
        ledger->told_ok = true;
        sink->state(sink->context, true, "");
    }
}

static void tell_lost(struct ledger_sqlite *ledger, unsigned lost)
{
    char text[ERRTEXT_MAX];
    (void)snprintf(text, sizeof text, "%s: %u entries were not written before the end",
                   ledger->file, lost);
    ledger->sink.state(ledger->sink.context, false, text);
}

static void on_closed(uv_handle_t *handle)
{
    struct ledger_sqlite *ledger = handle->data;
    if (--ledger->handles > 0)
        return;
    ledger->done(ledger->done_context);
}

static void close_handles(struct ledger_sqlite *ledger)
{
    uv_close((uv_handle_t *)&ledger->async, on_closed);
    uv_close((uv_handle_t *)&ledger->timer, on_closed);
}

static void end(struct ledger_sqlite *ledger, unsigned lost)
{
    if (lost > 0)
        tell_lost(ledger, lost);
    ledger_worker_destroy(ledger->worker);
    ledger->worker = NULL;
    ledger_lock_release(&ledger->lock);
    close_handles(ledger);
}

static void take_news(struct ledger_sqlite *ledger)
{
    struct ledger_news news;
    ledger_worker_take_news(ledger->worker, &news);
    tell_state(ledger, &news);
    while (news.answered != NULL) {
        struct ledger_item *item = news.answered;
        news.answered = item->next;
        ledger->sink.recorded(ledger->sink.context, item->ticket, item->outcome);
        free(item);
    }
    if (news.ended)
        end(ledger, news.lost);
}

static void on_async(uv_async_t *async)
{
    struct ledger_sqlite *ledger = async->data;
    if (ledger->worker != NULL)
        take_news(ledger);
}

/* On the worker's thread. */
static void notify(void *context)
{
    struct ledger_sqlite *ledger = context;
    int r = uv_async_send(&ledger->async);
    assert(r == 0);
}

/* ---- life ---- */

static char *path_of(const char *state_dir)
{
    size_t size = strlen(state_dir) + sizeof "/" LEDGER_FILE;
    char *path = malloc(size);
    if (path != NULL)
        (void)snprintf(path, size, "%s/%s", state_dir, LEDGER_FILE);
    return path;
}

/* Everything but the loop's handles. */
static int open_all(struct ledger_sqlite *ledger, const struct ledger_sqlite_options *options,
                    struct errtext *warning, struct errtext *err)
{
    ledger->file = path_of(options->state_dir);
    if (ledger->file == NULL)
        return errtext_set(err, -ENOMEM, "%s", strerror(ENOMEM));
    int r = ledger_lock_take(options->state_dir, LEDGER_FILE, &ledger->lock, warning, err);
    if (r < 0)
        return r;
    const struct ledger_worker_options worker = {
        .file = ledger->file,
        .keep_us = options->keep_us > 0 ? options->keep_us : MODEL_LEDGER_KEEP_US,
        .trial_ns = options->trial_ns > 0 ? options->trial_ns : LEDGER_CLOCK_TRIAL_NS,
        .queue_max = options->queue_max > 0 ? options->queue_max : LEDGER_QUEUE_MAX,
        .notify = notify,
        .context = ledger,
    };
    return ledger_worker_create(&worker, &ledger->worker, err);
}

static void free_memory(struct ledger_sqlite *ledger)
{
    for (size_t i = 0; i < SPARES; i++)
        free(ledger->spares[i]);
    free(ledger->file);
    free(ledger);
}

static void free_all(struct ledger_sqlite *ledger)
{
    drop_reader(ledger);
    ledger_lock_release(&ledger->lock);
    free_memory(ledger);
}

int ledger_sqlite_create(uv_loop_t *loop, const struct ledger_sqlite_options *options,
                         const struct ledger_sqlite_sink *sink, struct ledger_sqlite **ret,
                         struct errtext *warning, struct errtext *err)
{
    struct ledger_sqlite *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL)
        return errtext_set(err, -ENOMEM, "%s", strerror(ENOMEM));
    ledger->sink = *sink;
    ledger->lock = (struct ledger_lock){-1, -1};
    ledger->told_ok = true;
    int r = open_all(ledger, options, warning, err);
    if (r < 0) {
        free_all(ledger);
        return r;
    }
    /* The worker has nothing to say before it is asked something or stopped. */
    r = uv_async_init(loop, &ledger->async, on_async);
    if (r < 0) {
        ledger_worker_destroy(ledger->worker);
        free_all(ledger);
        return errtext_set(err, r, "the ledger cannot be reached from the loop: %s", strerror(-r));
    }
    r = uv_timer_init(loop, &ledger->timer);
    assert(r == 0);
    ledger->async.data = ledger;
    ledger->timer.data = ledger;
    (void)spare_of(ledger); /* lays them in */
    ledger->handles = 2;
    *ret = ledger;
    return 0;
}

static void on_hang(uv_timer_t *timer)
{
    struct ledger_sqlite *ledger = timer->data;
    struct ledger_figures figures;
    ledger_worker_read_figures(ledger->worker, &figures);
    if (figures.waiting > 0) /* else it brings a long journal home, which the next start does too */
        tell_lost(ledger, figures.waiting);
    ledger_worker_abandon(ledger->worker);
    ledger->worker = NULL;
    close_handles(ledger);
}

void ledger_sqlite_close(struct ledger_sqlite *ledger, void (*done)(void *context), void *context)
{
    ledger->done = done;
    ledger->done_context = context;
    ledger->closing = true;
    drop_reader(ledger);
    ledger_worker_stop(ledger->worker, LEDGER_CLOSE_NS);
    uint64_t ms = (uint64_t)((LEDGER_CLOSE_NS + LEDGER_HANG_NS) / (NS_PER_SECOND / 1000));
    uv_update_time(ledger->timer.loop); /* a long turn must not be taken off our patience */
    int r = uv_timer_start(&ledger->timer, on_hang, ms, 0);
    assert(r == 0);
}

void ledger_sqlite_destroy(struct ledger_sqlite *ledger)
{
    if (ledger == NULL)
        return;
    assert(ledger->worker == NULL);
    /* Of an abandoned worker the lock stays with the process. */
    free_memory(ledger);
}
