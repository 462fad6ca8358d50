/*
 * cron_next() against an evaluator that knows no arithmetic of schedules: it goes through time
 * minute by minute (second by second near changes of the clock), looks at what the clock shows and
 * applies the rules one reading at a time. It takes its sets from the generator and not from
 * cron_parse(). Random expressions, zones and starts around clock changes, seeded.
 *
 * The same evaluator with a mistake planted must be told from cron_next(): else the comparison
 * would prove nothing.
 *
 * usage: test_cron_brute [CASES]     20,000 without an argument
 */
#include "unit.h"

#include "base/civil.h"
#include "base/cron.h"
#include "base/text.h"
#include "zone_file.h"

#include <stdio.h>
#include <stdlib.h>

#define NEW_CLOCK (3 * 3600)
#define WARM_UP (54 * 3600) /* no reading from before can lie ahead of the clock */
#define TEXT_MAX 200

enum mistake {
    NO_MISTAKE,
    GAP_LATE,    /* a moved slot comes a minute after the gap's end */
    GAP_SHORT,   /* the gap's last minute is not looked at */
    SECOND_PASS, /* what belongs to the first pass runs at both */
    DAY_AND,     /* two restricted day fields must both match */
    DAY_STEP,    /* a day field that begins with a star counts as restricted */
    MISTAKES,
};

static size_t case_count = 20000;

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static int below(uint64_t *seed, int bound)
{
    return (int)((next_random(seed) >> 11) % (uint64_t)bound);
}

/* ---- the generator ---- */

struct plain_field {
    bool in[64];
    bool star;
};

struct plain {
    struct plain_field minute, hour, day, month, weekday;
    char text[TEXT_MAX];
};

static void put(struct plain_field *f, int value, int high)
{
    f->in[high == 7 && value == 7 ? 0 : value] = true;
}

static void generate_item(uint64_t *seed, struct plain_field *f, struct text *t, int low, int high)
{
    int first = low + below(seed, high - low + 1);
    int last = first + below(seed, high - first + 1);
    int step = 1;
    switch (below(seed, 3)) {
    case 0:
        last = first;
        text_addf(t, "%d", first);
        break;
    case 1:
        text_addf(t, "%d-%d", first, last);
        break;
    default:
        step = 1 + below(seed, high);
        text_addf(t, "%d-%d/%d", first, last, step);
        break;
    }
    for (int value = first; value <= last; value += step)
        put(f, value, high);
}

/* A field; of a hundred, so many are "*" and so many begin with a star and a step. */
static void generate_field(uint64_t *seed, struct plain_field *f, struct text *t, int low, int high,
                           int plain_stars, int stepped_stars)
{
    memset(f, 0, sizeof *f);
    int choice = below(seed, 100);
    if (choice < plain_stars + stepped_stars) {
        int step = choice < plain_stars ? 1 : 2 + below(seed, high / 2);
        f->star = true;
        text_add_char(t, '*');
        if (step > 1)
            text_addf(t, "/%d", step);
        for (int value = low; value <= high; value += step)
            put(f, value, high);
        return;
    }
    int items = 1 + below(seed, 3);
    for (int i = 0; i < items; i++) {
        if (i > 0)
            text_add_char(t, ',');
        generate_item(seed, f, t, low, high);
    }
}

static void generate(uint64_t *seed, struct plain *p)
{
    struct text t = text_over(p->text, sizeof p->text);
    generate_field(seed, &p->minute, &t, 0, 59, 15, 25);
    text_add_char(&t, ' ');
    generate_field(seed, &p->hour, &t, 0, 23, 15, 25);
    text_add_char(&t, ' ');
    generate_field(seed, &p->day, &t, 1, 31, 55, 15);
    text_add_char(&t, ' ');
    generate_field(seed, &p->month, &t, 1, 12, 85, 5);
    text_add_char(&t, ' ');
    generate_field(seed, &p->weekday, &t, 0, 7, 55, 10);
}

/* ---- the evaluator ---- */

static bool day_matches(const struct plain *p, int64_t reading, enum mistake mistake)
{
    struct civil c = civil_from_seconds(reading);
    if (!p->month.in[c.month])
        return false;
    int64_t weekday = (civil_days(c.year, c.month, c.day) % 7 + 11) % 7;
    bool day = p->day.in[c.day];
    bool week = p->weekday.in[weekday];
    bool either = !p->day.star && !p->weekday.star;
    if (mistake == DAY_AND)
        either = false;
    if (mistake == DAY_STEP && p->day.star && !p->day.in[2] && !p->weekday.star)
        either = true;
    return either ? day || week : day && week;
}

static int64_t modulo(int64_t a, int64_t b)
{
    return (a % b + b) % b;
}

static bool matches(const struct plain *p, int64_t reading, enum mistake mistake)
{
    return modulo(reading, 60) == 0 && p->minute.in[modulo(reading, 3600) / 60]
           && p->hour.in[modulo(reading, 86400) / 3600] && day_matches(p, reading, mistake);
}

struct stepper {
    const struct plain *p;
    enum mistake mistake;
    bool once;       /* each reading at its first passing only */
    int64_t highest; /* one past the highest reading shown since the last new clock */
    int64_t delayed; /* a planted mistake's slot */
    const struct zone *zone;
    struct zone_span span; /* the last one asked for */
};

static int32_t offset_at(struct stepper *s, int64_t u)
{
    if (u < s->span.from || u >= s->span.until)
        s->span = zone_span_at(s->zone, u);
    return s->span.seconds;
}

/* What the step of the clock from `before` to `after` at instant `u` lets fire at `u`. */
static bool fires_at_change(struct stepper *s, int64_t u, int32_t before, int32_t after)
{
    int64_t from = u + before;
    int64_t until = u + after;
    if (until - from >= NEW_CLOCK || from - until >= NEW_CLOCK) {
        s->highest = INT64_MIN;
        return false;
    }
    if (s->p->hour.star)
        return false;
    if (s->mistake == GAP_SHORT)
        until -= 60;
    for (int64_t reading = from; reading < until; reading++)
        if (matches(s->p, reading, s->mistake) && (!s->once || reading >= s->highest))
            return true;
    return false;
}

static bool brute_next(const struct plain *p, const struct zone *zone, int64_t after, int64_t until,
                       enum mistake mistake, struct cron_slot *ret)
{
    struct stepper s = {
        .p = p,
        .mistake = mistake,
        .once = !p->minute.star && !p->hour.star && mistake != SECOND_PASS,
        .highest = INT64_MIN,
        .delayed = INT64_MIN,
        .zone = zone,
        .span = zone_span_at(zone, after),
    };
    struct zone_change change;
    int64_t u = after + 1;
    if (zone_next_change(zone, after - WARM_UP, &change) && change.at <= after)
        u = after - WARM_UP;
    int32_t before = offset_at(&s, u - 1);
    while (u <= until) {
        int32_t offset = offset_at(&s, u);
        bool moved = offset != before && fires_at_change(&s, u, before, offset);
        int64_t reading = u + offset;
        if (moved && mistake == GAP_LATE) {
            s.delayed = u + 60;
            moved = false;
        }
        bool due = matches(p, reading, mistake) && (!s.once || reading >= s.highest);
        if (u > after && (moved || due || u == s.delayed)) {
            *ret = (struct cron_slot){u, moved};
            return true;
        }
        /* By the minute where the clock shows a whole one and shows no change until the next. */
        int64_t step = modulo(reading, 60) == 0 && offset_at(&s, u + 60) == offset ? 60 : 1;
        if (reading + step > s.highest)
            s.highest = reading + step;
        before = offset;
        u += step;
    }
    return false;
}

/* ---- the zones ---- */

static void write_number(uint8_t *to, int64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)((uint64_t)value >> (8 * (bytes - 1 - i)));
}

/* A zone without a footer whose clock goes through the offsets, `gaps[i]` seconds after the last.
 */
static struct zone *made_zone(int64_t start, const int32_t *offsets, const int32_t *gaps, int count)
{
    uint8_t bytes[512] = "TZif2";
    size_t n = 44;
    memcpy(bytes + n, "TZif2", 5);
    write_number(bytes + n + 32, count, 4);
    write_number(bytes + n + 36, count + 1, 4);
    write_number(bytes + n + 40, 4, 4);
    n += 44;
    for (int i = 0; i < count; i++, n += 8) {
        start += gaps[i];
        write_number(bytes + n, start, 8);
    }
    for (int i = 0; i < count; i++)
        bytes[n++] = (uint8_t)(i + 1);
    n += 6; /* type 0: UTC */
    for (int i = 0; i < count; i++, n += 6)
        write_number(bytes + n, offsets[i], 4);
    memcpy(bytes + n, "ZZZ\0\n\n", 6);
    struct zone *zone = NULL;
    struct errtext err;
    if (zone_parse(bytes, n + 6, &zone, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return zone;
}

static const char *const installed[] = {
    "America/New_York",  "America/Santiago",  "Africa/Cairo",     "Asia/Beirut",
    "America/Havana",    "Europe/London",     "Europe/Berlin",    "Australia/Lord_Howe",
    "Australia/Sydney",  "Africa/Casablanca", "Antarctica/Troll", "Pacific/Apia",
    "Pacific/Kwajalein", "Africa/Monrovia",   "Asia/Shanghai",    "Europe/Dublin",
    "America/Sao_Paulo", "Asia/Tehran",       "America/St_Johns", "Pacific/Chatham",
    "Europe/Amsterdam",  "Asia/Kolkata",      "America/Nuuk",     "America/Scoresbysund",
    "Antarctica/Casey",  "Asia/Pyongyang",    "America/Caracas",  "Europe/Volgograd",
};
static const char *const rules[] = {
    "AAA0BBB-2:59,J100/3,J200/3", "AAA0BBB-3,J100/3,J200/3",     "AAA0BBB-3:01,J100/0,J200/0",
    "AAA0BBB,J365/23,J60/0",      "AAA0BBB-0:00:30,J100,J200",   "AAA12BBB-12,J100,J200",
    "AAA-24BBB-24:20,J59/24,J60", "AAA3BBB1,M10.1.0/0,M2.3.0/0", "AAA0:10:10BBB-0:20,J1,J3",
};

/* Changes close together, where a reading may come three times or be skipped in the way back. */
#define CLOSE_ZONES 12
#define CLOSE_CHANGES 6
#define ZONE_COUNT (COUNT(installed) + COUNT(rules) + CLOSE_ZONES)

static struct zone *close_zone(uint64_t *seed)
{
    int32_t offsets[CLOSE_CHANGES];
    int32_t gaps[CLOSE_CHANGES];
    for (int i = 0; i < CLOSE_CHANGES; i++) {
        offsets[i] = 900 * (below(seed, 33) - 16);
        if (below(seed, 4) == 0)
            offsets[i] += below(seed, 60);
        gaps[i] = 60 * (1 + below(seed, 240));
    }
    return made_zone(1795460400, offsets, gaps, CLOSE_CHANGES);
}

static void open_zones(struct zone *zones[ZONE_COUNT])
{
    uint64_t seed = 99;
    size_t n = 0;
    for (size_t i = 0; i < COUNT(installed); i++)
        zones[n++] = zone_file_load(ZONE_DIRECTORY, installed[i], INT64_MAX);
    for (size_t i = 0; i < COUNT(rules); i++)
        if (zone_parse_posix(rules[i], &zones[n++], NULL) != 0)
            abort();
    for (size_t i = 0; i < CLOSE_ZONES; i++)
        zones[n++] = close_zone(&seed);
}

/* From 36 hours before to 8 hours after a change of the zone; anywhere where it has none. */
static int64_t choose_start(uint64_t *seed, const struct zone *zone)
{
    int64_t start = -INT64_C(2000000000) + (int64_t)(next_random(seed) % 6500000000);
    struct zone_change change;
    if (!zone_next_change(zone, start, &change)
        && !zone_next_change(zone, INT64_C(-2500000000), &change))
        return start;
    return change.at - 36 * 3600 + below(seed, 44 * 3600);
}

/* ---- the comparison ---- */

static bool agrees(const struct plain *p, const struct zone *zone, int64_t after, int64_t until,
                   enum mistake mistake, bool loud)
{
    struct cron cron;
    struct errtext err = {""};
    if (cron_parse(p->text, &cron, &err) != 0) {
        (void)fprintf(stderr, "'%s': %s\n", p->text, err.text);
        return false;
    }
    for (int i = 0; i < 3; i++) {
        struct cron_slot brute = {INT64_MAX, false};
        struct cron_slot slot = {INT64_MAX, false};
        bool found = brute_next(p, zone, after, until, mistake, &brute);
        if (cron_next(&cron, zone, after, &slot) != 0 || slot.second > until)
            slot = (struct cron_slot){INT64_MAX, false};
        if (slot.second != brute.second || slot.moved != brute.moved) {
            char a[CIVIL_TEXT_MAX];
            char b[CIVIL_TEXT_MAX];
            char c[CIVIL_TEXT_MAX];
            if (loud)
                (void)fprintf(stderr, "'%s' after %s: %s%s, brute force says %s%s\n", p->text,
                              civil_format_utc(wall_from_seconds(after), a),
                              civil_format_utc(wall_from_seconds(slot.second), b),
                              slot.moved ? " moved" : "",
                              civil_format_utc(wall_from_seconds(brute.second), c),
                              brute.moved ? " moved" : "");
            return false;
        }
        if (!found)
            break;
        after = brute.second;
    }
    return true;
}

/* Runs the cases and returns how many differ; stops at `enough`. */
static size_t compare(enum mistake mistake, size_t cases, size_t enough)
{
    struct zone *zones[ZONE_COUNT];
    open_zones(zones);
    uint64_t seed = 20261124;
    size_t differ = 0;
    for (size_t i = 0; i < cases && differ < enough; i++) {
        struct plain p;
        generate(&seed, &p);
        size_t which = next_random(&seed) % ZONE_COUNT;
        int64_t after = choose_start(&seed, zones[which]);
        int64_t days = i % 500 == 0 ? 800 : 3;
        if (!agrees(&p, zones[which], after, after + days * SECONDS_PER_DAY, mistake,
                    mistake == NO_MISTAKE)) {
            differ++;
            if (mistake == NO_MISTAKE)
                (void)fprintf(stderr, "case %zu, zone %zu\n", i, which);
        }
    }
    for (size_t i = 0; i < ZONE_COUNT; i++)
        zone_destroy(zones[i]);
    return differ;
}

static void no_difference(void **state)
{
    (void)state;
    assert_int_equal(compare(NO_MISTAKE, case_count, 10), 0);
}

static void planted_mistakes_are_caught(void **state)
{
    (void)state;
    for (enum mistake mistake = NO_MISTAKE + 1; mistake < MISTAKES; mistake++) {
        size_t differ = compare(mistake, 5000, 1);
        if (differ == 0)
            (void)fprintf(stderr, "mistake %d is not caught\n", (int)mistake);
        assert_int_equal(differ, 1);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        case_count = strtoul(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_difference),
        cmocka_unit_test(planted_mistakes_are_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
