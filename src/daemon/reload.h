/*
 * Taking up a new configuration, and what start and reload have in common.
 */
#pragma once

#include "base/result.h"
#include "daemon/lifecycle.h"

/*
 * Begins one where it is wanted, not when stopping, and where no other is under way: the file is
 * read on another thread. Later turns find what came of it and end it: the new configuration and
 * its keys are in force, or a bad file changed nothing and is logged.
 */
void daemon_begin_reload(struct daemon *daemon);
void daemon_end_reload(struct daemon *daemon);

/* Outcomes: 0; CREDENTIALS_UNUSABLE with a text; -ENOMEM. */
int daemon_read_keys(struct daemon *daemon, const struct config *config,
                     struct errtext *err) MUST_CHECK;

struct http_options daemon_http_options_of(const struct config *config);
