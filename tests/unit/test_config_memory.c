/*
 * The loader without memory: every allocation of a load fails once, alone and with all that follow.
 * Nothing may leak, and the answer is -ENOMEM or a config that is whole.
 *
 * The linker sends our allocations here (--wrap), and libyaml asks for its own by name.
 */
#include "unit.h"

#include "ports/config_yaml.h"

#include <errno.h>
#include <stdlib.h>

static long countdown = -1; /* allocations until one fails; -1: none does */
static bool all_that_follow;
static long made;
static long live;
static long of_libyaml;

static bool fails(void)
{
    made++;
    if (countdown < 0)
        return false;
    if (countdown > 0) {
        countdown--;
        return false;
    }
    if (!all_that_follow)
        countdown = -1;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *old);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *old);
char *__wrap_strdup(const char *text);
void *yaml_malloc(size_t size);
void *yaml_realloc(void *old, size_t size);
void yaml_free(void *old);
unsigned char *yaml_strdup(const unsigned char *text);

static void *counted(void *memory)
{
    live += memory != NULL;
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (fails())
        return NULL;
    return old == NULL ? counted(__real_realloc(NULL, size)) : __real_realloc(old, size);
}

void __wrap_free(void *old)
{
    live -= old != NULL;
    __real_free(old);
}

char *__wrap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = __wrap_malloc(size);
    return copy == NULL ? NULL : memcpy(copy, text, size);
}

void *yaml_malloc(size_t size)
{
    of_libyaml++;
    return __wrap_malloc(size > 0 ? size : 1);
}

void *yaml_realloc(void *old, size_t size)
{
    return __wrap_realloc(old, size > 0 ? size : 1);
}

void yaml_free(void *old)
{
    __wrap_free(old);
}

unsigned char *yaml_strdup(const unsigned char *text)
{
    return text == NULL ? NULL : (unsigned char *)__wrap_strdup((const char *)text);
}

static int give_zone(void *context, const char *name, struct zone **ret, struct errtext *err)
{
    (void)context;
    if (strcmp(name, "Asia/Shanghai") == 0)
        return zone_parse_posix("CST-8", ret, err);
    return errtext_set(err, -ENOENT, "no such zone");
}

static const char good[] = "region: ap-x\n"
                           "timezone: Asia/Shanghai\n"
                           "endpoint: regional\n"
                           "proxy: http://p:1\n"
                           "credentials: {provider: file, file: /k}\n"
                           "schedules:\n"
                           "  a: &a\n"
                           "    cron: '*/7 3 1 * 0'\n"
                           "    spread: 30m\n"
                           "    remark: x\n"
                           "    instances: [crs-a, crs-b, {id: crs-c, region: r2, remark: y}]\n"
                           "  b: {<<: *a, cron: '0 0 30 2 *'}\n"
                           "  c: {every: 1h, instances: [crs-a]}\n";

static const char bad[] = "region: ap_x\n"
                          "timezone: Mars\n"
                          "regoin: 5\n"
                          "schedules:\n"
                          "  a: {every: 1x, instances: [crs-a, crs-a, CRS-b]}\n";

static int load(const char *text, size_t length, struct config **ret, size_t *ret_found)
{
    struct config_report report = {0};
    struct config_load_options options = {.now = wall_from_seconds(1795564800), .zone = give_zone};
    int outcome = config_yaml_load_bytes(text, length, &options, ret, &report);
    *ret_found = report.errors.found;
    config_report_finish(&report);
    return outcome;
}

static void sweep(const char *text, size_t length, int right, bool follow)
{
    struct config *config = NULL;
    size_t found;
    live = made = of_libyaml = 0;
    countdown = -1;
    assert_int_equal(load(text, length, &config, &found), right);
    config_unref(config);
    assert_int_equal(live, 0);
    size_t all_found = found;
    long total = made;
    long survived = 0;
    assert_true(total > 60 && of_libyaml > 20);
    for (long nth = 0; nth < total; nth++) {
        config = NULL;
        live = 0;
        all_that_follow = follow;
        countdown = nth;
        int outcome = load(text, length, &config, &found);
        countdown = -1;
        if (outcome != -ENOMEM) {
            /* Only what is cut to size may fail unseen; then everything is there. */
            assert_int_equal(outcome, right);
            assert_int_equal(found, all_found);
            if (right == 0)
                assert_int_equal(config->instance_count, 7);
            survived++;
        } else {
            assert_null(config);
        }
        config_unref(config);
        assert_int_equal(live, 0);
    }
    assert_true(survived <= 6);
}

static void a_good_file_without_memory(void **state)
{
    (void)state;
    sweep(good, sizeof good - 1, 0, false);
    sweep(good, sizeof good - 1, 0, true);
}

static void a_bad_file_without_memory(void **state)
{
    (void)state;
    sweep(bad, sizeof bad - 1, CONFIG_INVALID, false);
    sweep(bad, sizeof bad - 1, CONFIG_INVALID, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_without_memory),
        cmocka_unit_test(a_bad_file_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
