/*
 * See ledger_worker.h. Group commit comes by itself: whatever is queued while a commit runs is one
 * transaction afterwards.
 *
 * `batch` is what the thread works on. Its links change with the mutex held only, so that the loop
 * may look for a horizon in it; the thread reads it without.
 */
#include "ports/ledger_worker.h"

#include "base/text.h"
#include "ports/clock_system.h"
#include "ports/ledger_clock.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define STACK_BYTES (512 * 1024)

struct list {
    struct ledger_item *first;
    struct ledger_item **end;
};

struct ledger_worker {
    char *file;
    unsigned queue_max;
    int64_t sweep_period_ns;
    void (*notify)(void *context);
    void *context;
    uv_thread_t thread;

    /* The thread's own. */
    struct ledger_rows *rows;
    struct ledger_sweep sweep;
    struct ledger_clock clock;
    struct mono swept_at; /* when the last sweep began, or we did */
    struct wall old;      /* what this sweep deletes is before */
    bool written;         /* anything since it began */
    bool sweeping;
    int last_failure;
    struct mono retry_at;

    /* Under the mutex. */
    uv_mutex_t mutex;
    uv_cond_t wake;
    struct list queue;
    struct list batch;
    struct list answered;
    struct ledger_item *late[LEDGER_LATE_CHAINS]; /* horizons beyond queue_max, by schedule */
    unsigned late_count;
    unsigned waiting; /* queue + batch */
    int64_t keep_us;
    bool ok;
    bool failed; /* since the last news */
    bool horizon_lost;
    bool stop;
    bool ended;
    bool quiet;  /* nobody is to be woken any more */
    bool orphan; /* nobody frees us */
    unsigned lost;
    struct mono give_up_at;
    struct errtext text;
    struct ledger_figures figures;
};

/* ---- lists ---- */

static void list_init(struct list *list)
{
    *list = (struct list){.first = NULL};
    list->end = &list->first;
}

static void list_push(struct list *list, struct ledger_item *item)
{
    item->next = NULL;
    *list->end = item;
    list->end = &item->next;
}

static void list_move(struct list *to, struct list *from)
{
    if (from->first == NULL)
        return;
    *to->end = from->first;
    to->end = from->end;
    list_init(from);
}

static struct ledger_item *list_pop(struct list *list)
{
    struct ledger_item *item = list->first;
    list->first = item->next;
    if (list->first == NULL)
        list->end = &list->first;
    return item;
}

static void list_free(struct list *list)
{
    while (list->first != NULL)
        free(list_pop(list));
}

/* ---- horizons beyond the queue: one a schedule, the newest ---- */

static struct ledger_item **late_place(struct ledger_worker *worker, const char *schedule)
{
    unsigned hash = 5381;
    for (const char *c = schedule; *c != '\0'; c++)
        hash = hash * 33U + (unsigned char)*c;
    struct ledger_item **place = &worker->late[hash % LEDGER_LATE_CHAINS];
    while (*place != NULL && strcmp((*place)->schedule, schedule) != 0)
        place = &(*place)->next;
    return place;
}

static void keep_late(struct ledger_worker *worker, struct ledger_item *item)
{
    struct ledger_item **place = late_place(worker, item->schedule);
    struct ledger_item *before = *place;
    item->next = before == NULL ? NULL : before->next;
    *place = item;
    if (before == NULL)
        worker->late_count++;
    free(before);
}

static void move_late(struct ledger_worker *worker, struct list *to)
{
    if (worker->late_count == 0)
        return;
    for (unsigned i = 0; i < LEDGER_LATE_CHAINS; i++)
        for (struct ledger_item *item; (item = worker->late[i]) != NULL;) {
            worker->late[i] = item->next;
            list_push(to, item);
        }
    worker->waiting += worker->late_count;
    worker->late_count = 0;
}

/* ---- the thread ---- */

static void wake_loop(struct ledger_worker *worker)
{
    if (!worker->quiet)
        worker->notify(worker->context);
}

/* The state is news only where it changes; between two looks of the loop a failure wins. */
static void set_state(struct ledger_worker *worker, bool ok, const struct errtext *text)
{
    if (!ok && worker->ok) {
        worker->failed = true;
        worker->text = *text;
    }
    worker->ok = ok;
}

static void answer(struct ledger_worker *worker, struct ledger_item *item, int outcome)
{
    worker->waiting--;
    item->outcome = outcome;
    if (item->ticket != 0)
        list_push(&worker->answered, item);
    else
        free(item);
}

static void settle_written(struct ledger_worker *worker, unsigned limit)
{
    if (worker->batch.first == NULL)
        return; /* it was a probe */
    worker->figures.commits++;
    for (; worker->batch.first != NULL && limit > 0; limit--) {
        struct ledger_item *item = list_pop(&worker->batch);
        worker->written = true;
        worker->figures.entries++;
        answer(worker, item, 0);
    }
}

/* Who waits is told; what nobody waits for stays, in its order. */
static void settle_failed(struct ledger_worker *worker, int outcome)
{
    struct list kept;
    list_init(&kept);
    while (worker->batch.first != NULL) {
        struct ledger_item *item = list_pop(&worker->batch);
        if (item->ticket != 0)
            answer(worker, item, outcome);
        else
            list_push(&kept, item);
    }
    list_move(&worker->batch, &kept);
}

/*
 * After some failures a connection is of no use any more, and the file may have been put right
 * meanwhile: it is opened anew. A full disk, no memory and a busy file leave it whole.
 */
static int make_usable(struct ledger_worker *worker, struct errtext *err)
{
    int last = worker->last_failure;
    if (worker->rows != NULL && (last == 0 || last == -ENOSPC || last == -ENOMEM || last == -EBUSY))
        return 0;
    ledger_rows_close(worker->rows);
    worker->rows = NULL;
    return ledger_rows_open(worker->file, &worker->rows, err);
}

/* One transaction, the mutex not held. */
static int write_some(struct ledger_worker *worker, const struct ledger_item *first, unsigned limit,
                      struct errtext *err)
{
    int r = make_usable(worker, err);
    if (r == 0)
        r = ledger_rows_write(worker->rows, first, limit, err);
    if (r < 0)
        (void)errtext_prefix(err, r, "%s cannot be written: %s", worker->file, strerror(-r));
    worker->last_failure = r;
    return r;
}

/* Called and left with the mutex held. */
static void work(struct ledger_worker *worker)
{
    const struct ledger_item *first = worker->batch.first;
    unsigned limit = worker->last_failure == 0 ? LEDGER_BATCH_MAX : LEDGER_PROBE_MAX;
    struct errtext text = {""};
    uv_mutex_unlock(&worker->mutex);
    int r = write_some(worker, first, limit, &text);
    uv_mutex_lock(&worker->mutex);
    if (r == 0) {
        settle_written(worker, limit);
    } else {
        settle_failed(worker, r);
        worker->retry_at = mono_add_ns(clock_mono(), LEDGER_RETRY_NS);
    }
    bool was_ok = worker->ok;
    set_state(worker, r == 0 && !worker->horizon_lost, &text);
    if (was_ok != worker->ok || worker->answered.first != NULL)
        wake_loop(worker);
    if (r == 0) {
        uv_mutex_unlock(&worker->mutex);
        ledger_rows_checkpoint(worker->rows);
        uv_mutex_lock(&worker->mutex);
    }
}

/* Time for another sweep? An idle ledger has nothing to do. */
static bool wants_sweep(struct ledger_worker *worker)
{
    if (worker->last_failure != 0 || worker->stop)
        return false;
    struct now now = clock_now();
    bool believed = ledger_clock_is_believed(&worker->clock, now);
    if (!worker->sweeping && worker->written && believed
        && mono_diff_ns(now.mono, worker->swept_at) >= worker->sweep_period_ns) {
        worker->sweeping = true;
        worker->written = false;
        worker->swept_at = now.mono;
        worker->old = wall_add_us(now.wall, -worker->keep_us);
        worker->sweep = (struct ledger_sweep){.slot = INT64_MIN};
    }
    return worker->sweeping;
}

/* One step; a failure ends this sweep, and the next entry will tell what is wrong. */
static void sweep_some(struct ledger_worker *worker)
{
    unsigned deleted = 0;
    uv_mutex_unlock(&worker->mutex);
    int r = ledger_rows_sweep(worker->rows, &worker->sweep, worker->old, &deleted);
    ledger_rows_checkpoint(worker->rows);
    uv_mutex_lock(&worker->mutex);
    worker->figures.swept += deleted;
    worker->sweeping = r == 0;
}

static void wait_till(struct ledger_worker *worker, struct mono at)
{
    int64_t left = mono_diff_ns(at, clock_mono());
    if (left > 0)
        (void)uv_cond_timedwait(&worker->wake, &worker->mutex, (uint64_t)left);
}

static bool is_due(struct mono at)
{
    return !mono_before(clock_mono(), at);
}

/* Nothing is left to be done or time is up. */
static bool is_over(const struct ledger_worker *worker)
{
    if (worker->orphan)
        return true;
    if (!worker->stop || worker->queue.first != NULL || worker->late_count > 0)
        return false;
    return worker->batch.first == NULL || (worker->last_failure != 0 && is_due(worker->give_up_at));
}

/* One step of the thread's life, with the mutex held before and after. */
static void live(struct ledger_worker *worker)
{
    list_move(&worker->batch, &worker->queue);
    move_late(worker, &worker->batch);
    bool failing = worker->last_failure != 0;
    if (failing && !is_due(worker->retry_at)) {
        wait_till(worker, worker->stop ? mono_earlier(worker->retry_at, worker->give_up_at)
                                       : worker->retry_at);
    } else if (failing || worker->batch.first != NULL) {
        work(worker);
    } else if (wants_sweep(worker)) {
        sweep_some(worker);
        if (worker->sweeping)
            wait_till(worker, mono_add_ns(clock_mono(), LEDGER_SWEEP_PAUSE_NS));
    } else {
        uv_cond_wait(&worker->wake, &worker->mutex);
    }
}

static void finish(struct ledger_worker *worker)
{
    ledger_rows_close(worker->rows);
    list_free(&worker->queue);
    list_free(&worker->batch);
    list_free(&worker->answered);
    for (unsigned i = 0; i < LEDGER_LATE_CHAINS; i++)
        while (worker->late[i] != NULL) {
            struct ledger_item *item = worker->late[i];
            worker->late[i] = item->next;
            free(item);
        }
    uv_cond_destroy(&worker->wake);
    uv_mutex_destroy(&worker->mutex);
    free(worker->file);
    free(worker);
}

static void run(void *context)
{
    struct ledger_worker *worker = context;
    uv_mutex_lock(&worker->mutex);
    while (!is_over(worker))
        live(worker);
    worker->lost = worker->waiting;
    settle_failed(worker, -ESHUTDOWN);
    uv_mutex_unlock(&worker->mutex);
    ledger_rows_close(worker->rows); /* brings the journal's pages home */
    worker->rows = NULL;
    uv_mutex_lock(&worker->mutex);
    worker->ended = true;
    bool orphan = worker->orphan;
    wake_loop(worker);
    uv_mutex_unlock(&worker->mutex);
    if (orphan)
        finish(worker);
}

/* ---- the loop's side ---- */

int ledger_worker_put(struct ledger_worker *worker, struct ledger_item *item)
{
    int r = 0;
    /* Verdicts, whose requests have left, find room where beginnings do not any more. */
    unsigned max =
        item->ticket != 0 ? worker->queue_max - worker->queue_max / 4 : worker->queue_max;
    uv_mutex_lock(&worker->mutex);
    if (worker->stop)
        r = -ESHUTDOWN;
    else if (worker->horizon_lost && item->ticket != 0)
        r = -ENOMEM;
    else if (worker->waiting >= max || worker->late_count > 0)
        r = -EAGAIN;
    if (r == 0) {
        list_push(&worker->queue, item);
        worker->waiting++;
        uv_cond_signal(&worker->wake);
    }
    uv_mutex_unlock(&worker->mutex);
    return r;
}

static void lose_horizon(struct ledger_worker *worker)
{
    struct errtext text;
    (void)errtext_set(&text, 0,
                      "no memory for a schedule's horizon: nothing can be recorded until "
                      "a restart");
    worker->horizon_lost = true;
    set_state(worker, false, &text);
    wake_loop(worker);
}

void ledger_worker_put_horizon(struct ledger_worker *worker, struct ledger_item *item)
{
    uv_mutex_lock(&worker->mutex);
    if (item == NULL) {
        lose_horizon(worker);
    } else if (worker->stop) {
        free(item); /* nothing is opened any more */
    } else if (worker->waiting >= worker->queue_max || worker->late_count > 0) {
        keep_late(worker, item);
        uv_cond_signal(&worker->wake);
    } else {
        list_push(&worker->queue, item);
        worker->waiting++;
        uv_cond_signal(&worker->wake);
    }
    uv_mutex_unlock(&worker->mutex);
}

static const struct ledger_item *find_horizon(const struct list *list, const char *schedule,
                                              const struct ledger_item *found)
{
    for (const struct ledger_item *item = list->first; item != NULL; item = item->next)
        if (item->kind == LEDGER_ITEM_HORIZON && strcmp(item->schedule, schedule) == 0)
            found = item;
    return found;
}

int ledger_worker_horizon(struct ledger_worker *worker, const char *schedule, const char *rule,
                          struct wall *ret)
{
    int r = LEDGER_NO_HORIZON;
    uv_mutex_lock(&worker->mutex);
    const struct ledger_item *found = find_horizon(&worker->batch, schedule, NULL);
    found = find_horizon(&worker->queue, schedule, found);
    const struct ledger_item *late = *late_place(worker, schedule);
    if (late != NULL)
        found = late;
    if (found != NULL) {
        *ret = found->slot;
        r = strcmp(found->rule, rule) == 0 ? 0 : LEDGER_OTHER_RULE;
    }
    uv_mutex_unlock(&worker->mutex);
    return r;
}

static size_t copy_pauses(const struct list *list, struct ledger_pause *copies)
{
    size_t count = 0;
    for (const struct ledger_item *item = list->first; item != NULL; item = item->next) {
        if (item->kind != LEDGER_ITEM_PAUSE)
            continue;
        if (copies != NULL) {
            struct text text = text_over(copies[count].schedule, sizeof copies[count].schedule);
            text_add(&text, item->schedule);
            copies[count].until = item->slot;
        }
        count++;
    }
    return count;
}

int ledger_worker_pauses(struct ledger_worker *worker, struct ledger_pause **ret, size_t *ret_count)
{
    uv_mutex_lock(&worker->mutex);
    size_t count = copy_pauses(&worker->batch, NULL) + copy_pauses(&worker->queue, NULL);
    struct ledger_pause *copies = calloc(count + 1, sizeof *copies);
    if (copies != NULL) {
        size_t first = copy_pauses(&worker->batch, copies);
        (void)copy_pauses(&worker->queue, copies + first);
    }
    uv_mutex_unlock(&worker->mutex);
    if (copies == NULL)
        return -ENOMEM;
    *ret = copies;
    *ret_count = count;
    return 0;
}

void ledger_worker_set_keep(struct ledger_worker *worker, int64_t keep_us)
{
    uv_mutex_lock(&worker->mutex);
    worker->keep_us = keep_us;
    uv_mutex_unlock(&worker->mutex);
}

void ledger_worker_take_news(struct ledger_worker *worker, struct ledger_news *ret)
{
    uv_mutex_lock(&worker->mutex);
    *ret = (struct ledger_news){
        .answered = worker->answered.first,
        .failed = worker->failed,
        .ok = worker->ok,
        .ended = worker->ended,
        .lost = worker->lost,
        .text = worker->text,
    };
    list_init(&worker->answered);
    worker->failed = false;
    uv_mutex_unlock(&worker->mutex);
}

void ledger_worker_read_figures(struct ledger_worker *worker, struct ledger_figures *ret)
{
    uv_mutex_lock(&worker->mutex);
    *ret = worker->figures;
    ret->waiting = worker->waiting + worker->late_count;
    ret->ok = worker->ok;
    uv_mutex_unlock(&worker->mutex);
}

void ledger_worker_stop(struct ledger_worker *worker, int64_t patience_ns)
{
    uv_mutex_lock(&worker->mutex);
    worker->stop = true;
    worker->give_up_at = mono_add_ns(clock_mono(), patience_ns);
    uv_cond_signal(&worker->wake);
    uv_mutex_unlock(&worker->mutex);
}

/* ---- life ---- */

/* The process's signals are the main thread's. */
static int start(struct ledger_worker *worker)
{
    const uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE,
                                         .stack_size = STACK_BYTES};
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    int r = pthread_sigmask(SIG_SETMASK, &all, &before);
    assert(r == 0);
    r = uv_thread_create_ex(&worker->thread, &options, run, worker);
    int restored = pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert(restored == 0);
    return r;
}

int ledger_worker_create(const struct ledger_worker_options *options, struct ledger_worker **ret,
                         struct errtext *err)
{
    struct ledger_worker *worker = calloc(1, sizeof *worker);
    char *file = strdup(options->file);
    bool mutex = worker != NULL && file != NULL && uv_mutex_init(&worker->mutex) == 0;
    if (!mutex || uv_cond_init(&worker->wake) != 0) {
        if (mutex)
            uv_mutex_destroy(&worker->mutex);
        free(file);
        free(worker);
        return errtext_set(err, -ENOMEM, "%s", strerror(ENOMEM));
    }
    list_init(&worker->queue);
    list_init(&worker->batch);
    list_init(&worker->answered);
    worker->file = file;
    worker->keep_us = options->keep_us;
    worker->queue_max = options->queue_max;
    worker->clock = (struct ledger_clock){clock_now(), options->trial_ns};
    worker->swept_at = worker->clock.since.mono;
    worker->sweep_period_ns =
        options->trial_ns < LEDGER_SWEEP_PERIOD_NS ? options->trial_ns : LEDGER_SWEEP_PERIOD_NS;
    worker->notify = options->notify;
    worker->context = options->context;
    worker->ok = true;
    int r = ledger_rows_open(worker->file, &worker->rows, err);
    if (r == 0) {
        r = start(worker);
        if (r < 0)
            (void)errtext_set(err, r, "the ledger's thread cannot be started: %s", strerror(-r));
    }
    if (r < 0) {
        finish(worker);
        return r;
    }
    *ret = worker;
    return 0;
}

void ledger_worker_destroy(struct ledger_worker *worker)
{
    if (worker == NULL)
        return;
    uv_mutex_lock(&worker->mutex);
    worker->quiet = true;
    worker->stop = true; /* it has ended, unless it was never of use */
    uv_cond_signal(&worker->wake);
    uv_mutex_unlock(&worker->mutex);
    int r = uv_thread_join(&worker->thread);
    assert(r == 0);
    finish(worker);
}

void ledger_worker_abandon(struct ledger_worker *worker)
{
    uv_mutex_lock(&worker->mutex);
    worker->quiet = true;
    worker->orphan = true;
    bool ended = worker->ended;
    if (!ended)
        (void)pthread_detach(worker->thread);
    uv_mutex_unlock(&worker->mutex);
    if (ended)
        ledger_worker_destroy(worker);
}
