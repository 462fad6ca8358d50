/* See ledger_memory.h. The horizons stand in a balanced tree of the C library, by schedule name. */
#include "ports/ledger_memory.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct horizon {
    struct wall slot;
    const char *rule; /* behind the name, in the same block */
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

static struct horizon *make(const char *name, const char *rule)
{
    size_t name_size = strlen(name) + 1;
    size_t rule_size = strlen(rule) + 1;
    struct horizon *horizon = malloc(sizeof *horizon + name_size + rule_size);
    if (horizon == NULL)
        return NULL;
    memcpy(horizon->name, name, name_size);
    memcpy(horizon->name + name_size, rule, rule_size);
    horizon->rule = horizon->name + name_size;
    return horizon;
}

static int append(void *context, const struct ledger_entry *entry)
{
    struct ledger_memory *ledger = context;
    if (entry->kind == LEDGER_STARTED && entry->ticket != 0)
        ledger->sink.recorded(ledger->sink.context, entry->ticket, 0);
    return 0;
}

static int get_horizon(void *context, const char *schedule, const char *rule, struct wall *ret)
{
    struct ledger_memory *ledger = context;
    struct horizon *key = make(schedule, rule);
    if (key == NULL)
        return -ENOMEM;
    struct horizon *const *found = tfind(key, &ledger->horizons, compare);
    free(key);
    if (found == NULL)
        return LEDGER_NO_HORIZON;
    *ret = (*found)->slot;
    return strcmp((*found)->rule, rule) == 0 ? 0 : LEDGER_OTHER_RULE;
}

static void set_horizon(void *context, const char *schedule, const char *rule, struct wall slot)
{
    struct ledger_memory *ledger = context;
    struct horizon *fresh = make(schedule, rule);
    if (fresh == NULL)
        return; /* the plan itself still knows it */
    fresh->slot = slot;
    struct horizon *const *found = tfind(fresh, &ledger->horizons, compare);
    if (found != NULL) {
        struct horizon *old = *found;
        (void)tdelete(old, &ledger->horizons, compare);
        free(old);
    }
    if (tsearch(fresh, &ledger->horizons, compare) == NULL)
        free(fresh);
}

/* Nothing outlives the process: a start finds nothing. */
static int unended(void *context,
                   void (*each)(void *each_context, const char *schedule, const char *instance,
                                struct wall slot, int attempt),
                   void *each_context)
{
    (void)context;
    (void)each;
    (void)each_context;
    return 0;
}

static int scan(void *context, const char *schedule, struct wall slot,
                void (*each)(void *each_context, const char *instance, enum ledger_state state),
                void *each_context)
{
    (void)context;
    (void)schedule;
    (void)slot;
    (void)each;
    (void)each_context;
    return 0;
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
        .context = ledger,
        .durable = false,
        .append = append,
        .horizon = get_horizon,
        .set_horizon = set_horizon,
        .unended = unended,
        .scan = scan,
    };
}
