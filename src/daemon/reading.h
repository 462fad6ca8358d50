/*
 * Reads the configuration on libuv's pool, and prepares the view of it, so that the loop goes on
 * sending while a large file is read, or a slow disk is waited for.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"
#include "ports/config_yaml.h"

#include <stdbool.h>

struct reading;
struct view;
struct uv_loop_s;

/* The path is borrowed. Outcomes: 0, *ret owned by the caller; -ENOMEM. */
int reading_create(struct uv_loop_s *loop, const char *path, struct reading **ret) MUST_CHECK;

/*
 * One at a time: none is under way, and what came of the last one has been taken. `old` is the view
 * in force and stays so until then.
 */
void reading_begin(struct reading *reading, const struct view *old, struct wall now);
bool reading_is_idle(const struct reading *reading);

/* It has come to its end, and the loop was woken for that; idle again after reading_take(). */
bool reading_is_over(const struct reading *reading);

/*
 * What came of it. The caller owns *ret and *ret_view, which is prepared for engine_reload(), where
 * the outcome is 0, and always *ret_report. Outcomes: as config_system_load().
 */
int reading_take(struct reading *reading, struct config **ret, struct view **ret_view,
                 struct config_report *ret_report) MUST_CHECK;

/* Nobody waits for it any more: it ends soon, and the loop with it. NULL is fine. */
void reading_close(struct reading *reading);

/* After the loop has ended. NULL is fine. */
void reading_destroy(struct reading *reading);
