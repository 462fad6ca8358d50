/*
 * Fills the engine's view from the ledger after a start, on libuv's pool, so that the start does
 * not wait for it and the loop never reads the disk.
 */
#pragma once

#include "base/result.h"
#include "engine/engine.h"

#include <stdbool.h>

struct restore;
struct uv_loop_s;

/*
 * Begins with the members of `config`; a reload meanwhile is fine, members that it drops are passed
 * over. Outcomes: 0, *ret owned by the caller; -ENOMEM.
 */
int restore_begin(struct uv_loop_s *loop, const char *state_dir, struct config *config,
                  struct engine *engine, struct restore **ret) MUST_CHECK;

/* NULL: it is over. */
bool restore_is_over(const struct restore *restore);

/* It ends soon, and the loop with it. NULL is fine. */
void restore_close(struct restore *restore);

/* After the loop has ended. */
void restore_destroy(struct restore *restore);
