/* SPDX-License-Identifier: Apache-2.0 */
/* Images into a stream: the pushers' side, and the source that the loader takes them from. */
#include "pipeline/stream/internal.h"

#include <stdlib.h>
#include <string.h>

/* --- an image's memory ---------------------------------------------------------------------------- */

static int check_pixels(const mr_stream *s, const mr_input *in, mr_error *e)
{
    enum { SIDE_MAX = 1 << 24 };
    if (in->width < 1 || in->height < 1 || in->width > SIDE_MAX || in->height > SIDE_MAX)
        return mr_fail(e, MR_EINVAL, "pixels of %dx%d", in->width, in->height);
    if (in->channels != 1 && in->channels != 3)
        return mr_fail(e, MR_EINVAL, "unsupported number of channels: %d (expected 3 for RGB or 1 for gray)", in->channels);
    if (in->stride && in->stride < (size_t)in->width * (size_t)in->channels)
        return mr_fail(e, MR_EINVAL, "a stride of %zu bytes is less than a row", in->stride);
    if ((int64_t)in->width * in->height > s->max_pixels)
        return mr_fail(e, MR_ELIMIT, "%dx%d are more than %lld pixels", in->width, in->height,
                       (long long)s->max_pixels);
    return 0;
}

static int check_input(const mr_stream *s, const mr_input *in, mr_error *e)
{
    if (in->bytes && in->pixels)
        return mr_fail(e, MR_EINVAL, "an image is bytes or pixels, not both");
    if (!in->bytes && !in->pixels && !in->path)
        return mr_fail(e, MR_EINVAL, "no image given: path, bytes and pixels are all empty");
    return in->pixels ? check_pixels(s, in, e) : 0;
}

static bool is_packed(const mr_input *in)
{
    return in->stride == 0 || in->stride == (size_t)in->width * (size_t)in->channels;
}

static void copy_rows(uint8_t *to, const mr_input *in)
{
    size_t row = (size_t)in->width * (size_t)in->channels, stride = in->stride ? in->stride : row;
    for (int y = 0; y < in->height; y++)
        memcpy(to + (size_t)y * row, in->pixels + (size_t)y * stride, row);
}

/* IN's path, and its data where they are not borrowed (rows with gaps between them never are), in memory of
 * ours. What was copied from may be released at once: *DONE. */
static mr_stream_image *image_of(const mr_input *in, bool *done)
{
    const char *path = in->path ? in->path : "";
    size_t name = strlen(path) + 1, row = (size_t)in->width * (size_t)in->channels;
    size_t size = in->pixels ? row * (size_t)in->height : in->bytes ? in->size : 0;
    bool borrowed = in->release && (!in->pixels || is_packed(in));
    mr_stream_image *image = malloc(sizeof *image + name + (borrowed ? 0 : size));
    if (!image)
        return NULL;
    *image = (mr_stream_image){.size = size};
    memcpy(image->path, path, name);
    uint8_t *copy = (uint8_t *)image->path + name;
    if (in->bytes && !borrowed)
        memcpy(copy, in->bytes, size);
    if (in->pixels && !borrowed)
        copy_rows(copy, in);
    if (in->bytes)
        image->bytes = borrowed ? in->bytes : copy;
    if (in->pixels)
        image->pixels = (mr_source_pixels){borrowed ? in->pixels : copy, in->width, in->height, in->channels};
    *done = in->release && !borrowed;
    if (borrowed) {
        image->release = in->release;
        image->release_context = in->release_context;
    }
    return image;
}

void mr_stream_image_free(mr_stream_image *image)
{
    if (image && image->release)
        image->release(image->release_context);
    free(image);
}

/* --- pushing -------------------------------------------------------------------------------------- */

static bool may_go_on(const mr_stream *s)
{
    return !s->stopped && !s->failed.code && !s->finished;
}

static bool is_full(const mr_stream *s)
{
    return s->pushed - s->received == s->capacity;
}

/* Why nothing can be pushed now. The lock is held. */
static int refusal(const mr_stream *s, mr_error *e)
{
    if (s->stopped)
        return mr_fail(e, MR_ECANCELED, "the stream is stopped");
    if (s->failed.code)
        return mr_fail_as(e, &s->failed);
    if (s->finished)
        return mr_fail(e, MR_EINVAL, "an image is pushed behind the end of the stream");
    return mr_fail(e, MR_EAGAIN, "the stream is full: %llu images are inside",
                   (unsigned long long)s->capacity);
}

static int put(mr_stream *s, mr_stream_image *image, void *tag, const struct timespec *deadline, mr_error *e)
{
    int status = 0;
    pthread_mutex_lock(&s->lock);
    while (may_go_on(s) && is_full(s) && mr_stream_wait(s, &s->room, deadline))
        ;
    if (may_go_on(s) && !is_full(s)) {
        s->image[s->pushed % s->capacity] = image;
        s->tag[s->pushed % s->capacity] = tag;
        s->pushed++;
        pthread_cond_signal(&s->work);
    } else {
        status = refusal(s, e);
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* Before anything is copied: who does not wait, asks often. */
static int check_room(mr_stream *s, mr_error *e)
{
    pthread_mutex_lock(&s->lock);
    int status = may_go_on(s) && !is_full(s) ? 0 : refusal(s, e);
    pthread_mutex_unlock(&s->lock);
    return status;
}

int mr_stream_push(mr_stream *s, const mr_input *in, int timeout_ms, mr_error *e)
{
    struct timespec t;
    const struct timespec *deadline = mr_stream_deadline(&t, timeout_ms);
    bool done = false;
    int status = check_input(s, in, e);
    if (!status && timeout_ms == 0)
        status = check_room(s, e);
    if (status)
        return status;
    mr_stream_image *image = image_of(in, &done);
    if (!image)
        return mr_no_memory(e, "an image");
    status = put(s, image, in->tag, deadline, e);
    if (status)
        free(image); /* borrowed data stay the caller's */
    else if (done)   /* NOLINT(clang-analyzer-unix.Malloc): the image is the stream's */
        in->release(in->release_context);
    return status;
}

void mr_stream_flush(mr_stream *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->pushed > s->taken)
        s->image[(s->pushed - 1) % s->capacity]->flush = true;
    else
        s->flush = true;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
}

void mr_stream_finish(mr_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->finished = true;
    pthread_cond_signal(&s->work);
    pthread_cond_broadcast(&s->room);
    pthread_mutex_unlock(&s->lock);
}

/* --- the loader's side ------------------------------------------------------------------------------ */

static bool has_news(const mr_stream *s)
{
    return s->taken < s->pushed || s->flush || s->finished || s->stopped;
}

static bool ready(void *context, int milliseconds)
{
    mr_stream *s = context;
    struct timespec t;
    const struct timespec *deadline = mr_stream_deadline(&t, milliseconds);
    pthread_mutex_lock(&s->lock);
    while (!has_news(s) && milliseconds != 0 && mr_stream_wait(s, &s->work, deadline))
        ;
    bool news = has_news(s);
    pthread_mutex_unlock(&s->lock);
    return news;
}

static void take(mr_stream *s, mr_source_item *out)
{
    mr_stream_image **place = &s->image[s->taken % s->capacity], *image = *place;
    *place = NULL;
    *out = (mr_source_item){.path = image->path,
                            .label = -1,
                            .id = s->taken++,
                            .bytes = image->bytes,
                            .size = image->size,
                            .pixels = image->pixels};
    s->flush = image->flush;
}

static int next(void *context, mr_source_item *out, mr_error *e)
{
    mr_stream *s = context;
    int status = 0;
    pthread_mutex_lock(&s->lock);
    while (!has_news(s))
        pthread_cond_wait(&s->work, &s->lock);
    if (s->stopped) {
        status = mr_fail(e, MR_ECANCELED, "the stream is stopped");
    } else if (s->flush) {
        s->flush = false;
        status = MR_SOURCE_FLUSH;
    } else if (s->taken < s->pushed) {
        take(s, out);
        status = 1;
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

static void release(void *context, const char *path)
{
    (void)context;
    mr_stream_image_free((mr_stream_image *)(path - offsetof(mr_stream_image, path)));
}

mr_source mr_stream_source(mr_stream *s)
{
    return (mr_source){.next = next, .ready = ready, .release = release, .context = s};
}
