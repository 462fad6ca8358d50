/*
 * See ledger_history.h.
 *
 * A page goes slot by slot, from the newest on: one statement finds the next slot below, one gives
 * its rows in order. Both are a walk along one index: of all slots, of the failed runs, of one
 * schedule, or of each instance that is asked for; what else the question wants is looked at row by
 * row. So nothing is ever sorted, and a page can end and go on anywhere.
 *
 * Slots as a whole that belong to instances have no index of their own: each slot of their
 * schedules is gone to and looked at for its one row, which passes over all others of the slot.
 *
 * A row that is not as we write them (a key that is no text, or too long) is passed over: it cannot
 * be named. Where a page meets nothing else, the file is damaged.
 */
#include "ports/ledger_history.h"

#include "base/text.h"
#include "engine/ports.h"
#include "ports/ledger_schema.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum statement {
    ALL_NEXT,
    ALL_ROWS,
    FAILED_NEXT,
    FAILED_ROWS,
    SCHEDULE_NEXT,
    SCHEDULE_ROWS,
    INSTANCE_NEXT,
    INSTANCE_ROWS,
    WHOLE_ROWS,
    HAS_RUN,
    SCHEDULES,
    GOOD,
    STATEMENTS,
};

enum column {
    SCHEDULE,
    INSTANCE,
    SLOT,
    REGION,
    STATE,
    ATTEMPT,
    RESULT,
    FINISH,
    FIRST_AT,
    STARTED_AT,
    ENDED_AT,
    FINISHED_AT,
    TASK_ID,
    CODE,
    MESSAGE,
    REQUEST_ID,
    KIND,
    RETRIES,
};

#define NEXT "SELECT slot FROM runs "
#define ROWS                                                                             \
    "SELECT schedule, instance, slot, region, state, attempt, result, finish, first_at," \
    " started_at, ended_at, finished_at, task_id, code, message, request_id,"            \
    " kind, retries FROM runs "
#define NEWEST " AND slot < ?1 ORDER BY slot DESC LIMIT 1"

static const char *const texts[STATEMENTS] = {
    [ALL_NEXT] = NEXT "INDEXED BY runs_of_slot WHERE 1" NEWEST,
    [ALL_ROWS] = ROWS "INDEXED BY runs_of_slot WHERE slot = ?1 AND (schedule, instance) > (?2, ?3)"
                      " ORDER BY schedule, instance",
    [FAILED_NEXT] = NEXT "INDEXED BY runs_failed WHERE " LEDGER_SCHEMA_FAILED NEWEST,
    [FAILED_ROWS] = ROWS "INDEXED BY runs_failed WHERE " LEDGER_SCHEMA_FAILED
                         " AND slot = ?1 AND (schedule, instance) > (?2, ?3)"
                         " ORDER BY schedule, instance",
    [SCHEDULE_NEXT] = NEXT "WHERE schedule = ?2" NEWEST,
    [SCHEDULE_ROWS] = ROWS "WHERE schedule = ?2 AND slot = ?1 AND instance > ?3 ORDER BY instance",
    [INSTANCE_NEXT] = NEXT "INDEXED BY runs_of_instance WHERE instance = ?2" NEWEST,
    [INSTANCE_ROWS] = ROWS "INDEXED BY runs_of_instance WHERE instance = ?3 AND slot = ?1"
                           " AND schedule > ?2 ORDER BY schedule",
    [WHOLE_ROWS] = ROWS "WHERE schedule = ?2 AND slot = ?1 AND instance = '" LEDGER_WHOLE_SLOT
                        "' AND ?3 < instance",
    [HAS_RUN] = "SELECT 1 FROM runs WHERE schedule = ?2 AND slot = ?1 AND instance = ?3",
    [SCHEDULES] = "SELECT schedule FROM runs INDEXED BY runs_of_instance WHERE instance = ?1"
                  " ORDER BY slot DESC LIMIT ?2",
    [GOOD] = "SELECT slot, finished_at FROM runs INDEXED BY runs_of_instance"
             " WHERE instance = ?1 AND schedule = ?2 AND finish = 'succeeded'"
             " ORDER BY slot DESC LIMIT 1",
};

struct ledger_history {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
};

const char *history_outcome_name(enum history_outcome outcome)
{
    static const char *const names[] = {
        [HISTORY_OPEN] = "open",     [HISTORY_SUBMITTED] = "submitted",
        [HISTORY_FAILED] = "failed", [HISTORY_SUCCEEDED] = "succeeded",
        [HISTORY_MISSED] = "missed", [HISTORY_SKIPPED] = "skipped",
        [HISTORY_STUCK] = "stuck",   [HISTORY_UNKNOWN] = "unknown",
    };
    return names[outcome];
}

/* ---- one row ---- */

static void bind_key(sqlite3_stmt *s, int place, const char *text)
{
    /* A static text needs no memory; a failure would be a place that there is not. */
    (void)sqlite3_bind_text(s, place, text, -1, SQLITE_STATIC);
}

/* A name of ours: text without a zero byte, not longer than `most`; else NULL. */
static const char *name_of(sqlite3_stmt *s, enum column column, size_t most)
{
    const char *name = (const char *)sqlite3_column_text(s, (int)column);
    if (name == NULL)
        return NULL;
    size_t length = strlen(name);
    return length <= most && length == (size_t)sqlite3_column_bytes(s, (int)column) ? name : NULL;
}

/* What may be absent, as one clean line. */
static void copy_line(sqlite3_stmt *s, enum column column, char *ret, size_t size)
{
    struct text t = text_over(ret, size);
    const char *bytes = (const char *)sqlite3_column_text(s, (int)column);
    if (bytes != NULL)
        text_add_line(&t, bytes, (size_t)sqlite3_column_bytes(s, (int)column));
}

static bool is(sqlite3_stmt *s, enum column column, const char *word)
{
    const char *text = (const char *)sqlite3_column_text(s, (int)column);
    return text != NULL && strcmp(text, word) == 0;
}

static struct wall instant_of(sqlite3_stmt *s, enum column column)
{
    return (struct wall){sqlite3_column_int64(s, (int)column)}; /* NULL is 0 */
}

/* An accepted run, by what became of its task. */
static enum history_outcome finish_of(sqlite3_stmt *s)
{
    if (is(s, FINISH, "succeeded"))
        return HISTORY_SUCCEEDED;
    if (is(s, FINISH, "failed"))
        return HISTORY_FAILED;
    if (is(s, FINISH, "stuck"))
        return HISTORY_STUCK;
    return is(s, FINISH, "unwatched") ? HISTORY_UNKNOWN : HISTORY_SUBMITTED;
}

/* LEDGER_SCHEMA_FAILED says the same to the index. */
static enum history_outcome outcome_of(sqlite3_stmt *s)
{
    static const struct {
        const char *result;
        enum history_outcome outcome;
    } plain[] = {
        {"failed", HISTORY_FAILED},
        {"missed", HISTORY_MISSED},
        {"skipped", HISTORY_SKIPPED},
        {"unknown", HISTORY_UNKNOWN},
    };
    if (is(s, RESULT, "submitted"))
        return finish_of(s);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (is(s, RESULT, plain[i].result))
            return plain[i].outcome;
    return HISTORY_OPEN;
}

/* What nobody knows was the clock's doing. */
static const char *kind_of(sqlite3_stmt *s)
{
    static const char *const others[] = {"catch_up", "operator"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (is(s, KIND, others[i]))
            return others[i];
    return "schedule";
}

/* False for a row that cannot be named. */
static bool run_of(sqlite3_stmt *s, struct history_run *ret)
{
    const char *region = name_of(s, REGION, MODEL_REGION_MAX);
    ret->schedule = name_of(s, SCHEDULE, MODEL_NAME_MAX);
    ret->instance = name_of(s, INSTANCE, MODEL_INSTANCE_ID_MAX);
    ret->region = region != NULL ? region : "";
    ret->kind = kind_of(s);
    if (ret->schedule == NULL || ret->instance == NULL)
        return false;
    ret->slot = instant_of(s, SLOT);
    ret->outcome = outcome_of(s);
    ret->watched = is(s, FINISH, "open");
    ret->attempts = sqlite3_column_int(s, ATTEMPT);
    ret->retries = sqlite3_column_int(s, RETRIES);
    ret->first = instant_of(s, FIRST_AT);
    ret->started = instant_of(s, STARTED_AT);
    ret->ended = instant_of(s, ENDED_AT);
    ret->finished = instant_of(s, FINISHED_AT);
    ret->task_id = sqlite3_column_int64(s, TASK_ID);
    copy_line(s, CODE, ret->code, sizeof ret->code);
    if (ret->outcome == HISTORY_SUCCEEDED)
        ret->code[0] = '\0'; /* the word for that */
    copy_line(s, MESSAGE, ret->message, sizeof ret->message);
    copy_line(s, REQUEST_ID, ret->request_id, sizeof ret->request_id);
    return true;
}

static bool is_whole_slot(const struct history_run *run)
{
    return strcmp(run->instance, LEDGER_WHOLE_SLOT) == 0;
}

static bool is_failed(const struct history_run *run)
{
    return run->outcome > HISTORY_SUCCEEDED;
}

/* ---- a page ---- */

struct page {
    struct ledger_history *history;
    const struct history_query *query;
    const char *names[LEDGER_HISTORY_INSTANCES_MAX]; /* of instances, sorted */
    size_t name_count;
    const char *schedules[LEDGER_HISTORY_SCHEDULES_MAX]; /* with theirs as a whole, sorted */
    size_t schedule_count;
    struct wall nexts[LEDGER_HISTORY_INSTANCES_MAX + LEDGER_HISTORY_SCHEDULES_MAX]; /* of each the
                                                    newest slot below those behind; WALL_NEVER: not
                                                    looked for */
    struct history_cursor *cursor;
    history_run_fn each;
    void *context;
    unsigned looked; /* rows, and statements */
    int failure;     /* of a look at another row; 0: none */
    bool moved;      /* the cursor is not where it was */
    bool refused;    /* `each` took no more */
};

static bool is_over(const struct page *page)
{
    return page->refused || page->looked >= LEDGER_HISTORY_LOOKED_MAX;
}

/* Is there an instance that the slot as a whole speaks for? */
static bool speaks_for_one(struct page *page, const struct history_run *whole)
{
    sqlite3_stmt *s = page->history->statements[HAS_RUN];
    int code = SQLITE_ROW;
    (void)sqlite3_bind_int64(s, 1, whole->slot.us);
    bind_key(s, 2, whole->schedule);
    for (size_t i = 0; code == SQLITE_ROW && i < page->name_count; i++) {
        bind_key(s, 3, page->names[i]);
        page->looked++;
        code = sqlite3_step(s);
        page->failure = ledger_schema_outcome(page->history->db, code);
        (void)sqlite3_reset(s);
    }
    return code == SQLITE_DONE;
}

static bool is_wanted(struct page *page, const struct history_run *run)
{
    const struct history_query *query = page->query;
    if (query->schedule != NULL && strcmp(query->schedule, run->schedule) != 0)
        return false;
    if (query->failed && !is_failed(run))
        return false;
    if (!is_whole_slot(run))
        return true;
    return (run->outcome == HISTORY_MISSED || run->outcome == HISTORY_SKIPPED)
           && (query->instance_count == 0 || speaks_for_one(page, run));
}

static void move_to(struct page *page, struct wall slot, const char *schedule, const char *instance)
{
    struct history_cursor *cursor = page->cursor;
    cursor->begun = true;
    cursor->slot = slot;
    memcpy(cursor->schedule, schedule, strlen(schedule) + 1);
    memcpy(cursor->instance, instance, strlen(instance) + 1);
    page->moved = true;
}

/* The rest of a slot's rows along one index, behind the keys given. */
static int walk_rows(struct page *page, enum statement which, const char *schedule,
                     const char *instance)
{
    sqlite3_stmt *s = page->history->statements[which];
    int code = SQLITE_DONE;
    (void)sqlite3_bind_int64(s, 1, page->cursor->slot.us);
    bind_key(s, 2, schedule);
    bind_key(s, 3, instance);
    page->looked++;
    while (!is_over(page) && (code = sqlite3_step(s)) == SQLITE_ROW) {
        struct history_run run;
        page->looked++;
        if (!run_of(s, &run))
            continue;
        bool wanted = is_wanted(page, &run);
        if (page->failure < 0)
            break;
        if (wanted && !page->each(page->context, &run))
            page->refused = true;
        else
            move_to(page, run.slot, run.schedule, run.instance);
    }
    int r = page->failure < 0 ? page->failure : ledger_schema_outcome(page->history->db, code);
    (void)sqlite3_reset(s);
    return r;
}

static enum statement index_of(const struct history_query *query)
{
    if (query->instance_count > 0)
        return INSTANCE_NEXT;
    if (query->failed)
        return FAILED_NEXT;
    return query->schedule != NULL ? SCHEDULE_NEXT : ALL_NEXT;
}

/* The slot as a whole, of each schedule that is not behind. */
static int walk_wholes(struct page *page, const struct history_cursor *at)
{
    int r = 0;
    bool begun = strcmp(at->instance, LEDGER_WHOLE_SLOT) == 0;
    if (strcmp(at->instance, LEDGER_WHOLE_SLOT) > 0)
        return 0;
    for (size_t i = 0; r == 0 && !is_over(page) && i < page->schedule_count; i++)
        if (!begun || strcmp(page->schedules[i], at->schedule) > 0)
            r = walk_rows(page, WHOLE_ROWS, page->schedules[i], "");
    return r;
}

static int walk_instances(struct page *page, const struct history_cursor *at)
{
    int r = 0;
    for (size_t i = 0; r == 0 && !is_over(page) && i < page->name_count; i++) {
        const char *name = page->names[i];
        assert(name != NULL); /* there is one for each */
        int order = strcmp(name, at->instance);
        if (order >= 0)
            r = walk_rows(page, INSTANCE_ROWS, order == 0 ? at->schedule : "", name);
    }
    return r;
}

/* Every *_ROWS that has a *_NEXT stands behind it. */
static int walk_slot(struct page *page)
{
    const struct history_query *query = page->query;
    const struct history_cursor at = *page->cursor; /* the walk moves it */
    enum statement rows = index_of(query) + 1;
    if (rows == SCHEDULE_ROWS)
        return walk_rows(page, rows, query->schedule, at.instance);
    if (rows != INSTANCE_ROWS)
        return walk_rows(page, rows, at.schedule, at.instance);
    int r = walk_wholes(page, &at);
    return r < 0 ? r : walk_instances(page, &at);
}

/* The newest slot before `before` along one index. Outcomes: 0; LEDGER_HISTORY_DONE; negative. */
static int find_slot(struct page *page, enum statement which, const char *key, struct wall before,
                     struct wall *ret)
{
    sqlite3_stmt *s = page->history->statements[which];
    (void)sqlite3_bind_int64(s, 1, before.us);
    if (key != NULL)
        bind_key(s, 2, key);
    page->looked++;
    int code = sqlite3_step(s);
    int r = ledger_schema_outcome(page->history->db, code);
    if (code == SQLITE_ROW)
        *ret = (struct wall){sqlite3_column_int64(s, 0)};
    else if (r == 0)
        r = LEDGER_HISTORY_DONE;
    (void)sqlite3_reset(s);
    return r;
}

/* The newest of the slots below `before` that one of many keys has: each is looked for once. */
static int next_of(struct page *page, enum statement which, const char *const *keys, size_t count,
                   struct wall *nexts, struct wall before, struct wall *newest)
{
    for (size_t i = 0; i < count; i++) {
        if (!wall_before(nexts[i], before)) {
            nexts[i] = (struct wall){INT64_MIN};
            int r = find_slot(page, which, keys[i], before, &nexts[i]);
            if (r < 0)
                return r;
        }
        if (wall_before(*newest, nexts[i]))
            *newest = nexts[i];
    }
    return 0;
}

static int next_slot(struct page *page, struct wall before, struct wall *ret)
{
    const struct history_query *query = page->query;
    enum statement which = index_of(query);
    if (which != INSTANCE_NEXT)
        return find_slot(page, which, which == SCHEDULE_NEXT ? query->schedule : NULL, before, ret);
    struct wall newest = {INT64_MIN};
    int r =
        next_of(page, INSTANCE_NEXT, page->names, page->name_count, page->nexts, before, &newest);
    if (r == 0)
        r = next_of(page, SCHEDULE_NEXT, page->schedules, page->schedule_count,
                    &page->nexts[LEDGER_HISTORY_INSTANCES_MAX], before, &newest);
    if (r == 0 && newest.us == INT64_MIN)
        return LEDGER_HISTORY_DONE;
    if (r == 0)
        *ret = newest;
    return r;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int walk(struct page *page)
{
    struct history_cursor *cursor = page->cursor;
    for (;;) {
        struct wall slot = {INT64_MIN};
        int r = cursor->begun ? walk_slot(page) : 0;
        if (r < 0 || is_over(page))
            return r;
        r = next_slot(page, cursor->begun ? cursor->slot : page->query->until, &slot);
        if (r != 0)
            return r;
        if (wall_before(slot, page->query->since))
            return LEDGER_HISTORY_DONE;
        move_to(page, slot, "", "");
    }
}

/* Whose runs, and which schedules' slots as a whole, in order. */
static void name_all(struct page *page)
{
    const struct history_query *query = page->query;
    for (size_t i = 0; i < query->instance_count; i++)
        if (strcmp(query->instances[i], LEDGER_WHOLE_SLOT) != 0)
            page->names[page->name_count++] = query->instances[i];
    for (size_t i = 0; query->schedules != NULL && i < query->schedules->count; i++) {
        const char *name = query->schedules->names[i];
        if (query->schedule == NULL || strcmp(query->schedule, name) == 0)
            page->schedules[page->schedule_count++] = name;
    }
    qsort(page->names, page->name_count, sizeof page->names[0], compare_names);
    qsort(page->schedules, page->schedule_count, sizeof page->schedules[0], compare_names);
    for (size_t i = 0; i < sizeof page->nexts / sizeof page->nexts[0]; i++)
        page->nexts[i] = WALL_NEVER;
}

int ledger_history_page(struct ledger_history *history, const struct history_query *query,
                        struct history_cursor *cursor, history_run_fn each, void *context)
{
    struct page page = {
        .history = history, .query = query, .cursor = cursor, .each = each, .context = context};
    if (query->instance_count > LEDGER_HISTORY_INSTANCES_MAX)
        return -E2BIG;
    if (query->instance_count > 0)
        name_all(&page);
    int r = walk(&page);
    return r == 0 && !page.moved && !page.refused ? -EBADMSG : r;
}

/* ---- the schedules of instances ---- */

bool history_schedules_add(struct history_schedules *schedules, const char *name)
{
    for (size_t i = 0; i < schedules->count; i++)
        if (strcmp(schedules->names[i], name) == 0)
            return true;
    if (schedules->count == LEDGER_HISTORY_SCHEDULES_MAX)
        return false;
    memcpy(schedules->names[schedules->count++], name, strlen(name) + 1);
    return true;
}

int ledger_history_schedules(struct ledger_history *history, const char *const *instances,
                             size_t count, struct history_schedules *schedules)
{
    sqlite3_stmt *s = history->statements[SCHEDULES];
    int r = 0;
    if (count > LEDGER_HISTORY_INSTANCES_MAX)
        return -E2BIG;
    for (size_t i = 0; r == 0 && i < count; i++) {
        int code;
        bind_key(s, 1, instances[i]);
        (void)sqlite3_bind_int64(s, 2, LEDGER_HISTORY_LOOKED_MAX / (int64_t)count);
        while ((code = sqlite3_step(s)) == SQLITE_ROW) {
            const char *name = name_of(s, SCHEDULE, MODEL_NAME_MAX);
            if (name != NULL && strcmp(instances[i], LEDGER_WHOLE_SLOT) != 0)
                (void)!history_schedules_add(schedules, name);
        }
        r = ledger_schema_outcome(history->db, code);
        (void)sqlite3_reset(s);
    }
    return r;
}

/* ---- what became of one slot ---- */

int ledger_history_count(struct ledger_history *history, struct wall slot, const char *schedule,
                         struct history_counts *ret, history_run_fn each, void *context)
{
    sqlite3_stmt *s = history->statements[schedule != NULL ? SCHEDULE_ROWS : ALL_ROWS];
    struct history_counts counts = {.watched = 0};
    int code;
    (void)sqlite3_bind_int64(s, 1, slot.us);
    bind_key(s, 2, schedule != NULL ? schedule : "");
    bind_key(s, 3, "");
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        struct history_run run;
        if (!run_of(s, &run))
            continue;
        if (is_whole_slot(&run)) {
            counts.open_slots += run.outcome == HISTORY_OPEN;
            continue;
        }
        counts.by[run.outcome]++;
        counts.watched += run.watched;
        if (each != NULL && is_failed(&run) && !each(context, &run))
            each = NULL;
    }
    int r = ledger_schema_outcome(history->db, code);
    (void)sqlite3_reset(s);
    if (r == 0)
        *ret = counts;
    return r;
}

/* ---- the newest good backup ---- */

int ledger_history_good(struct ledger_history *history, const char *schedule, const char *instance,
                        struct wall *ret_slot, struct wall *ret_finished)
{
    sqlite3_stmt *s = history->statements[GOOD];
    bind_key(s, 1, instance);
    bind_key(s, 2, schedule);
    int code = sqlite3_step(s);
    int r = ledger_schema_outcome(history->db, code);
    if (code == SQLITE_ROW) {
        *ret_slot = (struct wall){sqlite3_column_int64(s, 0)};
        *ret_finished = (struct wall){sqlite3_column_int64(s, 1)};
    } else if (r == 0) {
        r = LEDGER_HISTORY_NONE;
    }
    (void)sqlite3_reset(s);
    return r;
}

/* ---- life ---- */

static int prepare(struct ledger_history *history, const char *file, struct errtext *err)
{
    for (int i = 0; i < STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(history->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &history->statements[i], NULL);
        if (code == SQLITE_OK)
            continue;
        return errtext_set(err, ledger_schema_outcome(history->db, code),
                           "%s lacks what a ledger has: %s", file, sqlite3_errmsg(history->db));
    }
    return 0;
}

int ledger_history_open(const char *file, struct ledger_history **ret, struct errtext *err)
{
    struct ledger_history *history = calloc(1, sizeof *history);
    if (history == NULL)
        return errtext_set(err, -ENOMEM, "%s: %s", file, strerror(ENOMEM));
    int r = ledger_schema_open_reader(file, &history->db, err);
    if (r == 0)
        r = prepare(history, file, err);
    if (r < 0) {
        ledger_history_close(history);
        return r;
    }
    *ret = history;
    return 0;
}

void ledger_history_close(struct ledger_history *history)
{
    if (history == NULL)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        (void)sqlite3_finalize(history->statements[i]);
    ledger_schema_close(history->db);
    free(history);
}
