/*
 * A time zone, read from the bytes of a TZif file (RFC 8536, versions 1 to 4).
 *
 * From the last transition of the table on, the footer's POSIX rule holds (hours from -167 to 167),
 * so that instants centuries ahead are right; without a footer, the last transition's offset.
 * Before the first, the file's type 0.
 *
 * Files that count leap seconds (the "right/" zones) are refused: every instant here is POSIX time.
 *
 * A zone is immutable after zone_parse() and may be shared. Seconds are whole seconds since
 * 1970-01-01T00:00:00Z; local seconds are the same count on the zone's own clock.
 *
 * Limits: ZONE_FILE_MAX bytes; offsets within 26 hours either way.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"

#include <stddef.h>

#define ZONE_FILE_MAX (256 * 1024)
#define ZONE_NAME_MAX 64
#define ZONE_ABBREVIATION_MAX 16
#define ZONE_OFFSET_MAX (26 * 3600)

struct zone;

struct zone_offset {
    int32_t seconds; /* east of UTC */
    bool dst;
    char abbreviation[ZONE_ABBREVIATION_MAX];
};

/* A change of the clock: at instant `at` the offset goes from `before` to `after` (seconds). */
struct zone_change {
    int64_t at;
    int32_t before;
    int32_t after;
};

/* What UTC instants show a given local reading. */
enum zone_local_kind {
    ZONE_ONE,     /* exactly one: `first` == `last` */
    ZONE_GAP,     /* none: the clock skipped it at `change.at` */
    ZONE_OVERLAP, /* more than one: `first` is the earliest, `last` the latest */
};

struct zone_local {
    enum zone_local_kind kind;
    int64_t first;
    int64_t last;
    struct zone_change change; /* of the gap or overlap: where several are, the first */
};

/*
 * A stretch of time with one offset: from <= instant < until. INT64_MIN and INT64_MAX stand for no
 * bound. The neighbour's offset may be the same (a change of the abbreviation alone).
 */
struct zone_span {
    int64_t from;
    int64_t until;
    int32_t seconds; /* east of UTC */
};

/*
 * Outcomes: 0, the caller owns *ret (zone_destroy); -EINVAL with a text for bytes that are not a
 * usable TZif file; -ENOMEM.
 */
int zone_parse(const uint8_t *bytes, size_t length, struct zone **ret,
               struct errtext *err) MUST_CHECK;
void zone_destroy(struct zone *zone);

/* UTC without a file; never destroyed. */
const struct zone *zone_utc(void);

struct zone_offset zone_offset_at(const struct zone *zone, int64_t utc_second);

/* Offset alone, without the abbreviation: the fast path. */
int32_t zone_seconds_at(const struct zone *zone, int64_t utc_second);

/* The span that holds the instant. */
struct zone_span zone_span_at(const struct zone *zone, int64_t utc_second);

/*
 * From this instant on the zone is settled: its changes repeat every 400 years, or there are none.
 * INT64_MIN where it always was.
 */
int64_t zone_settled_from(const struct zone *zone);

/* The instants that show a local reading; in a gap `first` and `last` are change.at. */
struct zone_local zone_from_local(const struct zone *zone, int64_t local_second);

/*
 * The first change of offset strictly after `utc_second` (changes of the abbreviation or the dst
 * flag alone do not count).
 * Outcomes: true with *ret filled; false where none comes before WALL_MAX_SECOND.
 */
bool zone_next_change(const struct zone *zone, int64_t utc_second,
                      struct zone_change *ret) MUST_CHECK;

/*
 * A zone name that is safe to join to a directory: letters, digits, "._+-" and "/" between
 * non-empty parts, no part beginning with a dot, no leading slash, at most ZONE_NAME_MAX bytes.
 */
bool zone_name_is_safe(const char *name);

/*
 * The POSIX TZ string of a footer, alone: for tests and fuzzing.
 * Outcomes: as zone_parse().
 */
int zone_parse_posix(const char *tz, struct zone **ret, struct errtext *err) MUST_CHECK;
