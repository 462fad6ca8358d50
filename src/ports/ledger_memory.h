/*
 * The ledger of engine/ports.h in memory: every entry is "durable" at once, and nothing outlives
 * the process. It keeps each schedule's horizon, so that a schedule that leaves the configuration
 * and comes back repeats nothing.
 */
#pragma once

#include "base/result.h"
#include "engine/ports.h"

struct ledger_memory;

struct ledger_sink {
    void *context;
    void (*recorded)(void *context, uint64_t ticket, int outcome);
};

/* Outcomes: 0, *ret owned by the caller; -ENOMEM. */
int ledger_memory_create(const struct ledger_sink *sink, struct ledger_memory **ret) MUST_CHECK;
void ledger_memory_destroy(struct ledger_memory *ledger);

struct ledger ledger_memory_port(struct ledger_memory *ledger);
