/* See console_ask.h. */
#include "base/civil.h"
#include "daemon/console_ask.h"
#include "engine/view.h"

#include <stdlib.h>
#include <string.h>

#define SUGGEST_MAX 1000 /* names that one is compared with */

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

/* The nearest of a configuration's names; none where that would take long. */
static const char *nearest_schedule(const struct config *config, const char *name)
{
    const char *names[SUGGEST_MAX];
    uint32_t count = config->schedule_count;
    for (uint32_t i = 0; i < count && i < SUGGEST_MAX; i++)
        names[i] = config->schedules[i].name;
    return count > SUGGEST_MAX ? NULL : text_nearest(name, names, count);
}

bool ask_schedule(struct ask *ask)
{
    char buffer[MODEL_NAME_MAX + 1];
    const char *name;
    uint32_t number;
    ask->only = -1;
    if (!ask_text(ask, "schedule", buffer, sizeof buffer, &name))
        return false;
    if (name == NULL)
        return true;
    if (view_find_schedule(engine_view(ask->daemon->engine), name, &number) != 0) {
        const char *nearest = nearest_schedule(ask->daemon->config, name);
        ask_refuse(ask, "not_found", "there is no schedule %s%s%s%s", name,
                   nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                   nearest != NULL ? "?" : "");
        return false;
    }
    ask->only = (int32_t)number;
    return true;
}

/* Adds one id; their bytes stand one after the other, each ended by a zero. */
static bool add_id(struct ask *ask, struct json_value value, size_t most, size_t *used)
{
    struct text t = text_over(ask->id_bytes + *used, MODEL_INSTANCE_ID_MAX + 1);
    uint32_t number;
    if (ask->ids.count == most) {
        ask_refuse(ask, "too_large", "at most %zu instances may be named", most);
        return false;
    }
    if (json_add_string(value, &t) < 0 || t.cut || !model_instance_id_is_valid(t.bytes, t.length)) {
        ask_refuse(ask, "usage", "an instance is a string such as crs-5a4py64p");
        return false;
    }
    int r = names_add(&ask->ids, t.bytes, t.length, &number);
    if (r < 0)
        ask_refuse(ask, "internal", "out of memory");
    if (r == 0)
        *used += t.length + 1;
    return r >= 0;
}

bool ask_instances(struct ask *ask, size_t most)
{
    struct json_value list;
    struct json_value id = {NULL, NULL};
    size_t used = 0;
    if (json_member(ask->args, "instance", &list) != 0)
        return true;
    bool alone = most == 1 && json_kind_of(list) == JSON_STRING;
    if (json_kind_of(list) != JSON_ARRAY && !alone) {
        ask_refuse(ask, "usage", "instance must be an array of strings");
        return false;
    }
    ask->id_bytes = malloc((most + 1) * (MODEL_INSTANCE_ID_MAX + 1));
    ask->id_seen = calloc(most, sizeof *ask->id_seen);
    if (ask->id_bytes == NULL || ask->id_seen == NULL) {
        ask_refuse(ask, "internal", "out of memory");
        return false;
    }
    if (alone)
        return add_id(ask, list, most, &used);
    while (json_next(list, &id))
        if (!add_id(ask, id, most, &used))
            return false;
    return true;
}

bool ask_bool(struct ask *ask, const char *name, bool *ret)
{
    struct json_value value;
    if (json_member(ask->args, name, &value) != 0)
        return true;
    enum json_kind kind = json_kind_of(value);
    if (kind != JSON_TRUE && kind != JSON_FALSE) {
        ask_refuse(ask, "usage", "%s must be true or false", name);
        return false;
    }
    *ret = kind == JSON_TRUE;
    return true;
}

bool ask_number(struct ask *ask, const char *name, int64_t least, int64_t most, int64_t *ret)
{
    struct json_value value;
    int64_t number;
    if (json_member(ask->args, name, &value) != 0)
        return true;
    if (json_int64(value, &number) < 0 || number < least || number > most) {
        ask_refuse(ask, "usage", "%s must be a whole number from %lld to %lld", name,
                   (long long)least, (long long)most);
        return false;
    }
    *ret = number;
    return true;
}

bool ask_instant(struct ask *ask, const char *name, struct wall *ret)
{
    char buffer[64];
    const char *text;
    struct errtext err;
    if (!ask_text(ask, name, buffer, sizeof buffer, &text))
        return false;
    if (text == NULL)
        return true;
    if (civil_parse(text, ret, &err) < 0) {
        ask_refuse(ask, "usage", "%s: %s", name, err.text);
        return false;
    }
    return true;
}
