/* check [-c FILE]: the configuration as the daemon would read it, and what it would do. */
#include "ctl/ctl.h"
#include "engine/forecast.h"
#include "ports/clock_system.h"
#include "ports/config_system.h"

#include <stdio.h>
#include <string.h>

static void print_line(void *context, const char *text)
{
    FILE *stream = context;
    (void)fprintf(stream, "%s\n", text);
}

static void print_problems(const char *key, const struct config_problems *problems)
{
    (void)printf(",\"%s\":[", key);
    for (size_t i = 0; i < problems->kept; i++) {
        const struct config_problem *problem = &problems->list[i];
        (void)printf("%s{\"line\":%u,\"column\":%u", i == 0 ? "" : ",", problem->line,
                     problem->column);
        ctl_print_json(false, "text", problem->text);
        (void)printf("}");
    }
    (void)printf("],\"%s_found\":%zu", key, problems->found);
}

static void print_json(const char *path, bool valid, const struct config *config,
                       const struct config_report *report)
{
    (void)printf("{");
    ctl_print_json(true, "file", path);
    (void)printf(",\"valid\":%s", valid ? "true" : "false");
    if (config != NULL)
        (void)printf(",\"schedules\":%u,\"instances\":%llu,\"hosts\":%u", config->schedule_count,
                     (unsigned long long)config->instance_count, config->host_count);
    print_problems("errors", &report->errors);
    print_problems("warnings", &report->warnings);
    (void)printf("}\n");
}

static int check(struct ctl *ctl, int argc, char **argv)
{
    const char *path = NULL;
    const struct ctl_option options[] = {{"-c", &path, NULL}};
    int exit_code = ctl_parse(ctl, argc, argv, options, 1, NULL, 0);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    if (path == NULL)
        path = CONFIG_PATH;
    struct config *config = NULL;
    struct config_report report = {0};
    struct wall now = clock_now().wall;
    int outcome = config_system_load(path, now, &config, &report);
    if (outcome >= 0 && ctl->json)
        print_json(path, outcome == 0, config, &report);
    else
        config_report_lines(&report, path, print_line, stderr);
    if (outcome == 0 && !ctl->json) {
        (void)printf("%s is valid\n", path);
        forecast_config(config, now, print_line, stdout);
    }
    config_report_finish(&report);
    config_unref(config);
    if (outcome < 0)
        return ctl_complain(CTL_FAILED, "%s cannot be loaded: %s", path, strerror(-outcome));
    return outcome == 0 ? CTL_DONE : CTL_BAD_DATA;
}

const struct verb verb_check = {
    .name = "check",
    .arguments = "[-c FILE]",
    .summary = "whether a configuration is valid, and what it would do",
    .help = "Reads FILE (" CONFIG_PATH ") as the daemon would. Every error is one\n"
            "line, FILE:LINE:COLUMN: what is wrong; what would be right. Needs no daemon and\n"
            "touches no network.\n"
            "\n"
            "Exit: 0 valid, with or without warnings; 65 not valid.\n",
    .run = check,
};
