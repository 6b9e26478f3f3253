/* SPDX-License-Identifier: Apache-2.0 */
#include "io/model/model.h"

#include <stdlib.h>

void mr_model_free(mr_model *m)
{
    if (!m)
        return;
    mr_graph_free(m->graph);
    json_decref(m->training);
    free(m->slot);
    for (int i = 0; m->class_names && i < m->classes; i++)
        free(m->class_names[i]);
    free(m->class_names);
    json_decref(m->held_out);
    json_decref(m->extra);
    json_decref(m->layouts);
    free(m->keras_version);
    free(m->backend);
    free(m->millrace_version);
    json_decref(m->provenance);
    free(m);
}
