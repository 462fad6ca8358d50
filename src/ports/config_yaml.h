/*
 * The loader of the configuration: a YAML file in, a frozen struct config or a report out.
 *
 * The report holds every problem of the file, each with its place, in the file's order, and the
 * warnings too. It never holds a secret. The loader reads no environment and no clock; zones, and
 * what is thought of a CA file, come from the functions that the caller gives.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"
#include "base/zone.h"
#include "engine/model.h"

#include <stddef.h>

#define CONFIG_FILE_MAX (64 * 1024 * 1024)
#define CONFIG_NESTING_MAX 16
#define CONFIG_ALIAS_NODES_MAX 10000000 /* values that aliases add to those written */
#define CONFIG_PROBLEMS_MAX 100         /* errors kept, and warnings kept; more are counted */

/* ---- the report ---- */

struct config_problem {
    uint32_t line;   /* from 1 */
    uint32_t column; /* from 1, in characters */
    char *text;      /* one line of UTF-8 without control characters */
};

struct config_problems {
    struct config_problem *list; /* sorted by place */
    size_t kept;
    size_t found; /* kept and not kept */
};

struct config_report {
    struct config_problems errors;
    struct config_problems warnings;
};

/* A zeroed report is an empty one. Finish gives its memory back; twice is harmless. */
void config_report_finish(struct config_report *report);

/*
 * Hands out the report line by line, errors first: "FILE:LINE:COLUMN: text",
 * "FILE:LINE:COLUMN: warning: text", and at the end of a cut list "FILE: ... and N more errors".
 */
void config_report_lines(const struct config_report *report, const char *file,
                         void (*line)(void *context, const char *text), void *context);

/* ---- loading ---- */

struct config_load_options {
    const char *state_dir; /* the default of state_dir; NULL: /var/lib/crsbackupd */
    const char *socket;    /* of control.socket; NULL: /run/crsbackupd/control.sock */
    struct wall now;       /* defaults and warnings look ahead from here */

    /*
     * A zone by its name. Outcomes: 0, the loader owns *ret_take; -ENOENT or -EINVAL with a text
     * (unknown, unusable), which the report quotes; -ENOMEM.
     */
    int (*zone)(void *context, const char *name, struct zone **ret_take, struct errtext *err);
    void *zone_context;

    /*
     * Is `path` a file of CA certificates? NULL: not asked. Outcomes: 0; -ENOMEM; negative with a
     * text that names the file, which the report quotes.
     */
    int (*ca_file)(const char *path, struct errtext *err);
};

#define CONFIG_INVALID 1

/*
 * Outcomes: 0, the caller holds one reference of *ret, and the report may hold warnings;
 * CONFIG_INVALID, the report says why (a file that cannot be read included); -ENOMEM, -EIO,
 * -EMFILE, -ENFILE.
 */
int config_yaml_load(const char *path, const struct config_load_options *options,
                     struct config **ret, struct config_report *report) MUST_CHECK;

/* The same from memory. */
int config_yaml_load_bytes(const char *bytes, size_t length,
                           const struct config_load_options *options, struct config **ret,
                           struct config_report *report) MUST_CHECK;
