/*
 * Outcomes of functions, and the text that explains a failure.
 *
 * Every function that can fail returns an int:
 *   0          done
 *   positive   an outcome that its header names and the caller must handle
 *   negative   a failure (-ENOMEM and the like) that travels up unchanged
 *
 * A function that fails may explain itself in a `struct errtext`, always its last parameter,
 * always optional (NULL). The text is one line of UTF-8 for a person: what is wrong and what
 * would be right. It never holds a secret.
 */
#pragma once

#include <stdarg.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(template, first) __attribute__((format(printf, template, first)))

/* Longer texts are cut at a character boundary and end in "...". */
#define ERRTEXT_MAX 512

struct errtext {
    char text[ERRTEXT_MAX];
};

/* Writes the text and returns `outcome`, so that a failing function can end in one statement. */
int errtext_set(struct errtext *err, int outcome, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same with a list of arguments. */
int errtext_setv(struct errtext *err, int outcome, const char *format, va_list args)
    PRINTF_LIKE(3, 0);

/* Puts "context: " before the text that is there; returns `outcome`. */
int errtext_prefix(struct errtext *err, int outcome, const char *format, ...) PRINTF_LIKE(3, 4);

/*
 * clang's analyser reads one file at a time and would guess at what these return. The parentheses
 * of the definitions in result.c keep the macros away from them.
 */
#ifdef __clang_analyzer__
#define errtext_set(err, outcome, ...) ((void)(errtext_set)(err, outcome, __VA_ARGS__), (outcome))
#define errtext_setv(err, outcome, format, args) \
    ((void)(errtext_setv)(err, outcome, format, args), (outcome))
#define errtext_prefix(err, outcome, ...) \
    ((void)(errtext_prefix)(err, outcome, __VA_ARGS__), (outcome))
#endif
