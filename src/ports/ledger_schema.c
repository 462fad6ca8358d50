/*
 * See ledger_schema.h.
 *
 * Opening: the connection is made strict (no extensions, no triggers, no views, a schema that is
 * not trusted), then the identity is read, then the file's health is looked at where that is cheap,
 * and only then anything is written: the journal's mode, the migrations.
 *
 * A close without a checkpoint is set until the file is accepted, since SQLite would otherwise
 * write a left-over journal back into a file that we refuse.
 */
#include "ports/ledger_schema.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define WAY_OUT                                                                                    \
    "nothing was changed; bring a copy back, or move it and its -wal away to begin a new ledger, " \
    "in which every schedule starts afresh and catches nothing up"

/* Of a commit that failed SQLite does not keep the system's reason, but the journal's file does. */
static int cause_of(sqlite3 *db)
{
    int cause = db == NULL ? 0 : sqlite3_system_errno(db);
    sqlite3_file *journal = NULL;
    if (db != NULL && cause == 0
        && sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &journal) == SQLITE_OK
        && journal != NULL && journal->pMethods != NULL)
        (void)journal->pMethods->xFileControl(journal, SQLITE_FCNTL_LAST_ERRNO, &cause);
    return cause;
}

int ledger_schema_outcome(sqlite3 *db, int code)
{
    int cause = cause_of(db);
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_PERM:
        return -EACCES;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* our statements are right: it is the tables that are not */
    case SQLITE_SCHEMA:
    case SQLITE_MISMATCH:
        return -EBADMSG;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (code == SQLITE_IOERR_NOMEM)
            return -ENOMEM;
        if (cause == ENOSPC || cause == EDQUOT)
            return -ENOSPC;
        if (cause == EROFS || cause == EACCES || cause == ENOENT)
            return -cause;
        return -EIO;
    default:
        return -EIO;
    }
}

static int explain(sqlite3 *db, int code, const char *file, struct errtext *err)
{
    int r = ledger_schema_outcome(db, code);
    if (r == -EBADMSG)
        return errtext_set(err, r, "%s is damaged or not a ledger (%s); " WAY_OUT, file,
                           sqlite3_errmsg(db));
    return errtext_set(err, r, "%s: %s", file, r == -EIO ? sqlite3_errmsg(db) : strerror(-r));
}

static int run(sqlite3 *db, const char *sql, const char *file, struct errtext *err)
{
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : explain(db, code, file, err);
}

/* The first column of a statement's first row. */
static int read_number(sqlite3 *db, const char *sql, const char *file, int64_t *ret,
                       struct errtext *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    int r = code == SQLITE_ROW ? 0 : explain(db, code, file, err);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    else if (r == 0)
        r = errtext_set(err, -EBADMSG, "%s gives no answer to \"%s\"; " WAY_OUT, file, sql);
    (void)sqlite3_finalize(statement);
    return r;
}

/* Is the answer's first row this text? */
static int expect_text(sqlite3 *db, const char *sql, const char *text, const char *file,
                       bool *ret_same, char seen[64], struct errtext *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    int r = code == SQLITE_ROW ? 0 : explain(db, code, file, err);
    const char *got = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (got != NULL) {
        *ret_same = strcmp(got, text) == 0;
        (void)sqlite3_snprintf(64, seen, "%s", got);
    } else if (r == 0) {
        r = errtext_set(err, -ENOMEM, "%s: %s", file, strerror(ENOMEM));
    }
    (void)sqlite3_finalize(statement);
    return r;
}

static void make_strict(sqlite3 *db)
{
    (void)sqlite3_extended_result_codes(db, 1);
    (void)sqlite3_busy_timeout(db, LEDGER_SCHEMA_BUSY_MS);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

static int open_strict(const char *file, int flags, sqlite3 **ret, struct errtext *err)
{
    sqlite3 *db = NULL;
    int code =
        sqlite3_open_v2(file, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
    if (db == NULL)
        return errtext_set(err, -ENOMEM, "%s: %s", file, strerror(ENOMEM));
    if (code != SQLITE_OK) {
        int r = explain(db, code, file, err);
        ledger_schema_close(db);
        return r;
    }
    make_strict(db);
    *ret = db;
    return 0;
}

void ledger_schema_close(sqlite3 *db)
{
    (void)sqlite3_close(db);
}

/* A new, empty file has version 0 and no application id. */
static int read_identity(sqlite3 *db, const char *file, int64_t *ret_version, struct errtext *err)
{
    int64_t id = 0;
    int64_t version = 0;
    int64_t tables = 0;
    int r = read_number(db, "PRAGMA application_id", file, &id, err);
    if (r == 0)
        r = read_number(db, "PRAGMA user_version", file, &version, err);
    if (r == 0 && id == LEDGER_SCHEMA_ID && version > LEDGER_SCHEMA_VERSION)
        return errtext_set(err, -ENOTSUP,
                           "%s was made by a newer crsbackupd (schema %lld, this one knows %d); "
                           "nothing was changed; install that version again",
                           file, (long long)version, LEDGER_SCHEMA_VERSION);
    if (r == 0)
        r = read_number(db, "SELECT count(*) FROM sqlite_schema", file, &tables, err);
    if (r < 0)
        return r;
    bool empty = id == 0 && version == 0 && tables == 0;
    if (!empty && (id != LEDGER_SCHEMA_ID || version < 1))
        return errtext_set(err, -EBADMSG, "%s is a database, but not a ledger; " WAY_OUT, file);
    *ret_version = version;
    return 0;
}

/* Every page is walked where that takes no more than a moment. */
static int look_at_health(sqlite3 *db, const char *file, struct errtext *err)
{
    int64_t pages = 0;
    int64_t page = 0;
    int r = read_number(db, "PRAGMA page_count", file, &pages, err);
    if (r == 0)
        r = read_number(db, "PRAGMA page_size", file, &page, err);
    if (r < 0 || pages * page > LEDGER_SCHEMA_CHECK_MAX)
        return r;
    bool healthy = false;
    char seen[64] = "";
    r = expect_text(db, "PRAGMA quick_check(1)", "ok", file, &healthy, seen, err);
    if (r == 0 && !healthy)
        r = errtext_set(err, -EBADMSG, "%s is damaged (%s); " WAY_OUT, file, seen);
    return r;
}

/* Are our tables there, as tables, with all their columns? An older version's are made so later. */
static int look_at_shape(sqlite3 *db, const char *file, struct errtext *err)
{
    return run(db,
               "SELECT schedule, slot, instance, region, state, attempt, first_at, started_at,"
               " ended_at, result, task_id, code, request_id, message, finish, finished_at,"
               " kind, retries FROM runs LIMIT 0;"
               "SELECT schedule, rule, slot FROM horizons LIMIT 0;"
               "SELECT schedule, until FROM pauses LIMIT 0;"
               "SELECT name, value FROM meta LIMIT 0;",
               file, err);
}

static int set_modes(sqlite3 *db, const char *file, struct errtext *err)
{
    bool wal = false;
    char seen[64] = "";
    int r = expect_text(db, "PRAGMA journal_mode=WAL", "wal", file, &wal, seen, err);
    if (r == 0 && !wal)
        r = errtext_set(err, -ENOTSUP,
                        "%s: its file system cannot share memory; put it on a local one", file);
    if (r == 0)
        r = run(db,
                "PRAGMA synchronous=FULL;"
                "PRAGMA wal_autocheckpoint=0;" /* the worker's own, after the answers */
                "PRAGMA journal_size_limit=8388608;",
                file, err);
    return r;
}

/* From version i to i + 1. A step that was released is never changed. */
static const char *const steps[] = {
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE horizons(schedule TEXT PRIMARY KEY, rule TEXT NOT NULL, slot INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE runs("
    " schedule TEXT NOT NULL, slot INTEGER NOT NULL, instance TEXT NOT NULL,"
    " region TEXT, state INTEGER NOT NULL, attempt INTEGER NOT NULL,"
    " first_at INTEGER, started_at INTEGER, ended_at INTEGER,"
    " result TEXT, task_id INTEGER, code TEXT, request_id TEXT,"
    " PRIMARY KEY(schedule, slot, instance)) WITHOUT ROWID;"
    "CREATE INDEX runs_of_instance ON runs(instance, slot);"
    "CREATE INDEX runs_open ON runs(schedule, slot) WHERE state = 0;"
    "PRAGMA application_id=1129468738;"
    "PRAGMA user_version=1;",

    "CREATE TABLE pauses(schedule TEXT PRIMARY KEY, until INTEGER) WITHOUT ROWID;"
    "PRAGMA user_version=2;",

    /* A history of many years must not be asked for, task by task: the last day of it is. */
    "ALTER TABLE runs ADD COLUMN message TEXT;"
    "ALTER TABLE runs ADD COLUMN finish TEXT;"
    "ALTER TABLE runs ADD COLUMN finished_at INTEGER;"
    "ALTER TABLE runs ADD COLUMN kind TEXT;"
    "ALTER TABLE runs ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;"
    "UPDATE runs SET finish = 'open' WHERE state = 1 AND result = 'submitted' AND instance <> '*'"
    " AND ended_at > (SELECT max(ended_at) FROM runs) - 86400000000;"
    "CREATE INDEX runs_of_slot ON runs(slot);"
    "CREATE INDEX runs_failed ON runs(slot) WHERE " LEDGER_SCHEMA_FAILED ";"
    "CREATE INDEX runs_unfinished ON runs(slot, schedule, instance) WHERE finish = 'open';"
    "PRAGMA user_version=3;",
};

_Static_assert(sizeof steps / sizeof steps[0] == LEDGER_SCHEMA_VERSION, "a step for each version");
_Static_assert(LEDGER_SCHEMA_ID == 1129468738, "the first step writes it");

static int migrate(sqlite3 *db, int64_t version, const char *file, struct errtext *err)
{
    if (version == LEDGER_SCHEMA_VERSION)
        return 0;
    int r = run(db, "BEGIN IMMEDIATE", file, err);
    for (int64_t i = version; r == 0 && i < LEDGER_SCHEMA_VERSION; i++)
        r = run(db, steps[i], file, err);
    if (r == 0)
        r = run(db, "COMMIT", file, err);
    if (r < 0 && sqlite3_get_autocommit(db) == 0)
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

static int accept_file(sqlite3 *db, const char *file, struct errtext *err)
{
    int64_t version = 0;
    int r = run(db,
                "PRAGMA cell_size_check=ON;"
                "PRAGMA temp_store=MEMORY;"
                "PRAGMA mmap_size=0;"
                "PRAGMA cache_size=-1024;",
                file, err);
    if (r == 0)
        r = read_identity(db, file, &version, err);
    if (r == 0)
        r = look_at_health(db, file, err);
    if (r == 0 && version == LEDGER_SCHEMA_VERSION)
        r = look_at_shape(db, file, err);
    if (r == 0 && sqlite3_db_readonly(db, "main") != 0)
        r = errtext_set(err, -EROFS, "%s cannot be written", file);
    if (r == 0)
        r = set_modes(db, file, err);
    if (r == 0)
        r = migrate(db, version, file, err);
    if (r == 0)
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return r;
}

int ledger_schema_open(const char *file, sqlite3 **ret, struct errtext *err)
{
    sqlite3 *db = NULL;
    int r = open_strict(file, SQLITE_OPEN_READWRITE, &db, err);
    if (r < 0)
        return r;
    r = accept_file(db, file, err);
    if (r < 0) {
        ledger_schema_close(db);
        return r;
    }
    *ret = db;
    return 0;
}

int ledger_schema_open_reader(const char *file, sqlite3 **ret, struct errtext *err)
{
    sqlite3 *db = NULL;
    int r = open_strict(file, SQLITE_OPEN_READONLY, &db, err);
    if (r < 0)
        return r;
    r = run(db, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-256;", file,
            err);
    if (r < 0) {
        ledger_schema_close(db);
        return r;
    }
    *ret = db;
    return 0;
}
