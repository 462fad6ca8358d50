/* crsbackupctl: the verbs there are. See ctl.h. */
#include "ctl/ctl.h"

static const struct verb *const verbs[] = {
    &verb_status, &verb_list,   &verb_history, &verb_why,     &verb_run,
    &verb_pause,  &verb_resume, &verb_reload,  &verb_health,  &verb_check_age,
    &verb_next,   &verb_names,  &verb_check,   &verb_explain, &verb_sign,
};

int main(int argc, char **argv)
{
    const struct ctl_program program = {
        .verbs = verbs,
        .verb_count = sizeof verbs / sizeof verbs[0],
    };
    return ctl_main(&program, argc, argv);
}
