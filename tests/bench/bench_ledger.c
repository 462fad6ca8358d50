/*
 * The ledger: what an entry costs from append() to its answer.
 *
 *   paced     one entry every 50 ms, as the rate limit lets them leave: the answer's delay
 *   bulk      BULK entries queued at once: entries a second, and how many commits they took
 *   alone     BULK_ALONE entries, each appended when the one before was answered, as a ledger with
 *             a commit an entry would have them: the same file system, the same run
 *
 *   start     the same ledger closed and opened again, and its open runs read
 *   history   BENCH_HISTORY runs (1,000,000) that are over, beside them 10,000 and then 100,000
 * that are submitted and not finished: how long a start takes to read those
 *
 * It also shows what the loop's thread pays in append(), and the memory that an open ledger takes.
 * BENCH_DIRECTORY names where; a memory file system shows the program without the disk.
 */
#include "ports/ledger_sqlite.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define PACED 200
#define PACE_MS 50
#define BULK 10000
#define BULK_ALONE 300

struct bench {
    uv_loop_t loop;
    struct ledger_sqlite *ledger;
    struct ledger port;
    uint64_t asked_at[BULK + 1];
    double delays_us[BULK + 1];
    unsigned asked;
    unsigned answered;
    unsigned failed;
    unsigned wanted;
    int64_t slot;
    bool closed;
};

static void on_recorded(void *context, uint64_t ticket, int outcome)
{
    struct bench *bench = context;
    bench->delays_us[bench->answered++] = (double)(uv_hrtime() - bench->asked_at[ticket]) / 1e3;
    bench->failed += outcome != 0;
}

static void on_state(void *context, bool ok, const char *text)
{
    (void)context;
    if (!ok)
        (void)fprintf(stderr, "%s\n", text);
}

static void ask(struct bench *bench)
{
    char id[32];
    uint64_t ticket = ++bench->asked;
    (void)snprintf(id, sizeof id, "crs-%08llu", (unsigned long long)ticket);
    const struct ledger_entry entry = {
        .ticket = ticket,
        .kind = LEDGER_STARTED,
        .schedule = "nightly",
        .instance = id,
        .region = "ap-guangzhou",
        .slot = wall_from_seconds(bench->slot),
        .attempt = 1,
        .at = wall_from_seconds(bench->slot),
    };
    bench->asked_at[ticket] = uv_hrtime();
    if (bench->port.append(bench->port.context, &entry) != 0)
        bench->failed++;
}

static void begin(struct bench *bench, unsigned wanted)
{
    bench->asked = 0;
    bench->answered = 0;
    bench->wanted = wanted;
    bench->slot += 3600;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(struct bench *bench, double part)
{
    qsort(bench->delays_us, bench->answered, sizeof bench->delays_us[0], compare);
    return bench->delays_us[(size_t)(part * (double)(bench->answered - 1))];
}

static uint64_t commits(struct bench *bench)
{
    struct ledger_figures figures;
    ledger_sqlite_read_figures(bench->ledger, &figures);
    return figures.commits;
}

static void on_pace(uv_timer_t *timer)
{
    struct bench *bench = timer->data;
    ask(bench);
    if (bench->asked == bench->wanted)
        uv_close((uv_handle_t *)timer, NULL);
}

static void measure_paced(struct bench *bench)
{
    uv_timer_t timer;
    begin(bench, PACED);
    (void)uv_timer_init(&bench->loop, &timer);
    timer.data = bench;
    (void)uv_timer_start(&timer, on_pace, PACE_MS, PACE_MS);
    while (bench->answered < bench->wanted)
        (void)uv_run(&bench->loop, UV_RUN_ONCE);
    (void)printf("paced   20/s: answer after %.0f us (median), %.0f us (p99), %.0f us (worst)\n",
                 quantile(bench, 0.5), quantile(bench, 0.99), quantile(bench, 1));
}

static double measure_bulk(struct bench *bench)
{
    begin(bench, BULK);
    uint64_t commits_before = commits(bench);
    uint64_t start = uv_hrtime();
    while (bench->asked < bench->wanted)
        ask(bench);
    double queued_us = (double)(uv_hrtime() - start) / 1e3;
    while (bench->answered < bench->wanted)
        (void)uv_run(&bench->loop, UV_RUN_ONCE);
    double seconds = (double)(uv_hrtime() - start) / 1e9;
    (void)printf("bulk   %6u: %.0f entries/s in %llu commits; %.2f us an append on the loop\n",
                 BULK, BULK / seconds, (unsigned long long)(commits(bench) - commits_before),
                 queued_us / BULK);
    return BULK / seconds;
}

static double measure_alone(struct bench *bench)
{
    begin(bench, BULK_ALONE);
    uint64_t start = uv_hrtime();
    while (bench->asked < bench->wanted) {
        ask(bench);
        while (bench->answered < bench->asked)
            (void)uv_run(&bench->loop, UV_RUN_ONCE);
    }
    double seconds = (double)(uv_hrtime() - start) / 1e9;
    (void)printf("alone  %6u: %.0f entries/s, a commit each\n", BULK_ALONE, BULK_ALONE / seconds);
    return BULK_ALONE / seconds;
}

static void on_done(void *context)
{
    ((struct bench *)context)->closed = true;
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
    bench->port = ledger_sqlite_port(bench->ledger);
    return true;
}

static void close_ledger(struct bench *bench)
{
    bench->closed = false;
    ledger_sqlite_close(bench->ledger, on_done, bench);
    while (!bench->closed)
        (void)uv_run(&bench->loop, UV_RUN_ONCE);
    ledger_sqlite_destroy(bench->ledger);
}

static void count_row(void *context, const struct ledger_row *row)
{
    (void)row;
    ++*(unsigned *)context;
}

static bool measure_start(struct bench *bench, const char *dir)
{
    unsigned open_runs = 0;
    uint64_t start = uv_hrtime();
    if (!open_ledger(bench, dir))
        return false;
    double opened_ms = (double)(uv_hrtime() - start) / 1e6;
    if (bench->port.unended(bench->port.context, count_row, &open_runs) != 0)
        return false;
    (void)printf("start  %6u open runs: opened in %.1f ms, read in %.1f ms\n", open_runs, opened_ms,
                 (double)(uv_hrtime() - start) / 1e6 - opened_ms);
    return true;
}

/* ---- history ---- */

static void settle(struct bench *bench, unsigned most)
{
    struct ledger_figures figures;
    ledger_sqlite_read_figures(bench->ledger, &figures);
    while (figures.waiting > most) {
        (void)usleep(1000);
        ledger_sqlite_read_figures(bench->ledger, &figures);
    }
}

/* A run of a slot of 1,000, submitted, and finished or not. */
static void put_run(struct bench *bench, unsigned number, bool finished)
{
    char id[32];
    const struct wall slot = wall_from_seconds(1795564800 - 1000 * 3600 + number / 1000 * 3600);
    (void)snprintf(id, sizeof id, "crs-%04u", number % 1000);
    struct ledger_entry entry = {
        .kind = LEDGER_ENDED,
        .schedule = finished ? "nightly" : "hourly",
        .instance = id,
        .region = "ap-guangzhou",
        .slot = slot,
        .attempt = 1,
        .result = LEDGER_SUBMITTED,
        .task_id = 6954227 + number,
        .request_id = "4daddc97-0005-45d8-b5b8-38514ec1e97c",
        .at = slot,
    };
    bench->failed += bench->port.append(bench->port.context, &entry) != 0;
    entry.kind = LEDGER_FINISHED;
    entry.finish = LEDGER_SUCCEEDED;
    if (finished)
        bench->failed += bench->port.append(bench->port.context, &entry) != 0;
    if (number % 1000 == 0)
        settle(bench, 50000);
}

static bool measure_unfinished(struct bench *bench, const char *dir)
{
    unsigned runs = 0;
    close_ledger(bench);
    uint64_t start = uv_hrtime();
    if (!open_ledger(bench, dir))
        return false;
    double opened_ms = (double)(uv_hrtime() - start) / 1e6;
    if (bench->port.unfinished(bench->port.context, count_row, &runs) != 0)
        return false;
    (void)printf("history %6u unfinished: opened in %.1f ms, read in %.1f ms\n", runs, opened_ms,
                 (double)(uv_hrtime() - start) / 1e6 - opened_ms);
    return true;
}

/* `dir` has an open ledger, before and after. */
static bool measure_history(struct bench *bench, const char *dir)
{
    static const unsigned open_runs[] = {10000, 100000};
    const char *wanted = getenv("BENCH_HISTORY");
    unsigned long runs = wanted == NULL ? 1000000 : strtoul(wanted, NULL, 10);
    unsigned put = 0;
    for (unsigned i = 0; i < runs; i++)
        put_run(bench, i, true);
    for (size_t i = 0; i < sizeof open_runs / sizeof open_runs[0]; i++) {
        for (; put < open_runs[i]; put++)
            put_run(bench, put, false);
        settle(bench, 0);
        if (!measure_unfinished(bench, dir))
            return false;
    }
    return true;
}

static long resident_kb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    (void)fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void clear(const char *dir)
{
    static const char *const names[] = {"ledger.db", "ledger.db-wal", "ledger.db-shm", "lock"};
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

int main(void)
{
    static struct bench bench = {.slot = 1795564800};
    const char *parent = getenv("BENCH_DIRECTORY");
    char dir[128];
    (void)snprintf(dir, sizeof dir, "%.100s/ledger-XXXXXX", parent == NULL ? "/tmp" : parent);
    if (mkdtemp(dir) == NULL || uv_loop_init(&bench.loop) != 0)
        return 1;
    long before = resident_kb();
    if (!open_ledger(&bench, dir))
        return 1;
    (void)printf("open: %ld kB resident\n", resident_kb() - before);
    measure_paced(&bench);
    double bulk = measure_bulk(&bench);
    double alone = measure_alone(&bench);
    (void)printf("group commit: %.0f times the entries a second\n", bulk / alone);
    close_ledger(&bench);
    bool started = measure_start(&bench, dir) && measure_history(&bench, dir);
    if (started)
        close_ledger(&bench);
    (void)uv_loop_close(&bench.loop);
    clear(dir);
    return started && bench.failed == 0 ? 0 : 1;
}
