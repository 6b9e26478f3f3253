/* SPDX-License-Identifier: Apache-2.0 */
/* Tables as text, in the look of Keras's model.summary(): drawn with box characters, or plain where a
 * terminal may not have them. */
#ifndef MR_CLI_TABLE_H
#define MR_CLI_TABLE_H

#include "base/text.h"

typedef enum mr_align { MR_ALIGN_LEFT, MR_ALIGN_RIGHT, MR_ALIGN_CENTER } mr_align;

typedef struct mr_table_column {
    const char *title;
    mr_align align;
} mr_table_column;

#define MR_TABLE_MAX_COLUMNS 16

/* Made by mr_table_create, freed by mr_table_destroy. Columns and cells are copied. Not thread safe. */
typedef struct mr_table {
    int columns, rows, capacity;
    char *title[MR_TABLE_MAX_COLUMNS];
    mr_align align[MR_TABLE_MAX_COLUMNS];
    char **cells; /* [rows, columns] */
    bool ruled;   /* a line between all rows, as Keras 3 draws it; default: false */
} mr_table;

typedef enum mr_table_style { MR_TABLE_ASCII, MR_TABLE_BOX } mr_table_style;

/* Errors: MR_EINVAL (columns not 1 … MR_TABLE_MAX_COLUMNS), MR_ENOMEM. */
int mr_table_create(mr_table *t, const mr_table_column *columns, int count, mr_error *e);
/* Adds a row; CELLS holds t->columns strings, of which control characters but the line feed become '?'. A
 * line feed begins a new line within the cell. */
int mr_table_add(mr_table *t, const char *const *cells, mr_error *e);
void mr_table_destroy(mr_table *t);

/* Appends the table to OUT, at most WIDTH columns wide (0: as wide as it comes): the widest columns give way,
 * their text is wrapped, at blanks and behind '_', '/', ',' and '-' where there are any. A table whose
 * columns are all at their least (4 each) is wider than WIDTH if it must. Errors: MR_ENOMEM. */
int mr_table_text(mr_text *out, const mr_table *t, int width, mr_table_style style, mr_error *e);

#endif
