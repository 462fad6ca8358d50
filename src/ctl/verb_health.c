/* health: for probes. The exit code says it, stdout why. */
#include "ctl/answer.h"
#include "ctl/dialogue.h"

static void print(struct json_value end)
{
    struct json_value reason = {NULL, NULL};
    struct json_value reasons = answer_member(end, "reasons");
    char text[512];
    (void)printf("%s\n", answer_flag(end, "healthy") ? "healthy" : "unhealthy");
    while (reasons.item != NULL && json_next(reasons, &reason))
        if (answer_own_text(reason, text, sizeof text))
            (void)printf("%s\n", text);
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    struct dialogue_options where = {.socket = NULL};
    const struct ctl_option options[] = {DIALOGUE_OPTIONS(where)};
    int exit_code =
        ctl_parse(ctl, argc, argv, options, sizeof options / sizeof options[0], NULL, 0);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    const struct dialogue_rows rows = {.json = ctl->json ? stdout : NULL};
    struct json json;
    struct errtext err = {""};
    exit_code = dialogue_once(&where, "health", NULL, NULL, &rows, &json, &err);
    if (exit_code != CTL_GO_ON)
        return ctl_complain(exit_code, "%s", err.text);
    struct json_value end = answer_member(json_root(&json), "end");
    if (!ctl->json)
        print(end);
    exit_code = answer_flag(end, "healthy") ? CTL_DONE : CTL_FAILED;
    json_finish(&json);
    return exit_code;
}

const struct verb verb_health = {
    .name = "health",
    .arguments = "[--timeout DURATION]",
    .summary = "whether the daemon can do its work, for probes",
    .help = "Prints healthy or unhealthy, and the reasons, a line each: it is stopping, the\n"
            "ledger cannot record, the clock is not believed, there are no keys that hold, or\n"
            "the cloud refuses them. It says nothing about the backups: check-age does.\n"
            "\n" DIALOGUE_HELP "\nExit: 0 healthy; 1 unhealthy; 69 no daemon answers.\n",
    .run = run,
};
