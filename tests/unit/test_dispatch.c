/* Dispatch: whose turn it is where places are few. */
#include "unit.h"

#include "engine/engine_internal.h"
#include "engine_twin.h"

#include <stdio.h>
#include <string.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND
#define HOST_B "https://b.example.com/"

static char ids[300][16];

static struct schedule *add_many(struct config *config, const char *name, int first, int count,
                                 const char *url)
{
    struct schedule *schedule = twin_every(config, name, "12h");
    for (int i = first; i < first + count; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "crs-i%03d", i);
        twin_add(config, schedule, ids[i], url);
    }
    return schedule;
}

/* So many turns of the loop pass in a second, in which nothing comes. */
static void pass_second(struct twin *twin, int turns)
{
    for (int i = 0; i < turns; i++) {
        twin->now.wall = wall_add_us(twin->now.wall, SECOND / turns);
        twin->now.mono = mono_add_ns(twin->now.mono, NS_PER_SECOND / turns);
        twin_step(twin);
    }
}

static int sent_to_b(const struct twin *twin)
{
    int count = 0;
    for (int i = 0; i < twin->sent_count; i++)
        count += strcmp(twin->sent[i].url, HOST_B) == 0;
    return count;
}

/* Each request takes a second; the host with fewer backups is done when it has had its turns. */
static void hosts_take_turns(void **state)
{
    (void)state;
    for (int turns = 1; turns < 5; turns++) {
        static struct twin twin;
        twin_init(&twin, NOON - 10);
        struct config *config = twin_config();
        config->max_in_flight = 1;
        (void)add_many(config, "big", 0, 200, "https://a.example.com/");
        (void)add_many(config, "small", 200, 10, HOST_B);
        twin_start(&twin, config);
        twin_run(&twin, 10 * SECOND);
        for (int second = 0; second < 25; second++) {
            pass_second(&twin, turns);
            for (int i = 0, count = twin.sent_count; i < count; i++)
                if (!twin.sent[i].answered)
                    twin_refuse(&twin, i, "InvalidParameter.InvalidParameter", -1);
        }
        assert_int_equal(sent_to_b(&twin), 10);
        assert_in_range(twin.sent_count, 20, 30);
        twin_finish(&twin);
    }
}

/* Hosts whose runs only wait need no places: the one with a backlog has all of them. */
static void who_waits_holds_no_places(void **state)
{
    (void)state;
    static const char *const urls[] = {"https://1.example.com/", "https://2.example.com/",
                                       "https://3.example.com/"};
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    struct config *config = twin_config();
    config->max_in_flight = 8;
    struct schedule *schedule = add_many(config, "big", 0, 80, HOST_B);
    for (size_t i = 0; i < COUNT(urls); i++) {
        (void)snprintf(ids[80 + i], sizeof ids[0], "crs-locked%zu", i);
        twin_add(config, schedule, ids[80 + i], urls[i]);
    }
    twin_start(&twin, config);
    twin_run(&twin, 10 * SECOND);
    for (int second = 0; second < 14; second++) {
        pass_second(&twin, 20);
        for (int i = 0, count = twin.sent_count; i < count; i++)
            if (!twin.sent[i].answered && strstr(twin.sent[i].body, "crs-locked") != NULL)
                twin_refuse(&twin, i, "ResourceUnavailable.InstanceLockedError", -1);
            else if (!twin.sent[i].answered)
                twin_accept(&twin, i);
    }
    assert_int_equal(sent_to_b(&twin), 80);
    twin_finish(&twin);
}

/* It comes with a reload, when as many runs as may be are prepared for a later instant. */
static void who_is_due_first_goes_first(void **state)
{
    (void)state;
    static struct twin twin;
    twin_init(&twin, NOON - 10);
    struct config *config = twin_config();
    add_many(config, "later", 0, 12, NULL)->spread_us = SECOND * 3 / 2;
    twin_start(&twin, config);
    twin_run(&twin, 9 * SECOND + SECOND / 2);
    config = twin_config();
    add_many(config, "later", 0, 12, NULL)->spread_us = SECOND * 3 / 2;
    twin_add(config, twin_every(config, "sooner", "12h"), "crs-sooner", NULL);
    twin_reload(&twin, config);
    twin_run(&twin, 3 * SECOND);
    assert_int_equal(twin.sent_count, 13);
    assert_non_null(strstr(twin.sent[0].body, "crs-sooner"));
    int64_t late_us = wall_diff_us(twin.sent[0].at.wall, wall_from_seconds(NOON));
    assert_in_range(late_us, 0, 1000);
    twin_finish(&twin);
}

/* One lane's runs may all have to wait; others still begin theirs. */
static void places_for_runs_are_kept_for_who_has_few(void **state)
{
    (void)state;
    static const struct {
        uint32_t lanes;
        uint32_t runs;      /* in the engine */
        uint32_t lane_runs; /* of the one that asks */
        bool has;
    } rows[] = {
        {1, 0, 0, true},
        {2, ENGINE_RUNS_MAX - ENGINE_RUNS_KEPT - 1, ENGINE_RUNS_MAX - ENGINE_RUNS_KEPT - 1, true},
        {2, ENGINE_RUNS_MAX - ENGINE_RUNS_KEPT, ENGINE_RUNS_MAX - ENGINE_RUNS_KEPT, false},
        {2, ENGINE_RUNS_MAX - ENGINE_RUNS_KEPT, 0, true},
        {2, ENGINE_RUNS_MAX - 1, ENGINE_RUNS_KEPT / 2 - 1, true},
        {2, ENGINE_RUNS_MAX - 1, ENGINE_RUNS_KEPT / 2, false},
        {2, ENGINE_RUNS_MAX, 0, false},
        {ENGINE_RUNS_KEPT * 2, ENGINE_RUNS_MAX - 1, 0, true},
        {ENGINE_RUNS_KEPT * 2, ENGINE_RUNS_MAX - 1, 1, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct engine engine = {.lane_count = rows[i].lanes, .run_count = rows[i].runs};
        struct lane lane = {.runs = rows[i].lane_runs};
        assert_int_equal(engine_has_run_place(&engine, &lane), rows[i].has);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_take_turns),
        cmocka_unit_test(who_waits_holds_no_places),
        cmocka_unit_test(who_is_due_first_goes_first),
        cmocka_unit_test(places_for_runs_are_kept_for_who_has_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
