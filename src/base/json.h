/*
 * A strict reader of JSON (RFC 8259) that works in place: it allocates nothing, keeps nothing and
 * reads numbers from their digits, so that 64-bit integers stay exact.
 *
 * json_read checks the whole text once; the values found afterwards are spans of that text, valid
 * as long as it is. Names that stand twice in an object are not an error of the text:
 * json_member reports them.
 *
 * Strings may hold bytes that are not UTF-8; whoever takes text out cleans it.
 */
#pragma once

#include "base/result.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 64 /* arrays and objects inside one another */
#define JSON_NAME_MAX 64  /* longest name that json_member can look for */

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

/* A value of a checked text: from its first byte to its last, quotes and brackets included. */
struct json {
    enum json_kind kind;
    const char *bytes;
    size_t length;
};

/*
 * Outcomes: 0; -EINVAL with a text that names the byte (also for anything behind the value);
 * -E2BIG for more than JSON_DEPTH_MAX levels.
 */
int json_read(const char *bytes, size_t length, struct json *ret, struct errtext *err) MUST_CHECK;

/* Outcomes: 0; JSON_ABSENT (also where `object` is none); JSON_DOUBLED. */
#define JSON_ABSENT 1
#define JSON_DOUBLED 2
int json_member(const struct json *object, const char *name, struct json *ret) MUST_CHECK;

/*
 * The elements of an array or the members of an object, in order. json_next is false at the end;
 * `ret_name` may be NULL, and is left alone in an array.
 */
struct json_cursor {
    const char *at;
    bool object;
};
struct json_cursor json_open(const struct json *container);
bool json_next(struct json_cursor *cursor, struct json *ret_name, struct json *ret_value);

/* Appends a string's characters, escapes resolved; \u0000 and lone surrogates become U+FFFD. */
void json_add_string(const struct json *string, struct text *t);

/* True where `value` is a string of exactly these characters (at most JSON_NAME_MAX bytes). */
bool json_is(const struct json *value, const char *string);

/*
 * A whole number, written as a number or as a string of its digits; no fraction, exponent or
 * leading zero.
 *
 * Outcomes: 0; -EINVAL; -ERANGE beyond 64 bits.
 */
int json_int64(const struct json *value, int64_t *ret) MUST_CHECK;
