/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/load/batch.h"

#include "base/atomic.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static void free_batch(mr_loader_batch *b)
{
    free(b->face.x);
    free(b->face.labels);
    free(b->face.row_result);
    free(b->face.result);
    free(b->slots);
}

static bool allocate(mr_loader_batch *b, int batch_size, size_t row_size)
{
    size_t n = (size_t)batch_size, bytes = n * row_size * sizeof(float);
    b->row_size = row_size;
    b->face.x = aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    b->face.labels = calloc(n, sizeof *b->face.labels);
    b->face.row_result = calloc(n, sizeof *b->face.row_result);
    b->face.result = calloc(n, sizeof *b->face.result);
    b->slots = calloc(n, sizeof *b->slots);
    return b->face.x && b->face.labels && b->face.row_result && b->face.result && b->slots;
}

int mr_batch_pool_init(mr_batch_pool *p, int count, int batch_size, size_t row_size, mr_error *e)
{
    double bytes = (double)count * batch_size * (double)row_size * sizeof(float);
    *p = (mr_batch_pool){.batch_size = batch_size};
    if (bytes > (double)(PTRDIFF_MAX / 2))
        return mr_fail(e, MR_EINVAL, "%d batches of %d samples of %zu floats", count, batch_size, row_size);
    p->batches = calloc((size_t)count, sizeof *p->batches);
    p->count = p->batches ? count : 0;
    bool whole = p->batches;
    for (int i = 0; i < p->count && whole; i++)
        whole = allocate(&p->batches[i], batch_size, row_size);
    if (whole)
        return MR_OK;
    mr_batch_pool_destroy(p);
    mr_no_memory(e, "%d batches of %d samples (%.0f MB)", count, batch_size, bytes / 1e6);
    return mr_hint(e, MR_ENOMEM, "a smaller batch size or image size needs less");
}

void mr_batch_pool_destroy(mr_batch_pool *p)
{
    for (int i = 0; i < p->count; i++)
        free_batch(&p->batches[i]);
    free(p->batches);
    *p = (mr_batch_pool){0};
}

void mr_batch_begin(mr_loader_batch *b, uint64_t serial, uint32_t epoch)
{
    b->face.serial = serial;
    b->face.epoch = epoch;
    b->face.last_of_epoch = false;
    b->face.count = 0;
    b->face.results = 0;
    mr_store(&b->parts, 1, memory_order_relaxed); /* nobody else has the batch: the queues publish it */
    mr_store(&b->ready, false, memory_order_relaxed);
}

mr_slot *mr_batch_add(mr_loader_batch *b, const mr_source_item *item)
{
    int i = b->face.results++;
    mr_sample_result *r = &b->face.result[i];
    r->path = item->path;
    r->label = item->label;
    r->id = item->id;
    r->error = 0;
    r->message[0] = '\0';
    mr_slot *s = &b->slots[i];
    s->batch = b;
    s->index = i;
    s->epoch = item->epoch;
    s->file = (mr_read){.path = item->path, .size = item->bytes ? item->size : 0};
    s->bytes = item->bytes;
    s->pixels = item->pixels;
    mr_fetch_add(&b->parts, 1,
                 memory_order_relaxed); /* before the slot is handed to anyone who could finish it */
    return s;
}

/* Copies as much of TEXT as fits, without cutting a UTF-8 character in two. */
static void copy_text(char *to, size_t size, const char *text)
{
    size_t n = strnlen(text, size);
    if (n == size)
        for (n = size - 1; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
            n--;
    memcpy(to, text, n);
    to[n] = '\0';
}

void mr_slot_fail_sample(mr_slot *s, const mr_error *why)
{
    mr_sample_result *r = &s->batch->face.result[s->index];
    r->error = why->code;
    copy_text(r->message, sizeof r->message, why->message);
}

float *mr_slot_row(const mr_slot *s)
{
    return s->batch->face.x + (size_t)s->index * s->batch->row_size;
}

static void close_up(mr_loader_batch *b)
{
    mr_batch *f = &b->face;
    int row = 0;
    for (int i = 0; i < f->results; i++) {
        if (f->result[i].error)
            continue;
        if (row != i)
            memmove(f->x + (size_t)row * b->row_size, f->x + (size_t)i * b->row_size,
                    b->row_size * sizeof *f->x);
        f->labels[row] = f->result[i].label;
        f->row_result[row] = i;
        row++;
    }
    f->count = row;
}

bool mr_batch_finish_part(mr_loader_batch *b)
{
    /* release: this thread's row is done. acquire: the thread that finishes last sees all rows.
     */
    if (mr_fetch_sub(&b->parts, 1, memory_order_acq_rel) != 1)
        return false;
    close_up(b);
    mr_store(&b->ready, true,
             memory_order_release); /* release: pairs with the acquire in mr_batch_is_ready */
    return true;
}

bool mr_batch_is_ready(mr_loader_batch *b)
{
    /* acquire: pairs with the release in mr_batch_finish_part: rows and results are whole */
    return mr_load(&b->ready, memory_order_acquire);
}
