/*
 * The reader of TZif files (RFC 8536 and its successor RFC 9636, versions 1 to 4).
 *
 * A file is a header and a data block with times of four bytes; from version 2 on, a second header
 * and block with times of eight bytes and a footer between two line feeds follow, and the first
 * block is skipped. Happy path: lay out the blocks, check the used one, read the footer, build the
 * zone in one allocation.
 *
 * Failure paths: nothing is believed. Counts are checked against the limits of the format and
 * summed in 64 bits against the bytes that are there; times must ascend, type indices and
 * abbreviation indices must point inside, offsets stay within ZONE_OFFSET_MAX. Leap second
 * tables are refused (their times are not POSIX time). Bytes after the footer are ignored.
 */
#include "base/zone_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_SIZE 44
#define TYPE_SIZE 6
#define TYPES_MAX 256
/* An abbreviation begins at an index of one byte: the characters after these are never read. */
#define POOL_MAX (256 + ZONE_ABBREVIATION_MAX)

struct counts {
    uint32_t ut;
    uint32_t standard;
    uint32_t leap;
    uint32_t times;
    uint32_t types;
    uint32_t characters;
};

/* One data block: where its parts lie. */
struct block {
    struct counts n;
    size_t time_size; /* 4 or 8 */
    const uint8_t *times;
    const uint8_t *indices;
    const uint8_t *types;
    const uint8_t *characters;
    const uint8_t *end;
};

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static int64_t read_time(const uint8_t *p, size_t size)
{
    uint32_t high = read_u32(p);
    if (size == 4)
        return (int32_t)high;
    return (int64_t)((uint64_t)high << 32 | read_u32(p + 4));
}

/* The block whose header is at `start`: its parts, without looking into them. */
static int lay_out(const uint8_t *start, const uint8_t *end, size_t time_size, struct block *ret,
                   struct errtext *err)
{
    if (end - start < HEADER_SIZE || memcmp(start, "TZif", 4) != 0)
        return errtext_set(err, -EINVAL, "not a zone file: no TZif header");
    struct block b = {.time_size = time_size};
    b.n.ut = read_u32(start + 20);
    b.n.standard = read_u32(start + 24);
    b.n.leap = read_u32(start + 28);
    b.n.times = read_u32(start + 32);
    b.n.types = read_u32(start + 36);
    b.n.characters = read_u32(start + 40);
    uint64_t size = (uint64_t)b.n.times * (time_size + 1) + (uint64_t)b.n.types * TYPE_SIZE
                    + b.n.characters + (uint64_t)b.n.leap * (time_size + 4) + b.n.standard + b.n.ut;
    if (size > (uint64_t)(end - start - HEADER_SIZE))
        return errtext_set(err, -EINVAL, "the zone file is cut short");
    b.times = start + HEADER_SIZE;
    b.indices = b.times + b.n.times * time_size;
    b.types = b.indices + b.n.times;
    b.characters = b.types + (size_t)b.n.types * TYPE_SIZE;
    b.end = start + HEADER_SIZE + size;
    *ret = b;
    return 0;
}

static int check_counts(const struct counts *n, struct errtext *err)
{
    if (n->types < 1 || n->types > TYPES_MAX || n->characters < 1)
        return errtext_set(err, -EINVAL, "the zone file has no or too many local time types");
    if ((n->ut != 0 && n->ut != n->types) || (n->standard != 0 && n->standard != n->types))
        return errtext_set(err, -EINVAL, "the zone file's counts contradict each other");
    if (n->leap != 0)
        return errtext_set(err, -EINVAL,
                           "the zone file counts leap seconds; use the zone outside right/");
    return 0;
}

static int check_times(const struct block *b, struct errtext *err)
{
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < b->n.times; i++) {
        int64_t at = read_time(b->times + i * b->time_size, b->time_size);
        if (at <= last)
            return errtext_set(err, -EINVAL, "the zone file's transitions are not in order");
        if (at < -ZONE_INSTANT_LIMIT || at > ZONE_INSTANT_LIMIT)
            return errtext_set(err, -EINVAL, "the zone file's transitions are out of range");
        if (b->indices[i] >= b->n.types)
            return errtext_set(err, -EINVAL, "the zone file names a type that is not there");
        last = at;
    }
    return 0;
}

static bool is_abbreviation_character(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+'
           || c == '-';
}

static bool is_abbreviation(const struct block *b, size_t index)
{
    for (size_t length = 0; length < ZONE_ABBREVIATION_MAX; length++) {
        if (index + length >= b->n.characters)
            return false;
        uint8_t c = b->characters[index + length];
        if (c == '\0')
            return true;
        if (!is_abbreviation_character(c))
            return false;
    }
    return false;
}

static int check_types(const struct block *b, struct errtext *err)
{
    for (size_t i = 0; i < b->n.types; i++) {
        const uint8_t *type = b->types + i * TYPE_SIZE;
        int64_t seconds = read_time(type, 4);
        if (seconds < -ZONE_OFFSET_MAX || seconds > ZONE_OFFSET_MAX)
            return errtext_set(err, -EINVAL, "the zone file has an offset of more than 26 hours");
        if (type[4] > 1)
            return errtext_set(err, -EINVAL, "the zone file's summer time flag is not 0 or 1");
        if (!is_abbreviation(b, type[5]))
            return errtext_set(err, -EINVAL,
                               "the zone file has an abbreviation that is not 0 to 15 letters, "
                               "digits or signs");
    }
    return 0;
}

/* "\n", the TZ string, "\n". An empty string leaves the kind ZONE_FOOTER_NONE. */
static int read_footer(const uint8_t *start, const uint8_t *end, struct zone_posix *ret,
                       struct errtext *err)
{
    if (start == end || *start != '\n')
        return errtext_set(err, -EINVAL, "the zone file has no footer");
    start++;
    const uint8_t *close = memchr(start, '\n', (size_t)(end - start));
    if (close == NULL)
        return errtext_set(err, -EINVAL, "the zone file's footer is cut short");
    if (close == start)
        return 0;
    return zone_posix_read((const char *)start, (size_t)(close - start), ret, err);
}

static uint16_t pool_add(char *pool, size_t *length, const char *name)
{
    size_t at = *length;
    size_t n = strnlen(name, ZONE_ABBREVIATION_MAX - 1);
    memcpy(pool + at, name, n);
    pool[at + n] = '\0';
    *length = at + n + 1;
    return (uint16_t)at;
}

/* One allocation: the zone, its times, types, pool and indices. `b` NULL: the footer alone. */
static struct zone *build(const struct block *b, const struct zone_posix *footer)
{
    size_t times = b != NULL ? b->n.times : 0;
    size_t types = b != NULL ? b->n.types : 0;
    size_t characters = b != NULL ? b->n.characters : 0;
    if (characters > POOL_MAX)
        characters = POOL_MAX;
    size_t pool_size = characters + 1 + sizeof footer->standard + sizeof footer->summer;
    size_t size = sizeof(struct zone) + times * sizeof(int64_t) + types * sizeof(struct zone_type)
                  + pool_size + times;
    struct zone *zone = calloc(1, size);
    if (zone == NULL)
        return NULL;
    int64_t *at = (int64_t *)(zone + 1);
    struct zone_type *type = (struct zone_type *)(at + times);
    char *pool = (char *)(type + types);
    uint8_t *type_of = (uint8_t *)(pool + pool_size);
    for (size_t i = 0; i < times; i++)
        at[i] = read_time(b->times + i * b->time_size, b->time_size);
    for (size_t i = 0; i < types; i++) {
        const uint8_t *bytes = b->types + i * TYPE_SIZE;
        type[i] = (struct zone_type){(int32_t)read_u32(bytes), bytes[5], bytes[4] == 1};
    }
    if (times > 0)
        memcpy(type_of, b->indices, times);
    if (characters > 0)
        memcpy(pool, b->characters, characters);
    size_t used = characters + 1; /* calloc wrote the NUL that ends a cut name */
    zone->footer = footer->footer;
    zone->footer.standard.abbreviation = pool_add(pool, &used, footer->standard);
    zone->footer.summer.abbreviation = pool_add(pool, &used, footer->summer);
    zone->count = times;
    zone->at = at;
    zone->type_of = type_of;
    zone->types = type;
    zone->abbreviations = pool;
    return zone;
}

static int check_block(const struct block *b, struct errtext *err)
{
    int outcome = check_counts(&b->n, err);
    if (outcome == 0)
        outcome = check_times(b, err);
    return outcome == 0 ? check_types(b, err) : outcome;
}

int zone_parse(const uint8_t *bytes, size_t length, struct zone **ret, struct errtext *err)
{
    if (length > ZONE_FILE_MAX)
        return errtext_set(err, -EINVAL, "the zone file is larger than %d bytes", ZONE_FILE_MAX);
    const uint8_t *end = bytes + length;
    struct zone_posix footer = {.footer = {.kind = ZONE_FOOTER_NONE, .steady = true}};
    struct block block;
    int outcome = lay_out(bytes, end, 4, &block, err);
    if (outcome != 0)
        return outcome;
    uint8_t version = bytes[4];
    if (version != 0 && (version < '2' || version > '4'))
        return errtext_set(err, -EINVAL, "the zone file's version is not one of 1 to 4");
    if (version != 0)
        outcome = lay_out(block.end, end, 8, &block, err);
    if (outcome == 0)
        outcome = check_block(&block, err);
    if (outcome == 0 && version != 0)
        outcome = read_footer(block.end, end, &footer, err);
    if (outcome != 0)
        return outcome;
    struct zone *zone = build(&block, &footer);
    if (zone == NULL)
        return errtext_set(err, -ENOMEM, "no memory for a zone");
    *ret = zone;
    return 0;
}

int zone_parse_posix(const char *tz, struct zone **ret, struct errtext *err)
{
    struct zone_posix footer;
    int outcome = zone_posix_read(tz, strlen(tz), &footer, err);
    if (outcome != 0)
        return outcome;
    struct zone *zone = build(NULL, &footer);
    if (zone == NULL)
        return errtext_set(err, -ENOMEM, "no memory for a zone");
    *ret = zone;
    return 0;
}

void zone_destroy(struct zone *zone)
{
    free(zone);
}
