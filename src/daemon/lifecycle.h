/*
 * The daemon's life: start, turns, reload, drain, stop. It wires the ports to the engine and holds
 * no policy.
 *
 *   start    configuration -> log -> keys -> loop -> transport -> ledger -> engine -> metrics
 *   reload   the new file is read beside the loop; a bad one changes nothing and is logged
 *   drain    no new request; what is in flight is waited for; then everything is closed
 */
#pragma once

#include "base/result.h"
#include "daemon/options.h"
#include "engine/engine.h"
#include "ports/credentials.h"
#include "ports/http_curl.h"
#include "ports/ledger_sqlite.h"
#include "ports/log_writer.h"
#include "ports/notify_systemd.h"

#include <stdbool.h>

struct loop;
struct console;
struct reading;
struct restore;
struct metrics_http;

/* The last reload that has come to its end. */
struct reload {
    uint64_t count; /* which one it was; 0: there was none, and nothing else is set */
    struct wall at;
    bool ok;
    char text[ERRTEXT_MAX]; /* the first problem of a refused one */
};

struct daemon {
    const char *config_path;
    struct config *config;
    struct log_writer *log;
    enum log_target log_target; /* where it goes; auto: nowhere yet */
    enum log_target log_auto;   /* what auto was decided to be, once; auto: not yet asked */
    struct journal journal;     /* on top of the log */
    struct notify notify;
    struct credentials *credentials;
    struct loop *loop;
    struct http_curl *http;
    struct ledger_sqlite *ledger;
    struct engine *engine;
    struct console *console; /* NULL: there is no socket */
    struct restore *restore;
    struct reading *reading;      /* of the configuration, for a reload */
    struct metrics_http *metrics; /* NULL: off */
    struct wall started_at;
    struct wall loaded_at; /* the present configuration */
    struct reload reload;
    uint64_t reloads_begun;
    char ledger_text[ERRTEXT_MAX]; /* why it cannot record; "": it can */
    bool misnamed;                 /* state_dir or control.socket cannot be had: no start */
    bool reload_wanted;
    bool drain_wanted;
    bool draining;
    bool closing;          /* the ports were told to close */
    struct mono drain_end; /* by then a drain has ended; no time is asked for beyond */
    struct mono status_at; /* when STATUS was last told */
    char status_told[NOTIFY_STATUS_MAX];
};

/* Reads the configuration; problems go to standard error. Outcomes: an exit code. */
enum exit_code daemon_load(struct daemon *daemon, const struct options *options) MUST_CHECK;

/* Everything up to READY. Outcomes: 0; negative with a text. */
int daemon_start(struct daemon *daemon, struct errtext *err) MUST_CHECK;

/* Runs until a signal has ended it in order. Outcomes: 0; negative with a text. */
int daemon_run(struct daemon *daemon, struct errtext *err) MUST_CHECK;

/* A zeroed daemon is fine. */
void daemon_finish(struct daemon *daemon);
