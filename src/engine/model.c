/*
 * See model.h. Strings, orders and groups lie in one arena; schedules and each schedule's instances
 * are arrays that double as they grow and are cut to size by config_freeze(). A capacity is not
 * kept: it is the next power of two of the count.
 *
 * Happy path: create, strings and schedules and instances, freeze, then only reads until the last
 * config_unref(). A failure leaves the config as it was before the call, to be dropped by
 * config_unref().
 */
#include "engine/model.h"

#include "base/text.h"

#include "base/arena.h"
#include "base/digest.h"
#include "base/names.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct strings {
    struct arena arena;
    struct names shared; /* those kept once; empty after config_freeze() */
    bool frozen;
};

int config_create(struct config **ret)
{
    struct config *config = calloc(1, sizeof *config);
    struct strings *strings = calloc(1, sizeof *strings);
    if (config == NULL || strings == NULL) {
        free(config);
        free(strings);
        return -ENOMEM;
    }
    config->references = 1;
    config->strings = strings;
    config->language = "en-US";
    config->endpoint = "nearest";
    config->settle_us = MODEL_SETTLE_US;
    config->ledger_keep_us = MODEL_LEDGER_KEEP_US;
    config->credentials.profile = "default";
    config->credentials.role_session_name = "crsbackupd";
    config->credentials.duration_us = 7200 * US_PER_SECOND;
    config->credentials.sts_region = MODEL_STS_REGION;
    config->per_second = 20;
    config->burst = 1;
    config->connect_timeout_us = 5 * US_PER_SECOND;
    config->timeout_us = 30 * US_PER_SECOND;
    config->max_in_flight = 32;
    config->state_dir = "/var/lib/crsbackupd";
    config->control_socket = "/run/crsbackupd/control.sock";
    config->log_target = LOG_TARGET_AUTO;
    config->log_level = EVENT_INFO;
    config->log_format = EVENT_LOGFMT;
    *ret = config;
    return 0;
}

struct config *config_ref(struct config *config)
{
    assert(config->references > 0 && config->references < UINT32_MAX);
    config->references++;
    return config;
}

void config_unref(struct config *config)
{
    if (config == NULL)
        return;
    assert(config->references > 0);
    if (--config->references > 0)
        return;
    for (uint32_t i = 0; i < config->schedule_count; i++)
        free(config->schedules[i].instances);
    for (uint32_t i = 0; i < config->zone_count; i++)
        zone_destroy(config->zones[i]);
    free(config->schedules);
    free(config->hosts);
    free(config->zones);
    names_finish(&config->strings->shared);
    arena_finish(&config->strings->arena);
    free(config->strings);
    free(config);
}

int config_string(struct config *config, const char *bytes, size_t length, bool shared,
                  const char **ret)
{
    struct strings *strings = config->strings;
    assert(!strings->frozen);
    uint32_t number;
    if (shared && names_find(&strings->shared, bytes, length, &number) == 0) {
        *ret = strings->shared.list[number].bytes;
        return 0;
    }
    const char *copy = arena_copy(&strings->arena, bytes, length);
    if (copy == NULL)
        return -ENOMEM;
    if (shared && names_add(&strings->shared, copy, length, &number) != 0)
        return -ENOMEM;
    *ret = copy;
    return 0;
}

/*
 * Makes room for one more element in an array whose capacity is the next power of two of its
 * count. Outcomes: 0; -ENOMEM.
 */
static int make_room(void **array, size_t element, uint64_t count)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return 0;
    uint64_t capacity = count == 0 ? 1 : count * 2;
    void *grown = realloc(*array, (size_t)capacity * element);
    if (grown == NULL)
        return -ENOMEM;
    *array = grown;
    return 0;
}

/* Gives back what make_room() took too much; where that fails the array stays as it is. */
static void *cut_to_size(void *array, size_t element, uint64_t count)
{
    if (count == 0)
        return array;
    void *cut = realloc(array, (size_t)count * element);
    if (cut == NULL)
        return array;
    return cut;
}

int config_add_schedule(struct config *config, struct schedule **ret)
{
    if (config->schedule_count >= MODEL_SCHEDULES_MAX)
        return -E2BIG;
    void *array = config->schedules;
    if (make_room(&array, sizeof *config->schedules, config->schedule_count) != 0)
        return -ENOMEM;
    config->schedules = array;
    struct schedule *schedule = &config->schedules[config->schedule_count++];
    *schedule = (struct schedule){
        .name = "",
        .when = {.kind = RECURRENCE_EVERY,
                 .zone = zone_utc(),
                 .period_us = SECONDS_PER_DAY * US_PER_SECOND},
        .when_text = "1d",
        .zone_name = "UTC",
        .start_within_us = MODEL_START_WITHIN_MAX_US,
        .catch_up = CATCH_UP_ONCE,
        .complete_within_us = MODEL_COMPLETE_WITHIN_US,
    };
    *ret = schedule;
    return 0;
}

int config_add_instance(struct config *config, struct schedule *schedule, struct instance **ret)
{
    if (config->instance_count >= MODEL_INSTANCES_MAX)
        return -E2BIG;
    void *array = schedule->instances;
    if (make_room(&array, sizeof *schedule->instances, schedule->instance_count) != 0)
        return -ENOMEM;
    schedule->instances = array;
    struct instance *instance = &schedule->instances[schedule->instance_count++];
    *instance = (struct instance){0};
    config->instance_count++;
    *ret = instance;
    return 0;
}

/* "https://host:port/" gives "host:port". */
static int host_name(struct config *config, const char *url, const char **ret)
{
    const char *name = strstr(url, "://");
    name = name != NULL ? name + 3 : url;
    return config_string(config, name, strcspn(name, "/"), true, ret);
}

int config_add_host(struct config *config, const char *url, uint32_t *ret)
{
    for (uint32_t i = 0; i < config->host_count; i++) {
        if (strcmp(config->hosts[i].url, url) == 0) {
            *ret = i;
            return 0;
        }
    }
    if (config->host_count >= MODEL_HOSTS_MAX)
        return -E2BIG;
    struct host host;
    if (config_string(config, url, strlen(url), true, &host.url) != 0
        || host_name(config, url, &host.name) != 0)
        return -ENOMEM;
    void *array = config->hosts;
    if (make_room(&array, sizeof *config->hosts, config->host_count) != 0)
        return -ENOMEM;
    config->hosts = array;
    config->hosts[config->host_count] = host;
    *ret = config->host_count++;
    return 0;
}

int config_add_zone(struct config *config, struct zone *zone_take)
{
    void *array = config->zones;
    if (make_room(&array, sizeof *config->zones, config->zone_count) != 0) {
        zone_destroy(zone_take);
        return -ENOMEM;
    }
    config->zones = array;
    config->zones[config->zone_count++] = zone_take;
    return 0;
}

int schedule_delay(struct digest *digest, const struct schedule *schedule,
                   const struct instance *instance, int64_t *ret_us)
{
    uint64_t spread_ms = (uint64_t)schedule->spread_us / 1000;
    if (spread_ms == 0) {
        *ret_us = 0;
        return 0;
    }
    char message[MODEL_NAME_MAX + 1 + MODEL_INSTANCE_ID_MAX];
    size_t name_length = strlen(schedule->name);
    size_t id_length = strlen(instance->id);
    assert(name_length <= MODEL_NAME_MAX && id_length <= MODEL_INSTANCE_ID_MAX);
    memcpy(message, schedule->name, name_length + 1);
    memcpy(message + name_length + 1, instance->id, id_length);
    uint8_t hash[DIGEST_SIZE];
    if (digest_sha256(digest, message, name_length + 1 + id_length, hash) != 0)
        return -EIO;
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | hash[i];
    *ret_us = (int64_t)(number % spread_ms) * 1000;
    return 0;
}

struct sort_entry {
    int64_t delay_us;
    uint32_t host;
    uint32_t instance;
};

static int compare_entries(const void *left, const void *right)
{
    const struct sort_entry *a = left;
    const struct sort_entry *b = right;
    if (a->host != b->host)
        return a->host < b->host ? -1 : 1;
    if (a->delay_us != b->delay_us)
        return a->delay_us < b->delay_us ? -1 : 1;
    return a->instance < b->instance ? -1 : a->instance > b->instance;
}

static bool is_sorted(const struct sort_entry *entries, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        if (compare_entries(&entries[i - 1], &entries[i]) > 0)
            return false;
    return true;
}

/* Fills `entries` with the schedule's instances in the order of their host and delay. */
static int sort_instances(const struct schedule *schedule, struct digest *digest,
                          struct sort_entry *entries)
{
    for (uint32_t i = 0; i < schedule->instance_count; i++) {
        const struct instance *instance = &schedule->instances[i];
        entries[i] = (struct sort_entry){.host = instance->host, .instance = i};
        if (schedule->spread_us > 0
            && schedule_delay(digest, schedule, instance, &entries[i].delay_us) != 0)
            return -EIO;
    }
    /* Without a spread and with one host, which is common, there is nothing to sort. */
    if (!is_sorted(entries, schedule->instance_count))
        qsort(entries, schedule->instance_count, sizeof *entries, compare_entries);
    return 0;
}

static uint32_t count_groups(const struct sort_entry *entries, uint32_t count)
{
    uint32_t groups = 0;
    for (uint32_t i = 0; i < count; i++)
        groups += i == 0 || entries[i].host != entries[i - 1].host;
    return groups;
}

static int freeze_schedule(struct config *config, struct schedule *schedule, struct digest *digest,
                           struct sort_entry *entries)
{
    uint32_t count = schedule->instance_count;
    if (count == 0)
        return 0;
    int outcome = sort_instances(schedule, digest, entries);
    if (outcome != 0)
        return outcome;
    struct arena *arena = &config->strings->arena;
    uint32_t group_count = count_groups(entries, count);
    uint32_t *order = arena_take(arena, count * sizeof *order, _Alignof(uint32_t));
    struct group *groups = arena_take(arena, group_count * sizeof *groups, _Alignof(struct group));
    if (order == NULL || groups == NULL)
        return -ENOMEM;
    uint32_t group = 0;
    for (uint32_t i = 0; i < count; i++) {
        order[i] = entries[i].instance;
        if (i > 0 && entries[i].host == entries[i - 1].host) {
            groups[group - 1].count++;
            continue;
        }
        groups[group++] = (struct group){.host = entries[i].host, .first = i, .count = 1};
    }
    schedule->instances = cut_to_size(schedule->instances, sizeof *schedule->instances, count);
    schedule->order = order;
    schedule->groups = groups;
    schedule->group_count = group_count;
    return 0;
}

int config_freeze(struct config *config)
{
    uint32_t most = 1;
    bool any_spread = false;
    for (uint32_t i = 0; i < config->schedule_count; i++) {
        const struct schedule *schedule = &config->schedules[i];
        any_spread = any_spread || schedule->spread_us > 0;
        if (schedule->instance_count > most)
            most = schedule->instance_count;
    }
    struct digest *digest = NULL;
    if (any_spread) {
        int outcome = digest_create(&digest, NULL);
        if (outcome != 0)
            return outcome == -ENOMEM ? -ENOMEM : -EIO;
    }
    struct sort_entry *entries = calloc(most, sizeof *entries);
    int outcome = entries == NULL ? -ENOMEM : 0;
    for (uint32_t i = 0; i < config->schedule_count && outcome == 0; i++)
        outcome = freeze_schedule(config, &config->schedules[i], digest, entries);
    free(entries);
    digest_destroy(digest);
    if (outcome != 0)
        return outcome;
    config->schedules =
        cut_to_size(config->schedules, sizeof *config->schedules, config->schedule_count);
    names_finish(&config->strings->shared);
    config->strings->frozen = true;
    return 0;
}

const char *schedule_rule(const struct schedule *schedule, char ret[SCHEDULE_RULE_MAX])
{
    struct text rule = text_over(ret, SCHEDULE_RULE_MAX);
    if (schedule->when.kind == RECURRENCE_EVERY) {
        text_addf(&rule, "every %llds", (long long)(schedule->when.period_us / US_PER_SECOND));
        return ret;
    }
    char cron[CRON_TEXT_MAX];
    text_addf(&rule, "cron %s %s", cron_format(&schedule->when.cron, cron), schedule->zone_name);
    return ret;
}

const struct schedule *config_find_schedule(const struct config *config, const char *name)
{
    for (uint32_t i = 0; i < config->schedule_count; i++)
        if (strcmp(config->schedules[i].name, name) == 0)
            return &config->schedules[i];
    return NULL;
}

int64_t schedule_default_start_within(const struct schedule *schedule, struct wall from)
{
    int64_t half = recurrence_period_us(&schedule->when, from) / 2;
    if (half > MODEL_START_WITHIN_MAX_US)
        return MODEL_START_WITHIN_MAX_US;
    return half < US_PER_SECOND ? US_PER_SECOND : half;
}

const struct instance *schedule_find_instance(const struct schedule *schedule, const char *id)
{
    for (uint32_t i = 0; i < schedule->instance_count; i++)
        if (strcmp(schedule->instances[i].id, id) == 0)
            return &schedule->instances[i];
    return NULL;
}
