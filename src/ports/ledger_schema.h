/*
 * The ledger's database file: opened, looked at, brought to this version's schema.
 *
 * What is in it, all instants in microseconds since 1970:
 *
 *   horizons  schedule, rule, slot           the newest slot that was opened
 *   runs      schedule, slot, instance       a run's identity
 *             region, state, attempt         state 0: the attempt of that number may have left
 *             first_at, started_at, ended_at of the first attempt, of the last, of the verdict
 *             result, task_id, code          result in words: submitted, failed, ...
 *             request_id
 *             message                        the cloud's, of the verdict or of the task's end; or
 *                                            why nothing was sent
 *             finish, finished_at            of its task: open, succeeded, failed, stuck,
 *                                            unwatched; NULL: no task, or nobody ever asked
 *             kind                           schedule, catch_up, operator; NULL: not known
 *             retries                        tasks of it that failed and were begun anew
 *             instance "*"                   the slot itself, open until it ended; never started:
 *                                            it was passed over
 *   pauses    schedule, until                a pause that an operator asked for
 *   meta      name, value                    "probe": written to see whether a disk is back
 *
 * The file carries an application id and, in PRAGMA user_version, its schema's number. An older one
 * is brought forward in one transaction; of a file from before finish, the backups of the last day
 * are to be watched and older ones are not. Whatever is refused is left as it is: not deleted, not
 * repaired, not checkpointed.
 */
#pragma once

#include "base/result.h"

#include <stdint.h>

struct sqlite3;

#define LEDGER_SCHEMA_ID 0x43525342 /* "CRSB" */
#define LEDGER_SCHEMA_VERSION 3
#define LEDGER_SCHEMA_BUSY_MS 200 /* another program may hold the file so long */
#define LEDGER_SCHEMA_CHECK_MAX                                       \
    (16 * 1024 * 1024) /* bytes; larger files are not walked at start \
                        */

/*
 * The runs that ended otherwise than well. The index of them is found by these very words, and so a
 * step that was released binds them too.
 */
#define LEDGER_SCHEMA_FAILED                             \
    "(result IN ('failed','unknown','skipped','missed')" \
    " OR finish IN ('failed','stuck','unwatched'))"

/*
 * Outcomes: 0, *ret owned by the caller; -EBADMSG, it is damaged or not a ledger; -ENOTSUP, a newer
 * version made it, or its file system cannot hold it; -EROFS, -EACCES, -ENOSPC, -EIO, -EBUSY,
 * -ENOMEM. All with a text that names the file and, where there is one, the way out.
 */
int ledger_schema_open(const char *file, struct sqlite3 **ret, struct errtext *err) MUST_CHECK;

/* A second connection to a file that is open already, for reading. Outcomes as above. */
int ledger_schema_open_reader(const char *file, struct sqlite3 **ret,
                              struct errtext *err) MUST_CHECK;

/* NULL is fine. All statements are finalized before. */
void ledger_schema_close(struct sqlite3 *db);

/* What an extended result code of SQLite, the connection's last, is as an outcome. */
int ledger_schema_outcome(struct sqlite3 *db, int code);
