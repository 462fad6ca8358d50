/* See open_slot.h. */
#include "engine/open_slot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void insert(struct open_slots *slots, struct open_slot *open)
{
    open->previous = NULL;
    open->next = slots->first;
    if (open->next != NULL)
        open->next->previous = open;
    slots->first = open;
}

static void take_out(struct open_slots *slots, struct open_slot *open)
{
    if (open->previous != NULL)
        open->previous->next = open->next;
    else
        slots->first = open->next;
    if (open->next != NULL)
        open->next->previous = open->previous;
}

int open_slot_add(struct open_slots *slots, struct config *config, const struct schedule *schedule,
                  struct wall slot, enum ledger_kind kind, struct open_slot **ret)
{
    struct open_slot *open = calloc(1, sizeof *open);
    if (open == NULL)
        return -ENOMEM;
    open->config = config_ref(config);
    open->schedule = schedule;
    open->slot = slot;
    open->kind = kind;
    insert(slots, open);
    *ret = open;
    return 0;
}

void open_slot_move(struct open_slots *from, struct open_slot *open, struct open_slots *to)
{
    take_out(from, open);
    insert(to, open);
}

void open_slot_remove(struct open_slots *slots, struct open_slot *open)
{
    take_out(slots, open);
    config_unref(open->config);
    free(open->carried);
    free(open);
}

struct open_slot *open_slot_find(const struct open_slots *slots, const char *schedule,
                                 struct wall slot)
{
    for (struct open_slot *open = slots->first; open != NULL; open = open->next)
        if (open->slot.us == slot.us && open->forsaken == NULL
            && strcmp(open->schedule->name, schedule) == 0)
            return open;
    return NULL;
}

int open_slot_carry(struct open_slot *open, const struct instance *instance, int failures)
{
    (void)open_slot_take_carried(open, instance);
    struct carried *carried =
        reallocarray(open->carried, open->carried_count + 1U, sizeof *carried);
    if (carried == NULL)
        return -ENOMEM;
    open->carried = carried;
    carried[open->carried_count++] = (struct carried){instance, failures};
    return 0;
}

int open_slot_take_carried(struct open_slot *open, const struct instance *instance)
{
    for (uint32_t i = 0; i < open->carried_count; i++) {
        if (open->carried[i].instance != instance)
            continue;
        int failures = open->carried[i].failures;
        open->carried[i] = open->carried[--open->carried_count];
        return failures;
    }
    return 0;
}

int open_slot_delay(struct digest *digest, const struct schedule *schedule,
                    const struct instance *instance, enum ledger_kind kind, int64_t *ret_us)
{
    if (kind != LEDGER_KIND_OPERATOR)
        return schedule_delay(digest, schedule, instance, ret_us);
    *ret_us = 0;
    return 0;
}

int open_slot_tell(const struct open_slot *open, const struct ledger *ledger,
                   enum ledger_entry_kind kind, struct wall now)
{
    int named = open->announced ? OPEN_SLOT_ANNOUNCED : OPEN_SLOT_NAMED;
    const struct ledger_entry entry = {
        .kind = kind,
        .schedule = open->schedule->name,
        .instance = LEDGER_WHOLE_SLOT,
        .region = "",
        .slot = open->slot,
        .attempt = open->named ? named : 0,
        .run_kind = open->kind,
        .code = "",
        .message = "",
        .request_id = "",
        .at = now,
    };
    return ledger->append(ledger->context, &entry);
}

int open_slot_keep(struct open_slot *open, const struct ledger *ledger, struct wall now)
{
    int r = open->ended ? open_slot_tell(open, ledger, LEDGER_STARTED, now) : 0;
    if (r == 0)
        open->ended = false;
    return r;
}

void open_slots_finish(struct open_slots *slots)
{
    while (slots->first != NULL) {
        assert(slots->first->previous == NULL);
        open_slot_remove(slots, slots->first);
    }
}
