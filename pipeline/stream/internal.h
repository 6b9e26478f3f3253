/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a stream (include/millrace/stream.h): the public face of the predictor.
 *
 *     pushers → [images] → source → predictor → collector thread → [results] → receivers
 *
 * One lock guards the two ends. Images have serial numbers, and at most `capacity` of them are inside, so
 * image and result number n lie in the places n % capacity of two rings, and the collector never waits for
 * room. */
#ifndef MR_PIPELINE_STREAM_INSIDE_H
#define MR_PIPELINE_STREAM_INSIDE_H

#include "io/model_file/model_file.h"
#include "nn/learn/task.h"
#include "pipeline/predict/predictor.h"

#include <millrace/stream.h>
#include <pthread.h>

/* An image on its way, in one piece of memory with its name and, where they are copied, its data. Owned by
 * the ring, then by the loader, which gives it back by its path. */
typedef struct mr_stream_image {
    const void *bytes; /* or pixels, or neither */
    size_t size;
    mr_source_pixels pixels;
    void (*release)(void *context); /* of the borrowed data, or NULL */
    void *release_context;
    bool flush; /* a flush came behind it */
    char path[];
} mr_stream_image;

struct mr_stream {
    mr_model *model;
    const char **class_names;
    mr_output_task task; /* of output 0 */
    int classes, outputs;
    mr_tensor *output; /* [outputs]; without values */
    size_t width;      /* of output 0 of one image */
    size_t values;     /* of one image: probabilities and all outputs */
    size_t names;      /* bytes: the longest name of a class and those of all outputs, with their NULs */
    mr_preprocessing preprocessing;
    int64_t max_pixels;
    mr_predictor *predictor;
    pthread_t collector;
    bool collects; /* the thread has been started */

    uint64_t capacity;
    pthread_mutex_t lock;                       /* of all that follows */
    pthread_cond_t room, work, ready;           /* waited for by pushers, the source, receivers */
    mr_stream_image **image;                    /* [capacity]: pushed, not taken by the source */
    void **tag;                                 /* [capacity]: pushed, not received */
    mr_result **result;                         /* [capacity]: computed, not received */
    uint64_t pushed, taken, computed, received; /* counts; received <= computed <= taken <= pushed */
    bool flush, finished, stopped;
    bool ended;      /* the collector will bring nothing more */
    mr_error failed; /* code 0: it has not */
};

/* Waits on CONDITION; false where DEADLINE (of CLOCK_MONOTONIC; NULL: none) has passed. The lock is held. */
bool mr_stream_wait(mr_stream *s, pthread_cond_t *condition, const struct timespec *deadline);
/* So many milliseconds from now into T, which is returned; NULL where negative. */
const struct timespec *mr_stream_deadline(struct timespec *t, int milliseconds);

/* What the predictor takes its images from. */
mr_source mr_stream_source(mr_stream *s);
/* Gives back its data, and frees it. */
void mr_stream_image_free(mr_stream_image *image);
/* The collector's thread; the argument is the stream. */
void *mr_stream_collect(void *stream);

#endif
