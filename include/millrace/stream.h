/* SPDX-License-Identifier: Apache-2.0 */
/* Streaming inference: images go in at one end, their predictions come out at the other, in the order in
 * which the images went in.
 *
 *     mr_stream *s;
 *     mr_error why = {0};
 *     mr_result *r;
 *     mr_stream_open(&s, "cells.h5", NULL, &why);
 *     mr_stream_push(s, &(mr_input){.path = "a.jpg"}, -1, &why);
 *     mr_stream_finish(s);
 *     while (mr_stream_receive(s, &r, -1, &why) == 1) {
 *         printf("%s: %s\n", r->path, r->error ? r->message : r->class_name);
 *         mr_result_free(r);
 *     }
 *     mr_stream_close(s);
 *
 * Reading, decoding and computing happen in threads of the stream's own, which take no signals. The model's
 * preprocessing contract is obeyed, so that a prediction is the one that `millrace predict` makes, to the
 * bit.
 *
 * Threads: every function but mr_stream_open and mr_stream_close may be called by any number of threads at
 * once. Where several push, the order is that in which their pushes went in (mr_result.serial); where several
 * receive, each result goes to one of them. Several streams may be open at once. A stream does not survive
 * fork().
 *
 * Memory: at most `capacity` images are in a stream at any time, from push to receive; then a push waits, or
 * gives up with MR_EAGAIN. A thread that pushes and receives alone must therefore receive between its pushes
 * (push with a time of 0; on MR_EAGAIN receive, and push again).
 *
 * Errors: 0 or more for success, a negative MR_E… code and a filled mr_error else. An image that cannot be
 * used is no error of the stream: it has a result that says why. Nothing is ever printed. Two things are
 * process-wide: OpenBLAS is set to one thread (the stream has its own), and opening a model uses libhdf5, as
 * Debian builds it not thread safe: a program that uses libhdf5 as well does not open a stream at the same
 * time. */
#ifndef MILLRACE_STREAM_H
#define MILLRACE_STREAM_H

#include <millrace/millrace.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- opening ------------------------------------------------------------------------------------ */

/* How a file becomes the network's input: pixel (0 … 255) * rescale + offset, after resizing. */
typedef struct mr_preprocessing {
    int height, width; /* default 0: as the model's input */
    int channels;      /* 3: RGB; 1: grayscale; default 0: as the model's input */
    const char
        *interpolation; /* "nearest" (default), "bilinear", "bicubic", "lanczos", "box", "tf-bilinear" */
    double rescale;     /* default 0: not known, which is an error. 1.0 / 255, or 1 for networks that scale */
    double offset;      /* default 0 */
    bool dct_scaling;   /* JPEG may be decoded at a fraction of its size; default false */
} mr_preprocessing;
mr_preprocessing mr_preprocessing_default(void);

typedef struct mr_stream_options {
    int batch_size;     /* images that are computed together; default 32 */
    int threads;        /* that compute; default 0: one per processor that the process may use */
    int decode_threads; /* default 0: the same */
    int capacity;  /* images in the stream, from push to receive; at least batch_size; default 0: 8 batches */
    int linger_ms; /* how long a batch that is begun waits for more images; -1: until it is full, or
                      mr_stream_flush, or mr_stream_finish; default 10 */
    int64_t max_pixels;        /* of one image; default 178956970, as Pillow */
    size_t memory_limit;       /* bytes of activations; default 0: none */
    const char *precision;     /* "float32" or "mixed_bfloat16"; default NULL: the model's own */
    const char *const *layers; /* [layer_count] names of layers whose outputs are wanted too; default NULL */
    int layer_count;
    /* For a model that carries no contract. Where one does, it must say the same (MR_EINVAL), unless
     * override_preprocessing. Default NULL: the model's contract; a model without one is refused. */
    const mr_preprocessing *preprocessing;
    bool override_preprocessing; /* default false */
} mr_stream_options;
mr_stream_options mr_stream_options_default(void);

typedef struct mr_stream mr_stream;

/* Opens the Keras model file MODEL (.h5 or .keras) and starts the threads. OPTIONS: NULL for the defaults; it
 * and what it points to are borrowed for the call. *OUT is NULL on failure. Errors: MR_ENOTFOUND, MR_EFORMAT,
 * MR_EUNSUPPORTED (the file), MR_EINVAL (options; a model without a contract; one that takes no images),
 * MR_ELIMIT, MR_ENOMEM, MR_EIO. */
int mr_stream_open(mr_stream **out, const char *model, const mr_stream_options *options, mr_error *e);
/* Says what the first output is where the model file does not: "softmax" or "sigmoid" (logits that become probabilities by it),
 * "linear" (plain numbers, without a class), or NULL (as the file says, which is how a stream begins). As millrace's option
 * --activation; where the network's last layer applies the activation itself, nothing changes. To be called before the first
 * push and before other threads use the stream: classes and their names change with it. Errors: MR_EINVAL (an unknown name,
 * one that contradicts the model, after a push), MR_ENOMEM; then all stays as it was. */
int mr_stream_set_activation(mr_stream *s, const char *activation, mr_error *e);
/* Ends everything, results that were not received included, and frees it. No other thread may be inside a call,
 * or begin one (mr_stream_stop wakes those that wait). Results in hand stay valid. NULL is fine. */
void mr_stream_close(mr_stream *s);

/* The preprocessing that is obeyed: no field is left open. Valid while the stream is open. */
const mr_preprocessing *mr_stream_preprocessing(const mr_stream *s);
/* Classes that the model tells apart, or labels of which an image may have several; 0 where it gives plain numbers (a
 * regression, an output that is not one vector, or outputs of which the file does not say that they are
 * probabilities or logits). And the name of number I (its number where the model does not know names; NULL out of
 * range). Valid while the stream is open. */
int mr_stream_classes(const mr_stream *s);
const char *mr_stream_class_name(const mr_stream *s, int i);

/* --- images in ---------------------------------------------------------------------------------- */

/* One image: a file to be read; or the bytes of one; or pixels. */
typedef struct mr_input {
    const char *path;  /* the file to read; with bytes or pixels only a name for them (may be NULL). Copied */
    const void *bytes; /* a whole JPEG or PNG file of `size` bytes */
    size_t size;
    const uint8_t *pixels; /* height rows of width pixels, RGB or gray, 8 bits a channel, top row first */
    int width, height;
    int channels;  /* 3 or 1 */
    size_t stride; /* bytes from one row to the next; 0: rows are packed */
    void *tag;     /* comes back with the result; never looked at */
    /* NULL: bytes and pixels are copied by the push. Else they are borrowed: after a push that succeeded,
     * release(release_context) is called exactly once, as soon as they are no longer needed, by any
     * thread, perhaps before the push returns; it must be short and must not call the stream. */
    void (*release)(void *context);
    void *release_context;
} mr_input;

/* Puts an image in. TIMEOUT_MS: how long to wait for room: -1 as long as it takes, 0 not at all. Errors:
 * MR_EAGAIN (no room in that time), MR_EINVAL (no image, or one of impossible size; after mr_stream_finish),
 * MR_ELIMIT (more pixels than max_pixels), MR_ENOMEM, MR_ECANCELED (stopped), or what the stream failed with.
 */
int mr_stream_push(mr_stream *s, const mr_input *input, int timeout_ms, mr_error *e);
/* What has gone in so far is computed now, without waiting for a batch to fill. */
void mr_stream_flush(mr_stream *s);
/* Nothing more goes in: receivers get what is inside, then the end. */
void mr_stream_finish(mr_stream *s);
/* Ends everything at once: calls that wait, and all later ones, return MR_ECANCELED. */
void mr_stream_stop(mr_stream *s);

/* --- predictions out ------------------------------------------------------------------------------ */

typedef struct mr_tensor {
    const char *name; /* of the layer that it is the output of */
    int rank;         /* without the batch's dimension */
    int64_t dim[5];   /* [rank] */
    size_t count;     /* values: the product of dim */
    const float *value;
} mr_tensor;

/* One image's. The receiver's, until it calls mr_result_free, which may be after the stream is closed; read
 * only. */
typedef struct mr_result {
    uint64_t serial;          /* 0, 1, 2, …: how many images went in before this one */
    void *tag;                /* as it was pushed */
    const char *path;         /* the same, a copy; "" where there was none */
    int error;                /* 0, or why there is no prediction: a negative MR_E… code */
    const char *message;      /* the reason in words; "" where error is 0 */
    int predicted;            /* the most probable class; -1: error, or the model does not tell one class of many */
    const char *class_name;   /* its name, or NULL */
    float confidence;         /* its probability */
    int classes;              /* mr_stream_classes; 0 where error is set */
    /* [classes] Probabilities. Of a model that was compiled with from_logits they are made of its outputs by softmax
     * or sigmoid; where predicted is -1, each label has one of its own. */
    const float *probability;
    int outputs;              /* of the model as they are (logits too), then the layers asked for; 0: error is set */
    const mr_tensor *output;  /* [outputs] */
} mr_result;

/* Takes the next result out: 1 and *OUT, or 0 at the end (after mr_stream_finish). TIMEOUT_MS as in
 * mr_stream_push. Errors: MR_EAGAIN (none in that time), MR_ECANCELED (stopped), or what the stream failed
 * with, after the results before the failure. */
int mr_stream_receive(mr_stream *s, mr_result **out, int timeout_ms, mr_error *e);
/* By any thread. NULL is fine. */
void mr_result_free(mr_result *r);

#ifdef __cplusplus
}
#endif

#endif
