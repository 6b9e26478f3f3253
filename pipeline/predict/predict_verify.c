/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/predict/predict_verify.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct paths {
    char **path; /* [count] */
    int count, next;
} paths;

static int refuse(const char *output, const char *why, mr_error *e)
{
    return mr_hint(e, mr_fail(e, MR_EINVAL, "%s cannot be resumed: %s", output, why),
                   "leave --resume out to start over");
}

static int next_path(void *context, mr_source_item *out, mr_error *e)
{
    paths *p = context;
    (void)e;
    if (p->next == p->count)
        return 0;
    *out = (mr_source_item){.path = p->path[p->next], .label = -1, .id = (uint64_t)p->next};
    p->next++;
    return 1;
}

/* Paths of the first rows that have a prediction and whose files are still there. *ANY: there are rows. */
static int collect(paths *p, int most, bool *any, const char *file, const mr_sink_schema *schema, mr_error *e)
{
    mr_past *past;
    mr_past_row row;
    int status = mr_past_open(&past, file, schema, e);
    *any = false;
    while (!status && past && p->count < most && (status = mr_past_next(past, &row, e)) == 1) {
        status = 0;
        *any = true;
        if (row.failed || access(row.path, R_OK))
            continue;
        p->path[p->count] = strdup(row.path);
        if (!p->path[p->count])
            status = mr_no_memory(e, "a path");
        else
            p->count++;
    }
    mr_past_close(past);
    return status;
}

/* Holds one prediction against the next row of its path. *COMPARED counts. */
static int compare(mr_row_maker *maker, const mr_predictions *p, const mr_prediction *item, mr_past *past,
                   const char *output, int *compared, mr_error *e)
{
    mr_past_row then;
    mr_sink_row now;
    int status;
    do
        status = mr_past_next(past, &then, e);
    while (status == 1 && (then.failed || strcmp(then.path, item->path)));
    if (status < 1 || item->error)
        return status < 0 ? status : 0;
    mr_row_maker_fill(maker, p, item, &now);
    int same = mr_past_matches(past, &now, e);
    *compared += same == 1;
    return same < 0 ? same : same ? 0 : refuse(output, "its rows are not what this model and these options give", e);
}

static int compare_all(mr_predictor *predictor, mr_row_maker *maker, const char *file, const char *output, mr_error *e)
{
    mr_predictions *p;
    mr_past *past;
    int compared = 0, status = mr_past_open(&past, file, &maker->schema, e), more = status ? 0 : 1;
    while (!status && past && (more = mr_predictor_next(predictor, &p, e)) == 1) {
        for (int i = 0; i < p->count && !status; i++)
            status = compare(maker, p, &p->item[i], past, output, &compared, e);
        mr_predictor_release(predictor, p);
    }
    mr_past_close(past);
    status = more < 0 ? more : status;
    return status || compared ? status
                              : refuse(output, "OUTPUT.resume, which says what its rows were made with, is missing, and none of them can be checked", e);
}

int mr_predict_verify(mr_model *model, const mr_predict_options *options, mr_row_maker *maker, const char *file,
                      const char *output, mr_error *e)
{
    mr_predictor *predictor = NULL;
    int batch = options->predictor.loader.batch_size;
    bool any = false;
    paths p = {.path = calloc((size_t)batch, sizeof *p.path)};
    int status = p.path ? collect(&p, batch, &any, file, &maker->schema, e)
                        : mr_no_memory(e, "paths");
    if (!status && any)
        status = mr_predictor_open(&predictor, model->graph, (mr_source){.next = next_path, .context = &p},
                                   &options->predictor, e);
    if (!status && any)
        status = compare_all(predictor, maker, file, output, e);
    mr_predictor_close(predictor);
    for (int i = 0; i < p.count; i++)
        free(p.path[i]);
    free(p.path);
    return status;
}
