/* Zones by name, in a directory of our own and in the system's. */
#include "unit.h"

#include "ports/zoneinfo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/zoneinfo-XXXXXX";

/* The smallest TZif file: version 1, one type, UTC+8. */
static const char plus_eight[] = "TZif\0"
                                 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
                                 "\0\0\x70\x80\0\0CST";

static void write_bytes(const char *name, const char *bytes, size_t length)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void remove_file(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    assert_int_equal(remove(path), 0);
}

static int load(const char *where, const char *name, struct errtext *err)
{
    struct zoneinfo zoneinfo = {where};
    struct zone *zone = NULL;
    err->text[0] = '\0';
    int outcome = zoneinfo_load(&zoneinfo, name, &zone, err);
    if (outcome == 0)
        assert_int_equal(zone_seconds_at(zone, 1795564800), 8 * 3600);
    else
        assert_null(zone);
    zone_destroy(zone);
    return outcome;
}

static void files_are_read_and_judged(void **state)
{
    (void)state;
    static char large[ZONE_FILE_MAX + 1];
    char path[128];
    struct errtext err;
    assert_non_null(mkdtemp(directory));
    write_bytes("Eight", plus_eight, sizeof plus_eight);
    assert_int_equal(load(directory, "Eight", &err), 0);

    (void)snprintf(path, sizeof path, "%s/Link", directory); /* as tzdata has them */
    assert_int_equal(symlink("Eight", path), 0);
    assert_int_equal(load(directory, "Link", &err), 0);
    remove_file("Link");

    write_bytes("Text", "not a zone", 10);
    assert_int_equal(load(directory, "Text", &err), -EINVAL);
    assert_true(err.text[0] != '\0');
    write_bytes("Large", large, sizeof large);
    assert_int_equal(load(directory, "Large", &err), -EINVAL);

    (void)snprintf(path, sizeof path, "%s/Pipe", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(load(directory, "Pipe", &err), -EINVAL); /* no wait for a writer */
    (void)snprintf(path, sizeof path, "%s/Area", directory);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(load(directory, "Area", &err), -EINVAL);
    assert_int_equal(load(directory, "Eight/Nine", &err), -ENOENT);

    remove_file("Text");
    remove_file("Large");
    remove_file("Pipe");
    remove_file("Area");
    remove_file("Eight");
    assert_int_equal(rmdir(directory), 0);
    assert_int_equal(load(directory, "Eight", &err), -ENOENT);
    assert_non_null(strstr(err.text, "install the package tzdata"));
}

static void names_cannot_leave_the_directory(void **state)
{
    (void)state;
    static const char *const names[] = {"../etc/passwd", "/etc/passwd", "",    "a/../b", "a//b",
                                        ".hidden",       "a/",          "a b", "a\n"};
    struct errtext err;
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(load(ZONEINFO_DIRECTORY, names[i], &err), -EINVAL);
}

static void near_names_are_suggested(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *near;
    } rows[] = {
        {"Asia/Shangai", "did you mean Asia/Shanghai?"},
        {"asia/shanghai", "did you mean Asia/Shanghai?"},
        {"Shanghai", "did you mean Asia/Shanghai?"},
        {"Europe/Berln", "did you mean Europe/Berlin?"},
        {"Zzzzzzzz/Qqqqqqqqq", "write one such as Asia/Shanghai"},
    };
    struct errtext err;
    if (access(ZONEINFO_DIRECTORY "/tzdata.zi", R_OK) != 0)
        skip();
    assert_int_equal(load(ZONEINFO_DIRECTORY, "Asia/Shanghai", &err), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(load(ZONEINFO_DIRECTORY, rows[i].name, &err), -ENOENT);
        assert_non_null(strstr(err.text, rows[i].near));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_and_judged),
        cmocka_unit_test(names_cannot_leave_the_directory),
        cmocka_unit_test(near_names_are_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
