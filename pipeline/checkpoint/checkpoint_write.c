/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint's content: a Keras model file, and at its root the run's state in the attribute millrace_run
 * and its history in the dataset millrace_history. */
#include "pipeline/checkpoint/checkpoint.h"

#include "io/hdf5/hdf5.h"

#include <stdlib.h>
#include <string.h>

#define HISTORY "millrace_history"

static int write_history(hid_t file, const mr_history *h, mr_error *e)
{
    mr_shape shape = {2, {h->count, mr_history_width(h)}};
    if (!h->count)
        return 0;
    double *table = malloc(mr_shape_count(&shape) * sizeof *table);
    if (!table)
        return mr_no_memory(e, "the history");
    mr_history_table(table, h);
    int status = mr_hdf5_write_doubles(file, HISTORY, &shape, table, e);
    free(table);
    return status;
}

/* *TABLE is malloc'ed; rows 0 where there is none. */
static int read_history(double **table, mr_history_rows *rows, hid_t file, mr_error *e)
{
    mr_shape shape;
    *table = NULL;
    *rows = (mr_history_rows){0};
    if (!mr_hdf5_exists(file, HISTORY))
        return 0;
    int status = mr_hdf5_shape(&shape, file, HISTORY, e);
    if (!status && shape.rank != 2)
        status = mr_fail(e, MR_EFORMAT, "dataset '%s' is not a table", HISTORY);
    if (status)
        return status;
    size_t count = mr_shape_count(&shape);
    *table = malloc(count * sizeof **table + 1);
    if (!*table)
        return mr_no_memory(e, "the history");
    *rows = (mr_history_rows){*table, (size_t)shape.dim[0], (size_t)shape.dim[1]};
    return mr_hdf5_read_doubles(*table, count, file, HISTORY, e);
}

static int write_run_state(void *context, int64_t file, mr_error *e)
{
    const mr_snapshot *s = context;
    char *text = mr_run_state_text(&s->state, s->score);
    if (!text)
        return mr_no_memory(e, "the run's state");
    int status = mr_hdf5_write_text((hid_t)file, "millrace_run", text, false, e);
    if (!status)
        status = write_history((hid_t)file, &s->state.history, e);
    free(text);
    return status;
}

int mr_checkpoint_write(mr_model *view, const mr_snapshot *s, const char *path, mr_error *e)
{
    mr_save_options options = {
        .iterations = -1, .extra = write_run_state, .extra_context = (void *)s, .finite = true};
    view->training = s->state.training;
    view->iterations = s->iterations;
    return mr_model_save(view, path, &options, e);
}

int mr_checkpoint_read_state(mr_run_state *out, double *score, const char *path, mr_error *e)
{
    char *text = NULL;
    size_t size = 0;
    hid_t file = -1;
    double *table = NULL;
    mr_history_rows rows = {0};
    *out = (mr_run_state){0};
    mr_hdf5_lock();
    int status = mr_hdf5_open(&file, path, e);
    if (!status)
        status = mr_hdf5_find_text(&text, &size, file, "millrace_run", e);
    if (!status)
        status = read_history(&table, &rows, file, e);
    mr_hdf5_close(file, path, NULL);
    mr_hdf5_unlock();
    if (!status && !text)
        status = mr_fail(e, MR_EFORMAT, "'%s' is a model, but no checkpoint: it holds no run's state", path);
    if (!status)
        status = mr_run_state_parse(out, score, text, size, rows, e);
    free(table);
    free(text);
    return status;
}

static bool is_end_of(const char *path, int epoch)
{
    mr_run_state state;
    if (mr_checkpoint_read_state(&state, NULL, path, NULL))
        return false;
    bool found = state.epoch == epoch && state.samples == 0;
    mr_run_state_clear(&state);
    return found;
}

bool mr_checkpoint_of_epoch(char *path, size_t size, const mr_checkpoint_dir *d, int epoch)
{
    mr_checkpoint_list list;
    bool found = false;
    if (mr_checkpoint_list_read(&list, d, NULL))
        return false;
    for (size_t i = 0; i < list.count && !found; i++)
        found = !mr_checkpoint_path(path, size, d, list.number[i], NULL) && is_end_of(path, epoch);
    mr_checkpoint_list_free(&list);
    return found;
}
