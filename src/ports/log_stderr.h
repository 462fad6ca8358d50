/*
 * A sink for log lines: standard error, one write(2) a line.
 *
 * On a terminal a line begins with the instant and the level; where systemd connected the stream to
 * its journal, with the priority that it reads ("<5>"); else it is the event alone. A pipe that is
 * full is not waited for.
 */
#pragma once

#include "base/result.h"
#include "ports/log_writer.h"

#include <stdbool.h>

/* `clock` gives the instant for a terminal's lines. Outcomes: 0; -ENOMEM. */
int log_stderr_create(struct wall (*clock)(void), struct log_sink *ret) MUST_CHECK;

/* Whether standard error is a terminal. */
bool log_stderr_is_terminal(void);
