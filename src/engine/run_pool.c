/*
 * The pool of runs declared in attempt.h: blocks of runs that never move, a list of free ones.
 *
 * A ticket is the run's index and a counter of its uses: (uses << INDEX_BITS) | index. So a late
 * answer to an attempt that is over finds nothing.
 */
#include "engine/attempt.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define INDEX_BITS 20
#define INDEX_MASK ((UINT64_C(1) << INDEX_BITS) - 1)
#define BLOCK_RUNS 64

struct place {
    struct run run;
    uint64_t uses;
    size_t next_free; /* 1 + index; 0 ends the list */
};

struct run_pool {
    struct place **blocks;
    size_t block_count;
    size_t block_max;
    size_t free_first; /* 1 + index; 0: none */
};

int run_pool_create(size_t max, struct run_pool **ret)
{
    assert(max > 0 && max <= INDEX_MASK);
    struct run_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return -ENOMEM;
    pool->block_max = (max + BLOCK_RUNS - 1) / BLOCK_RUNS;
    pool->blocks = calloc(pool->block_max, sizeof *pool->blocks);
    if (pool->blocks == NULL) {
        free(pool);
        return -ENOMEM;
    }
    *ret = pool;
    return 0;
}

void run_pool_destroy(struct run_pool *pool)
{
    if (pool == NULL)
        return;
    size_t position = 0;
    for (struct run *run; (run = run_pool_next(pool, &position)) != NULL;) {
        free(run->doubt);
        config_unref(run->config);
    }
    for (size_t i = 0; i < pool->block_count; i++)
        free(pool->blocks[i]);
    free(pool->blocks);
    free(pool);
}

static struct place *place_at(struct run_pool *pool, size_t index)
{
    return &pool->blocks[index / BLOCK_RUNS][index % BLOCK_RUNS];
}

static bool grow(struct run_pool *pool)
{
    if (pool->block_count == pool->block_max)
        return false;
    struct place *block = calloc(BLOCK_RUNS, sizeof *block);
    if (block == NULL)
        return false;
    size_t first = pool->block_count * BLOCK_RUNS;
    pool->blocks[pool->block_count++] = block;
    for (size_t i = 0; i < BLOCK_RUNS; i++)
        block[i].next_free = i + 1 < BLOCK_RUNS ? first + i + 2 : 0;
    pool->free_first = first + 1;
    return true;
}

struct run *run_pool_take(struct run_pool *pool)
{
    if (pool->free_first == 0 && !grow(pool))
        return NULL;
    size_t index = pool->free_first - 1;
    struct place *place = place_at(pool, index);
    pool->free_first = place->next_free;
    place->uses++;
    place->run = (struct run){.ticket = place->uses << INDEX_BITS | index};
    return &place->run;
}

void run_pool_give(struct run_pool *pool, struct run *run)
{
    size_t index = (size_t)(run->ticket & INDEX_MASK);
    struct place *place = place_at(pool, index);
    assert(&place->run == run && !heap_node_is_queued(&run->queue)
           && !heap_node_is_queued(&run->deadline_node) && !run->is_filed);
    assert(run->doubt == NULL);
    config_unref(run->config);
    run->config = NULL;
    run->ticket = 0;
    place->next_free = pool->free_first;
    pool->free_first = index + 1;
}

void run_renew_ticket(struct run_pool *pool, struct run *run)
{
    size_t index = (size_t)(run->ticket & INDEX_MASK);
    struct place *place = place_at(pool, index);
    place->uses++;
    run->ticket = place->uses << INDEX_BITS | index;
}

struct run *run_pool_find(struct run_pool *pool, uint64_t ticket)
{
    size_t index = (size_t)(ticket & INDEX_MASK);
    if (ticket == 0 || index / BLOCK_RUNS >= pool->block_count)
        return NULL;
    struct run *run = &place_at(pool, index)->run;
    return run->ticket == ticket ? run : NULL;
}

struct run *run_pool_next(struct run_pool *pool, size_t *position)
{
    while (*position < pool->block_count * BLOCK_RUNS) {
        struct run *run = &place_at(pool, (*position)++)->run;
        if (run->ticket != 0)
            return run;
    }
    return NULL;
}
