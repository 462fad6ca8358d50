/*
 * The ledger's promises on a disk that works: what goes in comes out, in order, in groups, within
 * bounds, and by one process at a time.
 */
#include "shelf.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RULE "0 3 * * * Asia/Shanghai"
#define SLOT 1795564800

static int set_up(void **state)
{
    struct shelf *shelf = malloc(sizeof *shelf);
    assert_non_null(shelf);
    shelf_make(shelf);
    *state = shelf;
    return 0;
}

static int tear_down(void **state)
{
    shelf_finish(*state);
    free(*state);
    return 0;
}

static void set_horizon(struct shelf *shelf, const char *schedule, const char *rule, int64_t slot)
{
    shelf->port.set_horizon(shelf->port.context, schedule, rule, wall_from_seconds(slot));
}

static int get_horizon(struct shelf *shelf, const char *schedule, const char *rule, int64_t *ret)
{
    struct wall slot = {INT64_MIN};
    int r = shelf->port.horizon(shelf->port.context, schedule, rule, &slot);
    *ret = wall_seconds(slot);
    return r;
}

/* ---- what goes in comes out ---- */

struct seen {
    char ids[16][64];
    char schedules[16][64];
    enum ledger_state states[16];
    int attempts[16];
    int64_t slots[16];
    size_t count;
};

static void see_state(void *context, const char *instance, enum ledger_state state)
{
    struct seen *seen = context;
    assert_true(seen->count < COUNT(seen->ids));
    (void)snprintf(seen->ids[seen->count], sizeof seen->ids[0], "%s", instance);
    seen->states[seen->count++] = state;
}

static void see_unended(void *context, const char *schedule, const char *instance, struct wall slot,
                        int attempt)
{
    struct seen *seen = context;
    assert_true(seen->count < COUNT(seen->ids));
    (void)snprintf(seen->schedules[seen->count], sizeof seen->schedules[0], "%s", schedule);
    (void)snprintf(seen->ids[seen->count], sizeof seen->ids[0], "%s", instance);
    seen->slots[seen->count] = wall_seconds(slot);
    seen->attempts[seen->count++] = attempt;
}

static void check_kept(struct shelf *shelf)
{
    struct seen seen = {.count = 0};
    assert_int_equal(
        shelf->port.scan(shelf->port.context, "nightly", wall_from_seconds(SLOT), see_state, &seen),
        0);
    assert_int_equal(seen.count, 3);
    assert_string_equal(seen.ids[0], "crs-a");
    assert_int_equal(seen.states[0], LEDGER_STATE_ENDED);
    assert_string_equal(seen.ids[1], "crs-b");
    assert_int_equal(seen.states[1], LEDGER_STATE_STARTED);
    assert_string_equal(seen.ids[2], "crs-c");
    assert_int_equal(seen.states[2], LEDGER_STATE_AGAIN);

    seen.count = 0;
    assert_int_equal(
        shelf->port.scan(shelf->port.context, "weekly", wall_from_seconds(SLOT), see_state, &seen),
        0);
    assert_int_equal(seen.count, 0);

    struct wall first = {-1};
    struct wall last = {-1};
    int (*recorded)(void *, const char *, struct wall, struct wall *, struct wall *) =
        shelf->port.recorded;
    void *context = shelf->port.context;
    const struct wall slot = wall_from_seconds(SLOT);
    assert_int_equal(recorded(context, "nightly", wall_add_us(slot, -1), &first, &last), 0);
    assert_int_equal(first.us, slot.us);
    assert_int_equal(last.us, slot.us);
    assert_int_equal(recorded(context, "nightly", slot, &first, &last), LEDGER_NO_SLOT);
    assert_int_equal(recorded(context, "weekly", (struct wall){0}, &first, &last), LEDGER_NO_SLOT);

    assert_int_equal(shelf->port.unended(shelf->port.context, see_unended, &seen), 0);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.ids[0], LEDGER_WHOLE_SLOT);
    assert_string_equal(seen.ids[1], "crs-b");
    assert_string_equal(seen.schedules[1], "nightly");
    assert_int_equal(seen.slots[1], SLOT);
    assert_int_equal(seen.attempts[1], 1);
}

static void test_round_trip(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    assert_string_equal(shelf->warning.text, "");
    assert_true(shelf->port.durable);
    assert_int_equal(shelf_start(shelf, 0, LEDGER_WHOLE_SLOT, SLOT), 0);
    set_horizon(shelf, "nightly", RULE, SLOT);
    assert_int_equal(shelf_start(shelf, 11, "crs-a", SLOT), 0);
    assert_int_equal(shelf_start(shelf, 12, "crs-b", SLOT), 0);
    assert_int_equal(shelf_start(shelf, 13, "crs-c", SLOT), 0);
    assert_int_equal(shelf_end(shelf, "crs-a", SLOT, LEDGER_SUBMITTED), 0);
    assert_int_equal(shelf_end(shelf, "crs-c", SLOT, LEDGER_AGAIN), 0);
    assert_true(shelf_wait_told(shelf, 3, 10000));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(shelf->told[i].ticket, 11 + i);
        assert_int_equal(shelf->told[i].outcome, 0);
    }
    assert_true(shelf_wait_idle(shelf, 10000));
    check_kept(shelf);
    shelf_close(shelf);
    assert_int_equal(shelf->told_count, 3); /* nobody waits for the others */
    assert_int_equal(shelf->state_count, 0);
    assert_int_equal(access(shelf->file, F_OK), 0);

    assert_int_equal(shelf_ask(shelf, "SELECT task_id FROM runs WHERE instance = 'crs-a'"),
                     6954227);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE instance = 'crs-a'"
                                      " AND result = 'submitted' AND region = 'ap-guangzhou'"
                                      " AND code IS NULL AND first_at = started_at"
                                      " AND ended_at - first_at = 1000000"),
                     1);
    assert_int_equal(shelf_open(shelf), 0);
    check_kept(shelf);
}

static void test_second_attempt(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    struct ledger_entry entry = {
        .ticket = 1,
        .kind = LEDGER_STARTED,
        .schedule = "nightly",
        .instance = "crs-a",
        .region = "ap-guangzhou",
        .slot = wall_from_seconds(SLOT),
        .attempt = 1,
        .at = wall_from_seconds(SLOT + 1),
    };
    assert_int_equal(shelf->port.append(shelf->port.context, &entry), 0);
    assert_int_equal(shelf_end(shelf, "crs-a", SLOT, LEDGER_AGAIN), 0);
    entry.ticket = 2;
    entry.attempt = 2;
    entry.at = wall_from_seconds(SLOT + 60);
    assert_int_equal(shelf->port.append(shelf->port.context, &entry), 0);
    assert_true(shelf_wait_told(shelf, 2, 10000));
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE state = 0 AND attempt = 2"
                                      " AND result IS NULL AND ended_at IS NULL"
                                      " AND started_at - first_at = 59000000"),
                     1);
    /* A verdict without a region keeps the one that is known; one without a start is a row too. */
    const struct ledger_entry missed = {.kind = LEDGER_ENDED,
                                        .schedule = "nightly",
                                        .instance = "crs-z",
                                        .slot = wall_from_seconds(SLOT),
                                        .result = LEDGER_MISSED,
                                        .at = wall_from_seconds(SLOT + 9)};
    assert_int_equal(shelf->port.append(shelf->port.context, &missed), 0);
    entry.kind = LEDGER_ENDED;
    entry.region = "";
    entry.result = LEDGER_FAILED;
    entry.code = "FailedOperation.Unknown";
    assert_int_equal(shelf->port.append(shelf->port.context, &entry), 0);
    assert_true(shelf_wait_idle(shelf, 10000));
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE region = 'ap-guangzhou'"
                                      " AND code = 'FailedOperation.Unknown'"),
                     1);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE result = 'missed'"
                                      " AND first_at IS NULL AND region IS NULL"),
                     1);
    assert_int_equal(shelf->told_count, 2);
}

static void test_horizon(void **state)
{
    struct shelf *shelf = *state;
    int64_t slot;
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(get_horizon(shelf, "nightly", RULE, &slot), LEDGER_NO_HORIZON);
    set_horizon(shelf, "nightly", RULE, SLOT);
    set_horizon(shelf, "weekly", RULE, SLOT + 7);
    set_horizon(shelf, "nightly", RULE, SLOT + 1);
    /* Seen at once, whether durable or not, and after. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get_horizon(shelf, "nightly", RULE, &slot), 0);
        assert_int_equal(slot, SLOT + 1);
        assert_int_equal(get_horizon(shelf, "nightly", "@daily UTC", &slot), LEDGER_OTHER_RULE);
        assert_int_equal(slot, SLOT + 1);
        assert_int_equal(get_horizon(shelf, "weekly", RULE, &slot), 0);
        assert_int_equal(slot, SLOT + 7);
        assert_int_equal(get_horizon(shelf, "night", RULE, &slot), LEDGER_NO_HORIZON);
        assert_true(shelf_wait_idle(shelf, 10000));
    }
    shelf_close(shelf);
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(get_horizon(shelf, "nightly", RULE, &slot), 0);
    assert_int_equal(slot, SLOT + 1);
    shelf_run(shelf, 1200); /* the reader is given up meanwhile, and comes back */
    assert_int_equal(get_horizon(shelf, "nightly", "@daily UTC", &slot), LEDGER_OTHER_RULE);
}

/* ---- groups, order, bounds ---- */

static void test_group_commit(void **state)
{
    struct shelf *shelf = *state;
    char id[32];
    assert_int_equal(shelf_open(shelf), 0);
    for (uint64_t i = 1; i <= 5000; i++) {
        (void)snprintf(id, sizeof id, "crs-%05llu", (unsigned long long)i);
        assert_int_equal(shelf_start(shelf, i, id, SLOT), 0);
    }
    assert_true(shelf_wait_told(shelf, 5000, 60000));
    for (uint64_t i = 0; i < 5000; i++) {
        assert_int_equal(shelf->told[i].ticket, i + 1);
        assert_int_equal(shelf->told[i].outcome, 0);
    }
    struct ledger_figures figures = shelf_figures(shelf);
    assert_int_equal(figures.entries, 5000);
    assert_true(figures.commits <= 100); /* each took what came while another ran */
    assert_true(figures.commits >= 1);
    assert_int_equal(figures.waiting, 0);

    /* One after the other they have a commit each. */
    for (uint64_t i = 1; i <= 10; i++) {
        assert_int_equal(shelf_start(shelf, i, "crs-a", SLOT + (int64_t)i), 0);
        assert_true(shelf_wait_told(shelf, 5000 + i, 10000));
    }
    assert_int_equal(shelf_figures(shelf).commits, figures.commits + 10);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE state = 0"), 5010);
}

static void test_queue_max(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open_with(shelf, (struct ledger_sqlite_options){.queue_max = 8}), 0);
    shelf_exec(shelf, "PRAGMA user_version"); /* the file is there */
    uint64_t taken = 0;
    uint64_t refused = 0;
    for (uint64_t i = 1; i <= 20000; i++) {
        int r = shelf_start(shelf, i, "crs-a", SLOT + (int64_t)i);
        assert_true(r == 0 || r == -EAGAIN);
        assert_true(shelf_figures(shelf).waiting <= 8);
        if (r == 0)
            taken++;
        else
            refused++;
    }
    assert_true(taken >= 6);
    assert_true(refused > 0);
    /* Horizons are never refused, nor kept twice, and do not overtake. */
    for (int64_t i = 0; i < 100000; i++)
        set_horizon(shelf, i % 2 == 0 ? "nightly" : "weekly", RULE, SLOT + i);
    int64_t slot;
    assert_int_equal(get_horizon(shelf, "weekly", RULE, &slot), 0);
    assert_int_equal(slot, SLOT + 99999);
    assert_true(shelf_figures(shelf).waiting <= 16384);
    assert_true(shelf_wait_idle(shelf, 10000));
    assert_true(shelf_wait_told(shelf, taken, 10000));
    assert_int_equal(shelf->told_count, taken);
    assert_int_equal(shelf_start(shelf, 1, "crs-b", SLOT), 0);
    shelf_close(shelf);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs"), (int64_t)taken + 1);
    assert_int_equal(shelf_ask(shelf, "SELECT slot / 1000000 FROM horizons"
                                      " WHERE schedule = 'nightly'"),
                     SLOT + 99998);
}

static void test_close_writes(void **state)
{
    struct shelf *shelf = *state;
    char id[32];
    assert_int_equal(shelf_open(shelf), 0);
    for (uint64_t i = 1; i <= 2000; i++) {
        (void)snprintf(id, sizeof id, "crs-%05llu", (unsigned long long)i);
        assert_int_equal(shelf_start(shelf, i, id, SLOT), 0);
    }
    shelf_close(shelf);
    assert_int_equal(shelf->told_count, 2000);
    assert_int_equal(shelf->told[1999].outcome, 0);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs"), 2000);
    char journal[192];
    (void)snprintf(journal, sizeof journal, "%s-wal", shelf->file);
    assert_int_equal(access(journal, F_OK), -1); /* brought home */
}

static void test_append_after_close(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    shelf_begin_close(shelf);
    assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT), -ESHUTDOWN);
    set_horizon(shelf, "nightly", RULE, SLOT);
    shelf_close(shelf);
    assert_int_equal(shelf->told_count, 0);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM horizons"), 0);
}

/* ---- retention ---- */

#define DAY ((int64_t)86400)

static void test_retention(void **state)
{
    struct shelf *shelf = *state;
    char sql[1024];
    assert_int_equal(shelf_open(shelf), 0);
    shelf_close(shelf);
    /* Per schedule: 1,300 ended runs of 100 days ago, 700 of 80, and 3 old ones that are open. */
    (void)snprintf(
        sql, sizeof sql,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2003),"
        " s(name) AS (VALUES('early'), ('nightly'), ('yearly'))"
        " INSERT INTO runs(schedule, slot, instance, state, attempt, result)"
        " SELECT name, (%lld - CASE WHEN i <= 1300 OR i > 2000 THEN 100 ELSE 80 END * 86400)"
        " * 1000000, 'crs-' || i, CASE WHEN i > 2000 THEN 0 ELSE 1 END, 1, 'submitted' FROM n, s;"
        "INSERT INTO horizons VALUES('yearly', 'x', (%lld - 100 * 86400) * 1000000)",
        (long long)SLOT, (long long)SLOT);
    shelf_exec(shelf, sql);
    assert_int_equal(shelf_open(shelf), 0);
    shelf_run(shelf, 100);
    assert_int_equal(shelf_figures(shelf).swept, 0); /* no entry has told what time it is */
    assert_int_equal(shelf_start(shelf, 1, "crs-new", SLOT), 0);
    for (int i = 0; i < 1000 && shelf_figures(shelf).swept < 2600; i++)
        shelf_run(shelf, 10);
    shelf_run(shelf, 300);
    assert_int_equal(shelf_figures(shelf).swept, 2600);
    /* Those of a horizon's slot stay, and whatever is open. */
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE schedule = 'yearly'"), 2003);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE state = 0"), 10);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE schedule = 'early'"), 703);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM horizons"), 1);

    /* The next hour's sweep, with later entries. */
    assert_int_equal(shelf_end(shelf, "crs-new", SLOT + 20 * DAY, LEDGER_SUBMITTED), 0);
    for (int i = 0; i < 1000 && shelf_figures(shelf).swept < 4000; i++)
        shelf_run(shelf, 10);
    assert_int_equal(shelf_figures(shelf).swept, 4000);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE schedule <> 'yearly'"
                                      " AND state = 1"),
                     1);
}

/* ---- one process at a time ---- */

static void test_second_holder(void **state)
{
    struct shelf *shelf = *state;
    struct shelf other;
    char number[32];
    assert_int_equal(shelf_open(shelf), 0);
    shelf_make(&other);
    assert_int_equal(rmdir(other.dir), 0);
    (void)snprintf(other.dir, sizeof other.dir, "%s", shelf->dir);
    assert_int_equal(shelf_open(&other), -EBUSY);
    (void)snprintf(number, sizeof number, "process %ld", (long)getpid());
    assert_non_null(strstr(other.err.text, number));
    assert_non_null(strstr(other.err.text, shelf->dir));
    assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT), 0); /* the first is none the worse */
    assert_true(shelf_wait_told(shelf, 1, 10000));
    assert_int_equal(shelf->told[0].outcome, 0);
    shelf_close(shelf);
    assert_int_equal(shelf_open(&other), 0);
    shelf_close(&other);
    assert_int_equal(uv_loop_close(&other.loop), 0);
    free(other.told);
}

static void test_lock_dies_with_holder(void **state)
{
    struct shelf *shelf = *state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char byte = shelf_open(shelf) == 0 ? 'y' : 'n';
        (void)!write(ready[1], &byte, 1);
        for (;;)
            (void)pause();
    }
    char byte = 0;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_int_equal(shelf_open(shelf), -EBUSY);
    char number[32];
    (void)snprintf(number, sizeof number, "process %ld", (long)child);
    assert_non_null(strstr(shelf->err.text, number));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(shelf_open(shelf), 0);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void test_modes(void **state)
{
    struct shelf *shelf = *state;
    struct stat status;
    mode_t before = umask(0);
    assert_int_equal(shelf_open(shelf), 0);
    (void)umask(before);
    assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT), 0);
    assert_true(shelf_wait_told(shelf, 1, 10000));
    static const char *const names[] = {"ledger.db", "ledger.db-wal", "ledger.db-shm", "lock"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[192];
        (void)snprintf(path, sizeof path, "%s/%s", shelf->dir, names[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
    }
    shelf_close(shelf);
    assert_int_equal(chmod(shelf->dir, 0777), 0);
    assert_int_equal(shelf_open(shelf), 0);
    assert_non_null(strstr(shelf->warning.text, "0700"));
    shelf_close(shelf);
    assert_int_equal(chmod(shelf->dir, 0700), 0);
    assert_int_equal(chmod(shelf->file, 0666), 0);
    assert_int_equal(shelf_open(shelf), 0);
    assert_non_null(strstr(shelf->warning.text, "0600"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_second_attempt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_horizon, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_group_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_queue_max, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_close_writes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_append_after_close, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_retention, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_second_holder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lock_dies_with_holder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_modes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
