/*
 * The simulation of the engine: see README.md.
 *
 *   sim --seeds A..B [--seeds-file FILE] [--nightly]   runs them, the file's first
 *   sim --twice A..B                                   each twice: the traces must be the same
 *   sim --seed N [--trace] [--nightly]                 one, with its trace
 *
 * --at-least N fails where fewer slots of instances came due in all. With it and
 * CRSBACKUPD_NIGHTLY=1 in the environment the seeds are run twice, the second time as --nightly,
 * and there must be NIGHTLY times as many.
 */
#include "sim/sim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_IN_FILE_MAX 1000
#define NIGHTLY 10

struct options {
    uint64_t first;
    uint64_t last;
    const char *file;
    bool twice;
    bool trace;
    bool big;
    uint64_t at_least;
};

struct figures {
    uint64_t seeds;
    uint64_t failed;
    uint64_t slots; /* of instances */
    uint64_t sent;
    uint64_t asked;
    uint64_t accepted;
    uint64_t orders;
    uint64_t ordered;
    uint64_t pauses;
    uint64_t turns;
    double worst_drain;
    int64_t worst_late;
};

static uint64_t run_seed(const struct options *options, uint64_t seed, struct figures *figures)
{
    static struct sim sim;
    sim =
        (struct sim){.trace = {.print = options->trace ? stdout : NULL, .hashed = options->twice}};
    sim_run(&sim, seed, options->big);
    const struct oracle *o = &sim.oracle;
    uint64_t hash = sim.trace.hash;
    if (o->broken != RULE_NONE) {
        figures->failed++;
        (void)printf("seed %" PRIu64 " (%s): rule %s: %s\n", seed, world_kind_name(sim.world.kind),
                     rule_text(o->broken), o->what);
    }
    figures->seeds++;
    figures->slots += o->record_count;
    figures->sent += o->sent;
    figures->asked += o->asked;
    figures->accepted += o->accepted;
    figures->orders += o->orders;
    figures->ordered += o->ordered;
    figures->pauses += o->pauses;
    figures->turns += o->turns;
    if (o->worst_late > figures->worst_late)
        figures->worst_late = o->worst_late;
    if (o->worst_drain > 0 && (figures->worst_drain == 0 || o->worst_drain < figures->worst_drain))
        figures->worst_drain = o->worst_drain;
    sim_finish(&sim);
    return hash;
}

static void run_one(const struct options *options, uint64_t seed, struct figures *figures)
{
    uint64_t hash = run_seed(options, seed, figures);
    if (options->twice && run_seed(options, seed, figures) != hash) {
        figures->failed++;
        (void)printf("seed %" PRIu64 ": two runs, two traces\n", seed);
    }
}

/* A line begins with a seed; "n" after it: as --nightly. */
static int run_file(const struct options *options, struct figures *figures)
{
    FILE *file = fopen(options->file, "r");
    if (file == NULL) {
        (void)fprintf(stderr, "%s: %s\n", options->file, strerror(errno));
        return 2;
    }
    char line[128];
    for (int i = 0; i < SEEDS_IN_FILE_MAX && fgets(line, sizeof line, file) != NULL; i++) {
        char *end;
        uint64_t seed = strtoull(line, &end, 10);
        struct options of_line = *options;
        of_line.big = options->big || *end == 'n';
        if (end != line)
            run_one(&of_line, seed, figures);
    }
    (void)fclose(file);
    return 0;
}

static void run_range(const struct options *options, struct figures *figures)
{
    for (uint64_t seed = options->first; seed <= options->last && figures->failed < 20; seed++)
        run_one(options, seed, figures);
}

static void print(const struct figures *f)
{
    (void)printf("%" PRIu64 " seeds, %" PRIu64 " failed; %" PRIu64 " slots, %" PRIu64
                 " requests, %" PRIu64 " questions, %" PRIu64 " accepted, %" PRIu64
                 " orders of %" PRIu64 " runs, %" PRIu64 " pauses and their ends, %" PRIu64
                 " turns; slowest drain %.1f permille, latest send %.3f ms\n",
                 f->seeds, f->failed, f->slots, f->sent, f->asked, f->accepted, f->orders,
                 f->ordered, f->pauses, f->turns, f->worst_drain, (double)f->worst_late / 1e6);
}

static bool read_range(const char *text, struct options *options)
{
    char *end;
    options->first = strtoull(text, &end, 10);
    if (strncmp(end, "..", 2) != 0)
        return false;
    options->last = strtoull(end + 2, &end, 10);
    return *end == '\0' && options->first <= options->last;
}

static bool read_options(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--trace") == 0) {
            options->trace = true;
        } else if (strcmp(argv[i], "--nightly") == 0) {
            options->big = true;
        } else if (strcmp(argv[i], "--seeds-file") == 0) {
            options->file = value;
            i++;
        } else if (strcmp(argv[i], "--at-least") == 0) {
            options->at_least = strtoull(value, NULL, 10);
            i++;
        } else if (strcmp(argv[i], "--seed") == 0) {
            options->first = options->last = strtoull(value, NULL, 10);
            i++;
        } else if (strcmp(argv[i], "--seeds") == 0 || strcmp(argv[i], "--twice") == 0) {
            options->twice = strcmp(argv[i], "--twice") == 0;
            if (!read_range(value, options))
                return false;
            i++;
        } else {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {.first = 1, .last = 0};
    struct figures figures = {0};
    if (!read_options(argc, argv, &options)) {
        (void)fprintf(stderr, "usage: sim [--seeds A..B | --twice A..B | --seed N] [--seeds-file "
                              "FILE] [--at-least N] [--trace] [--nightly]\n");
        return 2;
    }
    if (options.file != NULL && run_file(&options, &figures) != 0)
        return 2;
    const char *nightly = getenv("CRSBACKUPD_NIGHTLY");
    bool is_nightly = nightly != NULL && strcmp(nightly, "1") == 0 && options.at_least > 0;
    run_range(&options, &figures);
    if (is_nightly) {
        options.big = true;
        run_range(&options, &figures);
    }
    print(&figures);
    if (figures.slots < options.at_least * (is_nightly ? NIGHTLY : 1)) {
        (void)printf("too few slots\n");
        return 1;
    }
    return figures.failed == 0 ? 0 : 1;
}
