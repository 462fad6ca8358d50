/*
 * next: the coming slots of an expression, of a schedule, or of all schedules of a file.
 *
 * All three are one list of recurrences, of which the earliest next slot is printed again and
 * again. Slots of one recurrence come bare; those of a whole file with the schedule's name behind.
 */
#include "base/civil.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "engine/forecast.h"
#include "ports/clock_system.h"
#include "ports/config_system.h"
#include "ports/zoneinfo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_DEFAULT 5
#define COUNT_MAX 10000

struct request {
    const char *cron;
    const char *timezone;
    const char *from;
    const char *count;
    const char *path;
    const char *schedule;
    struct wall after;
    unsigned slots;
};

/* One recurrence and its next slot; at WALL_NEVER it has no more. */
struct course {
    const struct recurrence *when;
    const char *name; /* NULL: not shown */
    struct slot_time slot;
};

static void advance(struct course *course, struct wall after)
{
    struct slot_time slot;
    if (recurrence_next(course->when, after, &slot) != 0)
        slot = (struct slot_time){.at = WALL_NEVER};
    course->slot = slot;
}

static void print_slot(const struct ctl *ctl, const struct course *course, bool first)
{
    char local[FORECAST_TIME_MAX];
    char utc[CIVIL_TEXT_MAX];
    (void)forecast_time(course->when, course->slot.at, local);
    if (!ctl->json) {
        (void)printf("%s%s%s\n", local, course->name != NULL ? " " : "",
                     course->name != NULL ? course->name : "");
        return;
    }
    (void)printf("%s{", first ? "" : ",");
    ctl_print_json(true, "at", local);
    ctl_print_json(false, "utc", civil_format_utc(course->slot.at, utc));
    if (course->name != NULL)
        ctl_print_json(false, "schedule", course->name);
    (void)printf(",\"moved\":%s}", course->slot.moved ? "true" : "false");
}

/* Prints up to request->slots slots of all courses, the earliest first. */
static int print_slots(const struct ctl *ctl, const struct request *request, struct course *courses,
                       size_t count, const char *what)
{
    unsigned printed = 0;
    for (size_t i = 0; i < count; i++)
        advance(&courses[i], request->after);
    if (ctl->json)
        (void)printf("{\"slots\":[");
    for (; printed < request->slots; printed++) {
        struct course *earliest = NULL;
        for (size_t i = 0; i < count; i++)
            if (earliest == NULL || wall_before(courses[i].slot.at, earliest->slot.at))
                earliest = &courses[i];
        if (earliest == NULL || earliest->slot.at.us == WALL_NEVER.us)
            break;
        print_slot(ctl, earliest, printed == 0);
        advance(earliest, earliest->slot.at);
    }
    if (ctl->json)
        (void)printf("]}\n");
    if (printed == 0)
        return ctl_complain(CTL_DONE, "%s", what);
    return CTL_DONE;
}

/* ---- next --cron EXPR ---- */

static int next_of_expression(const struct ctl *ctl, const struct request *request)
{
    struct errtext err = {""};
    struct recurrence when = {.kind = RECURRENCE_CRON, .zone = zone_utc()};
    struct zone *zone = NULL;
    const char *directory = getenv("TZDIR");
    struct zoneinfo zoneinfo = {directory != NULL && directory[0] != '\0' ? directory
                                                                          : ZONEINFO_DIRECTORY};
    if (cron_parse(request->cron, &when.cron, &err) != 0)
        return ctl_complain(CTL_BAD_DATA, "%s", err.text);
    if (request->timezone != NULL && strcmp(request->timezone, "UTC") != 0) {
        int outcome = zoneinfo_load(&zoneinfo, request->timezone, &zone, &err);
        if (outcome == -ENOMEM)
            return ctl_complain(CTL_FAILED, "no memory");
        if (outcome != 0)
            return ctl_complain(CTL_BAD_DATA, "timezone %s: %s", request->timezone, err.text);
        when.zone = zone;
    }
    struct course course = {.when = &when};
    int exit_code =
        print_slots(ctl, request, &course, 1, "the expression never fires, so no slot comes");
    zone_destroy(zone);
    return exit_code;
}

/* ---- next [-c FILE] [SCHEDULE] ---- */

static int unknown_schedule(const struct request *request, const struct config *config)
{
    const char *nearest = NULL;
    const char **names = calloc((size_t)config->schedule_count + 1, sizeof *names);
    if (names != NULL) {
        for (uint32_t i = 0; i < config->schedule_count; i++)
            names[i] = config->schedules[i].name;
        nearest = text_nearest(request->schedule, names, config->schedule_count);
    }
    free(names);
    return ctl_complain(CTL_BAD_DATA, "%s has no schedule '%s'%s%s%s", request->path,
                        request->schedule, nearest != NULL ? "; did you mean " : "",
                        nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
}

static int next_of_schedule(const struct ctl *ctl, const struct request *request,
                            const struct config *config)
{
    const struct schedule *schedule = config_find_schedule(config, request->schedule);
    if (schedule == NULL)
        return unknown_schedule(request, config);
    if (schedule->paused)
        (void)ctl_complain(CTL_DONE, "schedule %s is paused; these are its slots if it were not",
                           schedule->name);
    struct course course = {.when = &schedule->when};
    return print_slots(ctl, request, &course, 1, "the schedule never fires, so no slot comes");
}

static int next_of_all(const struct ctl *ctl, const struct request *request,
                       const struct config *config)
{
    struct course *courses = calloc((size_t)config->schedule_count + 1, sizeof *courses);
    if (courses == NULL)
        return ctl_complain(CTL_FAILED, "no memory");
    size_t count = 0;
    for (uint32_t i = 0; i < config->schedule_count; i++) {
        const struct schedule *schedule = &config->schedules[i];
        if (!schedule->paused)
            courses[count++] = (struct course){.when = &schedule->when, .name = schedule->name};
    }
    int exit_code = print_slots(ctl, request, courses, count,
                                "no schedule fires that is not paused, so no slot comes");
    free(courses);
    return exit_code;
}

static void complain_line(void *context, const char *text)
{
    (void)context;
    (void)fprintf(stderr, "%s\n", text);
}

static int next_of_file(const struct ctl *ctl, const struct request *request)
{
    struct config *config = NULL;
    struct config_report report = {0};
    int outcome = config_system_load(request->path, clock_now().wall, &config, &report);
    struct config_report errors = {.errors = report.errors}; /* warnings are for check */
    config_report_lines(&errors, request->path, complain_line, NULL);
    config_report_finish(&report);
    if (outcome < 0)
        return ctl_complain(CTL_FAILED, "%s cannot be loaded: %s", request->path,
                            strerror(-outcome));
    if (outcome != 0)
        return CTL_BAD_DATA;
    int exit_code = request->schedule != NULL ? next_of_schedule(ctl, request, config)
                                              : next_of_all(ctl, request, config);
    config_unref(config);
    return exit_code;
}

/* ---- the command line ---- */

/* Outcomes: CTL_GO_ON; the exit code after a complaint. */
static int judge(const struct ctl *ctl, struct request *request)
{
    struct errtext err = {""};
    if (request->cron != NULL && (request->path != NULL || request->schedule != NULL))
        return ctl_complain_usage(ctl, "next takes --cron or a file's schedules, not both");
    if (request->cron == NULL && request->timezone != NULL)
        return ctl_complain_usage(ctl, "--timezone goes with --cron; a schedule has its own");
    if (request->path == NULL)
        request->path = CONFIG_PATH;
    request->slots = COUNT_DEFAULT;
    if (request->count != NULL) {
        size_t digits = strspn(request->count, "0123456789");
        unsigned long count = digits > 0 && digits < 6 ? strtoul(request->count, NULL, 10) : 0;
        if (request->count[digits] != '\0' || count < 1 || count > COUNT_MAX)
            return ctl_complain(CTL_BAD_DATA, "--count '%s' is not a whole number from 1 to %d",
                                request->count, COUNT_MAX);
        request->slots = (unsigned)count;
    }
    if (request->from == NULL)
        request->after = clock_now().wall;
    else if (civil_parse(request->from, &request->after, &err) != 0)
        return ctl_complain(CTL_BAD_DATA, "--from: %s", err.text);
    return CTL_GO_ON;
}

static int next(struct ctl *ctl, int argc, char **argv)
{
    struct request request = {0};
    const struct ctl_option options[] = {
        {"--cron", &request.cron, NULL}, {"--timezone", &request.timezone, NULL},
        {"--from", &request.from, NULL}, {"--count", &request.count, NULL},
        {"-c", &request.path, NULL},
    };
    int exit_code = ctl_parse(ctl, argc, argv, options, sizeof options / sizeof options[0],
                              &request.schedule, 1);
    if (exit_code == CTL_GO_ON)
        exit_code = judge(ctl, &request);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    return request.cron != NULL ? next_of_expression(ctl, &request) : next_of_file(ctl, &request);
}

const struct verb verb_next = {
    .name = "next",
    .arguments = "[--json] [--from TIME] [--count N] {--cron EXPR [--timezone ZONE] | "
                 "[-c FILE] [SCHEDULE]}",
    .summary = "the coming slots of an expression or of a file's schedules",
    .help =
        "Prints the slots strictly after TIME (default: now), one a line, as the zone's clock\n"
        "shows them. Without --cron, the slots of one SCHEDULE of FILE, or of all that are\n"
        "not paused, each with its schedule's name; FILE is " CONFIG_PATH "\n"
        "where none is given.\n"
        "\n"
        "  --cron EXPR      five fields or a macro, such as '0 3 * * *' or @daily\n"
        "  --timezone ZONE  such as Asia/Shanghai; UTC where absent\n"
        "  --from TIME      such as 2026-11-23T19:00:00Z, 2026-11-24T03:00+08:00 or @1795460400\n"
        "  --count N        1 to 10000; 5 where absent\n"
        "\n"
        "Exit: 0 also where no slot comes, which stderr tells; 65 an invalid expression, zone,\n"
        "time or file.\n",
    .run = next,
};
