/* The loader: any bytes end in a whole config or in a report that can be printed. */
#include "base/text.h"
#include "ports/config_yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise)
        abort();
}

static int give_zone(void *context, const char *name, struct zone **ret, struct errtext *err)
{
    (void)context;
    require(zone_name_is_safe(name));
    if (strcmp(name, "Asia/Shanghai") == 0)
        return zone_parse_posix("CST-8", ret, err);
    if (strcmp(name, "Europe/Berlin") == 0)
        return zone_parse_posix("CET-1CEST,M3.5.0,M10.5.0/3", ret, err);
    return errtext_set(err, -ENOENT, "no such zone");
}

static void require_line(void *context, const char *text)
{
    size_t *count = context;
    size_t length = strlen(text);
    (*count)++;
    require(text_is_utf8(text, length));
    for (size_t i = 0; i < length; i++)
        require((unsigned char)text[i] >= ' ' && text[i] != 0x7F);
}

static void require_schedule(const struct config *config, const struct schedule *schedule)
{
    uint64_t members = 0;
    require(model_name_is_valid(schedule->name, strlen(schedule->name)));
    require(schedule->when.zone != NULL && schedule->when_text[0] != '\0');
    require(schedule->start_within_us >= US_PER_SECOND && schedule->spread_us >= 0);
    for (uint32_t i = 0; i < schedule->instance_count; i++) {
        const struct instance *instance = &schedule->instances[i];
        require(model_instance_id_is_valid(instance->id, strlen(instance->id)));
        require(model_region_is_valid(instance->region, strlen(instance->region)));
        require(strlen(instance->remark) <= MODEL_REMARK_MAX);
        require(instance->storage_days >= 0 && instance->storage_days <= MODEL_STORAGE_DAYS_MAX);
        require(instance->host < config->host_count);
    }
    for (uint32_t g = 0; g < schedule->group_count; g++) {
        const struct group *group = &schedule->groups[g];
        require(group->first == members && group->count > 0);
        for (uint32_t i = 0; i < group->count; i++)
            require(schedule->instances[schedule->order[group->first + i]].host == group->host);
        members += group->count;
    }
    require(members == schedule->instance_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_report report = {0};
    struct config *config = NULL;
    struct config_load_options options = {.now = wall_from_seconds(1795564800), .zone = give_zone};
    int outcome = config_yaml_load_bytes((const char *)data, size, &options, &config, &report);
    size_t printed = 0;
    config_report_lines(&report, "F", require_line, &printed);
    require(outcome == 0 || outcome == CONFIG_INVALID);
    require((outcome == 0) == (config != NULL));
    require((outcome == 0) == (report.errors.found == 0));
    require(printed >= report.errors.kept + report.warnings.kept);
    if (config != NULL) {
        require(config->burst >= 1 && config->burst <= config->per_second);
        for (uint32_t i = 0; i < config->schedule_count; i++)
            require_schedule(config, &config->schedules[i]);
    }
    config_unref(config);
    config_report_finish(&report);
    return 0;
}
