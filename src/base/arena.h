/*
 * Memory that is taken piece by piece and given back all at once.
 *
 * Chunks are ARENA_CHUNK_SIZE bytes (or one large piece), big enough that the allocator maps each
 * by itself: only the pages that are used count, and finishing gives them back to the system. For
 * that to hold over many rounds the program fixes the allocator's threshold once (mallopt
 * M_MMAP_THRESHOLD), since glibc otherwise raises it at the first free.
 *
 * A zeroed struct is an empty arena. One arena serves one thread.
 */
#pragma once

#include <stddef.h>

#define ARENA_CHUNK_SIZE (256 * 1024)

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
};

/*
 * `size` bytes, not zeroed, aligned to `alignment` (a power of two, at most 16). NULL: no memory.
 */
void *arena_take(struct arena *arena, size_t size, size_t alignment)
    __attribute__((warn_unused_result, malloc));

/* A copy with a NUL after it. NULL: no memory. */
char *arena_copy(struct arena *arena, const char *bytes, size_t length)
    __attribute__((warn_unused_result));

/* Gives back everything; the arena is empty again. Twice is harmless. */
void arena_finish(struct arena *arena);
