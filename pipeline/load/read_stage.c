/* SPDX-License-Identifier: Apache-2.0 */
/* The thread at the head of the data plane: takes samples from the source, gives each a slot in a batch,
 * keeps as many files being read as the reader can, and hands them on as they come in. It waits in one place
 * at a time: for files while any are under way, else for a free batch or for a source that has nothing yet,
 * else the source is at its end. */
#include "pipeline/load/loader.h"
#include "pipeline/load/stages.h"

enum { TURN = 100 }; /* milliseconds in which a wait for the source looks whether the loader stops */

typedef struct feeder { /* the thread's own */
    mr_loader *loader;
    mr_loader_batch *batch; /* being filled, or NULL */
    uint64_t batches;       /* begun so far */
    mr_source_item item;    /* taken from the source, without a place yet */
    bool has_item, ended;
    mr_error source_error; /* code 0: it ended well */
} feeder;

static bool is_full(const feeder *f)
{
    return f->batch && f->batch->face.results == f->loader->options.batch_size;
}

static void finish_part(mr_loader *l, mr_loader_batch *b)
{
    if (mr_batch_finish_part(b))
        mr_eventcount_notify_all(&l->ready);
}

/* The batch has all its samples. Its place in the order is now, though its pixels may still be on their way.
 */
static int seal(feeder *f, bool last_of_epoch, mr_error *e)
{
    mr_loader_batch *b = f->batch;
    if (!b)
        return MR_OK;
    f->batch = NULL;
    b->face.last_of_epoch = last_of_epoch;
    finish_part(f->loader, b);
    int status = mr_queue_push(&f->loader->in_order, b, e);
    if (f->loader->options.unordered) /* then the consumer waits for this, too */
        mr_eventcount_notify_all(&f->loader->ready);
    return status;
}

/* Waits as long as it takes, or until the loader stops. */
static int wait_for_source(feeder *f)
{
    mr_loader *l = f->loader;
    uint64_t start = mr_now_ns();
    bool ready = false;
    while (!ready && !mr_queue_aborted(&l->in_order))
        ready = l->source.ready(l->source.context, TURN);
    mr_counter_add(&l->scan.wait_input_ns, mr_now_ns() - start);
    return ready ? MR_OK : MR_ECANCELED;
}

/* Before the source is asked: one that would let us wait gets the time, but neither files nor a batch that is
 * begun wait with us. MR_QUEUE_WOULD_WAIT: there are files to be fetched first. */
static int await_source(feeder *f, mr_error *e)
{
    mr_loader *l = f->loader;
    const mr_source *s = &l->source;
    if (!s->ready || s->ready(s->context, 0))
        return MR_OK;
    int status = is_full(f) ? seal(f, false, e) : MR_OK;
    if (status)
        return status;
    if (mr_reader_pending(l->reader))
        return MR_QUEUE_WOULD_WAIT;
    if (f->batch && s->ready(s->context, l->options.linger))
        return MR_OK;
    status = seal(f, true, e);
    return status ? status : wait_for_source(f);
}

static int ask_source(feeder *f)
{
    mr_loader *l = f->loader;
    uint64_t start = mr_now_ns();
    int status = l->source.next(l->source.context, &f->item, &f->source_error);
    mr_counter_add(&l->scan.busy_ns, mr_now_ns() - start);
    return status;
}

/* Takes one step in the source: a sample into f->item, or the end of a batch, of an epoch, of everything. */
static int advance(feeder *f, mr_error *e)
{
    int status = await_source(f, e);
    if (status)
        return status;
    status = ask_source(f);
    if (status == 1) {
        f->has_item = true;
        mr_counter_add(&f->loader->scan.items, 1);
        return is_full(f) ? seal(f, false, e) : MR_OK;
    }
    if (status == MR_SOURCE_FLUSH)
        return seal(f, true, e);
    f->ended = true;
    if (status == 0)
        return seal(f, true, e);
    mr_fail(&f->source_error, status, "the source of samples failed");
    f->batch = NULL; /* not whole: it is never given out; the pool keeps it */
    return MR_OK;
}

/* A batch for f->item. 0: there is one now; MR_QUEUE_WOULD_WAIT: none is free, and MAY_WAIT is false. */
static int provide_batch(feeder *f, bool may_wait, mr_error *e)
{
    if (f->batch)
        return MR_OK;
    void *free;
    int status =
        may_wait ? mr_queue_pop(&f->loader->free, &free, e) : mr_queue_try_pop(&f->loader->free, &free, e);
    if (status != 1)
        return status ? status : MR_ECANCELED;
    f->batch = free;
    mr_batch_begin(f->batch, f->batches++, f->item.epoch);
    return MR_OK;
}

/* The slot's address is the read's serial number: the reader hands it back. */
static int start_reading(mr_loader *l, mr_slot *s, mr_error *e)
{
    uint64_t start = mr_now_ns();
    int status = mr_reader_submit(l->reader, (uint64_t)(uintptr_t)s, s->file.path, e);
    mr_counter_add(&l->read.busy_ns, mr_now_ns() - start);
    return status;
}

/* Sends f->item on its way, which for most begins with the reader. */
static int start_sample(feeder *f, mr_error *e)
{
    mr_loader *l = f->loader;
    mr_slot *s = mr_batch_add(f->batch, &f->item);
    f->has_item = false;
    if (f->item.failure) {
        mr_slot_fail_sample(s, f->item.failure);
        finish_part(l, s->batch);
        return MR_OK;
    }
    if (s->bytes || s->pixels.bytes)
        return mr_queue_push(&l->to_decode, s, e);
    return start_reading(l, s, e);
}

/* Starts as many reads as there is room for, without waiting unless nothing else is to be done. */
static int fill(feeder *f, mr_error *e)
{
    mr_reader *r = f->loader->reader;
    int status = MR_OK;
    while (!status && mr_reader_has_room(r) && (f->has_item || !f->ended)) {
        if (!f->has_item)
            status = advance(f, e);
        if (!status && f->has_item)
            status = provide_batch(f, mr_reader_pending(r) == 0, e);
        if (!status && f->has_item)
            status = start_sample(f, e);
    }
    return status == MR_QUEUE_WOULD_WAIT ? MR_OK : status;
}

/* Takes one finished read and hands it on. */
static int reap(feeder *f, mr_error *e)
{
    mr_loader *l = f->loader;
    mr_read file;
    uint64_t start = mr_now_ns();
    int status = mr_reader_next(l->reader, &file, e);
    mr_counter_add(&l->read.busy_ns, mr_now_ns() - start);
    if (status)
        return status;
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): the reader's serial is any 64 bits, here the slot */
    mr_slot *s = (mr_slot *)(uintptr_t)file.serial;
    s->file = file;
    mr_counter_add(&l->read.items, 1);
    mr_counter_add(&l->read.bytes, file.size);
    status = mr_queue_push(&l->to_decode, s, e);
    if (status)
        mr_reader_release(l->reader, file.bytes);
    return status;
}

static int run(feeder *f, mr_error *e)
{
    int status = MR_OK;
    while (!status) {
        status = fill(f, e);
        if (!status && mr_reader_pending(f->loader->reader) == 0)
            break; /* fill() waits for batches: nothing under way means nothing left */
        if (!status)
            status = reap(f, e);
    }
    return status;
}

void *mr_read_stage(void *argument)
{
    mr_loader *l = argument;
    feeder f = {.loader = l};
    mr_error e = {0};
    if (run(&f, &e))
        mr_loader_stop(l, &e); /* the system failed, or the loader is stopping already */
    l->unplaced = f.has_item ? f.item.path : NULL;
    mr_queue_close(&l->to_decode, NULL);
    mr_queue_close(&l->in_order, &f.source_error);
    mr_eventcount_notify_all(&l->ready); /* an unordered consumer waits there for this, too */
    return NULL;
}
