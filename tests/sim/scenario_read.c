/* See scenario.h: the lines of a file, and the configuration that they make. */
#include "sim/scenario.h"

#include "base/civil.h"
#include "base/text.h"
#include "unit/zone_file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX 256
#define DAYS_MAX 1000000
#define URL "https://redis.tencentcloudapi.com/"

static const char *reading; /* the file and the line, for a complaint */
static int reading_line;

__attribute__((noreturn)) static void refuse(const char *what)
{
    (void)fprintf(stderr, "%s:%d: %s\n", reading, reading_line, what);
    exit(2);
}

/* Words are divided by spaces; quotes keep them together. */
static int split(char *line, char words[SCENARIO_WORDS_MAX][80])
{
    int count = 0;
    for (char *at = line; *at != '\0';) {
        while (*at == ' ' || *at == '\n')
            at++;
        if (*at == '\0' || *at == '#')
            break;
        const char *stop = *at == '"' ? "\"" : " \n";
        at += *at == '"';
        size_t length = strcspn(at, stop);
        if (count == SCENARIO_WORDS_MAX || length >= sizeof words[0])
            refuse("too long");
        memcpy(words[count], at, length);
        words[count++][length] = '\0';
        at += length + (at[length] == '"');
    }
    return count;
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
    char *end;
    int64_t days = strtoll(word, &end, 10);
    if (strcmp(end, "d") == 0 && days >= 0 && days < DAYS_MAX)
        return days * SECONDS_PER_DAY * US_PER_SECOND; /* more than a configuration may say */
    if (text_parse_duration(word, &us, NULL) != 0)
        refuse("no duration");
    return us;
}

static void name_of(const char *word, char ret[SCENARIO_NAME_MAX])
{
    if (strlen(word) >= SCENARIO_NAME_MAX)
        refuse("the name is too long");
    (void)snprintf(ret, SCENARIO_NAME_MAX, "%s", word);
}

static void add_act(struct scenario *scenario, enum line_word word, struct wall at,
                    char words[SCENARIO_WORDS_MAX][80], int count)
{
    if (scenario->act_count == SCENARIO_LINES_MAX)
        refuse("too many lines");
    struct scenario_act *act = &scenario->acts[scenario->act_count++];
    *act = (struct scenario_act){.word = word,
                                 .line = reading_line,
                                 .at = at,
                                 .count = count,
                                 .is_initial = at.us == INT64_MIN && scenario->expected_count == 0};
    memcpy(act->words, words, sizeof act->words);
}

/* at INSTANT WORD [DURATION] */
static void read_at(struct scenario *scenario, char words[SCENARIO_WORDS_MAX][80], int count)
{
    static const char *const names[] = {"reload", "set", "suspend", "crash", "restart"};
    struct wall at = count > 2 ? instant_of(words[1]) : (struct wall){0};
    for (int i = 0; count > 2 && i < 5; i++) {
        if (strcmp(words[2], names[i]) != 0)
            continue;
        if (count != (i == 0 ? 3 : 4))
            break;
        add_act(scenario, (enum line_word)(LINE_RELOAD + i), at, words, count);
        bool back = i > 0 && words[3][0] == '-';
        if (i > 0)
            scenario->acts[scenario->act_count - 1].us =
                (back ? -1 : 1) * duration_of(words[3] + back);
        return;
    }
    refuse("what is to be done?");
}

/* ran NAME SLOT [INSTANT]; missed, skipped NAME SLOT [COUNT] */
static bool read_expected(struct scenario *scenario, char words[SCENARIO_WORDS_MAX][80], int count)
{
    static const char *const names[] = {"ran", "missed", "skipped"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(words[0], names[i]) != 0)
            continue;
        if (count < 3 || count > 4 || scenario->expected_count == SCENARIO_LINES_MAX)
            refuse("a name and a slot");
        struct scenario_outcome *o = &scenario->expected[scenario->expected_count++];
        *o = (struct scenario_outcome){.fate = (enum scenario_fate)i, .line = reading_line};
        name_of(words[1], o->name);
        o->slot = instant_of(words[2]);
        o->at = i == 0 && count == 4 ? instant_of(words[3]) : o->slot;
        o->count = i > 0 && count == 4 ? strtoll(words[3], NULL, 10) : 1;
        return true;
    }
    return false;
}

static void read_line(struct scenario *scenario, char words[SCENARIO_WORDS_MAX][80], int count)
{
    static const char *const names[] = {"define", "schedule", "remove"};
    struct wall last = scenario->act_count > 0 ? scenario->acts[scenario->act_count - 1].at
                                               : (struct wall){INT64_MIN};
    if (read_expected(scenario, words, count))
        return;
    for (int i = 0; i < 3; i++) {
        if (strcmp(words[0], names[i]) == 0) {
            add_act(scenario, (enum line_word)(LINE_DEFINE + i), last, words, count);
            return;
        }
    }
    if (strcmp(words[0], "at") == 0) {
        read_at(scenario, words, count);
    } else if (strcmp(words[0], "says") == 0 && count == 3
               && scenario->says_count < SCENARIO_ZONES_MAX) {
        struct scenario_says *says = &scenario->says[scenario->says_count++];
        (void)snprintf(says->event, sizeof says->event, "%.31s", words[1]);
        says->count = strtoll(words[2], NULL, 10);
    } else if (strcmp(words[0], "start") == 0 && count == 2) {
        scenario->start = instant_of(words[1]);
    } else if (strcmp(words[0], "built") == 0 && count == 2) {
        scenario->built = instant_of(words[1]);
    } else if (strcmp(words[0], "end") == 0 && count == 2) {
        scenario->end = instant_of(words[1]);
    } else {
        refuse("an unknown word");
    }
}

void scenario_read(const char *path, struct scenario *ret)
{
    char line[LINE_BYTES_MAX];
    *ret = (struct scenario){.start = {0}};
    reading = path;
    reading_line = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        refuse(strerror(errno));
    while (fgets(line, sizeof line, file) != NULL) {
        char words[SCENARIO_WORDS_MAX][80] = {{0}};
        reading_line++;
        int count = split(line, words);
        if (count > 0)
            read_line(ret, words, count);
    }
    (void)fclose(file);
    if (ret->start.us == 0 || ret->end.us <= ret->start.us)
        refuse("a start and an end");
}

/* ---- the configuration ---- */

void scenario_file_change(struct scenario_file *file, const struct scenario_act *act)
{
    reading_line = act->line;
    int place = 0;
    if (act->word == LINE_DEFINE) {
        while (place < file->zone_count && strcmp(file->zones[place][0], act->words[1]) != 0)
            place++;
        if (place == SCENARIO_ZONES_MAX || act->count != 3)
            refuse("a zone and its rule");
        memcpy(file->zones[place], act->words[1], sizeof file->zones[place]);
        file->zone_count += place == file->zone_count;
        return;
    }
    while (place < file->schedule_count
           && strcmp(file->schedules[place].words[1], act->words[1]) != 0)
        place++;
    if (act->word == LINE_REMOVE) {
        if (place == file->schedule_count)
            refuse("no such schedule");
        file->schedules[place] = file->schedules[--file->schedule_count];
        return;
    }
    if (place == SCENARIO_SCHEDULES_MAX || act->count < 4)
        refuse("a name, a zone and an expression");
    file->schedules[place] = *act;
    file->schedule_count += place == file->schedule_count;
}

static struct zone *make_zone(const struct scenario_file *file, const char *name)
{
    struct zone *zone;
    for (int i = 0; i < file->zone_count; i++) {
        if (strcmp(file->zones[i][0], name) != 0)
            continue;
        if (zone_parse_posix(file->zones[i][1], &zone, NULL) != 0)
            refuse("not a POSIX TZ string");
        return zone;
    }
    return zone_file_load(ZONE_DIRECTORY_KEPT, name, INT64_MAX);
}

static const char *keep(struct config *config, const char *text)
{
    const char *kept;
    int r = config_string(config, text, strlen(text), true, &kept);
    assert(r == 0);
    return kept;
}

static void read_option(struct schedule *schedule, const char *option)
{
    if (strncmp(option, "within=", 7) == 0)
        schedule->start_within_us = duration_of(option + 7);
    else if (strncmp(option, "spread=", 7) == 0)
        schedule->spread_us = duration_of(option + 7);
    else if (strcmp(option, "catch_up=none") == 0)
        schedule->catch_up = CATCH_UP_NONE;
    else if (strcmp(option, "paused") == 0)
        schedule->paused = true;
    else
        refuse("an unknown option");
}

/* schedule NAME ZONE "CRON" [OPTION...], or  NAME every DURATION */
static void add_schedule(const struct scenario_file *file, const struct scenario_act *act,
                         struct config *config, struct wall now)
{
    struct schedule *schedule;
    struct instance *instance;
    char id[SCENARIO_NAME_MAX + 4];
    reading_line = act->line;
    int r = config_add_schedule(config, &schedule);
    assert(r == 0);
    schedule->name = keep(config, act->words[1]);
    schedule->overlap = OVERLAP_ALLOW; /* nobody answers what becomes of a backup */
    schedule->when_text = keep(config, act->words[3]);
    schedule->zone_name = keep(config, act->words[2]);
    if (strcmp(act->words[2], "every") == 0) {
        schedule->when = (struct recurrence){.kind = RECURRENCE_EVERY, .zone = zone_utc()};
        schedule->when.period_us = duration_of(act->words[3]);
    } else {
        struct zone *zone = make_zone(file, act->words[2]);
        schedule->when = (struct recurrence){.kind = RECURRENCE_CRON, .zone = zone};
        if (cron_parse(act->words[3], &schedule->when.cron, NULL) != 0)
            refuse("no cron expression");
        r = config_add_zone(config, zone);
        assert(r == 0);
    }
    schedule->start_within_us = schedule_default_start_within(schedule, now);
    for (int i = 4; i < act->count; i++)
        read_option(schedule, act->words[i]);
    r = config_add_instance(config, schedule, &instance);
    assert(r == 0);
    (void)snprintf(id, sizeof id, "crs-%.15s", act->words[1]);
    instance->id = keep(config, id);
    instance->region = "ap-guangzhou";
    instance->remark = "";
    r = config_add_host(config, URL, &instance->host);
    assert(r == 0);
}

struct config *scenario_file_config(const struct scenario_file *file, struct wall now)
{
    struct config *config;
    int r = config_create(&config);
    assert(r == 0);
    for (int i = 0; i < file->schedule_count; i++)
        add_schedule(file, &file->schedules[i], config, now);
    return config;
}
