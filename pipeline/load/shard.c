/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/load/shard.h"

static void release(void *context, const char *path)
{
    mr_sharded *d = context;
    if (d->source.release)
        d->source.release(d->source.context, path);
}

static int next(void *context, mr_source_item *out, mr_error *e)
{
    mr_sharded *d = context;
    for (;;) {
        int status = d->source.next(d->source.context, out, e);
        if (status != 1)
            return status;
        if (mr_shard_has(d->shard, d->seen++ / d->batch))
            return 1;
        release(d, out->path);
    }
}

mr_source mr_shard_source(mr_sharded *d)
{
    return (mr_source){.next = next, .release = release, .context = d};
}
