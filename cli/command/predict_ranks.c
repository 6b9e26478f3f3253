/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command/predict_ranks.h"

#include "pipeline/predict/merge.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_text_file(const char *output)
{
    const char *dot = output ? strrchr(output, '.') : NULL;
    return dot && (!strcasecmp(dot, ".csv") || !strcasecmp(dot, ".jsonl") || !strcasecmp(dot, ".ndjson"));
}

int mr_predict_ranks_check(const mr_ranks *ranks, const mr_cli *c, mr_error *e)
{
    const char *alone = mr_cli_given_of(c, MR_ALONE);
    if (!ranks)
        return 0;
    if (alone)
        return mr_fail(e, MR_EUSAGE, "--%s is for one process, not for the ranks of an mpirun", alone);
    bool list = false;
    for (int i = 0; i < c->images.count; i++)
        list |= !strcmp(c->images.item[i], "-");
    for (int i = 0; i < c->operands; i++)
        list |= !strcmp(c->operand[i], "-");
    if (list)
        return mr_fail(e, MR_EUSAGE, "'-': standard input cannot be shared by the ranks of an mpirun");
    return is_text_file(c->output)
               ? 0
               : mr_hint(e, mr_fail(e, MR_EUSAGE, "the ranks of an mpirun write parts of a file, which are put together"),
                         "give --output FILE.csv or FILE.jsonl");
}

int mr_predict_ranks_begin(mr_predict_ranks *p, const mr_cli *c, mr_source *source, mr_predict_options *o, mr_error *e)
{
    if (!p->ranks)
        return 0;
    int rank = mr_ranks_rank(p->ranks), count = mr_ranks_count(p->ranks);
    p->dealt = (mr_sharded){.source = *source, .shard = {rank, count}, .batch = (uint64_t)c->batch_size};
    *source = mr_shard_source(&p->dealt);
    o->output = p->part;
    o->ranks = count;
    return mr_part_path(p->part, sizeof p->part, c->output, rank, count, e);
}

/* Each rank saw all samples, so all must have seen as many. */
static int check_seen(const mr_predict_ranks *p, mr_error *e)
{
    double seen = (double)p->dealt.seen, all = seen;
    mr_ranks_sum(p->ranks, &all, 1);
    if (all == seen * mr_ranks_count(p->ranks))
        return 0;
    return mr_hint(e, mr_fail(e, MR_EINVAL, "the ranks found different files: the folder changed during the run"),
                   "start over");
}

static void add_up(const mr_predict_ranks *p, mr_predict_totals *t, double *stopped)
{
    double v[] = {(double)t->files,  (double)t->failed,  (double)t->unsure,
                  (double)t->bytes, (double)t->resumed, *stopped};
    mr_ranks_sum(p->ranks, v, sizeof v / sizeof *v);
    t->files = (uint64_t)v[0];
    t->failed = (uint64_t)v[1];
    t->unsure = (uint64_t)v[2];
    t->bytes = (uint64_t)v[3];
    t->resumed = (uint64_t)v[4];
    *stopped = v[5];
    for (int i = 0; i < t->classes; i++) {
        double n = (double)t->of_class[i];
        mr_ranks_sum(p->ranks, &n, 1);
        t->of_class[i] = (uint64_t)n;
    }
}

int mr_predict_ranks_end(mr_predict_ranks *p, const mr_cli *c, mr_predict_result *result, mr_error *e)
{
    if (!p->ranks)
        return 0;
    double stopped = result->stopped;
    add_up(p, &result->totals, &stopped);
    result->stopped = stopped > 0;
    int status = result->stopped ? 0 : check_seen(p, e);
    if (status || result->stopped || mr_ranks_rank(p->ranks))
        return status;
    return mr_merge_parts(c->output, mr_ranks_count(p->ranks), c->batch_size, e);
}
