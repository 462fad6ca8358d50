/* crsbackupctl: the verbs there are. See ctl.h. */
#include "ctl/ctl.h"

static const struct verb *const verbs[] = {
    &verb_check,
    &verb_explain,
    &verb_next,
    &verb_sign,
};

static const char *const planned[] = {
    "status", "list", "history", "why", "run", "pause", "resume", "reload", "health",
};

int main(int argc, char **argv)
{
    const struct ctl_program program = {
        .verbs = verbs,
        .verb_count = sizeof verbs / sizeof verbs[0],
        .planned = planned,
        .planned_count = sizeof planned / sizeof planned[0],
    };
    return ctl_main(&program, argc, argv);
}
