/*
 * See ledger_rows.h. A STARTED or ENDED entry is one upsert of the run's row, a FINISHED one an
 * update; so that entries that are written twice, since a commit failed or its fate was doubtful,
 * leave the same row.
 *
 * A transaction that fails anywhere is rolled back as a whole and can be tried again at once; every
 * statement is reset whatever it answered.
 */
#include "ports/ledger_rows.h"

#include "ports/ledger_schema.h"

#include <errno.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_OF_(number) #number
#define TEXT_OF(number) TEXT_OF_(number)

#define CHECKPOINT_PAGES 1000 /* of the journal */

enum statement {
    BEGIN,
    COMMIT,
    STARTED,
    ENDED,
    FINISHED,
    HORIZON,
    PAUSE,
    RESUME,
    PROBE,
    SWEEP_LOOK,
    SWEEP_DELETE,
    SWEEP_NEXT,
    STATEMENTS,
};

/* As they stand in the file. */
static const char *const results[] = {
    [LEDGER_SUBMITTED] = "submitted", [LEDGER_FAILED] = "failed", [LEDGER_UNKNOWN] = "unknown",
    [LEDGER_SKIPPED] = "skipped",     [LEDGER_MISSED] = "missed", [LEDGER_AGAIN] = "again",
};
#define OPEN "open"
static const char *const finishes[] = {
    [LEDGER_SUCCEEDED] = "succeeded",
    [LEDGER_TASK_FAILED] = "failed",
    [LEDGER_STUCK] = "stuck",
    [LEDGER_UNWATCHED] = "unwatched",
};

const char *const ledger_kinds[LEDGER_KIND_OPERATOR + 1] = {
    [LEDGER_KIND_SCHEDULE] = "schedule",
    [LEDGER_KIND_CATCH_UP] = "catch_up",
    [LEDGER_KIND_OPERATOR] = "operator",
};

/* What was told of a run first is its kind, and what was told most of its retries, their number. */
#define KEPT_OF_RUN \
    " kind = coalesce(kind, excluded.kind), retries = max(retries, excluded.retries)"

/* A slot that was passed over when the clock was ahead may come again, and be of another kind. */
#define KEPT_OF_BEGUN                                                                  \
    " kind = CASE WHEN instance = '" LEDGER_WHOLE_SLOT "' AND runs.started_at IS NULL" \
    " THEN excluded.kind ELSE coalesce(kind, excluded.kind) END,"                      \
    " retries = max(retries, excluded.retries)"

static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [STARTED] = "INSERT INTO runs(schedule, slot, instance, region, state, attempt, first_at,"
                " started_at, kind, retries) VALUES(?1, ?2, ?3, ?4, 0, ?5, ?6, ?6, ?7, ?8)"
                " ON CONFLICT DO UPDATE SET state = 0, attempt = excluded.attempt,"
                " region = excluded.region, first_at = coalesce(first_at, excluded.first_at),"
                " started_at = excluded.started_at, ended_at = NULL, result = NULL,"
                " task_id = NULL, code = NULL, message = NULL, request_id = NULL,"
                " finish = NULL, finished_at = NULL," KEPT_OF_BEGUN,
    [ENDED] = "INSERT INTO runs(schedule, slot, instance, region, state, attempt, ended_at, result,"
              " task_id, code, message, request_id, finish, kind, retries)"
              " VALUES(?1, ?2, ?3, ?4, 1, ?5, ?6, ?9, ?10, ?11, ?12, ?13, ?14, ?7, ?8)"
              " ON CONFLICT DO UPDATE SET state = 1, attempt = excluded.attempt,"
              " region = coalesce(excluded.region, region), ended_at = excluded.ended_at,"
              " result = excluded.result, task_id = excluded.task_id, code = excluded.code,"
              " message = excluded.message, request_id = excluded.request_id,"
              " finish = excluded.finish, finished_at = NULL," KEPT_OF_RUN,
    [FINISHED] = "UPDATE runs SET finish = ?5, finished_at = ?6, task_id = coalesce(?7, task_id),"
                 " code = ?8, message = ?9"
                 " WHERE schedule = ?1 AND slot = ?2 AND instance = ?3 AND attempt = ?4"
                 " AND state = 1 AND result = 'submitted' AND instance <> '" LEDGER_WHOLE_SLOT "'",
    [HORIZON] = "INSERT INTO horizons(schedule, rule, slot) VALUES(?1, ?2, ?3)"
                " ON CONFLICT DO UPDATE SET rule = excluded.rule, slot = excluded.slot",
    [PAUSE] = "INSERT INTO pauses(schedule, until) VALUES(?1, ?2)"
              " ON CONFLICT DO UPDATE SET until = excluded.until",
    [RESUME] = "DELETE FROM pauses WHERE schedule = ?1",
    [PROBE] = "INSERT INTO meta(name, value) VALUES('probe', 1)"
              " ON CONFLICT DO UPDATE SET value = value + 1",
    [SWEEP_LOOK] = "SELECT slot, instance FROM runs WHERE schedule = ?1 AND slot < ?2"
                   " AND slot < coalesce((SELECT slot FROM horizons WHERE schedule = ?1), ?2)"
                   " AND (slot, instance) > (?3, ?4) ORDER BY slot, instance LIMIT " TEXT_OF(
                       LEDGER_SWEEP_ROWS),
    [SWEEP_DELETE] = "DELETE FROM runs WHERE schedule = ?1 AND state = 1"
                     " AND finish IS NOT '" OPEN "' AND result IS NOT 'again'"
                     " AND NOT EXISTS (SELECT 1 FROM runs AS whole WHERE whole.schedule = ?1"
                     " AND whole.slot = runs.slot AND whole.instance = '" LEDGER_WHOLE_SLOT
                     "' AND whole.state = 0)"
                     " AND (slot, instance) > (?2, ?3) AND (slot, instance) <= (?4, ?5)",
    [SWEEP_NEXT] = "SELECT schedule FROM runs WHERE schedule > ?1 ORDER BY schedule LIMIT 1",
};

struct ledger_rows {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    int journal_pages;
};

/* ---- items ---- */

static size_t size_of(const char *string)
{
    return string == NULL ? 0 : strlen(string) + 1;
}

/* Copies a string to *at and moves it on; NULL stays NULL. */
static const char *keep(char **at, const char *string)
{
    if (string == NULL)
        return NULL;
    char *kept = *at;
    size_t size = size_of(string);
    memcpy(kept, string, size);
    *at += size;
    return kept;
}

static enum ledger_item_kind kind_of(enum ledger_entry_kind kind)
{
    switch (kind) {
    case LEDGER_STARTED:
        return LEDGER_ITEM_STARTED;
    case LEDGER_ENDED:
        return LEDGER_ITEM_ENDED;
    case LEDGER_FINISHED:
        break;
    }
    return LEDGER_ITEM_FINISHED;
}

struct ledger_item *ledger_item_of_entry(const struct ledger_entry *entry, void **spare)
{
    size_t size = sizeof(struct ledger_item) + size_of(entry->schedule) + size_of(entry->instance)
                  + size_of(entry->region) + size_of(entry->code) + size_of(entry->message)
                  + size_of(entry->request_id);
    struct ledger_item *item = malloc(size);
    if (item == NULL && size <= LEDGER_ITEM_SIZE_MAX) {
        item = *spare;
        *spare = NULL;
    }
    if (item == NULL)
        return NULL;
    char *at = item->bytes;
    *item = (struct ledger_item){
        .kind = kind_of(entry->kind),
        .attempt = entry->attempt,
        .run_kind = entry->run_kind,
        .retries = entry->retries,
        .result = entry->result,
        .finish = entry->finish,
        .ticket = entry->kind == LEDGER_STARTED ? entry->ticket : 0,
        .task_id = entry->task_id,
        .slot = entry->slot,
        .at = entry->at,
        .schedule = keep(&at, entry->schedule),
        .instance = keep(&at, entry->instance),
        .region = keep(&at, entry->region),
        .code = keep(&at, entry->code),
        .message = keep(&at, entry->message),
        .request_id = keep(&at, entry->request_id),
    };
    return item;
}

struct ledger_item *ledger_item_of_horizon(const char *schedule, const char *rule, struct wall slot)
{
    struct ledger_item *item = malloc(sizeof *item + size_of(schedule) + size_of(rule));
    if (item == NULL)
        return NULL;
    char *at = item->bytes;
    *item = (struct ledger_item){
        .kind = LEDGER_ITEM_HORIZON,
        .slot = slot,
        .schedule = keep(&at, schedule),
        .rule = keep(&at, rule),
    };
    return item;
}

struct ledger_item *ledger_item_of_pause(const char *schedule, struct wall until)
{
    struct ledger_item *item = malloc(sizeof *item + size_of(schedule));
    if (item == NULL)
        return NULL;
    char *at = item->bytes;
    *item = (struct ledger_item){
        .kind = LEDGER_ITEM_PAUSE, .slot = until, .schedule = keep(&at, schedule)};
    return item;
}

/* ---- statements ---- */

static void bind_text(sqlite3_stmt *s, int place, const char *text)
{
    /* A static text needs no memory; a failure would be a place that there is not. */
    (void)sqlite3_bind_text(s, place, text == NULL || text[0] == '\0' ? NULL : text, -1,
                            SQLITE_STATIC);
}

/* The same where the empty text is a value. */
static void bind_key(sqlite3_stmt *s, int place, const char *text)
{
    (void)sqlite3_bind_text(s, place, text, -1, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *s, int place, int64_t number)
{
    (void)sqlite3_bind_int64(s, place, number);
}

/* 0: there is none. */
static void bind_task(sqlite3_stmt *s, int place, int64_t task_id)
{
    if (task_id != 0)
        bind_number(s, place, task_id);
    else
        (void)sqlite3_bind_null(s, place);
}

static int explain(struct ledger_rows *rows, int code, struct errtext *err)
{
    int r = ledger_schema_outcome(rows->db, code);
    if (r < 0)
        (void)errtext_set(err, r, "%s", sqlite3_errmsg(rows->db));
    return r;
}

/* Runs a statement that has no rows. */
static int finish(struct ledger_rows *rows, enum statement which, struct errtext *err)
{
    int code = sqlite3_step(rows->statements[which]);
    int r = explain(rows, code, err);
    (void)sqlite3_reset(rows->statements[which]);
    return r;
}

/* Is the entry's run a backup whose end is to be seen? */
static bool opens_watch(const struct ledger_item *item)
{
    return item->result == LEDGER_SUBMITTED && strcmp(item->instance, LEDGER_WHOLE_SLOT) != 0;
}

static int put_run(struct ledger_rows *rows, const struct ledger_item *item, struct errtext *err)
{
    bool ended = item->kind == LEDGER_ITEM_ENDED;
    sqlite3_stmt *s = rows->statements[ended ? ENDED : STARTED];
    bind_key(s, 1, item->schedule);
    bind_number(s, 2, item->slot.us);
    bind_key(s, 3, item->instance);
    bind_text(s, 4, item->region);
    bind_number(s, 5, item->attempt);
    bind_number(s, 6, item->at.us);
    bind_key(s, 7, ledger_kinds[item->run_kind]);
    bind_number(s, 8, item->retries);
    if (ended) {
        bind_key(s, 9, results[item->result]);
        bind_task(s, 10, item->task_id);
        bind_text(s, 11, item->code);
        bind_text(s, 12, item->message);
        bind_text(s, 13, item->request_id);
        bind_text(s, 14, opens_watch(item) ? OPEN : NULL);
    }
    return finish(rows, ended ? ENDED : STARTED, err);
}

/* No row changes where another attempt has begun: the statement says which. */
static int put_finish(struct ledger_rows *rows, const struct ledger_item *item, struct errtext *err)
{
    sqlite3_stmt *s = rows->statements[FINISHED];
    bind_key(s, 1, item->schedule);
    bind_number(s, 2, item->slot.us);
    bind_key(s, 3, item->instance);
    bind_number(s, 4, item->attempt);
    bind_key(s, 5, finishes[item->finish]);
    bind_number(s, 6, item->at.us);
    bind_task(s, 7, item->task_id);
    bind_text(s, 8, item->code);
    bind_text(s, 9, item->message);
    return finish(rows, FINISHED, err);
}

static int put_horizon(struct ledger_rows *rows, const struct ledger_item *item,
                       struct errtext *err)
{
    sqlite3_stmt *s = rows->statements[HORIZON];
    bind_key(s, 1, item->schedule);
    bind_key(s, 2, item->rule);
    bind_number(s, 3, item->slot.us);
    return finish(rows, HORIZON, err);
}

/* An end that is not known is NULL. */
static int put_pause(struct ledger_rows *rows, const struct ledger_item *item, struct errtext *err)
{
    bool resumes = item->slot.us == LEDGER_NO_PAUSE.us;
    sqlite3_stmt *s = rows->statements[resumes ? RESUME : PAUSE];
    bind_key(s, 1, item->schedule);
    if (!resumes && item->slot.us == WALL_NEVER.us)
        (void)sqlite3_bind_null(s, 2);
    else if (!resumes)
        bind_number(s, 2, item->slot.us);
    return finish(rows, resumes ? RESUME : PAUSE, err);
}

static int put(struct ledger_rows *rows, const struct ledger_item *item, struct errtext *err)
{
    switch (item->kind) {
    case LEDGER_ITEM_STARTED:
    case LEDGER_ITEM_ENDED:
        return put_run(rows, item, err);
    case LEDGER_ITEM_FINISHED:
        return put_finish(rows, item, err);
    case LEDGER_ITEM_PAUSE:
        return put_pause(rows, item, err);
    case LEDGER_ITEM_HORIZON:
        break;
    }
    return put_horizon(rows, item, err);
}

static void roll_back(struct ledger_rows *rows)
{
    if (sqlite3_get_autocommit(rows->db) == 0)
        (void)sqlite3_exec(rows->db, "ROLLBACK", NULL, NULL, NULL);
}

int ledger_rows_write(struct ledger_rows *rows, const struct ledger_item *first, unsigned limit,
                      struct errtext *err)
{
    int r = finish(rows, BEGIN, err);
    if (r == 0 && (first == NULL || limit == 0))
        r = finish(rows, PROBE, err);
    for (const struct ledger_item *item = first; r == 0 && item != NULL && limit > 0; limit--) {
        r = put(rows, item, err);
        item = item->next;
    }
    if (r == 0)
        r = finish(rows, COMMIT, err);
    if (r < 0)
        roll_back(rows);
    return r;
}

/* ---- the journal ---- */

static int note_pages(void *context, sqlite3 *db, const char *name, int pages)
{
    struct ledger_rows *rows = context;
    (void)db;
    (void)name;
    rows->journal_pages = pages;
    return SQLITE_OK;
}

void ledger_rows_checkpoint(struct ledger_rows *rows)
{
    if (rows->journal_pages < CHECKPOINT_PAGES)
        return;
    rows->journal_pages = 0; /* the next commit tells anew */
    (void)sqlite3_wal_checkpoint_v2(rows->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/* ---- sweeping ---- */

/*
 * Up to LEDGER_SWEEP_ROWS runs from here on; *ret is the last of them. Outcomes: 0;
 * LEDGER_SWEEP_DONE, fewer were left (*ret is *sweep where there were none); negative.
 */
static int find_end(struct ledger_rows *rows, const struct ledger_sweep *sweep, struct wall before,
                    struct ledger_sweep *ret)
{
    sqlite3_stmt *s = rows->statements[SWEEP_LOOK];
    struct ledger_sweep end = *sweep;
    int count = 0;
    int code;
    bind_key(s, 1, sweep->schedule);
    bind_number(s, 2, before.us);
    bind_number(s, 3, sweep->slot);
    bind_key(s, 4, sweep->instance);
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        const char *instance = (const char *)sqlite3_column_text(s, 1);
        end.slot = sqlite3_column_int64(s, 0);
        (void)sqlite3_snprintf((int)sizeof end.instance, end.instance, "%s",
                               instance == NULL ? "" : instance);
        count++;
    }
    int r = ledger_schema_outcome(rows->db, code);
    (void)sqlite3_reset(s);
    if (r < 0)
        return r;
    *ret = end;
    return count < LEDGER_SWEEP_ROWS ? LEDGER_SWEEP_DONE : 0;
}

static int delete_up_to(struct ledger_rows *rows, const struct ledger_sweep *from,
                        const struct ledger_sweep *to, unsigned *ret_deleted)
{
    sqlite3_stmt *s = rows->statements[SWEEP_DELETE];
    bind_key(s, 1, from->schedule);
    bind_number(s, 2, from->slot);
    bind_key(s, 3, from->instance);
    bind_number(s, 4, to->slot);
    bind_key(s, 5, to->instance);
    int r = finish(rows, SWEEP_DELETE, NULL);
    if (r == 0)
        *ret_deleted = (unsigned)sqlite3_changes(rows->db);
    else
        roll_back(rows);
    return r;
}

static int next_schedule(struct ledger_rows *rows, struct ledger_sweep *sweep)
{
    sqlite3_stmt *s = rows->statements[SWEEP_NEXT];
    bind_key(s, 1, sweep->schedule);
    int code = sqlite3_step(s);
    int r = ledger_schema_outcome(rows->db, code);
    if (r == 0)
        r = LEDGER_SWEEP_DONE;
    const char *name = code == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
    /* A longer name is not ours; behind a cut one the sweep would find it again and again. */
    if (name != NULL && strlen(name) < sizeof sweep->schedule) {
        *sweep = (struct ledger_sweep){.slot = INT64_MIN};
        memcpy(sweep->schedule, name, strlen(name) + 1);
        r = 0;
    }
    (void)sqlite3_reset(s);
    return r;
}

int ledger_rows_sweep(struct ledger_rows *rows, struct ledger_sweep *sweep, struct wall before,
                      unsigned *ret_deleted)
{
    struct ledger_sweep end;
    unsigned deleted = 0;
    int found = find_end(rows, sweep, before, &end);
    if (found < 0)
        return found;
    int r = delete_up_to(rows, sweep, &end, &deleted);
    if (r < 0)
        return r;
    *ret_deleted = deleted;
    *sweep = end;
    return found == LEDGER_SWEEP_DONE ? next_schedule(rows, sweep) : 0;
}

/* ---- open and close ---- */

static int prepare(struct ledger_rows *rows, const char *file, struct errtext *err)
{
    for (int i = 0; i < STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(rows->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &rows->statements[i], NULL);
        if (code == SQLITE_OK)
            continue;
        int r = explain(rows, code, err);
        return errtext_prefix(err, r, "%s lacks what a ledger has", file);
    }
    return 0;
}

void ledger_rows_close(struct ledger_rows *rows)
{
    if (rows == NULL)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        (void)sqlite3_finalize(rows->statements[i]);
    ledger_schema_close(rows->db);
    free(rows);
}

int ledger_rows_open(const char *file, struct ledger_rows **ret, struct errtext *err)
{
    struct ledger_rows *rows = calloc(1, sizeof *rows);
    if (rows == NULL)
        return errtext_set(err, -ENOMEM, "%s: %s", file, strerror(ENOMEM));
    int r = ledger_schema_open(file, &rows->db, err);
    if (r == 0)
        r = prepare(rows, file, err);
    if (r < 0) {
        ledger_rows_close(rows);
        return r;
    }
    (void)sqlite3_wal_hook(rows->db, note_pages, rows);
    *ret = rows;
    return 0;
}
