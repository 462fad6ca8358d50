/*
 * Memory for keys: its pages are not swapped out, not part of a core, and wiped before they go.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Zeroed whole pages. NULL: no memory. Where it could not be locked, locked_memory_held() tells. */
void *locked_take(size_t size) __attribute__((warn_unused_result, malloc));

/* Wipes and gives back what locked_take() gave for that size; NULL is fine. */
void locked_give(void *bytes, size_t size);

/* Asks whether memory of this size can be locked at all, under this process's limits. */
bool locked_memory_held(size_t size);
