/*
 * See names.h. Open addressing with linear steps over a table of numbers that is at most half full;
 * the list keeps each hash, so that growing reads no string again.
 */
#include "base/names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_SIZE_MIN 16

static uint32_t hash_of(const char *bytes, size_t length)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)(h ^ (h >> 32));
}

/* The place of the name, or the empty place where it would go. */
static uint32_t place_of(const struct names *names, const char *bytes, size_t length, uint32_t hash)
{
    uint32_t mask = names->table_size - 1;
    uint32_t place = hash & mask;
    for (; names->table[place] != 0; place = (place + 1) & mask) {
        const struct name *name = &names->list[names->table[place] - 1];
        if (name->hash == hash && name->length == length
            && (length == 0 || memcmp(name->bytes, bytes, length) == 0))
            break;
    }
    return place;
}

static int grow(struct names *names)
{
    if (names->count == names->list_size) {
        uint32_t size = names->list_size == 0 ? TABLE_SIZE_MIN / 2 : names->list_size * 2;
        struct name *list = realloc(names->list, size * sizeof *list);
        if (list == NULL)
            return -ENOMEM;
        names->list = list;
        names->list_size = size;
    }
    if (names->count < names->table_size / 2)
        return 0;
    uint32_t size = names->table_size == 0 ? TABLE_SIZE_MIN : names->table_size * 2;
    uint32_t *table = calloc(size, sizeof *table);
    if (table == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < names->count; i++) {
        uint32_t place = names->list[i].hash & (size - 1);
        while (table[place] != 0)
            place = (place + 1) & (size - 1);
        table[place] = i + 1;
    }
    free(names->table);
    names->table = table;
    names->table_size = size;
    return 0;
}

int names_add(struct names *names, const char *bytes, size_t length, uint32_t *ret)
{
    if (length > UINT32_MAX || names->count >= NAMES_MAX)
        return -E2BIG;
    if (names_find(names, bytes, length, ret) == 0)
        return NAMES_KNOWN;
    if (grow(names) != 0)
        return -ENOMEM;
    uint32_t hash = hash_of(bytes, length);
    uint32_t place = place_of(names, bytes, length, hash);
    uint32_t number = names->count++;
    names->list[number] = (struct name){bytes, (uint32_t)length, hash};
    names->table[place] = number + 1;
    *ret = number;
    return 0;
}

int names_find(const struct names *names, const char *bytes, size_t length, uint32_t *ret)
{
    if (names->table_size == 0)
        return NAMES_UNKNOWN;
    uint32_t found = names->table[place_of(names, bytes, length, hash_of(bytes, length))];
    if (found == 0)
        return NAMES_UNKNOWN;
    *ret = found - 1;
    return 0;
}

void names_clear(struct names *names)
{
    if (names->table_size > TABLE_SIZE_MIN && names->count < names->table_size / 8) {
        names_finish(names);
        return;
    }
    if (names->table_size > 0)
        memset(names->table, 0, names->table_size * sizeof *names->table);
    names->count = 0;
}

void names_finish(struct names *names)
{
    free(names->list);
    free(names->table);
    *names = (struct names){0};
}
