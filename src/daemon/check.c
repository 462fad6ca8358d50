/* See check.h. */
#include "daemon/check.h"

#include "engine/forecast.h"
#include "ports/config_system.h"

#include <string.h>

static void print_line(void *context, const char *text)
{
    FILE *stream = context;
    (void)fprintf(stream, "%s\n", text);
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
    config_unref(config);
    return CHECK_VALID;
}
