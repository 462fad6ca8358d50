/*
 * The command line of crsbackupd.
 */
#pragma once

#include "base/result.h"

#define OPTIONS_CONFIG_DEFAULT "/etc/crsbackupd/crsbackupd.yaml"

/* Exit codes of product.md, after sysexits(3) where it has one. */
enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILURE = 1,
    EXIT_CODE_USAGE = 2,
    EXIT_CODE_CONFIG = 78,
};

enum options_mode {
    OPTIONS_RUN,
    OPTIONS_CHECK,
    OPTIONS_VERSION,
    OPTIONS_HELP,
};

struct options {
    enum options_mode mode;
    const char *config_path; /* points into argv, or the default */
};

/* Outcomes: 0; -EINVAL with a text. */
int options_parse(int argc, char **argv, struct options *ret, struct errtext *err) MUST_CHECK;

/* The text of --help. */
const char *options_help(void);
