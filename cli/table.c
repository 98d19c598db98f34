/* Tables: see table.h. Cells are kept as text until the widths of all are known. */
#include "cli/table.h"

#include "common/base/assert.h"

#include <stdarg.h>
#include <stdio.h>

#define CELL_SIZE_MAX 1024
#define GAP 2

size_t text_width(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

void table_init(struct table *table, const char *headings)
{
    *table = (struct table){0};
    buffer_init(&table->text);
    while (*headings != '\0') {
        const char *end = strchr(headings, ' ');
        size_t size = end != NULL ? (size_t)(end - headings) : strlen(headings);
        const char *next = headings + size + (end != NULL);

        ASSERT(size > 0);
        ASSERT(table->columns < TABLE_COLUMNS_MAX);
        if (headings[size - 1] == '>') {
            table->right[table->columns] = true;
            size--;
        }
        buffer_append(&table->text, headings, size);
        buffer_append(&table->text, "", 1);
        table->columns++;
        table->cells++;
        headings = next;
    }
    ASSERT(table->columns > 0);
}

void table_deinit(struct table *table)
{
    buffer_deinit(&table->text);
}

void table_string(struct table *table, struct string text)
{
    /* Names come from servers: what a terminal would obey must not reach it. */
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char c = (unsigned char)text.data[i];

        buffer_append(&table->text, c < 0x20 || c == 0x7f ? "?" : (const char *)&c, 1);
    }
    buffer_append(&table->text, "", 1);
    table->cells++;
}

void table_cell(struct table *table, const char *format, ...)
{
    char cell[CELL_SIZE_MAX];
    va_list list;

    va_start(list, format);
    const int size = vsnprintf(cell, sizeof(cell), format, list);

    va_end(list);
    ASSERT(size >= 0);
    table_string(table, string_of(cell));
}

size_t table_rows(const struct table *table)
{
    return table->cells / table->columns - 1;
}

/* Appends at most `limit` columns of `text`; a cut one ends in a tilde. */
static void append_cut(struct buffer *out, const char *text, size_t limit)
{
    size_t width = 0;
    const char *end = text;

    if (text_width(text) <= limit) {
        buffer_append(out, text, strlen(text));
        return;
    }
    while (*end != '\0') {
        if (((unsigned char)*end & 0xc0) != 0x80 && ++width >= limit) {
            break;
        }
        end++;
    }
    buffer_append(out, text, (size_t)(end - text));
    buffer_append(out, "~", 1);
}

void table_print(const struct table *table, size_t width, struct buffer *out)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    const char *cell = (const char *)table->text.data;

    ASSERT(table->cells % table->columns == 0);
    for (size_t i = 0; i < table->cells; i++, cell += strlen(cell) + 1) {
        const size_t wide = text_width(cell);

        if (wide > widths[i % table->columns]) {
            widths[i % table->columns] = wide;
        }
    }
    cell = (const char *)table->text.data;
    for (size_t i = 0, used = 0; i < table->cells; i++, cell += strlen(cell) + 1) {
        const size_t column = i % table->columns;
        const bool last = column + 1 == table->columns;
        const size_t pad = widths[column] - text_width(cell);

        if (table->right[column]) {
            buffer_append_format(out, "%*s", (int)pad, "");
        }
        if (last && width > used) {
            append_cut(out, cell, width - used > 8 ? width - used : 8);
        } else {
            buffer_append(out, cell, strlen(cell));
        }
        if (last) {
            buffer_append(out, "\n", 1);
            used = 0;
        } else {
            buffer_append_format(out, "%*s", (int)((table->right[column] ? 0 : pad) + GAP), "");
            used += widths[column] + GAP;
        }
    }
}
