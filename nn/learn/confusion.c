/* SPDX-License-Identifier: Apache-2.0 */
/* The confusion matrix as text. Declared in nn/learn/report.h. */
#include "nn/learn/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINE 100         /* columns; a wider table is given numbered columns */
#define MAX_NAME 40          /* columns a class name may take at the head of a row */
#define LISTED_CONFUSIONS 30 /* rows of the list that stands for a matrix too large to read */

typedef struct confusion {
    int64_t count;
    int truth, predicted;
} confusion;

static int64_t count_at(const int64_t *counts, int classes, int truth, int predicted)
{
    return counts[(size_t)truth * (size_t)classes + (size_t)predicted];
}

static size_t digits_of(int64_t value)
{
    return (size_t)snprintf(NULL, 0, "%lld", (long long)value);
}

static size_t widest_name(const char *const *names, int classes)
{
    size_t width = 0;
    for (int c = 0; c < classes; c++) {
        size_t columns = mr_utf8_columns(names[c]);
        width = columns > width ? columns : width;
    }
    return width < MAX_NAME ? width : MAX_NAME;
}

/* NAME without control characters, cut and padded to WIDTH columns. */
static void append_cell(mr_text *out, const char *name, size_t width, bool right)
{
    mr_text cell = {0};
    mr_text_append_cut(&cell, name, width);
    mr_text_append_padded(out, mr_text_string(&cell), width, right);
    out->failed |= cell.failed;
    mr_text_destroy(&cell);
}

/* The layout of one matrix. */
typedef struct layout {
    bool numbered;       /* columns are headed by [number], and rows too */
    size_t number_width; /* of "[12]" */
    size_t name_width;
    size_t column_width;
} layout;

static layout plan(const int64_t *counts, int classes, const char *const *names)
{
    layout l = {.name_width = widest_name(names, classes), .number_width = digits_of(classes - 1) + 2};
    size_t count_width = 1;
    for (size_t i = 0; i < (size_t)classes * (size_t)classes; i++) {
        size_t digits = digits_of(counts[i]);
        count_width = digits > count_width ? digits : count_width;
    }
    l.column_width = l.name_width > count_width ? l.name_width : count_width;
    l.numbered = l.name_width + (size_t)classes * (l.column_width + 2) > MAX_LINE;
    if (l.numbered)
        l.column_width = l.number_width > count_width ? l.number_width : count_width;
    return l;
}

static void append_number(mr_text *out, int c, size_t width)
{
    char number[24];
    snprintf(number, sizeof number, "[%d]", c);
    mr_text_append_padded(out, number, width, true);
}

static void append_heads(mr_text *out, const layout *l, int classes, const char *const *names)
{
    mr_text_repeat(out, " ", (long)(l->name_width + (l->numbered ? l->number_width + 1 : 0)));
    for (int c = 0; c < classes; c++) {
        mr_text_append(out, "  ");
        if (l->numbered)
            append_number(out, c, l->column_width);
        else
            append_cell(out, names[c], l->column_width, true);
    }
    mr_text_append_char(out, '\n');
}

static void append_matrix(mr_text *out, const int64_t *counts, int classes, const char *const *names)
{
    layout l = plan(counts, classes, names);
    append_heads(out, &l, classes, names);
    for (int t = 0; t < classes; t++) {
        if (l.numbered) {
            append_number(out, t, l.number_width);
            mr_text_append_char(out, ' ');
        }
        append_cell(out, names[t], l.name_width, !l.numbered);
        for (int p = 0; p < classes; p++)
            mr_text_format(out, "  %*lld", (int)l.column_width, (long long)count_at(counts, classes, t, p));
        mr_text_append_char(out, '\n');
    }
}

/* Keeps BEST, COUNT long and sorted by falling count, the greatest of what was offered. Earlier pairs win
 * ties, so that the list does not depend on chance. */
static int offer(confusion *best, int count, confusion c)
{
    int at = count < LISTED_CONFUSIONS ? count : LISTED_CONFUSIONS - 1;
    if (count == LISTED_CONFUSIONS && best[at].count >= c.count)
        return count;
    for (; at > 0 && best[at - 1].count < c.count; at--)
        best[at] = best[at - 1];
    best[at] = c;
    return count < LISTED_CONFUSIONS ? count + 1 : count;
}

static void append_list(mr_text *out, const int64_t *counts, int classes, const char *const *names)
{
    confusion best[LISTED_CONFUSIONS];
    int listed = 0;
    for (int t = 0; t < classes; t++)
        for (int p = 0; p < classes; p++)
            if (t != p && count_at(counts, classes, t, p) > 0)
                listed = offer(best, listed, (confusion){count_at(counts, classes, t, p), t, p});
    size_t width = widest_name(names, classes);
    for (int i = 0; i < listed; i++) {
        mr_text_format(out, "%9lld  ", (long long)best[i].count);
        append_cell(out, names[best[i].truth], width, false);
        mr_text_append(out, "  taken for  ");
        mr_text_append_cut(out, names[best[i].predicted], width);
        mr_text_append_char(out, '\n');
    }
    if (listed == 0)
        mr_text_append(out, "none\n");
}

int mr_confusion_text(mr_text *out, const int64_t *counts, int classes, const char *const *names, mr_error *e)
{
    if (classes <= MR_CONFUSION_TABLE_CLASSES) {
        mr_text_append(out, "Confusion matrix (rows: true class, columns: predicted class)\n\n");
        append_matrix(out, counts, classes, names);
    } else {
        mr_text_format(out, "Most frequent confusions of %d classes\n\n", classes);
        append_list(out, counts, classes, names);
    }
    return mr_text_check(out, "the confusion matrix", e);
}
