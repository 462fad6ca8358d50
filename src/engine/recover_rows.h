/*
 * What a start reads of an earlier life, kept as copies: a row of the ledger lives as long as the
 * call that gives it.
 */
#pragma once

#include "engine/ports.h"

#include <stdbool.h>
#include <stddef.h>

/* A slot that was opened, or an attempt without an end. */
struct found {
    char *schedule; /* its texts are owned */
    char *instance;
    char *region;
    struct wall slot;
    int attempt;
    enum ledger_kind kind;
    int retries;
    struct wall started_at;
};

struct findings {
    struct found *list;
    size_t count;
    size_t capacity;
    bool failed; /* memory ran out */
};

/* Zeroed before. The caller owes findings_finish() whatever comes. Outcomes: 0; negative. */
int findings_read(const struct ledger *ledger, struct findings *findings) MUST_CHECK;
void findings_finish(struct findings *findings);

/* A member of one slot that the ledger has something of. */
struct member {
    char *id;
    char *region;
    enum ledger_state state;
    bool there; /* in the file */
    int attempt;
    int retries;
    struct wall started_at;
};

struct members {
    struct member *list; /* sorted by id */
    size_t count;
    size_t capacity;
    bool failed;
};

/* Those of a slot, zeroed before; members_finish() is owed whatever comes. Outcomes: 0; negative.
 */
int members_read(const struct ledger *ledger, const struct found *slot,
                 struct members *members) MUST_CHECK;
void members_finish(struct members *members);

/* NULL for one that the ledger has nothing of. */
struct member *members_find(const struct members *members, const char *id);
