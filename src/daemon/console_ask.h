/*
 * One request on its way through the console's rooms. Private to daemon/console*.c.
 *
 *   console.c         the socket, the turn, the parts of an answer
 *   console_args.c    a request's members, checked
 *   console_walk.c    which schedules and members are meant
 *   console_status.c  status, health, reload
 *   console_list.c    list, check-age
 *   console_desk.c    questions to the ledger, on another thread
 *   console_history.c history, runs
 *   console_why.c     why
 *   console_orders.c  run, pause, resume
 *
 * A verb's begin() reads its arguments and sets `row`, which is then called as often as there is
 * room, over as many turns as it takes, and `end` for the last line.
 */
#pragma once

#include "base/json.h"
#include "base/json_write.h"
#include "base/names.h"
#include "daemon/console.h"
#include "engine/members.h"
#include "ports/control_socket.h"

#define ASK_TEXT_MAX 512
#define ASK_VALUES_MAX 2048 /* of a request: a thousand ids, and then some */

struct ask;
struct desk;
struct desk_job;

enum ask_row {
    ASK_ROW,   /* a row was written */
    ASK_LATER, /* none; the turn's share is used up */
    ASK_OVER,  /* none is left */
};

/* Goes on to the next row and writes it. Only what does not fit is asked for again, by `back`. */
typedef enum ask_row (*ask_row_fn)(struct ask *ask, struct json_writer *w);

/* The members of the end object. May refuse. */
typedef void (*ask_end_fn)(struct ask *ask, struct json_writer *w);

enum ask_wait {
    ASK_WAITS_FOR_RELOAD,
    ASK_WAITS_FOR_LEDGER, /* till all that it was given is durable */
};

/* Where the rows stand. */
struct ask_place {
    uint32_t schedule;
    uint32_t instance;
};

struct ask {
    struct console *console;
    struct daemon *daemon;
    struct control_client *client;
    const struct verb *verb;
    struct json json; /* of the request */
    struct json_value args;
    ask_row_fn row;
    ask_end_fn end;
    bool rows_over;

    /* Set, the answer is an error: */
    const char *error_code;
    char error_text[ASK_TEXT_MAX];

    struct config *config; /* what rows are made of; one reference, or NULL */
    struct ask_place at;
    int32_t only;              /* the schedule that was named, or -1 */
    struct names ids;          /* the instances that were named */
    char *id_bytes;            /* theirs; owned */
    bool *id_seen;             /* of each, whether a member was found; owned */
    struct members_open *open; /* slots of each schedule; owned, or NULL */
    void *state;               /* of the verb's own; owned, freed by free() */
    struct desk *desk;
    struct desk_job *job;    /* a question to the ledger; owned, or NULL */
    bool waits;              /* in the console's list, or for its job */
    bool aside;              /* and its client is out of the socket's queue */
    enum ask_wait waits_for; /* in the console's list */
    uint64_t reload;         /* ASK_WAITS_FOR_RELOAD: which one */
    uint64_t durable_at;     /* ASK_WAITS_FOR_LEDGER: the ledger's count of entries */
    struct mono patience;    /* and how long that may take */
    struct ask *next_waiting;
};

struct verb {
    const char *name;
    bool changes;                 /* not everybody may */
    const char *const *arguments; /* their names; ends in NULL */
    void (*begin)(struct ask *ask);
};

/* ---- console.c ---- */

/* The request's bytes into json, args and verb, whose arguments it has. False: refused. */
bool ask_read(struct ask *ask, const char *bytes, size_t length);

/* Frees what the ask owns, but for its job. */
void ask_clear(struct ask *ask);

/* The answer is this error, whatever was said before. */
void ask_refuse(struct ask *ask, const char *code, const char *format, ...) PRINTF_LIKE(3, 4);

/*
 * Takes this much of the turn's share; false: it is used up, and the work is for the next turn. The
 * costs are rough: what a piece of work takes at most on a slow machine.
 */
#define ASK_COST_REQUEST_NS 20000
#define ASK_COST_BYTE_NS 30
#define ASK_COST_PART_NS 20000
#define ASK_COST_ROW_NS 5000
#define ASK_COST_MEMBER_NS 100 /* looked at and passed over */
bool ask_afford(struct ask *ask, int64_t cost_ns);

/* "operator": what changes something is logged with who wanted it. */
void ask_log(struct ask *ask, const char *schedule, int64_t instances);

/* It waits, until ask_go_on() is called from another place of the loop's thread. */
void ask_set_aside(struct ask *ask);
void ask_go_on(struct ask *ask);

/*
 * It is answered after the next reload that begins has been done or refused; when the ledger has
 * made all durable that it has been given so far, or has not within ASK_PATIENCE_NS: then with an
 * error.
 */
#define ASK_PATIENCE_NS (10 * NS_PER_SECOND)
void ask_wait_for_reload(struct ask *ask);
void ask_wait_for_ledger(struct ask *ask);

/* ---- console_args.c: false or negative: refused ---- */

/* Looks whether the request has only arguments that the verb knows, each once. */
bool ask_check_arguments(struct ask *ask);

/* NULL in *ret where it is not there. The text lives as long as `buffer`. */
bool ask_text(struct ask *ask, const char *name, char *buffer, size_t size, const char **ret);

/* "schedule": its number into ask->only. */
bool ask_schedule(struct ask *ask);

/* "instance": an array of at most `most` ids into ask->ids; where that is 1 the id alone will do.
 */
bool ask_instances(struct ask *ask, size_t most);

bool ask_bool(struct ask *ask, const char *name, bool *ret);
/* `ret` stays where it is not there. */
bool ask_number(struct ask *ask, const char *name, int64_t least, int64_t most, int64_t *ret);
bool ask_instant(struct ask *ask, const char *name, struct wall *ret);

/* ---- console_walk.c: schedules and members, in order, over as many turns as it takes ---- */

/* The present configuration is walked; a reload meanwhile refuses the rest. */
void ask_begin_walk(struct ask *ask);

/* Whether the next schedule can be summed up in this turn; ASK_ROW: it is at.schedule. */
enum ask_row ask_next_schedule(struct ask *ask);

/* The next member that was asked for; ASK_ROW: it is at `at`. */
enum ask_row ask_next_member(struct ask *ask);

/* An instance that was named and is in no schedule that was walked: refused. */
void ask_check_seen(struct ask *ask);

/* ---- console_desk.c: an ask whose job is set ---- */

/* A row function: waits for one piece of the job's work. ASK_OVER: it is done, or refused. */
enum ask_row ask_desk_wait(struct ask *ask, struct json_writer *w);

/* A row function: the rows of one piece after the other. */
enum ask_row ask_desk_rows(struct ask *ask, struct json_writer *w);

/* The rows of the piece that is done, into an open array. */
void ask_put_desk_rows(struct ask *ask, struct json_writer *w);

/* ---- the verbs ---- */

void console_history(struct ask *ask);
void console_runs(struct ask *ask);
void console_why(struct ask *ask);

void console_run(struct ask *ask);
void console_pause(struct ask *ask);
void console_resume(struct ask *ask);
void console_list(struct ask *ask);
void console_check_age(struct ask *ask);

void console_status(struct ask *ask);
void console_health(struct ask *ask);
void console_reload(struct ask *ask);
