/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint's content: a Keras model file, and the run's state in the attribute millrace_run of its root.
 */
#include "pipeline/checkpoint.h"

#include "io/hdf5.h"

#include <stdlib.h>
#include <string.h>

static int write_run_state(void *context, int64_t file, mr_error *e)
{
    const mr_snapshot *s = context;
    char *text = mr_run_state_text(&s->state, s->score);
    if (!text)
        return mr_fail(e, MR_ENOMEM, "out of memory for the run's state");
    int status = mr_hdf5_write_text((hid_t)file, "millrace_run", text, false, e);
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
    *out = (mr_run_state){0};
    mr_hdf5_lock();
    int status = mr_hdf5_open(&file, path, e);
    if (!status)
        status = mr_hdf5_find_text(&text, &size, file, "millrace_run", e);
    mr_hdf5_close(file, path, NULL);
    mr_hdf5_unlock();
    if (!status && !text)
        status = mr_fail(e, MR_EFORMAT, "'%s' is a model, but no checkpoint: it holds no run's state", path);
    if (!status)
        status = mr_run_state_parse(out, score, text, size, e);
    free(text);
    return status;
}
