/*
 * check-age: is the newest good backup of every instance young enough? One line and an exit code in
 * the form of the monitoring plug-ins (Nagios and its kin): whatever goes wrong is UNKNOWN, and
 * said on stdout.
 */
#include "base/text.h"
#include "ctl/answer.h"
#include "ctl/dialogue.h"
#include "ctl/when.h"
#include "engine/model.h"

#include <string.h>

#define LINE_SIZE 2048
#define WORST_SHOWN 5

struct age {
    struct dialogue_options where;
    const char *max;
    const char *schedule;
    struct ctl_values instances;
    int64_t max_us;
};

static const struct {
    const char *state;
    const char *word;
    int exit_code;
} states[] = {{"ok", "OK", 0}, {"warning", "WARNING", 1}, {"critical", "CRITICAL", 2}};

static void put(const void *context, struct json_writer *request)
{
    const struct age *age = context;
    if (age->max != NULL)
        json_put_number(request, "max_age_seconds", age->max_us / US_PER_SECOND);
    json_put_known(request, "schedule", age->schedule);
    dialogue_put_values(request, "instance", &age->instances);
}

/* A bar would begin the figures. */
static void print_line(const char *word, char *line, const char *figures)
{
    for (char *at = line; *at != '\0'; at++)
        if (*at == '|')
            *at = '/';
    (void)printf("CRSBACKUP %s - %s%s\n", word, line, figures);
}

static int unknown(const char *text)
{
    char line[LINE_SIZE];
    struct text t = text_over(line, sizeof line);
    text_add_line(&t, text, strlen(text));
    print_line("UNKNOWN", line, "");
    return CTL_UNKNOWN;
}

static void add_worst(struct text *t, struct json_value end)
{
    struct json_value worst = answer_member(end, "worst");
    struct json_value row = {NULL, NULL};
    char instance[MODEL_INSTANCE_ID_MAX + 1];
    char schedule[MODEL_NAME_MAX + 1];
    char span[WHEN_TEXT_MAX];
    for (int shown = 0; worst.item != NULL && json_next(worst, &row); shown++) {
        if (shown == WORST_SHOWN) {
            text_add(t, ", ...");
            return;
        }
        (void)answer_text(row, "instance", instance, sizeof instance);
        (void)answer_text(row, "schedule", schedule, sizeof schedule);
        text_addf(t, "%s%s in %s ", shown == 0 ? ": " : ", ", instance, schedule);
        if (answer_flag(row, "never") || !answer_has(row, "age_seconds"))
            text_add(t, "never");
        else
            text_add(t, when_span(wall_from_seconds(answer_number(row, "age_seconds")).us, span));
    }
}

static void describe(struct text *t, struct json_value end)
{
    struct json_value oldest = answer_member(end, "oldest");
    char instance[MODEL_INSTANCE_ID_MAX + 1];
    char span[WHEN_TEXT_MAX];
    long long overdue = answer_number(end, "overdue");
    long long never = answer_number(end, "never");
    text_addf(t, "%lld instances", (long long)answer_number(end, "checked"));
    if (overdue > 0)
        text_addf(t, ", %lld overdue", overdue);
    if (never > 0)
        text_addf(t, ", %lld without a good backup so far", never);
    if (answer_text(oldest, "instance", instance, sizeof instance))
        text_addf(t, ", oldest backup %s (%s)",
                  when_span(wall_from_seconds(answer_number(oldest, "age_seconds")).us, span),
                  instance);
    if (answer_number(end, "paused") > 0)
        text_addf(t, ", %lld paused are left out", (long long)answer_number(end, "paused"));
    add_worst(t, end);
}

static int tell(const struct ctl *ctl, struct json_value end)
{
    char state[32];
    char line[LINE_SIZE];
    char figures[160];
    struct text t = text_over(line, sizeof line);
    struct text f = text_over(figures, sizeof figures);
    (void)answer_text(end, "state", state, sizeof state);
    const char *word = "UNKNOWN";
    int exit_code = CTL_UNKNOWN;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(state, states[i].state) == 0) {
            word = states[i].word;
            exit_code = states[i].exit_code;
        }
    }
    if (ctl->json)
        return exit_code;
    struct json_value oldest = answer_member(end, "oldest");
    describe(&t, end);
    text_addf(&f, " | overdue=%lld;;0 never=%lld", (long long)answer_number(end, "overdue"),
              (long long)answer_number(end, "never"));
    if (oldest.item != NULL)
        text_addf(&f, " oldest=%llds", (long long)answer_number(oldest, "age_seconds"));
    print_line(word, line, figures);
    return exit_code;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    struct age age = {.max = NULL};
    const struct ctl_option options[] = {
        DIALOGUE_OPTIONS(age.where),
        {.name = "--max", .value = &age.max},
        {.name = "--schedule", .value = &age.schedule},
        {.name = "--instance", .values = &age.instances},
    };
    int exit_code =
        ctl_parse(ctl, argc, argv, options, sizeof options / sizeof options[0], NULL, 0);
    if (exit_code == CTL_DONE)
        return CTL_DONE;
    if (exit_code != CTL_GO_ON)
        return unknown("wrong usage");
    struct json json;
    struct errtext err = {""};
    if (age.max != NULL && text_parse_duration(age.max, &age.max_us, &err) != 0)
        return unknown(err.text);
    if (age.max != NULL && age.max_us < US_PER_SECOND)
        return unknown("--max is at least 1s");
    const struct dialogue_rows rows = {.json = ctl->json ? stdout : NULL};
    exit_code = dialogue_once(&age.where, "check-age", put, &age, &rows, &json, &err);
    if (exit_code != CTL_GO_ON)
        return unknown(err.text);
    exit_code = tell(ctl, answer_member(json_root(&json), "end"));
    json_finish(&json);
    return exit_code;
}

const struct verb verb_check_age = {
    .name = "check-age",
    .arguments = "[--max AGE] [--schedule NAME] [--instance ID]...",
    .summary = "whether every newest good backup is young enough, for Nagios",
    .help = "Prints one line in the form of the monitoring plug-ins. Without --max an age is\n"
            "too great where it is beyond the longest gap of the schedule, with its spread\n"
            "and start_within and an hour for the backup itself. Paused schedules are left\n"
            "out.\n"
            "\n"
            "  --max AGE           such as 26h\n"
            "  --schedule NAME     of this schedule alone\n"
            "  --instance ID       of this instance alone; may come again\n" DIALOGUE_HELP "\n"
            "Exit: 0 OK; 1 WARNING, an instance has no good backup yet, and has not been\n"
            "known for long; 2 CRITICAL, one is too old; 3 UNKNOWN, no daemon answers, wrong\n"
            "usage, and whatever else.\n",
    .run = run,
};
