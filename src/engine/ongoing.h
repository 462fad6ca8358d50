/*
 * Which instances of which schedules have something under way: runs that have not ended and
 * backups that are not known to be finished. A hash table of nodes embedded in their owners.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>

struct ongoing {
    struct ongoing *next;
    const char *schedule; /* borrowed while it is in the table */
    const char *instance;
    struct wall slot;
    bool is_watch;
    bool listed;
};

/* A zeroed struct is an empty table. */
struct ongoings {
    struct ongoing **heads;
    size_t size; /* of heads: a power of two, or 0 */
    size_t count;
};

void ongoings_finish(struct ongoings *table);

/* The node's names, slot and kind are set. Outcomes: 0; -ENOMEM: it is not in the table. */
int ongoing_add(struct ongoings *table, struct ongoing *node) MUST_CHECK;
void ongoing_remove(struct ongoings *table, struct ongoing *node); /* one not listed is fine */

/* Of the same schedule and instance the one after `node`, or the first (NULL); NULL at the end. */
struct ongoing *ongoing_next(const struct ongoings *table, const char *schedule,
                             const char *instance, const struct ongoing *node);

/* Of the same schedule and instance the one of the newest slot; NULL: none. */
struct ongoing *ongoing_newest(const struct ongoings *table, const char *schedule,
                               const char *instance);
