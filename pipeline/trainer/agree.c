/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/trainer/agree.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void mr_agree(mr_ranks *ranks, mr_agreement *a)
{
    double v[] = {a->samples, a->bad, a->stop, a->checkpoint};
    mr_ranks_sum(ranks, v, sizeof v / sizeof *v);
    *a = (mr_agreement){.samples = (int)v[0], .bad = (int)v[1], .stop = v[2] > 0, .checkpoint = v[3] > 0};
}

static void tally_of_all(mr_ranks *ranks, mr_class_tally *tally, int classes)
{
    enum { AT_ONCE = 128 };
    double v[AT_ONCE][3];
    for (int first = 0; first < classes; first += AT_ONCE) {
        mr_class_tally *t = tally + first;
        int n = classes - first < AT_ONCE ? classes - first : AT_ONCE;
        for (int i = 0; i < n; i++) {
            v[i][0] = (double)t[i].truth;
            v[i][1] = (double)t[i].predicted;
            v[i][2] = (double)t[i].right;
        }
        mr_ranks_sum(ranks, v[0], 3 * (size_t)n);
        for (int i = 0; i < n; i++)
            t[i] = (mr_class_tally){(int64_t)v[i][0], (int64_t)v[i][1], (int64_t)v[i][2]};
    }
}

void mr_pass_of_all(mr_ranks *ranks, mr_sums *sums, mr_class_tally *tally, int classes, int64_t *errors, bool *stopped)
{
    double v[] = {(double)*errors, *stopped};
    mr_ranks_sum(ranks, v, sizeof v / sizeof *v);
    *errors = (int64_t)v[0];
    *stopped = v[1] > 0;
    mr_sums_of_all(ranks, sums);
    if (tally)
        tally_of_all(ranks, tally, classes);
}

/* --- samples that cannot be used ---------------------------------------------------- */

static int each_own(const mr_examples *ex, mr_bad_sample *each, void *context)
{
    int status = 0;
    for (int i = 0; ex->batch && i < ex->batch->results && !status; i++) {
        const mr_sample_result *s = &ex->batch->result[i];
        if (s->error)
            status = each(context, s->id, s->path, s->message);
    }
    return status;
}

/* On the way: the number's bytes, path and message with a NUL each. */
static int pack_sample(void *context, uint64_t id, const char *path, const char *message)
{
    mr_text *t = context;
    mr_text_append_bytes(t, &id, sizeof id);
    mr_text_append_bytes(t, path, strlen(path) + 1);
    mr_text_append_bytes(t, message, strlen(message) + 1);
    return 0;
}

static int each_packed(const char *at, size_t bytes, mr_bad_sample *each, void *context)
{
    const char *end = at + bytes;
    int status = 0;
    while (at < end && !status) {
        uint64_t id;
        memcpy(&id, at, sizeof id);
        const char *path = at + sizeof id, *message = path + strlen(path) + 1;
        at = message + strlen(message) + 1;
        status = each(context, id, path, message);
    }
    return status;
}

int mr_each_bad_sample(mr_ranks *ranks, const mr_examples *ex, int bad, mr_bad_sample *each, void *context,
                       mr_error *e)
{
    mr_text own = {0};
    void *all;
    size_t total;
    if (!bad)
        return 0;
    if (!ranks)
        return each_own(ex, each, context);
    each_own(ex, pack_sample, &own);
    int status = mr_text_check(&own, "the samples that cannot be used", e);
    if (!status)
        status = mr_ranks_gather(ranks, own.data, own.length, &all, &total, e);
    mr_text_destroy(&own);
    if (status)
        return status;
    status = each_packed(all, total, each, context);
    free(all);
    return status;
}

/* --- the begin ------------------------------------------------------------------------ */

int mr_check_same_begin(mr_ranks *ranks, const void *state, size_t size, const char *text, mr_error *e)
{
    uint64_t own[2] = {XXH3_64bits(state, size), XXH3_64bits(text, strlen(text))};
    void *all;
    size_t total;
    if (!ranks)
        return 0;
    int status = mr_ranks_gather(ranks, own, sizeof own, &all, &total, e);
    if (status)
        return status;
    for (size_t i = 1; i < total / sizeof own && !status; i++) {
        const uint64_t *other = (const uint64_t *)all + 2 * i;
        if (memcmp(other, all, sizeof own))
            status = mr_hint(e,
                             mr_fail(e, MR_EINVAL, "rank %zu has %s than rank 0", i,
                                     other[1] != *((const uint64_t *)all + 1) ? "other data or options"
                                                                              : "other weights"),
                             "all ranks want the same files and options");
    }
    free(all);
    return status;
}
