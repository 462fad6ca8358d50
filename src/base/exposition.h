/*
 * Lines of Prometheus' text format, version 0.0.4.
 *
 *   exposition_head(t, "requests_total", "counter", "Requests.");
 *   struct sample s = exposition_begin(t, "requests_total", "");
 *   exposition_label(&s, "code", "OK");
 *   exposition_whole(&s, 17);
 *
 * gives
 *
 *   # HELP requests_total Requests.
 *   # TYPE requests_total counter
 *   requests_total{code="OK"} 17
 *
 * Names of metrics and labels are the caller's own words; values of labels may hold anything and
 * are escaped. A line that did not fit is told by the text's `cut`.
 */
#pragma once

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* An upper bound of the head's length: name twice, type and help come on top. */
#define EXPOSITION_HEAD_MAX 32

struct sample {
    struct text *text;
    bool labelled;
};

/* The HELP and TYPE lines of a family. */
void exposition_head(struct text *text, const char *name, const char *type, const char *help);

/* A sample of `name` with `suffix` behind it: "", "_bucket", "_sum", "_count". */
struct sample exposition_begin(struct text *text, const char *name, const char *suffix);

/* Backslash, quote and line feed are escaped; bytes that are not UTF-8 become U+FFFD. */
void exposition_label(struct sample *sample, const char *key, const char *value);

/* Ends the line with a whole number. */
void exposition_whole(struct sample *sample, int64_t value);

/* Ends it with value / 10^digits, exactly: (1500000, 6) is 1.5. `digits` is 0 to 18. */
void exposition_decimal(struct sample *sample, int64_t value, int digits);
