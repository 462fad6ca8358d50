/*
 * The ledger's rows as they are read, by a connection of its own beside the writer's: what is
 * durable, nothing of what is queued.
 *
 * One struct ledger_reader serves one thread at a time. The functions do what those of struct
 * ledger (engine/ports.h) do that have their names; `each` may append to the ledger meanwhile, and
 * what it appends is not seen by that call.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"
#include "engine/ports.h"

struct ledger_reader;

/* A file that a writer has open. Outcomes: those of ledger_schema_open_reader(). */
int ledger_reader_open(const char *file, struct ledger_reader **ret,
                       struct errtext *err) MUST_CHECK;
void ledger_reader_close(struct ledger_reader *reader); /* NULL is fine */

int ledger_reader_horizon(struct ledger_reader *reader, const char *schedule, const char *rule,
                          struct wall *ret) MUST_CHECK;
int ledger_reader_recorded(struct ledger_reader *reader, const char *schedule, struct wall after,
                           struct wall *ret_first, struct wall *ret_last) MUST_CHECK;
int ledger_reader_unended(struct ledger_reader *reader, ledger_row_fn each,
                          void *context) MUST_CHECK;
int ledger_reader_scan(struct ledger_reader *reader, const char *schedule, struct wall slot,
                       ledger_row_fn each, void *context) MUST_CHECK;
int ledger_reader_unfinished(struct ledger_reader *reader, ledger_row_fn each,
                             void *context) MUST_CHECK;
int ledger_reader_pauses(struct ledger_reader *reader, ledger_pause_fn each,
                         void *context) MUST_CHECK;
