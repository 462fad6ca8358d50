/*
 * What the files of the zone room share: zone.c (look-up), zone_tzif.c (reader), zone_posix.c
 * (footer). Nothing outside the room includes it.
 */
#pragma once

#include "base/zone.h"

/* A local time type; `abbreviation` is an index into the zone's pool. */
struct zone_type {
    int32_t seconds;
    uint16_t abbreviation;
    bool dst;
};

enum zone_day_kind {
    ZONE_DAY_JULIAN,  /* Jn: 1-365, 29 February never counted */
    ZONE_DAY_ORDINAL, /* n: 0-365, 29 February counted */
    ZONE_DAY_WEEKDAY, /* Mm.w.d: weekday d of week w (5 is the last) of month m */
};

/* The day and the time of it at which the clock changes, each year. */
struct zone_rule {
    enum zone_day_kind kind;
    int16_t day;   /* of Jn or n; the weekday of Mm.w.d */
    int8_t month;  /* of Mm.w.d */
    int8_t week;   /* of Mm.w.d */
    int32_t clock; /* seconds after midnight of that day, -167 h to 167 h */
};

enum zone_footer_kind {
    ZONE_FOOTER_NONE,
    ZONE_FOOTER_FIXED, /* `standard` for ever */
    ZONE_FOOTER_RULE,  /* `summer` from `start` to `end` of each year, else `standard` */
};

struct zone_footer {
    enum zone_footer_kind kind;
    struct zone_type standard;
    struct zone_type summer;
    struct zone_rule start;
    struct zone_rule end;
    bool tame;   /* both days are far enough inside the year never to leave it */
    bool steady; /* the offset never changes, whatever the rule says */
};

struct zone {
    size_t count;           /* of transitions */
    const int64_t *at;      /* strictly ascending */
    const uint8_t *type_of; /* indices into `types`, one a transition */
    const struct zone_type *types;
    const char *abbreviations; /* NUL-terminated strings, one after the other */
    struct zone_footer footer;
};

/* As struct zone_span, with the type. */
struct zone_stretch {
    int64_t from;
    int64_t until;
    const struct zone_type *type;
};

/* Transitions lie within this of 1970 (RFC 8536: -2^59), so that adding offsets never overflows. */
#define ZONE_INSTANT_LIMIT (INT64_C(1) << 59)

struct zone_posix {
    struct zone_footer footer; /* abbreviation indices not yet set */
    char standard[ZONE_ABBREVIATION_MAX];
    char summer[ZONE_ABBREVIATION_MAX];
};

/*
 * Reads a POSIX TZ string (not NUL-terminated) as RFC 8536 extends it.
 * Outcomes: 0; -EINVAL with a text.
 */
int zone_posix_read(const char *bytes, size_t length, struct zone_posix *ret,
                    struct errtext *err) MUST_CHECK;

/* The stretch of the footer's rule that holds the instant; not of kind ZONE_FOOTER_NONE. */
struct zone_stretch zone_footer_stretch(const struct zone_footer *footer, int64_t utc_second);
