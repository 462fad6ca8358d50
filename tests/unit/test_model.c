/* The frozen configuration: strings, order by host and delay, limits, hosts of regions. */
#include "unit.h"

#include "base/digest.h"
#include "engine/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct config *make_config(void)
{
    struct config *config;
    assert_int_equal(config_create(&config), 0);
    return config;
}

static const char *keep(struct config *config, const char *text, bool shared)
{
    const char *kept;
    assert_int_equal(config_string(config, text, strlen(text), shared, &kept), 0);
    assert_string_equal(kept, text);
    return kept;
}

static void defaults_are_those_of_the_manual(void **state)
{
    (void)state;
    struct config *config = make_config();
    struct schedule *schedule;
    assert_string_equal(config->language, "en-US");
    assert_null(config->proxy);
    assert_null(config->ca_file);
    assert_null(config->credentials.file);
    assert_string_equal(config->credentials.profile, "default");
    assert_int_equal(config->credentials.provider, CREDENTIALS_AUTO);
    assert_int_equal(config->per_second, 20);
    assert_int_equal(config->burst, 1);
    assert_int_equal(config->connect_timeout_us, 5 * US_PER_SECOND);
    assert_int_equal(config->timeout_us, 30 * US_PER_SECOND);
    assert_int_equal(config->max_in_flight, 32);
    assert_string_equal(config->endpoint, "nearest");
    assert_int_equal(config->settle_us, 60 * US_PER_SECOND);
    assert_int_equal(config->ledger_keep_us, 90 * SECONDS_PER_DAY * US_PER_SECOND);
    assert_string_equal(config->state_dir, "/var/lib/crsbackupd");
    assert_int_equal(config->log_target, LOG_TARGET_AUTO);
    assert_int_equal(config->log_level, EVENT_INFO);
    assert_int_equal(config->log_format, EVENT_LOGFMT);
    assert_int_equal(config_add_schedule(config, &schedule), 0);
    assert_int_equal(schedule->catch_up, CATCH_UP_ONCE);
    assert_int_equal(schedule->complete_within_us, SECONDS_PER_DAY * US_PER_SECOND);
    assert_int_equal(schedule->overlap, OVERLAP_FORBID);
    assert_int_equal(schedule->on_unknown, ON_UNKNOWN_HOLD);
    assert_int_equal(schedule->retry_failed, 0);
    assert_int_equal(schedule->spread_us, 0);
    assert_string_equal(schedule->zone_name, "UTC");
    assert_false(schedule->paused);
    config_unref(config);
    config_unref(NULL);
}

static void shared_strings_are_kept_once(void **state)
{
    (void)state;
    struct config *config = make_config();
    char text[32];
    const char *first = keep(config, "ap-guangzhou", true);
    const char *alone = keep(config, "ap-guangzhou", false);
    assert_ptr_not_equal(first, alone);
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(text, sizeof text, "remark %d", i);
        (void)keep(config, text, true);
    }
    assert_ptr_equal(keep(config, "ap-guangzhou", true), first);
    config_unref(config);
}

static void references_are_counted(void **state)
{
    (void)state;
    struct config *config = make_config();
    assert_ptr_equal(config_ref(config), config);
    assert_ptr_equal(config_ref(config), config);
    config_unref(config);
    config_unref(config);
    assert_string_equal(config->credentials.profile, "default"); /* still there */
    config_unref(config);
}

/* SHA-256 of name, NUL, id by an independent implementation, modulo the spread. */
static void delays_are_what_the_hash_says(void **state)
{
    (void)state;
    static const char long_name[] =
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    static const char long_id[] =
        "crs-zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";
    static const struct {
        const char *schedule;
        const char *instance;
        int64_t spread_us;
        int64_t delay_us;
    } rows[] = {
        {"nightly", "crs-5a4py64p", 1800000000, 898049000},
        {"nightly", "crs-9xkq2m7d", 1800000000, 126017000},
        {"weekly", "crs-5a4py64p", 1800000000, 1750801000},
        {"nightly", "crs-5a4py64p", 1234567890, 246968000},
        {long_name, long_id, INT64_C(31622400000000), INT64_C(19423090760000)},
        {"n", "crs-a", 1000, 0},
        {"n", "crs-a", 999, 0},
        {"n", "crs-a", 0, 0},
    };
    struct digest *digest;
    assert_int_equal(digest_create(&digest, NULL), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct schedule schedule = {.name = rows[i].schedule, .spread_us = rows[i].spread_us};
        struct instance instance = {.id = rows[i].instance};
        int64_t delay = -1;
        assert_int_equal(schedule_delay(digest, &schedule, &instance, &delay), 0);
        assert_int_equal(delay, rows[i].delay_us);
    }
    digest_destroy(digest);
}

static void freezing_sorts_by_host_and_delay(void **state)
{
    (void)state;
    enum { INSTANCES = 3000, HOSTS = 3 };
    struct config *config = make_config();
    struct schedule *schedule;
    assert_int_equal(config_add_schedule(config, &schedule), 0);
    schedule->name = keep(config, "nightly", false);
    schedule->spread_us = 600 * US_PER_SECOND;
    for (uint32_t i = 0; i < INSTANCES; i++) {
        char id[32];
        struct instance *instance;
        (void)snprintf(id, sizeof id, "crs-%x", i * 2654435761U);
        assert_int_equal(config_add_instance(config, schedule, &instance), 0);
        assert_null(instance->id);
        instance->id = keep(config, id, false);
        instance->host = i % HOSTS;
    }
    assert_int_equal(config_freeze(config), 0);
    schedule = &config->schedules[0];
    assert_int_equal(config->instance_count, INSTANCES);
    assert_int_equal(schedule->group_count, HOSTS);

    struct digest *digest;
    assert_int_equal(digest_create(&digest, NULL), 0);
    static bool seen[INSTANCES];
    uint32_t place = 0;
    for (uint32_t g = 0; g < schedule->group_count; g++) {
        const struct group *group = &schedule->groups[g];
        assert_int_equal(group->host, g);
        assert_int_equal(group->first, place);
        assert_int_equal(group->count, INSTANCES / HOSTS);
        int64_t last = 0;
        for (; place < group->first + group->count; place++) {
            const struct instance *instance = &schedule->instances[schedule->order[place]];
            int64_t delay;
            assert_int_equal(schedule_delay(digest, schedule, instance, &delay), 0);
            assert_int_equal(instance->host, group->host);
            assert_true(delay >= last && delay < schedule->spread_us);
            assert_false(seen[schedule->order[place]]);
            seen[schedule->order[place]] = true;
            last = delay;
        }
    }
    digest_destroy(digest);
    config_unref(config);
}

static void without_spread_the_files_order_stays(void **state)
{
    (void)state;
    struct config *config = make_config();
    struct schedule *schedule;
    struct instance *instance;
    assert_int_equal(config_add_schedule(config, &schedule), 0); /* of no instance */
    assert_int_equal(config_add_schedule(config, &schedule), 0);
    for (uint32_t i = 0; i < 7; i++) {
        assert_int_equal(config_add_instance(config, schedule, &instance), 0);
        instance->host = i == 3;
    }
    assert_int_equal(config_freeze(config), 0);
    static const uint32_t order[] = {0, 1, 2, 4, 5, 6, 3};
    assert_int_equal(config->schedules[0].group_count, 0);
    assert_int_equal(config->schedules[1].group_count, 2);
    assert_memory_equal(config->schedules[1].order, order, sizeof order);
    config_unref(config);
}

static void there_are_limits(void **state)
{
    (void)state;
    struct config *config = make_config();
    struct schedule *schedule;
    struct instance *instance;
    uint32_t host;
    assert_int_equal(config_add_host(config, "https://a:1/", &host), 0);
    assert_int_equal(config_add_host(config, "https://b/", &host), 0);
    assert_int_equal(host, 1);
    assert_int_equal(config_add_host(config, "https://a:1/", &host), 0);
    assert_int_equal(host, 0);
    assert_string_equal(config->hosts[0].name, "a:1");
    assert_string_equal(config->hosts[1].name, "b");
    for (int i = 2; i < MODEL_HOSTS_MAX; i++) {
        char url[32];
        (void)snprintf(url, sizeof url, "https://h%d/", i);
        assert_int_equal(config_add_host(config, url, &host), 0);
    }
    assert_int_equal(config_add_host(config, "https://more/", &host), -E2BIG);
    for (int i = 0; i < MODEL_SCHEDULES_MAX; i++)
        assert_int_equal(config_add_schedule(config, &schedule), 0);
    assert_int_equal(config_add_schedule(config, &schedule), -E2BIG);
    for (int i = 0; i < MODEL_INSTANCES_MAX; i++)
        assert_int_equal(config_add_instance(config, schedule, &instance), 0);
    assert_int_equal(config_add_instance(config, schedule, &instance), -E2BIG);
    config_unref(config);
}

static void schedules_are_found_by_name(void **state)
{
    (void)state;
    struct config *config = make_config();
    struct schedule *schedule;
    assert_int_equal(config_add_schedule(config, &schedule), 0);
    schedule->name = "a";
    assert_int_equal(config_add_schedule(config, &schedule), 0);
    schedule->name = "b";
    assert_ptr_equal(config_find_schedule(config, "b"), &config->schedules[1]);
    assert_null(config_find_schedule(config, "c"));
    config_unref(config);
}

static void names_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool id;
        bool region;
        bool name;
    } rows[] = {
        {"crs-5a4py64p", true, true, true},   {"crs-a", true, true, true},
        {"crs-", false, false, true},         {"", false, false, false},
        {"CRS-5a4py64p", false, false, true}, {"crs-5A", false, false, true},
        {"crs-a-b", false, true, true},       {"crs-a\n", false, false, false},
        {" crs-a", false, false, false},      {"ap-guangzhou", false, true, true},
        {"-a", false, false, false},          {"a_b.c-D9", false, false, true},
        {"a/b", false, false, false},         {"\xC3\xA9", false, false, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t length = strlen(rows[i].text);
        assert_int_equal(model_instance_id_is_valid(rows[i].text, length), rows[i].id);
        assert_int_equal(model_region_is_valid(rows[i].text, length), rows[i].region);
        assert_int_equal(model_name_is_valid(rows[i].text, length), rows[i].name);
    }
    assert_false(model_instance_id_is_valid("crs-a\0b", 7));
    assert_false(model_region_is_valid("a\0b", 3));
    assert_false(model_name_is_valid("a\0b", 3));
    char text[80] = "crs-";
    memset(text + 4, 'a', 70);
    assert_true(model_instance_id_is_valid(text, MODEL_INSTANCE_ID_MAX));
    assert_false(model_instance_id_is_valid(text, MODEL_INSTANCE_ID_MAX + 1));
    assert_true(model_name_is_valid(text, MODEL_NAME_MAX));
    assert_false(model_name_is_valid(text, MODEL_NAME_MAX + 1));
    assert_true(model_region_is_valid(text, MODEL_REGION_MAX));
    assert_false(model_region_is_valid(text, MODEL_REGION_MAX + 1));
}

static void endpoints_lead_to_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *endpoint;
        const char *region;
        const char *url; /* NULL: refused */
    } rows[] = {
        {"nearest", "ap-guangzhou", "https://redis.tencentcloudapi.com/"},
        {"regional", "ap-guangzhou", "https://redis.ap-guangzhou.tencentcloudapi.com/"},
        {"internal", "ap-guangzhou", "https://redis.internal.tencentcloudapi.com/"},
        {"international", "ap-guangzhou", "https://redis.intl.tencentcloudapi.com/"},
        {"nearest", "ap-shanghai-fsi", "https://redis.ap-shanghai-fsi.tencentcloudapi.com/"},
        {"regional", "ap-shanghai-fsi", "https://redis.ap-shanghai-fsi.tencentcloudapi.com/"},
        {"internal", "ap-shanghai-fsi", "https://redis.ap-shanghai-fsi.tencentcloudapi.com/"},
        {"international", "ap-beijing-fsi", "https://redis.ap-beijing-fsi.tencentcloudapi.com/"},
        {"nearest", "ap-fsi-1", "https://redis.tencentcloudapi.com/"},
        {"https://gate.example.com", "ap-shanghai-fsi", "https://gate.example.com/"},
        {"https://gate.example.com/", "x", "https://gate.example.com/"},
        {"https://Gate.Example.com:8443", "x", "https://gate.example.com:8443/"},
        {"https://gate.example.com:443", "x", "https://gate.example.com/"},
        {"https://10.0.0.1:0443/", "x", "https://10.0.0.1/"},
        {"https://[2001:db8::1]:8443", "x", "https://[2001:db8::1]:8443/"},
        {"http://127.0.0.1:8080", "x", "http://127.0.0.1:8080/"},
        {"http://127.9.9.9", "x", "http://127.9.9.9/"},
        {"http://localhost:80/", "x", "http://localhost/"},
        {"http://[::1]:8080", "x", "http://[::1]:8080/"},
        {"http://127.0.0.1.example.com", "x", NULL},
        {"http://127.0.0.256", "x", NULL},
        {"http://127.0.0", "x", NULL},
        {"http://localhost.example.com", "x", NULL},
        {"http://10.0.0.1", "x", NULL},
        {"http://[::2]", "x", NULL},
        {"https://", "x", NULL},
        {"https:///", "x", NULL},
        {"https://a/b", "x", NULL},
        {"https://a?b", "x", NULL},
        {"https://a#b", "x", NULL},
        {"https://user:pass@a", "x", NULL},
        {"https://a:0", "x", NULL},
        {"https://a:65536", "x", NULL},
        {"https://a:", "x", NULL},
        {"https://a:b", "x", NULL},
        {"https://a..b", "x", NULL},
        {"https://-a", "x", NULL},
        {"https://a b", "x", NULL},
        {"https://a\r\nX: y", "x", NULL},
        {"https://[::1", "x", NULL},
        {"https://[]", "x", NULL},
        {"https://[::1]x", "x", NULL},
        {"ftp://a", "x", NULL},
        {"Nearest", "x", NULL},
        {"", "x", NULL},
        {"nearest", "", NULL},
        {"regional", "a.evil.example/", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char url[MODEL_URL_MAX] = "untouched";
        struct errtext err = {""};
        int outcome = model_endpoint_url(rows[i].endpoint, rows[i].region, url, &err);
        if (rows[i].url == NULL) {
            assert_int_equal(outcome, -EINVAL);
            assert_string_equal(url, "untouched");
            assert_true(err.text[0] != '\0');
            assert_null(strstr(err.text, "pass"));
            continue;
        }
        assert_int_equal(outcome, 0);
        assert_string_equal(url, rows[i].url);
    }
    char longest[400] = "https://";
    memset(longest + 8, 'a', 300);
    char url[MODEL_URL_MAX];
    longest[8 + MODEL_HOST_MAX] = '\0';
    assert_int_equal(model_endpoint_url(longest, "x", url, NULL), 0);
    longest[8 + MODEL_HOST_MAX] = 'a';
    longest[8 + MODEL_HOST_MAX + 1] = '\0';
    assert_int_equal(model_endpoint_url(longest, "x", url, NULL), -EINVAL);
}

static void start_within_is_half_the_period(void **state)
{
    (void)state;
    static const struct {
        int64_t period_s;
        int64_t within_s;
    } rows[] = {{1, 1},
                {2, 1},
                {60, 30},
                {6 * 3600, 3 * 3600},
                {86400, 8 * 3600},
                {16 * 3600, 8 * 3600},
                {366 * 86400, 8 * 3600}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct schedule schedule = {.when = {.kind = RECURRENCE_EVERY,
                                             .zone = zone_utc(),
                                             .period_us = rows[i].period_s * US_PER_SECOND}};
        assert_int_equal(schedule_default_start_within(&schedule, wall_from_seconds(1795000000)),
                         rows[i].within_s * US_PER_SECOND);
    }
    struct schedule never = {.when = {.kind = RECURRENCE_CRON, .zone = zone_utc()}};
    assert_int_equal(cron_parse("0 0 30 2 *", &never.when.cron, NULL), 0);
    assert_int_equal(schedule_default_start_within(&never, wall_from_seconds(1795000000)),
                     MODEL_START_WITHIN_MAX_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_manual),
        cmocka_unit_test(shared_strings_are_kept_once),
        cmocka_unit_test(references_are_counted),
        cmocka_unit_test(delays_are_what_the_hash_says),
        cmocka_unit_test(freezing_sorts_by_host_and_delay),
        cmocka_unit_test(without_spread_the_files_order_stays),
        cmocka_unit_test(there_are_limits),
        cmocka_unit_test(schedules_are_found_by_name),
        cmocka_unit_test(names_are_judged),
        cmocka_unit_test(endpoints_lead_to_hosts),
        cmocka_unit_test(start_within_is_half_the_period),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
