/*
 * Tells stories of an operator's nights: each file makes a small world by hand, says what goes
 * wrong when, and what the log must say of each run. The oracle watches as ever.
 *
 *   # a comment, at the end of any line
 *   start INSTANT
 *   settle DURATION
 *   schedule NAME daily HH:MM|every DURATION [OPTION...]
 *       instances=N within=DURATION complete_within=DURATION retry_failed=N overlap=allow
 *       unknown=resend
 *
 *   at INSTANT cloud WORDS           from then on: well, loses answers (but does what it is asked),
 *                                    loses requests, is down, is slow, answers 503
 *   at INSTANT tasks DURATION [fail] those that begin from then on
 *   at INSTANT console N DURATION [TEXT]
 *                                    somebody backs instance N up, TEXT is his remark
 *   at INSTANT ledger full|has-room
 *   at INSTANT order NAME [N...]     an operator orders a run of them, or of all
 *   at INSTANT pause NAME [DURATION] and pauses a schedule, for so long
 *   at INSTANT resume NAME
 *   at INSTANT crash|restart|suspend|set DURATION
 *
 *   run NAME N SLOT BACKUPS EVENT... how many backups the cloud has of that run at the end, and its
 *                                    events in order, without their "backup_"; a "+" behind one
 *                                    says that it comes several times in a row
 *   end INSTANT
 *
 * NAME is one of the simulation's: alpha, beta, gamma. N is crs-simN, -1 the slot as a whole. The
 * slot of an order is its instant, and a microsecond after it where that is a whole second. What is
 * not named by a "run" must not happen.
 */
#include "base/civil.h"
#include "base/text.h"
#include "sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 100
#define RUNS_MAX 64
#define EVENTS_MAX 160
#define WORDS_MAX 12
#define LATENCY_US 100000
#define SLOW_US (20 * US_PER_SECOND)
#define ALWAYS 2000 /* of the shares of what goes wrong */

enum plant planted = PLANT_NONE;

struct line {
    char words[WORDS_MAX][64];
    int count;
    int number;
};

struct told_run {
    int schedule;
    int instance;
    struct wall slot;
    int backups;
    char expected[EVENTS_MAX];
    char heard[EVENTS_MAX];
    bool is_expected;
};

struct story {
    const char *path;
    struct wall start;
    struct line lines[LINES_MAX]; /* what happens */
    int64_t at[LINES_MAX];
    size_t count;
    struct told_run runs[RUNS_MAX];
    int run_count;
    int failures;
    struct sim sim;
};

static const char *reading;
static int reading_line;

__attribute__((noreturn)) static void refuse(const char *what)
{
    (void)fprintf(stderr, "%s:%d: %s\n", reading, reading_line, what);
    exit(2);
}

/* ---- words ---- */

static void split(char *text, struct line *ret)
{
    *ret = (struct line){.number = reading_line};
    for (char *at = text; *at != '\0';) {
        at += strspn(at, " \n");
        if (*at == '\0' || *at == '#')
            return;
        const char *stop = *at == '"' ? "\"" : " \n";
        at += *at == '"';
        size_t length = strcspn(at, stop);
        if (ret->count == WORDS_MAX || length >= sizeof ret->words[0])
            refuse("too long");
        memcpy(ret->words[ret->count++], at, length);
        at += length + (at[length] == '"');
    }
}

static struct wall instant_of(const char *word)
{
    struct wall at;
    if (civil_parse(word, &at, NULL) != 0)
        refuse("no instant");
    return at;
}

static int64_t duration_of(const char *word)
{
    int64_t us;
    bool back = word[0] == '-';
    if (text_parse_duration(word + back, &us, NULL) != 0)
        refuse("no duration");
    return back ? -us : us;
}

static int schedule_of(const char *word)
{
    int schedule = ledger_find_schedule(word);
    if (schedule < 0)
        refuse("no such schedule");
    return schedule;
}

static int64_t true_time(const struct story *story, struct wall at)
{
    return wall_diff_us(at, story->start) * NS_PER_US;
}

/* ---- the world ---- */

static void make_rule(const struct line *line, struct rule *ret)
{
    int hour;
    int minute;
    if (strcmp(line->words[2], "every") == 0) {
        *ret = (struct rule){.period_s = duration_of(line->words[3]) / US_PER_SECOND};
        (void)snprintf(ret->text, sizeof ret->text, "%s", line->words[3]);
        return;
    }
    if (strcmp(line->words[2], "daily") != 0
        || sscanf(line->words[3], "%2d:%2d", &hour, &minute) != 2)
        refuse("when?");
    *ret = (struct rule){.is_cron = true, .weekdays = 0x7f};
    ret->hours = 1U << hour;
    ret->minutes = UINT64_C(1) << minute;
    (void)snprintf(ret->text, sizeof ret->text, "%d %d * * *", minute, hour);
}

static void set_option(struct story *story, struct plan_of_schedule *s, const char *word)
{
    const char *value = strchr(word, '=');
    size_t length = value == NULL ? 0 : (size_t)(value - word);
    int count = 1;
    if (length == 9 && strncmp(word, "instances", length) == 0) {
        count = (int)strtol(value + 1, NULL, 10);
        if (count < 1 || count > WORLD_INSTANCES_MAX)
            refuse("how many?");
        if (count > story->sim.world.instance_count)
            story->sim.world.instance_count = count;
        for (int i = 0; i < count; i++)
            s->has[i] = true;
    } else if (length == 6 && strncmp(word, "within", length) == 0) {
        s->start_within_us = duration_of(value + 1);
    } else if (length == 15 && strncmp(word, "complete_within", length) == 0) {
        s->complete_within_us = duration_of(value + 1);
    } else if (length == 12 && strncmp(word, "retry_failed", length) == 0) {
        s->retry_failed = (int)strtol(value + 1, NULL, 10);
    } else if (strcmp(word, "overlap=allow") == 0) {
        s->forbids_overlap = false;
    } else if (strcmp(word, "unknown=resend") == 0) {
        s->resends = true;
    } else {
        refuse("no such option");
    }
}

static void add_schedule(struct story *story, const struct line *line)
{
    if (line->count < 4)
        refuse("a name and a rule");
    struct generation *g = &story->sim.world.generations[0];
    struct plan_of_schedule *s = &g->schedules[schedule_of(line->words[1])];
    *s = (struct plan_of_schedule){.present = true,
                                   .start_within_us = 4 * 3600 * US_PER_SECOND,
                                   .complete_within_us = 86400 * US_PER_SECOND,
                                   .catches_up = true,
                                   .forbids_overlap = true};
    make_rule(line, &s->rule);
    s->has[0] = true;
    for (int i = 4; i < line->count; i++)
        set_option(story, s, line->words[i]);
}

static void add_run(struct story *story, const struct line *line)
{
    if (line->count < 6 || story->run_count == RUNS_MAX)
        refuse("a run, how many backups it has, and its events");
    struct told_run *run = &story->runs[story->run_count++];
    *run = (struct told_run){.schedule = schedule_of(line->words[1]),
                             .instance = (int)strtol(line->words[2], NULL, 10),
                             .slot = instant_of(line->words[3]),
                             .backups = (int)strtol(line->words[4], NULL, 10),
                             .is_expected = true};
    struct text text = text_over(run->expected, sizeof run->expected);
    for (int i = 5; i < line->count; i++)
        text_addf(&text, " %s", line->words[i]);
}

/* What the owner of the loop does is an act of the script; the rest is the teller's. */
static void add_happening(struct story *story, const struct line *line)
{
    static const struct {
        const char *word;
        enum act_kind kind;
    } acts[] = {{"crash", ACT_CRASH},
                {"restart", ACT_RESTART},
                {"suspend", ACT_SUSPEND},
                {"set", ACT_STEP}};
    if (line->count < 4 || story->count == LINES_MAX)
        refuse("an instant and what happens");
    int64_t at = true_time(story, instant_of(line->words[1]));
    struct world *world = &story->sim.world;
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
        if (strcmp(line->words[2], acts[i].word) == 0) {
            world->acts[world->act_count++] =
                (struct act){at, acts[i].kind, -1, duration_of(line->words[3]), false};
            return;
        }
    story->lines[story->count] = *line;
    story->at[story->count++] = at;
}

static void read_line(struct story *story, const struct line *line)
{
    struct world *world = &story->sim.world;
    const char *word = line->words[0];
    if (line->count == 0)
        return;
    if (strcmp(word, "start") == 0 && line->count == 2) {
        story->start = instant_of(line->words[1]);
        world->real_us = story->start.us;
        world->built_us = story->start.us - 86400 * US_PER_SECOND;
    } else if (strcmp(word, "settle") == 0 && line->count == 2) {
        world->settle_us = duration_of(line->words[1]);
    } else if (strcmp(word, "schedule") == 0) {
        add_schedule(story, line);
    } else if (strcmp(word, "at") == 0) {
        add_happening(story, line);
    } else if (strcmp(word, "run") == 0) {
        add_run(story, line);
    } else if (strcmp(word, "end") == 0 && line->count == 2) {
        int64_t end = true_time(story, instant_of(line->words[1]));
        world->acts[world->act_count++] = (struct act){end, ACT_QUIET, 0, 0, true};
        world->acts[world->act_count++] = (struct act){end, ACT_DRAIN, 0, 0, false};
    } else {
        refuse("what is that?");
    }
}

static void read_file(struct story *story)
{
    FILE *file = fopen(story->path, "r");
    char text[256];
    struct line line;
    reading = story->path;
    reading_line = 0;
    if (file == NULL)
        refuse("cannot be read");
    while (fgets(text, sizeof text, file) != NULL) {
        reading_line++;
        split(text, &line);
        read_line(story, &line);
    }
    (void)fclose(file);
}

static void make_world(struct story *story)
{
    struct world *world = &story->sim.world;
    *world = (struct world){.seed = 1,
                            .kind = WORLD_LONG,
                            .instance_count = 1,
                            .host_count = 1,
                            .durable = true,
                            .settle_us = 60 * US_PER_SECOND,
                            .generation_count = 1};
    world->calm = (struct faults){.leave_max_us = 1000, .latency_max_us = LATENCY_US};
    world->faults = world->calm;
    struct generation *g = &world->generations[0];
    g->per_second = 20;
    g->burst = 1;
    g->max_in_flight = 32;
    g->connect_timeout_us = 5 * US_PER_SECOND;
    g->timeout_us = 30 * US_PER_SECOND;
    read_file(story);
}

/* ---- what happens ---- */

static void cloud_becomes(struct story *story, const struct line *line)
{
    struct faults *f = &story->sim.world.faults;
    const char *word = line->words[3];
    const char *what = line->count > 4 ? line->words[4] : "";
    f->lost_after = f->lost_before = f->not_sent = f->gateway = 0;
    f->latency_max_us = LATENCY_US;
    if (strcmp(word, "loses") == 0 && strcmp(what, "answers") == 0)
        f->lost_after = ALWAYS;
    else if (strcmp(word, "loses") == 0 && strcmp(what, "requests") == 0)
        f->lost_before = ALWAYS;
    else if (strcmp(word, "is") == 0 && strcmp(what, "down") == 0)
        f->not_sent = ALWAYS;
    else if (strcmp(word, "is") == 0 && strcmp(what, "slow") == 0)
        f->latency_max_us = SLOW_US;
    else if (strcmp(word, "answers") == 0)
        f->gateway = ALWAYS;
    else if (strcmp(word, "well") != 0)
        refuse("what is the cloud?");
}

static struct errand errand_of(const struct line *line)
{
    const char *word = line->words[2];
    struct errand errand = {.kind = strcmp(word, "order") == 0   ? ERRAND_RUN
                                    : strcmp(word, "pause") == 0 ? ERRAND_PAUSE
                                                                 : ERRAND_RESUME,
                            .schedule = schedule_of(line->words[3])};
    if (errand.kind == ERRAND_PAUSE && line->count > 4)
        errand.for_us = duration_of(line->words[4]);
    for (int i = 4; errand.kind == ERRAND_RUN && i < line->count; i++)
        errand.names[errand.name_count++] =
            (struct errand_name){errand.schedule, (int)strtol(line->words[i], NULL, 10)};
    return errand;
}

static void happens(void *context, uint64_t index)
{
    struct story *story = context;
    struct sim *sim = &story->sim;
    const struct line *line = &story->lines[index];
    const char *word = line->words[2];
    struct faults *f = &sim->world.faults;
    reading_line = line->number;
    sim->faults = f;
    trace_line(&sim->trace, "line %d: %s %s", line->number, word, line->words[3]);
    if (strcmp(word, "cloud") == 0) {
        cloud_becomes(story, line);
    } else if (strcmp(word, "tasks") == 0) {
        f->task_us = duration_of(line->words[3]);
        f->task_fails = line->count > 4 ? 1000 : 0;
    } else if (strcmp(word, "console") == 0 && line->count > 4) {
        tasks_begin(sim, (int)strtol(line->words[3], NULL, 10),
                    line->count > 5 ? line->words[5] : "", TASK_OF_OTHERS, sim->clock.now,
                    duration_of(line->words[4]));
    } else if (strcmp(word, "ledger") == 0) {
        f->ledger_refuses = strcmp(line->words[3], "full") == 0 ? 1000 : 0;
    } else if (strcmp(word, "order") == 0 || strcmp(word, "pause") == 0
               || strcmp(word, "resume") == 0) {
        const struct errand errand = errand_of(line);
        errand_run(sim, &errand);
    } else {
        refuse("what happens?");
    }
}

/* ---- what is heard ---- */

static const struct field *field_of(const struct event *event, const char *key)
{
    for (size_t i = 0; i < event->count; i++)
        if (strcmp(event->fields[i].key, key) == 0)
            return &event->fields[i];
    return NULL;
}

static struct told_run *run_of(struct story *story, int schedule, int instance, struct wall slot)
{
    for (int i = 0; i < story->run_count; i++) {
        struct told_run *run = &story->runs[i];
        if (run->schedule == schedule && run->instance == instance && run->slot.us == slot.us)
            return run;
    }
    if (story->run_count == RUNS_MAX)
        return NULL;
    struct told_run *run = &story->runs[story->run_count++];
    *run = (struct told_run){.schedule = schedule, .instance = instance, .slot = slot};
    return run;
}

static void heard(void *context, const struct event *event)
{
    struct story *story = context;
    const struct field *schedule = field_of(event, "schedule");
    const struct field *instance = field_of(event, "instance");
    const struct field *slot = field_of(event, "slot");
    if (strncmp(event->name, "backup_", 7) != 0 || schedule == NULL || slot == NULL)
        return;
    int number = instance == NULL ? -1 : (int)strtol(instance->text + 7, NULL, 10);
    struct told_run *run =
        run_of(story, ledger_find_schedule(schedule->text), number, (struct wall){slot->number});
    if (run == NULL)
        return;
    size_t length = strlen(run->heard);
    const char *last = strrchr(run->heard, ' ');
    const char *word = event->name + 7;
    bool again = last != NULL && strncmp(last + 1, word, strlen(word)) == 0;
    if (again && run->heard[length - 1] == '+')
        return;
    (void)snprintf(run->heard + length, sizeof run->heard - length, "%s%s", again ? "" : " ",
                   again ? "+" : word);
}

/* ---- the comparison ---- */

static int backups_of(struct story *story, const struct told_run *run)
{
    const struct sim *sim = &story->sim;
    int count = 0;
    for (size_t i = 0; i < sim->cloud.tasks.count; i++) {
        const struct task *task = &sim->cloud.tasks.list[i];
        if (task->record == TASK_OF_OTHERS || task_status(task, sim->clock.now) == STATUS_FAILED)
            continue;
        const struct record *r = &sim->oracle.records[task->record];
        count += r->schedule == run->schedule && r->instance == run->instance
                 && r->slot.us == run->slot.us;
    }
    return count;
}

static void compare(struct story *story)
{
    char slot[CIVIL_TEXT_MAX];
    for (int i = 0; i < story->run_count; i++) {
        const struct told_run *run = &story->runs[i];
        int backups = backups_of(story, run);
        if (strcmp(run->heard, run->expected) == 0 && backups == run->backups)
            continue;
        story->failures++;
        (void)printf("%s: %s %d %s: expected %d backups and%s, there are %d and%s\n", story->path,
                     world_schedule_name(run->schedule), run->instance,
                     civil_format_utc(run->slot, slot), run->backups,
                     run->is_expected ? run->expected : " nothing", backups,
                     run->heard[0] == '\0' ? " nothing" : run->heard);
    }
    if (story->sim.oracle.broken != RULE_NONE) {
        story->failures++;
        (void)printf("%s: rule %s: %s\n", story->path, rule_text(story->sim.oracle.broken),
                     story->sim.oracle.what);
    }
}

static bool holds(const char *path, bool trace)
{
    static struct story story;
    story = (struct story){.path = path};
    story.sim.trace.print = trace ? stdout : NULL;
    make_world(&story);
    const struct teller teller = {&story, happens, heard, story.at, story.count};
    sim_tell(&story.sim, &teller);
    compare(&story);
    sim_finish(&story.sim);
    return story.failures == 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    bool trace = argc > 1 && strcmp(argv[1], "--trace") == 0;
    for (int i = 1 + trace; i < argc; i++)
        failed += !holds(argv[i], trace);
    (void)printf("%d of %d stories fail\n", failed, argc - 1 - trace);
    return failed == 0 && argc > 1 + trace ? 0 : 1;
}
