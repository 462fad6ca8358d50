/* crsbackupctl: the verbs there are. See ctl.h. */
#include "ctl/ctl.h"

#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

/* A service that runs us hands its environment on; who asks the daemon has no need of its keys. */
static void forget_keys(int argc, char **argv)
{
    static const char *const names[] = {"TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY",
                                        "TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SESSION_TOKEN",
                                        "TENCENTCLOUD_SECURITY_TOKEN"};
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], verb_sign.name) == 0)
            return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *value = getenv(names[i]);
        if (value != NULL)
            secret_wipe(value, strlen(value));
    }
}

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
    forget_keys(argc, argv);
    return ctl_main(&program, argc, argv);
}
