/* See answer.h. */
#include "ctl/answer.h"

#include "base/civil.h"
#include "base/text.h"
#include "ctl/columns.h"

#include <math.h>

#define EXACT_MAX 9007199254740992.0 /* below, a double is a whole number's own */

struct json_value answer_member(struct json_value object, const char *name)
{
    struct json_value value = {NULL, NULL};
    if (json_member(object, name, &value) != 0)
        value = (struct json_value){NULL, NULL};
    return value;
}

bool answer_own_text(struct json_value value, char *ret, size_t size)
{
    struct text t = text_over(ret, size);
    if (value.item == NULL || json_add_string(value, &t) != 0)
        return false;
    columns_clean(ret);
    return true;
}

bool answer_text(struct json_value object, const char *name, char *ret, size_t size)
{
    ret[0] = '\0';
    return answer_own_text(answer_member(object, name), ret, size);
}

/* json_int64() goes over the whole text for the digits, which a line of many rows would feel. */
int64_t answer_number(struct json_value object, const char *name)
{
    struct json_value value = answer_member(object, name);
    double nearest = 0;
    int64_t number = 0;
    if (value.item == NULL)
        return 0;
    if (json_double(value, &nearest) == 0 && fabs(nearest) < EXACT_MAX)
        return nearest == trunc(nearest) ? (int64_t)nearest : 0;
    return json_int64(value, &number) == 0 ? number : 0;
}

int64_t answer_count(struct json_value object, const char *name)
{
    int64_t number = answer_number(object, name);
    if (number < 0)
        return 0;
    return number < ANSWER_COUNT_MAX ? number : ANSWER_COUNT_MAX;
}

double answer_decimal(struct json_value object, const char *name)
{
    struct json_value value = answer_member(object, name);
    double number = 0;
    if (value.item == NULL || json_double(value, &number) != 0)
        return 0;
    return number;
}

bool answer_flag(struct json_value object, const char *name)
{
    struct json_value value = answer_member(object, name);
    return value.item != NULL && json_kind_of(value) == JSON_TRUE;
}

bool answer_has(struct json_value object, const char *name)
{
    return answer_member(object, name).item != NULL;
}

bool answer_instant(struct json_value object, const char *name, struct wall *ret)
{
    char text[CIVIL_TEXT_MAX];
    *ret = (struct wall){0};
    return answer_text(object, name, text, sizeof text) && civil_parse(text, ret, NULL) == 0;
}
