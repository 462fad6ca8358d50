/*
 * A slot in progress: what its batches and runs have in common, and how many members are left.
 *
 * In the ledger it is one entry of its own (LEDGER_WHOLE_SLOT): STARTED when it is opened, ENDED
 * when its last member has ended. What lies between is taken up again after a restart.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"
#include "engine/model.h"
#include "engine/ports.h"

/* The attempt of its entry says who its members are; 0: whoever the file has. */
#define OPEN_SLOT_NAMED 1     /* those that the ledger has */
#define OPEN_SLOT_ANNOUNCED 2 /* they are still being told: it is not to be run */
#define OPEN_SLOT_CLOSED 3    /* added by hand (docs/ledger-recovery.md): it is not to be run */

struct open_slot {
    struct open_slot *previous; /* in the engine's list */
    struct open_slot *next;
    struct config *config; /* one reference */
    const struct schedule *schedule;
    struct wall slot;
    enum ledger_kind kind;
    bool named;     /* its members were named: a restart takes up those alone that the ledger has */
    bool announced; /* not all of those names are told yet */
    /*
     * What follows keeps a start from passing over a member: the slot's own entry has an end only
     * where each of its members has one, or an attempt that a start finds by itself.
     */
    bool ended;       /* the ledger has its end: open_slot_keep() before a member is due again */
    bool incomplete;  /* the end of a member was not taken: it stays open for the next start */
    uint64_t members; /* that have not ended */
    /*
     * NULL, or why its members are only looked for and never sent ("paused", "removed"): another
     * may be open for the same slot, and the slot's own entry in the ledger is not its.
     */
    const char *forsaken;
    struct carried *carried;
    uint32_t carried_count;
};

/* A member without a run, tasks of which have failed before. */
struct carried {
    const struct instance *instance;
    int failures;
};

/* The list's head is the caller's; a NULL head is an empty list. */
struct open_slots {
    struct open_slot *first;
};

/* Outcomes: 0, in the list with no members yet; -ENOMEM. */
int open_slot_add(struct open_slots *slots, struct config *config, const struct schedule *schedule,
                  struct wall slot, enum ledger_kind kind, struct open_slot **ret) MUST_CHECK;

/* Takes it out of the list and frees it; nothing is told to the ledger. */
void open_slot_remove(struct open_slots *slots, struct open_slot *open);

/* From one list to another. */
void open_slot_move(struct open_slots *from, struct open_slot *open, struct open_slots *to);

/* The one of the schedule that waits in the list; NULL: none. Whatever of it is forsaken does not
 * count. */
struct open_slot *open_slot_find(const struct open_slots *slots, const char *schedule,
                                 struct wall slot);

/*
 * Keeps the number of a member's failed tasks till it has a run, and gives it to that run (0: none
 * is kept). Outcomes of the first: 0; -ENOMEM.
 */
int open_slot_carry(struct open_slot *open, const struct instance *instance,
                    int failures) MUST_CHECK;
int open_slot_take_carried(struct open_slot *open, const struct instance *instance);

/*
 * A member's delay inside the slot: that of the schedule's spread, but for what an operator
 * ordered. Outcomes: those of schedule_delay().
 */
int open_slot_delay(struct digest *digest, const struct schedule *schedule,
                    const struct instance *instance, enum ledger_kind kind,
                    int64_t *ret_us) MUST_CHECK;

/* Its entry in the ledger: the attempt's number says whether its members were named. Outcomes: 0;
 * negative: not taken. */
int open_slot_tell(const struct open_slot *open, const struct ledger *ledger,
                   enum ledger_entry_kind kind, struct wall now) MUST_CHECK;

/* The ledger has it open from here on, and takes it up at a start. Outcomes: as above. */
int open_slot_keep(struct open_slot *open, const struct ledger *ledger, struct wall now) MUST_CHECK;

/* Frees all. */
void open_slots_finish(struct open_slots *slots);
