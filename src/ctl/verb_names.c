/*
 * names: the schedules or the instances of a file, each once; the completions of the shells ask.
 *
 * A file with errors has no names: its errors are for check.
 */
#include "ctl/ctl.h"
#include "engine/model.h"
#include "ports/clock_system.h"
#include "ports/config_system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Fills `names`, with room for all there are; returns how many. */
static size_t collect(const struct config *config, bool instances, const char **names)
{
    size_t count = 0;
    for (uint32_t i = 0; i < config->schedule_count; i++) {
        const struct schedule *schedule = &config->schedules[i];
        if (!instances)
            names[count++] = schedule->name;
        for (uint32_t j = 0; instances && j < schedule->instance_count; j++)
            names[count++] = schedule->instances[j].id;
    }
    return count;
}

static int print_names(const struct ctl *ctl, const struct config *config, bool instances)
{
    size_t most = instances ? (size_t)config->instance_count : config->schedule_count;
    const char **names = calloc(most + 1, sizeof *names);
    if (names == NULL)
        return ctl_complain(CTL_FAILED, "no memory");
    size_t count = collect(config, instances, names);
    qsort(names, count, sizeof *names, compare);
    if (ctl->json)
        (void)printf("{\"names\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(names[i - 1], names[i]) == 0)
            continue;
        if (ctl->json)
            (void)printf("%s\"%s\"", i == 0 ? "" : ",", names[i]); /* plain letters all */
        else
            (void)printf("%s\n", names[i]);
    }
    if (ctl->json)
        (void)printf("]}\n");
    free(names);
    return CTL_DONE;
}

static int names(struct ctl *ctl, int argc, char **argv)
{
    const char *path = NULL;
    const char *kind;
    const struct ctl_option options[] = {{.name = "-c", .value = &path}};
    int exit_code = ctl_parse(ctl, argc, argv, options, 1, &kind, 1);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    bool instances = kind != NULL && strcmp(kind, "instances") == 0;
    if (!instances && (kind == NULL || strcmp(kind, "schedules") != 0))
        return ctl_complain_usage(ctl, "names of what? schedules or instances");
    struct config *config = NULL;
    struct config_report report = {0};
    path = path != NULL ? path : CONFIG_PATH;
    int outcome = config_system_load(path, clock_now().wall, &config, &report);
    config_report_finish(&report);
    if (outcome < 0)
        return ctl_complain(CTL_FAILED, "%s cannot be loaded: %s", path, strerror(-outcome));
    if (outcome != 0)
        return ctl_complain(CTL_BAD_DATA, "%s is not valid; see crsbackupctl check", path);
    exit_code = print_names(ctl, config, instances);
    config_unref(config);
    return exit_code;
}

const struct verb verb_names = {
    .name = "names",
    .arguments = "[--json] [-c FILE] {schedules | instances}",
    .summary = "the names in a file, for completion",
    .help = "Prints the names of all schedules, or the ids of all instances, of FILE\n"
            "(" CONFIG_PATH "), each once, one a line, sorted.\n"
            "\n"
            "Exit: 65 the file is not valid.\n",
    .run = names,
};
