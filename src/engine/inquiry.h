/*
 * Inquiries: requests that only read. Each belongs to a watch or to a run in doubt and waits in its
 * lane's queue of the action until it is due and a token of that action is there; then a flight
 * carries it.
 *
 *   idle ─ask─► in lane.asks[action].due ─token─► a flight ─filed─► answered: its owner decides
 *
 * A flight outlives its owner: what comes back then belongs to nobody.
 */
#pragma once

#include "base/heap.h"
#include "base/listing.h"
#include "base/reply.h"
#include "engine/tag.h"

#include <stdint.h>

#define INQUIRY_FLIGHTS_MAX 1024
#define INQUIRY_TICKET (UINT64_C(1) << 62) /* in every ticket of a flight, in none of a run */

struct lane;

enum inquiry_action {
    INQUIRY_TASK,    /* DescribeTaskInfo */
    INQUIRY_TASKS,   /* DescribeTaskList */
    INQUIRY_BACKUPS, /* DescribeInstanceBackups */
};
#define INQUIRY_ACTIONS (INQUIRY_BACKUPS + 1)

/* The action's name, and the requests a second that the API allows of it. */
const char *inquiry_name(enum inquiry_action action);
int32_t inquiry_limit(enum inquiry_action action);

struct flight;

struct inquiry {
    struct heap_node node; /* in its lane's queue, by the monotonic instant when it is due */
    struct lane *lane;
    enum inquiry_action action;
    bool of_watch;
    struct flight *flight; /* NULL: it is idle or waits */
};

struct flight {
    uint64_t ticket;         /* 0: free */
    struct inquiry *inquiry; /* NULL: its owner is gone */
    struct lane *lane;
    enum inquiry_action action;
    struct flight *filed_next;
    bool is_filed;
    bool has_left;
    bool has_outcome;
    bool owes_token;
    uint32_t probe;      /* as of a run */
    struct now asked_at; /* the answer is no older */
    uint64_t keys;       /* generation of those that signed it */
    enum exchange_kind outcome;
    struct mono sent_at;
    struct mono left_at;
    struct mono outcome_at;
    struct verdict verdict;
    char tag[TAG_MAX];
    union {
        struct task_info task;
        struct task_page tasks;
        struct backup_page backups;
    } page; /* valid where the verdict is accepted */
};

struct flights {
    struct flight *list[INQUIRY_FLIGHTS_MAX]; /* made when first needed */
    uint32_t made;
    uint64_t uses;
    uint32_t busy;
};

void flights_finish(struct flights *flights);

/* NULL where all are taken or memory is short. */
struct flight *flight_take(struct flights *flights, struct inquiry *inquiry);
void flight_give(struct flights *flights, struct flight *flight);
struct flight *flight_find(const struct flights *flights, uint64_t ticket);
