/* Zone: look-ups at known changes, footers, local readings, and files that are not to be trusted.
 */
#include "unit.h"

#include "base/civil.h"
#include "zone_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t at(const char *text)
{
    struct wall w;
    struct errtext err;
    if (civil_parse(text, &w, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return wall_seconds(w);
}

static struct zone *installed(const char *name)
{
    return zone_file_load(ZONE_DIRECTORY, name, INT64_MAX);
}

static struct zone *posix(const char *tz)
{
    struct zone *zone = NULL;
    struct errtext err = {""};
    if (zone_parse_posix(tz, &zone, &err) != 0) {
        (void)fprintf(stderr, "%s: %s\n", tz, err.text);
        abort();
    }
    return zone;
}

static void offsets_at_known_instants(void **state)
{
    (void)state;
    static const struct {
        const char *zone;
        const char *instant;
        int32_t seconds;
        bool dst;
        const char *abbreviation;
    } rows[] = {
        {"Asia/Shanghai", "2026-11-23T19:00:00Z", 28800, false, "CST"},
        {"Asia/Shanghai", "1700-01-01T00:00:00Z", 29143, false, "LMT"},
        {"Asia/Shanghai", "1988-07-01T00:00:00Z", 32400, true, "CDT"},
        {"America/New_York", "2026-03-08T06:59:59Z", -18000, false, "EST"},
        {"America/New_York", "2026-03-08T07:00:00Z", -14400, true, "EDT"},
        {"America/New_York", "2050-07-01T00:00:00Z", -14400, true, "EDT"},
        {"America/New_York", "9999-12-31T23:59:59Z", -18000, false, "EST"},
        {"Australia/Lord_Howe", "2050-01-01T00:00:00Z", 39600, true, "+11"},
        {"Australia/Lord_Howe", "2050-07-01T00:00:00Z", 37800, false, "+1030"},
        {"Europe/Dublin", "2050-01-01T00:00:00Z", 0, true, "GMT"},
        {"Europe/Dublin", "2050-07-01T00:00:00Z", 3600, false, "IST"},
        {"Asia/Kathmandu", "2026-01-01T00:00:00Z", 20700, false, "+0545"},
        {"Africa/Monrovia", "1971-01-01T00:00:00Z", -2670, false, "MMT"},
        {"Pacific/Apia", "2011-12-30T09:59:59Z", -36000, true, "-10"},
        {"Pacific/Apia", "2011-12-30T10:00:00Z", 50400, true, "+14"},
        {"America/Nuuk", "2050-03-27T00:59:59Z", -7200, false, "-02"},
        {"America/Nuuk", "2050-03-27T01:00:00Z", -3600, true, "-01"},
        {"Etc/UTC", "2026-01-01T00:00:00Z", 0, false, "UTC"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct zone *zone = installed(rows[i].zone);
        struct zone_offset got = zone_offset_at(zone, at(rows[i].instant));
        assert_int_equal(got.seconds, rows[i].seconds);
        assert_int_equal(got.dst, rows[i].dst);
        assert_string_equal(got.abbreviation, rows[i].abbreviation);
        assert_int_equal(zone_seconds_at(zone, at(rows[i].instant)), rows[i].seconds);
        zone_destroy(zone);
    }
}

static void local_readings(void **state)
{
    (void)state;
    /* Readings are written with Z: local seconds are a count on the zone's own clock. */
    static const struct {
        const char *zone;
        const char *reading;
        enum zone_local_kind kind;
        const char *first;
        const char *last;
    } rows[] = {
        {"America/New_York", "2026-03-08T01:59:59Z", ZONE_ONE, "2026-03-08T06:59:59Z", NULL},
        {"America/New_York", "2026-03-08T02:00:00Z", ZONE_GAP, "2026-03-08T07:00:00Z", NULL},
        {"America/New_York", "2026-03-08T02:59:59Z", ZONE_GAP, "2026-03-08T07:00:00Z", NULL},
        {"America/New_York", "2026-03-08T03:00:00Z", ZONE_ONE, "2026-03-08T07:00:00Z", NULL},
        {"America/New_York", "2026-11-01T00:59:59Z", ZONE_ONE, "2026-11-01T04:59:59Z", NULL},
        {"America/New_York", "2026-11-01T01:00:00Z", ZONE_OVERLAP, "2026-11-01T05:00:00Z",
         "2026-11-01T06:00:00Z"},
        {"America/New_York", "2026-11-01T01:59:59Z", ZONE_OVERLAP, "2026-11-01T05:59:59Z",
         "2026-11-01T06:59:59Z"},
        {"America/New_York", "2026-11-01T02:00:00Z", ZONE_ONE, "2026-11-01T07:00:00Z", NULL},
        {"Pacific/Apia", "2011-12-29T23:59:59Z", ZONE_ONE, "2011-12-30T09:59:59Z", NULL},
        {"Pacific/Apia", "2011-12-30T00:00:00Z", ZONE_GAP, "2011-12-30T10:00:00Z", NULL},
        {"Pacific/Apia", "2011-12-30T23:59:59Z", ZONE_GAP, "2011-12-30T10:00:00Z", NULL},
        {"Pacific/Apia", "2011-12-31T00:00:00Z", ZONE_ONE, "2011-12-30T10:00:00Z", NULL},
        {"Pacific/Kwajalein", "1993-08-20T23:59:59Z", ZONE_ONE, "1993-08-21T11:59:59Z", NULL},
        {"Pacific/Kwajalein", "1993-08-21T12:00:00Z", ZONE_GAP, "1993-08-21T12:00:00Z", NULL},
        {"Pacific/Kwajalein", "1993-08-22T00:00:00Z", ZONE_ONE, "1993-08-21T12:00:00Z", NULL},
        {"America/Santiago", "2050-09-04T00:30:00Z", ZONE_GAP, "2050-09-04T04:00:00Z", NULL},
        {"Australia/Lord_Howe", "2050-04-03T01:45:00Z", ZONE_OVERLAP, "2050-04-02T14:45:00Z",
         "2050-04-02T15:15:00Z"},
        {"America/Juneau", "1867-10-18T23:00:00Z", ZONE_OVERLAP, "1867-10-18T07:57:41Z",
         "1867-10-19T07:57:41Z"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct zone *zone = installed(rows[i].zone);
        int64_t reading = at(rows[i].reading);
        struct zone_local got = zone_from_local(zone, reading);
        assert_int_equal(got.kind, rows[i].kind);
        assert_int_equal(got.first, at(rows[i].first));
        assert_int_equal(got.last, at(rows[i].last != NULL ? rows[i].last : rows[i].first));
        if (got.kind == ZONE_GAP) {
            assert_true(got.change.at + got.change.before <= reading);
            assert_true(got.change.at + got.change.after > reading);
            assert_int_equal(got.change.at, got.first);
        } else if (got.kind == ZONE_OVERLAP) {
            assert_true(got.change.at > got.first && got.change.at <= got.last);
            assert_true(got.change.at + got.change.after <= reading);
            assert_true(got.change.at + got.change.before > reading);
        }
        zone_destroy(zone);
    }
}

static void changes_come_from_the_footer(void **state)
{
    (void)state;
    struct zone *zone = posix("EST5EDT,M3.2.0,M11.1.0");
    struct zone_change change;
    assert_true(zone_next_change(zone, at("2400-01-01T00:00:00Z"), &change));
    assert_int_equal(change.at, at("2400-03-12T07:00:00Z"));
    assert_int_equal(change.before, -18000);
    assert_int_equal(change.after, -14400);
    assert_true(zone_next_change(zone, change.at, &change));
    assert_int_equal(change.at, at("2400-11-05T06:00:00Z"));
    assert_true(zone_next_change(zone, change.at - 1, &change));
    assert_int_equal(change.at, at("2400-11-05T06:00:00Z"));
    assert_false(zone_next_change(zone, at("9999-12-01T00:00:00Z"), &change));
    assert_false(zone_next_change(zone, INT64_MAX, &change));
    assert_true(zone_next_change(zone, INT64_MIN, &change));
    assert_int_equal(zone_settled_from(zone), INT64_MIN);
    zone_destroy(zone);
    assert_false(zone_next_change(zone_utc(), INT64_MIN, &change));
}

static void footers(void **state)
{
    (void)state;
    static const struct {
        const char *tz;
        const char *instant;
        int32_t seconds;
        const char *abbreviation;
    } rows[] = {
        {"UTC0", "2026-01-01T00:00:00Z", 0, "UTC"},
        {"<+0330>-3:30", "2026-01-01T00:00:00Z", 12600, "+0330"},
        {"<-03>3<-02>,M3.5.0/-2,M10.5.0/-1", "2026-03-29T00:59:59Z", -10800, "-03"},
        {"<-03>3<-02>,M3.5.0/-2,M10.5.0/-1", "2026-03-29T01:00:00Z", -7200, "-02"},
        {"LMT-8:05:43", "2026-01-01T00:00:00Z", 29143, "LMT"},
        {"AAA+24:59:59", "2026-01-01T00:00:00Z", -89999, "AAA"},
        {"AAA-24:59:59BBB,J50,J300", "2026-06-01T00:00:00Z", 93599, "BBB"},
        /* Jn never counts 29 February, n does. */
        {"AAA0BBB,J60/0,J300/0", "2024-02-29T23:59:59Z", 0, "AAA"},
        {"AAA0BBB,J60/0,J300/0", "2024-03-01T00:00:00Z", 3600, "BBB"},
        {"AAA0BBB,59/0,300/0", "2024-02-28T23:59:59Z", 0, "AAA"},
        {"AAA0BBB,59/0,300/0", "2024-02-29T00:00:00Z", 3600, "BBB"},
        /* Hours beyond the day: 50 after Thursday midnight is Saturday 02:00. */
        {"EET-2EEST,M3.4.4/50,M10.4.4/50", "2027-03-26T23:59:59Z", 7200, "EET"},
        {"EET-2EEST,M3.4.4/50,M10.4.4/50", "2027-03-27T00:00:00Z", 10800, "EEST"},
        /* A week over the year's end, both ways. */
        {"AAA0BBB,J365/167,J100/0", "2027-01-06T22:59:59Z", 0, "AAA"},
        {"AAA0BBB,J365/167,J100/0", "2027-01-06T23:00:00Z", 3600, "BBB"},
        {"AAA0BBB,J1/-167,J100/0", "2026-12-25T00:59:59Z", 0, "AAA"},
        {"AAA0BBB,J1/-167,J100/0", "2026-12-25T01:00:00Z", 3600, "BBB"},
        {"AAA0BBB,J3/0,J365/120", "2027-01-02T23:59:59Z", 0, "AAA"},
        {"AAA0BBB,J3/0,J365/120", "2027-01-03T00:00:00Z", 3600, "BBB"},
        {"AAA0BBB,J3/0,J365/120", "2027-01-04T23:00:00Z", 0, "AAA"},
        /* Summer time that never ends. */
        {"XXX3EDT4,0/0,J365/23", "2026-12-31T23:59:59Z", -14400, "EDT"},
        {"XXX3EDT4,0/0,J365/23", "2027-01-01T03:59:59Z", -14400, "EDT"},
        {"XXX3EDT4,0/0,J365/23", "2028-02-29T12:00:00Z", -14400, "EDT"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct zone *zone = posix(rows[i].tz);
        struct zone_offset got = zone_offset_at(zone, at(rows[i].instant));
        assert_int_equal(got.seconds, rows[i].seconds);
        assert_string_equal(got.abbreviation, rows[i].abbreviation);
        zone_destroy(zone);
    }
    struct zone_change change;
    struct zone *endless = posix("XXX3EDT4,0/0,J365/23");
    assert_false(zone_next_change(endless, 0, &change));
    zone_destroy(endless);
}

static void footers_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "E",
        "ES5",
        "EST",
        "EST25",
        "EST5:60",
        "EST5:00:60",
        "EST5EDT",
        "EST5EDT,M3.2.0",
        "EST5EDT,M3.2.0,",
        "EST5EDT,M13.2.0,M11.1.0",
        "EST5EDT,M0.2.0,M11.1.0",
        "EST5EDT,M3.0.0,M11.1.0",
        "EST5EDT,M3.6.0,M11.1.0",
        "EST5EDT,M3.2.7,M11.1.0",
        "EST5EDT,M3.2.0/168,M11.1.0",
        "EST5EDT,M3.2.0/-168,M11.1.0",
        "EST5EDT,J0,J100",
        "EST5EDT,J366,J100",
        "EST5EDT,366,100",
        "EST5EDT,M3.2.0,M11.1.0x",
        "EST5EDT,M3.2.0,M11.1.0,",
        "<EST5EDT,M3.2.0,M11.1.0",
        "<E>5",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ5",
        "EST99999999999999999999",
        "EST5 ",
        "EST5EDT25,M3.2.0,M11.1.0",
        "E\tST5",
        ":America/New_York",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct zone *zone = NULL;
        struct errtext err = {""};
        assert_int_equal(zone_parse_posix(bad[i], &zone, &err), -EINVAL);
        assert_null(zone);
        assert_true(err.text[0] != '\0');
    }
}

/* A small file of version 2, made by hand; each test spoils a copy. */
#define SMALL_TIMES 2
#define SMALL_TYPES 2
static const uint8_t small_file[] = {
    /* 0: header and an empty first block */
    'T', 'Z', 'i', 'f', '2', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /* 44: second header */
    'T', 'Z', 'i', 'f', '2', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 64: ut */
    0, 0, 0, 0,           /* 68: standard */
    0, 0, 0, 0,           /* 72: leap seconds */
    0, 0, 0, SMALL_TIMES, /* 76 */
    0, 0, 0, SMALL_TYPES, /* 80 */
    0, 0, 0, 8,           /* 84: characters */
    /* 88: times 1000 and 2000 */
    0, 0, 0, 0, 0, 0, 0x03, 0xE8, 0, 0, 0, 0, 0, 0, 0x07, 0xD0, 1,
    0,                                  /* 104: types of the transitions */
    0, 0, 0, 0, 0, 0,                   /* 106: offset 0, "AAA" */
    0, 0, 0x0E, 0x10, 1, 4,             /* 112: offset 3600, summer, "BBB" */
    'A', 'A', 'A', 0, 'B', 'B', 'B', 0, /* 118 */
    '\n', 'A', 'A', 'A', '0', '\n',     /* 126 */
};

static int parse_copy(const uint8_t *bytes, size_t length, struct zone **ret, struct errtext *err)
{
    uint8_t *copy = malloc(length > 0 ? length : 1); /* exact, so that a sanitizer sees overruns */
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    int outcome = zone_parse(copy, length, ret, err);
    free(copy);
    return outcome;
}

static void small_file_reads(void **state)
{
    (void)state;
    struct zone *zone = NULL;
    struct errtext err = {""};
    assert_int_equal(parse_copy(small_file, sizeof small_file, &zone, &err), 0);
    assert_int_equal(zone_seconds_at(zone, INT64_MIN), 0);
    assert_int_equal(zone_seconds_at(zone, 999), 0);
    assert_int_equal(zone_seconds_at(zone, 1000), 3600);
    assert_int_equal(zone_seconds_at(zone, 1999), 3600);
    assert_int_equal(zone_seconds_at(zone, 2000), 0);
    assert_int_equal(zone_seconds_at(zone, INT64_MAX), 0);
    /* Readings run to 999, then from 4600 to 5599, then from 2000 on. */
    assert_int_equal(zone_from_local(zone, 1500).kind, ZONE_GAP);
    assert_int_equal(zone_from_local(zone, 4000).kind, ZONE_ONE);
    struct zone_local local = zone_from_local(zone, 4800);
    assert_int_equal(local.kind, ZONE_OVERLAP);
    assert_int_equal(local.first, 1200);
    assert_int_equal(local.last, 4800);
    assert_int_equal(local.change.at, 2000);
    zone_destroy(zone);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct errtext err = {""};
    for (size_t length = 0; length < sizeof small_file; length++) {
        struct zone *zone = NULL;
        assert_int_equal(parse_copy(small_file, length, &zone, &err), -EINVAL);
        assert_null(zone);
    }
    size_t length = 0;
    uint8_t *bytes = zone_file_read(ZONE_DIRECTORY, "America/New_York", &length);
    assert_non_null(bytes);
    for (size_t n = 0; n < length; n++) {
        struct zone *zone = NULL;
        assert_int_equal(parse_copy(bytes, n, &zone, &err), -EINVAL);
    }
    free(bytes);
}

static void spoilt_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        uint8_t value;
    } spoils[] = {
        {0, 'X'},    {4, '1'},   {4, '5'},    {20, 1},     {24, 0xFF},  {32, 0x80},  {36, 0xFF},
        {40, 0xFF},  {44, 'X'},  {64, 0xFF},  {67, 1},     {68, 0xFF},  {71, 1},     {72, 0xFF},
        {75, 1},     {76, 0xFF}, {79, 200},   {80, 0xFF},  {83, 0},     {84, 0xFF},  {87, 0},
        {96, 0x80},  {88, 0x7F}, {94, 0x07},  {104, 2},    {105, 0xFF}, {106, 0x7F}, {106, 0x80},
        {108, 0x01}, {110, 2},   {110, 0xFF}, {111, 8},    {117, 0xFF}, {118, '\n'}, {119, 0x80},
        {125, 'B'},  {126, 'x'}, {127, '\0'}, {130, '\t'}, {131, 'x'},
    };
    for (size_t i = 0; i < COUNT(spoils); i++) {
        uint8_t bytes[sizeof small_file];
        memcpy(bytes, small_file, sizeof bytes);
        bytes[spoils[i].offset] = spoils[i].value;
        if (spoils[i].offset == 108)
            bytes[107] = 0x02; /* 0x020100 seconds: 36 hours */
        if (spoils[i].offset == 94)
            bytes[95] = 0xD0; /* both transitions at 2000 */
        struct zone *zone = NULL;
        struct errtext err = {""};
        int outcome = parse_copy(bytes, sizeof bytes, &zone, &err);
        if (outcome != -EINVAL)
            (void)fprintf(stderr, "accepted: %zu = %u\n", spoils[i].offset, spoils[i].value);
        assert_int_equal(outcome, -EINVAL);
        assert_null(zone);
        assert_true(err.text[0] != '\0');
    }
}

static void oversized_file_is_refused(void **state)
{
    (void)state;
    uint8_t *bytes = calloc(1, ZONE_FILE_MAX + 1);
    assert_non_null(bytes);
    memcpy(bytes, small_file, sizeof small_file);
    struct zone *zone = NULL;
    struct errtext err = {""};
    assert_int_equal(zone_parse(bytes, ZONE_FILE_MAX, &zone, &err), 0);
    zone_destroy(zone);
    zone = NULL;
    assert_int_equal(zone_parse(bytes, ZONE_FILE_MAX + 1, &zone, &err), -EINVAL);
    assert_null(zone);
    free(bytes);
}

static void right_zones_are_refused(void **state)
{
    (void)state;
    size_t length = 0;
    uint8_t *bytes = zone_file_read(ZONE_DIRECTORY, "right/Asia/Shanghai", &length);
    if (bytes == NULL)
        skip();
    struct zone *zone = NULL;
    struct errtext err = {""};
    assert_int_equal(zone_parse(bytes, length, &zone, &err), -EINVAL);
    assert_non_null(strstr(err.text, "leap"));
    free(bytes);
}

static void version_1_has_a_table_and_no_footer(void **state)
{
    (void)state;
    size_t length = 0;
    uint8_t *bytes = zone_file_read(ZONE_DIRECTORY, "America/New_York", &length);
    assert_non_null(bytes);
    bytes[4] = 0;
    struct zone *zone = NULL;
    struct errtext err = {""};
    assert_int_equal(zone_parse(bytes, length, &zone, &err), 0);
    assert_int_equal(zone_seconds_at(zone, at("2026-07-01T00:00:00Z")), -14400);
    int64_t settled = zone_settled_from(zone); /* in 2037 */
    assert_true(settled > at("2037-01-01T00:00:00Z") && settled < at("2038-01-01T00:00:00Z"));
    struct zone_change change;
    assert_false(zone_next_change(zone, settled, &change));
    assert_int_equal(zone_seconds_at(zone, at("2050-07-01T00:00:00Z")), -18000);
    zone_destroy(zone);
    free(bytes);
}

static void names(void **state)
{
    (void)state;
    static const char *const good[] = {
        "UTC", "Asia/Shanghai", "America/Argentina/Buenos_Aires", "Etc/GMT+12", "GMT-0", "a.b"};
    static const char *const bad[] = {
        "",
        "/",
        "/etc/passwd",
        "..",
        "../x",
        "Asia/../../x",
        "Asia/..",
        "Asia/",
        "Asia//x",
        ".hidden",
        "Asia/.x",
        "a b",
        "a\n",
        "a\\b",
        "\xC3\xA9",
        "a:b",
        "~",
        "A\x7F",
        "%2e%2e",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(zone_name_is_safe(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(zone_name_is_safe(bad[i]));
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* What zone_from_local() says is what the offsets say. */
static void check_local(const struct zone *zone, int64_t local)
{
    struct zone_local got = zone_from_local(zone, local);
    if (got.kind == ZONE_GAP) {
        assert_true(got.change.at + got.change.before <= local);
        assert_true(got.change.at + got.change.after > local);
        assert_int_equal(zone_seconds_at(zone, got.change.at), got.change.after);
        assert_int_equal(zone_seconds_at(zone, got.change.at - 1), got.change.before);
        return;
    }
    assert_int_equal(got.first + zone_seconds_at(zone, got.first), local);
    assert_int_equal(got.last + zone_seconds_at(zone, got.last), local);
    assert_int_equal(got.kind == ZONE_ONE, got.first == got.last);
}

static void local_and_utc_agree(void **state)
{
    (void)state;
    static const char *const zones[] = {
        "America/New_York",    "Pacific/Apia",      "Africa/Monrovia",
        "Australia/Lord_Howe", "Africa/Casablanca", "Antarctica/Troll",
        "America/Santiago",    "Asia/Shanghai",     "Europe/Dublin"};
    uint64_t seed = 20261124;
    for (size_t i = 0; i < COUNT(zones); i++) {
        struct zone *zone = installed(zones[i]);
        struct zone_change change = {.at = at("1850-01-01T00:00:00Z")};
        for (int n = 0; n < 300 && zone_next_change(zone, change.at, &change); n++) {
            struct zone_span before = zone_span_at(zone, change.at - 1);
            struct zone_span after = zone_span_at(zone, change.at);
            assert_int_equal(before.until, change.at);
            assert_int_equal(after.from, change.at);
            assert_int_equal(before.seconds, change.before);
            assert_int_equal(after.seconds, change.after);
            for (int k = 0; k < 20; k++) {
                int64_t off = (int64_t)(next_random(&seed) % 14400) - 7200;
                check_local(zone, change.at + change.before + off);
                check_local(zone, change.at + change.after + off);
            }
        }
        for (int k = 0; k < 2000; k++)
            check_local(zone, (int64_t)(next_random(&seed) % 315537897600) + WALL_MIN_SECOND);
        check_local(zone, WALL_MIN_SECOND);
        check_local(zone, WALL_MAX_SECOND);
        zone_destroy(zone);
    }
}

/* An hour forward, and back after eight minutes: against a search that knows offsets alone. */
static void changes_close_together(void **state)
{
    (void)state;
    uint8_t bytes[sizeof small_file];
    memcpy(bytes, small_file, sizeof bytes);
    bytes[102] = 0x05; /* the second transition at 1488: 488 s after the first */
    bytes[103] = 0xD0;
    struct zone *zone = NULL;
    struct errtext err = {""};
    assert_int_equal(parse_copy(bytes, sizeof bytes, &zone, &err), 0);
    for (int64_t local = -8000; local < 16000; local++) {
        int count = 0;
        int64_t first = 0;
        int64_t last = 0;
        for (int64_t u = local - 3600; u <= local; u += 3600) {
            if (u + zone_seconds_at(zone, u) != local)
                continue;
            if (count++ == 0)
                first = u;
            last = u;
        }
        struct zone_local got = zone_from_local(zone, local);
        assert_int_equal(got.kind, count == 0 ? ZONE_GAP : count == 1 ? ZONE_ONE : ZONE_OVERLAP);
        if (count > 0) {
            assert_int_equal(got.first, first);
            assert_int_equal(got.last, last);
        }
    }
    zone_destroy(zone);
}

static void extremes_are_defined(void **state)
{
    (void)state;
    static const int64_t instants[] = {INT64_MIN, INT64_MIN + 1,   WALL_MIN_SECOND, -1,
                                       0,         WALL_MAX_SECOND, INT64_MAX - 1,   INT64_MAX};
    struct zone *zones[] = {installed("America/New_York"), posix("AAA0BBB,J365/167,J1/-167"),
                            installed("Etc/UTC")};
    for (size_t z = 0; z < COUNT(zones); z++) {
        for (size_t i = 0; i < COUNT(instants); i++) {
            int32_t seconds = zone_seconds_at(zones[z], instants[i]);
            assert_true(seconds >= -ZONE_OFFSET_MAX && seconds <= ZONE_OFFSET_MAX);
            struct zone_span span = zone_span_at(zones[z], instants[i]);
            assert_true(span.from < span.until);
            (void)zone_from_local(zones[z], instants[i]);
            struct zone_change change;
            if (zone_next_change(zones[z], instants[i], &change))
                assert_true(change.at < WALL_MAX_SECOND && change.before != change.after);
        }
        zone_destroy(zones[z]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_at_known_instants),
        cmocka_unit_test(local_readings),
        cmocka_unit_test(changes_come_from_the_footer),
        cmocka_unit_test(footers),
        cmocka_unit_test(footers_refused),
        cmocka_unit_test(small_file_reads),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(spoilt_files_are_refused),
        cmocka_unit_test(oversized_file_is_refused),
        cmocka_unit_test(right_zones_are_refused),
        cmocka_unit_test(version_1_has_a_table_and_no_footer),
        cmocka_unit_test(names),
        cmocka_unit_test(local_and_utc_agree),
        cmocka_unit_test(changes_close_together),
        cmocka_unit_test(extremes_are_defined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
