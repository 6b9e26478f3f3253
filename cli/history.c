/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/history.h"

#include "io/csv.h"
#include "io/durable.h"
#include "io/plot.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void number(mr_csv *w, double v)
{
    if (isnan(v))
        mr_csv_empty(w);
    else
        mr_csv_double(w, v);
}

static int write_rows(void *context, const char *temporary, mr_error *e)
{
    static const char *const columns[] = {"epoch",        "loss",          "accuracy", "val_loss",
                                          "val_accuracy", "learning_rate", "seconds",  "images_per_second"};
    const mr_history *h = context;
    FILE *file = fopen(temporary, "w");
    mr_csv w = {0};
    if (!file)
        return mr_fail_errno(e, errno, "cannot write %s", temporary);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        mr_csv_string(&w, columns[i]);
    mr_csv_end_row(&w);
    for (int i = 0; i < h->count; i++) {
        const mr_epoch_record *r = &h->record[i];
        mr_csv_integer(&w, r->epoch);
        const double values[] = {r->loss,          r->accuracy, r->val_loss,         r->val_accuracy,
                                 r->learning_rate, r->seconds,  r->images_per_second};
        for (size_t k = 0; k < sizeof values / sizeof *values; k++)
            number(&w, values[k]);
        mr_csv_end_row(&w);
    }
    int status = mr_csv_flush(&w, file, temporary, e);
    mr_csv_destroy(&w);
    if (fclose(file) && !status)
        status = mr_fail_errno(e, errno, "cannot write %s", temporary);
    return status;
}

int mr_history_write(const mr_history *h, const char *file, mr_error *e)
{
    return mr_durable_write(file, write_rows, (void *)h, e);
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

struct mr_step_log {
    FILE *file;
    char *path;
};

int mr_step_log_open(mr_step_log **out, const char *path, mr_error *e)
{
    mr_step_log *l = *out = calloc(1, sizeof *l);
    if (!l)
        return mr_fail(e, MR_ENOMEM, "out of memory for the step log");
    if (!path)
        return 0;
    l->path = strdup(path);
    l->file = fopen(path, "w");
    if (!l->file || !l->path)
        return mr_fail_errno(e, errno, "cannot write %s", path);
    fputs("step,loss\n", l->file);
    return 0;
}

void mr_step_log_add(mr_step_log *l, int64_t step, double loss)
{
    char text[MR_NUMBER_SIZE];
    if (!l->file)
        return;
    mr_format_double(text, loss);
    fprintf(l->file, "%lld,%s\n", (long long)step, text);
}

int mr_step_log_close(mr_step_log *l, mr_error *e)
{
    int status = 0;
    if (!l)
        return 0;
    if (l->file && (ferror(l->file) | fclose(l->file)))
        status = mr_fail_errno(e, errno, "cannot write %s", l->path);
    free(l->path);
    free(l);
    return status;
}
