/* See console_ask.h. */
#include "daemon/console_ask.h"

#include <string.h>

static bool is_known(const struct verb *verb, const char *name)
{
    if (strcmp(name, "verb") == 0)
        return true;
    for (size_t i = 0; verb->arguments[i] != NULL; i++)
        if (strcmp(verb->arguments[i], name) == 0)
            return true;
    return false;
}

bool ask_check_arguments(struct ask *ask)
{
    char name[64];
    struct json_value member = {NULL, NULL};
    struct json_value found;
    while (json_next(ask->args, &member)) {
        struct text t = text_over(name, sizeof name);
        json_add_name(member, &t);
        if (!is_known(ask->verb, name)) {
            ask_refuse(ask, "usage", "%s takes no argument %s", ask->verb->name, name);
            return false;
        }
        if (json_member(ask->args, name, &found) == JSON_DOUBLED) {
            ask_refuse(ask, "usage", "%s is given twice", name);
            return false;
        }
    }
    return true;
}

bool ask_text(struct ask *ask, const char *name, char *buffer, size_t size, const char **ret)
{
    struct json_value value;
    struct text t = text_over(buffer, size);
    int r = json_member(ask->args, name, &value);
    if (r == JSON_ABSENT) {
        *ret = NULL;
        return true;
    }
    if (r == JSON_DOUBLED) {
        ask_refuse(ask, "usage", "%s is given twice", name);
        return false;
    }
    if (json_add_string(value, &t) < 0) {
        ask_refuse(ask, "usage", "%s must be a string", name);
        return false;
    }
    if (t.cut) {
        ask_refuse(ask, "usage", "%s is longer than %zu bytes", name, size - 1);
        return false;
    }
    *ret = buffer;
    return true;
}
