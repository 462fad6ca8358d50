/*
 * See table.h. On a terminal the cells are kept, one after the other, each its look and its text,
 * until all widths are known. Columns are two blanks apart.
 */
#include "ctl/table.h"

#include "ctl/columns.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2
#define CUT_LEAST 32   /* a column that is cut keeps so much, if others can go instead */
#define BELOW_LEAST 48 /* with less, one that can stands below its row */
#define BELOW_INDENT 2

struct table {
    const struct table_column *columns;
    size_t count;
    struct screen screen;
    size_t column; /* of the next cell */
    size_t rows;
    char *cells;
    size_t length;
    size_t size;
    size_t widths[TABLE_COLUMNS_MAX]; /* of the widest cell */
};

struct table *table_create(const struct table_column *columns, size_t count,
                           const struct screen *screen)
{
    assert(count > 0 && count <= TABLE_COLUMNS_MAX);
    struct table *table = calloc(1, sizeof *table);
    if (table == NULL)
        abort();
    table->columns = columns;
    table->count = count;
    table->screen = *screen;
    for (size_t i = 0; i < count; i++)
        table->widths[i] = columns_of(columns[i].head);
    return table;
}

static void keep(struct table *table, enum screen_look look, const char *text)
{
    size_t length = strlen(text) + 2;
    if (table->size - table->length < length) {
        size_t size = (table->size + length) * 2;
        char *cells = realloc(table->cells, size);
        if (cells == NULL)
            abort();
        table->cells = cells;
        table->size = size;
    }
    table->cells[table->length] = (char)look;
    memcpy(table->cells + table->length + 1, text, length - 1);
    table->length += length;
    size_t width = columns_of(text);
    if (width > table->widths[table->column])
        table->widths[table->column] = width;
}

void table_put(struct table *table, enum screen_look look, const char *text)
{
    if (table->screen.terminal)
        keep(table, look, text);
    else
        (void)printf("%s%s", text, table->column + 1 == table->count ? "\n" : "\t");
    if (++table->column == table->count) {
        table->column = 0;
        table->rows++;
    }
}

size_t table_rows(const struct table *table)
{
    return table->rows;
}

/* ---- printing ---- */

/* With the column that is cut at its least. */
static size_t least_width(const struct table *table, const size_t widths[TABLE_COLUMNS_MAX])
{
    size_t sum = 0;
    for (size_t i = 0; i < table->count; i++) {
        size_t width = widths[i];
        if (table->columns[i].cut && width > CUT_LEAST)
            width = CUT_LEAST;
        sum += width > 0 ? width + GAP : 0;
    }
    return sum > GAP ? sum - GAP : 0;
}

/* The most dispensable column that is still there; table->count: none. */
static size_t find_dispensable(const struct table *table, const size_t widths[TABLE_COLUMNS_MAX])
{
    size_t found = table->count;
    int most = 0;
    for (size_t i = 0; i < table->count; i++) {
        if (widths[i] > 0 && table->columns[i].dispensable > most) {
            most = table->columns[i].dispensable;
            found = i;
        }
    }
    return found;
}

/* How wide each column is drawn; 0: not at all. Without `below`, the column of that number. */
static void spread(const struct table *table, size_t below, size_t ret[TABLE_COLUMNS_MAX])
{
    size_t room = (size_t)table->screen.width;
    memcpy(ret, table->widths, sizeof table->widths);
    if (below < table->count)
        ret[below] = 0;
    while (least_width(table, ret) > room) {
        size_t i = find_dispensable(table, ret);
        if (i == table->count)
            break;
        ret[i] = 0;
    }
    size_t others = 0;
    for (size_t i = 0; i < table->count; i++)
        if (!table->columns[i].cut && ret[i] > 0)
            others += ret[i] + GAP;
    for (size_t i = 0; i < table->count; i++)
        if (table->columns[i].cut && others + ret[i] > room)
            ret[i] = others < room ? room - others : 1;
}

/* Returns the column that stands below its row; table->count: none. */
static size_t lay_out(const struct table *table, size_t ret[TABLE_COLUMNS_MAX])
{
    spread(table, table->count, ret);
    for (size_t i = 0; i < table->count; i++) {
        if (table->columns[i].below && ret[i] < table->widths[i] && ret[i] < BELOW_LEAST) {
            spread(table, i, ret);
            return i;
        }
    }
    return table->count;
}

/* One cell, and behind all but the last the gap. */
static void print_cell(const struct table *table, size_t column, size_t width, bool last,
                       enum screen_look look, const char *text)
{
    size_t used = 0;
    size_t bytes = columns_fit(text, width, &used);
    const char *ellipsis = "";
    if (text[bytes] != '\0') {
        bytes = columns_fit(text, width - 1, &used);
        ellipsis = "\u2026";
        used++;
    }
    size_t blanks = width - used;
    if (table->columns[column].right)
        (void)printf("%*s", (int)blanks, "");
    (void)printf("%s%.*s%s%s", screen_begin(&table->screen, look), (int)bytes, text, ellipsis,
                 screen_end(&table->screen, look));
    if (!last)
        (void)printf("%*s", (int)((table->columns[column].right ? 0 : blanks) + GAP), "");
}

static size_t last_column(const struct table *table, const size_t widths[TABLE_COLUMNS_MAX])
{
    size_t last = table->count;
    for (size_t i = 0; i < table->count; i++)
        if (widths[i] > 0)
            last = i;
    return last;
}

static void print_below(const struct table *table, size_t column, const char *cell)
{
    int room = table->screen.width - BELOW_INDENT;
    size_t width = columns_of(cell + 1);
    if (width == 0)
        return;
    if (room < (int)width)
        width = room > 1 ? (size_t)room : 1;
    (void)printf("%*s", BELOW_INDENT, "");
    print_cell(table, column, width, true, (enum screen_look)cell[0], cell + 1);
    (void)printf("\n");
}

/* Returns the first cell of the next row. */
static const char *print_row(const struct table *table, const size_t widths[TABLE_COLUMNS_MAX],
                             size_t below, const char *cell)
{
    const char *cell_below = NULL;
    size_t last = last_column(table, widths);
    for (size_t i = 0; i < table->count; i++) {
        if (widths[i] > 0)
            print_cell(table, i, widths[i], i == last, (enum screen_look)cell[0], cell + 1);
        if (i == below)
            cell_below = cell;
        cell += strlen(cell + 1) + 2;
    }
    (void)printf("\n");
    if (cell_below != NULL)
        print_below(table, below, cell_below);
    return cell;
}

void table_print(const struct table *table, size_t most)
{
    size_t widths[TABLE_COLUMNS_MAX];
    if (!table->screen.terminal || table->rows == 0)
        return;
    size_t below = lay_out(table, widths);
    size_t last = last_column(table, widths);
    for (size_t i = 0; i < table->count; i++)
        if (widths[i] > 0)
            print_cell(table, i, widths[i], i == last, LOOK_HEAD, table->columns[i].head);
    (void)printf("\n");
    const char *cell = table->cells;
    for (size_t row = 0; row < table->rows && row < most; row++)
        cell = print_row(table, widths, below, cell);
}

void table_destroy(struct table *table)
{
    if (table == NULL)
        return;
    free(table->cells);
    free(table);
}
