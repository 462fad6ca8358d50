/*
 * Members of an answer's objects, as values for a screen. What is absent or of another kind is "",
 * 0 or false: an answer of a newer daemon is shown as far as it is understood.
 */
#pragma once

#include "base/instant.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

/* An absent member, for what takes one. */
struct json_value answer_member(struct json_value object, const char *name);

/*
 * One line of clean UTF-8 that cannot drive a terminal or turn its text around, cut at a character
 * where it is longer. False where there is none.
 */
bool answer_text(struct json_value object, const char *name, char *ret, size_t size);
/* The same of a value itself, such as one of an array. */
bool answer_own_text(struct json_value value, char *ret, size_t size);

int64_t answer_number(struct json_value object, const char *name);
/* A number of things: at least 0, at most ANSWER_COUNT_MAX, so that sums of some are safe. */
#define ANSWER_COUNT_MAX INT64_C(1000000000000)
int64_t answer_count(struct json_value object, const char *name);

double answer_decimal(struct json_value object, const char *name);
bool answer_flag(struct json_value object, const char *name);
bool answer_has(struct json_value object, const char *name);

/* False where there is none, and *ret is 0. */
bool answer_instant(struct json_value object, const char *name, struct wall *ret);
