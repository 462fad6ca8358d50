/*
 * See ledger_reader.h. Every statement is reset whatever it answered, so that none holds an old
 * state of the file, and with it the journal, longer than its call.
 *
 * A row that is not as we write them (a key that is no text) is passed over: it cannot be named.
 */
#include "ports/ledger_reader.h"

#include "ports/ledger_rows.h"
#include "ports/ledger_schema.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum statement {
    HORIZON,
    RECORDED,
    UNENDED,
    SCAN,
    UNFINISHED,
    PAUSES,
    STATEMENTS,
};

#define ROW                                                                                   \
    "SELECT schedule, slot, instance, region, attempt, state, result IS 'again', started_at," \
    " ended_at, task_id, kind, retries FROM runs "

static const char *const texts[STATEMENTS] = {
    [HORIZON] = "SELECT rule, slot FROM horizons WHERE schedule = ?1",
    [RECORDED] = "SELECT min(slot), max(slot) FROM runs WHERE schedule = ?1 AND slot > ?2"
                 " AND kind IS NOT 'operator'"
                 " AND (instance <> '" LEDGER_WHOLE_SLOT "' OR started_at IS NOT NULL)",
    [UNENDED] = ROW "WHERE state = 0 ORDER BY schedule, slot, instance",
    [SCAN] = ROW "WHERE schedule = ?1 AND slot = ?2 AND instance <> '" LEDGER_WHOLE_SLOT "'",
    [PAUSES] = "SELECT schedule, until FROM pauses",
    [UNFINISHED] = ROW "WHERE finish = 'open' ORDER BY slot, schedule, instance",
};

struct ledger_reader {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
};

static void bind_key(sqlite3_stmt *s, int place, const char *text)
{
    /* A static text needs no memory; a failure would be a place that there is not. */
    (void)sqlite3_bind_text(s, place, text, -1, SQLITE_STATIC);
}

int ledger_reader_horizon(struct ledger_reader *reader, const char *schedule, const char *rule,
                          struct wall *ret)
{
    sqlite3_stmt *s = reader->statements[HORIZON];
    bind_key(s, 1, schedule);
    int code = sqlite3_step(s);
    int r = ledger_schema_outcome(reader->db, code);
    if (code == SQLITE_ROW) {
        const char *kept = (const char *)sqlite3_column_text(s, 0);
        *ret = (struct wall){sqlite3_column_int64(s, 1)};
        r = kept != NULL && strcmp(kept, rule) == 0 ? 0 : LEDGER_OTHER_RULE;
    } else if (r == 0) {
        r = LEDGER_NO_HORIZON;
    }
    (void)sqlite3_reset(s);
    return r;
}

int ledger_reader_recorded(struct ledger_reader *reader, const char *schedule, struct wall after,
                           struct wall *ret_first, struct wall *ret_last)
{
    sqlite3_stmt *s = reader->statements[RECORDED];
    bind_key(s, 1, schedule);
    (void)sqlite3_bind_int64(s, 2, after.us);
    int code = sqlite3_step(s);
    int r = ledger_schema_outcome(reader->db, code);
    if (code == SQLITE_ROW && sqlite3_column_type(s, 0) == SQLITE_INTEGER) {
        *ret_first = (struct wall){sqlite3_column_int64(s, 0)};
        *ret_last = (struct wall){sqlite3_column_int64(s, 1)};
    } else if (r == 0) {
        r = LEDGER_NO_SLOT;
    }
    (void)sqlite3_reset(s);
    return r;
}

/* ---- rows ---- */

/* What nobody knows, or a later version says, was the clock's doing. */
static enum ledger_kind kind_of(const char *word)
{
    for (int i = 0; word != NULL && i <= LEDGER_KIND_OPERATOR; i++)
        if (strcmp(word, ledger_kinds[i]) == 0)
            return (enum ledger_kind)i;
    return LEDGER_KIND_SCHEDULE;
}

static struct ledger_row row_of(sqlite3_stmt *s)
{
    const char *region = (const char *)sqlite3_column_text(s, 3);
    enum ledger_state state = LEDGER_STATE_STARTED;
    if (sqlite3_column_int(s, 5) != 0)
        state = sqlite3_column_int(s, 6) != 0 ? LEDGER_STATE_AGAIN : LEDGER_STATE_ENDED;
    return (struct ledger_row){
        .schedule = (const char *)sqlite3_column_text(s, 0),
        .instance = (const char *)sqlite3_column_text(s, 2),
        .region = region == NULL ? "" : region,
        .slot = {sqlite3_column_int64(s, 1)},
        .attempt = sqlite3_column_int(s, 4),
        .kind = kind_of((const char *)sqlite3_column_text(s, 10)),
        .retries = sqlite3_column_int(s, 11),
        .state = state,
        .started_at = {sqlite3_column_int64(s, 7)}, /* NULL is 0 */
        .ended_at = {sqlite3_column_int64(s, 8)},
        .task_id = sqlite3_column_int64(s, 9),
    };
}

/* Runs a statement whose places are bound. */
static int each_row(struct ledger_reader *reader, enum statement which, ledger_row_fn each,
                    void *context)
{
    sqlite3_stmt *s = reader->statements[which];
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        const struct ledger_row row = row_of(s);
        if (row.schedule != NULL && row.instance != NULL)
            each(context, &row);
    }
    int r = ledger_schema_outcome(reader->db, code);
    (void)sqlite3_reset(s);
    return r;
}

int ledger_reader_unended(struct ledger_reader *reader, ledger_row_fn each, void *context)
{
    return each_row(reader, UNENDED, each, context);
}

int ledger_reader_scan(struct ledger_reader *reader, const char *schedule, struct wall slot,
                       ledger_row_fn each, void *context)
{
    bind_key(reader->statements[SCAN], 1, schedule);
    (void)sqlite3_bind_int64(reader->statements[SCAN], 2, slot.us);
    return each_row(reader, SCAN, each, context);
}

int ledger_reader_unfinished(struct ledger_reader *reader, ledger_row_fn each, void *context)
{
    return each_row(reader, UNFINISHED, each, context);
}

int ledger_reader_pauses(struct ledger_reader *reader, ledger_pause_fn each, void *context)
{
    sqlite3_stmt *s = reader->statements[PAUSES];
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        const char *schedule = (const char *)sqlite3_column_text(s, 0);
        struct wall until = WALL_NEVER;
        if (sqlite3_column_type(s, 1) != SQLITE_NULL)
            until.us = sqlite3_column_int64(s, 1);
        if (schedule != NULL)
            each(context, schedule, until);
    }
    int r = ledger_schema_outcome(reader->db, code);
    (void)sqlite3_reset(s);
    return r;
}

/* ---- life ---- */

static int prepare(struct ledger_reader *reader, const char *file, struct errtext *err)
{
    for (int i = 0; i < STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(reader->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &reader->statements[i], NULL);
        if (code == SQLITE_OK)
            continue;
        return errtext_set(err, ledger_schema_outcome(reader->db, code),
                           "%s lacks what a ledger has: %s", file, sqlite3_errmsg(reader->db));
    }
    return 0;
}

int ledger_reader_open(const char *file, struct ledger_reader **ret, struct errtext *err)
{
    struct ledger_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return errtext_set(err, -ENOMEM, "%s: %s", file, strerror(ENOMEM));
    int r = ledger_schema_open_reader(file, &reader->db, err);
    if (r == 0)
        r = prepare(reader, file, err);
    if (r < 0) {
        ledger_reader_close(reader);
        return r;
    }
    *ret = reader;
    return 0;
}

void ledger_reader_close(struct ledger_reader *reader)
{
    if (reader == NULL)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        (void)sqlite3_finalize(reader->statements[i]);
    ledger_schema_close(reader->db);
    free(reader);
}
