/* See zone_file.h. Files are trusted here: they come from the system's tzdata. */
#include "zone_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint8_t *zone_file_read(const char *directory, const char *name, size_t *ret_length)
{
    char path[512];
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return NULL;
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return NULL;
    uint8_t *bytes = malloc(ZONE_FILE_MAX + 1);
    if (bytes != NULL)
        *ret_length = fread(bytes, 1, ZONE_FILE_MAX + 1, file);
    (void)fclose(file);
    return bytes;
}

static size_t count_at(const uint8_t *p)
{
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* The size of the header at `p` and the block behind it. */
static size_t part_size(const uint8_t *p, size_t time_size)
{
    return 44 + count_at(p + 32) * (time_size + 1) + count_at(p + 36) * 6 + count_at(p + 40)
           + count_at(p + 28) * (time_size + 4) + count_at(p + 24) + count_at(p + 20);
}

static int64_t time_at(const uint8_t *p)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | p[i];
    return (int64_t)value;
}

uint8_t *zone_file_cut(const uint8_t *bytes, size_t length, int64_t second, size_t *ret_length)
{
    if (length < 44 || bytes[4] < '2')
        return NULL;
    uint8_t *cut = malloc(length);
    if (cut == NULL)
        return NULL;
    size_t header = part_size(bytes, 4);
    const uint8_t *times = bytes + header + 44;
    size_t all = count_at(bytes + header + 32);
    size_t kept = 0;
    while (kept < all && time_at(times + kept * 8) < second)
        kept++;
    memcpy(cut, bytes, header + 44);
    uint8_t *p = cut + header + 32;
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(kept >> (24 - 8 * i));
    p = cut + header + 44;
    memcpy(p, times, kept * 8);
    p += kept * 8;
    memcpy(p, times + all * 8, kept);
    p += kept;
    const uint8_t *rest = times + all * 9;
    size_t rest_size = length - (size_t)(rest - bytes);
    memcpy(p, rest, rest_size);
    *ret_length = (size_t)(p - cut) + rest_size;
    return cut;
}

struct zone *zone_file_load(const char *directory, const char *name, int64_t second)
{
    size_t length = 0;
    uint8_t *bytes = zone_file_read(directory, name, &length);
    if (bytes != NULL && second != INT64_MAX) {
        uint8_t *cut = zone_file_cut(bytes, length, second, &length);
        free(bytes);
        bytes = cut;
    }
    struct zone *zone = NULL;
    struct errtext err = {"no such file"};
    if (bytes == NULL || zone_parse(bytes, length, &zone, &err) != 0) {
        (void)fprintf(stderr, "%s: %s\n", name, err.text);
        abort();
    }
    free(bytes);
    return zone;
}
