/*
 * The client's end of the control socket (docs/control-protocol.md): where the daemon listens, one
 * connection, one question after the other.
 *
 * Whoever answers is not trusted: lines and whole answers have a length at most, silence and whole
 * answers a time at most, and what is no answer of the protocol ends the talk. Functions return
 * CTL_GO_ON, or an exit code with a text for ctl_complain().
 */
#pragma once

#include "base/json.h"
#include "base/json_write.h"
#include "base/result.h"
#include "ctl/ctl.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define DIALOGUE_REQUEST_MAX (256 * 1024)
#define DIALOGUE_LINE_MAX (128 * 1024)           /* the protocol's parts have half of it */
#define DIALOGUE_ANSWER_MAX (512 * 1024 * 1024)  /* bytes of one answer */
#define DIALOGUE_TIMEOUT_US (15 * US_PER_SECOND) /* an order may take the daemon 10 */
#define DIALOGUE_TIMEOUT_MAX_US (3600 * US_PER_SECOND)
#define DIALOGUE_PATIENCE 30 /* so many time-outs for a whole answer */

/* What every verb of the daemon's takes; zeroed: the defaults. */
struct dialogue_options {
    const char *socket;
    const char *config;
    const char *timeout;
};
/* clang-format off */
#define DIALOGUE_OPTIONS(options) \
    {.name = "--socket", .value = &(options).socket}, {.name = "-c", .value = &(options).config}, \
    {.name = "--timeout", .value = &(options).timeout}
/* clang-format on */
#define DIALOGUE_HELP                                                                    \
    "  --socket PATH       where the daemon listens; /run/crsbackupd/control.sock, or\n" \
    "                      what the default file names, where absent\n"                  \
    "  -c FILE             the same, as the daemon's FILE names it\n"                    \
    "  --timeout DURATION  how long the daemon may be silent; 15s where absent\n"

struct dialogue;

int dialogue_open(const struct dialogue_options *options, struct dialogue **ret,
                  struct errtext *err) MUST_CHECK;
void dialogue_close(struct dialogue *dialogue); /* NULL is fine */

/* A new request; the caller puts the arguments behind the verb. Valid until dialogue_ask(). */
struct json_writer *dialogue_begin(struct dialogue *dialogue, const char *verb);

/* "key":["...",...]; nothing where there are none. */
void dialogue_put_values(struct json_writer *request, const char *key,
                         const struct ctl_values *values);

/* What becomes of an answer's rows and of the answer. */
struct dialogue_rows {
    /* Each row, valid for the call. NULL: none is wanted. */
    void (*each)(void *context, struct json_value row);
    void *context;
    FILE *json;         /* print the answer there instead, one object on one line; NULL: no */
    const char *member; /* the rows' name in it; NULL: the verb has none */
};

/*
 * Sends the request and reads its answer. *ret_end holds the last line, {"end":{...}}; it is the
 * caller's to finish. A daemon that refuses is an exit code, its text in `err`.
 */
int dialogue_ask(struct dialogue *dialogue, const struct dialogue_rows *rows, struct json *ret_end,
                 struct errtext *err) MUST_CHECK;

/* All of it where one question is enough: opens, lets `put` write the arguments, asks, closes. */
int dialogue_once(const struct dialogue_options *options, const char *verb,
                  void (*put)(const void *context, struct json_writer *request),
                  const void *context, const struct dialogue_rows *rows, struct json *ret_end,
                  struct errtext *err) MUST_CHECK;
