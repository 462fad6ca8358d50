/*
 * The cloud's twin by itself: what it answers to those who ask, and that asking does nothing. The
 * engine's end of the transport is replaced by one that keeps the answer.
 */
#include "unit/unit.h"

#include "base/json.h"
#include "engine/engine.h"
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

enum plant planted = PLANT_NONE;

#define S NS_PER_SECOND
#define LAG_S 50

struct bench {
    struct sim sim;
    uint64_t ticket;
    bool answered;
    enum exchange_kind kind;
    char *body;
};

static struct bench bench;

void __wrap_engine_file_on_wire(struct engine *engine, uint64_t ticket, struct mono at);
void __wrap_engine_file_on_wire(struct engine *engine, uint64_t ticket, struct mono at)
{
    (void)engine;
    (void)ticket;
    (void)at;
}

void __wrap_engine_file_outcome(struct engine *engine, uint64_t ticket,
                                const struct exchange *exchange, struct mono at);
void __wrap_engine_file_outcome(struct engine *engine, uint64_t ticket,
                                const struct exchange *exchange, struct mono at)
{
    (void)engine;
    (void)at;
    assert_int_equal(ticket, bench.ticket);
    assert_false(bench.answered);
    bench.answered = true;
    bench.kind = exchange->kind;
    free(bench.body);
    bench.body = strdup(exchange->body == NULL ? "" : exchange->body);
}

static int begin(void **state)
{
    (void)state;
    bench = (struct bench){.ticket = 0};
    struct sim *sim = &bench.sim;
    sim->world = (struct world){
        .seed = 1, .kind = WORLD_BUSY, .instance_count = 3, .host_count = 2, .generation_count = 1};
    sim->world.calm = (struct faults){.leave_max_us = 1000, .latency_max_us = 1000};
    sim->world.faults = sim->world.calm;
    sim->world.generations[0].per_second = 20;
    sim->world.generations[0].max_in_flight = 100;
    sim->faults = &sim->world.faults;
    sim->clock.real_us = 1796065200 * US_PER_SECOND; /* 2026-12-01T00:00:00+08:00 less 5 h */
    sim->trace.now = &sim->clock.now;
    sim->cloud.dice = dice_of(1, 2);
    sim->cloud.tasks.dice = dice_of(1, 9);
    oracle_init(&sim->oracle, &sim->world, &sim->clock, &sim->trace, &sim->cloud);
    return 0;
}

static int end(void **state)
{
    (void)state;
    oracle_finish(&bench.sim.oracle);
    cloud_finish(&bench.sim.cloud);
    clock_finish(&bench.sim.clock);
    free(bench.body);
    bench.body = NULL;
    return 0;
}

/* ---- asking ---- */

static void send_off(const char *action, const char *body)
{
    struct sim *sim = &bench.sim;
    char stamp[24];
    (void)snprintf(stamp, sizeof stamp, "%lld",
                   (long long)clock_cloud_second(&sim->clock, sim->clock.now));
    const struct tc3_header headers[] = {
        {"Authorization", "TC3"}, {"X-TC-Action", action}, {"X-TC-Timestamp", stamp}};
    const struct transport_request request = {
        .ticket = ++bench.ticket,
        .url = world_host_url(0),
        .headers = headers,
        .header_count = COUNT(headers),
        .body = body,
        .body_length = strlen(body),
        .connect_timeout_us = US_PER_SECOND,
        .timeout_us = 10 * US_PER_SECOND,
    };
    struct errtext err;
    const struct transport transport = cloud_transport(sim);
    bench.answered = false;
    assert_int_equal(transport.send(transport.context, &request, &err), 0);
}

static void ask(const char *action, const char *body)
{
    struct sim *sim = &bench.sim;
    send_off(action, body);
    while (!bench.answered) {
        assert_non_null(clock_top(&sim->clock));
        struct occasion o = clock_pop(&sim->clock);
        sim->clock.now = o.at;
        if (o.kind == EVENT_LEAVE)
            cloud_leave(sim, o.number);
        else if (o.kind == EVENT_ARRIVE)
            cloud_arrive(sim, o.number, o.at);
        else if (o.kind == EVENT_OUTCOME)
            cloud_outcome(sim, o.number);
    }
}

/* ---- reading the answer ---- */

static struct json answer;

static struct json_value response(void)
{
    struct json_value value;
    struct errtext err = {""};
    assert_int_equal(bench.kind, EXCHANGE_ANSWERED);
    assert_int_equal(json_read(&answer, bench.body, strlen(bench.body), &err), 0);
    assert_int_equal(json_member(json_root(&answer), "Response", &value), 0);
    return value;
}

static const char *text_of(struct json_value object, const char *name)
{
    static char buffer[256];
    struct json_value value;
    struct text text = text_over(buffer, sizeof buffer);
    assert_int_equal(json_member(object, name, &value), 0);
    assert_int_equal(json_add_string(value, &text), 0);
    return buffer;
}

static int64_t number_of(struct json_value object, const char *name)
{
    struct json_value value;
    int64_t number;
    assert_int_equal(json_member(object, name, &value), 0);
    assert_int_equal(json_int64(value, &number), 0);
    return number;
}

/* How many there are in all; `ret` is the first of the page, `ret_page` how long that is. */
static int64_t list(const char *action, const char *body, struct json_value *ret, int *ret_page)
{
    struct json_value entries;
    struct json_value at = {NULL, NULL};
    ask(action, body);
    struct json_value value = response();
    const char *name = strcmp(action, "DescribeTaskList") == 0 ? "Tasks" : "BackupSet";
    assert_int_equal(json_member(value, name, &entries), 0);
    *ret_page = 0;
    while (json_next(entries, &at))
        if ((*ret_page)++ == 0)
            *ret = at;
    return number_of(value, "TotalCount");
}

static int64_t count(const char *action, const char *body)
{
    struct json_value first;
    int page;
    int64_t total = list(action, body, &first, &page);
    json_finish(&answer);
    return total;
}

static void info(int64_t task, const char *status, const char *message)
{
    char body[64];
    (void)snprintf(body, sizeof body, "{\"TaskId\":%lld}", (long long)task);
    ask("DescribeTaskInfo", body);
    struct json_value value = response();
    assert_string_equal(text_of(value, "Status"), status);
    assert_string_equal(text_of(value, "TaskMessage"), message);
    assert_string_equal(text_of(value, "InstanceId"), "crs-sim001");
    json_finish(&answer);
}

static void code(const char *expected)
{
    struct json_value error;
    assert_int_equal(json_member(response(), "Error", &error), 0);
    assert_string_equal(text_of(error, "Code"), expected);
    json_finish(&answer);
}

static void at_second(int64_t second)
{
    bench.sim.clock.now = second * S;
}

#define TASKS "DescribeTaskList", "{\"InstanceId\":\"crs-sim001\"}"
#define BACKUPS "DescribeInstanceBackups", "{\"InstanceId\":\"crs-sim001\"}"
#define BACKUPS_ALL "DescribeInstanceBackups", "{\"InstanceId\":\"crs-sim001\",\"Status\":[1,2]}"

static const struct task *begin_task(const char *remark, int64_t seconds)
{
    return tasks_begin(&bench.sim, 1, remark, TASK_OF_OTHERS, bench.sim.clock.now,
                       seconds * US_PER_SECOND);
}

/* ---- the tests ---- */

static void test_a_task_from_its_beginning_to_its_end(void **state)
{
    (void)state;
    struct json_value first;
    int page;
    int64_t id = begin_task("a \"b\" \xe6\x97\xa5", 100)->id;
    at_second(1);
    info(id, "preparing", "");
    at_second(50);
    info(id, "running", "");
    assert_int_equal(count(BACKUPS), 0); /* one that is being made only on demand */
    assert_int_equal(list(BACKUPS_ALL, &first, &page), 1);
    assert_int_equal(number_of(first, "Status"), 1);
    assert_string_equal(text_of(first, "EndTime"), "");
    json_finish(&answer);
    assert_int_equal(list(TASKS, &first, &page), 1);
    assert_int_equal(number_of(first, "Result"), 1);
    assert_string_equal(text_of(first, "EndTime"), "");
    json_finish(&answer);

    at_second(101);
    info(id, "succeed", "");
    assert_int_equal(list(BACKUPS, &first, &page), 1);
    assert_string_equal(text_of(first, "Remark"), "a \"b\" \xe6\x97\xa5");
    assert_string_equal(text_of(first, "StartTime"), "2026-12-01 03:00:00");
    assert_string_equal(text_of(first, "EndTime"), "2026-12-01 03:01:40");
    assert_string_equal(text_of(first, "BackupType"), "0");
    assert_int_equal(number_of(first, "Status"), 2);
    json_finish(&answer);
    assert_int_equal(list(TASKS, &first, &page), 1);
    assert_int_equal(number_of(first, "TaskId"), id);
    assert_int_equal(number_of(first, "Result"), 2);
    assert_string_equal(text_of(first, "TaskType"), "012");
    json_finish(&answer);
    assert_null(strstr(bench.body, "Remark")); /* the list of tasks knows none */
}

static void test_a_task_that_fails_leaves_no_backup(void **state)
{
    (void)state;
    struct json_value first;
    int page;
    bench.sim.world.faults.task_fails = 1000;
    int64_t id = begin_task("x", 10)->id;
    at_second(5);
    assert_int_equal(count(BACKUPS_ALL), 1);
    at_second(11);
    info(id, "failed", "the node failed event=forged");
    assert_int_equal(count(BACKUPS_ALL), 0);
    assert_int_equal(list(TASKS, &first, &page), 1);
    assert_int_equal(number_of(first, "Result"), 4);
    json_finish(&answer);
    ask("DescribeTaskInfo", "{\"TaskId\":17}");
    code("InvalidParameter.InvalidParameter");
}

/* The instant at which a list first has it, to the second. */
static int64_t listed_from(const char *action, const char *body)
{
    for (int64_t second = 0;; second++) {
        at_second(second);
        if (count(action, body) > 0)
            return second;
        assert_true(second <= LAG_S + 1);
    }
}

static void test_lists_lag_each_for_itself(void **state)
{
    (void)state;
    bench.sim.world.faults.list_lag_max_us = LAG_S * US_PER_SECOND;
    const struct task *task = begin_task("x", 1);
    int64_t listed_s = task->listed_at / S;
    int64_t backup_listed_s = task->backup_listed_at / S;
    assert_true(listed_s > 1 && backup_listed_s > 1 && listed_s != backup_listed_s);
    assert_in_range(listed_from(TASKS) - listed_s, 0, 1);
    assert_in_range(listed_from(BACKUPS) - backup_listed_s, 0, 1);
    at_second(0);
    info(task->id, "preparing", ""); /* told at once by its id */
}

static void test_backups_are_hard_to_tell(void **state)
{
    (void)state;
    struct json_value first;
    int page;
    struct faults *f = &bench.sim.world.faults;
    f->backup_lag_max_us = 6 * US_PER_SECOND;
    f->automatic = 1000;
    bool later = false;
    for (int i = 1; i <= 20; i++) {
        at_second(100 * i);
        later = begin_task("x", 20)->backup_begins_at > bench.sim.clock.now + 2 * S || later;
    }
    assert_true(later);
    at_second(2200);
    operator_acts(&bench.sim, 1); /* the cloud's own plan */
    assert_int_equal(
        count("DescribeTaskList", "{\"InstanceId\":\"crs-sim001\",\"TaskTypes\":[\"012\"]}"), 20);
    assert_int_equal(
        count("DescribeTaskList", "{\"InstanceId\":\"crs-sim001\",\"TaskTypes\":[\"017\"]}"), 1);
    assert_int_equal(list(BACKUPS_ALL, &first, &page), 21);
    assert_string_equal(text_of(first, "BackupType"), "1");
    json_finish(&answer);
    f->short_lists = 1000;
    assert_int_equal(list(TASKS, &first, &page), 21); /* as many are counted */
    assert_in_range(page, 0, 2);
    json_finish(&answer);
}

static void test_pages_windows_and_kinds(void **state)
{
    (void)state;
    struct json_value first;
    int page;
    for (int i = 0; i < 45; i++) { /* one a minute */
        at_second(60 * i);
        char remark[16];
        (void)snprintf(remark, sizeof remark, "n%d", i);
        begin_task(remark, 1);
    }
    at_second(3600);
    assert_int_equal(list("DescribeInstanceBackups",
                          "{\"InstanceId\":\"crs-sim001\",\"Limit\":20,\"Offset\":40}", &first,
                          &page),
                     45);
    assert_int_equal(page, 5);
    assert_string_equal(text_of(first, "Remark"), "n4"); /* the newest stand first */
    json_finish(&answer);
    assert_int_equal(list(TASKS, &first, &page), 45);
    assert_int_equal(page, 20);
    json_finish(&answer);
    assert_int_equal(count("DescribeTaskList",
                           "{\"InstanceId\":\"crs-sim001\",\"BeginTime\":\"2026-12-01 03:10:00\","
                           "\"EndTime\":\"2026-12-01 03:12:00\",\"TaskTypes\":[\"012\"]}"),
                     3);
    assert_int_equal(count("DescribeInstanceBackups",
                           "{\"InstanceId\":\"crs-sim001\",\"BeginTime\":\"2026-12-01 03:10:01\"}"),
                     34);
    assert_int_equal(
        count("DescribeTaskList", "{\"InstanceId\":\"crs-sim001\",\"TaskTypes\":[\"017\"]}"), 0);
    assert_int_equal(count("DescribeTaskList", "{\"InstanceId\":\"crs-sim002\"}"), 0);
}

static void test_each_action_has_its_quota(void **state)
{
    (void)state;
    static const int quotas[CLOUD_ACTIONS] = {0, 20, 20, 50};
    static const char *const bodies[CLOUD_ACTIONS] = {"", "{\"TaskId\":6954227}",
                                                      "{\"InstanceId\":\"crs-sim001\"}",
                                                      "{\"InstanceId\":\"crs-sim001\"}"};
    struct sim *sim = &bench.sim;
    sim->world.generations[0].per_second = 20;
    begin_task("x", 1);
    for (enum cloud_action action = ACTION_TASK_INFO; action < CLOUD_ACTIONS; action++) {
        int good = 0;
        for (int i = 0; i < 60; i++) {
            struct message m = {.action = action, .ticket = 1, .stamp_s = 1796065200};
            m.fate = FATE_NONE;
            m.request = strdup(bodies[action]);
            cloud_decide(sim, &m, 500 * MS);
            good += strstr(m.body, "RequestLimitExceeded") == NULL;
            free(m.request);
            free(m.body);
        }
        assert_int_equal(good, quotas[action]);
    }
}

static void test_asking_suffers_every_fault_and_does_nothing(void **state)
{
    (void)state;
    struct faults *f = &bench.sim.world.faults;
    bool lost = false;
    bool not_sent = false;
    bool answered = false;
    f->lost_before = f->lost_after = f->silent = 220;
    f->not_sent = 240; /* of 2000 in all */
    f->gateway = f->garbage = f->internal = f->final = f->busy = 220;
    begin_task("x", 1);
    for (int i = 1; i <= 200; i++) {
        at_second(i * 60);
        ask(i % 2 == 0 ? "DescribeTaskInfo" : "DescribeTaskList",
            i % 2 == 0 ? "{\"TaskId\":6954227}" : "{\"InstanceId\":\"crs-sim001\"}");
        lost = lost || bench.kind == EXCHANGE_LOST;
        not_sent = not_sent || bench.kind == EXCHANGE_NOT_SENT;
        answered = answered || bench.kind == EXCHANGE_ANSWERED;
        assert_null(strstr(bench.body, "\"Status\":\"succeed\"")); /* all of them go wrong */
    }
    assert_true(lost && not_sent && answered);
    assert_int_equal(bench.sim.cloud.tasks.count, 1);
    assert_int_equal(bench.sim.oracle.broken, RULE_NONE);
}

static void test_what_the_api_would_not_take(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"DescribeTaskInfo", "{}"},
        {"DescribeTaskInfo", "{\"TaskId\":\"6954227\"}"},
        {"DescribeTaskInfo", "{\"TaskId\":6954227,\"InstanceId\":\"crs-sim001\"}"},
        {"DescribeTaskList", "{\"InstanceId\":\"crs-sim001\",\"Limit\":101}"},
        {"DescribeTaskList", "{\"InstanceId\":\"crs-sim001\",\"Limit\":10,\"Offset\":5}"},
        {"DescribeTaskList", "{\"InstanceId\":\"crs-sim001\",\"Status\":[1]}"},
        {"DescribeTaskList",
         "{\"InstanceId\":\"crs-sim001\",\"BeginTime\":\"2026-12-01T03:00:00\"}"},
        {"DescribeInstanceBackups", "{\"InstanceId\":\"crs-sim001\",\"Status\":2}"},
        {"DescribeInstanceBackups",
         "{\"InstanceId\":\"crs-sim001\",\"BeginTime\":\"2026-12-01 03:00:00\","
         "\"EndTime\":\"2026-12-01 02:59:59\"}"},
        {"DescribeTaskList", "{\"InstanceId\":\"crs-sim001\",\"BeginTime\":\"2026-11-01 03:00:00\","
                             "\"EndTime\":\"2026-12-01 03:00:01\"}"},
        {"DescribeInstanceBackups", "{\"InstanceId\":\"crs-sim001\""},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        bench.sim.oracle.broken = RULE_NONE;
        struct message m = {.action = (enum cloud_action)world_find_action(bad[i][0]),
                            .stamp_s = 1796065200,
                            .fate = FATE_NONE};
        m.request = strdup(bad[i][1]);
        cloud_decide(&bench.sim, &m, (int64_t)i * S);
        if (bench.sim.oracle.broken != RULE_ACCOUNT)
            fail_msg("taken: %s %s", bad[i][0], bad[i][1]);
        free(m.request);
        free(m.body);
    }
}

static void test_the_rate_is_watched_by_host_and_action(void **state)
{
    (void)state;
    struct oracle *oracle = &bench.sim.oracle;
    for (int i = 0; i < 20; i++)
        for (int action = 0; action < CLOUD_ACTIONS; action++)
            for (int host = 0; host < 2; host++)
                oracle_arrived(oracle, host, (enum cloud_action)action, i * 40 * MS, 20);
    assert_int_equal(oracle->broken, RULE_NONE);
    oracle_arrived(oracle, 1, ACTION_TASK_LIST, 999 * MS, 20);
    assert_int_equal(oracle->broken, RULE_RATE);
}

static void test_a_backup_that_was_not_announced(void **state)
{
    (void)state;
    struct sim *sim = &bench.sim;
    const struct tc3_header headers[] = {{"Authorization", "TC3"},
                                         {"X-TC-Action", "ManualBackupInstance"}};
    const struct transport_request request = {.ticket = 5,
                                              .url = world_host_url(0),
                                              .headers = headers,
                                              .header_count = COUNT(headers),
                                              .body = "{\"InstanceId\":\"crs-sim001\"}"};
    struct errtext err;
    const struct transport transport = cloud_transport(sim);
    assert_true(transport.send(transport.context, &request, &err) < 0);
    assert_int_equal(sim->oracle.broken, RULE_ORDER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_task_from_its_beginning_to_its_end, begin, end),
        cmocka_unit_test_setup_teardown(test_a_task_that_fails_leaves_no_backup, begin, end),
        cmocka_unit_test_setup_teardown(test_lists_lag_each_for_itself, begin, end),
        cmocka_unit_test_setup_teardown(test_backups_are_hard_to_tell, begin, end),
        cmocka_unit_test_setup_teardown(test_pages_windows_and_kinds, begin, end),
        cmocka_unit_test_setup_teardown(test_each_action_has_its_quota, begin, end),
        cmocka_unit_test_setup_teardown(test_asking_suffers_every_fault_and_does_nothing, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_what_the_api_would_not_take, begin, end),
        cmocka_unit_test_setup_teardown(test_the_rate_is_watched_by_host_and_action, begin, end),
        cmocka_unit_test_setup_teardown(test_a_backup_that_was_not_announced, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
