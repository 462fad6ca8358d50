/* Cron: what is read and what is refused, canonical text, warnings, and slots around clock changes.
 */
#include "unit.h"

#include "base/civil.h"
#include "base/cron.h"
#include "zone_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct cron parsed(const char *expression)
{
    struct cron cron;
    struct errtext err = {""};
    if (cron_parse(expression, &cron, &err) != 0) {
        (void)fprintf(stderr, "%s: %s\n", expression, err.text);
        abort();
    }
    return cron;
}

static int64_t at(const char *text)
{
    struct wall w;
    if (civil_parse(text, &w, NULL) != 0)
        abort();
    return wall_seconds(w);
}

static bool same(const struct cron *a, const struct cron *b)
{
    return a->minutes == b->minutes && a->hours == b->hours && a->days == b->days
           && a->months == b->months && a->weekdays == b->weekdays
           && a->minute_star == b->minute_star && a->hour_star == b->hour_star
           && a->day_star == b->day_star && a->weekday_star == b->weekday_star;
}

static void canonical_texts(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        const char *canonical;
    } rows[] = {
        {"* * * * *", "* * * * *"},
        {"0 3 * * *", "0 3 * * *"},
        {" \t0\t 3 * *  *\t ", "0 3 * * *"},
        {"*/15 */6 */2 */3 */2", "*/15 */6 */2 1,4,7,10 */2"},
        {"*/1 * * * *", "* * * * *"},
        {"*,5 * * * *", "* * * * *"},
        {"5,* * * * *", "0-59 * * * *"},
        {"0-59 0-23 1-31 1-12 0-7", "0-59 0-23 1-31 * 0-6"},
        {"*/7,3 * * * *", "*/7,3 * * * *"},
        {"*/3,4-8 * * * *", "*/3,4-8 * * * *"},
        {"*/3,1-7 * * * *", "*/3,1-7 * * * *"},
        {"1,2,3,7 5-6,5 * * *", "1-3,7 5-6 * * *"},
        {"10-50/20 * * * *", "10,30,50 * * * *"},
        {"0 0 * JAN,mar-May Mon-fri", "0 0 * 1,3-5 1-5"},
        {"0 0 * * 7", "0 0 * * 0"},
        {"0 0 * * 5-7", "0 0 * * 0,5-6"},
        {"0 0 * * sat-sun", "0 0 * * 0,6"},
        {"0 0 * * sun-sun", "0 0 * * 0"},
        {"0 0 * * */7", "0 0 * * */7"},
        {"007 00 01 012 *", "7 0 1 12 *"},
        {"@hourly", "0 * * * *"},
        {"  @daily ", "0 0 * * *"},
        {"@midnight", "0 0 * * *"},
        {"@weekly", "0 0 * * 0"},
        {"@monthly", "0 0 1 * *"},
        {"@yearly", "0 0 1 1 *"},
        {"@annually", "0 0 1 1 *"},
        {"*/59 */23 */30 */11 */6", "*/59 */23 */30 1,12 */6"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char buffer[CRON_TEXT_MAX];
        struct cron cron = parsed(rows[i].expression);
        assert_string_equal(cron_format(&cron, buffer), rows[i].canonical);
        struct cron again = parsed(buffer);
        assert_true(same(&cron, &again));
    }
}

static const struct {
    const char *expression;
    const char *says[3]; /* parts of the message */
} refused[] = {
    {"5/15 * * * *", {"minute field, column 1:", "5-59/15", "5/15"}},
    {"* 3/4 * * *", {"hour field, column 3:", "3-23/4", ""}},
    {"0 0 * feb/3 *", {"month field, column 7:", "2-12/3", ""}},
    {"0 0 * * 5/1", {"day of the week field, column 9:", "5-6", ""}},
    {"0 0 * * 7/2", {"day of the week field, column 9:", "0-6/2", ""}},
    {"0 22-2 * * *", {"hour field, column 3:", "22-23,0-2", "22-2"}},
    {"0 23-0 * * *", {"hour field, column 3:", "23,0", ""}},
    {"50-10/7 * * * *", {"minute field, column 1:", "50-59/7,4-10/7", ""}},
    {"0 0 25-5 * *", {"day of the month field, column 5:", "25-31,1-5", ""}},
    {"0 0 * nov-feb *", {"month field, column 7:", "11-12,1-2", ""}},
    {"0 0 * * fri-mon", {"day of the week field, column 9:", "5-6,0-1", ""}},
    {"0 0 * * 7-2", {"day of the week field, column 9:", "write 0-2", ""}},
    {"1,2,9-4 * * * *", {"minute field, column 5:", "9-59,0-4", ""}},
    {"*/0 * * * *", {"minute field, column 3:", "zero", "1 to 59"}},
    {"* 1-5/0 * * *", {"hour field, column 7:", "zero", ""}},
    {"*/60 * * * *", {"minute field, column 3:", "60", "beyond"}},
    {"* */24 * * *", {"hour field, column 5:", "24", "beyond"}},
    {"* * * * */8", {"day of the week field, column 11:", "8", "beyond"}},
    {"*/2147483648 * * * *", {"minute field, column 3:", "beyond", ""}},
    {"*/18446744073709551616 * * * *", {"minute field, column 3:", "beyond", ""}},
    {"99999999999999999999 * * * *", {"minute field, column 1:", "outside 0-59", ""}},
    {"18446744073709551616 * * * *", {"minute field, column 1:", "outside 0-59", ""}},
    {"? * * * *", {"minute field, column 1:", "'?'", "write *"}},
    {"0 0 ? * MON", {"day of the month field, column 5:", "'?'", "write *"}},
    {"@reboot", {"column 1:", "@reboot", "@daily"}},
    {"@every 1h", {"column 1:", "every", ""}},
    {"@Daily", {"column 1:", "write @daily", ""}},
    {"@dayly", {"column 1:", "write @daily", ""}},
    {" @yearly !", {"column 10:", "'!'", ""}},
    {"0 0 0 3 * * *", {"column 11:", "7 fields", "five"}},
    {"0 0 3 * * *", {"column 11:", "6 fields", "seconds"}},
    {"* * * *", {"day of the week field", "4 of five", ""}},
    {"0", {"hour field", "1 of five", ""}},
    {"", {"empty", "five fields", ""}},
    {" \t ", {"empty", "five fields", ""}},
    {"0 0 * * monday", {"day of the week field, column 9:", "monday", "write mon"}},
    {"0 0 * * Mon,TUESDAY", {"day of the week field, column 13:", "TUESDAY", "write tue"}},
    {"0 0 * january *", {"month field, column 7:", "write jan", ""}},
    {"0 0 * * sept", {"day of the week field, column 9:", "sun-sat", ""}},
    {"0 0 * sept *", {"month field, column 7:", "write sep", ""}},
    {"0 0 mon * *", {"day of the month field, column 5:", "not a number", "1-31"}},
    {"0 0 * mon *", {"month field, column 7:", "jan-dec", ""}},
    {"1,,2 * * * *", {"minute field, column 3:", "missing", ""}},
    {",1 * * * *", {"minute field, column 1:", "missing", ""}},
    {"1, * * * *", {"minute field, column 3:", "missing", ""}},
    {"1- * * * *", {"minute field, column 3:", "missing", ""}},
    {"*/ * * * *", {"minute field, column 2:", "not a number", ""}},
    {"/30 * * * *", {"minute field, column 1:", "*/n", ""}},
    {"*-5 * * * *", {"minute field, column 2:", "'-'", ""}},
    {"*5 * * * *", {"minute field, column 2:", "'5'", ""}},
    {"-5 * * * *", {"minute field, column 1:", "'-'", ""}},
    {"+5 * * * *", {"minute field, column 1:", "'+'", ""}},
    {"1-2-3 * * * *", {"minute field, column 4:", "'-'", ""}},
    {"*/5/5 * * * *", {"minute field, column 4:", "'/'", ""}},
    {"* * 0 * *", {"day of the month field, column 5:", "outside 1-31", ""}},
    {"* * * 13 *", {"month field, column 7:", "outside 1-12", ""}},
    {"* * L * *", {"day of the month field, column 5:", "L", ""}},
    {"* * * * 5#2", {"day of the week field, column 10:", "'#'", ""}},
    {"0 3 * * *\n", {"day of the week field, column 10:", "'?'", ""}},
    {"\x01 * * * *", {"minute field, column 1:", "'?'", ""}},
    {"0 3 * * \xC3\xA9", {"day of the week field, column 9:", "'?'", ""}},
};

static void refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct cron cron;
        memset(&cron, 0x5A, sizeof cron);
        struct cron before = cron;
        struct errtext err = {""};
        assert_int_equal(cron_parse(refused[i].expression, &cron, &err), -EINVAL);
        assert_memory_equal(&cron, &before, sizeof cron);
        for (size_t k = 0; k < COUNT(refused[i].says) && refused[i].says[k] != NULL; k++) {
            if (strstr(err.text, refused[i].says[k]) == NULL)
                (void)fprintf(stderr, "'%s': %s\n", refused[i].expression, err.text);
            assert_non_null(strstr(err.text, refused[i].says[k]));
        }
        for (const char *p = err.text; *p != '\0'; p++)
            assert_true(*p >= ' ' && *p <= '~');
        assert_int_equal(cron_parse(refused[i].expression, &cron, NULL), -EINVAL);
    }
}

static void long_expressions(void **state)
{
    (void)state;
    static char text[10241];
    struct cron cron;
    struct errtext err = {""};
    static const char fills[] = "0*,/- x9@";
    for (size_t i = 0; i < sizeof fills - 1; i++) {
        memset(text, fills[i], sizeof text - 1);
        assert_int_equal(cron_parse(text, &cron, &err), -EINVAL);
        assert_true(strlen(err.text) < 200);
        for (size_t n = 1; n < 300; n++) {
            char *end = text + sizeof text - 1 - n;
            assert_int_equal(cron_parse(end, &cron, &err), -EINVAL);
            assert_true(strlen(err.text) < 300);
        }
    }
    /* Blanks count towards the length; one less is read. */
    memset(text, ' ', CRON_TEXT_MAX);
    memcpy(text, "* * * * *", 9);
    text[CRON_TEXT_MAX] = '\0';
    assert_int_equal(cron_parse(text, &cron, &err), -EINVAL);
    text[CRON_TEXT_MAX - 1] = '\0';
    assert_int_equal(cron_parse(text, &cron, &err), 0);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Every set that an expression can make is written as a text that reads back. */
static void canonical_text_round_trips(void **state)
{
    (void)state;
    uint64_t seed = 7;
    size_t longest = 0;
    for (int i = 0; i < 50000; i++) {
        /* The first eight: pairs with a gap of one, the longest of texts. */
        uint64_t pattern = i < 8 ? UINT64_C(0x6DB6DB6DB6DB6DB6) >> (i & 1) : next_random(&seed);
        uint64_t second = i < 8 ? UINT64_C(0x0DB6DB6DB6DB6DB6) >> (i >> 1 & 3) : next_random(&seed);
        struct cron cron = {
            .minutes = (pattern & 0x0FFFFFFFFFFFFFFF) | 1,
            .hours = (uint32_t)(second & 0xFFFFFF) | 1,
            .days = (uint32_t)((second >> 24) & 0xFFFFFFFE) | 2,
            .months = (uint16_t)((pattern >> 3 & 0x1FFE) | 2),
            .weekdays = (uint8_t)((pattern >> 17 & 0x7F) | 1),
            .minute_star = (second >> 60 & 1) != 0,
            .hour_star = (second >> 61 & 1) != 0,
            .day_star = (second >> 62 & 1) != 0,
            .weekday_star = second >> 63 != 0,
        };
        if (cron.minute_star)
            cron.minutes |= UINT64_C(1) << 59;
        if (cron.hour_star)
            cron.hours |= 1 << 23;
        if (cron.day_star)
            cron.days |= 1U << 30;
        char buffer[CRON_TEXT_MAX];
        struct cron again = parsed(cron_format(&cron, buffer));
        assert_true(same(&cron, &again));
        if (strlen(buffer) > longest)
            longest = strlen(buffer);
    }
    assert_true(longest > 225 && longest < CRON_TEXT_MAX - 1);
}

struct expected_slots {
    const char *zone; /* installed, or a POSIX rule where it holds a comma */
    const char *expression;
    const char *after;
    const char *slots[5]; /* in UTC; '>' in front: moved */
};

static struct zone *open_zone(const char *name)
{
    struct zone *zone = NULL;
    if (strchr(name, ',') == NULL)
        return zone_file_load(ZONE_DIRECTORY, name, INT64_MAX);
    if (zone_parse_posix(name, &zone, NULL) != 0)
        abort();
    return zone;
}

static void check_slots(const struct expected_slots *row)
{
    struct zone *zone = open_zone(row->zone);
    struct cron cron = parsed(row->expression);
    int64_t from = at(row->after);
    for (size_t i = 0; i < COUNT(row->slots) && row->slots[i] != NULL; i++) {
        bool moved = row->slots[i][0] == '>';
        struct cron_slot slot = {0, false};
        assert_int_equal(cron_next(&cron, zone, from, &slot), 0);
        char text[CIVIL_TEXT_MAX];
        assert_string_equal(civil_format_utc(wall_from_seconds(slot.second), text),
                            row->slots[i] + (moved ? 1 : 0));
        assert_int_equal(slot.moved, moved);
        from = slot.second;
    }
    zone_destroy(zone);
}

static const struct expected_slots around_changes[] = {
    /* forward: skipped readings run once, merged with the slot that is due */
    {"America/New_York",
     "0,30 2 * * *",
     "2026-03-08T00:00:00Z",
     {">2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"}},
    {"America/New_York",
     "0 2,3 * * *",
     "2026-03-08T00:00:00Z",
     {">2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"}},
    {"America/New_York",
     "* 2 * * *",
     "2026-03-08T00:00:00Z",
     {">2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"}},
    {"America/New_York",
     "30 */2 * * *",
     "2026-03-08T05:00:00Z",
     {"2026-03-08T05:30:00Z", "2026-03-08T08:30:00Z"}},
    {"America/Santiago",
     "15 0 * * 0",
     "2026-09-01T00:00:00Z",
     {">2026-09-06T04:00:00Z", "2026-09-13T03:15:00Z"}},
    /* back: the first pass, or both */
    {"America/New_York",
     "30 1 * * *",
     "2026-11-01T00:00:00Z",
     {"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
    {"America/New_York", "30 1 * * *", "2026-11-01T05:45:00Z", {"2026-11-02T06:30:00Z"}},
    {"America/New_York",
     "*/30 1 * * *",
     "2026-11-01T05:15:00Z",
     {"2026-11-01T05:30:00Z", "2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z",
      "2026-11-02T06:00:00Z"}},
    {"America/New_York",
     "30 * * * *",
     "2026-11-01T05:15:00Z",
     {"2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", "2026-11-01T07:30:00Z"}},
    {"Australia/Lord_Howe",
     "45 1 * * *",
     "2026-04-04T12:00:00Z",
     {"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},
    /* three hours or more: a new clock */
    {"Pacific/Apia",
     "0 12 * * *",
     "2011-12-29T00:00:00Z",
     {"2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"}},
    {"Pacific/Kwajalein", "0 6 * * *", "1993-08-20T18:00:00Z", {"1993-08-21T18:00:00Z"}},
    {"AAA0BBB-3,J100/3,J200/3", "30 4 * * *", "2026-04-09T12:00:00Z", {"2026-04-11T01:30:00Z"}},
    {"AAA0BBB-2:59,J100/3,J200/3",
     "30 4 * * *",
     "2026-04-09T12:00:00Z",
     {">2026-04-10T03:00:00Z", "2026-04-11T01:31:00Z"}},
    {"AAA0BBB-3,J100/3,J200/3",
     "30 1 * * *",
     "2026-07-18T12:00:00Z",
     {"2026-07-18T22:30:00Z", "2026-07-19T01:30:00Z", "2026-07-20T01:30:00Z"}},
    {"AAA0BBB-2:59,J100/3,J200/3",
     "30 1 * * *",
     "2026-07-18T12:00:00Z",
     {"2026-07-18T22:31:00Z", "2026-07-20T01:30:00Z"}},
    /* offsets that are not whole minutes: -0:44:30 to 0 on 1972-01-07 */
    {"Africa/Monrovia", "0 12 * * *", "1971-06-01T00:00:00Z", {"1971-06-01T12:44:30Z"}},
    {"Africa/Monrovia",
     "10 0 * * *",
     "1972-01-06T12:00:00Z",
     {">1972-01-07T00:44:30Z", "1972-01-08T00:10:00Z"}},
    {"Africa/Monrovia",
     "* * * * *",
     "1972-01-07T00:44:00Z",
     {"1972-01-07T00:45:00Z", "1972-01-07T00:46:00Z"}},
    {"Africa/Monrovia",
     "45 0 * * *",
     "1972-01-06T12:00:00Z",
     {"1972-01-07T00:45:00Z", "1972-01-08T00:45:00Z"}},
    {"Africa/Monrovia",
     "44,45 0 * * *",
     "1972-01-06T12:00:00Z",
     {">1972-01-07T00:44:30Z", "1972-01-07T00:45:00Z", "1972-01-08T00:44:00Z"}},
    /* days */
    {"UTC", "0 0 29 2 *", "2096-03-01T00:00:00Z", {"2104-02-29T00:00:00Z", "2108-02-29T00:00:00Z"}},
    {"UTC",
     "0 0 29 2 */7",
     "2072-03-01T00:00:00Z",
     {"2088-02-29T00:00:00Z", "2128-02-29T00:00:00Z"}},
    {"UTC",
     "0 0 1-7 * */7",
     "2026-11-24T00:00:00Z",
     {"2026-12-06T00:00:00Z", "2027-01-03T00:00:00Z"}},
    {"UTC",
     "0 0 13 * fri",
     "2026-11-24T00:00:00Z",
     {"2026-11-27T00:00:00Z", "2026-12-04T00:00:00Z", "2026-12-11T00:00:00Z",
      "2026-12-13T00:00:00Z"}},
    {"UTC", "0 0 */2 * mon", "2026-11-24T00:00:00Z", {"2026-12-07T00:00:00Z"}},
    {"UTC",
     "59 23 31 12 *",
     "2026-12-31T23:58:59Z",
     {"2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z"}},
    /* seconds of the start do not matter, and a slot is strictly after it */
    {"UTC", "* * * * *", "2026-11-24T00:00:00Z", {"2026-11-24T00:01:00Z"}},
    {"UTC", "* * * * *", "2026-11-23T23:59:59Z", {"2026-11-24T00:00:00Z"}},
    {"UTC", "30 5 * * *", "1901-02-28T05:30:00Z", {"1901-03-01T05:30:00Z"}},
};

static void slots_around_changes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(around_changes); i++)
        check_slots(&around_changes[i]);
}

static void what_never_fires_is_known_at_once(void **state)
{
    (void)state;
    static const char *const never[] = {"0 0 30 2 *",      "0 0 31 4 *",    "* * 31 feb,apr,jun *",
                                        "0 0 31 9,11 */2", "0 0 30-31 2 *", "0 0 */30,30 2 mon"};
    /* A day skipped each year by a change of a whole day: no rule of sets knows it. */
    static const char *const skipped[] = {"0 */12 8 3 *"};
    struct zone *zone = open_zone("America/New_York");
    struct zone *hostile = open_zone("AAA24BBB,J67/0,J200/0");
    struct timespec start;
    struct timespec end;
    struct cron_slot slot = {42, true};
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    for (size_t i = 0; i + 1 < COUNT(never); i++) {
        struct cron cron = parsed(never[i]);
        assert_int_equal(cron_next(&cron, zone, 0, &slot), CRON_NEVER);
        assert_true((cron_warnings(never[i], &cron, zone, 0) & CRON_WARN_NEVER) != 0);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    int64_t us = (end.tv_sec - start.tv_sec) * 1000000 + (end.tv_nsec - start.tv_nsec) / 1000;
    assert_true(us < 5000);
    assert_int_equal(slot.second, 42);
    struct cron both =
        parsed(never[5]); /* both day fields, but one is a star: 1 or 31 and Monday */
    assert_int_equal(cron_next(&both, zone, 0, &slot), 0);
    struct cron cron = parsed(skipped[0]);
    if (cron_next(&cron, hostile, 0, &slot) == 0)
        assert_true(slot.second > 0);
    zone_destroy(zone);
    zone_destroy(hostile);
}

static void extremes_are_defined(void **state)
{
    (void)state;
    struct zone *zones[] = {open_zone("America/New_York"), open_zone("Asia/Shanghai"),
                            open_zone("AAA-24:59:59BBB,J1/-167,J365/167")};
    for (size_t i = 0; i < COUNT(zones) - 1; i++) {
        struct cron cron = parsed("0 3 * * *");
        struct cron_slot slot;
        assert_int_equal(cron_next(&cron, zones[i], INT64_MIN, &slot), 0);
        assert_true(slot.second >= WALL_MIN_SECOND && slot.second < WALL_MIN_SECOND + 86400);
        assert_int_equal(cron_next(&cron, zones[i], WALL_MIN_SECOND - 1, &slot), 0);
        assert_int_equal(cron_next(&cron, zones[i], -1, &slot), 0);
        assert_true(slot.second >= 0 && slot.second <= 86400);
        assert_int_equal(cron_next(&cron, zones[i], INT64_MAX, &slot), CRON_NEVER);
        assert_int_equal(cron_next(&cron, zones[i], WALL_MAX_SECOND, &slot), CRON_NEVER);
        assert_int_equal(cron_next(&cron, zones[i], WALL_MAX_SECOND - 86400, &slot), 0);
        int64_t last = slot.second;
        assert_int_equal(cron_next(&cron, zones[i], last, &slot), CRON_NEVER);
        cron = parsed("59 23 31 12 *");
        assert_int_equal(cron_next(&cron, zone_utc(), WALL_MAX_SECOND - 60, &slot), 0);
        assert_int_equal(slot.second, WALL_MAX_SECOND - 59);
    }
    for (size_t i = 0; i < COUNT(zones); i++)
        zone_destroy(zones[i]);
}

static void warnings(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        const char *zone;
        unsigned warnings;
    } rows[] = {
        {"0 3 * * *", "Asia/Shanghai", 0},
        {"0 3 * * *", "America/New_York", 0},
        {"0 2 * * *", "America/New_York", CRON_WARN_CLOCK_CHANGE},
        {"30 1 * * *", "America/New_York", CRON_WARN_CLOCK_CHANGE},
        {"30 * * * *", "America/New_York", 0},
        {"30 2 1 1 *", "America/New_York", 0},
        {"0 0 30 2 *", "UTC", CRON_WARN_NEVER},
        {"*/7 * * * *", "UTC", CRON_WARN_UNEVEN_STEP},
        {"*/15 */6 * */3 *", "UTC", 0},
        {"0 */5 * * *", "UTC", CRON_WARN_UNEVEN_STEP},
        {"0 0 */2 * *", "UTC", CRON_WARN_UNEVEN_STEP},
        {"0-59/7 * * * *", "UTC", CRON_WARN_UNEVEN_STEP},
        {"5-59/15 8-18/3 * * *", "UTC", 0},
        {"1,2,*/9 * * * *", "UTC", CRON_WARN_UNEVEN_STEP},
        {"0 0 * * mon-fri/2", "UTC", 0},
        {"0 0 1 * mon", "UTC", CRON_WARN_BOTH_DAYS},
        {"0 0 */31 * mon", "UTC", 0},
        {"@daily", "UTC", 0},
        {"@daily", "America/Santiago", CRON_WARN_CLOCK_CHANGE},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct zone *zone = open_zone(rows[i].zone);
        struct cron cron = parsed(rows[i].expression);
        assert_int_equal(cron_warnings(rows[i].expression, &cron, zone, at("2027-01-01T00:00:00Z")),
                         rows[i].warnings);
        zone_destroy(zone);
    }
    for (unsigned bit = 1; bit <= CRON_WARN_CLOCK_CHANGE; bit <<= 1)
        assert_true(strlen(cron_warning_text((enum cron_warning)bit)) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_texts),      cmocka_unit_test(refusals),
        cmocka_unit_test(long_expressions),     cmocka_unit_test(canonical_text_round_trips),
        cmocka_unit_test(slots_around_changes), cmocka_unit_test(what_never_fires_is_known_at_once),
        cmocka_unit_test(extremes_are_defined), cmocka_unit_test(warnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
