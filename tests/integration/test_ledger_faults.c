/*
 * The ledger on a disk that fails: who waits is told, what nobody waits for is kept and written
 * when the disk is back, the change is said once, and no answer is given before its sync.
 *
 * Sweeps let the first, the second, ... call of the file system or allocation of SQLite fail, until
 * one goes through without meeting the fault.
 */
#include "fault_memory.h"
#include "fault_vfs.h"
#include "shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOT 1795564800
#define CALLS_MAX 5000

/* By the linker malloc() of the program itself comes here. */
static _Thread_local bool no_memory;
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    return no_memory ? NULL : __real_malloc(size);
}

static int set_up(void **state)
{
    struct shelf *shelf = malloc(sizeof *shelf);
    assert_non_null(shelf);
    fault_vfs_disarm();
    fault_memory_disarm();
    shelf_make(shelf);
    *state = shelf;
    return 0;
}

static int tear_down(void **state)
{
    fault_vfs_disarm();
    fault_memory_disarm();
    fault_vfs_hang_syncs(false);
    shelf_finish(*state);
    free(*state);
    return 0;
}

static void set_horizon(struct shelf *shelf, int64_t slot)
{
    shelf->port.set_horizon(shelf->port.context, "nightly", "rule", wall_from_seconds(slot));
}

/* ---- no answer before its sync ---- */

static void test_synced_before_answered(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    for (uint64_t i = 1; i <= 20; i++) {
        fault_vfs_disarm(); /* counts from 0 */
        assert_int_equal(shelf_start(shelf, i, "crs-a", SLOT + (int64_t)i), 0);
        assert_true(shelf_wait_told(shelf, i, 10000));
        assert_true(fault_vfs_syncs() >= 1);
    }
}

/* ---- no memory for an entry ---- */

/* What is asked for is refused; what has happened goes into memory that was laid in for it. */
static void test_spare_memory(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT), 0);
    assert_true(shelf_wait_told(shelf, 1, 10000));
    for (int round = 0; round < 2; round++) {
        int64_t slot = SLOT + round * 1000;
        int ended = 0;
        no_memory = true;
        int started = shelf_start(shelf, 2, "crs-b", SLOT);
        while (ended < 100 && shelf_end(shelf, "crs-a", slot + ended, LEDGER_MISSED) == 0)
            ended++;
        no_memory = false;
        assert_int_equal(started, -ENOMEM);
        assert_int_equal(ended, 16);
        assert_int_equal(shelf_end(shelf, "crs-a", slot + 500, LEDGER_MISSED), 0);
    }
    shelf_close(shelf);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE result = 'missed'"), 34);
}

/* ---- opening ---- */

/* Opens with a fault armed; whatever comes of it, the file opens when the fault is over. */
static void open_with_fault(struct shelf *shelf)
{
    int r = shelf_open(shelf);
    fault_vfs_disarm();
    fault_memory_disarm();
    if (r == 0) {
        shelf_close(shelf);
    } else {
        assert_true(r < 0);
        assert_true(shelf->err.text[0] != '\0');
    }
    assert_int_equal(shelf_open(shelf), 0);
    shelf_close(shelf);
}

static void sweep_open(struct shelf *shelf, enum fault_kind kind)
{
    unsigned nth = 1;
    for (;; nth++) {
        assert_true(nth < CALLS_MAX);
        (void)unlink(shelf->file); /* a new file each time: made, migrated, all of it */
        fault_vfs_arm(kind, nth, false);
        int r = shelf_open(shelf);
        unsigned calls = fault_vfs_calls();
        fault_vfs_disarm();
        if (r == 0)
            shelf_close(shelf);
        else
            assert_true(shelf->err.text[0] != '\0');
        assert_int_equal(shelf_open(shelf), 0);
        shelf_close(shelf);
        if (calls < nth)
            break;
    }
    print_message("%u calls while a new file is opened\n", nth - 1);
    assert_true(nth > 20);
}

static void test_open_io(void **state)
{
    sweep_open(*state, FAULT_IO);
}

static void test_open_full(void **state)
{
    sweep_open(*state, FAULT_FULL);
}

/* Of a file with something in it, which a fault must not cost. */
static void test_open_again(void **state)
{
    static const enum fault_kind kinds[] = {FAULT_IO, FAULT_FULL, FAULT_CORRUPT};
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT), 0);
    shelf_close(shelf);
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (unsigned nth = 1; nth <= 40; nth++) {
            fault_vfs_arm(kinds[k], nth, false);
            open_with_fault(shelf);
            assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs"), 1);
        }
}

/* The older version's file, or this one's, and all that was in it: nothing in between. */
static void test_migration(void **state)
{
    static const enum fault_kind kinds[] = {FAULT_IO, FAULT_FULL};
    struct shelf *shelf = *state;
    unsigned left_old = 0;
    unsigned migrated = 0;
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (unsigned nth = 1;; nth += k == 0 ? 1 : 3) {
            assert_true(nth < CALLS_MAX);
            shelf_make_old(shelf, 2);
            fault_vfs_arm(kinds[k], nth, false);
            int r = shelf_open(shelf);
            unsigned calls = fault_vfs_calls();
            fault_vfs_disarm();
            if (r == 0)
                shelf_close(shelf);
            int64_t version = shelf_ask(shelf, "PRAGMA user_version");
            assert_true(version == 3 || (version == 2 && r < 0));
            assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM pragma_table_info('runs')"),
                             version == 2 ? 13 : 18);
            assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs"), 10);
            assert_int_equal(shelf_open(shelf), 0);
            shelf_close(shelf);
            assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE finish = 'open'"),
                             3);
            left_old += version == 2 ? 1 : 0;
            migrated += version == 3 ? 1 : 0;
            if (calls < nth)
                break;
        }
    print_message("%u faults left the older file, %u met none or came too late\n", left_old,
                  migrated);
    assert_true(left_old > 20);
}

static void test_open_memory(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    fault_memory_arm(0, false);
    shelf_close(shelf);
    assert_int_equal(shelf_open(shelf), 0);
    unsigned allocations = fault_memory_calls();
    shelf_close(shelf);
    assert_true(allocations > 50);
    for (unsigned nth = 1; nth <= allocations; nth++) {
        fault_memory_arm(nth, nth % 2 == 0);
        open_with_fault(shelf);
    }
}

/* ---- writing ---- */

/*
 * Three entries with a fault armed. The one that waits is answered truly, the others become
 * durable, and the state changes twice or not at all. The calls of the file system till the end.
 */
static unsigned write_with_fault(struct shelf *shelf, int64_t slot)
{
    char sql[256];
    assert_int_equal(shelf_start(shelf, 1, "crs-a", slot), 0);
    set_horizon(shelf, slot);
    assert_int_equal(shelf_end(shelf, "crs-b", slot, LEDGER_MISSED), 0);
    assert_true(shelf_wait_told(shelf, 1, 20000));
    assert_true(shelf_wait_idle(shelf, 20000));
    assert_true(shelf_wait_states(shelf, shelf->state_count + shelf->state_count % 2, 5000));
    assert_int_equal(shelf->told_count, 1);
    assert_true(shelf->state_count == 0 || shelf->state_count == 2);
    if (shelf->state_count == 2) {
        assert_false(shelf->states[0]);
        assert_true(shelf->states[1]);
    }
    shelf_close(shelf);
    unsigned calls = fault_vfs_calls();
    fault_vfs_disarm();
    if (shelf->told[0].outcome == 0) {
        (void)snprintf(sql, sizeof sql,
                       "SELECT count(*) FROM runs WHERE instance = 'crs-a' AND slot = %lld000000",
                       (long long)slot);
        assert_int_equal(shelf_ask(shelf, sql), 1);
    } else {
        assert_true(shelf->told[0].outcome < 0);
        assert_int_equal(shelf->state_count, 2);
        assert_non_null(strstr(shelf->state_text, shelf->file));
    }
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) FROM runs, horizons WHERE instance = 'crs-b'"
                   " AND runs.slot = %lld000000 AND horizons.slot = %lld000000",
                   (long long)slot, (long long)slot);
    assert_int_equal(shelf_ask(shelf, sql), 1);
    return calls;
}

static void sweep_write(struct shelf *shelf, enum fault_kind kind)
{
    unsigned nth = 1;
    unsigned failed = 0;
    for (;; nth++) {
        assert_true(nth < 60);
        assert_int_equal(shelf_open(shelf), 0);
        fault_vfs_arm(kind, nth, false);
        unsigned calls = write_with_fault(shelf, SLOT + (int64_t)nth);
        failed += shelf->state_count > 0 ? 1 : 0;
        if (calls < nth)
            break;
    }
    print_message("%u calls of a life that writes, %u of them told of as a failure\n", nth - 1,
                  failed);
    assert_true(failed >= 3);
}

static void test_write_io(void **state)
{
    sweep_write(*state, FAULT_IO);
}

static void test_write_full(void **state)
{
    sweep_write(*state, FAULT_FULL);
}

static void test_write_memory(void **state)
{
    struct shelf *shelf = *state;
    unsigned failed = 0;
    for (unsigned nth = 1; nth <= 12; nth++) {
        assert_int_equal(shelf_open(shelf), 0);
        fault_memory_arm(nth, false);
        assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT + (int64_t)nth), 0);
        assert_true(shelf_wait_told(shelf, 1, 20000));
        fault_memory_disarm();
        assert_true(shelf->told[0].outcome == 0 || shelf->told[0].outcome == -ENOMEM);
        failed += shelf->told[0].outcome != 0 ? 1 : 0;
        assert_true(shelf_wait_states(shelf, shelf->state_count + shelf->state_count % 2, 5000));
        shelf_close(shelf);
    }
    assert_true(failed >= 2);
}

/* Large groups, so that the journal is brought home in between, with a fault anywhere. */
static void test_checkpoint_faults(void **state)
{
    struct shelf *shelf = *state;
    uint64_t seed = 5;
    char id[32];
    for (int round = 0; round < 6; round++) {
        assert_int_equal(shelf_open(shelf), 0);
        fault_vfs_arm(round % 2 == 0 ? FAULT_IO : FAULT_FULL,
                      1 + (unsigned)(shelf_random(&seed) % 2000), false);
        for (uint64_t i = 1; i <= 8000; i++) {
            (void)snprintf(id, sizeof id, "crs-%05llu", (unsigned long long)i);
            assert_int_equal(shelf_start(shelf, i, id, SLOT + round), 0);
        }
        assert_true(shelf_wait_told(shelf, 8000, 60000));
        int64_t durable = 0;
        for (size_t i = 0; i < shelf->told_count; i++)
            durable += shelf->told[i].outcome == 0 ? 1 : 0;
        shelf_close(shelf);
        char sql[128];
        (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM runs WHERE slot = %lld000000",
                       (long long)SLOT + round);
        assert_true(shelf_ask(shelf, sql) >= durable);
        shelf_exec(shelf, "PRAGMA integrity_check");
    }
}

/* ---- a disk that stays away ---- */

static void test_stays_full(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT), 0);
    assert_true(shelf_wait_told(shelf, 1, 10000));
    fault_vfs_arm(FAULT_FULL, 1, true);
    for (uint64_t i = 2; i <= 6; i++) {
        assert_int_equal(shelf_start(shelf, i, "crs-b", SLOT + (int64_t)i), 0);
        assert_int_equal(shelf_end(shelf, "crs-c", SLOT + (int64_t)i, LEDGER_SKIPPED), 0);
        assert_true(shelf_wait_told(shelf, i, 10000)); /* told within the next try */
        assert_int_equal(shelf->told[i - 1].ticket, i);
        assert_int_equal(shelf->told[i - 1].outcome, -ENOSPC);
        assert_int_equal(shelf->state_count, 1);
    }
    assert_false(shelf->states[0]);
    assert_false(shelf_figures(shelf).ok);
    assert_int_equal(shelf_figures(shelf).waiting, 5);
    fault_vfs_disarm();
    assert_true(shelf_wait_states(shelf, 2, 10000));
    assert_true(shelf->states[1]);
    assert_int_equal(shelf_figures(shelf).waiting, 0);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE result = 'skipped'"), 5);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE instance = 'crs-b'"), 0);
}

/* Nothing waits to be written, and still the ledger learns that the disk is back. */
static void test_probe(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    fault_vfs_arm(FAULT_IO, 1, true);
    assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT), 0);
    assert_true(shelf_wait_states(shelf, 1, 10000));
    assert_int_equal(shelf->told[0].outcome, -EIO);
    shelf_run(shelf, 1500);
    assert_int_equal(shelf->state_count, 1);
    fault_vfs_disarm();
    assert_true(shelf_wait_states(shelf, 2, 10000));
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs"), 0);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM meta"), 1);
}

static void test_close_while_failing(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT), 0);
    assert_true(shelf_wait_told(shelf, 1, 10000));
    fault_vfs_arm(FAULT_FULL, 1, true);
    assert_int_equal(shelf_end(shelf, "crs-a", SLOT, LEDGER_SUBMITTED), 0);
    assert_int_equal(shelf_end(shelf, "crs-b", SLOT, LEDGER_MISSED), 0);
    uint64_t begun = uv_hrtime();
    shelf_close(shelf);
    uint64_t took = uv_hrtime() - begun;
    assert_true(took >= (uint64_t)LEDGER_CLOSE_NS);
    assert_true(took <= (uint64_t)(LEDGER_CLOSE_NS + LEDGER_HANG_NS + NS_PER_SECOND));
    assert_int_equal(shelf->state_count, 2);
    assert_non_null(strstr(shelf->state_text, "2 entries"));
    fault_vfs_disarm();
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE state = 0"), 1);
}

static void test_close_while_hanging(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(shelf_open(shelf), 0);
    fault_vfs_hang_syncs(true);
    assert_int_equal(shelf_end(shelf, "crs-a", SLOT, LEDGER_SUBMITTED), 0);
    while (!fault_vfs_is_hanging())
        shelf_run(shelf, 10);
    uint64_t begun = uv_hrtime();
    shelf_close(shelf);
    uint64_t took = uv_hrtime() - begun;
    assert_true(took <= (uint64_t)(LEDGER_CLOSE_NS + LEDGER_HANG_NS + 2 * NS_PER_SECOND));
    assert_non_null(strstr(shelf->state_text, "1 entries"));
    assert_int_equal(shelf_open(shelf), -EBUSY); /* the thread may still write */
    fault_vfs_hang_syncs(false);
    for (int i = 0; i < 200 && fault_vfs_is_hanging(); i++)
        shelf_run(shelf, 10);
    shelf_run(shelf, 300); /* it frees what is its own and goes */
}

/* A reader that fails says so, and is asked again in vain by nobody. */
static void test_reading_fails(void **state)
{
    struct shelf *shelf = *state;
    struct wall slot;
    assert_int_equal(shelf_open(shelf), 0);
    set_horizon(shelf, SLOT);
    assert_true(shelf_wait_idle(shelf, 10000));
    fault_vfs_arm(FAULT_IO, 1, true);
    assert_true(shelf->port.horizon(shelf->port.context, "nightly", "rule", &slot) < 0);
    fault_vfs_disarm();
    assert_int_equal(shelf->port.horizon(shelf->port.context, "nightly", "rule", &slot), 0);
}

/* ---- a real disk that is full ---- */

static void fill(const char *path)
{
    static const char block[65536];
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(file >= 0);
    for (size_t size = sizeof block; size > 0; size /= 2)
        while (write(file, block, size) == (ssize_t)size)
            ;
    assert_int_equal(close(file), 0);
}

static void go_through_full_disk(struct shelf *shelf, const char *ballast)
{
    uint64_t ticket = 1;
    fill(ballast);
    /* The journal may have a little room left. */
    do {
        assert_true(ticket < 3000);
        assert_int_equal(shelf_start(shelf, ticket, "crs-a", SLOT + (int64_t)ticket), 0);
        assert_true(shelf_wait_told(shelf, ticket, 10000));
    } while (shelf->told[ticket++ - 1].outcome == 0);
    assert_int_equal(shelf->told[ticket - 2].outcome, -ENOSPC);
    assert_true(shelf_wait_states(shelf, 1, 5000));
    assert_non_null(strstr(shelf->state_text, strerror(ENOSPC)));
    for (int64_t i = 1; i <= 100; i++)
        assert_int_equal(shelf_end(shelf, "crs-a", SLOT + i, LEDGER_MISSED), 0);
    set_horizon(shelf, SLOT + 100);
    shelf_run(shelf, 2500);
    assert_int_equal(shelf->state_count, 1);
    assert_int_equal(shelf_figures(shelf).waiting, 101);
    assert_int_equal(unlink(ballast), 0);
    assert_true(shelf_wait_states(shelf, 2, 10000));
    assert_true(shelf->states[1]);
    assert_true(shelf_wait_idle(shelf, 10000));
    assert_int_equal(shelf_start(shelf, ticket, "crs-z", SLOT), 0);
    assert_true(shelf_wait_told(shelf, ticket, 10000));
    assert_int_equal(shelf->told[ticket - 1].outcome, 0);
    shelf_close(shelf);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE result = 'missed'"), 100);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM horizons"), 1);
}

static void test_full_disk(void **state)
{
    struct shelf *outer = *state;
    struct shelf shelf;
    char ballast[160];
    if (mount("tmpfs", outer->dir, "tmpfs", 0, "size=1m,mode=700") != 0) {
        print_message("skipped: no right to mount a small disk here\n");
        skip();
    }
    shelf_make_in(&shelf, outer->dir);
    (void)snprintf(ballast, sizeof ballast, "%s/ballast", outer->dir);
    int r = shelf_open(&shelf);
    if (r == 0)
        go_through_full_disk(&shelf, ballast);
    /* And a start on a full disk is refused in words, or does no harm. */
    fill(ballast);
    if (shelf_open(&shelf) == 0)
        shelf_close(&shelf);
    else
        assert_non_null(strstr(shelf.err.text, shelf.file));
    (void)unlink(ballast);
    assert_int_equal(shelf_open(&shelf), 0);
    shelf_finish(&shelf);
    assert_int_equal(umount2(outer->dir, MNT_DETACH), 0);
    assert_int_equal(r, 0);
}

/* [-]PATTERN: only the tests of such names, or only the others. They mostly wait; so two run at
 * once. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_synced_before_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spare_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_io, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_migration, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_write_io, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_write_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_write_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_checkpoint_faults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stays_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_probe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_close_while_failing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reading_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_close_while_hanging, set_up, tear_down),
    };
    fault_memory_install();
    fault_vfs_install();
    if (argc > 1 && argv[1][0] == '-')
        cmocka_set_skip_filter(argv[1] + 1);
    else if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
