/* See world.h: a generation as the frozen config that the engine works on. */
#include "sim/world.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *const schedule_names[WORLD_SCHEDULES_MAX] = {"alpha", "beta",  "gamma",
                                                                "delta", "omega", "zeta"};
static const char *const regions[WORLD_HOSTS_MAX] = {"ap-guangzhou", "ap-east", "ap-shanghai-fsi"};
static const char *const urls[WORLD_HOSTS_MAX] = {
    "https://redis.ap-guangzhou.tencentcloudapi.com/", "https://redis.ap-east.tencentcloudapi.com/",
    "https://redis.ap-shanghai-fsi.tencentcloudapi.com/"};

const char *world_schedule_name(int schedule)
{
    return schedule_names[schedule];
}

void world_instance_id(int instance, char ret[MODEL_INSTANCE_ID_MAX])
{
    (void)snprintf(ret, MODEL_INSTANCE_ID_MAX, "crs-sim%03d", instance);
}

const char *world_region(int host)
{
    return regions[host];
}

int world_find_region(const char *region)
{
    for (int i = 0; i < WORLD_HOSTS_MAX; i++)
        if (strcmp(regions[i], region) == 0)
            return i;
    return -1;
}

const char *world_host_url(int host)
{
    return urls[host];
}

int world_find_host(const char *url)
{
    for (int i = 0; i < WORLD_HOSTS_MAX; i++)
        if (strcmp(urls[i], url) == 0)
            return i;
    return -1;
}

static const char *const actions[CLOUD_ACTIONS] = {"ManualBackupInstance", "DescribeTaskInfo",
                                                   "DescribeTaskList", "DescribeInstanceBackups"};

const char *world_action_name(enum cloud_action action)
{
    return actions[action];
}

int world_find_action(const char *name)
{
    for (int i = 0; i < CLOUD_ACTIONS; i++)
        if (strcmp(actions[i], name) == 0)
            return i;
    return -1;
}

static const char *keep(struct config *config, const char *text)
{
    const char *kept;
    int r = config_string(config, text, strlen(text), true, &kept);
    assert(r == 0);
    return kept;
}

static const struct zone *zone_of(struct config *config, enum almanac_zone zone)
{
    const char *posix = almanac_zone_posix(zone);
    if (posix == NULL)
        return zone_utc();
    struct zone *made;
    int r = zone_parse_posix(posix, &made, NULL);
    assert(r == 0);
    r = config_add_zone(config, made);
    assert(r == 0);
    return made;
}

static void add_instances(const struct world *world, const struct generation *g,
                          const struct plan_of_schedule *from, struct config *config,
                          struct schedule *schedule)
{
    for (int i = 0; i < world->instance_count; i++) {
        if (!from->has[i])
            continue;
        struct instance *instance;
        int r = config_add_instance(config, schedule, &instance);
        assert(r == 0);
        char id[MODEL_INSTANCE_ID_MAX];
        world_instance_id(i, id);
        r = config_string(config, id, strlen(id), false, &instance->id);
        assert(r == 0);
        int region = world->keeps_regions ? i % world->host_count : g->host_of[i];
        instance->region = keep(config, regions[region]);
        instance->remark = i % 3 == 0 ? keep(config, "remark \"quoted\"") : "";
        instance->storage_days = i % 4 == 0 ? 30 : 0;
        r = config_add_host(config, urls[g->host_of[i]], &instance->host);
        assert(r == 0);
    }
}

static void add_schedule(const struct world *world, const struct generation *g, int index,
                         struct config *config)
{
    const struct plan_of_schedule *from = &g->schedules[index];
    struct schedule *schedule;
    int r = config_add_schedule(config, &schedule);
    assert(r == 0);
    schedule->name = schedule_names[index];
    schedule->when_text = keep(config, from->rule.text);
    schedule->when.zone = zone_of(config, from->rule.zone);
    schedule->zone_name =
        from->rule.zone == ALMANAC_UTC ? "UTC" : almanac_zone_posix(from->rule.zone);
    if (from->rule.is_cron) {
        schedule->when.kind = RECURRENCE_CRON;
        r = cron_parse(from->rule.text, &schedule->when.cron, NULL);
        assert(r == 0);
    } else {
        schedule->when.kind = RECURRENCE_EVERY;
        schedule->when.period_us = from->rule.period_s * US_PER_SECOND;
    }
    schedule->spread_us = from->spread_us;
    schedule->start_within_us = from->start_within_us;
    schedule->catch_up = from->catches_up ? CATCH_UP_ONCE : CATCH_UP_NONE;
    schedule->paused = from->paused;
    schedule->complete_within_us = from->complete_within_us;
    schedule->overlap = from->forbids_overlap ? OVERLAP_FORBID : OVERLAP_ALLOW;
    schedule->on_unknown = from->resends ? ON_UNKNOWN_RESEND : ON_UNKNOWN_HOLD;
    schedule->retry_failed = from->retry_failed;
    add_instances(world, g, from, config, schedule);
}

struct config *world_config(const struct world *world, int generation)
{
    const struct generation *g = &world->generations[generation];
    struct config *config;
    int r = config_create(&config);
    assert(r == 0);
    config->endpoint = "regional";
    config->per_second = g->per_second;
    config->burst = g->burst;
    config->max_in_flight = g->max_in_flight;
    config->connect_timeout_us = g->connect_timeout_us;
    config->timeout_us = g->timeout_us;
    config->settle_us = world->settle_us;
    for (int i = 0; i < WORLD_SCHEDULES_MAX; i++)
        if (g->schedules[i].present)
            add_schedule(world, g, i, config);
    r = config_freeze(config);
    assert(r == 0);
    return config;
}
