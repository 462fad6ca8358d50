/*
 * What came of a request: transport outcome + HTTP status + body -> a verdict.
 *
 * The classes say what a second send would do; the table of codes is in reply_table.c. An unknown
 * code falls to the class of its first part (before the dot), an unknown first part to ambiguous.
 *
 * Codes of our own: "Client.NotSent", "Client.Lost", "Client.BadReply" (an answer that cannot be
 * understood) and "HTTP.<status>" for an answer of a gateway that the API did not write.
 *
 * Any bytes end in a verdict: truncated, deeply nested, duplicate-keyed, not UTF-8, megabytes.
 * Memory is taken for the call alone; where there is none for a body, the verdict is ambiguous
 * under every status.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>

#define REPLY_CODE_MAX 96
#define REPLY_MESSAGE_MAX 256
#define REPLY_REQUEST_ID_MAX 64
#define REPLY_BODY_MAX (1024 * 1024) /* the transport stops reading there: EXCHANGE_LOST */

enum exchange_kind {
    EXCHANGE_NOT_SENT, /* no byte of the request left: a second send is safe */
    EXCHANGE_LOST,     /* it left, or may have; no whole answer came */
    EXCHANGE_ANSWERED, /* a whole HTTP answer */
};

/* How one request ended; everything is borrowed for the call. */
struct exchange {
    enum exchange_kind kind;
    const char *error; /* NOT_SENT and LOST: one line of why, for the log; else NULL */
    int http_status;   /* ANSWERED */
    const char *body;  /* ANSWERED; may hold anything */
    size_t body_length;
    int64_t date_second; /* the answer's Date header in seconds since 1970; -1 without one */
};

enum verdict_class {
    VERDICT_ACCEPTED,  /* done: task_id is valid for ManualBackupInstance */
    VERDICT_THROTTLED, /* not reached: safe to send again, slower */
    VERDICT_CLOCK,     /* safe after stamping anew with the skew learnt from date_second */
    VERDICT_BUSY,      /* refused without effect: safe later */
    VERDICT_AMBIGUOUS, /* may have started a backup: find out first */
    VERDICT_NOT_SENT,  /* nothing left: safe */
    VERDICT_FINAL,     /* useless until someone changes something */
};

struct verdict {
    enum verdict_class class;
    int64_t task_id;     /* ACCEPTED of an action that answers one, else 0 */
    int http_status;     /* 0 where no answer came */
    int64_t date_second; /* copied from the exchange */
    int64_t limit;       /* THROTTLED: the true limit the message names, 0 where it names none */
    char code[REPLY_CODE_MAX];             /* the API's or ours; "" for ACCEPTED */
    char message[REPLY_MESSAGE_MAX];       /* one line of UTF-8, cut at a character */
    char request_id[REPLY_REQUEST_ID_MAX]; /* "" where none came */
};

/*
 * Judges the answer to an action whose success holds a TaskId (ManualBackupInstance).
 *
 * An answer is ambiguous without a usable TaskId (1 to 2^63 - 1, a number or a string of digits)
 * and without an error, with both, or where Response, Error, Code or TaskId stands twice.
 * A status other than 200 is the gateway's: 5xx is always ambiguous, whatever the body says; else
 * an API error in the body rules, else the table's row for HTTP.<status>.
 * The RequestId is kept from every body, even from one that is cut.
 */
void reply_judge(const struct exchange *exchange, struct verdict *ret);

/*
 * Judges the answer to an action that only reads: accepted where `read` takes the Response, an
 * object without an Error; else as above. `read` answers 0, or negative with a text: the answer is
 * then ambiguous with the code Client.BadReply.
 */
struct json_value;
typedef int (*reply_read_fn)(void *context, const struct json_value *response, struct errtext *err);
void reply_judge_query(const struct exchange *exchange, reply_read_fn read, void *context,
                       struct verdict *ret);

/* The class of a code by the table and its fallbacks. */
enum verdict_class reply_class_of(const char *code);

/* The table's codes, for who counts by code: 0 to reply_code_count() - 1. */
#define REPLY_CODES_MAX 128
size_t reply_code_count(void);
const char *reply_code(size_t index);

/* The row of a code, or that of its first part; false where the table has neither. */
bool reply_code_find(const char *code, size_t *ret);

/* "accepted", "throttled", ... */
const char *verdict_class_name(enum verdict_class class);

/* For people: what a code means here, what the daemon does on it, what a person can do. */
struct reply_explanation {
    const char *meaning;
    const char *daemon;
    const char *person;
    bool known; /* in the table itself, not by its first part */
};
struct reply_explanation reply_explain(const char *code);

/* The code of the table that is nearest to a mistyped one; NULL where none is near. */
const char *reply_nearest_code(const char *code);
