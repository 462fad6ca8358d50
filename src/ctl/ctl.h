/*
 * The operator's tool: verbs, their options, and how they end.
 *
 * A verb is one file, verb_NAME.c, that defines one `const struct verb`; main.c lists them. Its
 * `run` parses its own arguments with ctl_parse, prints to stdout, complains with ctl_complain and
 * returns an exit code. ctl_main flushes stdout and turns a failed write into CTL_FAILED.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>

enum ctl_exit {
    CTL_GO_ON = -1, /* of ctl_parse alone: no reason to exit */
    CTL_DONE = 0,
    CTL_FAILED = 1,
    CTL_USAGE = 2,      /* of check-age: critical */
    CTL_UNKNOWN = 3,    /* of check-age alone */
    CTL_BAD_DATA = 65,  /* an argument that is understood and wrong */
    CTL_NO_DAEMON = 69, /* none answers on the socket */
};

struct ctl {
    const struct verb *verb;
    bool json; /* --json, before or behind the verb */
};

struct verb {
    const char *name;
    const char *arguments; /* "CODE", for the usage line */
    const char *summary;   /* one line, for the list of verbs */
    const char *help;      /* what --help prints below the usage line; ends in a line feed */
    int (*run)(struct ctl *ctl, int argc, char **argv); /* the arguments behind the verb */
};

#define CTL_VALUES_MAX 256

/* The arguments of an option that may come again. */
struct ctl_values {
    const char *items[CTL_VALUES_MAX];
    size_t count;
};

/* Takes an argument, which goes to *value or to *values, or is a flag, which sets *given. */
struct ctl_option {
    const char *name;   /* "--host", "-c" */
    const char **value; /* one of these three is set */
    bool *given;
    struct ctl_values *values;
};

struct ctl_program {
    const struct verb *const *verbs;
    size_t verb_count;
};

extern const struct verb verb_check;
extern const struct verb verb_check_age;
extern const struct verb verb_explain;
extern const struct verb verb_health;
extern const struct verb verb_history;
extern const struct verb verb_list;
extern const struct verb verb_names;
extern const struct verb verb_next;
extern const struct verb verb_pause;
extern const struct verb verb_reload;
extern const struct verb verb_resume;
extern const struct verb verb_run;
extern const struct verb verb_sign;
extern const struct verb verb_status;
extern const struct verb verb_why;

int ctl_main(const struct ctl_program *program, int argc, char **argv);

/*
 * Reads "--name VALUE", "--name=VALUE", flags and operands in any order; "--" ends the options,
 * "-" alone is an operand. --help and --json are every verb's. An option may come once, but for
 * those with `values`. Operands go to `ret_operands`, NULL where fewer than operand_max came; more
 * are refused.
 *
 * Returns CTL_GO_ON, or the exit code after the help (CTL_DONE) or a complaint (CTL_USAGE).
 */
int ctl_parse(struct ctl *ctl, int argc, char **argv, const struct ctl_option *options,
              size_t option_count, const char **ret_operands, size_t operand_max) MUST_CHECK;

/* A whole number of plain digits from 1 to `most`. */
bool ctl_parse_count(const char *text, unsigned long most, unsigned long *ret) MUST_CHECK;

/* One line on stderr, "crsbackupctl: ...", without control characters. Returns `exit_code`. */
int ctl_complain(int exit_code, const char *format, ...) PRINTF_LIKE(2, 3);

/* A usage complaint that points to the verb's --help. Returns CTL_USAGE. */
int ctl_complain_usage(const struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);

/* ,"key":"text" on stdout, with JSON's escapes; without the comma where `first`. */
void ctl_print_json(bool first, const char *key, const char *text);

/* ,"first":{"instance":"...","at":"..."},"last":{...}: the ends of a slot's spread. */
struct forecast_spread;
struct recurrence;
void ctl_print_spread(const struct recurrence *when, struct wall slot,
                      const struct forecast_spread *spread);
