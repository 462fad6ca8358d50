/*
 * What the ledger deletes for its age, what it keeps however old, and the clock that has to be
 * believed before.
 */
#include "shelf.h"

#include "ports/clock_system.h"
#include "ports/ledger_clock.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY ((int64_t)86400)
#define HOUR ((int64_t)3600)

/* ---- the clock's trial ---- */

struct look {
    int64_t wall_s;
    int64_t mono_s;
    bool believed;
};

/* In order; the trial begins at 1000 and 0, and takes six hours. */
static const struct look looks[] = {
    {1000, 0, false},
    {1000 + 6 * HOUR - 1, 6 * HOUR - 1, false},
    {1000 + 6 * HOUR, 6 * HOUR, true},
    {1600 + 7 * HOUR, 7 * HOUR, true},  /* slewed and set a little: still the same */
    {1601 + 7 * HOUR, 7 * HOUR, false}, /* set */
    {1601 + 8 * HOUR, 8 * HOUR, false}, /* from there anew */
    {1601 + 13 * HOUR, 13 * HOUR, true},
    {1601 + 13 * HOUR + 365 * DAY, 13 * HOUR, false}, /* a year ahead */
    {1601 + 18 * HOUR + 365 * DAY, 18 * HOUR, false},
    {1601 + 18 * HOUR, 18 * HOUR, false}, /* and back */
    {1601 + 24 * HOUR - 1, 24 * HOUR - 1, false},
    {1601 + 24 * HOUR, 24 * HOUR, true},
    {1601 + 33 * HOUR, 24 * HOUR, false}, /* slept nine hours */
    {1601 + 39 * HOUR, 30 * HOUR, true},
};

static void test_trial(void **state)
{
    struct ledger_clock clock = {{wall_from_seconds(1000), {0}}, LEDGER_CLOCK_TRIAL_NS};
    (void)state;
    for (size_t i = 0; i < COUNT(looks); i++) {
        struct now now = {wall_from_seconds(looks[i].wall_s), {looks[i].mono_s * NS_PER_SECOND}};
        if (ledger_clock_is_believed(&clock, now) != looks[i].believed)
            fail_msg("look %zu: believed is not %d", i, looks[i].believed);
    }
}

/* ---- on a real file ---- */

struct scene {
    struct shelf shelf;
    int64_t now_s;
};

static int set_up(void **state)
{
    struct scene *scene = malloc(sizeof *scene);
    assert_non_null(scene);
    shelf_make(&scene->shelf);
    scene->now_s = wall_seconds(clock_now().wall);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    shelf_finish(&scene->shelf);
    free(scene);
    return 0;
}

/* With a clock that is believed at once, and sweeps as often as something is written. */
static void open_to_sweep(struct shelf *shelf, int64_t keep_s)
{
    const struct ledger_sqlite_options options = {.keep_us = keep_s * US_PER_SECOND, .trial_ns = 1};
    assert_int_equal(shelf_open_with(shelf, options), 0);
}

static void wait_swept(struct shelf *shelf, uint64_t count)
{
    for (int i = 0; i < 1000 && shelf_figures(shelf).swept < count; i++)
        shelf_run(shelf, 10);
    shelf_run(shelf, 300); /* a step more would be seen */
    assert_int_equal(shelf_figures(shelf).swept, count);
}

static int64_t count_of(struct shelf *shelf, const char *where)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM runs WHERE %s", where);
    return shelf_ask(shelf, sql);
}

static void test_retention(void **state)
{
    struct scene *scene = *state;
    struct shelf *shelf = &scene->shelf;
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
        (long long)scene->now_s, (long long)scene->now_s);
    shelf_exec(shelf, sql);
    open_to_sweep(shelf, 90 * DAY);
    shelf_run(shelf, 100);
    assert_int_equal(shelf_figures(shelf).swept, 0); /* an idle ledger */
    assert_int_equal(shelf_start(shelf, 1, "crs-new", scene->now_s), 0);
    wait_swept(shelf, 2600);
    /* Those of a horizon's slot stay, and whatever is open. */
    assert_int_equal(count_of(shelf, "schedule = 'yearly'"), 2003);
    assert_int_equal(count_of(shelf, "state = 0"), 10);
    assert_int_equal(count_of(shelf, "schedule = 'early'"), 703);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM horizons"), 1);

    /* A reload's age holds from the next sweep on, and that begins with the next entry. */
    ledger_sqlite_set_keep(shelf->ledger, 70 * DAY * US_PER_SECOND);
    shelf_run(shelf, 300);
    assert_int_equal(shelf_figures(shelf).swept, 2600);
    assert_int_equal(shelf_end(shelf, "crs-new", scene->now_s, LEDGER_SUBMITTED), 0);
    wait_swept(shelf, 4000);
    assert_int_equal(count_of(shelf, "schedule <> 'yearly' AND state = 1"), 1);
}

/* What is old and still watched stays till it is finished. */
static void test_unfinished_stays(void **state)
{
    struct scene *scene = *state;
    struct shelf *shelf = &scene->shelf;
    int64_t slot = scene->now_s - 2 * DAY;
    open_to_sweep(shelf, DAY);
    for (int64_t i = 0; i < 3; i++)
        assert_int_equal(shelf_end(shelf, "crs-a", slot + i, LEDGER_SUBMITTED), 0);
    assert_int_equal(shelf_finish_task(shelf, "crs-a", slot, 1, LEDGER_SUCCEEDED), 0);
    wait_swept(shelf, 1);
    assert_int_equal(count_of(shelf, "instance = 'crs-a' AND finish = 'open'"), 2);
    assert_int_equal(shelf_finish_task(shelf, "crs-a", slot + 1, 1, LEDGER_STUCK), 0);
    wait_swept(shelf, 2);
    assert_int_equal(count_of(shelf, "instance = 'crs-a' AND finish = 'open'"), 1);
}

static void put(struct shelf *shelf, enum ledger_entry_kind kind, const char *instance,
                int64_t slot, enum ledger_result result)
{
    const struct ledger_entry entry = {
        .kind = kind,
        .schedule = "nightly",
        .instance = instance,
        .region = "",
        .slot = wall_from_seconds(slot),
        .run_kind = LEDGER_KIND_SCHEDULE,
        .result = result,
        .code = "",
        .message = "",
        .request_id = "",
        .at = wall_from_seconds(slot),
    };
    assert_int_equal(shelf->port.append(shelf->port.context, &entry), 0);
}

/*
 * A slot that is open: a restart runs each member that has no row, and so those that are done keep
 * theirs. A run that is to be made again stays whatever becomes of its slot.
 */
static void test_open_slot_stays(void **state)
{
    struct scene *scene = *state;
    struct shelf *shelf = &scene->shelf;
    int64_t slot = scene->now_s - 3 * DAY;
    open_to_sweep(shelf, DAY);
    for (int64_t i = 0; i < 2; i++) {
        put(shelf, LEDGER_STARTED, LEDGER_WHOLE_SLOT, slot + i, 0);
        put(shelf, LEDGER_ENDED, "crs-again", slot + i, LEDGER_AGAIN);
        put(shelf, LEDGER_ENDED, "crs-done", slot + i, LEDGER_SKIPPED);
    }
    put(shelf, LEDGER_ENDED, LEDGER_WHOLE_SLOT, slot, LEDGER_SUBMITTED);
    shelf->port.set_horizon(shelf->port.context, "nightly", "rule", wall_from_seconds(slot + 9));
    wait_swept(shelf, 2);
    assert_int_equal(count_of(shelf, "instance = 'crs-again'"), 2);
    assert_int_equal(count_of(shelf, "instance = 'crs-done'"), 1); /* of the open one */
    assert_int_equal(count_of(shelf, "instance = '*' AND state = 0"), 1);
    put(shelf, LEDGER_ENDED, "crs-again", slot + 1, LEDGER_MISSED);
    put(shelf, LEDGER_ENDED, LEDGER_WHOLE_SLOT, slot + 1, LEDGER_SUBMITTED);
    wait_swept(shelf, 5);
    assert_int_equal(count_of(shelf, "1"), 1);
}

/* A boot with a clock that is a year ahead: neither its entries nor it make the history old. */
static void test_clock_ahead_deletes_nothing(void **state)
{
    struct scene *scene = *state;
    struct shelf *shelf = &scene->shelf;
    assert_int_equal(shelf_open(shelf), 0);
    for (int64_t day = 80; day > 0; day--)
        assert_int_equal(shelf_end(shelf, "crs-a", scene->now_s - day * DAY, LEDGER_FAILED), 0);
    assert_true(shelf_wait_idle(shelf, 10000));
    shelf_close(shelf);
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(shelf_end(shelf, "crs-a", scene->now_s + 365 * DAY, LEDGER_FAILED), 0);
    assert_true(shelf_wait_idle(shelf, 10000));
    shelf_run(shelf, 300);
    assert_int_equal(count_of(shelf, "1"), 81);
    shelf_close(shelf);
    open_to_sweep(shelf,
                  90 * DAY); /* believed, and right: an entry's own time counts for nothing */
    assert_int_equal(shelf_end(shelf, "crs-b", scene->now_s + 365 * DAY, LEDGER_FAILED), 0);
    assert_true(shelf_wait_idle(shelf, 10000));
    shelf_run(shelf, 300);
    assert_int_equal(count_of(shelf, "1"), 82);
}

/* Nor does a clock that is on trial delete what is truly old. */
static void test_trial_deletes_nothing(void **state)
{
    struct scene *scene = *state;
    struct shelf *shelf = &scene->shelf;
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(shelf_end(shelf, "crs-a", scene->now_s - 400 * DAY, LEDGER_FAILED), 0);
    assert_int_equal(shelf_end(shelf, "crs-a", scene->now_s, LEDGER_FAILED), 0);
    assert_true(shelf_wait_idle(shelf, 10000));
    shelf_run(shelf, 300);
    assert_int_equal(count_of(shelf, "1"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trial),
        cmocka_unit_test_setup_teardown(test_retention, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unfinished_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_slot_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_clock_ahead_deletes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trial_deletes_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
