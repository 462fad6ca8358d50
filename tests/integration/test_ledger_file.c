/*
 * The ledger's file: what is not one, is damaged, is from another version or cannot be written is
 * refused in words and left alone; an older one is brought forward.
 */
#include "shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOT 1795564800
#define FILE_MAX (1024 * 1024)

struct bytes {
    unsigned char *at;
    size_t length;
};

static struct bytes slurp(const char *path)
{
    struct bytes bytes = {malloc(FILE_MAX), 0};
    assert_non_null(bytes.at);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    bytes.length = fread(bytes.at, 1, FILE_MAX, file);
    assert_true(bytes.length < FILE_MAX);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

static void spill(const char *path, const unsigned char *at, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(at, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* A ledger with 200 runs and a horizon, closed. */
static struct bytes make_good(struct shelf *shelf)
{
    char id[32];
    assert_int_equal(shelf_open(shelf), 0);
    for (uint64_t i = 1; i <= 200; i++) {
        (void)snprintf(id, sizeof id, "crs-%05llu", (unsigned long long)i);
        assert_int_equal(shelf_start(shelf, i, id, SLOT), 0);
    }
    shelf->port.set_horizon(shelf->port.context, "nightly", "rule", wall_from_seconds(SLOT));
    shelf_close(shelf);
    return slurp(shelf->file);
}

static void count_row(void *context, const struct ledger_row *row)
{
    (void)row;
    ++*(unsigned *)context;
}

static void use(struct shelf *shelf)
{
    unsigned count = 0;
    struct wall slot;
    (void)!shelf->port.horizon(shelf->port.context, "nightly", "rule", &slot);
    (void)!shelf->port.scan(shelf->port.context, "nightly", wall_from_seconds(SLOT), count_row,
                            &count);
    (void)!shelf->port.unended(shelf->port.context, count_row, &count);
    (void)!shelf->port.unfinished(shelf->port.context, count_row, &count);
    assert_true(count <= 1000);
    assert_int_equal(shelf_start(shelf, 1, "crs-x", SLOT), 0);
    assert_true(shelf_wait_told(shelf, 1, 10000));
}

/* Opens a damaged file: whichever way it goes, it is there afterwards, untouched if refused. */
static bool try_damaged(struct shelf *shelf, const unsigned char *at, size_t length)
{
    shelf_drop_journals(shelf);
    spill(shelf->file, at, length);
    int r = shelf_open(shelf);
    if (r == 0) {
        use(shelf);
        shelf_close(shelf);
        assert_int_equal(access(shelf->file, F_OK), 0);
        return true;
    }
    assert_true(r == -EBADMSG || r == -ENOTSUP || r == -EROFS);
    assert_non_null(strstr(shelf->err.text, shelf->file));
    if (r == -EBADMSG)
        assert_non_null(strstr(shelf->err.text, "move it"));
    struct bytes after = slurp(shelf->file);
    assert_int_equal(after.length, length);
    assert_memory_equal(after.at, at, length);
    free(after.at);
    return false;
}

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

static void test_header_bytes(void **state)
{
    struct shelf *shelf = *state;
    struct bytes good = make_good(shelf);
    unsigned refused = 0;
    for (size_t i = 0; i < 100; i++) {
        good.at[i] ^= 0xff;
        refused += try_damaged(shelf, good.at, good.length) ? 0 : 1;
        good.at[i] ^= 0xff ^ 0x01;
        refused += try_damaged(shelf, good.at, good.length) ? 0 : 1;
        good.at[i] ^= 0x01;
    }
    assert_true(refused >= 2 * (16 + 8)); /* at the least the magic, user_version, application_id */
    assert_true(try_damaged(shelf, good.at, good.length)); /* and the good one is good */
    free(good.at);
}

static void test_lengths(void **state)
{
    struct shelf *shelf = *state;
    struct bytes good = make_good(shelf);
    uint64_t seed = 7;
    for (size_t i = 0; i < 60; i++) {
        size_t length = i < 30 ? i * 37 : (size_t)(shelf_random(&seed) % good.length);
        bool opened = try_damaged(shelf, good.at, length);
        if (length > 0)
            assert_false(opened);
        else
            assert_true(opened); /* an empty file is a new one */
    }
    free(good.at);
}

static void test_any_byte(void **state)
{
    struct shelf *shelf = *state;
    struct bytes good = make_good(shelf);
    unsigned char *bad = malloc(good.length);
    assert_non_null(bad);
    uint64_t seed = 99;
    unsigned refused = 0;
    for (int i = 0; i < 200; i++) {
        memcpy(bad, good.at, good.length);
        for (int j = 0; j < 1 + i % 8; j++)
            bad[shelf_random(&seed) % good.length] = (unsigned char)shelf_random(&seed);
        refused += try_damaged(shelf, bad, good.length) ? 0 : 1;
    }
    assert_true(refused > 20);
    free(bad);
    free(good.at);
}

/* A journal of garbage beside a good file is SQLite's to see through. */
static void test_journals(void **state)
{
    struct shelf *shelf = *state;
    struct bytes good = make_good(shelf);
    unsigned char garbage[8192];
    char path[192];
    uint64_t seed = 3;
    for (int i = 0; i < 20; i++) {
        shelf_drop_journals(shelf);
        spill(shelf->file, good.at, good.length);
        for (size_t j = 0; j < sizeof garbage; j++)
            garbage[j] = (unsigned char)shelf_random(&seed);
        (void)snprintf(path, sizeof path, "%s%s", shelf->file, i % 2 == 0 ? "-wal" : "-journal");
        spill(path, garbage, (size_t)i * 400);
        assert_int_equal(shelf_open(shelf), 0);
        use(shelf);
        shelf_close(shelf);
        assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs"), 201);
    }
    free(good.at);
}

static void test_not_a_ledger(void **state)
{
    static const struct {
        const char *sql;
        int outcome;
        const char *says;
    } rows[] = {
        {"CREATE TABLE cats(name)", -EBADMSG, "not a ledger"},
        {"PRAGMA user_version = 1", -EBADMSG, "not a ledger"},
        {"PRAGMA application_id = 7; PRAGMA user_version = 2", -EBADMSG, "not a ledger"},
        {"PRAGMA application_id = 1129468738", -EBADMSG, "not a ledger"},
        {"PRAGMA application_id = 1129468738; PRAGMA user_version = -1", -EBADMSG, "not a ledger"},
        {"PRAGMA application_id = 1129468738; PRAGMA user_version = 4", -ENOTSUP, "newer"},
        {"PRAGMA application_id = 1129468738; PRAGMA user_version = 2147483647", -ENOTSUP, "newer"},
        {"PRAGMA application_id = 1129468738; PRAGMA user_version = 2", -EBADMSG, "move it"},
        {"PRAGMA application_id = 1129468738; PRAGMA user_version = 3", -EBADMSG, "move it"},
        {"PRAGMA application_id = 1129468738; PRAGMA user_version = 1; CREATE TABLE pauses(x)",
         -EBADMSG, "move it"},
        {"PRAGMA application_id = 1129468738; PRAGMA user_version = 3;"
         "CREATE VIEW runs AS SELECT 1; CREATE TABLE meta(name); CREATE TABLE horizons(schedule)",
         -EBADMSG, "move it"},
    };
    struct shelf *shelf = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        shelf_drop_journals(shelf);
        spill(shelf->file, (const unsigned char *)"", 0);
        shelf_exec(shelf, rows[i].sql);
        int64_t version = shelf_ask(shelf, "PRAGMA user_version");
        int64_t tables = shelf_ask(shelf, "SELECT count(*) FROM sqlite_schema");
        assert_int_equal(shelf_open(shelf), rows[i].outcome);
        assert_non_null(strstr(shelf->err.text, shelf->file));
        assert_non_null(strstr(shelf->err.text, rows[i].says));
        assert_int_equal(shelf_ask(shelf, "PRAGMA user_version"), version);
        assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM sqlite_schema"), tables);
    }
}

/* A newer version's file with a journal that a crash left: both stay byte for byte. */
static void test_newer_with_journal(void **state)
{
    struct shelf *shelf = *state;
    char journal[192];
    (void)snprintf(journal, sizeof journal, "%s-wal", shelf->file);
    assert_int_equal(shelf_open(shelf), 0);
    shelf_exec(shelf, "PRAGMA user_version = 4");
    assert_int_equal(shelf_start(shelf, 1, "crs-a", SLOT), 0);
    assert_true(shelf_wait_told(shelf, 1, 10000));
    struct bytes file = slurp(shelf->file);
    struct bytes wal = slurp(journal);
    assert_true(wal.length > 0);
    shelf_close(shelf);
    spill(shelf->file, file.at, file.length);
    spill(journal, wal.at, wal.length);
    assert_int_equal(shelf_open(shelf), -ENOTSUP);
    struct bytes file_after = slurp(shelf->file);
    struct bytes wal_after = slurp(journal);
    assert_int_equal(file.length, file_after.length);
    assert_memory_equal(file.at, file_after.at, file.length);
    assert_int_equal(wal.length, wal_after.length);
    assert_memory_equal(wal.at, wal_after.at, wal.length);
    free(file.at);
    free(wal.at);
    free(file_after.at);
    free(wal_after.at);
}

static void test_migrates(void **state)
{
    struct shelf *shelf = *state;
    for (int version = 1; version <= 2; version++) {
        shelf_make_old(shelf, version);
        assert_int_equal(shelf_open(shelf), 0);
        unsigned unfinished = 0;
        assert_int_equal(shelf->port.unfinished(shelf->port.context, count_row, &unfinished), 0);
        assert_int_equal(unfinished, 3); /* those of its last day */
        use(shelf);
        shelf_close(shelf);
        assert_int_equal(shelf_ask(shelf, "PRAGMA user_version"), 3);
        assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM pauses"), version - 1);
        assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs"), 11);
        assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE task_id > 0"), 6);
        assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE finish IS NOT NULL"), 3);
        assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE retries <> 0"), 0);
        assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE kind = 'schedule'"), 1);
        assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM horizons"), 1);
        assert_int_equal(shelf_open(shelf), 0); /* and it is one of ours */
        shelf_close(shelf);
    }
}

/* A step that fails in its middle leaves the older file, which its own version opens again. */
static void test_migration_fails(void **state)
{
    struct shelf *shelf = *state;
    shelf_make_old(shelf, 2);
    shelf_exec(shelf, "CREATE TABLE runs_unfinished(x)"); /* the name of the step's last part */
    struct bytes before = slurp(shelf->file);
    assert_int_equal(shelf_open(shelf), -EBADMSG);
    assert_non_null(strstr(shelf->err.text, shelf->file));
    struct bytes after = slurp(shelf->file);
    assert_int_equal(before.length, after.length);
    assert_memory_equal(before.at + 100, after.at + 100, before.length - 100);
    assert_int_equal(shelf_ask(shelf, "PRAGMA user_version"), 2);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM pragma_table_info('runs')"), 13);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM runs WHERE result = 'submitted'"), 7);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM pauses"), 1);
    shelf_exec(shelf, "DROP TABLE runs_unfinished");
    assert_int_equal(shelf_open(shelf), 0);
    use(shelf);
    free(before.at);
    free(after.at);
}

/* What a doctored file would run on our behalf does not run. */
static void test_triggers_sleep(void **state)
{
    struct shelf *shelf = *state;
    free(make_good(shelf).at);
    shelf_exec(shelf, "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM horizons; END");
    assert_int_equal(shelf_open(shelf), 0);
    use(shelf);
    shelf_close(shelf);
    assert_int_equal(shelf_ask(shelf, "SELECT count(*) FROM horizons"), 1);
}

static void test_not_a_file(void **state)
{
    struct shelf *shelf = *state;
    assert_int_equal(mkdir(shelf->file, 0700), 0);
    assert_int_equal(shelf_open(shelf), -EINVAL);
    assert_non_null(strstr(shelf->err.text, "plain file"));
    assert_int_equal(rmdir(shelf->file), 0);
    assert_int_equal(mkfifo(shelf->file, 0600), 0);
    assert_int_equal(shelf_open(shelf), -EINVAL);
    assert_int_equal(unlink(shelf->file), 0);
    assert_int_equal(symlink("/etc/passwd", shelf->file), 0);
    assert_int_equal(shelf_open(shelf), -EINVAL);
    assert_int_equal(unlink(shelf->file), 0);
    assert_int_equal(shelf_open(shelf), 0);
}

static void test_no_directory(void **state)
{
    struct shelf *shelf = *state;
    char before[sizeof shelf->dir];
    memcpy(before, shelf->dir, sizeof before);
    (void)snprintf(shelf->dir, sizeof shelf->dir, "%.100s/none", before);
    assert_int_equal(shelf_open(shelf), -ENOENT);
    assert_non_null(strstr(shelf->err.text, shelf->dir));
    (void)snprintf(shelf->dir, sizeof shelf->dir, "/dev/null");
    assert_int_equal(shelf_open(shelf), -ENOTDIR);
    memcpy(shelf->dir, before, sizeof before);
}

/* In a child that is nobody. */
static void test_no_permission(void **state)
{
    struct shelf *shelf = *state;
    if (geteuid() != 0) {
        print_message("skipped: not root, so there is nobody else to become\n");
        skip();
    }
    free(make_good(shelf).at);
    assert_int_equal(chmod(shelf->dir, 0755), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(2);
        int r = shelf_open(shelf);
        _exit(r == -EACCES && strstr(shelf->err.text, shelf->dir) != NULL ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* In a child with mounts of its own. */
static void test_read_only_disk(void **state)
{
    struct shelf *shelf = *state;
    free(make_good(shelf).at);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
            || mount(shelf->dir, shelf->dir, NULL, MS_BIND, NULL) != 0
            || mount(NULL, shelf->dir, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) != 0)
            _exit(77);
        int r = shelf_open(shelf);
        _exit(r == -EROFS && strstr(shelf->err.text, shelf->dir) != NULL ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("skipped: no right to mount here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_header_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lengths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_any_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_journals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_a_ledger, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_newer_with_journal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_migrates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_migration_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_triggers_sleep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_directory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_permission, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read_only_disk, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
