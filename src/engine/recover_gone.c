/* See recover_gone.h. */
#include "engine/recover_gone.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct listed_gone {
    uint32_t schedule; /* in the config of those that are gone */
    uint32_t instance;
    const char *reason;
    struct lost_attempt lost; /* but for its texts */
};

static bool make_room(struct gone *gone)
{
    if (gone->count < gone->capacity)
        return true;
    size_t capacity = gone->capacity == 0 ? 16 : gone->capacity * 2;
    struct listed_gone *list = reallocarray(gone->list, capacity, sizeof *list);
    if (list == NULL)
        return false;
    gone->list = list;
    gone->capacity = capacity;
    return true;
}

/* The last schedule, where it is of that name, or a new one. */
static int find_schedule(struct config *config, const struct schedule *like, const char *name,
                         struct schedule **ret)
{
    struct schedule *last =
        config->schedule_count > 0 ? &config->schedules[config->schedule_count - 1] : NULL;
    if (last != NULL && strcmp(last->name, name) == 0) {
        *ret = last;
        return 0;
    }
    int r = config_add_schedule(config, ret);
    if (r < 0)
        return r;
    (*ret)->when_text = "";
    (*ret)->zone_name = "";
    if (like != NULL)
        (*ret)->complete_within_us = like->complete_within_us;
    return config_string(config, name, strlen(name), false, &(*ret)->name);
}

static int add_instance(struct config *config, struct schedule *schedule, const char *url,
                        const struct lost_attempt *lost)
{
    struct instance *instance;
    int r = config_add_instance(config, schedule, &instance);
    if (r == 0)
        r = config_string(config, lost->instance, strlen(lost->instance), false, &instance->id);
    if (r == 0)
        r = config_string(config, lost->region, strlen(lost->region), true, &instance->region);
    if (r == 0)
        r = config_add_host(config, url, &instance->host);
    if (r == 0)
        instance->remark = "";
    return r;
}

/* Outcomes: 0; GONE_NOWHERE. */
static int find_url(const struct engine *engine, const char *region, char ret[MODEL_URL_MAX])
{
    bool known =
        region[0] != '\0' && model_endpoint_url(engine->config->endpoint, region, ret, NULL) == 0;
    return known ? 0 : GONE_NOWHERE;
}

int gone_find_lane(struct gone *gone, struct engine *engine, const char *region, struct lane **ret)
{
    char url[MODEL_URL_MAX];
    uint32_t number = 0;
    int r = find_url(engine, region, url);
    if (r == 0 && gone->config == NULL)
        r = config_create(&gone->config);
    if (r == 0)
        r = config_add_host(gone->config, url, &number);
    if (r == 0)
        r = engine_get_lane(engine, &gone->config->hosts[number], ret);
    return r == -E2BIG ? GONE_NOWHERE : r;
}

int gone_add(struct gone *gone, const struct engine *engine, const struct schedule *like,
             const struct lost_attempt *lost, const char *reason)
{
    char url[MODEL_URL_MAX];
    if (find_url(engine, lost->region, url) != 0)
        return GONE_NOWHERE;
    int r = make_room(gone) ? 0 : -ENOMEM;
    if (r == 0 && gone->config == NULL)
        r = config_create(&gone->config);
    struct schedule *schedule = NULL;
    if (r == 0)
        r = find_schedule(gone->config, like, lost->schedule, &schedule);
    if (r == 0)
        r = add_instance(gone->config, schedule, url, lost);
    if (r != 0 || schedule == NULL)
        return r;
    struct listed_gone *listed = &gone->list[gone->count++];
    *listed = (struct listed_gone){.schedule = gone->config->schedule_count - 1,
                                   .instance = schedule->instance_count - 1,
                                   .reason = reason,
                                   .lost = *lost};
    listed->lost.schedule = listed->lost.instance = listed->lost.region = NULL;
    return 0;
}

static int take_up(struct gone *gone, struct engine *engine, const struct listed_gone *listed)
{
    const struct schedule *schedule = &gone->config->schedules[listed->schedule];
    const struct instance *instance = &schedule->instances[listed->instance];
    struct open_slot *open = NULL;
    struct lane *lane = NULL;
    int r = engine_get_lane(engine, &gone->config->hosts[instance->host], &lane);
    if (r == 0)
        r = open_slot_add(&engine->open_slots, gone->config, schedule, listed->lost.slot,
                          listed->lost.kind, &open);
    if (r != 0 || open == NULL)
        return r;
    open->forsaken = listed->reason;
    return recover_doubt(engine, open, instance, lane, &listed->lost);
}

int gone_take_up(struct gone *gone, struct engine *engine)
{
    if (gone->config == NULL)
        return 0;
    int r = config_freeze(gone->config);
    for (size_t i = 0; r == 0 && i < gone->count; i++)
        r = take_up(gone, engine, &gone->list[i]);
    return r;
}

void gone_finish(struct gone *gone)
{
    config_unref(gone->config);
    free(gone->list);
}
