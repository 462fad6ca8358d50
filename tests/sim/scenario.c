/*
 * Tells the scenarios of the files that are named: each runs the engine on virtual clocks against a
 * cloud that accepts at once and a durable ledger, and compares what happened with what the file
 * expects. See scenario.h for the files.
 */
#include "sim/scenario.h"

#include "base/civil.h"
#include "sim/clock.h"
#include "unit/engine_twin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURNS_MAX 1000000
#define SLACK_US (2 * US_PER_SECOND) /* between an instant that is expected and the request */

struct story {
    struct scenario scenario;
    struct scenario_file file;
    struct clock clock;
    struct twin twin;
    int next_act;
    int lines_read; /* of the twin's journal */
    struct scenario_outcome seen[SCENARIO_LINES_MAX];
    int seen_count;
    int failures;
};

static struct wall true_time(const struct story *story)
{
    return wall_add_us(story->scenario.start, story->clock.now / NS_PER_US);
}

/* ---- what happened ---- */

static const char *field(const char *line, const char *key, char *ret, size_t size)
{
    const char *at = strstr(line, key);
    ret[0] = '\0';
    if (at != NULL)
        (void)snprintf(ret, size, "%.*s", (int)strcspn(at + strlen(key), " "), at + strlen(key));
    return ret;
}

static enum scenario_fate fate_of(const char *event)
{
    static const char *const names[] = {"backup_submitted", "backup_missed", "backup_skipped"};
    for (int i = 0; i < 3; i++)
        if (strcmp(event, names[i]) == 0)
            return (enum scenario_fate)i;
    return FATE_OTHER;
}

static struct scenario_outcome *last_of(struct story *story, const char *name)
{
    for (int i = story->seen_count; i-- > 0;)
        if (strcmp(story->seen[i].name, name) == 0)
            return &story->seen[i];
    return NULL;
}

/* Slots in a row that shared their fate are one outcome. */
static void note(struct story *story, const char *line)
{
    char event[40];
    char slot[40];
    char count[24];
    struct scenario_outcome o = {.at = true_time(story), .count = 1};
    field(line, "event=", event, sizeof event);
    if (strncmp(event, "backup_", 7) != 0 || strcmp(event, "backup_retry") == 0
        || strcmp(event, "backup_succeeded") == 0)
        return;
    o.fate = fate_of(event);
    field(line, " schedule=", o.name, sizeof o.name);
    if (civil_parse(field(line, " slot=", slot, sizeof slot), &o.slot, NULL) != 0)
        abort();
    if (field(line, " slots=", count, sizeof count)[0] != '\0')
        o.count = strtoll(count, NULL, 10);
    struct scenario_outcome *last = last_of(story, o.name);
    if (last != NULL && o.fate != FATE_RAN && last->fate == o.fate && last->at.us == o.at.us)
        last->count += o.count;
    else if (story->seen_count < SCENARIO_LINES_MAX)
        story->seen[story->seen_count++] = o;
}

static void take_lines(struct story *story)
{
    for (; story->lines_read < story->twin.line_count; story->lines_read++)
        note(story, story->twin.lines[story->lines_read]);
}

/* ---- time goes on ---- */

static void turn(struct story *story)
{
    struct twin *twin = &story->twin;
    twin->now = clock_sample(&story->clock);
    twin_step(twin);
    for (int i = 0; i < twin->sent_count; i++)
        if (!twin->sent[i].answered)
            twin_accept(twin, i);
    for (int i; (i = twin_find(twin, "DescribeTaskInfo")) >= 0;)
        twin_answer(twin, i, "\"Status\":\"succeed\"");
    take_lines(story);
}

static void begin(struct story *story)
{
    story->twin.now = clock_sample(&story->clock);
    twin_start(&story->twin, scenario_file_config(&story->file, story->twin.now.wall));
    turn(story);
}

static void act(struct story *story, const struct scenario_act *act)
{
    struct twin *twin = &story->twin;
    int64_t ns = act->us * NS_PER_US;
    twin->now = clock_sample(&story->clock);
    switch (act->word) {
    case LINE_DEFINE:
    case LINE_SCHEDULE:
    case LINE_REMOVE:
        scenario_file_change(&story->file, act);
        return;
    case LINE_RELOAD:
        twin_reload(twin, scenario_file_config(&story->file, twin->now.wall));
        break;
    case LINE_SET:
        story->clock.step_us += act->us;
        break;
    case LINE_SUSPEND:
        story->clock.now += ns;
        story->clock.asleep += ns;
        break;
    case LINE_RESTART:
    case LINE_CRASH:
        if (act->word == LINE_RESTART)
            engine_drain(twin->engine, twin->now);
        take_lines(story);
        twin_crash(twin, 0);
        story->clock.now += ns;
        begin(story);
        return;
    }
    turn(story);
}

/* The lines that change the file come with the "at" that follows them, or with the start. */
static bool is_due(const struct story *story)
{
    const struct scenario *scenario = &story->scenario;
    if (story->next_act == scenario->act_count)
        return false;
    const struct scenario_act *next = &scenario->acts[story->next_act];
    return next->word <= LINE_REMOVE || next->at.us <= true_time(story).us;
}

static int64_t next_at(struct story *story)
{
    const struct scenario *scenario = &story->scenario;
    const struct clock *clock = &story->clock;
    struct wake wake = engine_next_wake(story->twin.engine, clock_sample(clock));
    int64_t at = clock_when_wall(clock, wake.wall);
    int64_t mono = clock_when_mono(clock, wake.mono);
    at = mono < at ? mono : at;
    at = at <= clock->now ? clock->now + NS_PER_US : at;
    struct wall other = scenario->end;
    if (story->next_act < scenario->act_count)
        other = wall_earlier(other, scenario->acts[story->next_act].at);
    int64_t other_ns = wall_diff_us(other, scenario->start) * NS_PER_US;
    return other_ns < at && other_ns > clock->now ? other_ns : at;
}

static void tell(struct story *story)
{
    const struct scenario *scenario = &story->scenario;
    for (; story->next_act < scenario->act_count && scenario->acts[story->next_act].is_initial;
         story->next_act++)
        act(story, &scenario->acts[story->next_act]);
    begin(story);
    for (int turns = 0; turns < TURNS_MAX; turns++) {
        while (is_due(story))
            act(story, &scenario->acts[story->next_act++]);
        if (true_time(story).us >= scenario->end.us)
            return;
        story->clock.now = next_at(story);
        if (!is_due(story))
            turn(story);
    }
    (void)printf("it does not come to its end\n");
    story->failures++;
}

/* ---- the comparison ---- */

static void print(const char *path, const char *what, const struct scenario_outcome *o)
{
    static const char *const fates[] = {"ran", "missed", "skipped", "another end"};
    char slot[CIVIL_TEXT_MAX];
    char at[CIVIL_TEXT_MAX];
    (void)printf("%s:%d: %s: %s %s %s %s count %" PRId64 "\n", path, o->line, what, fates[o->fate],
                 o->name, civil_format_utc(o->slot, slot), civil_format_utc(o->at, at), o->count);
}

static bool agree(const struct scenario_outcome *seen, const struct scenario_outcome *expected)
{
    int64_t late = wall_diff_us(seen->at, expected->at);
    return seen->fate == expected->fate && strcmp(seen->name, expected->name) == 0
           && seen->slot.us == expected->slot.us && seen->count == expected->count
           && (seen->fate != FATE_RAN || (late >= 0 && late <= SLACK_US));
}

/* The next outcome of the schedule, from `*place` on; NULL where there is none. */
static const struct scenario_outcome *next_of(const struct scenario_outcome *list, int count,
                                              const char *name, int *place)
{
    while (*place < count) {
        const struct scenario_outcome *o = &list[(*place)++];
        if (strcmp(o->name, name) == 0)
            return o;
    }
    return NULL;
}

/* Schedules that are due at once go in any order: each is compared for itself. */
static void compare_one(struct story *story, const char *path, const char *name)
{
    const struct scenario *scenario = &story->scenario;
    int seen_place = 0;
    int expected_place = 0;
    for (;;) {
        const struct scenario_outcome *seen =
            next_of(story->seen, story->seen_count, name, &seen_place);
        const struct scenario_outcome *expected =
            next_of(scenario->expected, scenario->expected_count, name, &expected_place);
        if (seen == NULL && expected == NULL)
            return;
        if (seen != NULL && expected != NULL && agree(seen, expected))
            continue;
        story->failures++;
        if (expected != NULL)
            print(path, "expected", expected);
        if (seen != NULL)
            print(path, "happened", seen);
        return;
    }
}

static bool is_first(const struct scenario_outcome *list, int n)
{
    int place = 0;
    return next_of(list, n, list[n].name, &place) == NULL;
}

static void compare(struct story *story, const char *path)
{
    const struct scenario *scenario = &story->scenario;
    int place = 0;
    for (int i = 0; i < scenario->expected_count; i++)
        if (is_first(scenario->expected, i))
            compare_one(story, path, scenario->expected[i].name);
    for (int i = 0; i < story->seen_count; i++, place = 0)
        if (next_of(scenario->expected, scenario->expected_count, story->seen[i].name, &place)
            == NULL) {
            story->failures++;
            print(path, "not expected", &story->seen[i]);
        }
    for (int i = 0; i < scenario->says_count; i++) {
        char text[48];
        (void)snprintf(text, sizeof text, "event=%s", scenario->says[i].event);
        int count = twin_count_lines(&story->twin, text);
        if (count == scenario->says[i].count)
            continue;
        story->failures++;
        (void)printf("%s: %s %d times, not %" PRId64 "\n", path, text, count,
                     scenario->says[i].count);
    }
}

static bool holds(const char *path, bool trace)
{
    static struct story story;
    story = (struct story){.failures = 0};
    scenario_read(path, &story.scenario);
    story.clock.real_us = story.scenario.start.us;
    twin_init(&story.twin, wall_seconds(story.scenario.start));
    story.twin.keeps_questions = true;
    twin_make_durable(&story.twin);
    story.twin.ports.built = story.scenario.built;
    tell(&story);
    compare(&story, path);
    for (int i = 0; trace && i < story.twin.line_count; i++)
        (void)printf("  %s\n", story.twin.lines[i]);
    twin_finish(&story.twin);
    return story.failures == 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    bool trace = argc > 1 && strcmp(argv[1], "--trace") == 0;
    for (int i = 1 + trace; i < argc; i++)
        failed += !holds(argv[i], trace);
    (void)printf("%d of %d scenarios fail\n", failed, argc - 1 - trace);
    return failed == 0 && argc > 1 + trace ? 0 : 1;
}
