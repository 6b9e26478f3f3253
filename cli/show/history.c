/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show/history.h"

#include "base/csv.h"
#include "base/durable.h"
#include "base/output.h"
#include "io/draw/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static void append_rows(mr_csv *w, const struct job *j, int first)
{
    for (int i = first; i < j->history->count; i++) {
        mr_csv_integer(w, j->history->record[i].epoch);
        mr_history_visit(j->columns, &j->history->record[i], number, w);
        mr_csv_end_row(w);
    }
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
    append_rows(&w, j, 0);
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

/* --- row by row ------------------------------------------------------------------- */

/* All of TEXT at the end of FILE, or nothing of it. */
static int append(const char *file, const mr_text *text, bool sync, mr_error *e)
{
    struct stat st;
    int fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC), status = 0;
    if (fd < 0 || fstat(fd, &st))
        status = mr_fail_errno(e, errno, "cannot write %s", file);
    else if (write(fd, mr_text_string(text), text->length) != (ssize_t)text->length) {
        status = mr_fail_errno(e, errno ? errno : ENOSPC, "cannot write %s", file);
        if (ftruncate(fd, st.st_size))
            status = MR_EIO; /* the torn row goes when the file is written anew */
    } else if (sync && fdatasync(fd) && errno != EINVAL)
        status = mr_fail_errno(e, errno, "cannot sync %s", file);
    if (fd >= 0)
        close(fd);
    return status;
}

static int add_row(mr_history_log *l, const mr_history *h, mr_error *e)
{
    const struct job j = {h, l->columns};
    bool sync = mr_now() - l->synced >= 1; /* epochs of milliseconds must not wait for a disk each */
    mr_csv w = {0};
    append_rows(&w, &j, h->count - 1);
    errno = 0;
    int status = mr_text_check(&w.text, l->file, e);
    if (!status)
        status = append(l->file, &w.text, sync, e);
    mr_csv_destroy(&w);
    if (!status && sync)
        l->synced = mr_now();
    return status;
}

/* A stream gets the whole history at the end. */
static bool is_stream(const char *file)
{
    mr_output o = {0};
    bool stream = !mr_output_resolve(&o, file, NULL) && o.stream;
    mr_output_clear(&o);
    return stream;
}

int mr_history_log_add(mr_history_log *l, const mr_history *h, mr_error *e)
{
    if (!l->file || is_stream(l->file))
        return 0;
    bool grows = l->rows > 0 && l->rows == h->count - 1 && access(l->file, F_OK) == 0;
    int status = grows ? add_row(l, h, e) : mr_history_write(h, l->columns, l->file, e);
    if (!grows)
        l->synced = mr_now();
    l->rows = status ? 0 : h->count;
    return status;
}

int mr_history_plot(const mr_history *h, const mr_history_columns *columns, const char *file, mr_error *e)
{
    size_t n = (size_t)h->count;
    double *v = malloc((4 * n + 1) * sizeof *v);
    if (!v)
        return mr_no_memory(e, "the plot");
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
        {.title = columns->accuracy ? "Binary accuracy" : "Accuracy", .series = accuracy, .series_count = 2, .ceiling = 1}};
    const mr_plot plot = {.title = "Training",
                          .x_label = "Epoch",
                          .first_x = n ? h->record[0].epoch : 1,
                          .panels = panels,
                          .panel_count = columns->no_accuracy ? 1 : 2};
    int status = mr_plot_write(&plot, file, e);
    free(v);
    return status;
}
