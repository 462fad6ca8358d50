/*
 * next: the coming slots of an expression, of a schedule, or of all schedules of a file.
 *
 * All three are one heap of recurrences, of which the earliest next slot is printed again and
 * again. Slots of one recurrence come bare; those of a whole file with the schedule's name behind.
 * What else is known of a slot (a clock change moved it, the ends of its spread) goes behind it
 * where a person looks on, and into its object with --json; never into a line for a program.
 */
#include "base/civil.h"
#include "base/digest.h"
#include "base/heap.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/screen.h"
#include "engine/forecast.h"
#include "engine/forecast_load.h"
#include "ports/clock_system.h"
#include "ports/config_system.h"
#include "ports/zoneinfo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_DEFAULT 5
#define COUNT_MAX 1000000
#define ZONE_SHOWN_MAX 64 /* bytes of a wrong zone that a complaint quotes */

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

/* One recurrence and its next slot. */
struct course {
    struct heap_node node; /* by slot.at */
    const struct recurrence *when;
    const char *name; /* NULL: not shown */
    struct slot_time slot;
    bool spreads;
    struct forecast_spread spread; /* valid where it spreads */
};

/* Queues its next slot that its clock can show, if it has one. Outcomes: 0; -ENOMEM. */
static int advance(struct heap *heap, struct course *course, struct wall after)
{
    struct slot_time slot = {.at = after};
    int64_t shown = 0;
    do {
        if (recurrence_next(course->when, slot.at, &slot) != 0)
            return 0;
        shown = wall_seconds(slot.at) + zone_seconds_at(course->when->zone, wall_seconds(slot.at));
    } while (shown < WALL_MIN_SECOND); /* the first hours of year 1, west of Greenwich */
    if (shown > WALL_MAX_SECOND)
        return 0;
    course->slot = slot;
    return heap_push(heap, &course->node, slot.at.us);
}

static void print_notes(const struct course *course)
{
    char buffer[FORECAST_MOVED_MAX];
    char first[LOAD_SPAN_TEXT_MAX];
    char last[LOAD_SPAN_TEXT_MAX];
    if (course->slot.moved)
        (void)printf("  (%s)", forecast_moved(course->when, course->slot.at, buffer));
    if (course->spreads)
        (void)printf("  (%s after %s, %s after %s)", course->spread.first->id,
                     load_span_text(course->spread.first_us, first), course->spread.last->id,
                     load_span_text(course->spread.last_us, last));
}

static void print_object(const struct course *course, const char *local, bool first)
{
    char utc[CIVIL_TEXT_MAX];
    char before[FORECAST_CLOCK_MAX];
    char after[FORECAST_CLOCK_MAX];
    (void)printf("%s{", first ? "" : ",");
    ctl_print_json(true, "at", local);
    ctl_print_json(false, "utc", civil_format_utc(course->slot.at, utc));
    if (course->name != NULL)
        ctl_print_json(false, "schedule", course->name);
    (void)printf(",\"moved\":%s", course->slot.moved ? "true" : "false");
    if (course->slot.moved && forecast_gap(course->when, course->slot.at, before, after)) {
        (void)printf(",\"skipped\":{");
        ctl_print_json(true, "from", before);
        ctl_print_json(false, "to", after);
        (void)printf("}");
    }
    if (course->spreads)
        ctl_print_spread(course->when, course->slot.at, &course->spread);
    (void)printf("}");
}

static void print_slot(const struct ctl *ctl, const struct course *course, bool first, bool notes)
{
    char local[FORECAST_TIME_MAX];
    (void)forecast_time(course->when, course->slot.at, local);
    if (ctl->json) {
        print_object(course, local, first);
        return;
    }
    (void)printf("%s%s%s", local, course->name != NULL ? " " : "",
                 course->name != NULL ? course->name : "");
    if (notes)
        print_notes(course);
    (void)printf("\n");
}

/* Up to request->slots slots, the earliest first, until the output takes no more. */
static unsigned print_queue(const struct ctl *ctl, const struct request *request, struct heap *heap)
{
    unsigned printed = 0;
    bool notes = screen_of(stdout).terminal;
    for (struct heap_node *top; printed < request->slots && (top = heap_pop(heap)) != NULL;) {
        struct course *course = HEAP_OWNER(top, struct course, node);
        print_slot(ctl, course, printed == 0, notes);
        printed++;
        if (ferror(stdout) != 0 || advance(heap, course, course->slot.at) != 0)
            break; /* the output is gone: ctl_main says so; a place was freed, so no memory fails */
    }
    return printed;
}

static bool ever_fires(const struct course *courses, size_t count)
{
    struct slot_time slot;
    for (size_t i = 0; i < count; i++)
        if (recurrence_next(courses[i].when, wall_from_seconds(0), &slot) == 0)
            return true;
    return false;
}

/* Prints up to request->slots slots of all courses; `what` is said where there is none. */
static int print_slots(const struct ctl *ctl, const struct request *request, struct course *courses,
                       size_t count, const char *what)
{
    struct heap heap = {0};
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = advance(&heap, &courses[i], request->after);
    if (r != 0) {
        heap_finish(&heap);
        return ctl_complain(CTL_FAILED, "no memory");
    }
    if (ctl->json)
        (void)printf("{\"slots\":[");
    unsigned printed = print_queue(ctl, request, &heap);
    if (ctl->json)
        (void)printf("]}\n");
    heap_finish(&heap);
    if (printed == 0 && ever_fires(courses, count))
        return ctl_complain(CTL_DONE, "no slot comes after that time before the year 10000");
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
            return ctl_complain(CTL_BAD_DATA, "timezone %.*s%s: %s", ZONE_SHOWN_MAX,
                                request->timezone,
                                strlen(request->timezone) > ZONE_SHOWN_MAX ? "..." : "", err.text);
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

/* Outcomes: true; false where the digest fails. */
static bool begin_course(struct digest *digest, const struct schedule *schedule, const char *name,
                         struct course *ret)
{
    struct course course = {.when = &schedule->when, .name = name};
    if (schedule->spread_us > 0) {
        int r = forecast_spread(digest, schedule, &course.spread);
        if (r < 0)
            return false;
        course.spreads = r == 0;
    }
    *ret = course;
    return true;
}

static int next_of_schedule(const struct ctl *ctl, const struct request *request,
                            const struct config *config, struct digest *digest)
{
    const struct schedule *schedule = config_find_schedule(config, request->schedule);
    if (schedule == NULL)
        return unknown_schedule(request, config);
    if (schedule->paused)
        (void)ctl_complain(CTL_DONE, "schedule %s is paused; these are its slots if it were not",
                           schedule->name);
    struct course course;
    if (!begin_course(digest, schedule, NULL, &course))
        return ctl_complain(CTL_FAILED, "the library gives no SHA-256");
    return print_slots(ctl, request, &course, 1, "the schedule never fires, so no slot comes");
}

static int next_of_all(const struct ctl *ctl, const struct request *request,
                       const struct config *config, struct digest *digest)
{
    struct course *courses = calloc((size_t)config->schedule_count + 1, sizeof *courses);
    if (courses == NULL)
        return ctl_complain(CTL_FAILED, "no memory");
    size_t count = 0;
    bool begun = true;
    for (uint32_t i = 0; i < config->schedule_count && begun; i++) {
        const struct schedule *schedule = &config->schedules[i];
        if (!schedule->paused)
            begun = begin_course(digest, schedule, schedule->name, &courses[count++]);
    }
    int exit_code = begun ? print_slots(ctl, request, courses, count,
                                        "no schedule fires that is not paused, so no slot comes")
                          : ctl_complain(CTL_FAILED, "the library gives no SHA-256");
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
    struct digest *digest = NULL;
    struct errtext err = {""};
    int exit_code = CTL_FAILED;
    if (digest_create(&digest, &err) != 0)
        exit_code = ctl_complain(CTL_FAILED, "no SHA-256: %s", err.text);
    else
        exit_code = request->schedule != NULL ? next_of_schedule(ctl, request, config, digest)
                                              : next_of_all(ctl, request, config, digest);
    digest_destroy(digest);
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
        unsigned long count;
        if (!ctl_parse_count(request->count, COUNT_MAX, &count))
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
        {.name = "--cron", .value = &request.cron},
        {.name = "--timezone", .value = &request.timezone},
        {.name = "--from", .value = &request.from},
        {.name = "--count", .value = &request.count},
        {.name = "-c", .value = &request.path},
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
    .summary = "the coming slots of an expression or of a file's schedules",
    .arguments = "{--cron EXPR | [-c FILE] [SCHEDULE]} [OPTION...]",
    .help = "Prints the slots strictly after TIME (default: now), one a line, as the zone's\n"
            "clock shows them. Without --cron, the slots of one SCHEDULE of FILE, or of all\n"
            "that are not paused, each with its schedule's name; FILE is\n" CONFIG_PATH
            " where none is given.\n"
            "\n"
            "On a terminal, a slot that a clock change moved says so, and the first and last\n"
            "instance of a spread are told; with --json, always (docs/crsbackupctl-json.md).\n"
            "\n"
            "  --cron EXPR      five fields or a macro, such as '0 3 * * *' or @daily\n"
            "  --timezone ZONE  such as Asia/Shanghai; UTC where absent\n"
            "  --from TIME      such as 2026-11-23T19:00:00Z, 2026-11-24T03:00+08:00 or\n"
            "                   @1795460400\n"
            "  --count N        1 to 1000000; 5 where absent\n"
            "\n"
            "Exit: 0 also where no slot comes, which stderr tells; 65 an invalid expression,\n"
            "zone, time or file.\n",
    .run = next,
};
