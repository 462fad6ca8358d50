/*
 * Bounded text: a builder that cannot overflow, durations, and the escapes of JSON.
 */
#pragma once

#include "base/instant.h"
#include "base/result.h"

#include <stddef.h>

/*
 * Appends to the caller's buffer, which always stays a NUL-terminated string. What does not fit is
 * left out whole character by character from the first that did not, and `cut` is set: nothing
 * appended afterwards is taken.
 */
struct text {
    char *bytes;
    size_t size;   /* of the buffer, NUL included; at least 1 */
    size_t length; /* without the NUL */
    bool cut;
};

struct text text_over(char *buffer, size_t size);
void text_add(struct text *t, const char *string);
void text_add_bytes(struct text *t, const char *bytes, size_t length);
void text_add_char(struct text *t, char c);
void text_addf(struct text *t, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * A JSON string, quotes included. Control characters become \uXXXX; bytes that are not UTF-8
 * become U+FFFD, so the result is always valid JSON.
 */
void text_add_json(struct text *t, const char *bytes, size_t length);

/*
 * Outside text as one line for a person: control characters (C0, C1, DEL, the line and paragraph
 * separators) become blanks, bytes that are not UTF-8 become U+FFFD.
 */
void text_add_line(struct text *t, const char *bytes, size_t length);

/* True where all the bytes are well-formed UTF-8 (no overlong forms, no surrogates). */
bool text_is_utf8(const char *bytes, size_t length);

/*
 * A duration: a whole number and one unit of ms, s, m, h, d ("250ms", "30s", "5m", "6h", "2d").
 * "0" alone is zero. The result is in microseconds, at most TEXT_DURATION_MAX_US.
 *
 * Outcomes: 0; -EINVAL with a text.
 */
#define TEXT_DURATION_MAX_US (INT64_C(3660) * SECONDS_PER_DAY * US_PER_SECOND)
int text_parse_duration(const char *string, int64_t *ret_us, struct errtext *err) MUST_CHECK;

/* The shortest exact spelling in those units ("90s", "6h"); smaller than 1 ms in "us". */
#define TEXT_DURATION_MAX 32
const char *text_format_duration(int64_t us, char buffer[TEXT_DURATION_MAX]);

/*
 * The nearest of `count` names to `word` by edits, for "did you mean": NULL where none is near.
 */
const char *text_nearest(const char *word, const char *const *names, size_t count);
