/* See check.h. */
#include "daemon/check.h"

#include "engine/forecast.h"
#include "engine/forecast_load.h"
#include "ports/config_system.h"

#include <string.h>

static void print_line(void *context, const char *text)
{
    FILE *stream = context;
    (void)fprintf(stream, "%s\n", text);
}

struct complaint {
    FILE *stream;
    const char *path;
};

static void print_warning(void *context, const char *text)
{
    const struct complaint *complaint = context;
    (void)fprintf(complaint->stream, "%s: warning: %s\n", complaint->path, text);
}

/* Outcomes: 0; -ENOMEM; -EIO. */
static int print_load(const struct config *config, struct wall now, FILE *out,
                      struct complaint *complaint)
{
    struct load load = {0};
    int outcome = load_forecast(config, now, LOAD_HOURS_DEFAULT, &load);
    if (outcome != 0)
        return outcome;
    load_lines(&load, print_line, out);
    load_warnings(&load, print_warning, complaint);
    load_finish(&load);
    return 0;
}

int check_run(const char *path, struct wall now, FILE *out, FILE *problems)
{
    struct config *config = NULL;
    struct config_report report = {0};
    int outcome = config_system_load(path, now, &config, &report);
    config_report_lines(&report, path, print_line, problems);
    config_report_finish(&report);
    if (outcome == CONFIG_INVALID)
        return CHECK_INVALID;
    if (outcome != 0) {
        (void)fprintf(problems, "%s: cannot be loaded: %s\n", path, strerror(-outcome));
        return CHECK_FAILED;
    }
    (void)fprintf(out, "%s is valid\n", path);
    forecast_config(config, now, print_line, out);
    outcome = print_load(config, now, out, &(struct complaint){problems, path});
    config_unref(config);
    if (outcome != 0) {
        (void)fprintf(problems, "%s: the load cannot be computed: %s\n", path, strerror(-outcome));
        return CHECK_FAILED;
    }
    return CHECK_VALID;
}
