/*
 * check: the configuration as the daemon would read it, what it would do, and the load of each host
 * over the coming hours. What will not be sent in time is a warning on stderr, and no error.
 */
#include "base/civil.h"
#include "base/digest.h"
#include "ctl/chart.h"
#include "ctl/ctl.h"
#include "ctl/screen.h"
#include "engine/forecast.h"
#include "engine/forecast_load.h"
#include "ports/clock_system.h"
#include "ports/config_system.h"

#include <stdio.h>
#include <string.h>

struct request {
    const char *path;
    struct wall from;
    int hours;
};

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

/* ,"key":2500.000 */
static void print_seconds(const char *key, int64_t us)
{
    int64_t ms = us / 1000 + (us % 1000 > 0 ? 1 : 0);
    (void)printf(",\"%s\":%lld.%03lld", key, (long long)(ms / 1000), (long long)(ms % 1000));
}

static void print_time(bool first, const char *key, struct wall at)
{
    char utc[CIVIL_TEXT_MAX];
    ctl_print_json(first, key, civil_format_utc(at, utc));
}

/* ---- the next slots ---- */

static void print_slot(struct digest *digest, const struct schedule *schedule, struct wall after)
{
    struct slot_time slot;
    struct forecast_spread spread;
    char local[FORECAST_TIME_MAX];
    (void)printf("{");
    ctl_print_json(true, "schedule", schedule->name);
    (void)printf(",\"paused\":%s", schedule->paused ? "true" : "false");
    if (recurrence_next(&schedule->when, after, &slot) == 0) {
        ctl_print_json(false, "at", forecast_time(&schedule->when, slot.at, local));
        print_time(false, "utc", slot.at);
        (void)printf(",\"moved\":%s", slot.moved ? "true" : "false");
        if (schedule->spread_us > 0 && forecast_spread(digest, schedule, &spread) == 0)
            ctl_print_spread(&schedule->when, slot.at, &spread);
    }
    (void)printf("}");
}

static void print_slots(const struct config *config, struct wall after)
{
    struct digest *digest = NULL;
    if (digest_create(&digest, NULL) != 0)
        return;
    (void)printf(",\"slots\":[");
    for (uint32_t i = 0; i < config->schedule_count; i++) {
        (void)printf("%s", i == 0 ? "" : ",");
        print_slot(digest, &config->schedules[i], after);
    }
    (void)printf("]");
    digest_destroy(digest);
}

/* ---- the load ---- */

static void print_minute(const struct load_minute *minute)
{
    (void)printf("{");
    print_time(true, "at", wall_from_seconds(minute->minute * 60));
    (void)printf(",\"due\":%u,\"missed\":%u", minute->due, minute->missed);
    print_seconds("drain_seconds", minute->drain_us);
    print_time(false, "drained", minute->drained);
    (void)printf("}");
}

static void print_share(const struct load_share *share)
{
    (void)printf("{");
    ctl_print_json(true, "schedule", share->schedule->name);
    (void)printf(",\"instances\":%u", share->count);
    print_seconds("slot_drain_seconds", share->alone_us);
    (void)printf(",\"slot_missed\":%u,\"due\":%llu,\"missed\":%llu", share->alone_missed,
                 (unsigned long long)share->due, (unsigned long long)share->missed);
    if (share->missed > 0)
        print_time(false, "first_missed", share->first_missed);
    if (share->missed > 0 && share->behind != NULL)
        ctl_print_json(false, "behind", share->behind->name);
    (void)printf("}");
}

/* One string of a list. */
static void print_warning(void *context, const char *text)
{
    bool *first = context;
    (void)printf("%s{", *first ? "" : ",");
    ctl_print_json(true, "text", text);
    (void)printf("}");
    *first = false;
}

static void print_host(const struct load *load, const struct load_host *host)
{
    (void)printf("{");
    ctl_print_json(true, "host", host->host->name);
    print_time(false, "until", host->until);
    (void)printf(",\"complete\":%s,\"due\":%llu,\"missed\":%llu", host->cut ? "false" : "true",
                 (unsigned long long)host->due, (unsigned long long)host->missed);
    print_seconds("longest_drain_seconds", host->longest_drain_us);
    (void)printf(",\"minutes\":[");
    for (size_t i = 0; i < host->minute_count; i++) {
        (void)printf("%s", i == 0 ? "" : ",");
        print_minute(&host->minutes[i]);
    }
    (void)printf("],\"schedules\":[");
    for (size_t i = 0; i < host->share_count; i++) {
        (void)printf("%s", i == 0 ? "" : ",");
        print_share(&host->shares[i]);
    }
    bool first = true;
    (void)printf("],\"warnings\":[");
    load_host_warnings(load, host, print_warning, &first);
    (void)printf("]}");
}

static void print_load(const struct load *load)
{
    (void)printf(",\"load\":{");
    print_time(true, "from", load->from);
    print_time(false, "until", load->until);
    (void)printf(",\"per_second\":%d,\"hosts\":[", load->per_second);
    for (uint32_t h = 0; h < load->host_count; h++) {
        (void)printf("%s", h == 0 ? "" : ",");
        print_host(load, &load->hosts[h]);
    }
    (void)printf("]}");
}

/* ---- the answer ---- */

/* `load` is NULL where the file is not valid. */
static void print_json(const struct request *request, const struct config *config,
                       const struct config_report *report, const struct load *load)
{
    (void)printf("{");
    ctl_print_json(true, "file", request->path);
    (void)printf(",\"valid\":%s", config != NULL ? "true" : "false");
    if (config != NULL)
        (void)printf(",\"schedules\":%u,\"instances\":%llu,\"hosts\":%u", config->schedule_count,
                     (unsigned long long)config->instance_count, config->host_count);
    print_problems("errors", &report->errors);
    print_problems("warnings", &report->warnings);
    if (config != NULL)
        print_slots(config, request->from);
    if (load != NULL)
        print_load(load);
    (void)printf("}\n");
}

static void complain_of_load(void *context, const char *text)
{
    const struct request *request = context;
    (void)fprintf(stderr, "%s: warning: %s\n", request->path, text);
}

static void print_text(struct request *request, const struct config *config,
                       const struct load *load)
{
    struct screen screen = screen_of(stdout);
    (void)printf("%s is valid\n", request->path);
    forecast_config(config, request->from, print_line, stdout);
    load_lines(load, print_line, stdout);
    for (uint32_t h = 0; h < load->host_count && screen.terminal; h++)
        if (load->hosts[h].due > 0)
            chart_print(stdout, load, &load->hosts[h], &screen);
    (void)fflush(stdout);
    load_warnings(load, complain_of_load, request);
}

/* The file is read: what is known of it. Returns the exit code. */
static int answer(const struct ctl *ctl, struct request *request, const struct config *config,
                  const struct config_report *report)
{
    struct load load = {0};
    if (!ctl->json)
        config_report_lines(report, request->path, print_line, stderr);
    if (config != NULL) {
        int r = load_forecast(config, request->from, request->hours, &load);
        if (r != 0)
            return ctl_complain(CTL_FAILED, "the load cannot be computed: %s", strerror(-r));
    }
    if (ctl->json)
        print_json(request, config, report, config != NULL ? &load : NULL);
    else if (config != NULL)
        print_text(request, config, &load);
    load_finish(&load);
    return config != NULL ? CTL_DONE : CTL_BAD_DATA;
}

/* Outcomes: CTL_GO_ON; the exit code after a complaint. */
static int judge(struct request *request, const char *from, const char *hours, struct wall now)
{
    struct errtext err = {""};
    unsigned long count = LOAD_HOURS_DEFAULT;
    if (request->path == NULL)
        request->path = CONFIG_PATH;
    if (hours != NULL && !ctl_parse_count(hours, LOAD_HOURS_MAX, &count))
        return ctl_complain(CTL_BAD_DATA, "--hours '%s' is not a whole number from 1 to %d", hours,
                            LOAD_HOURS_MAX);
    request->hours = (int)count;
    request->from = now;
    if (from != NULL && civil_parse(from, &request->from, &err) != 0)
        return ctl_complain(CTL_BAD_DATA, "--from: %s", err.text);
    return CTL_GO_ON;
}

static int check(struct ctl *ctl, int argc, char **argv)
{
    struct request request = {0};
    const char *from = NULL;
    const char *hours = NULL;
    const struct wall now = clock_now().wall;
    const struct ctl_option options[] = {{.name = "-c", .value = &request.path},
                                         {.name = "--from", .value = &from},
                                         {.name = "--hours", .value = &hours}};
    int exit_code =
        ctl_parse(ctl, argc, argv, options, sizeof options / sizeof options[0], NULL, 0);
    if (exit_code == CTL_GO_ON)
        exit_code = judge(&request, from, hours, now);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    struct config *config = NULL;
    struct config_report report = {0};
    int outcome = config_system_load(request.path, now, &config, &report);
    if (outcome < 0)
        exit_code =
            ctl_complain(CTL_FAILED, "%s cannot be loaded: %s", request.path, strerror(-outcome));
    else
        exit_code = answer(ctl, &request, outcome == 0 ? config : NULL, &report);
    config_report_finish(&report);
    config_unref(config);
    return exit_code;
}

const struct verb verb_check = {
    .name = "check",
    .arguments = "[--json] [-c FILE] [--from TIME] [--hours N]",
    .summary = "whether a configuration is valid, and what it would do",
    .help = "Reads FILE (" CONFIG_PATH ") as the daemon would. Every error is\n"
            "one line, FILE:LINE:COLUMN: what is wrong; what would be right. Needs no daemon\n"
            "and touches no network.\n"
            "\n"
            "Of a valid file: the next slot of each schedule, and for each host how many\n"
            "requests are due in which minute, how long its rate limit needs to let them\n"
            "through, and a warning where some would wait longer than start_within. A\n"
            "terminal gets a chart of it as well; --json is described in\n"
            "docs/crsbackupctl-json.md.\n"
            "\n"
            "  --from TIME  instead of now, such as 2026-11-23T19:00:00Z\n"
            "  --hours N    how far the load is computed, 1 to 168; 24 where absent\n"
            "\n"
            "Exit: 0 valid, with or without warnings; 65 not valid.\n",
    .run = check,
};
