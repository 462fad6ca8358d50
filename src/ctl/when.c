/* See when.h. */
#include "ctl/when.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *when_span(int64_t us, char buffer[WHEN_TEXT_MAX])
{
    long long seconds = us > 0 ? us / US_PER_SECOND : 0;
    struct text t = text_over(buffer, WHEN_TEXT_MAX);
    if (seconds < 60)
        text_addf(&t, "%llds", seconds);
    else if (seconds < 3600)
        text_addf(&t, "%lldm", seconds / 60);
    else if (seconds < SECONDS_PER_DAY)
        text_addf(&t, "%lldh %lldm", seconds / 3600, seconds / 60 % 60);
    else
        text_addf(&t, "%lldd %lldh", seconds / SECONDS_PER_DAY, seconds / 3600 % 24);
    return buffer;
}

const char *when_short(struct wall at, char buffer[WHEN_TEXT_MAX])
{
    return civil_format_utc(wall_from_seconds(wall_seconds(at)), buffer);
}

const char *when_from(struct wall at, struct wall now, char buffer[WHEN_TEXT_MAX])
{
    char span[WHEN_TEXT_MAX];
    bool ahead = wall_before(now, at);
    struct text t = text_over(buffer, WHEN_TEXT_MAX);
    int64_t us = ahead ? wall_diff_us(at, now) : wall_diff_us(now, at);
    text_addf(&t, "%s%s%s", ahead ? "in " : "", when_span(us, span), ahead ? "" : " ago");
    return buffer;
}

int when_parse(const char *text, struct wall now, int direction, struct wall *ret,
               struct errtext *err)
{
    int64_t us = 0;
    struct errtext why = {""};
    if (text_parse_duration(text, &us, NULL) == 0) {
        *ret = wall_add_us(now, direction < 0 ? -us : us);
        return 0;
    }
    if (civil_parse(text, ret, &why) == 0)
        return 0;
    return errtext_set(err, -EINVAL, "'%s' is no duration such as 1d or 6h, and no time: %s", text,
                       why.text);
}
