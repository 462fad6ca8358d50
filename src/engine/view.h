/*
 * The view: what people and metrics ask about each member (an instance of a schedule) without
 * waiting for a disk: what became of its last run, and when its newest good backup was seen to have
 * succeeded. Fed by every entry that the ledger is given, carried over a reload by name, and filled
 * up after a start from what the ledger had (view_restore).
 *
 * Members are numbered in the configuration's order, schedule by schedule. One costs 14 bytes and
 * its share of a table, at most 16 more.
 *
 * Sums over a schedule are made when they are asked for and kept until an entry or a second
 * changes them: a question costs a walk over 4 bytes a member at most.
 */
#pragma once

#include "base/names.h"
#include "engine/model.h"
#include "engine/ports.h"

enum view_outcome {
    VIEW_NONE, /* it has had no run that is known */
    VIEW_OPEN, /* begun, or to be begun again */
    VIEW_SUBMITTED,
    VIEW_SUCCEEDED,
    VIEW_FAILED, /* refused, out of time after an attempt, or its task failed */
    VIEW_MISSED,
    VIEW_SKIPPED,
    VIEW_UNKNOWN, /* its answer was lost for good, or its end will not be known */
    VIEW_STUCK,
};
#define VIEW_OUTCOMES (VIEW_STUCK + 1)

/* "none", "open", "submitted", ... */
const char *view_outcome_name(enum view_outcome outcome);

/* The backup itself, in the age that a schedule's newest good backup may have. */
#define VIEW_BACKUP_US (INT64_C(3600) * US_PER_SECOND)

struct view;

/*
 * `old` is the view before a reload, or NULL: what it knows of members that stay is taken over. The
 * view borrows the config. Outcomes: 0, *ret owned by the caller; -ENOMEM; -E2BIG.
 */
int view_create(const struct config *config, const struct view *old, struct wall now,
                struct view **ret) MUST_CHECK;

/*
 * The same in two steps. The first takes nearly all of the time, and may be taken on another thread
 * while `old` is in use: it reads of it only what never changes. The second is for when the view
 * comes into force, once, with the same `old`; until then nothing else may be done with the view
 * but to destroy it.
 */
int view_prepare(const struct config *config, const struct view *old, struct wall now,
                 struct view **ret) MUST_CHECK;
void view_begin(struct view *view, const struct view *old);

void view_destroy(struct view *view); /* NULL is fine */

/* An entry that the ledger is given. Those of nobody here, and of slots as a whole, are ignored. */
void view_take(struct view *view, const struct ledger_entry *entry);

/* What an earlier life's ledger knows of a member. An instant of 0 is not known. */
struct view_past {
    enum view_outcome outcome; /* of its newest run */
    struct wall slot;
    enum view_outcome scheduled; /* of its newest run that no operator ordered */
    struct wall scheduled_slot;
    struct wall good_at; /* when the newest good backup was seen to have succeeded */
    struct wall first;   /* the oldest slot that is kept; where good_at is 0 */
};

/* Fills up; what this life knows of the member is newer and stays. */
void view_restore(struct view *view, uint32_t member, const struct view_past *past);

/* The number of a schedule's member: `instance` is its index in schedule->instances. */
uint32_t view_number(const struct view *view, uint32_t schedule, uint32_t instance);
uint32_t view_count(const struct view *view);

/* Members that the view before did not have, or whose requests entered at another host. */
uint32_t view_moved(const struct view *view);

/* Outcomes: 0; VIEW_UNKNOWN_NAME. */
#define VIEW_UNKNOWN_NAME 1
int view_find(const struct view *view, const char *schedule, const char *instance,
              uint32_t *ret_schedule, uint32_t *ret_instance) MUST_CHECK;
int view_find_schedule(const struct view *view, const char *name, uint32_t *ret) MUST_CHECK;
int view_find_instance(const struct view *view, uint32_t schedule, const char *id,
                       uint32_t *ret) MUST_CHECK;

struct view_member {
    enum view_outcome outcome; /* of its last run */
    struct wall slot;          /* of that; 0: none */
    struct wall good_at;       /* whole seconds; 0: never */
    struct wall since;         /* where it was never good: known for so long */
    bool overdue;              /* neither a good backup nor newness is younger than max_age */
};
struct view_member view_member(struct view *view, uint32_t schedule, uint32_t instance,
                               struct wall now);

/*
 * Whether the member has begun in a slot of the plan, or is past it. An operator's run that came in
 * between is no sign of it.
 */
bool view_has_begun(const struct view *view, uint32_t schedule, uint32_t instance,
                    struct wall slot);

struct view_schedule {
    struct wall last_slot;        /* the newest that was begun; 0: none */
    uint32_t last[VIEW_OUTCOMES]; /* its members by outcome; VIEW_NONE: not yet begun */
    uint32_t never_good;          /* members */
    uint32_t overdue;             /* members, those that were never good included */
    uint32_t never_overdue;       /* of these, never good */
    uint32_t oldest;              /* instance whose newest good backup is the oldest */
    struct wall oldest_good_at;   /* 0: none has one */
    int64_t max_age_us;
};
struct view_schedule view_schedule(struct view *view, uint32_t schedule, struct wall now);

/*
 * How old the newest good backup may be: the longest gap between two slots in the coming 366 days
 * + spread + start_within (at most that gap) + VIEW_BACKUP_US. INT64_MAX where there is no slot.
 * Some 0.1 ms where the slots fall on every day; kept for the life of the view.
 */
int64_t view_max_age_us(struct view *view, uint32_t schedule, struct wall now);

/* What view_schedule() of it will take, roughly and at most: most of it is the longest gap. */
int64_t view_cost_ns(const struct view *view, uint32_t schedule, struct wall now);
