/* Plain tables for people: columns as wide as their content, numbers to the right, the last column cut so that a line
 * fits the terminal. Off a terminal nothing is cut. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "common/base/attributes.h"
#include "common/base/buffer.h"

#define TABLE_COLUMNS_MAX 16

struct table {
    struct buffer text;  /* all cells, each ended by a zero byte */
    size_t columns;
    size_t cells;        /* written so far, headings included */
    bool right[TABLE_COLUMNS_MAX];
};

/* `headings` is a list of words separated by blanks; one that ends in '>' belongs to a column of numbers. */
void table_init(struct table *table, const char *headings);
void table_deinit(struct table *table);
/* The next cell; rows follow each other. Control characters are shown as '?'. */
void table_cell(struct table *table, const char *format, ...) PRINTF_LIKE(2, 3);
void table_string(struct table *table, struct string text);
size_t table_rows(const struct table *table);
/* Appends the table to `out`. width 0: no limit. All rows must be complete. */
void table_print(const struct table *table, size_t width, struct buffer *out);

/* Columns that `text` takes on a terminal: code points, combining marks and wide characters aside. */
size_t text_width(const char *text);

#endif
