/*
 * The loader: time and memory for 1,000 and 100,000 instances, beside libyaml's events of the same
 * file alone in the same run.
 *
 * Each figure is the median of RUNS fresh processes. Memory is what the process holds more after a
 * load than before it, from smaps_rollup after malloc_trim; a small load before it has brought the
 * code in.
 */
#include "ports/config_yaml.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <yaml.h>

#define RUNS 5

struct figures {
    double wall_ms;
    double cpu_ms;
    double kept_bytes;  /* the config */
    double freed_bytes; /* what stays after it is dropped */
};

static double clock_ms(clockid_t which)
{
    struct timespec t;
    (void)clock_gettime(which, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double resident(void)
{
    char line[128];
    unsigned long kilobytes = 0;
    (void)malloc_trim(0);
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "Rss:", 4) == 0)
            kilobytes = strtoul(line + 4, NULL, 10);
    if (file != NULL)
        (void)fclose(file);
    return (double)kilobytes * 1024;
}

static int give_zone(void *context, const char *name, struct zone **ret, struct errtext *err)
{
    (void)context;
    (void)name;
    return zone_parse_posix("CST-8", ret, err);
}

static struct config *load(const char *path)
{
    struct config *config = NULL;
    struct config_report report = {0};
    struct config_load_options options = {.now = wall_from_seconds(1795564800), .zone = give_zone};
    if (config_yaml_load(path, &options, &config, &report) != 0)
        _exit(1);
    config_report_finish(&report);
    return config;
}

static struct figures measure_load(const char *path, const char *small)
{
    (void)mallopt(M_MMAP_THRESHOLD, 128 * 1024); /* as the daemon does */
    config_unref(load(small));
    double before = resident();
    double wall = clock_ms(CLOCK_MONOTONIC);
    double cpu = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
    struct config *config = load(path);
    struct figures figures = {clock_ms(CLOCK_MONOTONIC) - wall,
                              clock_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu, 0, 0};
    figures.kept_bytes = resident() - before;
    config_unref(config);
    figures.freed_bytes = resident() - before;
    return figures;
}

static struct figures measure_events(const char *path, const char *small)
{
    (void)small;
    double wall = clock_ms(CLOCK_MONOTONIC);
    double cpu = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
    FILE *file = fopen(path, "r");
    yaml_parser_t parser;
    if (file == NULL || yaml_parser_initialize(&parser) == 0)
        _exit(1);
    yaml_parser_set_input_file(&parser, file);
    for (bool done = false; !done;) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0)
            _exit(1);
        done = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    (void)fclose(file);
    return (struct figures){clock_ms(CLOCK_MONOTONIC) - wall,
                            clock_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu, 0, 0};
}

typedef struct figures (*measure_fn)(const char *path, const char *small);

/* One measurement in a process of its own. */
static struct figures in_child(measure_fn measure, const char *path, const char *small)
{
    int ends[2];
    struct figures figures = {0};
    if (pipe(ends) != 0)
        exit(1);
    pid_t child = fork();
    if (child == 0) {
        figures = measure(path, small);
        _exit(write(ends[1], &figures, sizeof figures) == (ssize_t)sizeof figures ? 0 : 1);
    }
    (void)close(ends[1]);
    ssize_t n = child > 0 ? read(ends[0], &figures, sizeof figures) : -1;
    (void)close(ends[0]);
    int status;
    if (n != (ssize_t)sizeof figures || waitpid(child, &status, 0) != child || status != 0) {
        (void)fprintf(stderr, "a measurement failed\n");
        exit(1);
    }
    return figures;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static double median(const struct figures *runs, size_t offset)
{
    double values[RUNS];
    for (size_t i = 0; i < RUNS; i++)
        memcpy(&values[i], (const char *)&runs[i] + offset, sizeof values[i]);
    qsort(values, RUNS, sizeof values[0], compare);
    return values[RUNS / 2];
}

static struct figures medians(measure_fn measure, const char *path, const char *small)
{
    struct figures runs[RUNS];
    for (size_t i = 0; i < RUNS; i++)
        runs[i] = in_child(measure, path, small);
    return (struct figures){median(runs, offsetof(struct figures, wall_ms)),
                            median(runs, offsetof(struct figures, cpu_ms)),
                            median(runs, offsetof(struct figures, kept_bytes)),
                            median(runs, offsetof(struct figures, freed_bytes))};
}

static void write_file(const char *path, unsigned instances, bool long_form)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        exit(1);
    (void)fprintf(file, "region: ap-guangzhou\ntimezone: Asia/Shanghai\nschedules:\n  nightly:\n"
                        "    cron: \"0 3 * * *\"\n    spread: 2h\n    instances:\n");
    for (unsigned i = 0; i < instances; i++) {
        if (long_form)
            (void)fprintf(file,
                          "      - {id: crs-%08x, region: ap-shanghai, remark: r%u, storage_days: "
                          "7}\n",
                          i, i % 1000);
        else
            (void)fprintf(file, "      - crs-%08x\n", i);
    }
    if (fclose(file) != 0)
        exit(1);
}

static void bench(const char *directory, const char *small, unsigned instances, bool long_form)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/large", directory);
    write_file(path, instances, long_form);
    struct figures ours = medians(measure_load, path, small);
    struct figures events = medians(measure_events, path, small);
    (void)printf("%7u instances, %s: load %7.1f ms (cpu %6.1f), libyaml alone %7.1f ms (cpu %6.1f);"
                 " keeps %5.0f bytes an instance, %.0f KiB stay after it is dropped\n",
                 instances, long_form ? "long " : "short", ours.wall_ms, ours.cpu_ms,
                 events.wall_ms, events.cpu_ms, ours.kept_bytes / instances,
                 ours.freed_bytes / 1024);
    (void)unlink(path);
}

int main(void)
{
    char directory[] = "/tmp/bench-config-XXXXXX";
    char small[64];
    if (mkdtemp(directory) == NULL)
        return 1;
    (void)snprintf(small, sizeof small, "%s/small", directory);
    write_file(small, 10, true);
    for (int form = 0; form < 2; form++) {
        bench(directory, small, 1000, form == 1);
        bench(directory, small, 100000, form == 1);
    }
    (void)unlink(small);
    (void)rmdir(directory);
    return 0;
}
