/* See open_slot.h. */
#include "engine/open_slot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int open_slot_add(struct open_slots *slots, struct config *config, const struct schedule *schedule,
                  struct wall slot, struct open_slot **ret)
{
    struct open_slot *open = calloc(1, sizeof *open);
    if (open == NULL)
        return -ENOMEM;
    open->config = config_ref(config);
    open->schedule = schedule;
    open->slot = slot;
    open->next = slots->first;
    if (open->next != NULL)
        open->next->previous = open;
    slots->first = open;
    *ret = open;
    return 0;
}

void open_slot_remove(struct open_slots *slots, struct open_slot *open)
{
    if (open->previous != NULL)
        open->previous->next = open->next;
    else
        slots->first = open->next;
    if (open->next != NULL)
        open->next->previous = open->previous;
    config_unref(open->config);
    free(open);
}

int open_slot_tell(const struct open_slot *open, const struct ledger *ledger,
                   enum ledger_entry_kind kind, struct wall now)
{
    const struct ledger_entry entry = {
        .kind = kind,
        .schedule = open->schedule->name,
        .instance = LEDGER_WHOLE_SLOT,
        .region = "",
        .slot = open->slot,
        .code = "",
        .message = "",
        .request_id = "",
        .at = now,
    };
    return ledger->append(ledger->context, &entry);
}

void open_slots_finish(struct open_slots *slots)
{
    while (slots->first != NULL) {
        assert(slots->first->previous == NULL);
        open_slot_remove(slots, slots->first);
    }
}
