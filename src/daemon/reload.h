/*
 * Taking up a new configuration, and what start and reload have in common.
 */
#pragma once

#include "base/result.h"
#include "daemon/lifecycle.h"

/* Reads the file and the keys anew; a bad file changes nothing and is logged. */
void daemon_reload(struct daemon *daemon);

/* Outcomes: 0; CREDENTIALS_UNUSABLE with a text; -ENOMEM. */
int daemon_read_keys(struct daemon *daemon, const struct config *config,
                     struct errtext *err) MUST_CHECK;

struct http_options daemon_http_options_of(const struct config *config);
