/*
 * Outside JSON, read strictly: cJSON's tree behind accessors that do not let doubt through.
 *
 * json_read checks and reads a whole text and owns what it makes; a value is a place in it, valid
 * until json_finish, which wipes all texts, and passed as it is. The outside's text is not needed
 * afterwards.
 *
 * Refused beyond what cJSON refuses: a zero byte or any other control character that is no blank,
 * a byte order mark, anything behind the value, malformed \u escapes, more than JSON_DEPTH_MAX
 * levels. Taken although RFC 8259 knows no such thing: numbers like 01 and 1. (json_int64 refuses
 * them). Refused although RFC 8259 lets it pass: a lone surrogate.
 *
 * Names that stand twice in an object are not an error of the text: json_member reports them.
 */
#pragma once

#include "base/result.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 64     /* arrays and objects inside one another */
#define JSON_VALUES_MAX 65536 /* a tree costs 64 bytes and more for each */

struct cJSON;

struct json {
    char *text;
    struct cJSON *root;
};

struct json_value {
    const struct json *json;
    const struct cJSON *item;
};

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

/*
 * From here on cJSON wipes what it frees, for texts that hold keys: json_finish() wipes a tree, but
 * that of a text that turns out bad is cJSON's own to free. For the whole process, before its first
 * thread.
 */
void json_wipe_what_is_freed(void);

/*
 * Takes some 80 bytes of memory a value of the text, and the text's length once more; the caller
 * bounds the length.
 *
 * Outcomes: 0, then json_finish is due; -EINVAL; -E2BIG for more than JSON_DEPTH_MAX levels or
 * JSON_VALUES_MAX values;
 * -ENOMEM; each with a text.
 */
int json_read(struct json *json, const char *bytes, size_t length, struct errtext *err) MUST_CHECK;
void json_finish(struct json *json);

struct json_value json_root(const struct json *json);
enum json_kind json_kind_of(struct json_value value);

/*
 * The member of that name, in exactly that case.
 *
 * Outcomes: 0; JSON_ABSENT (also where `object` is none); JSON_DOUBLED.
 */
#define JSON_ABSENT 1
#define JSON_DOUBLED 2
int json_member(struct json_value object, const char *name, struct json_value *ret) MUST_CHECK;

/*
 * Steps through an array or the members of an object, in order; `at` begins zeroed:
 *
 *     struct json_value task = {NULL, NULL};
 *     while (json_next(tasks, &task))
 *
 * False at the end, at once where `container` is none.
 */
bool json_next(struct json_value container, struct json_value *at);

/* Appends the name of an object's member, as text_add_line does. */
void json_add_name(struct json_value member, struct text *t);

/*
 * Appends a string as text_add_line does: one line of clean UTF-8. A \u0000 is U+FFFD there.
 * What does not fit is the text's to tell (`cut`).
 *
 * Outcomes: 0; -EINVAL where the value is no string.
 */
int json_add_string(struct json_value value, struct text *t) MUST_CHECK;

/*
 * A whole number, written as a number or as a string of its digits; no fraction, exponent or
 * leading zero. Exact over all 64 bits.
 *
 * Outcomes: 0; -EINVAL; -ERANGE beyond 64 bits.
 */
int json_int64(struct json_value value, int64_t *ret) MUST_CHECK;

/* A number as the nearest double, for showing. Outcomes: 0; -EINVAL where the value is none. */
int json_double(struct json_value value, double *ret) MUST_CHECK;
