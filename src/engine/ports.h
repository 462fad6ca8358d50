/*
 * The contracts of the engine with the outside: tables of functions that the daemon fills with the
 * real thing and the simulation with an in-memory twin on virtual time.
 *
 * One rule for all: a port never calls a decider. What it has to say later (a request reached the
 * wire, an answer came, a record is durable) it files with one of the engine_file_*() functions of
 * engine/engine.h, from any callback on the loop's thread; the next engine_step() takes it up.
 * Filing is allowed from inside the port functions too.
 */
#pragma once

#include "base/event.h"
#include "base/instant.h"
#include "base/reply.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/tc3.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- transport: HTTP requests, each with one outcome ---- */

#define TRANSPORT_HEADERS_MAX 16

/* Everything is borrowed for the call of send(): the transport copies what it keeps. */
struct transport_request {
    uint64_t ticket; /* names the request in the answers and in cancel(); never reused. The highest
                        bit is for others who share the transport: the engine never sets it. */
    const char *url; /* "https://host[:port]/" */
    const struct tc3_header *headers; /* all headers of ours, Host and Content-Type included */
    size_t header_count;
    const char *body; /* POST; NULL: GET */
    size_t body_length;
    int64_t connect_timeout_us;
    int64_t timeout_us; /* of the whole exchange, connecting included */
    bool brings_keys; /* the answer holds keys: no buffer that held it outlives the exchange, which
                         has a connection of its own */
};

struct transport {
    void *context;

    /*
     * Starts one exchange. Afterwards exactly one outcome is filed by engine_file_outcome(), except
     * when send() fails; and before it, where the request began to leave, one
     * engine_file_on_wire() with the instant at which its bytes went out. An outcome of
     * EXCHANGE_NOT_SENT proves that nothing left.
     * Outcomes: 0; -EAGAIN (its own limit is reached), -ENOMEM, -EINVAL: nothing was started.
     */
    int (*send)(void *context, const struct transport_request *request, struct errtext *err);

    /* Ends a request at once; its outcome (NOT_SENT or LOST) is filed. Unknown tickets are fine. */
    void (*cancel)(void *context, uint64_t ticket);

    /*
     * A hint: requests to `url` come soon; have up to `connections` connections open. Never an
     * outcome; a failure is silent and the requests themselves will tell.
     */
    void (*warm)(void *context, const char *url, unsigned connections);
};

/* ---- ledger: what was decided, kept over a restart ---- */

enum ledger_entry_kind {
    LEDGER_STARTED,  /* an attempt may leave any time from now */
    LEDGER_ENDED,    /* the run's verdict is known: `result` says which */
    LEDGER_FINISHED, /* after LEDGER_SUBMITTED: what became of its task, `finish` says */
};

enum ledger_result {
    LEDGER_SUBMITTED, /* accepted: task_id; 0 where the backup is known, but not its task */
    LEDGER_FAILED,    /* refused for good or out of time after attempts */
    LEDGER_UNKNOWN,   /* the answer was lost, and what became of it could not be found out */
    LEDGER_SKIPPED,   /* by a rule: removed, paused, overlap */
    LEDGER_MISSED,    /* never attempted: too late, stopped */
    LEDGER_AGAIN, /* the attempt did nothing, for certain, or its task failed; another follows */
};

enum ledger_finish {
    LEDGER_SUCCEEDED,
    LEDGER_TASK_FAILED, /* code: its status; message: the cloud's text */
    LEDGER_STUCK,       /* not finished inside complete_within: no longer watched */
    LEDGER_UNWATCHED,   /* nobody will know: no task id, or no endpoint is known for it */
};

/* Why a slot was opened. The first that is told of a run holds. */
enum ledger_kind {
    LEDGER_KIND_SCHEDULE, /* its instant came */
    LEDGER_KIND_CATCH_UP, /* it was passed, and is run late */
    LEDGER_KIND_OPERATOR, /* somebody asked for it: the slot is the instant of the order */
};

/* Borrowed for the call. */
struct ledger_entry {
    uint64_t ticket; /* named in engine_file_recorded(); STARTED only */
    enum ledger_entry_kind kind;
    const char *schedule;
    const char *instance;
    const char *region;
    struct wall slot;
    int attempt;
    enum ledger_kind run_kind; /* STARTED, and ENDED of what was never begun */
    int retries; /* STARTED and ENDED: tasks of the run that failed and were begun anew so far */
    enum ledger_result result; /* ENDED */
    enum ledger_finish finish; /* FINISHED */
    int64_t task_id;           /* ENDED by LEDGER_SUBMITTED, and FINISHED */
    const char *code;
    const char *message; /* "" or at most REPLY_MESSAGE_MAX - 1 bytes; ENDED and FINISHED. Of what
                            was MISSED or SKIPPED it is the reason. */
    const char *request_id;
    struct wall at;
};

#define LEDGER_NO_HORIZON 1 /* the schedule was never started */
#define LEDGER_OTHER_RULE 2 /* it was, under another rule; *ret is that horizon */
#define LEDGER_NO_SLOT 1    /* nothing is recorded there */

/*
 * An entry for a slot itself: STARTED when it is opened (its ticket is 0 and nobody is told), ENDED
 * when every member has ended. What lies between is taken up again after a restart. ENDED alone, by
 * LEDGER_MISSED or LEDGER_SKIPPED: it was passed over and never opened.
 */
#define LEDGER_WHOLE_SLOT "*"

/* What is known of one instance in one slot. */
enum ledger_state {
    LEDGER_STATE_STARTED, /* STARTED without ENDED: its fate is unknown */
    LEDGER_STATE_AGAIN,   /* ended by LEDGER_AGAIN: to be run */
    LEDGER_STATE_ENDED,   /* FINISHED or not */
};

/* One row, for those who read; borrowed for the call. */
struct ledger_row {
    const char *schedule;
    const char *instance; /* LEDGER_WHOLE_SLOT: the slot itself */
    const char *region;   /* "" where none was told */
    struct wall slot;
    int attempt;
    enum ledger_kind kind;
    int retries; /* the most that was ever told */
    enum ledger_state state;
    struct wall started_at; /* of the last attempt; 0: never */
    struct wall ended_at;   /* of the last ENDED; 0: never */
    int64_t task_id;
};
typedef void (*ledger_row_fn)(void *context, const struct ledger_row *row);

#define LEDGER_NO_PAUSE ((struct wall){INT64_MIN})
typedef void (*ledger_pause_fn)(void *context, const char *schedule, struct wall until);

struct ledger {
    void *context;
    bool durable; /* what it was told outlives the process */

    /*
     * Takes one entry. For STARTED, engine_file_recorded(ticket, outcome) follows when it is
     * durable (or has failed); no request leaves before. Other entries are not answered; the
     * ledger keeps their order. FINISHED for a run that is not ENDED by LEDGER_SUBMITTED, or that
     * another attempt has begun since, changes nothing. STARTED makes a finished run open anew.
     * What was taken and has no ticket is not dropped while the process lives. The order alone says
     * what is the last of a run: after a restart the numbers of its attempts begin anew. Outcomes:
     * 0; negative: not taken (full, broken), nothing will be filed.
     */
    int (*append)(void *context, const struct ledger_entry *entry);

    /*
     * The newest slot that was opened for a schedule, as set by set_horizon(). `rule` is the text
     * of its recurrence and zone; "" is no schedule's rule. What is not yet durable counts too.
     * Outcomes: 0; LEDGER_NO_HORIZON; LEDGER_OTHER_RULE; negative: it cannot be read.
     */
    int (*horizon)(void *context, const char *schedule, const char *rule, struct wall *ret);

    /*
     * Every slot of the schedule up to and including `slot` is decided or opened. Kept in order
     * with append(): it is durable no later than an entry that is appended after it. It may go back
     * (engine/sanity.h): what was set last holds.
     */
    void (*set_horizon)(void *context, const char *schedule, const char *rule, struct wall slot);

    /*
     * The first and the last slot after `after` that any entry of the schedule names; what
     * operators ordered is not among them, since it says nothing of the plan's slots around, nor
     * are slots that were never opened: where a clock that was ahead has passed them over, they
     * come again. At the start, at a reload and when a horizon goes back: it may read a disk. NULL
     * where the ledger does not keep entries: horizons then never go back. Outcomes: 0;
     * LEDGER_NO_SLOT; negative: it cannot be read.
     */
    int (*recorded)(void *context, const char *schedule, struct wall after, struct wall *ret_first,
                    struct wall *ret_last);

    /*
     * Calls `each` for every entry that is STARTED and not ENDED, by schedule, slot and instance:
     * slots that are open (instance is LEDGER_WHOLE_SLOT, which sorts before any other) and
     * attempts whose fate is unknown. At the start only: it may read a disk.
     * Outcomes: 0; negative: it cannot be read.
     */
    int (*unended)(void *context, ledger_row_fn each, void *each_context);

    /*
     * Calls `each` for every instance that has an entry in the slot, LEDGER_WHOLE_SLOT excepted. At
     * the start only. Outcomes: 0; negative: it cannot be read.
     */
    int (*scan)(void *context, const char *schedule, struct wall slot, ledger_row_fn each,
                void *each_context);

    /*
     * Calls `each` for every entry that is ENDED by LEDGER_SUBMITTED and not FINISHED, oldest
     * slot first. At the start only. Outcomes: 0; negative: it cannot be read.
     */
    int (*unfinished)(void *context, ledger_row_fn each, void *each_context);

    /*
     * A schedule's slots before `until` are to be passed over, because an operator said so:
     * WALL_NEVER for all that come, LEDGER_NO_PAUSE for none any more. Kept as append() keeps what
     * has no ticket. NULL where the ledger keeps no pauses. Outcomes: 0; negative: not taken.
     */
    int (*set_pause)(void *context, const char *schedule, struct wall until);

    /*
     * Calls `each` for every pause that is kept. At the start, and at a reload. What is not yet
     * durable counts too: it comes last and may name a schedule again (LEDGER_NO_PAUSE: it is not
     * paused any more), and the last holds. NULL where there are none. Outcomes: 0; negative: it
     * cannot be read.
     */
    int (*pauses)(void *context, ledger_pause_fn each, void *each_context);
};

/* ---- keys, log, chance ---- */

/* A set of keys; borrowed till the next call of get() or the end of the loop's turn. */
struct keys {
    char id[TC3_SECRET_ID_MAX + 1];
    struct secret key;
    struct secret token; /* length 0: none */
    uint64_t generation; /* changes with the keys */
};

struct keyring {
    void *context;
    /* Outcomes: 0; -ENOENT with a text: no keys at the moment. */
    int (*get)(void *context, const struct keys **ret, struct errtext *err);
    /*
     * The cloud refused the keys of this generation (AuthFailure.*, but for SignatureExpire): they
     * are looked for anew, and get() may give others from one of the next turns on. May be told
     * again and again. Returns whether there may ever be others; NULL: there are none.
     */
    bool (*refused)(void *context, uint64_t generation);
};

struct journal {
    void *context;
    void (*write)(void *context, const struct event *event);
};

struct chance {
    void *context;
    uint64_t (*next)(void *context); /* 64 uniform bits */
};

struct engine_ports {
    struct transport transport;
    struct ledger ledger;
    struct keyring keyring;
    struct journal journal;
    struct chance chance;
    struct wall built; /* the wall clock cannot be before; 0: not known */
};
