/* explain CODE: what a code means here, what the daemon does on it, what a person can do. */
#include "base/reply.h"
#include "ctl/ctl.h"
#include "ctl/screen.h"

#include <stdio.h>
#include <string.h>

#define PART_MAX 1024 /* of the table's texts, with their name */

static bool is_code(const char *string)
{
    static const char characters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    return string[0] != '\0' && string[strspn(string, characters)] == '\0';
}

static void print_json(const char *code, const char *class_name,
                       const struct reply_explanation *explanation)
{
    (void)printf("{");
    ctl_print_json(true, "code", code);
    ctl_print_json(false, "class", class_name);
    (void)printf(",\"known\":%s", explanation->known ? "true" : "false");
    ctl_print_json(false, "meaning", explanation->meaning);
    ctl_print_json(false, "daemon", explanation->daemon);
    ctl_print_json(false, "person", explanation->person);
    (void)printf("}\n");
}

static void print_part(const struct screen *screen, const char *name, const char *part)
{
    char text[PART_MAX];
    (void)snprintf(text, sizeof text, "%s: %s", name, part);
    screen_wrap(screen, 0, 2, text);
}

static void print_text(const char *code, const char *class_name,
                       const struct reply_explanation *explanation)
{
    const struct screen screen = screen_of(stdout);
    (void)printf("code: %s\nclass: %s\n", code, class_name);
    if (!explanation->known) {
        const char *nearest = reply_nearest_code(code);
        (void)printf(
            "note: not in the table, so judged by its first part where that is known%s%s\n",
            nearest != NULL ? "; the nearest known one is " : "", nearest != NULL ? nearest : "");
    }
    print_part(&screen, "meaning", explanation->meaning);
    print_part(&screen, "daemon", explanation->daemon);
    print_part(&screen, "you", explanation->person);
}

static int explain(struct ctl *ctl, int argc, char **argv)
{
    const char *code;
    int exit_code = ctl_parse(ctl, argc, argv, NULL, 0, &code, 1);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    if (code == NULL)
        return ctl_complain_usage(ctl, "explain needs a code");
    if (!is_code(code))
        return ctl_complain(CTL_BAD_DATA,
                            "'%s' is no code; one looks like "
                            "ResourceUnavailable.InstanceLockedError or HTTP.502",
                            code);
    struct reply_explanation explanation = reply_explain(code);
    const char *class_name = verdict_class_name(reply_class_of(code));
    if (ctl->json)
        print_json(code, class_name, &explanation);
    else
        print_text(code, class_name, &explanation);
    return CTL_DONE;
}

const struct verb verb_explain = {
    .name = "explain",
    .arguments = "[--json] CODE",
    .summary = "what an error code means, what the daemon does, what you can do",
    .help = "CODE is one that the log shows after code=, such as RequestLimitExceeded,\n"
            "ResourceUnavailable.InstanceLockedError, HTTP.502 or Client.Lost.\n"
            "\n"
            "The class says what sending the request again would do:\n"
            "  throttled  safe, slower: the request was not carried out\n"
            "  clock      safe, once the clock is right\n"
            "  busy       safe, later: refused without effect\n"
            "  ambiguous  may start a second backup\n"
            "  not_sent   safe: nothing left this host\n"
            "  final      useless until someone changes something\n",
    .run = explain,
};
