/*
 * A stable min-heap of nodes embedded in their owners: equal keys leave in the order they came.
 *
 * The heap owns its array of pointers, the caller owns the nodes. A node is in at most one heap at
 * a time; heap_node_is_queued() tells. Times as keys are int64_t of either clock.
 */
#pragma once

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;
    uint64_t order; /* set by heap_push() */
    size_t place;   /* 1 + index in the heap; 0: in none */
};

struct heap {
    struct heap_node **nodes;
    size_t count;
    size_t capacity;
    uint64_t pushed;
};

/* A zeroed struct is an empty heap. finish frees the array; nodes left in it count as out. */
void heap_finish(struct heap *heap);

/* Room for `capacity` nodes in all, so that pushes up to there cannot fail. 0; -ENOMEM. */
int heap_reserve(struct heap *heap, size_t capacity) MUST_CHECK;

/* Outcomes: 0; -ENOMEM (the node is in no heap). */
int heap_push(struct heap *heap, struct heap_node *node, int64_t key) MUST_CHECK;

/* NULL when empty. */
struct heap_node *heap_top(const struct heap *heap);
struct heap_node *heap_pop(struct heap *heap);

/* Takes a node out of the middle. It must be in this heap. */
void heap_remove(struct heap *heap, struct heap_node *node);

static inline bool heap_node_is_queued(const struct heap_node *node)
{
    return node->place != 0;
}

/* The structure of `type` whose member `member` the node is. */
#define HEAP_OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))
