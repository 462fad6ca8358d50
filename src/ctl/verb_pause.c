/* pause and resume: a schedule rests, until it is resumed or a time comes. */
#include "ctl/answer.h"
#include "ctl/dialogue.h"
#include "ctl/when.h"
#include "engine/model.h"
#include "ports/clock_system.h"

struct pause {
    struct dialogue_options where;
    const char *schedule;
    const char *until_text;
    struct wall until;
};

static void put(const void *context, struct json_writer *request)
{
    const struct pause *pause = context;
    json_put_text(request, "schedule", pause->schedule);
    if (pause->until_text != NULL)
        json_put_instant(request, "until", pause->until);
}

static void print(struct json_value end)
{
    char name[MODEL_NAME_MAX + 1];
    char at[WHEN_TEXT_MAX];
    struct wall until;
    (void)answer_text(end, "schedule", name, sizeof name);
    if (!answer_flag(end, "paused"))
        (void)printf("%s is resumed\n", name);
    else if (answer_instant(end, "until", &until))
        (void)printf("%s is paused until %s\n", name, when_short(until, at));
    else
        (void)printf("%s is paused\n", name);
}

static int ask(struct ctl *ctl, struct pause *pause)
{
    const struct dialogue_rows rows = {.json = ctl->json ? stdout : NULL};
    struct json end;
    struct errtext err = {""};
    if (pause->schedule == NULL)
        return ctl_complain_usage(ctl, "%s needs a schedule", ctl->verb->name);
    int exit_code = dialogue_once(&pause->where, ctl->verb->name, put, pause, &rows, &end, &err);
    if (exit_code != CTL_GO_ON)
        return ctl_complain(exit_code, "%s", err.text);
    if (!ctl->json)
        print(answer_member(json_root(&end), "end"));
    json_finish(&end);
    return CTL_DONE;
}

static int run_pause(struct ctl *ctl, int argc, char **argv)
{
    struct pause pause = {.schedule = NULL};
    struct errtext err = {""};
    const struct ctl_option options[] = {
        DIALOGUE_OPTIONS(pause.where),
        {.name = "--until", .value = &pause.until_text},
    };
    int exit_code =
        ctl_parse(ctl, argc, argv, options, sizeof options / sizeof options[0], &pause.schedule, 1);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    struct wall now = clock_now().wall;
    if (pause.until_text != NULL && when_parse(pause.until_text, now, 1, &pause.until, &err) != 0)
        return ctl_complain(CTL_BAD_DATA, "--until: %s", err.text);
    if (pause.until_text != NULL && !wall_before(now, pause.until))
        return ctl_complain(CTL_BAD_DATA, "--until: that time has passed");
    return ask(ctl, &pause);
}

static int run_resume(struct ctl *ctl, int argc, char **argv)
{
    struct pause pause = {.schedule = NULL};
    const struct ctl_option options[] = {DIALOGUE_OPTIONS(pause.where)};
    int exit_code =
        ctl_parse(ctl, argc, argv, options, sizeof options / sizeof options[0], &pause.schedule, 1);
    return exit_code != CTL_GO_ON ? exit_code : ask(ctl, &pause);
}

const struct verb verb_pause = {
    .name = "pause",
    .arguments = "SCHEDULE [--until TIME]",
    .summary = "let a schedule rest, over restarts too",
    .help = "Its slots are skipped, and none of them is caught up later. What is under way\n"
            "goes on.\n"
            "\n"
            "  --until TIME        a duration from now, such as 6h, or an instant, such as\n"
            "                      2026-11-24T06:00:00+08:00; until it is resumed where\n"
            "                      absent\n" DIALOGUE_HELP,
    .run = run_pause,
};

const struct verb verb_resume = {
    .name = "resume",
    .arguments = "SCHEDULE",
    .summary = "end the rest of a schedule",
    .help = "Its next slot runs again. One that is paused in the file is resumed there.\n"
            "\n" DIALOGUE_HELP,
    .run = run_resume,
};
