/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show/stats.h"

#include "base/durable.h"

#include <errno.h>
#include <stdio.h>

static double share(const mr_stage_stats *s, double wall)
{
    return wall > 0 && s->threads > 0 ? s->busy_seconds / (wall * s->threads) : 0;
}

const mr_stage_stats *mr_cli_bottleneck(const mr_stage_stats *stage, int stages, double wall)
{
    const mr_stage_stats *most = NULL;
    for (int i = 0; i < stages; i++)
        if (!most || share(&stage[i], wall) > share(most, wall))
            most = &stage[i];
    return most;
}

static json_t *stage_json(const mr_stage_stats *s, double wall)
{
    return json_pack("{s:s, s:i, s:I, s:I, s:f, s:f, s:f, s:f, s:i, s:f}", "stage", s->name, "threads",
                     s->threads, "items", (json_int_t)s->items, "bytes", (json_int_t)s->bytes, "busy_seconds",
                     s->busy_seconds, "waiting_for_input_seconds", s->wait_input_seconds,
                     "waiting_for_output_seconds", s->wait_output_seconds, "queue_depth", s->mean_queue_depth,
                     "queue_capacity", s->queue_capacity, "busy_share", share(s, wall));
}

static json_t *checkpoint_json(const mr_checkpoint_record *r)
{
    return json_pack("{s:I, s:f, s:f, s:I, s:b}", "iterations", (json_int_t)r->iterations,
                     "stall_microseconds", r->stall_microseconds, "write_seconds", r->write_seconds, "bytes",
                     (json_int_t)r->bytes, "written", r->status == 0);
}

static int dump(void *context, const char *temporary, mr_error *e)
{
    if (json_dump_file(context, temporary, JSON_INDENT(1) | JSON_REAL_PRECISION(9)))
        return mr_fail_errno(e, errno, "cannot write %s", temporary);
    return 0;
}

int mr_cli_write_stats(const char *file, const mr_stage_stats *stage, int stages,
                       const mr_checkpoint_record *checkpoint, int checkpoints, const char *reader,
                       double wall, mr_error *e)
{
    json_t *list = json_array(), *saved = json_array();
    const mr_stage_stats *most = mr_cli_bottleneck(stage, stages, wall);
    for (int i = 0; i < stages; i++)
        json_array_append_new(list, stage_json(&stage[i], wall));
    for (int i = 0; i < checkpoints; i++)
        json_array_append_new(saved, checkpoint_json(&checkpoint[i]));
    json_t *all = json_pack("{s:f, s:s*, s:s*, s:o, s:o}", "seconds", wall, "reader", reader, "bottleneck",
                            most ? most->name : NULL, "stages", list, "checkpoints", saved);
    int status = all ? mr_durable_write(file, dump, all, e)
                     : mr_no_memory(e, "the statistics");
    json_decref(all);
    return status;
}
