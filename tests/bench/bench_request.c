/*
 * What the ledger costs a request: the same slot of the same engine, with the ledger on its disk
 * and with one that only says yes. The cloud is at hand: it answers each request at once.
 *
 *   paced   PACED instances at 20 a second, each entry with a commit of its own, and every backup
 *           followed to its end: three entries a request
 *   packed  PACKED instances at 1,000 a second, the most that the limiter knows, without the
 *           ends: commits take several entries each
 *
 * What is shown of each: processor time a request, of the loop's thread and of the ledger's; when
 * the first and the last request left. BENCH_DIRECTORY names where the ledger is.
 */
#include "base/bucket.h"
#include "engine/engine.h"
#include "engine/inquiry.h"
#include "ports/clock_system.h"
#include "ports/ledger_sqlite.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define PACED 200
#define PACKED 4000
#define AHEAD_S 3

struct bench {
    uv_loop_t loop;
    struct engine *engine;
    struct engine_ports ports;
    struct ledger_sqlite *ledger; /* NULL: without */
    struct keys keys;
    uint64_t random;
    uint64_t tasks;
    struct wall due;
    struct mono due_mono;
    struct mono first_at;
    struct mono last_at;
    unsigned sent;
    unsigned wanted;
    bool follows; /* also to the backups' ends */
    bool closed;
};

/* ---- the ports ---- */

static int send_one(void *context, const struct transport_request *request, struct errtext *err)
{
    struct bench *bench = context;
    char body[128];
    (void)err;
    struct mono now = clock_mono();
    bool asks = (request->ticket & INQUIRY_TICKET) != 0;
    if (asks) {
        (void)snprintf(body, sizeof body,
                       "{\"Response\":{\"Status\":\"succeed\",\"RequestId\":\"r\"}}");
    } else {
        if (bench->sent++ == 0)
            bench->first_at = now;
        bench->last_at = now;
        (void)snprintf(body, sizeof body,
                       "{\"Response\":{\"TaskId\":%llu,\"RequestId\":\"4daddc97-0005-45d8-b5b8-"
                       "38514ec1e97c\"}}",
                       (unsigned long long)++bench->tasks);
    }
    const struct exchange exchange = {.kind = EXCHANGE_ANSWERED,
                                      .http_status = 200,
                                      .body = body,
                                      .body_length = strlen(body),
                                      .date_second = -1};
    engine_file_on_wire(bench->engine, request->ticket, now);
    engine_file_outcome(bench->engine, request->ticket, &exchange, now);
    return 0;
}

static void cancel_one(void *context, uint64_t ticket)
{
    (void)context;
    (void)ticket;
}

static void warm_up(void *context, const char *url, unsigned connections)
{
    (void)context;
    (void)url;
    (void)connections;
}

static int say_yes(void *context, const struct ledger_entry *entry)
{
    struct bench *bench = context;
    if (entry->ticket != 0)
        engine_file_recorded(bench->engine, entry->ticket, 0);
    return 0;
}

static int no_horizon(void *context, const char *schedule, const char *rule, struct wall *ret)
{
    (void)context;
    (void)schedule;
    (void)rule;
    (void)ret;
    return LEDGER_NO_HORIZON;
}

static void forget_horizon(void *context, const char *schedule, const char *rule, struct wall slot)
{
    (void)context;
    (void)schedule;
    (void)rule;
    (void)slot;
}

static int get_keys(void *context, const struct keys **ret, struct errtext *err)
{
    (void)err;
    *ret = &((struct bench *)context)->keys;
    return 0;
}

static void drop_line(void *context, const struct event *event)
{
    char line[EVENT_LINE_MAX];
    (void)context;
    (void)event_format_line(event, EVENT_LOGFMT, line);
}

static uint64_t next_random(void *context)
{
    uint64_t *random = &((struct bench *)context)->random;
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static void on_recorded(void *context, uint64_t ticket, int outcome)
{
    engine_file_recorded(((struct bench *)context)->engine, ticket, outcome);
}

static void on_state(void *context, bool ok, const char *text)
{
    (void)context;
    if (!ok)
        (void)fprintf(stderr, "%s\n", text);
}

static void on_done(void *context)
{
    ((struct bench *)context)->closed = true;
}

/* ---- one run ---- */

static struct config *make_config(const struct bench *bench, int32_t per_second)
{
    struct config *config;
    struct schedule *schedule;
    char id[32];
    int r = config_create(&config);
    assert(r == 0);
    r = config_add_schedule(config, &schedule);
    assert(r == 0);
    config->per_second = per_second;
    schedule->name = "nightly";
    schedule->when_text = "";
    schedule->when.period_us = bench->due.us; /* so that its first slot is just this one */
    schedule->start_within_us = 3600 * US_PER_SECOND;
    for (unsigned i = 0; i < bench->wanted; i++) {
        struct instance *instance;
        (void)snprintf(id, sizeof id, "crs-%08u", i);
        r = config_add_instance(config, schedule, &instance);
        assert(r == 0);
        r = config_string(config, id, strlen(id), false, &instance->id);
        assert(r == 0);
        instance->region = "ap-guangzhou";
        instance->remark = "nightly";
        r = config_add_host(config, "https://redis.tencentcloudapi.com/", &instance->host);
        assert(r == 0);
    }
    r = config_freeze(config);
    assert(r == 0);
    return config;
}

static void on_time(uv_timer_t *timer)
{
    (void)timer; /* the turn of the loop is what was wanted */
}

static bool is_over(const struct bench *bench)
{
    struct engine_status status = engine_status(bench->engine);
    return (bench->follows ? status.succeeded : status.submitted) >= bench->wanted;
}

static void turn(struct bench *bench, uv_timer_t *timer)
{
    struct now now = clock_now();
    engine_step(bench->engine, now);
    struct wake wake = engine_next_wake(bench->engine, now);
    int64_t us = wall_diff_us(wake.wall, now.wall);
    if (wake.mono.ns != MONO_NEVER.ns && mono_diff_ns(wake.mono, now.mono) / NS_PER_US < us)
        us = mono_diff_ns(wake.mono, now.mono) / NS_PER_US;
    uv_update_time(&bench->loop);
    /* It repeats, since libuv may run one that is due before it waits. */
    (void)uv_timer_start(timer, on_time, us > 0 ? (uint64_t)(us + 999) / 1000 : 0, 1);
    (void)uv_run(&bench->loop, UV_RUN_ONCE);
}

static double seconds_of(const struct timespec *at)
{
    return (double)at->tv_sec + (double)at->tv_nsec / 1e9;
}

static void processor_time(double *ret_all, double *ret_loop)
{
    struct timespec all;
    struct timespec loop;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &all);
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &loop);
    *ret_all = seconds_of(&all);
    *ret_loop = seconds_of(&loop);
}

static bool open_ledger(struct bench *bench, const char *dir)
{
    struct errtext warning;
    struct errtext err;
    const struct ledger_sqlite_options options = {.state_dir = dir};
    const struct ledger_sqlite_sink sink = {bench, on_recorded, on_state};
    if (ledger_sqlite_create(&bench->loop, &options, &sink, &bench->ledger, &warning, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return false;
    }
    bench->ports.ledger = ledger_sqlite_port(bench->ledger);
    return true;
}

static void close_ledger(struct bench *bench)
{
    if (bench->ledger == NULL)
        return;
    ledger_sqlite_close(bench->ledger, on_done, bench);
    while (!bench->closed)
        (void)uv_run(&bench->loop, UV_RUN_ONCE);
    ledger_sqlite_destroy(bench->ledger);
}

struct cost {
    double loop_us; /* a request, as is the next */
    double other_us;
    double first_ms; /* after the instant of the slot */
    double last_ms;
};

static void run(struct bench *bench, int32_t per_second, struct cost *ret)
{
    double all[2];
    double loop[2];
    uv_timer_t timer;
    struct now now = clock_now();
    bench->due = wall_from_seconds(wall_seconds(now.wall) + AHEAD_S);
    bench->due_mono = mono_add_ns(now.mono, wall_diff_us(bench->due, now.wall) * NS_PER_US);
    struct config *config = make_config(bench, per_second);
    struct errtext err = {""};
    int r = engine_create(&bench->ports, config, now, &bench->engine, &err);
    assert(r == 0);
    (void)uv_timer_init(&bench->loop, &timer);
    processor_time(&all[0], &loop[0]);
    while (!is_over(bench))
        turn(bench, &timer);
    processor_time(&all[1], &loop[1]);
    double count = bench->wanted;
    ret->loop_us = (loop[1] - loop[0]) * 1e6 / count;
    ret->other_us = (all[1] - all[0]) * 1e6 / count - ret->loop_us;
    ret->first_ms = (double)mono_diff_ns(bench->first_at, bench->due_mono) / 1e6;
    ret->last_ms = (double)mono_diff_ns(bench->last_at, bench->due_mono) / 1e6;
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&bench->loop, UV_RUN_NOWAIT);
    engine_destroy(bench->engine);
    config_unref(config);
}

static void clear(const char *dir)
{
    static const char *const names[] = {"ledger.db", "ledger.db-wal", "ledger.db-shm", "lock"};
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
}

static bool measure(const char *dir, bool with, int32_t per_second, unsigned wanted, bool follows,
                    struct cost *ret)
{
    struct bench bench = {.wanted = wanted, .follows = follows, .random = 88172645463325252U};
    struct ledger_figures figures = {0};
    bench.ports = (struct engine_ports){
        .transport = {&bench, send_one, cancel_one, warm_up},
        .ledger = {.context = &bench,
                   .append = say_yes,
                   .horizon = no_horizon,
                   .set_horizon = forget_horizon},
        .keyring = {.context = &bench, .get = get_keys},
        .journal = {&bench, drop_line},
        .chance = {&bench, next_random},
    };
    (void)snprintf(bench.keys.id, sizeof bench.keys.id, "AKIDEXAMPLE");
    int r = secret_set(&bench.keys.key, "example", 7);
    assert(r == 0);
    (void)uv_loop_init(&bench.loop);
    bool good = !with || open_ledger(&bench, dir);
    if (good)
        run(&bench, per_second, ret);
    if (good && with)
        ledger_sqlite_read_figures(bench.ledger, &figures);
    close_ledger(&bench);
    (void)uv_loop_close(&bench.loop);
    clear(dir);
    secret_finish(&bench.keys.key);
    if (good)
        (void)printf("  %-8s %6.1f us on the loop, %6.1f us beside it; first after %.2f ms, last "
                     "after %.0f ms; %llu entries in %llu commits\n",
                     with ? "with" : "without", ret->loop_us, ret->other_us, ret->first_ms,
                     ret->last_ms, (unsigned long long)figures.entries,
                     (unsigned long long)figures.commits);
    return good;
}

static bool compare(const char *dir, const char *name, int32_t per_second, unsigned wanted,
                    bool follows)
{
    struct cost without;
    struct cost with;
    (void)printf("%s: %u requests at %d a second, processor time a request\n", name, wanted,
                 per_second);
    if (!measure(dir, false, per_second, wanted, follows, &without)
        || !measure(dir, true, per_second, wanted, follows, &with))
        return false;
    (void)printf("  the ledger costs %.1f us a request: %.1f us on the loop, %.1f us beside it\n",
                 with.loop_us + with.other_us - without.loop_us - without.other_us,
                 with.loop_us - without.loop_us, with.other_us - without.other_us);
    return true;
}

int main(void)
{
    const char *where = getenv("BENCH_DIRECTORY");
    char dir[192];
    (void)snprintf(dir, sizeof dir, "%.100s/request-XXXXXX", where == NULL ? "/tmp" : where);
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        return 1;
    }
    bool good = compare(dir, "paced", 20, PACED, true)
                && compare(dir, "packed", BUCKET_RATE_MAX, PACKED, false);
    (void)rmdir(dir);
    return good ? 0 : 1;
}
