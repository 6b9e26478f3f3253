/* SPDX-License-Identifier: Apache-2.0 */
/* One pass of inference over labelled data: validation and evaluate. */
#include "pipeline/train/train.h"

static int open_feed(mr_feed **out, mr_data data, const mr_pass *pass, mr_error *e)
{
    mr_feed_order order = {.first_epoch = 0, .last_epoch = 1, .shard = pass->shard};
    mr_loader_options loader = pass->loader;
    loader.augmentation = NULL;
    if (data.set)
        return mr_feed_folder(out, data.set, &loader, order, e);
    return mr_feed_arrays(out, data.x, 1, data.y, loader.batch_size, pass->rescale, pass->offset, order, e);
}

static int report_bad(const mr_examples *ex, const mr_pass *pass, int64_t total, mr_error *e)
{
    for (int i = 0; ex->batch && i < ex->batch->results; i++) {
        const mr_sample_result *r = &ex->batch->result[i];
        if (!r->error)
            continue;
        if (pass->bad_input)
            pass->bad_input(pass->context, r->path, r->message);
        int status = pass->budget ? mr_budget_spend(pass->budget, total, r->path, r->message, e) : 0;
        if (status)
            return status;
    }
    return 0;
}

int mr_infer_pass(mr_trainer *t, mr_data data, mr_pass *pass, mr_sums *sums, mr_error *e)
{
    mr_feed *feed;
    mr_examples ex;
    int64_t total = (int64_t)mr_data_count(data);
    int status = open_feed(&feed, data, pass, e);
    if (status)
        return status;
    while ((status = mr_feed_next(feed, &ex, e)) > 0) {
        status = report_bad(&ex, pass, total, e);
        if (!status && ex.count) {
            status = mr_trainer_infer(t, &ex, sums, e);
            if (!status && pass->batch)
                status = pass->batch(pass->context, &ex, t->infer, e);
        }
        mr_feed_release(feed, &ex);
        if (!status && pass->stop && pass->stop(pass->context))
            status = 1;
        if (status)
            break;
    }
    if (pass->stage)
        pass->stages = mr_feed_stats(feed, pass->stage, 16);
    mr_feed_close(feed);
    return status;
}
