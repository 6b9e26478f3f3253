/* SPDX-License-Identifier: Apache-2.0 */
/* The source of samples that training uses: epoch after epoch over a dataset. */
#include "pipeline/load/epochs.h"

#include "base/random.h"

#include <stdlib.h>

enum { EPOCHS_MAX = 1 << 24 }; /* what a Philox counter holds */

struct mr_epoch_source { /* the thread that calls next() owns it */
    const mr_dataset *set;
    uint64_t seed;
    uint32_t epoch, end_epoch;
    uint32_t place;  /* in the epoch's order: the next sample */
    mr_shard shard;
    uint32_t batch;  /* that is dealt out */
    uint32_t *order; /* [set->count], of the current epoch; NULL where not shuffled */
};

static void enter_epoch(mr_epoch_source *s)
{
    if (s->order && s->epoch < s->end_epoch)
        mr_philox_permutation(s->order, (uint32_t)s->set->count, s->seed, MR_DRAW_SHUFFLE, s->epoch);
}

static int check(const mr_dataset *set, uint32_t first, uint32_t last, uint64_t start, mr_error *e)
{
    if (set->count > UINT32_MAX)
        return mr_fail(e, MR_ELIMIT, "%zu samples in one set", set->count);
    if (first > last || last > EPOCHS_MAX)
        return mr_fail(e, MR_EINVAL, "epochs %u to %u", first, last);
    if (start > set->count)
        return mr_fail(e, MR_EINVAL, "a start at sample %llu of %zu", (unsigned long long)start, set->count);
    return MR_OK;
}

int mr_epoch_source_create(mr_epoch_source **out, const mr_dataset *set, uint64_t seed, bool shuffle,
                           uint32_t first_epoch, uint32_t last_epoch, uint64_t start_sample, mr_error *e)
{
    *out = NULL;
    int status = check(set, first_epoch, last_epoch, start_sample, e);
    if (status)
        return status;
    mr_epoch_source *s = calloc(1, sizeof *s);
    uint32_t *order = shuffle && s ? calloc(set->count ? set->count : 1, sizeof *order) : NULL;
    if (!s || (shuffle && !order)) {
        free(s);
        return mr_no_memory(e, "the order of %zu samples", set->count);
    }
    *s = (mr_epoch_source){
        .set = set, .seed = seed, .epoch = first_epoch, .end_epoch = last_epoch, .batch = 1, .order = order};
    s->place = (uint32_t)start_sample;
    enter_epoch(s);
    *out = s;
    return MR_OK;
}

void mr_epoch_source_shard(mr_epoch_source *s, mr_shard shard, int batch)
{
    s->shard = shard;
    s->batch = (uint32_t)batch;
}

static void pass_over_others(mr_epoch_source *s)
{
    while (s->place < s->set->count && !mr_shard_has(s->shard, s->place % s->batch))
        s->place++;
}

static int next(void *context, mr_source_item *out, mr_error *e)
{
    (void)e;
    mr_epoch_source *s = context;
    if (s->epoch == s->end_epoch)
        return 0;
    pass_over_others(s);
    if (s->place == s->set->count) {
        s->place = 0;
        s->epoch++;
        enter_epoch(s);
        return MR_SOURCE_FLUSH;
    }
    uint32_t id = s->order ? s->order[s->place] : s->place;
    const mr_sample *sample = &s->set->samples[id];
    *out = (mr_source_item){.path = sample->path, .label = sample->label, .id = id, .epoch = s->epoch};
    s->place++;
    return 1;
}

mr_source mr_epoch_source_face(mr_epoch_source *s)
{
    return (mr_source){.next = next, .context = s};
}

void mr_epoch_source_free(mr_epoch_source *s)
{
    if (!s)
        return;
    free(s->order);
    free(s);
}
