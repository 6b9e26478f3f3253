/* SPDX-License-Identifier: Apache-2.0 */
/* What a layer is: a const table of functions with Keras's class name. Adding a layer is one file and one row
 * in nn/layers/layers.c. A layer's parameters arrive as its Keras configuration (canonical form: the keys of Keras
 * 3), which is kept and written back; jansson holds it. */
#ifndef MR_NN_LAYER_H
#define MR_NN_LAYER_H

#include "base/error.h"
#include "nn/compute/peers.h"
#include "nn/compute/real.h"
#include "base/shape.h"
#include "base/team.h"

#include <jansson.h>

typedef struct mr_layer mr_layer;

/* One variable of a layer: a weight (trainable) or a statistic (not). Its numbers lie in the graph's state at
 * OFFSET. */
typedef struct mr_param {
    const char *kind; /* Keras's name of it: "kernel", "bias", "gamma", "moving_mean" (static string) */
    mr_shape shape;   /* as Keras stores it; rank 0…, no batch */
    bool statistic;   /* true: changed by update_state, never by the optimizer */
    const json_t
        *initializer; /* Keras initializer configuration (borrowed from the layer's), or NULL: zeros */
    const char *default_initializer; /* where initializer is NULL: "glorot_uniform", "zeros", "ones" */
    double l1, l2;                   /* regularizer, 0: none */
    bool trainable;                  /* !statistic, and the layer and all models around it are trainable */
    size_t offset;                   /* reals from the start of the state */
    size_t count;
    mr_layer *layer;
} mr_param;

enum { MR_MAX_PARAMS = 8 };

/* One call of a layer on a batch: all that forward and backward need. Pointers are set by the plan for each
 * step. */
typedef struct mr_call {
    const mr_layer *layer;
    mr_team *team;
    int batch;     /* samples; in[].dim[0] and out.dim[0] say the same */
    bool training; /* Keras's training=True (a BatchNormalization that is not trainable ignores it) */
    bool inference; /* this call is made with training=False all the same: gradients pass, nothing is drawn, no
                       statistics of the batch */
    int inputs;
    const mr_shape *in; /* [inputs] */
    mr_shape out;
    const mr_real *const *x; /* [inputs] */
    mr_real *y;
    const mr_real *dy;                 /* gradient of the loss by y */
    mr_real *const *dx;                /* [inputs]; NULL where it is not needed */
    const bool *add_dx;                /* [inputs]: add to dx[i] instead of writing it */
    const mr_real *w[MR_MAX_PARAMS];   /* values, in the order of layer->params */
    mr_real *dw[MR_MAX_PARAMS];        /* gradients, to be ADDED to; NULL where not trainable */
    mr_real *state_out[MR_MAX_PARAMS]; /* update_state alone: where the new statistics go (may equal w) */
    void *saved;                       /* saved_size bytes, kept from forward to backward (64-byte aligned) */
    void *scratch;                     /* scratch_size bytes, contents undefined (64-byte aligned) */
    const mr_peers *peers;             /* training: other processes with samples of the same batch; NULL */
    uint64_t seed, step;               /* for draws: MR_DRAW_DROPOUT, epoch = node, sample = step */
    uint32_t node;
} mr_call;

/* One key of a class's configuration: a row of mr_layer_class.fields, which a row without a key ends. */
typedef struct mr_config_field mr_config_field;
struct mr_config_field {
    const char *key;
    /* Reads the key of L's configuration into AT, which is OFFSET bytes into L->impl (nn/graph/config.h). NULL: it is
     * read elsewhere (initializers, regularizers, constraints, seeds), or by configure. */
    int (*read)(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e);
    size_t offset;
    double fallback, low, high; /* missing or null: FALLBACK; LOW to HIGH, any where both are 0 */
    bool required;
    const char *const *names; /* of a choice, ended by NULL */
};

typedef struct mr_layer_class {
    const char *name; /* Keras's class_name */
    size_t size;      /* bytes of the layer's own parsed parameters (mr_layer.impl, zeroed) */
    /* The keys of this class's configuration as Keras 3 writes them, without name, trainable, dtype; NULL: none. */
    const mr_config_field *fields;
    int max_inputs; /* 1; merges: 1024 */
    bool alias;     /* y is x[0] with another shape: forward and backward are not called */
    /* y may be x[0], and dx[0] may be dy, where both have as many elements; in training only where backward
     * does not read x (mr_layer_needs_x). */
    bool in_place;
    bool needs_x, needs_y; /* backward may read x / y: ask mr_layer_needs_x / _y, a layer may need less */
    bool sums_over_peers;  /* where its statistics are shared, forward and backward are called for a batch of 0 too */
    bool backward_overwrites_dx; /* backward always writes dx: the plan adds where that is asked for */
    bool identity_at_inference; /* alias when not training (Dropout, Random…) */
    /* Called when the fields are read: checks them against each other, and reads into layer->impl what has no
     * reader in its row. NULL: nothing to do. Errors name the layer and the key. */
    int (*configure)(mr_layer *l, const json_t *config, mr_error *e);
    /* Static output shape from static input shapes (dim[0] = 0); checks ranks and sizes. */
    int (*output_shape)(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e);
    /* Declares the variables (mr_layer_add_param), in Keras's order: trainable first. NULL: none. Called
     * once. */
    int (*build)(mr_layer *l, const mr_shape *in, int inputs, mr_error *e);
    /* Sizes in bytes for a call (layer, team, in, out, inputs, batch, training set; data pointers not yet).
     * Never smaller for a larger batch. NULL: 0. */
    size_t (*saved_size)(const mr_call *c);
    size_t (*scratch_size)(const mr_call *c);
    void (*forward)(const mr_call *c);
    void (*backward)(const mr_call *c); /* NULL: no gradient passes (outputs are constants for the loss) */
    void (*update_state)(const mr_call *c); /* after backward: state_out = f(w, saved). NULL: no statistics */
    void (*destroy)(mr_layer *l);           /* frees what configure allocated inside impl. NULL: nothing */
} mr_layer_class;

struct mr_layer {
    const mr_layer_class *class;
    int number;             /* in mr_graph.layer */
    char *name;             /* path in the model: "conv1", or "base/conv1" inside a nested model */
    const char *local_name; /* its last part, Keras's own name of the layer (names may themselves hold '/') */
    bool trainable;         /* its own and of every model around it */
    json_t *config;         /* canonical configuration (a reference of ours) */
    void *impl;
    int params;
    mr_param param[MR_MAX_PARAMS];
    bool built;
    /* Set by configure: this layer's backward does not read x / y, though its class may. */
    bool backward_skips_x, backward_skips_y;
};

/* Whether backward of this very layer reads its inputs / its output. */
static inline bool mr_layer_needs_x(const mr_layer *l)
{
    return l->class->needs_x && !l->backward_skips_x;
}
static inline bool mr_layer_needs_y(const mr_layer *l)
{
    return l->class->needs_y && !l->backward_skips_y;
}

/* The row for a Keras class name, or NULL. */
const mr_layer_class *mr_layer_class_find(const char *name);
/* All rows, ended by NULL. */
extern const mr_layer_class *const mr_layer_classes[];

/* Keras 'same' and 'valid': output length and padding in front. EFFECTIVE = (kernel-1)*dilation+1. */
int64_t mr_conv_output_length(int64_t in, int64_t effective, int64_t stride, bool same, int64_t *pad_before);

/* The first key of the configuration that training would have to honour and does not: a constraint
 * ("kernel_constraint", …), or NULL. Such layers run forward; the trainer refuses to train them. */
const char *mr_layer_untrained_key(const mr_layer *l);

/* MR_EUNSUPPORTED "layer 'NAME' (CLASS): …". */
int mr_layer_refuse(const mr_layer *l, mr_error *e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* MR_EINVAL in the same form. */
int mr_layer_invalid(const mr_layer *l, mr_error *e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
