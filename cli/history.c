/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/history.h"

#include "io/csv.h"
#include "io/durable.h"
#include "io/plot.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const mr_history *history;
    const mr_history_columns *columns;
};

static void header(void *context, const char *name, double value)
{
    (void)value;
    mr_csv_string(context, name);
}

static void number(void *context, const char *name, double v)
{
    (void)name;
    if (isnan(v))
        mr_csv_empty(context);
    else
        mr_csv_double(context, v);
}

static int write_rows(void *context, const char *temporary, mr_error *e)
{
    const struct job *j = context;
    FILE *file = fopen(temporary, "w");
    mr_csv w = {0};
    if (!file)
        return mr_fail_errno(e, errno, "cannot write %s", temporary);
    mr_csv_string(&w, "epoch");
    mr_history_visit(j->columns, NULL, header, &w);
    mr_csv_end_row(&w);
    for (int i = 0; i < j->history->count; i++) {
        mr_csv_integer(&w, j->history->record[i].epoch);
        mr_history_visit(j->columns, &j->history->record[i], number, &w);
        mr_csv_end_row(&w);
    }
    int status = mr_csv_flush(&w, file, temporary, e);
    mr_csv_destroy(&w);
    if (fclose(file) && !status)
        status = mr_fail_errno(e, errno, "cannot write %s", temporary);
    return status;
}

int mr_history_write(const mr_history *h, const mr_history_columns *columns, const char *file, mr_error *e)
{
    struct job j = {h, columns};
    return mr_durable_write(file, write_rows, &j, e);
}

int mr_history_plot(const mr_history *h, const char *file, mr_error *e)
{
    size_t n = (size_t)h->count;
    double *v = malloc((4 * n + 1) * sizeof *v);
    if (!v)
        return mr_fail(e, MR_ENOMEM, "out of memory for the plot");
    bool validated = false;
    for (size_t i = 0; i < n; i++) {
        v[i] = h->record[i].loss;
        v[n + i] = h->record[i].val_loss;
        v[2 * n + i] = h->record[i].accuracy;
        v[3 * n + i] = h->record[i].val_accuracy;
        validated |= !isnan(h->record[i].val_loss);
    }
    const mr_plot_series loss[] = {{"train", v, n}, {"validation", v + n, validated ? n : 0}};
    const mr_plot_series accuracy[] = {{"train", v + 2 * n, n}, {"validation", v + 3 * n, validated ? n : 0}};
    const mr_plot_panel panels[] = {
        {.title = "Loss", .series = loss, .series_count = 2, .may_be_logarithmic = true},
        {.title = "Accuracy", .series = accuracy, .series_count = 2, .ceiling = 1}};
    const mr_plot plot = {.title = "Training",
                          .x_label = "Epoch",
                          .first_x = n ? h->record[0].epoch : 1,
                          .panels = panels,
                          .panel_count = 2};
    int status = mr_plot_write(&plot, file, e);
    free(v);
    return status;
}
