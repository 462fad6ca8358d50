/*
 * Cron expressions: refused with a short printable text, or read; then the canonical text reads
 * back as the same, slots move on, and none of them is skipped by asking from a moment before it.
 */
#include "base/cron.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_refusal(const struct errtext *err)
{
    must(err->text[0] != '\0' && strlen(err->text) < 300);
    for (const char *p = err->text; *p != '\0'; p++)
        must(*p >= ' ' && *p <= '~');
}

static void check_text(const struct cron *cron)
{
    char text[CRON_TEXT_MAX];
    char again_text[CRON_TEXT_MAX];
    struct cron again;
    must(cron_parse(cron_format(cron, text), &again, NULL) == 0);
    must(cron->minutes == again.minutes && cron->hours == again.hours && cron->days == again.days);
    must(cron->months == again.months && cron->weekdays == again.weekdays);
    must(cron->minute_star == again.minute_star && cron->hour_star == again.hour_star);
    must(cron->day_star == again.day_star && cron->weekday_star == again.weekday_star);
    must(strcmp(text, cron_format(&again, again_text)) == 0);
}

static void check_slots(const struct cron *cron, const struct zone *zone, int64_t after)
{
    for (int i = 0; i < 8; i++) {
        struct cron_slot slot;
        struct cron_slot same;
        if (cron_next(cron, zone, after, &slot) != 0)
            return;
        must(slot.second > after && slot.second <= WALL_MAX_SECOND);
        must(cron_next(cron, zone, slot.second - 1, &same) == 0);
        must(same.second == slot.second && same.moved == slot.moved);
        after = slot.second;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct zone *zone;
    char expression[1024];
    if (size >= sizeof expression)
        return 0;
    memcpy(expression, data, size);
    expression[size] = '\0';
    if (zone == NULL && zone_parse_posix("EST5EDT,M3.2.0,M11.1.0", &zone, NULL) != 0)
        abort();

    struct cron cron;
    struct errtext err = {""};
    if (cron_parse(expression, &cron, &err) < 0) {
        check_refusal(&err);
        return 0;
    }
    check_text(&cron);
    (void)cron_warnings(expression, &cron, zone, 1795460400);
    check_slots(&cron, zone_utc(), INT64_MIN);
    check_slots(&cron, zone, 1772900000);   /* before the clock goes forward */
    check_slots(&cron, zone, 1793480000);   /* before it goes back */
    check_slots(&cron, zone, 253402000000); /* at the end of time */
    return 0;
}
