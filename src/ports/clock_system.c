/*
 * See clock_system.h. timerfd with TFD_TIMER_CANCEL_ON_SET reports a step of the clock as
 * ECANCELED, from read() and from the next settime() alike.
 */
#include "ports/clock_system.h"

#include <assert.h>
#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static struct timespec read_clock(clockid_t id)
{
    struct timespec t;
    int r = clock_gettime(id, &t);
    assert(r == 0); /* these clocks exist on every Linux */
    return t;
}

struct mono clock_mono(void)
{
    struct timespec t = read_clock(CLOCK_MONOTONIC);
    return (struct mono){t.tv_sec * NS_PER_SECOND + t.tv_nsec};
}

struct mono clock_thread(void)
{
    struct timespec t = read_clock(CLOCK_THREAD_CPUTIME_ID);
    return (struct mono){t.tv_sec * NS_PER_SECOND + t.tv_nsec};
}

struct now clock_now(void)
{
    struct timespec t = read_clock(CLOCK_REALTIME);
    return (struct now){
        .wall = {t.tv_sec * US_PER_SECOND + t.tv_nsec / NS_PER_US},
        .mono = clock_mono(),
    };
}

int clock_wall_timer(void)
{
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int clock_mono_timer(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* An all-zero time would stop the timer: the smallest set time is one nanosecond. */
static int set(int fd, int flags, int64_t seconds, int64_t ns)
{
    struct itimerspec spec = {.it_value = {.tv_sec = seconds, .tv_nsec = ns}};
    if (timerfd_settime(fd, flags, &spec, NULL) == 0)
        return 0;
    return errno == ECANCELED ? CLOCK_STEPPED : -errno;
}

int clock_wall_timer_set(int fd, struct wall at)
{
    if (at.us == WALL_NEVER.us)
        return set(fd, 0, 0, 0);
    int64_t seconds = wall_seconds(at);
    int64_t us = at.us - seconds * US_PER_SECOND;
    if (seconds < 0 || at.us <= 0) {
        seconds = 0;
        us = 1;
    }
    return set(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, seconds, us * NS_PER_US);
}

/* Relative, since this clock does not jump: one that is passed fires after a nanosecond. */
int clock_mono_timer_set(int fd, struct mono at)
{
    if (at.ns == MONO_NEVER.ns)
        return set(fd, 0, 0, 0);
    int64_t ns = mono_diff_ns(at, clock_mono());
    if (ns < 1)
        ns = 1;
    return set(fd, 0, ns / NS_PER_SECOND, ns % NS_PER_SECOND);
}

int clock_timer_read(int fd)
{
    uint64_t expirations;
    if (read(fd, &expirations, sizeof expirations) >= 0 || errno == EAGAIN || errno == EINTR)
        return 0;
    return errno == ECANCELED ? CLOCK_STEPPED : -errno;
}
