/* See shelf.h. */
#include "shelf.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void shelf_make_in(struct shelf *shelf, const char *parent)
{
    memset(shelf, 0, sizeof *shelf);
    (void)snprintf(shelf->dir, sizeof shelf->dir, "%s/shelf-XXXXXX", parent);
    assert_non_null(mkdtemp(shelf->dir));
    (void)snprintf(shelf->file, sizeof shelf->file, "%s/%s", shelf->dir, LEDGER_FILE);
    shelf->told = calloc(SHELF_TOLD_MAX, sizeof *shelf->told);
    assert_non_null(shelf->told);
    assert_int_equal(uv_loop_init(&shelf->loop), 0);
}

void shelf_make(struct shelf *shelf)
{
    const char *parent = getenv("TMPDIR");
    shelf_make_in(shelf, parent == NULL ? "/tmp" : parent);
}

static void empty(const char *dir)
{
    DIR *entries = opendir(dir);
    if (entries == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlink(path);
    }
    (void)closedir(entries);
}

void shelf_finish(struct shelf *shelf)
{
    if (shelf->ledger != NULL)
        shelf_close(shelf);
    assert_int_equal(uv_loop_close(&shelf->loop), 0);
    empty(shelf->dir);
    assert_int_equal(rmdir(shelf->dir), 0);
    free(shelf->told);
}

static void on_recorded(void *context, uint64_t ticket, int outcome)
{
    struct shelf *shelf = context;
    assert(shelf->told_count < SHELF_TOLD_MAX);
    shelf->told[shelf->told_count++] = (struct shelf_told){ticket, outcome};
}

static void on_state(void *context, bool ok, const char *text)
{
    struct shelf *shelf = context;
    assert(shelf->state_count < SHELF_STATES_MAX);
    shelf->states[shelf->state_count++] = ok;
    if (!ok)
        (void)snprintf(shelf->state_text, sizeof shelf->state_text, "%s", text);
}

int shelf_open_with(struct shelf *shelf, struct ledger_sqlite_options options)
{
    const struct ledger_sqlite_sink sink = {shelf, on_recorded, on_state};
    options.state_dir = shelf->dir;
    shelf->closing = false;
    shelf->closed = false;
    shelf->told_count = 0;
    shelf->state_count = 0;
    int r = ledger_sqlite_create(&shelf->loop, &options, &sink, &shelf->ledger, &shelf->warning,
                                 &shelf->err);
    if (r == 0)
        shelf->port = ledger_sqlite_port(shelf->ledger);
    return r;
}

int shelf_open(struct shelf *shelf)
{
    return shelf_open_with(shelf, (struct ledger_sqlite_options){.keep_us = 0});
}

static void on_done(void *context)
{
    struct shelf *shelf = context;
    assert(!shelf->closed);
    shelf->closed = true;
}

void shelf_begin_close(struct shelf *shelf)
{
    shelf->closing = true;
    ledger_sqlite_close(shelf->ledger, on_done, shelf);
}

void shelf_close(struct shelf *shelf)
{
    if (!shelf->closing)
        shelf_begin_close(shelf);
    while (!shelf->closed)
        (void)uv_run(&shelf->loop, UV_RUN_ONCE);
    ledger_sqlite_destroy(shelf->ledger);
    shelf->ledger = NULL;
    assert_int_equal(uv_run(&shelf->loop, UV_RUN_NOWAIT), 0); /* no handle is left */
}

int shelf_start(struct shelf *shelf, uint64_t ticket, const char *instance, int64_t slot)
{
    const struct ledger_entry entry = {
        .ticket = ticket,
        .kind = LEDGER_STARTED,
        .schedule = "nightly",
        .instance = instance,
        .region = "ap-guangzhou",
        .slot = wall_from_seconds(slot),
        .attempt = 1,
        .at = wall_from_seconds(slot + 1),
    };
    return shelf->port.append(shelf->port.context, &entry);
}

int shelf_end(struct shelf *shelf, const char *instance, int64_t slot, enum ledger_result result)
{
    const struct ledger_entry entry = {
        .kind = LEDGER_ENDED,
        .schedule = "nightly",
        .instance = instance,
        .region = "ap-guangzhou",
        .slot = wall_from_seconds(slot),
        .attempt = 1,
        .result = result,
        .task_id = result == LEDGER_SUBMITTED ? 6954227 : 0,
        .code = "",
        .request_id = "4daddc97-0005-45d8-b5b8-38514ec1e97c",
        .at = wall_from_seconds(slot + 2),
    };
    return shelf->port.append(shelf->port.context, &entry);
}

int shelf_finish_task(struct shelf *shelf, const char *instance, int64_t slot, int attempt,
                      enum ledger_finish finish)
{
    const bool failed = finish == LEDGER_TASK_FAILED;
    const struct ledger_entry entry = {
        .kind = LEDGER_FINISHED,
        .schedule = "nightly",
        .instance = instance,
        .region = "ap-guangzhou",
        .slot = wall_from_seconds(slot),
        .attempt = attempt,
        .finish = finish,
        .code = failed ? "failed" : "",
        .message = failed ? "no space" : "",
        .request_id = "",
        .at = wall_from_seconds(slot + 300),
    };
    return shelf->port.append(shelf->port.context, &entry);
}

/* ---- waiting ---- */

static void on_time(uv_timer_t *timer)
{
    (void)timer; /* the turn of the loop is what was wanted */
}

static bool told_enough(struct shelf *shelf, size_t count)
{
    return shelf->told_count >= count;
}

static bool states_enough(struct shelf *shelf, size_t count)
{
    return shelf->state_count >= count;
}

static bool is_idle(struct shelf *shelf, size_t count)
{
    return shelf_figures(shelf).waiting <= count;
}

static bool wait_for(struct shelf *shelf, bool (*enough)(struct shelf *shelf, size_t count),
                     size_t count, unsigned ms)
{
    uv_timer_t tick;
    uint64_t end = uv_hrtime() + (uint64_t)ms * 1000000U;
    assert_int_equal(uv_timer_init(&shelf->loop, &tick), 0);
    assert_int_equal(uv_timer_start(&tick, on_time, 5, 5), 0);
    while (!enough(shelf, count) && uv_hrtime() < end)
        (void)uv_run(&shelf->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, NULL);
    (void)uv_run(&shelf->loop, UV_RUN_NOWAIT);
    return enough(shelf, count);
}

bool shelf_wait_told(struct shelf *shelf, size_t count, unsigned ms)
{
    return wait_for(shelf, told_enough, count, ms);
}

bool shelf_wait_states(struct shelf *shelf, size_t count, unsigned ms)
{
    return wait_for(shelf, states_enough, count, ms);
}

bool shelf_wait_idle(struct shelf *shelf, unsigned ms)
{
    return wait_for(shelf, is_idle, 0, ms);
}

void shelf_run(struct shelf *shelf, unsigned ms)
{
    (void)wait_for(shelf, told_enough, SIZE_MAX, ms);
}

/* ---- the file ---- */

static sqlite3 *look(const struct shelf *shelf)
{
    sqlite3 *db = NULL;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    assert_int_equal(sqlite3_open_v2(shelf->file, &db, flags, NULL), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 2000);
    return db;
}

int64_t shelf_ask(const struct shelf *shelf, const char *sql)
{
    sqlite3 *db = look(shelf);
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return number;
}

void shelf_exec(const struct shelf *shelf, const char *sql)
{
    sqlite3 *db = look(shelf);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

void shelf_drop_journals(const struct shelf *shelf)
{
    static const char *const endings[] = {"-wal", "-shm", "-journal"};
    for (size_t i = 0; i < COUNT(endings); i++) {
        char path[192];
        (void)snprintf(path, sizeof path, "%s%s", shelf->file, endings[i]);
        (void)unlink(path);
    }
}

void shelf_make_old(struct shelf *shelf, int version)
{
    shelf_drop_journals(shelf);
    (void)unlink(shelf->file);
    shelf_exec(shelf,
               "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
               "CREATE TABLE horizons(schedule TEXT PRIMARY KEY, rule TEXT NOT NULL, slot INTEGER "
               "NOT NULL)"
               " WITHOUT ROWID;"
               "CREATE TABLE runs("
               " schedule TEXT NOT NULL, slot INTEGER NOT NULL, instance TEXT NOT NULL,"
               " region TEXT, state INTEGER NOT NULL, attempt INTEGER NOT NULL,"
               " first_at INTEGER, started_at INTEGER, ended_at INTEGER,"
               " result TEXT, task_id INTEGER, code TEXT, request_id TEXT,"
               " PRIMARY KEY(schedule, slot, instance)) WITHOUT ROWID;"
               "CREATE INDEX runs_of_instance ON runs(instance, slot);"
               "CREATE INDEX runs_open ON runs(schedule, slot) WHERE state = 0;"
               "PRAGMA application_id=1129468738; PRAGMA user_version=1;"
               "INSERT INTO horizons VALUES('nightly', 'rule', 1795564800000000);"
               "WITH d(i, ago) AS (VALUES(1, 0), (2, 3600), (3, 86399), (4, 86400), (5, 90000), "
               "(6, 999999))"
               " INSERT INTO runs SELECT 'nightly', (1795564800 - ago) * 1000000, 'crs-' || i, "
               "'ap-x', 1, 1,"
               " 0, 0, (1795564802 - ago) * 1000000, 'submitted', i, NULL, 'r' FROM d;"
               "INSERT INTO runs(schedule, slot, instance, state, attempt, ended_at, result) VALUES"
               " ('nightly', 1795564800000000, '*', 1, 0, 1795564801000000, 'submitted'),"
               " ('nightly', 1795564800000000, 'crs-7', 1, 1, 1795564801000000, 'failed'),"
               " ('nightly', 1795564800000000, 'crs-8', 1, 1, 1795564801000000, 'again'),"
               " ('nightly', 1795564800000000, 'crs-9', 0, 1, NULL, NULL);");
    if (version == 2)
        shelf_exec(shelf,
                   "CREATE TABLE pauses(schedule TEXT PRIMARY KEY, until INTEGER) WITHOUT ROWID;"
                   "INSERT INTO pauses VALUES('nightly', 5); PRAGMA user_version=2;");
}

struct ledger_figures shelf_figures(struct shelf *shelf)
{
    struct ledger_figures figures;
    ledger_sqlite_read_figures(shelf->ledger, &figures);
    return figures;
}

uint64_t shelf_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}
