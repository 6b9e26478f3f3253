/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a model: beside its name, renamed when it is whole. */
#include "io/model_file/model_file.h"

#include "base/durable.h"
#include "io/hdf5/hdf5.h"
#include "io/keras/layout.h"
#include "io/keras/write.h"
#include "io/model_file/read.h"

#include <string.h>
#include <strings.h>

struct saving {
    mr_keras_output output;
    const mr_save_options *options;
};

static int write_h5(void *context, const char *temporary, mr_error *e)
{
    const struct saving *s = context;
    hid_t file = -1;
    mr_hdf5_lock();
    int status = mr_hdf5_create(&file, temporary, e);
    if (!status)
        status = mr_keras_write_h5(file, &s->output, e);
    if (!status)
        status = mr_keras_write_last(file, &s->output, s->options, e);
    int closed = mr_hdf5_close(file, temporary, status ? NULL : e);
    mr_hdf5_unlock();
    return status ? status : closed;
}

static int write_zip(void *context, const char *temporary, mr_error *e)
{
    const struct saving *s = context;
    mr_hdf5_lock();
    int status = mr_keras_write_zip(temporary, &s->output, s->options, e);
    mr_hdf5_unlock();
    return status;
}

bool mr_model_is_named_keras(const char *path)
{
    size_t n = strlen(path);
    return n >= 6 && !strcasecmp(path + n - 6, ".keras");
}

static int make_self_test(mr_self_test *out, const struct saving *s, mr_error *e)
{
    const mr_model *m = s->output.model;
    mr_graph view = *m->graph;
    view.state = (mr_real *)s->output.state; /* only read */
    return mr_self_test_make(out, &view, m->has_preprocess ? &m->preprocess : NULL, e);
}

int mr_model_save(const mr_model *m, const char *path, const mr_save_options *options, mr_error *e)
{
    static const mr_save_options plain = {.iterations = -1};
    struct saving s = {.options = options ? options : &plain};
    s.output.model = m;
    s.output.state = s.options->state ? s.options->state : m->graph->state;
    s.output.iterations =
        s.options->state && s.options->iterations >= 0 ? s.options->iterations : m->iterations;
    s.output.optimizer = !s.options->no_optimizer;
    s.output.dialect = s.options->dialect;
    mr_self_test test;
    mr_tree *tree = NULL;
    int status = make_self_test(&test, &s, e);
    if (!status && s.options->finite && !mr_self_test_is_finite(&test))
        status = mr_fail(e, MR_EINVAL, "writing '%s': the model's output is NaN or infinite", path);
    s.output.self_test = &test;
    if (!status)
        status = mr_tree_create(&tree, (json_t *)mr_keras_written_config(m->graph), e);
    s.output.tree = tree;
    if (!status)
        status = mr_durable_write(path, mr_model_is_named_keras(path) ? write_zip : write_h5, &s, e);
    mr_tree_free(tree);
    mr_self_test_clear(&test);
    return mr_model_name_source(status, path, e);
}
