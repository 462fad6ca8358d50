/*
 * Key bytes: a fixed buffer that is wiped when it is finished. There is no print function, and a
 * struct secret is never passed to one.
 *
 * init/finish on the caller's memory; finish twice is harmless.
 */
#pragma once

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>

#define SECRET_MAX 4096 /* a session token is up to 4096 bytes */

struct secret {
    size_t length;
    char bytes[SECRET_MAX + 1]; /* a NUL follows the last byte */
};

/* Outcomes: 0; -E2BIG for more than SECRET_MAX bytes (nothing is kept). */
int secret_set(struct secret *secret, const char *bytes, size_t length) MUST_CHECK;

/* Wipes all the memory; the optimiser cannot remove it. */
void secret_finish(struct secret *secret);

/* Wipes any memory. */
void secret_wipe(void *bytes, size_t length);

/*
 * Wipes what earlier calls left on the stack below the caller: what was copied went through
 * registers, and those are saved there where a function is looked up or a signal comes. To be
 * called by who has copied a secret or let a library work with it.
 */
void secret_wipe_stack(void);

/*
 * For libraries that take an allocator: free() and realloc() that wipe the whole block they give
 * back, whoever got it from malloc(). A block that is resized always moves.
 */
void secret_free(void *block);
void *secret_realloc(void *block, size_t size);

/* Constant time for equal lengths. */
bool secret_equal(const struct secret *a, const struct secret *b);
