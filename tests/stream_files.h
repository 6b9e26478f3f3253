/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of streams share: a small model with a contract (and one without), images, and the calls
 * that must succeed. Whatever would hang is ended by the alarm. */
#ifndef MR_TESTS_STREAM_FILES_H
#define MR_TESTS_STREAM_FILES_H

#include "tests/files.h"

#include "io/model_file/model_file.h"
#include "io/demo/sample.h"
#include "nn/arch/arch.h"

#include <millrace/stream.h>

enum { SIDE = 32, FILES = 40, BATCH = 8, WATCHDOG_SECONDS = 400 };

static char folder[256], model_file[512], bare_file[512], paths[FILES][600];
static struct {
    uint8_t *bytes;
    size_t size;
} files[FILES];

/* --- a model and its images ---------------------------------------------------------------------------- */

static inline void must(int status, const mr_error *e)
{
    if (status < 0)
        fail_msg("%s", e->message);
}

static inline void save_models(void)
{
    mr_error e = {0};
    mr_model *m;
    mr_arch_options o = mr_arch_options_default();
    o.height = o.width = SIDE;
    o.stages[0] = o.stages[1] = 1;
    o.stage_count = 2;
    o.filters[0] = 8;
    o.filters[1] = 8;
    o.filters[2] = 16;
    o.filter_count = 3;
    must(mr_model_from_config(&m, mr_arch_find("resnet")->config(&o, &e), &e), &e);
    must(mr_graph_initialize(m->graph, 7, &e), &e);
    must(mr_model_save(m, bare_file, NULL, &e), &e);
    m->has_preprocess = true;
    m->preprocess = mr_preprocess_default();
    m->preprocess.height = m->preprocess.width = SIDE;
    m->preprocess.interpolation = MR_BILINEAR;
    m->preprocess.rescale = 1 / 127.5;
    m->preprocess.offset = -1;
    m->classes = 2;
    m->class_names = calloc(2, sizeof *m->class_names);
    m->class_names[0] = strdup("cat");
    m->class_names[1] = strdup("dog");
    must(mr_model_save(m, model_file, NULL, &e), &e);
    mr_model_free(m);
}

static inline int make_files(void **state)
{
    (void)state;
    mr_error e = {0};
    alarm(WATCHDOG_SECONDS);
    snprintf(folder, sizeof folder, "%s", temporary_folder());
    snprintf(model_file, sizeof model_file, "%s/m.h5", folder);
    snprintf(bare_file, sizeof bare_file, "%s/bare.h5", folder);
    save_models();
    must(mr_sample_write(below(folder, "cells"), FILES, 3, NULL, NULL, &e), &e);
    char line[600];
    snprintf(line, sizeof line, "find %s/cells -name '*.jpg' | LC_ALL=C sort", folder);
    FILE *list = popen(line, "r");
    for (int i = 0; i < FILES; i++) {
        assert_non_null(fgets(paths[i], sizeof paths[i], list));
        paths[i][strcspn(paths[i], "\n")] = '\0';
        files[i].bytes = read_file(paths[i], &files[i].size);
    }
    pclose(list);
    return 0;
}

static inline int remove_files(void **state)
{
    (void)state;
    for (int i = 0; i < FILES; i++)
        free(files[i].bytes);
    remove_folder(folder);
    return 0;
}

static inline mr_stream *open_stream(const mr_stream_options *o)
{
    mr_error e = {0};
    mr_stream *s;
    must(mr_stream_open(&s, model_file, o, &e), &e);
    assert_non_null(s);
    return s;
}

static inline mr_stream_options small_options(void)
{
    mr_stream_options o = mr_stream_options_default();
    o.batch_size = BATCH;
    o.threads = o.decode_threads = 2;
    return o;
}

static inline mr_result *receive(mr_stream *s)
{
    mr_error e = {0};
    mr_result *r;
    must(mr_stream_receive(s, &r, -1, &e), &e);
    assert_non_null(r);
    return r;
}

static inline void push(mr_stream *s, mr_input in)
{
    mr_error e = {0};
    must(mr_stream_push(s, &in, -1, &e), &e);
}

#endif
