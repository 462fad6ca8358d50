/*
 * See secret.h.
 *
 * explicit_bzero is the libc's promise that the stores happen; nothing here prints, formats or
 * copies, so a key is never in more places than its caller put it. (A library's block that is
 * resized moves: realloc() would leave the old bytes behind.)
 */
#include "base/secret.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

int secret_set(struct secret *secret, const char *bytes, size_t length)
{
    if (length > SECRET_MAX) {
        secret_finish(secret);
        return -E2BIG;
    }
    /* `bytes` may lie inside the secret itself: move first, wipe what is left of the old key. */
    if (length > 0)
        memmove(secret->bytes, bytes, length);
    secret->length = length;
    secret_wipe(secret->bytes + length, sizeof secret->bytes - length);
    return 0;
}

void secret_finish(struct secret *secret)
{
    if (secret != NULL)
        secret_wipe(secret, sizeof *secret);
}

void secret_wipe(void *bytes, size_t length)
{
    if (bytes != NULL && length > 0)
        explicit_bzero(bytes, length);
}

#define STACK_WIPED ((size_t)32 * 1024)

__attribute__((noinline)) void secret_wipe_stack(void)
{
    char below[STACK_WIPED];
    secret_wipe(below, sizeof below);
    /* Zeros take the way of a secret: its last bytes stand in the registers of the copying, yet. */
    memcpy(below, below + sizeof below / 2, SECRET_MAX);
    secret_wipe(below, sizeof below);
}

void secret_free(void *block)
{
    secret_wipe(block, malloc_usable_size(block));
    free(block);
}

void *secret_realloc(void *block, size_t size)
{
    size_t before = malloc_usable_size(block);
    void *fresh = malloc(size);
    if (fresh == NULL)
        return NULL;
    if (block != NULL) {
        memcpy(fresh, block, before < size ? before : size);
        secret_free(block);
    }
    return fresh;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
    if (a->length != b->length)
        return false;
    unsigned char difference = 0;
    for (size_t i = 0; i < a->length; i++)
        difference = (unsigned char)(difference | (a->bytes[i] ^ b->bytes[i]));
    return difference == 0;
}
