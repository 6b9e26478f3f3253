/* SPDX-License-Identifier: Apache-2.0 */
/* The threads that turn files into rows of a batch: decode, resize, augment, scale, straight into the row. */
#include "pipeline/load/stages.h"

#include <stdlib.h>

static size_t row_size(const mr_preprocess *p)
{
    return (size_t)p->height * (size_t)p->width * (size_t)p->color_mode;
}

int mr_decode_worker_init(mr_decode_worker *w, mr_loader *l, mr_error *e)
{
    const mr_preprocess *p = &l->options.preprocess;
    w->loader = l;
    const mr_decode_limits limits = {.max_pixels = l->options.max_pixels, .memory = l->decode_memory};
    int status = mr_decoder_create(&w->decoder, limits, e);
    if (status || !l->augments)
        return status;
    size_t n = row_size(p);
    bool made;
    if (p->interpolation == MR_TF_BILINEAR)
        made = (w->floats = malloc(n * sizeof *w->floats)) != NULL;
    else
        made = (w->bytes = malloc(n)) != NULL;
    return made ? MR_OK : mr_no_memory(e, "a %dx%d image", p->height, p->width);
}

void mr_decode_worker_destroy(mr_decode_worker *w)
{
    mr_decoder_destroy(w->decoder);
    free(w->bytes);
    free(w->floats);
}

/* The file's bytes, wherever they are. */
static const void *encoded(const mr_slot *s)
{
    return s->bytes ? s->bytes : s->file.bytes;
}

/* tf-bilinear has no 8-bit result: the image is augmented as floats. */
static int augment_floats(mr_decode_worker *w, const mr_slot *s, const mr_transform *t, float *row,
                          mr_error *e)
{
    const mr_loader *l = w->loader;
    const mr_preprocess *p = &l->options.preprocess;
    mr_preprocess unscaled = *p;
    unscaled.rescale = 1;
    unscaled.offset = 0;
    int status = mr_load_pixels(w->decoder, encoded(s), s->file.size, &unscaled, w->floats, e);
    if (status)
        return status;
    mr_augmentation_apply(&l->augmentation, t, w->floats, p->height, p->width, p->color_mode, row);
    mr_rescale(row, row_size(p), (float)p->rescale, (float)p->offset);
    return MR_OK;
}

static int augment_bytes(mr_decode_worker *w, const mr_slot *s, const mr_transform *t, float *row,
                         mr_error *e)
{
    const mr_loader *l = w->loader;
    const mr_preprocess *p = &l->options.preprocess;
    int status = mr_load_bytes(w->decoder, encoded(s), s->file.size, p, w->bytes, e);
    if (status)
        return status;
    mr_augmentation_apply_u8(&l->augmentation, t, w->bytes, p->height, p->width, p->color_mode,
                             (float)p->rescale, (float)p->offset, row);
    return MR_OK;
}

/* As Keras's flow_from_directory: load and resize to 8 bits, transform, rescale. */
static int load_augmented(mr_decode_worker *w, const mr_slot *s, float *row, mr_error *e)
{
    const mr_loader *l = w->loader;
    const mr_preprocess *p = &l->options.preprocess;
    mr_transform t;
    mr_augmentation_draw(&l->augmentation, l->options.seed, s->epoch, s->batch->face.result[s->index].id,
                         p->height, p->width, &t);
    return w->bytes ? augment_bytes(w, s, &t, row, e) : augment_floats(w, s, &t, row, e);
}

static int describe_unread(const mr_read *file, mr_error *e)
{
    if (file->error == MR_EUNSUPPORTED)
        return mr_fail(e, file->error, "not a regular file");
    if (file->error == MR_ELIMIT)
        return mr_fail(e, file->error, "larger than %zu MiB",
                       mr_reader_options_default().max_file_size >> 20);
    mr_fail_errno(e, file->sys_errno, "cannot be read");
    return e->code = file->error;
}

static int load_given(mr_decode_worker *w, const mr_slot *s, mr_error *e)
{
    const mr_source_pixels *p = &s->pixels;
    const mr_image image = {.width = p->width,
                            .height = p->height,
                            .channels = p->channels,
                            .pixels = (uint8_t *)p->bytes}; /* only read */
    if (w->loader->augments)
        return mr_fail(e, MR_EINVAL, "pixels in memory are not augmented");
    return mr_load_image(w->decoder, &image, &w->loader->options.preprocess, mr_slot_row(s), e);
}

static int load(mr_decode_worker *w, const mr_slot *s, mr_error *e)
{
    if (s->file.error)
        return describe_unread(&s->file, e);
    if (s->pixels.bytes)
        return load_given(w, s, e);
    if (w->loader->augments)
        return load_augmented(w, s, mr_slot_row(s), e);
    return mr_load_pixels(w->decoder, encoded(s), s->file.size, &w->loader->options.preprocess,
                          mr_slot_row(s), e);
}

static void process(mr_decode_worker *w, mr_slot *s)
{
    mr_loader *l = w->loader;
    mr_error e;
    mr_error_clear(&e);
    if (load(w, s, &e))
        mr_slot_fail_sample(s, &e);
    mr_reader_release(l->reader, s->file.bytes);
    mr_counter_add(&w->counters.items, 1);
    mr_counter_add(&w->counters.bytes, s->file.size);
    if (mr_batch_finish_part(s->batch)) /* S may be another sample's from here on */
        mr_eventcount_notify_all(&l->ready);
}

void *mr_decode_stage(void *argument)
{
    mr_decode_worker *w = argument;
    void *slot;
    while (mr_queue_pop(&w->loader->to_decode, &slot, NULL) == 1) {
        uint64_t start = mr_now_ns();
        process(w, slot);
        mr_counter_add(&w->counters.busy_ns, mr_now_ns() - start);
    }
    return NULL;
}
