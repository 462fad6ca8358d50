/*
 * Text in the columns of a terminal: UTF-8 in, as wide as it is drawn.
 */
#pragma once

#include <stddef.h>

/* 0 for what is drawn over the character before, 2 for wide ones (CJK, emoji). */
size_t columns_of(const char *text);

/*
 * The bytes of the longest beginning of `text` that is at most `columns` wide; *ret_columns is how
 * wide it is.
 */
size_t columns_fit(const char *text, size_t columns, size_t *ret_columns);

/* In place: characters that turn the direction of writing, or are not seen, become "?". */
void columns_clean(char *text);
