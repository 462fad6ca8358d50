/*
 * JSON for others, written into the caller's buffer and never beyond it.
 *
 * Commas are set as needed. A key is a literal; NULL inside arrays. What the values hold becomes
 * valid JSON whatever it is (base/text.h). What does not fit sets text.cut; a copy of the struct
 * taken before leads back to a place where all still fitted:
 *
 *     const struct json_writer before = w;
 *     ... a row ...
 *     if (w.text.cut)
 *         json_back(&w, &before);
 */
#pragma once

#include "base/instant.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_writer {
    struct text text;
    bool follows; /* a value stands before the next one */
};

struct json_writer json_write_over(char *buffer, size_t size);
void json_back(struct json_writer *w, const struct json_writer *before);

/* '{' or '[', and '}' or ']'. */
void json_open(struct json_writer *w, const char *key, char bracket);
void json_close(struct json_writer *w, char bracket);

void json_put_text(struct json_writer *w, const char *key, const char *text);
/* The same, left out where it is NULL or empty. */
void json_put_known(struct json_writer *w, const char *key, const char *text);
void json_put_number(struct json_writer *w, const char *key, int64_t number);
void json_put_thousandths(struct json_writer *w, const char *key, int64_t thousandths);
void json_put_bool(struct json_writer *w, const char *key, bool value);

/* "2026-11-23T19:00:00Z"; left out where it is WALL_NEVER. */
void json_put_instant(struct json_writer *w, const char *key, struct wall at);
