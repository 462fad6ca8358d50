/* See ongoing.h. FNV-1a over both names; the table grows at one node a head. */
#include "engine/ongoing.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 64

static uint64_t hash_more(uint64_t hash, const char *name)
{
    for (const char *at = name;; at++) {
        hash = (hash ^ (uint8_t)*at) * UINT64_C(1099511628211);
        if (*at == '\0')
            return hash;
    }
}

static struct ongoing **head_of(struct ongoing **heads, size_t size, const char *schedule,
                                const char *instance)
{
    uint64_t hash = hash_more(hash_more(UINT64_C(14695981039346656037), schedule), instance);
    return &heads[(hash ^ hash >> 32) & (size - 1)];
}

void ongoings_finish(struct ongoings *table)
{
    free((void *)table->heads);
    *table = (struct ongoings){NULL, 0, 0};
}

static int grow(struct ongoings *table)
{
    size_t size = table->size == 0 ? FIRST_SIZE : table->size * 2;
    struct ongoing **heads = calloc(size, sizeof *heads);
    if (heads == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < table->size; i++) {
        for (struct ongoing *node; (node = table->heads[i]) != NULL;) {
            table->heads[i] = node->next;
            struct ongoing **head = head_of(heads, size, node->schedule, node->instance);
            node->next = *head;
            *head = node;
        }
    }
    free((void *)table->heads);
    table->heads = heads;
    table->size = size;
    return 0;
}

int ongoing_add(struct ongoings *table, struct ongoing *node)
{
    assert(!node->listed);
    if (table->count >= table->size && grow(table) < 0 && table->size == 0)
        return -ENOMEM; /* one that only cannot grow is slower */
    struct ongoing **head = head_of(table->heads, table->size, node->schedule, node->instance);
    node->next = *head;
    *head = node;
    node->listed = true;
    table->count++;
    return 0;
}

void ongoing_remove(struct ongoings *table, struct ongoing *node)
{
    if (!node->listed)
        return;
    struct ongoing **link = head_of(table->heads, table->size, node->schedule, node->instance);
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    node->listed = false;
    table->count--;
}

struct ongoing *ongoing_next(const struct ongoings *table, const char *schedule,
                             const char *instance, const struct ongoing *node)
{
    if (table->size == 0)
        return NULL;
    struct ongoing *next =
        node != NULL ? node->next : *head_of(table->heads, table->size, schedule, instance);
    while (next != NULL
           && (strcmp(next->instance, instance) != 0 || strcmp(next->schedule, schedule) != 0))
        next = next->next;
    return next;
}

struct ongoing *ongoing_newest(const struct ongoings *table, const char *schedule,
                               const char *instance)
{
    struct ongoing *found = NULL;
    if (table->size == 0)
        return NULL;
    struct ongoing *node = *head_of(table->heads, table->size, schedule, instance);
    for (; node != NULL; node = node->next)
        if ((found == NULL || wall_before(found->slot, node->slot))
            && strcmp(node->instance, instance) == 0 && strcmp(node->schedule, schedule) == 0)
            found = node;
    return found;
}
