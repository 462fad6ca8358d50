/*
 * See arena.h. A list of chunks, the newest first; pieces are cut off the newest. A piece that is
 * larger than a quarter of a chunk gets a chunk of its own behind the newest, so that the rest of
 * the newest is not lost.
 */
#include "base/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of `bytes` */
    size_t used;
    _Alignas(16) char bytes[];
};

static struct arena_chunk *chunk_create(size_t size)
{
    if (size > SIZE_MAX - sizeof(struct arena_chunk))
        return NULL;
    struct arena_chunk *chunk = malloc(sizeof *chunk + size);
    if (chunk == NULL)
        return NULL;
    chunk->next = NULL;
    chunk->size = size;
    chunk->used = 0;
    return chunk;
}

static void *take_large(struct arena *arena, size_t size)
{
    struct arena_chunk *chunk = chunk_create(size);
    if (chunk == NULL)
        return NULL;
    chunk->used = size;
    if (arena->chunks != NULL) {
        chunk->next = arena->chunks->next;
        arena->chunks->next = chunk;
    } else {
        arena->chunks = chunk;
    }
    return chunk->bytes;
}

void *arena_take(struct arena *arena, size_t size, size_t alignment)
{
    assert(alignment > 0 && alignment <= 16 && (alignment & (alignment - 1)) == 0);
    if (size > ARENA_CHUNK_SIZE / 4)
        return take_large(arena, size);
    struct arena_chunk *chunk = arena->chunks;
    size_t start = 0;
    if (chunk != NULL)
        start = (chunk->used + alignment - 1) & ~(alignment - 1);
    if (chunk == NULL || start > chunk->size || size > chunk->size - start) {
        chunk = chunk_create(ARENA_CHUNK_SIZE - sizeof *chunk);
        if (chunk == NULL)
            return NULL;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        start = 0;
    }
    chunk->used = start + size;
    return chunk->bytes + start;
}

char *arena_copy(struct arena *arena, const char *bytes, size_t length)
{
    if (length == SIZE_MAX)
        return NULL;
    char *copy = arena_take(arena, length + 1, 1);
    if (copy == NULL)
        return NULL;
    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

void arena_finish(struct arena *arena)
{
    while (arena->chunks != NULL) {
        struct arena_chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
}
