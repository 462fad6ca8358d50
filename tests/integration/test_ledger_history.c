/*
 * The ledger's history on a real file that a real writer has open: every run stands in it as it
 * ended, every question is answered as a plain list would answer it, page by page, and no page
 * holds the file's journal or walks it without end.
 */
#include "shelf.h"

#include "ports/ledger_decisions.h"
#include "ports/ledger_history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOT 1795564800

struct place {
    struct shelf shelf;
    struct ledger_history *history;
};

static int set_up(void **state)
{
    struct place *place = malloc(sizeof *place);
    assert_non_null(place);
    shelf_make(&place->shelf);
    assert_int_equal(shelf_open(&place->shelf), 0);
    struct errtext err = {""};
    assert_int_equal(ledger_history_open(place->shelf.file, &place->history, &err), 0);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    ledger_history_close(place->history);
    shelf_finish(&place->shelf);
    free(place);
    return 0;
}

/* ---- what came out ---- */

#define SEEN_MAX 4000

struct seen_run {
    char schedule[MODEL_NAME_MAX + 1];
    char instance[MODEL_INSTANCE_ID_MAX + 1];
    char region[MODEL_REGION_MAX + 1];
    struct history_run run; /* but for the names */
};

struct seen {
    struct seen_run *runs;
    size_t count;
    size_t stop_at; /* refuses when so many are there */
};

static struct seen seen_make(size_t stop_at)
{
    struct seen seen = {.runs = calloc(SEEN_MAX, sizeof *seen.runs), .stop_at = stop_at};
    assert_non_null(seen.runs);
    return seen;
}

static bool see(void *context, const struct history_run *run)
{
    struct seen *seen = context;
    if (seen->count == seen->stop_at)
        return false;
    assert_true(seen->count < SEEN_MAX);
    struct seen_run *kept = &seen->runs[seen->count++];
    (void)snprintf(kept->schedule, sizeof kept->schedule, "%s", run->schedule);
    (void)snprintf(kept->instance, sizeof kept->instance, "%s", run->instance);
    (void)snprintf(kept->region, sizeof kept->region, "%s", run->region);
    kept->run = *run;
    return true;
}

/* All that a question finds, in pages of at most `rows` runs. */
static struct seen ask(struct ledger_history *history, const struct history_query *query,
                       size_t rows)
{
    struct seen seen = seen_make(rows);
    struct history_cursor cursor = {.begun = false};
    int r = 0;
    while ((r = ledger_history_page(history, query, &cursor, see, &seen)) == 0)
        seen.stop_at = seen.count + rows;
    assert_int_equal(r, LEDGER_HISTORY_DONE);
    return seen;
}

/* ---- how a run stands ---- */

static void end_with(struct shelf *shelf, const char *instance, enum ledger_result result)
{
    assert_int_equal(shelf_start(shelf, 1, instance, SLOT), 0);
    assert_int_equal(shelf_end(shelf, instance, SLOT, result), 0);
}

/* A run of each kind in one slot, and the slot itself. */
static void write_each_kind(struct shelf *shelf)
{
    static const struct {
        const char *instance;
        enum ledger_finish finish;
    } finished[] = {
        {"crs-succeeded", LEDGER_SUCCEEDED},
        {"crs-stuck", LEDGER_STUCK},
        {"crs-taskfailed", LEDGER_TASK_FAILED},
        {"crs-unwatched", LEDGER_UNWATCHED},
    };
    assert_int_equal(shelf_start(shelf, 0, LEDGER_WHOLE_SLOT, SLOT), 0);
    assert_int_equal(shelf_start(shelf, 1, "crs-started", SLOT), 0);
    end_with(shelf, "crs-again", LEDGER_AGAIN);
    end_with(shelf, "crs-failed", LEDGER_FAILED);
    end_with(shelf, "crs-missed", LEDGER_MISSED);
    end_with(shelf, "crs-running", LEDGER_SUBMITTED);
    end_with(shelf, "crs-skipped", LEDGER_SKIPPED);
    end_with(shelf, "crs-unknown", LEDGER_UNKNOWN);
    for (size_t i = 0; i < COUNT(finished); i++) {
        end_with(shelf, finished[i].instance, LEDGER_SUBMITTED);
        assert_int_equal(
            shelf_finish_task(shelf, finished[i].instance, SLOT, 1, finished[i].finish), 0);
    }
    assert_true(shelf_wait_idle(shelf, 10000));
    shelf_exec(shelf, "UPDATE runs SET message = 'overlap' WHERE result = 'skipped'");
    /* As versions before the watch left it. */
    shelf_exec(shelf, "INSERT INTO runs(schedule, slot, instance, state, attempt, result)"
                      " VALUES('nightly', 1795564800000000, 'crs-unasked', 1, 1, 'submitted')");
}

static void test_each_kind_of_end(void **state)
{
    static const struct {
        const char *instance;
        const char *outcome;
        bool failed;
    } kinds[] = {
        {"crs-again", "open", false},       {"crs-failed", "failed", true},
        {"crs-missed", "missed", true},     {"crs-running", "submitted", false},
        {"crs-skipped", "skipped", true},   {"crs-started", "open", false},
        {"crs-stuck", "stuck", true},       {"crs-succeeded", "succeeded", false},
        {"crs-taskfailed", "failed", true}, {"crs-unasked", "submitted", false},
        {"crs-unknown", "unknown", true},   {"crs-unwatched", "unknown", true},
    };
    struct place *place = *state;
    write_each_kind(&place->shelf);
    struct history_query query = {.until = WALL_NEVER};
    struct seen seen = ask(place->history, &query, SEEN_MAX);
    assert_int_equal(seen.count, COUNT(kinds));
    for (size_t i = 0; i < seen.count; i++) {
        assert_string_equal(seen.runs[i].instance, kinds[i].instance);
        assert_string_equal(history_outcome_name(seen.runs[i].run.outcome), kinds[i].outcome);
        assert_int_equal(seen.runs[i].run.watched, strcmp(kinds[i].instance, "crs-running") == 0);
    }
    free(seen.runs);

    /* What C calls failed, and what the index does. */
    query.failed = true;
    seen = ask(place->history, &query, SEEN_MAX);
    size_t at = 0;
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].failed)
            assert_string_equal(seen.runs[at++].instance, kinds[i].instance);
    assert_int_equal(seen.count, at);
    free(seen.runs);
}

static void test_a_run_with_all_it_has(void **state)
{
    struct place *place = *state;
    const char *const wanted[] = {"crs-taskfailed"};
    const struct history_query query = {
        .instances = wanted, .instance_count = 1, .until = WALL_NEVER};
    write_each_kind(&place->shelf);
    shelf_exec(&place->shelf, "UPDATE runs SET kind = 'operator', retries = 2,"
                              " message = 'no' || char(27) || '[2Jspace' || char(10)"
                              " WHERE instance = 'crs-taskfailed'");
    struct seen seen = ask(place->history, &query, SEEN_MAX);
    assert_int_equal(seen.count, 1);
    const struct history_run *run = &seen.runs[0].run;
    assert_string_equal(seen.runs[0].schedule, "nightly");
    assert_string_equal(seen.runs[0].region, "ap-guangzhou");
    assert_string_equal(run->kind, "operator");
    assert_int_equal(wall_seconds(run->slot), SLOT);
    assert_int_equal(run->attempts, 1);
    assert_int_equal(run->retries, 2);
    assert_int_equal(wall_seconds(run->first), SLOT + 1);
    assert_int_equal(wall_seconds(run->started), SLOT + 1);
    assert_int_equal(wall_seconds(run->ended), SLOT + 2);
    assert_int_equal(wall_seconds(run->finished), SLOT + 300);
    assert_int_equal(run->task_id, 6954227);
    assert_string_equal(run->code, "failed");
    assert_string_equal(run->message, "no [2Jspace "); /* nothing drives a terminal */
    assert_string_equal(run->request_id, "4daddc97-0005-45d8-b5b8-38514ec1e97c");
    free(seen.runs);
}

/* ---- questions against a plain list ---- */

#define MODEL_RUNS 600
#define MODEL_SCHEDULES 4
#define MODEL_INSTANCES 9
#define MODEL_SLOTS 40
#define OF_THE_FILE "s2" /* has every instance */

static int compare_runs(const struct seen_run *a, const struct seen_run *b, bool by_instance)
{
    if (a->run.slot.us != b->run.slot.us)
        return a->run.slot.us < b->run.slot.us ? 1 : -1;
    int schedules = strcmp(a->schedule, b->schedule);
    int instances = strcmp(a->instance, b->instance);
    if (by_instance)
        return instances != 0 ? instances : schedules;
    return schedules != 0 ? schedules : instances;
}

static int compare_by_schedule(const void *a, const void *b)
{
    return compare_runs(a, b, false);
}

static int compare_by_instance(const void *a, const void *b)
{
    return compare_runs(a, b, true);
}

static bool is_named(const struct history_query *query, const char *instance)
{
    for (size_t i = 0; i < query->instance_count; i++)
        if (strcmp(query->instances[i], instance) == 0)
            return true;
    return query->instance_count == 0;
}

static bool has_run(const struct seen *all, const struct seen_run *whole, const char *instance)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->runs[i].run.slot.us == whole->run.slot.us
            && strcmp(all->runs[i].schedule, whole->schedule) == 0
            && strcmp(all->runs[i].instance, instance) == 0)
            return true;
    return false;
}

/* Has one of them runs in the schedule? */
static bool is_in(const struct seen *all, const struct history_query *query, const char *schedule)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->runs[i].schedule, schedule) == 0
            && strcmp(all->runs[i].instance, LEDGER_WHOLE_SLOT) != 0
            && is_named(query, all->runs[i].instance))
            return true;
    return false;
}

/* A slot as a whole: of all, or of the schedules of one of them that has no run of its own. */
static bool is_whole_wanted(const struct seen *all, const struct history_query *query,
                            const struct seen_run *whole)
{
    if (query->instance_count == 0)
        return true;
    if (!is_in(all, query, whole->schedule) && strcmp(whole->schedule, OF_THE_FILE) != 0)
        return false;
    for (size_t i = 0; i < query->instance_count; i++)
        if (!has_run(all, whole, query->instances[i]))
            return true;
    return false;
}

/* The runs of the whole list that the question is about, in the promised order. */
static struct seen expect(const struct seen *all, const struct history_query *query)
{
    struct seen expected = seen_make(SEEN_MAX);
    for (size_t i = 0; i < all->count; i++) {
        const struct seen_run *kept = &all->runs[i];
        bool whole = strcmp(kept->instance, LEDGER_WHOLE_SLOT) == 0;
        bool wanted = (whole ? is_whole_wanted(all, query, kept) : is_named(query, kept->instance))
                      && (query->schedule == NULL || strcmp(query->schedule, kept->schedule) == 0)
                      && kept->run.slot.us >= query->since.us && kept->run.slot.us < query->until.us
                      && (!query->failed || kept->run.outcome > HISTORY_SUCCEEDED);
        if (wanted)
            expected.runs[expected.count++] = *kept;
    }
    qsort(expected.runs, expected.count, sizeof *expected.runs,
          query->instance_count > 0 ? compare_by_instance : compare_by_schedule);
    return expected;
}

static void fill_model(struct shelf *shelf, uint64_t *seed)
{
    static const char *const results[] = {"submitted", "failed",    "missed",
                                          "again",     "submitted", "skipped"};
    static const char *const finishes[] = {"NULL", "'succeeded'", "'failed'", "'open'"};
    char sql[400];
    size_t size = MODEL_RUNS * sizeof sql;
    char *all = malloc(size);
    assert_non_null(all);
    size_t length = (size_t)snprintf(all, size, "BEGIN;");
    for (int i = 0; i < MODEL_RUNS; i++) {
        uint64_t r = shelf_random(seed);
        char instance[MODEL_INSTANCE_ID_MAX + 1] = LEDGER_WHOLE_SLOT;
        if ((r >> 40) % MODEL_INSTANCES != 0)
            (void)snprintf(instance, sizeof instance, "crs-%d", (int)((r >> 24) % MODEL_INSTANCES));
        const char *result = results[r % COUNT(results)];
        bool submitted = strcmp(result, "submitted") == 0;
        length += (size_t)snprintf(
            all + length, size - length,
            "INSERT OR IGNORE INTO runs(schedule, slot, instance, state, attempt, result, finish)"
            " VALUES('s%d', %d, '%s', 1, 1, '%s', %s);",
            (int)((r >> 8) % MODEL_SCHEDULES), (int)((r >> 16) % MODEL_SLOTS) * 1000000, instance,
            result, submitted ? finishes[(r >> 32) % COUNT(finishes)] : "NULL");
    }
    (void)snprintf(all + length, size - length, "COMMIT;");
    shelf_exec(shelf, all);
    free(all);
}

static void check_question(struct ledger_history *history, const struct seen *all, uint64_t *seed)
{
    static const char *const schedules[] = {NULL, NULL, "s0", "s3", "none"};
    static const char *const names[] = {"crs-7", "crs-0", "crs-3", "crs-none"};
    uint64_t r = shelf_random(seed);
    struct history_schedules of_instances = {.count = 1, .names = {OF_THE_FILE}};
    const struct history_query query = {
        .schedule = schedules[r % COUNT(schedules)],
        .instances = names,
        .schedules = &of_instances,
        .instance_count = (r >> 8) % 3 != 0 ? 0 : (r >> 12) % (COUNT(names) + 1),
        .since = {(r >> 16) % 3 != 0 ? 0 : (int64_t)(r >> 20) % MODEL_SLOTS * 1000000},
        .until = (r >> 28) % 3 != 0 ? WALL_NEVER
                                    : (struct wall){(int64_t)(r >> 32) % MODEL_SLOTS * 1000000},
        .failed = (r >> 40) % 2 != 0,
    };
    assert_int_equal(ledger_history_schedules(history, names, query.instance_count, &of_instances),
                     0);
    struct seen expected = expect(all, &query);
    struct seen got = ask(history, &query, 1 + (r >> 44) % 12);
    assert_int_equal(got.count, expected.count);
    for (size_t i = 0; i < got.count; i++) {
        assert_int_equal(got.runs[i].run.slot.us, expected.runs[i].run.slot.us);
        assert_string_equal(got.runs[i].schedule, expected.runs[i].schedule);
        assert_string_equal(got.runs[i].instance, expected.runs[i].instance);
        assert_int_equal(got.runs[i].run.outcome, expected.runs[i].run.outcome);
    }
    free(got.runs);
    free(expected.runs);
}

static void test_questions_as_a_list_answers(void **state)
{
    struct place *place = *state;
    uint64_t seed = 0x5eed;
    fill_model(&place->shelf, &seed);
    const struct history_query everything = {.until = WALL_NEVER};
    struct seen all = ask(place->history, &everything, 7);
    assert_int_equal(all.count,
                     shelf_ask(&place->shelf, "SELECT count(*) FROM runs WHERE instance <> '*'"
                                              " OR result IN ('missed', 'skipped')"));
    assert_true(all.count > 300);
    for (int i = 0; i < 500; i++)
        check_question(place->history, &all, &seed);
    free(all.runs);
}

static void test_slots_as_a_whole(void **state)
{
    struct place *place = *state;
    const char *const named[] = {"*"};
    struct history_query query = {.until = WALL_NEVER};
    shelf_exec(&place->shelf,
               "INSERT INTO runs(schedule, slot, instance, state, attempt, result) VALUES"
               " ('a', 1000000, '*', 0, 0, NULL), ('b', 1000000, '*', 1, 0, 'submitted'),"
               " ('c', 1000000, '*', 1, 0, 'skipped'), ('d', 1000000, '*', 1, 0, 'missed')");
    struct seen seen = ask(place->history, &query, 1);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.runs[0].schedule, "c");
    assert_string_equal(seen.runs[1].schedule, "d");
    free(seen.runs);
    query.instances = named;
    query.instance_count = 1;
    seen = ask(place->history, &query, 1);
    assert_int_equal(seen.count, 0);
    free(seen.runs);
}

/* The slots of a schedule that has many, passed over in pages, and its one slot as a whole. */
static void test_a_whole_slot_far_away(void **state)
{
    struct place *place = *state;
    const char *const names[] = {"crs-new"};
    static struct history_schedules schedules;
    const struct history_query query = {
        .instances = names, .instance_count = 1, .schedules = &schedules, .until = WALL_NEVER};
    shelf_exec(&place->shelf,
               "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 15000)"
               " INSERT INTO runs(schedule, slot, instance, state, attempt, result)"
               " SELECT 's', i, iif(i % 2, 'crs-old', '*'), 1, 1, 'submitted' FROM n;"
               "INSERT INTO runs(schedule, slot, instance, state, attempt, result) VALUES"
               " ('s', 1, '*', 1, 0, 'missed'), ('s', 20000, 'crs-new', 1, 1, 'submitted')");
    assert_int_equal(ledger_history_schedules(place->history, names, 1, &schedules), 0);
    assert_int_equal(schedules.count, 1);
    struct seen seen = ask(place->history, &query, 1);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.runs[0].instance, "crs-new");
    assert_string_equal(seen.runs[1].instance, "*");
    assert_string_equal(history_outcome_name(seen.runs[1].run.outcome), "missed");
    free(seen.runs);

    struct history_cursor cursor = {.begun = false};
    seen = seen_make(SEEN_MAX);
    int r = 0;
    int pages = 0;
    while ((r = ledger_history_page(place->history, &query, &cursor, see, &seen)) == 0)
        pages++;
    assert_int_equal(r, LEDGER_HISTORY_DONE);
    assert_int_equal(seen.count, 2);
    assert_true(pages >= 15000 / LEDGER_HISTORY_LOOKED_MAX);
    free(seen.runs);
}

static void test_schedules_of_instances(void **state)
{
    struct place *place = *state;
    const char *names[LEDGER_HISTORY_INSTANCES_MAX + 1] = {"crs-a", "crs-b", "*"};
    static struct history_schedules schedules;
    shelf_exec(&place->shelf,
               "INSERT INTO runs(schedule, slot, instance, state, attempt, result) VALUES"
               " ('a', 1, 'crs-a', 1, 1, 'failed'), ('a', 2, 'crs-b', 1, 1, 'failed'),"
               " ('b', 3, 'crs-b', 1, 1, 'failed'), ('c', 4, '*', 1, 0, 'missed'),"
               " (printf('%.100c', 'x'), 5, 'crs-a', 0, 1, NULL);"
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)"
               " INSERT INTO runs(schedule, slot, instance, state, attempt, result)"
               " SELECT 'many' || i, i, 'crs-many', 1, 1, 'failed' FROM n");
    assert_int_equal(ledger_history_schedules(place->history, names, 3, &schedules), 0);
    assert_int_equal(schedules.count, 2);
    assert_string_equal(schedules.names[0], "a");
    assert_string_equal(schedules.names[1], "b");
    names[0] = "crs-many";
    assert_int_equal(ledger_history_schedules(place->history, names, 1, &schedules), 0);
    assert_int_equal(schedules.count, LEDGER_HISTORY_SCHEDULES_MAX);
    assert_string_equal(schedules.names[2], "many600"); /* the newest */
    assert_int_equal(ledger_history_schedules(place->history, names, COUNT(names), &schedules),
                     -E2BIG);
}

/* ---- bounds ---- */

static void test_a_page_is_short(void **state)
{
    struct place *place = *state;
    struct history_query query = {.schedule = "s", .until = WALL_NEVER};
    const char *names[LEDGER_HISTORY_INSTANCES_MAX + 1];
    shelf_exec(&place->shelf,
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000)"
               " INSERT INTO runs(schedule, slot, instance, state, attempt, result)"
               " SELECT 'other', i, 'crs-a', 1, 1, 'failed' FROM n;"
               "INSERT INTO runs(schedule, slot, instance, state, attempt, result)"
               " VALUES('s', 0, 'crs-a', 1, 1, 'failed')");
    struct seen seen = seen_make(SEEN_MAX);
    struct history_cursor cursor = {.begun = false};
    query.failed = true;
    int pages = 1;
    int r;
    while ((r = ledger_history_page(place->history, &query, &cursor, see, &seen)) == 0) {
        pages++;
        assert_true(pages < 100);
    }
    assert_int_equal(r, LEDGER_HISTORY_DONE);
    assert_int_equal(seen.count, 1);
    assert_true(pages >= 25000 / LEDGER_HISTORY_LOOKED_MAX);
    free(seen.runs);

    for (size_t i = 0; i < COUNT(names); i++)
        names[i] = "crs-a";
    query = (struct history_query){
        .instances = names, .instance_count = COUNT(names), .until = WALL_NEVER};
    cursor = (struct history_cursor){.begun = false};
    assert_int_equal(ledger_history_page(place->history, &query, &cursor, see, NULL), -E2BIG);
}

/* A page that ended early leaves the journal free: a checkpoint that wants all of it gets it. */
static void test_holds_no_journal(void **state)
{
    struct place *place = *state;
    const struct history_query query = {.until = WALL_NEVER};
    write_each_kind(&place->shelf);
    struct seen seen = seen_make(1);
    struct history_cursor cursor = {.begun = false};
    assert_int_equal(ledger_history_page(place->history, &query, &cursor, see, &seen), 0);
    assert_int_equal(seen.count, 1);
    struct history_counts counts;
    assert_int_equal(
        ledger_history_count(place->history, wall_from_seconds(SLOT), NULL, &counts, NULL, NULL),
        0);
    assert_int_equal(shelf_ask(&place->shelf, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);

    /* And what is written between two pages is seen by the second. */
    end_with(&place->shelf, "crs-zz", LEDGER_SUBMITTED);
    assert_true(shelf_wait_idle(&place->shelf, 10000));
    seen.stop_at = SEEN_MAX;
    assert_int_equal(ledger_history_page(place->history, &query, &cursor, see, &seen),
                     LEDGER_HISTORY_DONE);
    assert_string_equal(seen.runs[seen.count - 1].instance, "crs-zz");
    free(seen.runs);
}

/* Rows that nobody of ours wrote are passed over, and a file of nothing else is called damaged. */
static void test_rows_without_a_name(void **state)
{
    struct place *place = *state;
    const struct history_query query = {.until = WALL_NEVER};
    shelf_exec(&place->shelf,
               "INSERT INTO runs(schedule, slot, instance, state, attempt) VALUES"
               " (printf('%.100c', 'x'), 5, 'crs-a', 0, 1), ('s', 5, printf('%.100c', 'x'), 0, 1),"
               " (x'ff', 5, x'fe', 0, 1), ('s' || char(0) || 't', 5, 'crs-a', 0, 1),"
               " ('t', 5, 'crs-a', 'word', 'word')");
    struct seen seen = ask(place->history, &query, 1);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.runs[0].schedule, "t");
    free(seen.runs);
    shelf_exec(&place->shelf,
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
               " INSERT INTO runs(schedule, slot, instance, state, attempt)"
               " SELECT printf('%.100c', 'x') || i, 9, 'crs-a', 0, 1 FROM n");
    struct history_cursor cursor = {.begun = false};
    int r = 0;
    for (int pages = 0; r == 0 && pages < 9; pages++)
        r = ledger_history_page(place->history, &query, &cursor, see, NULL);
    assert_int_equal(r, -EBADMSG);
}

/* ---- one slot, one instance ---- */

static bool count_refusing(void *context, const struct history_run *run)
{
    size_t *count = context;
    (void)run;
    return ++*count < 3;
}

static void test_counts_of_a_slot(void **state)
{
    struct place *place = *state;
    struct history_counts counts;
    size_t told = 0;
    write_each_kind(&place->shelf);
    shelf_exec(&place->shelf,
               "INSERT INTO runs(schedule, slot, instance, state, attempt, result) VALUES"
               " ('a', 1795564800000000, 'crs-a', 1, 1, 'failed'),"
               " ('nightly', 1795564800000001, 'crs-a', 1, 1, 'failed')");
    assert_int_equal(ledger_history_count(place->history, wall_from_seconds(SLOT), NULL, &counts,
                                          count_refusing, &told),
                     0);
    static const uint64_t expected[] = {
        [HISTORY_OPEN] = 2,   [HISTORY_SUBMITTED] = 2, [HISTORY_SUCCEEDED] = 1,
        [HISTORY_FAILED] = 3, [HISTORY_MISSED] = 1,    [HISTORY_SKIPPED] = 1,
        [HISTORY_STUCK] = 1,  [HISTORY_UNKNOWN] = 2,
    };
    for (size_t i = 0; i < COUNT(expected); i++)
        assert_int_equal(counts.by[i], expected[i]);
    assert_int_equal(counts.watched, 1);
    assert_int_equal(counts.open_slots, 1);
    assert_int_equal(told, 3); /* no more were wanted */
    assert_int_equal(ledger_history_count(place->history, wall_from_seconds(SLOT), "nightly",
                                          &counts, NULL, NULL),
                     0);
    assert_int_equal(counts.by[HISTORY_FAILED], 2);
    assert_int_equal(
        ledger_history_count(place->history, wall_from_seconds(1), NULL, &counts, NULL, NULL), 0);
    assert_int_equal(counts.by[HISTORY_FAILED], 0);
}

static void test_newest_good(void **state)
{
    struct place *place = *state;
    struct shelf *shelf = &place->shelf;
    struct wall slot = {-1};
    struct wall finished = {-1};
    for (int day = 0; day < 3; day++) {
        int64_t at = SLOT + day * SECONDS_PER_DAY;
        assert_int_equal(shelf_start(shelf, 1, "crs-a", at), 0);
        assert_int_equal(shelf_end(shelf, "crs-a", at, LEDGER_SUBMITTED), 0);
        assert_int_equal(shelf_finish_task(shelf, "crs-a", at, 1,
                                           day == 2 ? LEDGER_TASK_FAILED : LEDGER_SUCCEEDED),
                         0);
    }
    assert_true(shelf_wait_idle(shelf, 10000));
    struct ledger_history *history = place->history;
    assert_int_equal(ledger_history_good(history, "nightly", "crs-a", &slot, &finished), 0);
    assert_int_equal(wall_seconds(slot), SLOT + SECONDS_PER_DAY);
    assert_int_equal(wall_seconds(finished), SLOT + SECONDS_PER_DAY + 300);
    assert_int_equal(ledger_history_good(history, "weekly", "crs-a", &slot, &finished),
                     LEDGER_HISTORY_NONE);
    assert_int_equal(ledger_history_good(history, "nightly", "crs-b", &slot, &finished),
                     LEDGER_HISTORY_NONE);
}

/* ---- decisions ---- */

struct told {
    char events[LEDGER_DECISIONS_MAX][32];
    char texts[LEDGER_DECISIONS_MAX][400];
    int64_t at[LEDGER_DECISIONS_MAX];
    size_t count;
};

static void hear(void *context, const struct ledger_decision *decision)
{
    struct told *told = context;
    assert_true(told->count < LEDGER_DECISIONS_MAX);
    (void)snprintf(told->events[told->count], sizeof told->events[0], "%s", decision->event);
    (void)snprintf(told->texts[told->count], sizeof told->texts[0], "%s", decision->text);
    told->at[told->count++] = decision->at.us;
}

static void test_decisions(void **state)
{
    static const struct {
        const char *instance;
        const char *first; /* the newest */
        const char *text;  /* a part of it */
        const char *second;
    } cases[] = {
        {"crs-started", "backup_started", "no verdict yet", NULL},
        {"crs-again", "backup_retry", "another follows", NULL},
        {"crs-held", "backup_waiting", "nothing was sent so far", NULL},
        {"crs-fifth", "backup_submitted", "accepted attempt 5; 4 before it came to nothing", NULL},
        {"crs-behind", "backup_missed", "an earlier backup was not known to have ended", NULL},
        {"crs-failed", "backup_failed", "given up after attempt 1", NULL},
        {"crs-missed", "backup_missed", "nothing was sent", NULL},
        {"crs-skipped", "backup_skipped", "sent: its previous backup has not ended", NULL},
        {"crs-unknown", "backup_failed", "was lost", NULL},
        {"crs-running", "backup_submitted", "accepted attempt 1", NULL},
        {"crs-succeeded", "backup_succeeded", "298s after", "backup_submitted"},
        {"crs-taskfailed", "backup_failed", "its task failed: no space", "backup_submitted"},
        {"crs-stuck", "backup_failed", "complete_within", "backup_submitted"},
        {"crs-unwatched", "watch_failed", "nobody will know", "backup_submitted"},
        {"crs-nobody", NULL, NULL, NULL},
    };
    struct place *place = *state;
    write_each_kind(&place->shelf);
    shelf_exec(&place->shelf,
               "INSERT INTO runs(schedule, slot, instance, state, attempt, ended_at, result,"
               " message) VALUES('s', 7, 'crs-held', 1, 0, 7, 'again', NULL),"
               " ('s', 7, 'crs-behind', 1, 0, 7, 'missed', 'earlier_backup'),"
               " ('s', 7, 'crs-fifth', 1, 5, 7, 'submitted', NULL)");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct told told = {.count = 0};
        const struct ledger_decided of = {.instance = cases[i].instance};
        assert_int_equal(ledger_decisions(place->history, &of, hear, &told), 0);
        size_t count = (cases[i].first != NULL) + (size_t)(cases[i].second != NULL);
        assert_int_equal(told.count, count);
        if (count > 0) {
            assert_string_equal(told.events[0], cases[i].first);
            assert_non_null(strstr(told.texts[0], cases[i].text));
        }
        if (count > 1)
            assert_string_equal(told.events[1], cases[i].second);
    }
}

/* A task that ends after the next slot's verdict is told after it; the oldest fall off. */
static void test_decisions_in_order(void **state)
{
    struct place *place = *state;
    struct told told = {.count = 0};
    shelf_exec(&place->shelf,
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 80)"
               " INSERT INTO runs(schedule, slot, instance, state, attempt, ended_at, result,"
               " finish, finished_at) SELECT 's', i * 100, 'crs-a', 1, 1, i * 100 + 1, 'submitted',"
               " 'succeeded', i * 100 + 150 FROM n");
    const struct ledger_decided of = {.instance = "crs-a"};
    assert_int_equal(ledger_decisions(place->history, &of, hear, &told), 0);
    assert_int_equal(told.count, LEDGER_DECISIONS_MAX);
    assert_int_equal(told.at[0], 8150);
    assert_string_equal(told.events[0], "backup_succeeded");
    assert_int_equal(told.at[1], 8050);
    assert_string_equal(told.events[1], "backup_succeeded");
    assert_int_equal(told.at[2], 8001);
    assert_string_equal(told.events[2], "backup_submitted");
    for (size_t i = 1; i < told.count; i++)
        assert_true(told.at[i] < told.at[i - 1]);
}

/* Slots as a whole are told to their members, but for those that have a row of their own there. */
static void test_decisions_of_slots(void **state)
{
    static struct history_schedules schedules = {.count = 2, .names = {"other", "s"}};
    static const char *const told_of[][3] = {
        {"backup_skipped", "nothing was sent: the schedule is paused", NULL},
        {"backup_missed", "the slot as a whole: nothing was sent: passed, with all others", NULL},
        {"backup_missed", "nothing was sent: the slot passed while", NULL},
        {"backup_submitted", "accepted", NULL},
    };
    struct place *place = *state;
    struct told told = {.count = 0};
    const struct ledger_decided of = {"crs-a", &schedules};
    shelf_exec(&place->shelf,
               "INSERT INTO runs(schedule, slot, instance, state, attempt, ended_at, result,"
               " message) VALUES"
               " ('s', 100, 'crs-a', 1, 1, 101, 'submitted', NULL),"
               " ('s', 100, '*', 1, 0, 102, 'skipped', 'paused')," /* the others */
               " ('s', 200, '*', 1, 0, 401, 'missed', 'passed'),"
               " ('s', 300, '*', 1, 0, 402, 'missed', 'passed, with all others before then'),"
               " ('s', 400, '*', 1, 0, 403, 'submitted', NULL),"
               " ('t', 500, '*', 1, 0, 501, 'missed', 'too_late'),"
               " ('other', 600, '*', 1, 0, 601, 'skipped', 'paused')");
    assert_int_equal(ledger_decisions(place->history, &of, hear, &told), 0);
    assert_int_equal(told.count, COUNT(told_of));
    for (size_t i = 0; i < told.count; i++) {
        assert_string_equal(told.events[i], told_of[i][0]);
        assert_non_null(strstr(told.texts[i], told_of[i][1]));
    }
    told.count = 0;
    schedules.count = 0;
    assert_int_equal(ledger_decisions(place->history, &of, hear, &told), 0);
    assert_int_equal(told.count, 1);
    /* Its newest fifty are no older than the slots that count. */
    told.count = 0;
    schedules.count = 2;
    shelf_exec(&place->shelf,
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)"
               " INSERT INTO runs(schedule, slot, instance, state, attempt, ended_at, result)"
               " SELECT 's', i * 1000, 'crs-a', 1, 1, i * 1000 + 1, 'failed' FROM n;"
               "INSERT INTO runs(schedule, slot, instance, state, attempt, ended_at, result,"
               " message) VALUES('s', 59001, '*', 1, 0, 59002, 'missed', 'too_late')");
    assert_int_equal(ledger_decisions(place->history, &of, hear, &told), 0);
    assert_int_equal(told.count, LEDGER_DECISIONS_MAX);
    assert_string_equal(told.events[1], "backup_missed");
    assert_non_null(strstr(told.texts[1], "later than start_within"));
}

/* ---- files ---- */

static void test_files_that_cannot_be_asked(void **state)
{
    struct place *place = *state;
    struct ledger_history *history = NULL;
    struct errtext err = {""};
    char absent[200];
    (void)snprintf(absent, sizeof absent, "%s/absent.db", place->shelf.dir);
    assert_int_equal(ledger_history_open(absent, &history, &err), -ENOENT);
    assert_non_null(strstr(err.text, absent));
    assert_null(history);
    shelf_exec(&place->shelf, "DROP INDEX runs_failed");
    assert_int_equal(ledger_history_open(place->shelf.file, &history, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "lacks what a ledger has"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_kind_of_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_run_with_all_it_has, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_questions_as_a_list_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slots_as_a_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_whole_slot_far_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_schedules_of_instances, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_page_is_short, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_holds_no_journal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rows_without_a_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_counts_of_a_slot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_newest_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_decisions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_decisions_of_slots, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_decisions_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_that_cannot_be_asked, set_up, tear_down),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
