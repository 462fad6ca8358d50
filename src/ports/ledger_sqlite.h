/*
 * The ledger of engine/ports.h in an SQLite database, STATE_DIR/ledger.db (ledger_schema.h says
 * what is in it). Write-ahead log, synchronous=FULL: what was answered outlives a power cut.
 *
 * Nothing of a write happens on the loop's thread. One thread of ours writes; all that is queued
 * while a commit runs goes into the next. Order is kept between append() and set_horizon().
 *
 * When the disk fails, STARTED entries with a ticket are answered with the failure (-ENOSPC,
 * -EROFS, -EIO, -EBADMSG and the like); all others stay, up to the queue's maximum, and are tried
 * again every second until they are durable. append() answers -EAGAIN where the queue is full:
 * STARTED entries at three quarters of the maximum, so that verdicts find room.
 *
 * horizon(), recorded(), unended(), scan(), unfinished() and pauses() read the disk on the loop's
 * thread: at the start, the first two also for a schedule that a reload brings, and recorded()
 * where a horizon goes back. horizon() knows what is queued too; the others know what is durable.
 *
 * One process at a time has a state directory: a lock that ends with its holder (ledger_lock.h).
 * Runs older than `keep_us` are deleted in small steps when something was written and nothing is
 * to be, except what a restart asks for: runs that are not ended, are to be run again or were
 * submitted and are not finished, those of a slot that is open, and those of a schedule's newest
 * slot. Age is counted by the wall clock, but not before that has run for hours of this process's
 * life without a step (ledger_clock.h); never by an entry's own time.
 */
#pragma once

#include "base/result.h"
#include "engine/ports.h"

#include <stdbool.h>
#include <stdint.h>

struct ledger_sqlite;
struct uv_loop_s;

#define LEDGER_FILE "ledger.db"
/* Entries taken and not yet durable; some 300 bytes each. A start may tell of all that it finds. */
#define LEDGER_QUEUE_MAX 262144
#define LEDGER_CLOSE_NS (5 * NS_PER_SECOND) /* a failing disk is tried so long at the end */
#define LEDGER_HANG_NS (2 * NS_PER_SECOND)  /* and a call that does not return so much longer */

/* Called on the loop's thread, from a turn of the loop, never from inside the port's functions. */
struct ledger_sqlite_sink {
    void *context;
    void (*recorded)(void *context, uint64_t ticket, int outcome);
    /* Once a change: the disk fails, as `text` says; or all is well again (text ""). */
    void (*state)(void *context, bool ok, const char *text);
};

struct ledger_sqlite_options {
    const char *state_dir; /* is there, and ours */
    int64_t keep_us;       /* 0: MODEL_LEDGER_KEEP_US */
    int64_t trial_ns;      /* 0: LEDGER_CLOCK_TRIAL_NS; less is for tests */
    unsigned queue_max;    /* 0: LEDGER_QUEUE_MAX; at least 4 */
};

/*
 * `warning` gets a text where others can write the directory or the file, else "".
 * Outcomes: 0, *ret owned by the caller; -EBUSY, another process has the directory; -EBADMSG, the
 * file is damaged or no ledger; -ENOTSUP, a newer version made it; -EINVAL, it is no plain file;
 * -ENOENT, -ENOTDIR, -EACCES, -EROFS, -ENOSPC, -EIO, -ENOMEM and the like. All with a text that
 * says what to do; nothing is deleted or repaired.
 */
int ledger_sqlite_create(struct uv_loop_s *loop, const struct ledger_sqlite_options *options,
                         const struct ledger_sqlite_sink *sink, struct ledger_sqlite **ret,
                         struct errtext *warning, struct errtext *err) MUST_CHECK;

/* The functions for the engine. From close on they take nothing: append() answers -ESHUTDOWN. */
struct ledger ledger_sqlite_port(struct ledger_sqlite *ledger);

/* Another `keep_us`, not 0, from the next sweep on. */
void ledger_sqlite_set_keep(struct ledger_sqlite *ledger, int64_t keep_us);

struct ledger_figures {
    uint64_t commits; /* of entries */
    uint64_t entries; /* made durable, horizons included */
    uint64_t swept;   /* deleted for their age */
    unsigned waiting; /* taken and not yet durable */
    bool ok;          /* the last write was done */
};
void ledger_sqlite_read_figures(struct ledger_sqlite *ledger, struct ledger_figures *ret);

/*
 * Closing is a phase: what is queued is written and answered, and `done` is called once from the
 * loop when no handle of the loop is left and the lock is given back. It takes no longer than
 * LEDGER_CLOSE_NS and LEDGER_HANG_NS together: entries that could not be written are told of by
 * state(). ledger_sqlite_destroy() comes after `done` (also from inside it).
 */
void ledger_sqlite_close(struct ledger_sqlite *ledger, void (*done)(void *context), void *context);
void ledger_sqlite_destroy(struct ledger_sqlite *ledger); /* NULL is fine */
