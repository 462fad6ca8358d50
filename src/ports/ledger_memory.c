/* See ledger_memory.h. The horizons stand in a balanced tree of the C library, by schedule name. */
#include "ports/ledger_memory.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct horizon {
    struct wall slot;
    char name[];
};

struct ledger_memory {
    struct ledger_sink sink;
    void *horizons;
};

static int compare(const void *a, const void *b)
{
    const struct horizon *x = a;
    const struct horizon *y = b;
    return strcmp(x->name, y->name);
}

static struct horizon *make(const char *name)
{
    size_t length = strlen(name);
    struct horizon *horizon = malloc(sizeof *horizon + length + 1);
    if (horizon != NULL)
        memcpy(horizon->name, name, length + 1);
    return horizon;
}

static int append(void *context, const struct ledger_entry *entry)
{
    struct ledger_memory *ledger = context;
    if (entry->kind == LEDGER_STARTED)
        ledger->sink.recorded(ledger->sink.context, entry->ticket, 0);
    return 0;
}

static int get_horizon(void *context, const char *schedule, struct wall *ret)
{
    struct ledger_memory *ledger = context;
    struct horizon *key = make(schedule);
    if (key == NULL)
        return 1;
    struct horizon *const *found = tfind(key, &ledger->horizons, compare);
    free(key);
    if (found == NULL)
        return 1;
    *ret = (*found)->slot;
    return 0;
}

static void set_horizon(void *context, const char *schedule, struct wall slot)
{
    struct ledger_memory *ledger = context;
    struct horizon *key = make(schedule);
    if (key == NULL)
        return; /* the plan itself still knows it */
    struct horizon **found = tsearch(key, &ledger->horizons, compare);
    if (found == NULL) {
        free(key);
        return;
    }
    (*found)->slot = slot;
    if (*found != key)
        free(key);
}

int ledger_memory_create(const struct ledger_sink *sink, struct ledger_memory **ret)
{
    struct ledger_memory *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL)
        return -ENOMEM;
    ledger->sink = *sink;
    *ret = ledger;
    return 0;
}

void ledger_memory_destroy(struct ledger_memory *ledger)
{
    if (ledger == NULL)
        return;
    tdestroy(ledger->horizons, free);
    free(ledger);
}

struct ledger ledger_memory_port(struct ledger_memory *ledger)
{
    return (struct ledger){
        .context = ledger, .append = append, .horizon = get_horizon, .set_horizon = set_horizon};
}
