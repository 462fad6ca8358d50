/*
 * See recover_rows.h. A row cannot be refused where memory runs out: that is noted, and told when
 * all have come.
 */
#include "engine/recover_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void keep_row(void *context, const struct ledger_row *row)
{
    struct findings *findings = context;
    if (findings->count == findings->capacity) {
        size_t capacity = findings->capacity == 0 ? 64 : findings->capacity * 2;
        struct found *list = reallocarray(findings->list, capacity, sizeof *list);
        if (list == NULL) {
            findings->failed = true;
            return;
        }
        findings->list = list;
        findings->capacity = capacity;
    }
    struct found found = {.schedule = strdup(row->schedule),
                          .instance = strdup(row->instance),
                          .region = strdup(row->region),
                          .slot = row->slot,
                          .attempt = row->attempt,
                          .kind = row->kind,
                          .retries = row->retries,
                          .started_at = row->started_at};
    findings->list[findings->count++] = found;
    if (found.schedule == NULL || found.instance == NULL || found.region == NULL)
        findings->failed = true;
}

int findings_read(const struct ledger *ledger, struct findings *findings)
{
    int r = ledger->unended(ledger->context, keep_row, findings);
    return r == 0 && findings->failed ? -ENOMEM : r;
}

void findings_finish(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->list[i].schedule);
        free(findings->list[i].instance);
        free(findings->list[i].region);
    }
    free(findings->list);
}

/* ---- the members of one slot ---- */

static void note_member(void *context, const struct ledger_row *row)
{
    struct members *members = context;
    if (members->count == members->capacity) {
        size_t capacity = members->capacity == 0 ? 64 : members->capacity * 2;
        struct member *list = reallocarray(members->list, capacity, sizeof *list);
        if (list == NULL) {
            members->failed = true;
            return;
        }
        members->list = list;
        members->capacity = capacity;
    }
    struct member *member = &members->list[members->count];
    *member = (struct member){.id = strdup(row->instance),
                              .region = strdup(row->region),
                              .state = row->state,
                              .attempt = row->attempt,
                              .retries = row->retries,
                              .started_at = row->started_at};
    members->count++;
    if (member->id == NULL || member->region == NULL)
        members->failed = true;
}

void members_finish(struct members *members)
{
    for (size_t i = 0; i < members->count; i++) {
        free(members->list[i].region);
        free(members->list[i].id);
    }
    free(members->list);
}

static int compare_members(const void *a, const void *b)
{
    const struct member *x = a;
    const struct member *y = b;
    return strcmp(x->id, y->id);
}

struct member *members_find(const struct members *members, const char *id)
{
    for (size_t low = 0, high = members->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(id, members->list[middle].id);
        if (order == 0)
            return &members->list[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

int members_read(const struct ledger *ledger, const struct found *slot, struct members *members)
{
    int r = ledger->scan(ledger->context, slot->schedule, slot->slot, note_member, members);
    if (r == 0 && members->failed)
        r = -ENOMEM;
    if (r == 0 && members->count > 1)
        qsort(members->list, members->count, sizeof *members->list, compare_members);
    return r;
}
