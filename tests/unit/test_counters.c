/* The counters by themselves, and what the engine counts where it decides. */
#include "unit.h"

#include "engine/counters.h"
#include "engine_twin.h"

#include <stdio.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND
#define MS INT64_C(1000000)

static size_t code_of(const char *name)
{
    for (size_t i = 0; i < counters_code_count(); i++)
        if (strcmp(counters_code_name(i), name) == 0)
            return i;
    fail_msg("no code %s", name);
    return 0;
}

static uint64_t sum(const uint64_t *numbers, size_t count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += numbers[i];
    return total;
}

/* ---- by themselves ---- */

static void every_code_has_one_name(void **state)
{
    (void)state;
    assert_true(counters_code_count() <= COUNTERS_CODES);
    assert_string_equal(counters_code_name(0), "OK");
    assert_string_equal(counters_code_name(counters_code_count() - 1), "other");
    for (size_t i = 0; i < counters_code_count(); i++)
        assert_int_equal(code_of(counters_code_name(i)), i);
    static const char *const actions[COUNTERS_ACTIONS] = {"ManualBackupInstance",
                                                          "DescribeTaskInfo",
                                                          "DescribeTaskList",
                                                          "DescribeInstanceBackups",
                                                          "AssumeRole",
                                                          "AssumeRoleWithWebIdentity",
                                                          "Metadata"};
    for (int i = 0; i < COUNTERS_ACTIONS; i++)
        assert_string_equal(counters_action_name((enum counters_action)i), actions[i]);
}

static void an_answer_counts_under_its_code(void **state)
{
    (void)state;
    static const struct {
        enum verdict_class class;
        const char *code;
        const char *want;
    } rows[] = {
        {VERDICT_ACCEPTED, "", "OK"},
        {VERDICT_THROTTLED, "RequestLimitExceeded", "RequestLimitExceeded"},
        {VERDICT_NOT_SENT, "Client.NotSent", "Client.NotSent"},
        {VERDICT_AMBIGUOUS, "HTTP.599", "HTTP"},
        {VERDICT_BUSY, "ResourceInUse.OfTomorrow", "ResourceInUse"},
        {VERDICT_AMBIGUOUS, "Never.Heard", "other"},
        {VERDICT_AMBIGUOUS, "", "other"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct counters counters = {0};
        struct verdict verdict = {.class = rows[i].class};
        (void)snprintf(verdict.code, sizeof verdict.code, "%s", rows[i].code);
        counters_answer(&counters, COUNTERS_TASKS, &verdict, 30 * MS);
        const struct counters_requests *requests = &counters.requests[COUNTERS_TASKS];
        assert_int_equal(requests->by_code[code_of(rows[i].want)], 1);
        assert_int_equal(sum(requests->by_code, COUNTERS_CODES), 1);
        assert_int_equal(requests->throttled, rows[i].class == VERDICT_THROTTLED);
        assert_int_equal(sum(counters.requests[COUNTERS_BACKUP].by_code, COUNTERS_CODES), 0);
    }
}

static void a_time_falls_into_its_bucket(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        int bucket; /* -1: none */
        int64_t sum;
    } rows[] = {
        {-1, -1, 0},
        {0, 0, 0},
        {5 * MS, 0, 5 * MS},
        {5 * MS + 1, 1, 5 * MS + 1},
        {60000 * MS, COUNTERS_BOUNDS - 1, 60000 * MS},
        {60000 * MS + 1, COUNTERS_BOUNDS, 60000 * MS + 1},
        {INT64_MAX, COUNTERS_BOUNDS, INT64_MAX},
    };
    const struct verdict verdict = {.class = VERDICT_ACCEPTED};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct counters counters = {0};
        counters_answer(&counters, COUNTERS_BACKUP, &verdict, rows[i].ns);
        const struct counters_histogram *h = &counters.requests[COUNTERS_BACKUP].duration;
        assert_int_equal(sum(h->buckets, COUNTERS_BOUNDS + 1), rows[i].bucket >= 0);
        if (rows[i].bucket >= 0)
            assert_int_equal(h->buckets[rows[i].bucket], 1);
        assert_int_equal(h->sum_ns, rows[i].sum);
        counters_answer(&counters, COUNTERS_BACKUP, &verdict, INT64_MAX);
        assert_int_equal(h->sum_ns, INT64_MAX); /* no overflow */
    }
    for (int i = 1; i < COUNTERS_BOUNDS; i++) {
        assert_true(counters_duration_bounds[i - 1] < counters_duration_bounds[i]);
        assert_true(counters_wait_bounds[i - 1] < counters_wait_bounds[i]);
    }
    struct counters counters = {0};
    counters_wait(&counters, COUNTERS_TASK, -1);
    assert_int_equal(counters.requests[COUNTERS_TASK].wait.buckets[0], 1);
    assert_int_equal(counters.requests[COUNTERS_TASK].wait.sum_ns, 0);
}

static struct config *named(const char *const *names, size_t count)
{
    struct config *config = twin_config();
    for (size_t i = 0; i < count; i++)
        twin_add(config, twin_every(config, names[i], "1h"), "crs-i000", NULL);
    return config;
}

static void a_reload_keeps_by_name(void **state)
{
    (void)state;
    static const char *const before[] = {"a", "b"};
    static const char *const after[] = {"c", "b"};
    struct config *first = named(before, COUNT(before));
    struct config *second = named(after, COUNT(after));
    struct counters counters = {0};
    assert_int_equal(counters_configure(&counters, first), 0);
    counters_end(&counters, "a", COUNTERS_FAILED, 2);
    counters_end(&counters, "b", COUNTERS_MISSED, 3);
    counters_attempt(&counters, "b");
    counters_end(&counters, "nobody", COUNTERS_MISSED, 3);
    assert_int_equal(counters.schedules[0].outcomes[COUNTERS_FAILED], 2);
    assert_int_equal(counters_configure(&counters, second), 0);
    config_unref(first); /* nothing of it is needed any more */
    assert_int_equal(sum(counters.schedules[0].outcomes, COUNTERS_OUTCOMES), 0);
    assert_int_equal(counters.schedules[1].outcomes[COUNTERS_MISSED], 3);
    assert_int_equal(counters.schedules[1].attempts, 1);
    counters_end(&counters, "a", COUNTERS_FAILED, 1);
    counters_end(&counters, "b", COUNTERS_MISSED, 1);
    assert_int_equal(counters.schedules[1].outcomes[COUNTERS_MISSED], 4);
    counters_finish(&counters);
    counters_finish(&counters);
    config_unref(second);
}

/* ---- in the engine ---- */

static struct config *one_schedule(int instances)
{
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", "1h");
    for (int i = 0; i < instances; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "crs-i%03d", i);
        twin_add(config, schedule, id, NULL);
    }
    return config;
}

static void the_engine_counts_what_it_decides(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    twin_start(&twin, one_schedule(4));
    const struct counters *counters = engine_counters(twin.engine);
    const struct counters_requests *backup = &counters->requests[COUNTERS_BACKUP];
    const struct counters_schedule *nightly = &counters->schedules[0];
    assert_int_equal(sum(nightly->outcomes, COUNTERS_OUTCOMES), 0);
    twin_run(&twin, 11 * SECOND);
    assert_int_equal(twin.sent_count, 4);
    assert_int_equal(nightly->attempts, 4);
    assert_int_equal(sum(backup->wait.buckets, COUNTERS_BOUNDS + 1), 4);
    /* One token about each 50 ms: the first waits for none, the last for three of them. */
    assert_int_equal(backup->wait.buckets[0], 1);
    assert_in_range(backup->wait.sum_ns, 280 * MS, 320 * MS);
    twin_accept(&twin, 0);
    twin_refuse(&twin, 1, "RequestLimitExceeded", -1);
    twin_refuse(&twin, 2, "ResourceNotFound.InstanceNotExists", -1);
    twin_lose(&twin, 3, EXCHANGE_LOST);
    twin_step(&twin);
    assert_int_equal(backup->by_code[code_of("OK")], 1);
    assert_int_equal(backup->by_code[code_of("RequestLimitExceeded")], 1);
    assert_int_equal(backup->by_code[code_of("ResourceNotFound.InstanceNotExists")], 1);
    assert_int_equal(backup->by_code[code_of("Client.Lost")], 1);
    assert_int_equal(backup->throttled, 1);
    assert_int_equal(sum(backup->duration.buckets, COUNTERS_BOUNDS + 1), 3);
    assert_int_equal(nightly->outcomes[COUNTERS_SUBMITTED], 1);
    assert_int_equal(nightly->outcomes[COUNTERS_FAILED], 1);
    assert_int_equal(nightly->retries, 1);
    twin_run(&twin, 20 * SECOND); /* the retry, and the looks for the lost one */
    assert_int_equal(nightly->attempts, 5);
    assert_true(sum(counters->requests[COUNTERS_TASKS].wait.buckets, COUNTERS_BOUNDS + 1) > 0);
    twin_finish(&twin);
}

static void slots_that_passed_are_counted(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    struct config *config = one_schedule(3);
    config->schedules[0].catch_up = CATCH_UP_NONE;
    twin_start(&twin, config);
    twin.now.wall.us += 2 * 3600 * SECOND + 600 * SECOND; /* asleep over three slots */
    twin_step(&twin);
    const struct counters_schedule *nightly = &engine_counters(twin.engine)->schedules[0];
    assert_int_equal(nightly->missed_slots, 3);
    assert_int_equal(nightly->outcomes[COUNTERS_MISSED], 9);
    assert_int_equal(engine_status(twin.engine).missed, 9);
    config = one_schedule(3);
    config->schedules[0].paused = true;
    twin_reload(&twin, config);
    twin.now.wall.us += 2 * 3600 * SECOND;
    twin_step(&twin);
    nightly = &engine_counters(twin.engine)->schedules[0];
    assert_int_equal(nightly->missed_slots, 3);
    assert_int_equal(nightly->outcomes[COUNTERS_SKIPPED], 6);
    twin_finish(&twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_one_name),
        cmocka_unit_test(an_answer_counts_under_its_code),
        cmocka_unit_test(a_time_falls_into_its_bucket),
        cmocka_unit_test(a_reload_keeps_by_name),
        cmocka_unit_test(the_engine_counts_what_it_decides),
        cmocka_unit_test(slots_that_passed_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
