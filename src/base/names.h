/*
 * A set of byte strings, each numbered in the order of its arrival: 0, 1, 2, ...
 *
 * The bytes are borrowed: they must stay until the set is cleared or finished. A zeroed struct is
 * an empty set. One set serves one thread.
 */
#pragma once

#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

#define NAMES_MAX UINT32_C(0x3FFFFFFF)

struct name {
    const char *bytes;
    uint32_t length;
    uint32_t hash;
};

struct names {
    struct name *list; /* by number */
    uint32_t *table;   /* number + 1, 0 for an empty place */
    uint32_t count;
    uint32_t list_size;  /* places in `list` */
    uint32_t table_size; /* places in `table`: a power of two or 0 */
};

#define NAMES_KNOWN 1
#define NAMES_UNKNOWN 1

/* Outcomes: 0, new; NAMES_KNOWN; either way *ret is its number. -ENOMEM; -E2BIG past NAMES_MAX. */
int names_add(struct names *names, const char *bytes, size_t length, uint32_t *ret) MUST_CHECK;

/* Outcomes: 0 with its number; NAMES_UNKNOWN. */
int names_find(const struct names *names, const char *bytes, size_t length,
               uint32_t *ret) MUST_CHECK;

/* Empties the set; the cost follows what was in it, not what was once in it. */
void names_clear(struct names *names);

void names_finish(struct names *names);
