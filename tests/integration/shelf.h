/*
 * What the ledger's tests share: a directory with a ledger on a loop of its own, everything that
 * its sink was told, and a second look at the file through a connection of the test's.
 */
#pragma once

#include "unit.h"

#include "ports/ledger_sqlite.h"

#include <stdbool.h>
#include <uv.h>

#define SHELF_TOLD_MAX 200000
#define SHELF_STATES_MAX 16

struct shelf_told {
    uint64_t ticket;
    int outcome;
};

struct shelf {
    char dir[128];
    char file[160];
    uv_loop_t loop;
    struct ledger_sqlite *ledger;
    struct ledger port;
    struct errtext warning;
    struct errtext err;
    struct shelf_told *told;
    size_t told_count;
    bool states[SHELF_STATES_MAX]; /* each change, in order */
    char state_text[ERRTEXT_MAX];  /* of the last failure */
    size_t state_count;
    bool closing;
    bool closed;
};

void shelf_make(struct shelf *shelf);
void shelf_make_in(struct shelf *shelf, const char *parent);
void shelf_finish(struct shelf *shelf); /* closes what is open and removes the directory */

int shelf_open(struct shelf *shelf);
int shelf_open_with(struct shelf *shelf, struct ledger_sqlite_options options);
void shelf_begin_close(struct shelf *shelf);
void shelf_close(struct shelf *shelf); /* the whole of it */

/* Entries of the schedule "nightly" in a slot of so many seconds. */
int shelf_start(struct shelf *shelf, uint64_t ticket, const char *instance, int64_t slot);
int shelf_end(struct shelf *shelf, const char *instance, int64_t slot, enum ledger_result result);
int shelf_finish_task(struct shelf *shelf, const char *instance, int64_t slot, int attempt,
                      enum ledger_finish finish);

/* Runs the loop until so many answers or states were told, or the time is over (false). */
bool shelf_wait_told(struct shelf *shelf, size_t count, unsigned ms);
bool shelf_wait_states(struct shelf *shelf, size_t count, unsigned ms);
bool shelf_wait_idle(struct shelf *shelf, unsigned ms); /* nothing waits to be written */
void shelf_run(struct shelf *shelf, unsigned ms);

/* A number out of the file, by a statement. */
int64_t shelf_ask(const struct shelf *shelf, const char *sql);
void shelf_exec(const struct shelf *shelf, const char *sql);

void shelf_drop_journals(const struct shelf *shelf);

/*
 * A file as versions 1 and 2 made it: six submitted runs, three of them a day or more older than
 * the newest entry, a whole slot, and three that ended otherwise or not at all.
 */
void shelf_make_old(struct shelf *shelf, int version);

struct ledger_figures shelf_figures(struct shelf *shelf);

/* xorshift: the same on every machine. */
uint64_t shelf_random(uint64_t *seed);
