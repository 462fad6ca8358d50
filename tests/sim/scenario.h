/*
 * Scenarios: stories of time that an operator would tell, one a file, each line a word and what
 * belongs to it. Instants are true time in UTC, 2026-03-08T07:00:00Z; durations 30s, 5m, 2h, 3d.
 *
 *   start INSTANT                     the host's clock is right then
 *   built INSTANT                     of the program; without it, no clock is too early
 *   define ZONE POSIX-TZ              a zone that is no file of tests/data/zoneinfo
 *   schedule NAME every DURATION [OPTION...]
 *   schedule NAME ZONE "CRON" [OPTION...]
 *       OPTION: within=DURATION (start_within) spread=DURATION catch_up=none paused
 *   remove NAME
 *
 *   at INSTANT reload                 takes up what the lines before it have changed
 *   at INSTANT set [-]DURATION        the host's calendar clock is set by so much
 *   at INSTANT suspend DURATION
 *   at INSTANT crash DURATION         away so long, then started by the same file
 *   at INSTANT restart DURATION       the same, stopped cleanly
 *
 *   ran NAME SLOT [INSTANT]           a backup began, at INSTANT or with its slot
 *   missed NAME SLOT [COUNT]          so many slots in a row, from SLOT on
 *   skipped NAME SLOT [COUNT]
 *   says EVENT COUNT                  lines of that event in the whole story
 *   end INSTANT
 *
 * Lines stand in the order of time. What is expected of a schedule must be all that happens to it,
 * in that order. What stands before the first "at" and the first outcome is there from the start;
 * changes further down are taken up by the next reload, crash or restart.
 */
#pragma once

#include "base/instant.h"
#include "engine/model.h"

#include <stdbool.h>
#include <stddef.h>

#define SCENARIO_SCHEDULES_MAX 4
#define SCENARIO_ZONES_MAX 4
#define SCENARIO_LINES_MAX 200
#define SCENARIO_WORDS_MAX 10
#define SCENARIO_NAME_MAX 16 /* of a schedule, its end included */

enum line_word {
    LINE_DEFINE,
    LINE_SCHEDULE,
    LINE_REMOVE,
    LINE_RELOAD,
    LINE_SET,
    LINE_SUSPEND,
    LINE_CRASH,
    LINE_RESTART,
};

/* Something that is done. */
struct scenario_act {
    enum line_word word;
    int line;
    struct wall at; /* of the last "at" for lines without one */
    int64_t us;
    bool is_initial; /* the file has it from the start */
    char words[SCENARIO_WORDS_MAX][80];
    int count;
};

enum scenario_fate {
    FATE_RAN,
    FATE_MISSED,
    FATE_SKIPPED,
    FATE_OTHER,
};

struct scenario_outcome {
    enum scenario_fate fate;
    char name[SCENARIO_NAME_MAX];
    struct wall slot;
    struct wall at; /* FATE_RAN */
    int64_t count;
    int line;
};

struct scenario_says {
    char event[32];
    int64_t count;
};

struct scenario {
    struct wall start;
    struct wall built;
    struct wall end;
    struct scenario_act acts[SCENARIO_LINES_MAX];
    int act_count;
    struct scenario_outcome expected[SCENARIO_LINES_MAX];
    int expected_count;
    struct scenario_says says[SCENARIO_ZONES_MAX];
    int says_count;
};

/* Aborts with the line where the file is not of this form. */
void scenario_read(const char *path, struct scenario *ret);

/* What the files of the story say at present. */
struct scenario_file {
    char zones[SCENARIO_ZONES_MAX][2][80]; /* name, POSIX TZ */
    int zone_count;
    struct scenario_act schedules[SCENARIO_SCHEDULES_MAX];
    int schedule_count;
};

/* LINE_DEFINE, LINE_SCHEDULE and LINE_REMOVE. */
void scenario_file_change(struct scenario_file *file, const struct scenario_act *act);

/* The config, to be frozen. */
struct config *scenario_file_config(const struct scenario_file *file, struct wall now);
