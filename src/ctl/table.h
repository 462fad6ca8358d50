/*
 * Rows of cells: a table on a terminal, as wide as that is; for a program a line each, its cells
 * separated by tabs, without a head, nothing left out and nothing cut.
 */
#pragma once

#include "ctl/screen.h"

#include <stddef.h>

#define TABLE_COLUMNS_MAX 12

struct table_column {
    const char *head;
    bool right;      /* to the right edge */
    bool cut;        /* shortened where the terminal is too narrow; one of a table's columns */
    bool below;      /* the same column: with too little room it has a line of its own */
    int dispensable; /* 0: always shown; where there is no room the highest goes first */
};

struct table;

/* The columns are kept, not copied. Aborts where there is no memory, as all of these do. */
struct table *table_create(const struct table_column *columns, size_t count,
                           const struct screen *screen);

/* The next cell of the row; the last column's ends it. The text has no control characters. */
void table_put(struct table *table, enum screen_look look, const char *text);

size_t table_rows(const struct table *table);

/* The first `most` rows, with a head, on a terminal; for a program all stand there already. */
void table_print(const struct table *table, size_t most);

void table_destroy(struct table *table); /* NULL is fine */
