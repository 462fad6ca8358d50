/*
 * The schedules of the file and their instances. Runs after the file's own settings, whose region,
 * time zone and endpoint are the defaults here.
 *
 * A zone and a region are looked up once each and then found by name. An instance's id is checked
 * against those of its schedule by a set that borrows the tree's texts.
 */
#include "ports/config_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- zones ---- */

/* Room for the use with the number `count` in an array that doubles; see names. */
static int zone_slot(struct reader *r, uint32_t number)
{
    if ((number & (number - 1)) != 0)
        return 0;
    struct zone_use *zones =
        realloc(r->zones, (number == 0 ? 1 : (size_t)number * 2) * sizeof *zones);
    if (zones == NULL)
        return -ENOMEM;
    r->zones = zones;
    return 0;
}

static int load_zone(struct reader *r, const char *name, struct zone_use *ret)
{
    struct errtext why = {""};
    struct zone *zone = NULL;
    int outcome = -EINVAL;
    *ret = (struct zone_use){NULL, NULL};
    if (strcmp(name, "UTC") == 0) {
        ret->zone = zone_utc();
        return 0;
    }
    if (zone_name_is_safe(name))
        outcome = r->options->zone(r->options->zone_context, name, &zone, &why);
    else
        (void)errtext_set(&why, 0, "is not the name of a zone; write one such as Asia/Shanghai");
    if (outcome == -ENOMEM)
        return outcome;
    if (outcome != 0) {
        ret->why = arena_copy(&r->arena, why.text, strlen(why.text));
        return ret->why == NULL ? -ENOMEM : 0;
    }
    ret->zone = zone;
    return config_add_zone(r->config, zone);
}

const struct zone *reader_zone(struct reader *r, const struct tree_node *at, const char *name)
{
    uint32_t number;
    if (names_find(&r->zone_names, name, strlen(name), &number) != 0) {
        if (r->report->errors.kept == CONFIG_PROBLEMS_MAX)
            return NULL; /* refused already; spare the search for near names */
        struct zone_use use;
        int outcome = zone_slot(r, r->zone_names.count);
        if (outcome == 0)
            outcome = load_zone(r, name, &use);
        if (outcome == 0)
            outcome = names_add(&r->zone_names, name, strlen(name), &number);
        if (outcome != 0) {
            r->failure = outcome;
            return NULL;
        }
        r->zones[number] = use;
    }
    if (r->zones[number].zone == NULL) {
        char quoted[QUOTED_MAX];
        report_error(r, at, "timezone %s: %s", quote_value(name, strlen(name), quoted),
                     r->zones[number].why);
    }
    return r->zones[number].zone;
}

/* ---- instances ---- */

/* The region's name and host, known or new. Outcomes: 0; -ENOMEM; -E2BIG, too many hosts. */
static int use_region(struct reader *r, const char *name, size_t length, struct region_use *ret)
{
    uint32_t number;
    if (names_find(&r->region_names, name, length, &number) == 0) {
        *ret = r->regions[number];
        return 0;
    }
    uint32_t count = r->region_names.count;
    if ((count & (count - 1)) == 0) {
        struct region_use *regions =
            realloc(r->regions, (count == 0 ? 1 : (size_t)count * 2) * sizeof *regions);
        if (regions == NULL)
            return -ENOMEM;
        r->regions = regions;
    }
    struct region_use use;
    char url[MODEL_URL_MAX];
    int outcome = config_string(r->config, name, length, true, &use.name);
    if (outcome == 0)
        outcome = model_endpoint_url(r->config->endpoint, use.name, url, NULL);
    if (outcome == 0)
        outcome = config_add_host(r->config, url, &use.host);
    if (outcome == 0)
        outcome = names_add(&r->region_names, use.name, length, &number);
    if (outcome != 0)
        return outcome;
    r->regions[number] = use;
    *ret = use;
    return 0;
}

/* `at` names the region where the instance has its own, else the instance. */
static void set_region(struct reader *r, const struct tree_node *at, bool own,
                       struct instance *instance)
{
    if (!own && r->region == NULL) {
        if (!r->region_missing_told)
            report_error(r, at,
                         "no region: the file has none and this instance has none of its own; "
                         "write region: ap-guangzhou, say, at the top of the file");
        r->region_missing_told = true;
        return;
    }
    char quoted[QUOTED_MAX];
    const char *name = own ? at->text : r->region;
    size_t length = own ? at->count : strlen(r->region);
    if (own && !model_region_is_valid(name, length)) {
        report_error(r, at,
                     "region: %s is not a region; write lower-case letters, digits and '-', such "
                     "as ap-guangzhou",
                     quote_value(name, length, quoted));
        return;
    }
    struct region_use use;
    int outcome = use_region(r, name, length, &use);
    if (outcome == -E2BIG) {
        report_error(r, at, "more than %d hosts; name fewer regions", MODEL_HOSTS_MAX);
        return;
    }
    if (outcome != 0) {
        r->failure = outcome;
        return;
    }
    instance->region = use.name;
    instance->host = use.host;
}

static void set_id(struct reader *r, const struct tree_node *node, struct instance *instance)
{
    char quoted[QUOTED_MAX];
    if (!model_instance_id_is_valid(node->text, node->count)) {
        report_error(r, node,
                     "%s is not an instance id; write crs- and lower-case letters or digits, such "
                     "as crs-5a4py64p",
                     quote_value(node->text, node->count, quoted));
        return;
    }
    uint32_t number;
    int outcome = names_add(&r->ids, node->text, node->count, &number);
    if (outcome == NAMES_KNOWN) {
        report_error(r, node, "instance %s is listed twice in this schedule; keep one", node->text);
        return;
    }
    if (outcome == 0)
        outcome = config_string(r->config, node->text, node->count, false, &instance->id);
    if (outcome != 0)
        r->failure = outcome;
}

static void read_long_instance(struct reader *r, const struct tree_node *node,
                               struct instance *instance)
{
    struct section_given given;
    if (!section_read(r, &section_instance, node, instance, &given))
        return;
    const struct tree_node *id = section_value(r, &given, INSTANCE_ID);
    const struct tree_node *region = section_value(r, &given, INSTANCE_REGION);
    if (id == NULL)
        report_error(r, node, "an instance without id; write {id: crs-...}");
    else if (value_text(r, "id", id))
        set_id(r, id, instance);
    if (region == NULL)
        set_region(r, node, false, instance);
    else if (value_text(r, "region", region))
        set_region(r, region, true, instance);
}

static void read_instance(struct reader *r, struct schedule *schedule, const struct tree_node *node)
{
    struct instance *instance;
    int outcome = config_add_instance(r->config, schedule, &instance);
    if (outcome == -E2BIG)
        report_error(r, node, "more than %d instances; split the file", MODEL_INSTANCES_MAX);
    else if (outcome != 0)
        r->failure = outcome;
    if (outcome != 0)
        return;
    instance->remark = r->schedule_remark;
    instance->storage_days = r->schedule_storage_days;
    if (node->kind == TREE_MAPPING) {
        read_long_instance(r, node, instance);
        return;
    }
    if (node->kind != TREE_SCALAR) {
        report_error(r, node, "an instance is a list; write crs-... or {id: crs-..., ...}");
        return;
    }
    set_id(r, node, instance);
    set_region(r, node, false, instance);
}

static void read_instances(struct reader *r, struct schedule *schedule,
                           const struct tree_node *schedule_node, const struct tree_node *node)
{
    if (node == NULL) {
        report_error(r, schedule_node, "schedule %s has no instances; add instances: [crs-...]",
                     schedule->name);
        return;
    }
    if (node->kind != TREE_SEQUENCE) {
        report_error(r, node, "instances must be a list; write instances: [crs-...]");
        return;
    }
    if (node->first == 0)
        report_warning(r, node, "schedule %s lists no instance; it backs up nothing",
                       schedule->name);
    names_clear(&r->ids);
    for (uint32_t i = node->first; i != 0 && r->failure == 0; i = r->tree.nodes[i].next) {
        if (r->config->instance_count == MODEL_INSTANCES_MAX) {
            report_error(r, tree_at(&r->tree, i), "more than %d instances; split the file",
                         MODEL_INSTANCES_MAX);
            return;
        }
        read_instance(r, schedule, tree_at(&r->tree, i));
    }
}

/* ---- schedules ---- */

static bool read_cron(struct reader *r, const struct tree_node *node, struct schedule *schedule)
{
    struct errtext why;
    if (!value_text(r, "cron", node))
        return false;
    if (cron_parse(node->text, &schedule->when.cron, &why) != 0) {
        report_error(r, node, "cron: %s", why.text);
        return false;
    }
    schedule->when.kind = RECURRENCE_CRON;
    unsigned warnings = 0;
    if (schedule->when.zone != NULL)
        warnings = cron_warnings(node->text, &schedule->when.cron, schedule->when.zone,
                                 wall_seconds(r->options->now));
    for (unsigned bit = 1; bit <= warnings; bit <<= 1)
        if ((warnings & bit) != 0)
            report_warning(r, node, "cron: %s", cron_warning_text((enum cron_warning)bit));
    return true;
}

static bool read_every(struct reader *r, const struct tree_node *node, struct schedule *schedule)
{
    int64_t period;
    if (!value_duration(r, "every", node, RECURRENCE_PERIOD_MIN_US, RECURRENCE_PERIOD_MAX_US,
                        &period))
        return false;
    if (period % US_PER_SECOND != 0) {
        report_error(r, node, "every is %.40s; it must be whole seconds", node->text);
        return false;
    }
    schedule->when.kind = RECURRENCE_EVERY;
    schedule->when.period_us = period;
    return true;
}

/* When the schedule is due. False: reported. */
static bool read_when(struct reader *r, const struct tree_node *at,
                      const struct section_given *given, struct schedule *schedule)
{
    const struct tree_node *zone = section_value(r, given, SCHEDULE_TIMEZONE);
    const struct tree_node *cron = section_value(r, given, SCHEDULE_CRON);
    const struct tree_node *every = section_value(r, given, SCHEDULE_EVERY);
    schedule->zone_name = r->zone_name;
    schedule->when.zone = r->zone;
    if (zone != NULL) {
        schedule->when.zone = NULL;
        if (value_text(r, "timezone", zone)) {
            schedule->zone_name = zone->text;
            schedule->when.zone = reader_zone(r, zone, zone->text);
        }
    }
    if (cron != NULL && every != NULL) {
        report_error(r, &r->tree.nodes[given->key[SCHEDULE_EVERY]],
                     "schedule %s has cron and every; keep one", schedule->name);
        (void)read_cron(r, cron, schedule);
        (void)read_every(r, every, schedule);
        return false;
    }
    if (cron == NULL && every == NULL) {
        report_error(r, at, "schedule %s has no time; add cron: \"0 3 * * *\" or every: 6h",
                     schedule->name);
        return false;
    }
    bool right = cron != NULL ? read_cron(r, cron, schedule) : read_every(r, every, schedule);
    if (!right || schedule->when.zone == NULL || r->failure != 0)
        return false;
    const struct tree_node *text = cron != NULL ? cron : every;
    int outcome = config_string(r->config, text->text, text->count, true, &schedule->when_text);
    if (outcome == 0)
        outcome = config_string(r->config, schedule->zone_name, strlen(schedule->zone_name), true,
                                &schedule->zone_name);
    if (outcome != 0)
        r->failure = outcome;
    return outcome == 0;
}

/* Settings that are right each by itself and odd together. */
static void check_together(struct reader *r, const struct section_given *given,
                           struct schedule *schedule)
{
    const struct tree_node *spread = section_value(r, given, SCHEDULE_SPREAD);
    int64_t period = recurrence_period_us(&schedule->when, r->options->now);
    if (section_value(r, given, SCHEDULE_START_WITHIN) == NULL)
        schedule->start_within_us = schedule_default_start_within(schedule, r->options->now);
    if (spread == NULL || schedule->spread_us == 0)
        return;
    char period_text[TEXT_DURATION_MAX];
    if (schedule->spread_us > period)
        report_warning(r, spread,
                       "the spread %.20s is longer than the time between two runs, %s; an "
                       "instance may be due twice at once",
                       spread->text, text_format_duration(period, period_text));
}

static void read_schedule(struct reader *r, const struct tree_node *key,
                          const struct tree_node *node)
{
    struct schedule *schedule;
    int outcome = config_add_schedule(r->config, &schedule);
    if (outcome == 0)
        outcome = config_string(r->config, key->text, key->count, false, &schedule->name);
    if (outcome != 0) {
        r->failure = outcome;
        return;
    }
    struct section_given given;
    r->schedule_remark = "";
    r->schedule_storage_days = 0;
    if (node->kind != TREE_MAPPING) {
        report_error(r, node, "schedule %s must be a mapping with cron or every, and instances",
                     schedule->name);
        return;
    }
    (void)section_read(r, &section_schedule, node, schedule, &given);
    if (r->failure == 0 && read_when(r, key, &given, schedule))
        check_together(r, &given, schedule);
    if (r->failure == 0)
        read_instances(r, schedule, key, section_value(r, &given, SCHEDULE_INSTANCES));
}

/* A schedule's name: free, but short and plain, and not that of another. False: reported. */
static bool read_name(struct reader *r, const struct tree_node *key)
{
    char quoted[QUOTED_MAX];
    if (key->kind != TREE_SCALAR) {
        report_error(r, key, "the name of a schedule must be a text");
        return false;
    }
    if (!model_name_is_valid(key->text, key->count)) {
        report_error(r, key,
                     "%s cannot name a schedule; write at most %d letters, digits, '.', '_' or "
                     "'-', not beginning with '-'",
                     quote_value(key->text, key->count, quoted), MODEL_NAME_MAX);
        return false;
    }
    uint32_t number;
    int outcome = names_add(&r->schedule_names, key->text, key->count, &number);
    if (outcome == NAMES_KNOWN) {
        report_error(r, key, "schedule %s is given twice; rename or remove one", key->text);
        return false;
    }
    if (outcome != 0)
        r->failure = outcome;
    return outcome == 0;
}

void read_schedules(struct reader *r, const struct tree_node *node)
{
    if (node->kind != TREE_MAPPING) {
        report_error(r, node, "schedules must be a mapping of NAME: {cron, instances, ...}");
        return;
    }
    if (node->first == 0)
        report_warning(r, node, "the file has no schedule; it backs up nothing");
    const struct tree_node *nodes = r->tree.nodes;
    for (uint32_t i = node->first; i != 0 && r->failure == 0; i = nodes[nodes[i].next].next) {
        const struct tree_node *key = tree_at(&r->tree, i);
        if (r->config->schedule_count == MODEL_SCHEDULES_MAX) {
            report_error(r, key, "more than %d schedules; split the file", MODEL_SCHEDULES_MAX);
            return;
        }
        if (read_name(r, key))
            read_schedule(r, key, tree_at(&r->tree, nodes[i].next));
    }
}
