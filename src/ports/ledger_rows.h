/*
 * The ledger's rows as they are written: the items, and the statements of the writing connection.
 *
 * One struct ledger_rows serves one thread at a time.
 */
#pragma once

#include "base/result.h"
#include "engine/model.h"
#include "engine/ports.h"

#include <stdbool.h>
#include <stdint.h>

struct ledger_rows;
struct sqlite3;

enum ledger_item_kind {
    LEDGER_ITEM_STARTED,
    LEDGER_ITEM_ENDED,
    LEDGER_ITEM_FINISHED,
    LEDGER_ITEM_HORIZON,
    LEDGER_ITEM_PAUSE, /* slot: its end */
};

/* enum ledger_kind as it stands in the file. */
extern const char *const ledger_kinds[LEDGER_KIND_OPERATOR + 1];

/* One thing to write. The strings stand in the item's own bytes. */
struct ledger_item {
    struct ledger_item *next;
    enum ledger_item_kind kind;
    int attempt;
    enum ledger_kind run_kind;
    int retries;
    int outcome; /* what is answered, where `ticket` is not 0 */
    enum ledger_result result;
    enum ledger_finish finish;
    uint64_t ticket; /* 0: nobody is told */
    int64_t task_id;
    struct wall slot;
    struct wall at;
    const char *schedule;
    const char *instance;
    const char *region;
    const char *code;
    const char *message;
    const char *request_id;
    const char *rule; /* HORIZON */
    char bytes[];
};

/* Room for any entry. */
#define LEDGER_ITEM_SIZE_MAX                                                                \
    (sizeof(struct ledger_item) + MODEL_NAME_MAX + MODEL_INSTANCE_ID_MAX + MODEL_REGION_MAX \
     + REPLY_CODE_MAX + REPLY_MESSAGE_MAX + REPLY_REQUEST_ID_MAX + 6)

/*
 * One malloc each; NULL: no memory. Freed with free(). An entry takes *spare, where that is not
 * NULL but LEDGER_ITEM_SIZE_MAX bytes of malloc(), rather than fail; it is NULL then.
 */
struct ledger_item *ledger_item_of_entry(const struct ledger_entry *entry, void **spare);
struct ledger_item *ledger_item_of_horizon(const char *schedule, const char *rule,
                                           struct wall slot);
struct ledger_item *ledger_item_of_pause(const char *schedule, struct wall until);

/*
 * The rows of a file that ledger_schema_open() accepts, for writing and sweeping.
 * Outcomes: those of ledger_schema_open().
 */
int ledger_rows_open(const char *file, struct ledger_rows **ret, struct errtext *err) MUST_CHECK;
void ledger_rows_close(struct ledger_rows *rows); /* NULL is fine */

/*
 * Writes up to `limit` items of the list in one transaction; none at all: a probe of the disk,
 * which writes a row of its own. Everything is durable on 0, and nothing was kept on a failure, as
 * far as the disk lets us know. Outcomes: 0; negative as of ledger_schema_outcome(), `err` says
 * what the library said.
 */
int ledger_rows_write(struct ledger_rows *rows, const struct ledger_item *first, unsigned limit,
                      struct errtext *err) MUST_CHECK;

/* Brings the journal's pages into the file where there are many. A failure waits for the next. */
void ledger_rows_checkpoint(struct ledger_rows *rows);

/* Where a sweep stands; zeroed: before all. */
struct ledger_sweep {
    char schedule[MODEL_NAME_MAX + 1];
    char instance[MODEL_INSTANCE_ID_MAX + 1];
    int64_t slot;
};

#define LEDGER_SWEEP_ROWS 500 /* looked at in one step */
#define LEDGER_SWEEP_DONE 1

/*
 * One step of a sweep: deletes ended runs of slots before `before`, and never one that a restart
 * asks for: whose task is still watched; that is to be run again; of a slot that is open, where a
 * member without a row would be run; of the slot of its schedule's horizon or a later one.
 * Outcomes: 0, there is more; LEDGER_SWEEP_DONE; negative.
 */
int ledger_rows_sweep(struct ledger_rows *rows, struct ledger_sweep *sweep, struct wall before,
                      unsigned *ret_deleted) MUST_CHECK;
