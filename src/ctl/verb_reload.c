/* reload: the daemon reads its file again, and says what is wrong with it. */
#include "ctl/ctl.h"
#include "ctl/dialogue.h"

static int run(struct ctl *ctl, int argc, char **argv)
{
    struct dialogue_options where = {.socket = NULL};
    const struct ctl_option options[] = {DIALOGUE_OPTIONS(where)};
    int exit_code =
        ctl_parse(ctl, argc, argv, options, sizeof options / sizeof options[0], NULL, 0);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    const struct dialogue_rows rows = {.json = ctl->json ? stdout : NULL};
    struct json end;
    struct errtext err = {""};
    exit_code = dialogue_once(&where, "reload", NULL, NULL, &rows, &end, &err);
    if (exit_code != CTL_GO_ON)
        return ctl_complain(exit_code, "%s", err.text);
    json_finish(&end);
    if (!ctl->json)
        (void)printf("reloaded\n");
    return CTL_DONE;
}

const struct verb verb_reload = {
    .name = "reload",
    .arguments = "[--socket PATH | -c FILE]",
    .summary = "let the daemon read its file again",
    .help = "Exit 0 once the new file is in force; 1 where it is refused: the old one goes\n"
            "on, and crsbackupctl check tells all that is wrong.\n"
            "\n" DIALOGUE_HELP,
    .run = run,
};
