/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show/table.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_WIDTH 4 /* of a column that gives way */

/* The strings that lines are made of. */
typedef struct border {
    const char *left, *fill, *between, *right;
} border;

typedef struct look {
    border top, under_heads, between_rows, bottom;
    const char *head_bar, *bar; /* between cells, and at the ends of a line */
} look;

static const look looks[] = {
    [MR_TABLE_ASCII] =
        {{"+", "-", "+", "+"}, {"+", "=", "+", "+"}, {"+", "-", "+", "+"}, {"+", "-", "+", "+"}, "|", "|"},
    [MR_TABLE_BOX] =
        {{"┏", "━", "┳", "┓"}, {"┡", "━", "╇", "┩"}, {"├", "─", "┼", "┤"}, {"└", "─", "┴", "┘"}, "┃", "│"},
};

/* A copy of TEXT without control characters other than line feeds; NULL where memory is out. */
static char *copy_clean(const char *text)
{
    mr_text line = {0}, all = {0};
    for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
        mr_text_clear(&line);
        mr_text_append_bytes(&line, text, (size_t)(end - text));
        mr_text_append_clean(&all, mr_text_string(&line));
        mr_text_append_char(&all, '\n');
        all.failed |= line.failed;
    }
    mr_text_append_clean(&all, text);
    mr_text_append(&all, ""); /* an empty cell is a string too */
    mr_text_destroy(&line);
    if (all.failed)
        mr_text_destroy(&all);
    return all.data;
}

int mr_table_create(mr_table *t, const mr_table_column *columns, int count, mr_error *e)
{
    *t = (mr_table){0};
    if (count < 1 || count > MR_TABLE_MAX_COLUMNS)
        return mr_fail(e, MR_EINVAL, "a table cannot have %d columns", count);
    for (; t->columns < count; t->columns++) {
        t->align[t->columns] = columns[t->columns].align;
        t->title[t->columns] = copy_clean(columns[t->columns].title);
        if (!t->title[t->columns]) {
            mr_table_destroy(t);
            return mr_no_memory(e, "a table");
        }
    }
    return MR_OK;
}

static bool make_room(mr_table *t)
{
    if (t->rows < t->capacity)
        return true;
    int capacity = t->capacity ? t->capacity * 2 : 16;
    char **cells = realloc(t->cells, (size_t)capacity * (size_t)t->columns * sizeof *cells);
    if (!cells)
        return false;
    t->cells = cells;
    t->capacity = capacity;
    return true;
}

int mr_table_add(mr_table *t, const char *const *cells, mr_error *e)
{
    if (!make_room(t))
        return mr_no_memory(e, "a table of %d rows", t->rows);
    char **row = t->cells + (size_t)t->rows * (size_t)t->columns;
    for (int c = 0; c < t->columns; c++) {
        row[c] = copy_clean(cells[c]);
        if (row[c])
            continue;
        while (--c >= 0)
            free(row[c]);
        return mr_no_memory(e, "a table of %d rows", t->rows);
    }
    t->rows++;
    return MR_OK;
}

void mr_table_destroy(mr_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < (size_t)t->rows * (size_t)t->columns; i++)
        free(t->cells[i]);
    for (int c = 0; c < t->columns; c++)
        free(t->title[c]);
    free(t->cells);
    *t = (mr_table){0};
}

/* --- widths ------------------------------------------------------------------------ */

/* Columns of the widest line of TEXT. */
static size_t natural_width(const char *text)
{
    size_t widest = 0;
    while (text) {
        const char *end = strchr(text, '\n');
        char *line = end ? strndup(text, (size_t)(end - text)) : NULL;
        size_t width = mr_utf8_columns(line ? line : text);
        widest = width > widest ? width : widest;
        free(line);
        text = end ? end + 1 : NULL;
    }
    return widest;
}

static void measure(const mr_table *t, size_t *widths)
{
    for (int c = 0; c < t->columns; c++) {
        widths[c] = natural_width(t->title[c]);
        for (int r = 0; r < t->rows; r++) {
            size_t width = natural_width(t->cells[(size_t)r * (size_t)t->columns + (size_t)c]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
}

/* Takes columns off the widest one until all fit WIDTH. A cell costs two blanks and a bar, the last bar one
 * more. */
static void shrink(size_t *widths, int columns, size_t width)
{
    for (;;) {
        size_t total = 1, widest = 0;
        for (int c = 0; c < columns; c++) {
            total += widths[c] + 3;
            widest = widths[c] > widths[widest] ? (size_t)c : widest;
        }
        if (total <= width || widths[widest] <= LEAST_WIDTH)
            return;
        widths[widest]--;
    }
}

/* --- lines ------------------------------------------------------------------------- */

/* Bytes of TEXT that go on a line of WIDTH columns; *NEXT is where the next line begins (NULL: there is
 * none). */
static size_t break_line(const char *text, size_t width, const char **next)
{
    size_t line = strcspn(text, "\n"), fits = mr_utf8_fit(text, width);
    if (line <= fits) {
        *next = text[line] ? text + line + 1 : NULL;
        return line;
    }
    if (fits == 0) { /* one character wider than the column: it goes out of it rather than nowhere */
        mr_utf8_next(text, &fits);
        *next = text[fits] ? text + fits : NULL;
        return fits;
    }
    size_t at = fits;
    while (at > 0 && text[at] != ' ' && !strchr("_/,- ", text[at - 1]))
        at--;
    at = at > 0 ? at : fits;
    size_t end = at;
    while (end > 0 && text[end - 1] == ' ')
        end--;
    const char *rest = text + at + strspn(text + at, " ");
    *next = *rest ? rest : NULL;
    return end;
}

static void append_aligned(mr_text *out, const char *text, size_t bytes, size_t width, mr_align align)
{
    mr_text line = {0};
    mr_text_append_bytes(&line, text, bytes);
    size_t columns = mr_utf8_columns(mr_text_string(&line));
    size_t blanks = columns < width ? width - columns : 0;
    size_t before = align == MR_ALIGN_RIGHT ? blanks : align == MR_ALIGN_CENTER ? blanks / 2 : 0;
    mr_text_repeat(out, " ", (long)before);
    mr_text_append(out, mr_text_string(&line));
    mr_text_repeat(out, " ", (long)(blanks - before));
    out->failed |= line.failed;
    mr_text_destroy(&line);
}

/* Writes one row, as many lines as its longest cell needs. */
static void append_row(mr_text *out, const mr_table *t, char *const *cells, const size_t *widths,
                       const char *bar)
{
    const char *rest[MR_TABLE_MAX_COLUMNS];
    bool more = true;
    for (int c = 0; c < t->columns; c++)
        rest[c] = cells[c];
    while (more && !out->failed) {
        more = false;
        for (int c = 0; c < t->columns; c++) {
            const char *text = rest[c] ? rest[c] : "";
            size_t bytes = break_line(text, widths[c], &rest[c]);
            mr_text_format(out, "%s ", bar);
            append_aligned(out, text, bytes, widths[c], t->align[c]);
            mr_text_append_char(out, ' ');
            more |= rest[c] != NULL;
        }
        mr_text_format(out, "%s\n", bar);
    }
}

static void append_border(mr_text *out, const mr_table *t, const size_t *widths, const border *b)
{
    mr_text_append(out, b->left);
    for (int c = 0; c < t->columns; c++) {
        mr_text_repeat(out, b->fill, (long)widths[c] + 2);
        mr_text_append(out, c + 1 < t->columns ? b->between : b->right);
    }
    mr_text_append_char(out, '\n');
}

int mr_table_text(mr_text *out, const mr_table *t, int width, mr_table_style style, mr_error *e)
{
    const look *l = &looks[style];
    size_t widths[MR_TABLE_MAX_COLUMNS];
    measure(t, widths);
    if (width > 0)
        shrink(widths, t->columns, (size_t)width);
    append_border(out, t, widths, &l->top);
    append_row(out, t, t->title, widths, l->head_bar);
    append_border(out, t, widths, &l->under_heads);
    for (int r = 0; r < t->rows; r++) {
        if (r > 0 && t->ruled)
            append_border(out, t, widths, &l->between_rows);
        append_row(out, t, t->cells + (size_t)r * (size_t)t->columns, widths, l->bar);
    }
    append_border(out, t, widths, &l->bottom);
    return mr_text_check(out, "a table", e);
}
