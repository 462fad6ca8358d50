/* What the program itself, not its libraries, got from the allocator and did not give back. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether an address of code, a return address say, is of the program. */
bool blocks_is_program(const void *code);

/* A block was handed out to this caller, and given back. */
void blocks_note(const void *block, size_t size, const void *caller);
void blocks_forget(const void *block);

/* Each that is left, a line: its size and the caller's place in the program. */
void blocks_tell(void (*line)(const char *text));
