/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, the consumer's side, and closing. */
#include "pipeline/load/loader.h"

#include "pipeline/load/stages.h"

#include "base/thread.h"
#include <stdlib.h>
#include <string.h>

enum { BATCH_MAX = 1 << 20, THREADS_MAX = 1024, AHEAD_MAX = 1 << 16, SIDE_MAX = 1 << 15 };

/* Files read but not decoded yet: enough that no decode thread waits for the reader's turn, little enough
 * that large files do not fill the memory. */
enum { FILES_PER_THREAD = 4, FILES_MIN = 16 };

mr_loader_options mr_loader_options_default(void)
{
    return (mr_loader_options){
        .batch_size = 32,
        .decode_threads = 1,
        .batches_ahead = 3,
        .preprocess = mr_preprocess_default(),
        .max_pixels = 178956970,
        .read_memory = (size_t)512 << 20,
        .decode_memory = (size_t)1 << 30,
        .linger = 100,
    };
}

/* --- opening --- */

static int check_range(const char *what, int value, int max, mr_error *e)
{
    if (value >= 1 && value <= max)
        return MR_OK;
    return mr_fail(e, MR_EINVAL, "%s %d is out of range (1 to %d)", what, value, max);
}

static int check_options(const mr_loader_options *o, mr_error *e)
{
    const mr_preprocess *p = &o->preprocess;
    int status = check_range("batch size", o->batch_size, BATCH_MAX, e);
    if (!status)
        status = check_range("decode threads", o->decode_threads, THREADS_MAX, e);
    if (!status)
        status = check_range("batches ahead", o->batches_ahead, AHEAD_MAX, e);
    if (!status)
        status = check_range("image height", p->height, SIDE_MAX, e);
    if (!status)
        status = check_range("image width", p->width, SIDE_MAX, e);
    if (!status && p->color_mode != MR_COLOR_RGB && p->color_mode != MR_COLOR_GRAYSCALE)
        status = mr_fail(e, MR_EINVAL, "color mode %d", (int)p->color_mode);
    return status;
}

static int open_queues(mr_loader *l, mr_error *e)
{
    size_t batches = (size_t)l->options.batches_ahead + 1;
    size_t files = (size_t)l->options.decode_threads * FILES_PER_THREAD;
    int status = mr_queue_init(&l->free, &mr_ring_spsc, batches, 1, e);
    if (!status)
        status = mr_queue_init(&l->in_order, &mr_ring_spsc, batches, 1, e);
    if (!status)
        status = mr_queue_init(&l->to_decode, &mr_ring_mpmc, files > FILES_MIN ? files : FILES_MIN, 1, e);
    mr_eventcount_init(&l->ready);
    return status;
}

static int open_pool(mr_loader *l, mr_error *e)
{
    const mr_loader_options *o = &l->options;
    size_t row =
        (size_t)o->preprocess.height * (size_t)o->preprocess.width * (size_t)o->preprocess.color_mode;
    int status = mr_batch_pool_init(&l->pool, o->batches_ahead + 1, o->batch_size, row, e);
    for (int i = 0; !status && i < l->pool.count; i++)
        status = mr_queue_push(&l->free, &l->pool.batches[i], e);
    l->waiting = calloc((size_t)o->batches_ahead + 1, sizeof *l->waiting);
    if (!status && !l->waiting)
        status = mr_no_memory(e, "%d batches", o->batches_ahead + 1);
    return status;
}

static int open_reader(mr_loader *l, mr_error *e)
{
    mr_reader_options o = mr_reader_options_default();
    o.force_pread = l->options.force_pread;
    o.memory = l->options.read_memory;
    return mr_reader_create(&l->reader, o, e);
}

static int open_workers(mr_loader *l, mr_error *e)
{
    int n = l->options.decode_threads;
    size_t size = (size_t)n * sizeof *l->workers;
    l->workers = aligned_alloc(_Alignof(mr_decode_worker), size);
    if (!l->workers)
        return mr_no_memory(e, "%d decode threads", n);
    memset(l->workers, 0, size);
    int status = mr_allowance_create(&l->decode_memory, l->options.decode_memory, e);
    for (int i = 0; !status && i < n; i++)
        status = mr_decode_worker_init(&l->workers[i], l, e);
    return status;
}

static int start_threads(mr_loader *l, mr_error *e)
{
    int status = MR_OK;
    for (int i = 0; !status && i < l->options.decode_threads; i++) {
        mr_decode_worker *w = &l->workers[i];
        status = mr_thread_start(&w->thread, mr_decode_stage, w, "mr-decode", e);
        w->started = !status;
    }
    if (!status) {
        status = mr_thread_start(&l->reader_thread, mr_read_stage, l, "mr-read", e);
        l->reader_started = !status;
    }
    return status;
}

int mr_loader_open(mr_loader **out, mr_source source, const mr_loader_options *options, mr_error *e)
{
    *out = NULL;
    int status = check_options(options, e);
    if (status)
        return status;
    mr_loader *l = aligned_alloc(_Alignof(mr_loader), sizeof *l);
    if (!l)
        return mr_no_memory(e, "a loader");
    memset(l, 0, sizeof *l);
    l->options = *options;
    l->source = source;
    if (options->augmentation) {
        l->augmentation = *options->augmentation;
        l->augments = !mr_augmentation_is_none(&l->augmentation);
        l->options.augmentation = &l->augmentation;
    }
    status = open_queues(l, e);
    if (!status)
        status = open_pool(l, e);
    if (!status)
        status = open_reader(l, e);
    if (!status)
        status = open_workers(l, e);
    if (!status)
        status = start_threads(l, e);
    if (status)
        mr_loader_close(l);
    else
        *out = l;
    return status;
}

/* --- the consumer's side --- */

/* True: ready. False: the loader stopped first. */
static bool wait_until_ready(mr_loader *l, mr_loader_batch *b)
{
    uint64_t start = 0;
    bool ready;
    while (!(ready = mr_batch_is_ready(b)) && !mr_queue_aborted(&l->in_order)) {
        start = start ? start : mr_now_ns();
        uint32_t key = mr_eventcount_prepare(&l->ready);
        if (mr_batch_is_ready(b) || mr_queue_aborted(&l->in_order))
            mr_eventcount_cancel(&l->ready);
        else
            mr_eventcount_wait(&l->ready, key);
    }
    if (start)
        mr_counter_add(&l->batch.wait_input_ns, mr_now_ns() - start);
    return ready;
}

static int all_held(const mr_loader *l, mr_error *e)
{
    return mr_fail(e, MR_EINVAL, "all %d batches are held: release one before asking for another", l->held);
}

/* The next sealed batch, or how the order ends. With all batches in the consumer's hands none can come. */
static int next_in_order(mr_loader *l, void **sealed, mr_error *e)
{
    if (l->held < l->pool.count)
        return mr_queue_pop(&l->in_order, sealed, e);
    int status = mr_queue_try_pop(&l->in_order, sealed, e);
    return status == MR_QUEUE_WOULD_WAIT ? all_held(l, e) : status;
}

static int take_in_order(mr_loader *l, mr_loader_batch **out, mr_error *e)
{
    void *sealed;
    int status = next_in_order(l, &sealed, e);
    if (status != 1)
        return status;
    *out = sealed;
    return wait_until_ready(l, *out) ? 1 : mr_queue_pop(&l->in_order, &sealed, e); /* aborted: says why */
}

/* The first of the sealed batches that is ready: it leaves the list, the others keep their order. */
static mr_loader_batch *pick_ready(mr_loader *l)
{
    for (int i = 0; i < l->waiting_count; i++) {
        mr_loader_batch *b = l->waiting[i];
        if (!mr_batch_is_ready(b))
            continue;
        l->waiting_count--;
        memmove(l->waiting + i, l->waiting + i + 1, (size_t)(l->waiting_count - i) * sizeof *l->waiting);
        return b;
    }
    return NULL;
}

/* 1 and a ready batch, 0 at the end, negative on failure, MR_QUEUE_WOULD_WAIT. */
static int try_any(mr_loader *l, mr_loader_batch **out, mr_error *e)
{
    void *sealed;
    int status;
    while ((status = mr_queue_try_pop(&l->in_order, &sealed, e)) == 1)
        l->waiting[l->waiting_count++] = sealed;
    if ((status == 0 || status == MR_QUEUE_WOULD_WAIT) && (*out = pick_ready(l)))
        return 1;
    if (status < 0 && l->waiting_count && !mr_queue_aborted(&l->in_order)) {
        mr_error_clear(e); /* the source failed: it is told when these batches are out */
        return (*out = pick_ready(l)) ? 1 : MR_QUEUE_WOULD_WAIT;
    }
    return status == 0 && l->waiting_count ? MR_QUEUE_WOULD_WAIT : status;
}

static int take_any(mr_loader *l, mr_loader_batch **out, mr_error *e)
{
    uint64_t start = mr_now_ns();
    int status;
    while ((status = try_any(l, out, e)) == MR_QUEUE_WOULD_WAIT && l->held < l->pool.count) {
        uint32_t key = mr_eventcount_prepare(&l->ready);
        status = try_any(l, out, e);
        if (status != MR_QUEUE_WOULD_WAIT) {
            mr_eventcount_cancel(&l->ready);
            break;
        }
        mr_eventcount_wait(&l->ready, key);
    }
    mr_counter_add(&l->batch.wait_input_ns, mr_now_ns() - start);
    return status == MR_QUEUE_WOULD_WAIT ? all_held(l, e) : status;
}

int mr_loader_next(mr_loader *l, mr_batch **batch, mr_error *e)
{
    mr_loader_batch *b;
    *batch = NULL;
    int status = l->options.unordered ? take_any(l, &b, e) : take_in_order(l, &b, e);
    if (status != 1)
        return status;
    l->held++;
    mr_counter_add(&l->batch.items, 1);
    *batch = &b->face;
    return 1;
}

static void release_paths(const mr_loader *l, mr_batch *b)
{
    for (int i = 0; l->source.release && i < b->results; i++)
        l->source.release(l->source.context, b->result[i].path);
    b->results = 0;
}

void mr_loader_release(mr_loader *l, mr_batch *batch)
{
    release_paths(l, batch);
    l->held--;
    mr_queue_push(&l->free, batch,
                  NULL); /* has room for all; fails only where the loader has stopped anyway */
}

/* --- closing --- */

void mr_loader_stop(mr_loader *l, const mr_error *why)
{
    mr_queue_abort(&l->in_order, why); /* first: who is woken by the others finds the reason */
    mr_queue_abort(&l->free, why);
    mr_queue_abort(&l->to_decode, why);
    mr_reader_stop(l->reader); /* files that are not decoded any more give no memory back */
    mr_eventcount_notify_all(&l->ready);
}

static void join_threads(mr_loader *l)
{
    if (l->reader_started)
        pthread_join(l->reader_thread, NULL);
    for (int i = 0; l->workers && i < l->options.decode_threads; i++)
        if (l->workers[i].started)
            pthread_join(l->workers[i].thread, NULL);
}

void mr_loader_close(mr_loader *l)
{
    if (!l)
        return;
    mr_loader_stop(l, NULL);
    join_threads(l);
    mr_reader_destroy(l->reader); /* with all file buffers, wherever they were, and before the paths go */
    for (int i = 0; i < l->pool.count; i++)
        release_paths(l, &l->pool.batches[i].face);
    if (l->unplaced && l->source.release)
        l->source.release(l->source.context, l->unplaced);
    for (int i = 0; l->workers && i < l->options.decode_threads; i++)
        mr_decode_worker_destroy(&l->workers[i]);
    free(l->workers);
    mr_allowance_destroy(l->decode_memory);
    free(l->waiting);
    mr_batch_pool_destroy(&l->pool);
    mr_queue_destroy(&l->to_decode);
    mr_queue_destroy(&l->in_order);
    mr_queue_destroy(&l->free);
    free(l);
}

/* --- what it counted --- */

const char *mr_loader_reader_kind(const mr_loader *l)
{
    return mr_reader_uses_uring(l->reader) ? "io_uring" : "pread";
}

static void use_queue(mr_stage_stats *s, const mr_queue_stats *q)
{
    s->mean_queue_depth = q->mean_depth;
    s->queue_capacity = q->capacity;
}

int mr_loader_stats(const mr_loader *l, mr_stage_stats *out, int max)
{
    mr_queue_stats free, to_decode, in_order;
    mr_queue_stats_read(&l->free, &free);
    mr_queue_stats_read(&l->to_decode, &to_decode);
    mr_queue_stats_read(&l->in_order, &in_order);

    mr_stage_stats s[4] = {{.name = "scan"}, {.name = "read"}, {.name = "decode"}, {.name = "batch"}};
    s[0].threads = s[1].threads = s[3].threads = 1;
    s[2].threads = l->options.decode_threads;
    mr_stage_counters_report(&l->scan, &s[0]);
    mr_stage_counters_report(&l->read, &s[1]);
    s[1].wait_output_seconds += free.pop_wait_seconds + to_decode.push_wait_seconds;
    use_queue(&s[1], &free);
    for (int i = 0; i < l->options.decode_threads; i++)
        mr_stage_counters_report(&l->workers[i].counters, &s[2]);
    s[2].wait_input_seconds += to_decode.pop_wait_seconds;
    use_queue(&s[2], &to_decode);
    mr_stage_counters_report(&l->batch, &s[3]);
    s[3].wait_input_seconds += in_order.pop_wait_seconds;
    use_queue(&s[3], &in_order);

    int count = max < 4 ? max : 4;
    memcpy(out, s, (size_t)(count > 0 ? count : 0) * sizeof *out);
    return count > 0 ? count : 0;
}
