/*
 * A YAML document as a compact tree: 24 bytes a node, texts in an arena. The only room that sees
 * libyaml.
 *
 * Nodes are named by their index; 0 is none. Children are a list by `next`: of a mapping key,
 * value, key, value, ... Anchors and aliases are resolved here: a reader asks tree_at(), which
 * follows an alias to what it stands for. Cyclic aliases, explicit tags, a second document, keys
 * that are not texts, too deep nesting and an expansion past CONFIG_ALIAS_NODES_MAX are refused.
 */
#pragma once

#include "base/arena.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tree_kind {
    TREE_SCALAR,
    TREE_SEQUENCE,
    TREE_MAPPING,
    TREE_ALIAS,
};

struct tree_node {
    uint32_t line; /* from 1 */
    uint32_t next;
    uint32_t column : 28; /* from 1, in characters */
    uint32_t kind : 2;
    uint32_t plain : 1; /* a scalar without quotes: it may be a number, a boolean or null */
    uint32_t count;     /* scalar: bytes; sequence: items; mapping: keys */
    union {
        const char *text; /* scalar: ends in a NUL, and may hold some */
        uint32_t first;   /* sequence, mapping: first child; alias: what it stands for */
    };
};

struct tree {
    struct tree_node *nodes;
    uint32_t count;
    uint32_t size;
    struct arena texts;
};

struct tree_fault {
    uint32_t line;
    uint32_t column;
    struct errtext why;
};

#define TREE_INVALID 1
#define TREE_ROOT 1

/*
 * Fills a zeroed tree; the caller finishes it, whatever the outcome. The bytes are UTF-8 without a
 * mark at the start.
 * Outcomes: 0, the root is node TREE_ROOT; TREE_INVALID with *fault; -ENOMEM.
 */
int tree_parse(struct tree *tree, const char *bytes, size_t length,
               struct tree_fault *fault) MUST_CHECK;
void tree_finish(struct tree *tree);

/* The node, or what it stands for where it is an alias; never an alias itself. */
static inline const struct tree_node *tree_at(const struct tree *tree, uint32_t index)
{
    const struct tree_node *node = &tree->nodes[index];
    return node->kind == TREE_ALIAS ? &tree->nodes[node->first] : node;
}
