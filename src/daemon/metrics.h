/*
 * The metrics' server with what it answers from: the engine's counters, and the daemon's own state.
 * docs/metrics.md is its contract with monitoring.
 */
#pragma once

#include "base/result.h"
#include "daemon/lifecycle.h"

/*
 * Listens where `config` says; *ret is NULL where it says nothing.
 * Outcomes: 0, *ret is to be closed by metrics_http_close(); negative with a text.
 */
int metrics_open(struct daemon *daemon, const struct config *config, struct metrics_http **ret,
                 struct errtext *err) MUST_CHECK;

/* Whether the two configurations listen at the same address, or both at none. */
bool metrics_stay(const struct config *old, const struct config *new);
