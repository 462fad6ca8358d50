/*
 * A tiny world around one engine, driven by hand: a transport that keeps what is sent until the
 * test answers, a ledger in memory, a journal of lines, and two clocks.
 *
 * With `durable` the ledger keeps a log in order, horizons among the entries: twin_crash() takes
 * the newest of them away and the engine with them, and a start finds what is left.
 */
#pragma once

#include "engine/engine.h"

#include <stdbool.h>

#define TWIN_SENT_MAX 512
#define TWIN_LINES_MAX 2048
#define TWIN_SCHEDULES_MAX 4

struct twin_sent {
    uint64_t ticket;
    char url[64];
    char body[256];
    char action[32];
    char stamp[24];
    struct now at;
    uint64_t keys; /* generation of those that signed it */
    bool answered;
};

struct twin_horizon {
    char name[16];
    char rule[64];
    struct wall slot;
};

#define TWIN_LOG_MAX 512

struct twin_entry {
    bool is_horizon;
    enum ledger_entry_kind kind;
    char schedule[16];
    char instance[16];
    char rule[64];
    struct wall slot;
    int attempt;
    enum ledger_kind run_kind;
    int retries;
    enum ledger_result result;
    enum ledger_finish finish;
    int64_t task_id;
    struct wall at;
};

struct twin {
    struct now now;
    struct engine *engine;
    struct engine_ports ports;
    struct keys keys;
    bool keys_gone;
    bool keys_may_change;
    int keys_refused; /* so often the keyring was told */
    bool ledger_refuses;
    int ledger_refuses_next;   /* so many entries */
    bool ledger_refuses_slots; /* to be begun */
    bool ledger_is_slow;       /* STARTED entries are not answered */
    bool horizon_unreadable;
    bool recorded_unreadable;
    bool unended_unreadable;
    bool scan_unreadable;
    int transport_refuses; /* send() returns this where it is negative */
    struct twin_sent sent[TWIN_SENT_MAX];
    int sent_count;
    struct twin_sent asked[TWIN_SENT_MAX]; /* what only reads; the oldest are overwritten */
    int asked_count;
    bool keeps_questions; /* else a task that is asked for is running */
    char lines[TWIN_LINES_MAX][192];
    int line_count;
    int started;
    int ended[LEDGER_MISSED + 1];
    int slots_ended[LEDGER_MISSED + 1]; /* as a whole */
    int finished[LEDGER_UNWATCHED + 1];
    struct twin_horizon horizons[TWIN_SCHEDULES_MAX];
    int horizon_count;
    struct twin_entry log[TWIN_LOG_MAX]; /* of a durable ledger */
    int log_count;
    const char *region; /* that its rows have; NULL: ap-guangzhou */
};

/* `second` is since 1970; no schedule is known to the ledger yet. */
void twin_init(struct twin *twin, int64_t second);
void twin_finish(struct twin *twin);

/* Call before the first start. */
void twin_make_durable(struct twin *twin);

/* The engine is gone, and the newest `lost` entries of the durable ledger. */
void twin_crash(struct twin *twin, int lost);

/* How many of the log's newest entries follow the last one of this kind. */
int twin_entries_after(const struct twin *twin, const char *instance, enum ledger_entry_kind kind);

/* A config to add to; 20 a second, one host unless more are named. */
struct config *twin_config(void);
struct schedule *twin_every(struct config *config, const char *name, const char *every);
void twin_add(struct config *config, struct schedule *schedule, const char *id, const char *url);

/* Takes the config over: it is frozen, and the engine's. */
void twin_start(struct twin *twin, struct config *config_take);
/* The same, where engine_create() is to fail: what it says. */
int twin_start_fails(struct twin *twin, struct config *config_take, struct errtext *err);
void twin_stop(struct twin *twin); /* the engine alone; the ledger keeps what it has */
void twin_reload(struct twin *twin, struct config *config_take);

/* Sleeps and steps as a loop would, till `us` microseconds from here. */
void twin_run(struct twin *twin, int64_t us);
void twin_step(struct twin *twin);

/* The newest inquiry of the action that is not answered; -1 without one. */
int twin_find(const struct twin *twin, const char *action);

/* An answer of the cloud to the n-th inquiry; the text is what Response holds before RequestId. */
void twin_answer(struct twin *twin, int n, const char *text);
void twin_lose_question(struct twin *twin, int n, enum exchange_kind kind);
void twin_accept(struct twin *twin, int n);
void twin_refuse(struct twin *twin, int n, const char *code, int64_t date_second);
void twin_lose(struct twin *twin, int n, enum exchange_kind kind);

/* Lines that hold all of the text. */
int twin_count_lines(const struct twin *twin, const char *text);
/* Backups that were asked for of the instance. */
int twin_count_sent(const struct twin *twin, const char *id);
