/*
 * Instants as people say and read them.
 */
#pragma once

#include "base/civil.h"
#include "base/instant.h"
#include "base/result.h"

#define WHEN_TEXT_MAX 64

/* "45s", "12m", "5h 12m", "3d 4h"; "0s" for less than none. */
const char *when_span(int64_t us, char buffer[WHEN_TEXT_MAX]);

/* "2026-11-23T19:00:00Z", to the second. */
const char *when_short(struct wall at, char buffer[WHEN_TEXT_MAX]);

/* "in 4h 2m", "5h 12m ago". */
const char *when_from(struct wall at, struct wall now, char buffer[WHEN_TEXT_MAX]);

/*
 * "1d", "6h": so long before (`direction` -1) or after (1) now; else an instant as civil_parse()
 * reads it. Outcomes: 0; -EINVAL with a text.
 */
int when_parse(const char *text, struct wall now, int direction, struct wall *ret,
               struct errtext *err) MUST_CHECK;
