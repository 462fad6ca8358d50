/*
 * One request on its way through the console's rooms. Private to daemon/console*.c.
 *
 *   console.c         the socket, the turn, the parts of an answer
 *   console_args.c    a request's members, checked
 *   console_status.c  status, health, reload
 *
 * A verb's begin() reads its arguments and either answers at once or sets `row` and `next`, which
 * are then called as often as there is room, over as many turns as it takes, and `end` for the last
 * line.
 */
#pragma once

#include "base/json.h"
#include "base/json_write.h"
#include "daemon/console.h"
#include "ports/control_socket.h"

#define ASK_TEXT_MAX 512

struct ask;

/* Writes the row at which the ask stands. False: there is none any more. */
typedef bool (*ask_row_fn)(struct ask *ask, struct json_writer *w);

/* Goes on to the row after it. */
typedef void (*ask_next_fn)(struct ask *ask);

/* The members of the end object. */
typedef void (*ask_end_fn)(struct ask *ask, struct json_writer *w);

struct ask {
    struct console *console;
    struct daemon *daemon;
    struct control_client *client;
    const struct verb *verb;
    struct json json; /* of the request */
    struct json_value args;
    ask_row_fn row;
    ask_next_fn next;
    ask_end_fn end;
    bool rows_over;

    /* Set, the answer is an error: */
    const char *error_code;
    char error_text[ASK_TEXT_MAX];

    struct config *config; /* what rows are made of; one reference, or NULL */
    uint32_t schedule;     /* where they stand */
    uint32_t instance;
    bool waits; /* for a reload, in the console's list */
    struct ask *next_waiting;
};

struct verb {
    const char *name;
    bool changes;                 /* not everybody may */
    const char *const *arguments; /* their names; ends in NULL */
    void (*begin)(struct ask *ask);
};

/* ---- console.c ---- */

/* The answer is this error, whatever was said before. */
void ask_refuse(struct ask *ask, const char *code, const char *format, ...) PRINTF_LIKE(3, 4);

/* "operator": what changes something is logged with who wanted it. */
void ask_log(struct ask *ask, const char *schedule, int64_t instances);

/* It is answered after the next reload has been done or refused. */
void ask_wait_for_reload(struct ask *ask);

/* ---- console_args.c: false or negative: refused ---- */

/* Looks whether the request has only arguments that the verb knows, each once. */
bool ask_check_arguments(struct ask *ask);

/* NULL in *ret where it is not there. The text lives as long as `buffer`. */
bool ask_text(struct ask *ask, const char *name, char *buffer, size_t size, const char **ret);

/* ---- the verbs ---- */

void console_status(struct ask *ask);
void console_health(struct ask *ask);
void console_reload(struct ask *ask);
