/*
 * See loop.h. The turn runs in a prepare handle: after the callbacks of one poll, before the next.
 * Both timers are timerfds, since a libuv timer is late by more than a millisecond and does not
 * follow the wall clock; a step of the wall clock wakes the loop, and the turn plans anew.
 */
#include "daemon/loop.h"

#include "ports/clock_system.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define SIGNALS 3

static const int signal_numbers[SIGNALS] = {SIGHUP, SIGTERM, SIGINT};

struct loop {
    uv_loop_t uv;
    struct loop_calls calls;
    uv_prepare_t prepare;
    uv_poll_t wall_poll;
    uv_poll_t mono_poll;
    uv_signal_t signals[SIGNALS];
    int wall_fd;
    int mono_fd;
    struct loop_wake armed;
    uint64_t turns;
    struct mono asleep_at; /* when the last turn ended, and how long it had slept by then */
    uint64_t slept_ns;
    int64_t longest_ns;
    struct mono worked; /* when the last turn ended */
    int64_t longest_work_ns;
    bool stopping;
    int failure; /* of a timer, seen inside a callback */
};

static void on_timer(uv_poll_t *poll, int status, int events)
{
    struct loop *loop = poll->data;
    (void)events;
    int r = clock_timer_read(poll == &loop->wall_poll ? loop->wall_fd : loop->mono_fd);
    if (status < 0 || r < 0)
        loop->failure = status < 0 ? status : r;
    /* Whatever it was, the next turn plans anew: forget what is armed. */
    loop->armed = (struct loop_wake){{INT64_MIN}, {INT64_MIN}};
}

static void on_signal(uv_signal_t *handle, int signal)
{
    struct loop *loop = handle->data;
    loop->calls.signalled(loop->calls.context, signal);
}

static void arm(struct loop *loop, struct loop_wake wake)
{
    int r = 0;
    if (wake.wall.us != loop->armed.wall.us)
        r = clock_wall_timer_set(loop->wall_fd, wake.wall);
    if (r >= 0 && wake.mono.ns != loop->armed.mono.ns)
        r = clock_mono_timer_set(loop->mono_fd, wake.mono);
    loop->armed = wake;
    if (r == CLOCK_STEPPED) /* the clock was set in between: one more turn, at once */
        r = clock_mono_timer_set(loop->mono_fd, (struct mono){1});
    if (r < 0)
        loop->failure = r;
}

/* What has passed since the last turn, but for the sleep: libuv measures that. */
static void measure(struct loop *loop)
{
    struct mono now = clock_mono();
    uint64_t slept_ns = uv_metrics_idle_time(&loop->uv);
    int64_t took_ns = mono_diff_ns(now, loop->asleep_at) - (int64_t)(slept_ns - loop->slept_ns);
    struct mono worked = clock_thread();
    int64_t work_ns = mono_diff_ns(worked, loop->worked);
    loop->worked = worked;
    bool first = loop->turns++ == 0;
    if (!first && took_ns > loop->longest_ns)
        loop->longest_ns = took_ns;
    if (!first && work_ns > loop->longest_work_ns)
        loop->longest_work_ns = work_ns;
    loop->asleep_at = now;
    loop->slept_ns = slept_ns;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    if (loop->stopping)
        return;
    struct loop_wake wake = loop->calls.turn(loop->calls.context);
    if (!loop->stopping)
        arm(loop, wake);
    measure(loop);
    if (loop->failure < 0)
        uv_stop(&loop->uv);
}

static int open_timers(struct loop *loop)
{
    loop->wall_fd = clock_wall_timer();
    if (loop->wall_fd < 0)
        return loop->wall_fd;
    loop->mono_fd = clock_mono_timer();
    return loop->mono_fd < 0 ? loop->mono_fd : 0;
}

static int start_handles(struct loop *loop)
{
    int r = uv_prepare_init(&loop->uv, &loop->prepare);
    loop->prepare.data = loop;
    if (r == 0)
        r = uv_prepare_start(&loop->prepare, on_prepare);
    if (r == 0)
        r = uv_poll_init(&loop->uv, &loop->wall_poll, loop->wall_fd);
    loop->wall_poll.data = loop;
    if (r == 0)
        r = uv_poll_start(&loop->wall_poll, UV_READABLE, on_timer);
    if (r == 0)
        r = uv_poll_init(&loop->uv, &loop->mono_poll, loop->mono_fd);
    loop->mono_poll.data = loop;
    if (r == 0)
        r = uv_poll_start(&loop->mono_poll, UV_READABLE, on_timer);
    for (int i = 0; i < SIGNALS && r == 0; i++) {
        r = uv_signal_init(&loop->uv, &loop->signals[i]);
        loop->signals[i].data = loop;
        if (r == 0)
            r = uv_signal_start(&loop->signals[i], on_signal, signal_numbers[i]);
    }
    return r;
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void unblock_signals(void)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    for (int i = 0; i < SIGNALS; i++)
        (void)sigaddset(&signals, signal_numbers[i]);
    (void)sigprocmask(SIG_UNBLOCK, &signals, NULL);
}

int loop_create(const struct loop_calls *calls, struct loop **ret, struct errtext *err)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return errtext_set(err, -ENOMEM, "out of memory");
    loop->calls = *calls;
    loop->wall_fd = -1;
    loop->mono_fd = -1;
    loop->armed = (struct loop_wake){{INT64_MIN}, {INT64_MIN}};
    int r = uv_loop_init(&loop->uv);
    if (r < 0) {
        free(loop);
        return errtext_set(err, r, "no event loop: %s", uv_strerror(r));
    }
    r = open_timers(loop);
    if (r == 0)
        r = start_handles(loop);
    if (r < 0) {
        (void)errtext_set(err, r, "no event loop: %s", uv_strerror(r));
        loop_destroy(loop);
        return r;
    }
    (void)uv_loop_configure(&loop->uv, UV_METRICS_IDLE_TIME);
    unblock_signals();
    *ret = loop;
    return 0;
}

struct uv_loop_s *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

int64_t loop_longest_turn_ns(const struct loop *loop)
{
    return loop->longest_ns;
}

int64_t loop_longest_work_ns(const struct loop *loop)
{
    return loop->longest_work_ns;
}

int loop_run(struct loop *loop, struct errtext *err)
{
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    if (loop->failure < 0)
        return errtext_set(err, loop->failure, "the clock's timers failed: %s",
                           uv_strerror(loop->failure));
    return 0;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
    close_handle((uv_handle_t *)&loop->prepare, NULL);
    close_handle((uv_handle_t *)&loop->wall_poll, NULL);
    close_handle((uv_handle_t *)&loop->mono_poll, NULL);
    for (int i = 0; i < SIGNALS; i++)
        close_handle((uv_handle_t *)&loop->signals[i], NULL);
}

void loop_destroy(struct loop *loop)
{
    if (loop == NULL)
        return;
    /* Also after a start that failed half-way: whatever is still open is closed here. */
    uv_walk(&loop->uv, close_handle, NULL);
    while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0)
        continue;
    int r = uv_loop_close(&loop->uv);
    assert(r == 0); /* no handle is left */
    if (loop->wall_fd >= 0)
        (void)close(loop->wall_fd);
    if (loop->mono_fd >= 0)
        (void)close(loop->mono_fd);
    free(loop);
}
