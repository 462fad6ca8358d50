/*
 * crsbackupd --check: reads the configuration as the daemon would and says what it would do.
 */
#pragma once

#include "base/instant.h"

#include <stdio.h>

#define CHECK_VALID 0
#define CHECK_FAILED 1   /* not the file's fault: no memory */
#define CHECK_INVALID 78 /* EX_CONFIG */

/*
 * Prints a summary and the next slot of every schedule to `out`, every error and warning to
 * `problems`. Touches no network and no state. Returns the exit code.
 */
int check_run(const char *path, struct wall now, FILE *out, FILE *problems);
