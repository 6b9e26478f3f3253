/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a plan: a graph as operations, each of which runs forward, and in training backward.
 *
 * In a plain plan, and in the network that is compiled in double, every operation is one layer as it is (layer_op.c).
 * Otherwise chains of layers become one operation that passes over memory once: a normalisation and an
 * activation are applied by the operations that read the value (a lazy value); biases, residual sums, activations and
 * the statistics of the next normalisation by the operation that writes it. Backward likewise: the gradient by a
 * normalisation's input is formed by the operation that reads it (a pending gradient). What is not recognised runs as
 * the plain layer.
 *
 * Build: roles.c finds what each node becomes, fuse.c makes operations of that, operations.c those of plain layers;
 * gradients.c decides which operation passes gradients to which, program.c the lifetime of every buffer. Run: program.c;
 * the operations are in *_op.c. program.c, operations.c, gradients.c and layer_op.c are of mr_real, the rest of float
 * alone.
 *
 * Values are numbered as the graph's nodes; numbers from graph->nodes on are hidden ones (the sum of a
 * convolution whose activation its readers do).
 *
 * Time: operation i runs forward at time i, the losses at time `ops`, operation i backward at 2*ops - i; the statistics
 * are updated at 2*ops + 1. */
#ifndef MR_NN_PLAN_INTERNAL_H
#define MR_NN_PLAN_INTERNAL_H

#include "nn/kernels/pool.h"
#include "nn/plan/arena.h"

typedef enum mr_role {
    MR_ROLE_STORED, /* its numbers lie in a buffer, or are a model input */
    MR_ROLE_LAZY,   /* source's numbers, normalised and clamped by the operations that read them */
    MR_ROLE_ALIAS,  /* source's numbers under another shape */
    MR_ROLE_INSIDE  /* exists only within an operation */
} mr_role;

typedef struct mr_value {
    mr_role role;
    int source;      /* lazy, alias: the value whose numbers these are */
    int norm;        /* lazy: the operation that has its factors */
    float low, high; /* lazy: the activation; -INFINITY, INFINITY: none */
    int maker;       /* stored: the operation that writes it; -1: a model input */
    size_t sample;   /* numbers of one sample */
    int readers;     /* inputs of calls that it is, and outputs of the model */
    bool half;       /* it, and the gradient by it, is in bf16 */
    int channels;
    int buffer;      /* stored; -1: a model input */
    int sums;        /* stored: buffer of the statistics its maker takes, double [2][channels]; -1: none */
    bool wants_sums; /* a normalisation needs them */

    bool needs_gradient;
    int gradient; /* stored: buffer of the gradient by it; lazy: of the masked gradient by what the readers
                     see */
    bool written; /* while planning: something is in that buffer already */
    int pending;  /* stored: the norm operation whose part has still to be added to it; -1: none */
    int givers, given; /* lazy: operations that give it gradient; how many have been planned */
} mr_value;

/* How an operation reads the gradient by its output. */
typedef struct mr_take {
    int value;   /* the output */
    int pending; /* norm operation whose a, b, c apply to its masked gradient; -1: none */
    bool plain;  /* with pending: the value's own gradient is added */
    int store;   /* buffer that gets the sum; -1: none */
    bool first; /* with pending: the sum is written to the value's own gradient before the operation begins */
} mr_take;

/* How it gives gradient to one of its inputs. */
typedef struct mr_give {
    int value; /* stored or lazy; -1: not needed */
    bool add;  /* to what is there */
    bool last; /* lazy: this is the last part, so the mask and the sums are due */
} mr_give;

typedef struct mr_op mr_op;
typedef struct mr_run mr_run;
typedef struct mr_routing mr_routing; /* gradients.c */

typedef struct mr_op_class {
    const char *name;
    bool takes_pending; /* backward can form a pending gradient itself */
    bool takes_sums;    /* forward can take the statistics of what it writes */
    bool rereads_out;   /* backward may read the output */
    /* The value whose memory the output may take, if nothing else reads it; -1. NULL: -1. */
    int (*overwrites)(const mr_plan *p, const mr_op *op);
    /* Routes the gradient by what the operation makes to its inputs (gradients.c). NULL: to its first one. */
    int (*route)(mr_routing *s, int op);
    /* Gives the operation its buffers (mr_plan_buffer, mr_plan_live). */
    int (*place)(mr_plan *p, int op, mr_error *e);
    /* Inference: the weights in the kernels' order, at PACKED + op->packed. NULL: none. */
    void (*pack)(const mr_run *r, const mr_op *op, mr_real *packed);
    void (*forward)(const mr_run *r, const mr_op *op);
    void (*backward)(const mr_run *r, const mr_op *op);
    void (*update)(const mr_run *r, const mr_op *op, mr_real *state_out); /* NULL: no statistics */
    void (*destroy)(mr_op *op);                                           /* NULL: nothing */
} mr_op_class;

/* conv, depthwise: [input] → conv (→ folded normalisation) (→ + residual) (→ clamp) → out */
typedef struct mr_conv_op {
    mr_conv d;    /* n = 0 */
    int residual; /* value; -1 */
    int fold;     /* inference: node of the BatchNormalization whose factors go into the weights; -1 */
    float low, high;
    bool bias;
    mr_give give_residual; /* as a copy of the gradient; when it shares the buffer there is nothing to do */
    bool shares_gradient;
    int norm_by_weights; /* backward: norm operation that gets its sums from the weights' gradient; -1 */
} mr_conv_op;

/* norm: factors of a lazy value */
typedef struct mr_norm_op {
    int value, source; /* the lazy value, the stored one under it */
    bool batch;        /* statistics of the batch (training), else the moving ones */
    double epsilon;
    int index[4]; /* of gamma, beta, mean, variance among the layer's variables */
    bool apply;   /* backward: adds its part to the source's gradient itself */
    bool apply_add;
    bool sums; /* backward: the sums over the masked gradient are needed */
} mr_norm_op;

typedef struct mr_pool_op {
    mr_pool p; /* window.n = 0 */
    int places;
} mr_pool_op;

/* layer: any layer as it is */
typedef struct mr_layer_op {
    mr_give *give; /* [inputs] */
    int *spare;    /* [inputs] buffer for a gradient that the layer cannot add itself; -1 */
    /* Of the call, [slots][inputs]: runs in flight have one each. */
    mr_shape *in;
    const mr_real **x;
    mr_real **dx;
    bool *add_dx;
} mr_layer_op;

struct mr_op {
    const mr_op_class *class;
    int node;  /* of the graph: the last one that it does */
    int out;   /* value that it makes */
    int input; /* value (conv, pool) */
    int made;  /* value whose gradient backward begins with: out, or the lazy value of a norm */
    const int *read; /* [reads] values: all inputs */
    int reads;
    int own_read[2];     /* where READ points in operations other than layers */
    bool stops_gradient; /* no gradient passes to the inputs */
    const mr_layer *layer;
    mr_take take;
    mr_give give; /* to the input */
    bool backward;
    bool last_backward;  /* no call of the same layer runs backward after this one */
    bool updated_before; /* an earlier call of the same layer updates its statistics: this one continues from those */
    int kept;                      /* buffer of its own from forward to the end; -1 */
    int scratch, backward_scratch; /* -1: none */
    size_t packed;                 /* inference: floats from the start of the program's packed weights */
    union {
        mr_conv_op conv;
        mr_norm_op norm;
        mr_pool_op pool;
        mr_layer_op call;
    };
};

struct mr_plan {
    mr_graph *graph;
    mr_team *team;
    mr_plan_options options;
    bool training;
    bool mixed;  /* the graph's policy */
    int batch;          /* most samples of one run: the plan's, or a slice of it */
    int values, hidden; /* of all; of those beyond the nodes */
    mr_value *value;
    int ops;
    mr_op *op;
    int outputs; /* of the graph, then the extra ones */
    int *output; /* [outputs] nodes */
    int buffers;
    mr_buffer *buffer;
    size_t arena_bytes;         /* of one run */
    char *arena;                /* [slots][arena_bytes] */
    int slots;                  /* runs in flight: 1, or in inference one for each thread */
    mr_team *alone;             /* inference: what each run takes for a team */
    const mr_real **slot_input; /* [slots][graph->inputs] */
    mr_real **result;           /* inference: [outputs] whole batches */
    mr_real *packed;            /* inference: weights in the kernels' order */
    size_t packed_floats;
    bool is_packed;
    mr_real *gradients; /* training: [graph->weights], laid out as the state */
    mr_run *run;        /* training: the run at hand */
};

/* A pass over the program. */
struct mr_run {
    const mr_plan *p;
    char *arena;
    int slot;
    mr_team *team;
    const mr_real *const *input; /* of the model, its first sample */
    int batch;
    uint64_t step;
};

extern const mr_op_class mr_op_conv, mr_op_depthwise, mr_op_norm, mr_op_pool, mr_op_layer;

/* operations.c: fills p->value and p->op. */
int mr_plan_assign(mr_plan *p, mr_error *e);
/* A new operation that ends in NODE and writes value OUT (-1: none). Its inputs are the caller's to set. */
mr_op *mr_plan_new_op(mr_plan *p, const mr_op_class *class, int node, int out);
/* NODE as an alias or as an operation of its own, its layer as it is. */
int mr_plan_add_layer(mr_plan *p, int node, mr_error *e);
bool mr_plan_is_alias(const mr_plan *p, int node);
static inline mr_shape mr_batch_shape(const mr_plan *p, int node)
{
    mr_shape s = p->graph->node[node].shape;
    s.dim[0] = p->batch;
    return s;
}
/* fuse.c: the same as mr_plan_assign does after its preparations, by the roles of roles.c. */
int mr_plan_fuse(mr_plan *p, mr_error *e);

/* gradients.c: needs_gradient, take, give, pending, backward of all values and operations. */
int mr_plan_route_gradients(mr_plan *p, mr_error *e);
struct mr_routing {
    mr_plan *p;
    bool *receives; /* [values] something that the loss depends on gives it gradient */
    mr_error *e;
};
/* An alias stands for the stored value under it; a lazy value has a gradient of its own. */
int mr_gradient_target(const mr_plan *p, int v);
bool mr_needs_gradient(const mr_plan *p, int v);
bool mr_layer_has_trainable(const mr_layer *l); /* L may be NULL */
/* Makes the buffer of V's gradient if there is none yet. */
int mr_route_buffer(mr_routing *s, int v);
/* How the operation takes the gradient by its output; to be called before anything is routed to its inputs. */
void mr_route_take(mr_routing *s, mr_op *op);
/* How it gives gradient to INPUT. */
int mr_route_give(mr_routing *s, int input, mr_give *give);

/* With peers, a batch of 0 runs the layers alone whose sums the others wait for. */
static inline bool mr_plan_runs(const mr_plan_options *o, const mr_layer_class *class, int batch)
{
    return batch > 0 || (class->sums_over_peers && mr_peers_share(o->peers));
}

/* A new buffer; its number or a negative MR_E…. BYTES 0: for something that lies elsewhere. */
int mr_plan_buffer(mr_plan *p, size_t bytes, mr_error *e);
/* A new buffer, in use at TIME alone, as *BUFFER. */
int mr_plan_scratch(mr_plan *p, size_t bytes, int time, int *buffer, mr_error *e);
/* BUFFER (-1: nothing) is in use at TIME. */
void mr_plan_live(mr_plan *p, int buffer, int time);
static inline int mr_backward_time(const mr_plan *p, int op)
{
    return 2 * p->ops - op;
}
static inline int mr_end_of_time(const mr_plan *p)
{
    return 2 * p->ops + 1;
}

/* Bytes of value V, or of the gradient by it, for a run's samples. */
static inline size_t mr_value_bytes(const mr_plan *p, int v)
{
    return (size_t)p->batch * p->value[v].sample * (p->value[v].half ? sizeof(mr_bf16) : sizeof(mr_real));
}

/* The stored value whose numbers V are. */
static inline int mr_stored(const mr_plan *p, int v)
{
    while (p->value[v].role != MR_ROLE_STORED)
        v = p->value[v].source;
    return v;
}

/* While running: memory of a buffer; NULL for -1. */
void *mr_run_buffer(const mr_run *r, int buffer);
/* The numbers of a stored value or an alias of one, which (but for mr_run_numbers and the like) are not in bf16. */
mr_real *mr_run_value(const mr_run *r, int v);
/* A stored value or an alias of one, whichever its type. */
static inline mr_numbers mr_run_numbers(const mr_run *r, int v)
{
    return (mr_numbers){mr_run_value(r, v), r->p->value[mr_stored(r->p, v)].half};
}
static inline const mr_real *mr_run_weight(const mr_run *r, const mr_layer *l, int i)
{
    return i < 0 ? NULL : mr_param_value(r->p->graph, &l->param[i]);
}
/* Where the gradient of variable I is added to; NULL where it is not wanted. */
static inline mr_real *mr_run_weight_gradient(const mr_run *r, const mr_layer *l, int i)
{
    return i >= 0 && l->param[i].trainable ? r->p->gradients + l->param[i].offset : NULL;
}
/* The gradient by value V. */
static inline mr_numbers mr_run_gradient(const mr_run *r, int v)
{
    return (mr_numbers){mr_run_buffer(r, r->p->value[v].gradient), r->p->value[v].half};
}
/* Runs the update_state of OP's layer, C filled but for the variables' addresses. */
void mr_run_update_state(const mr_run *r, const mr_op *op, mr_call *c, mr_real *state_out);
/* lazy.c: what the kernels need of a value that they read, of the gradient that they take and of the one that they
 * give. */
mr_conv_input mr_run_input(const mr_run *r, int v);
mr_conv_gradient mr_run_take(const mr_run *r, const mr_take *t);
mr_conv_input_gradient mr_run_give(const mr_run *r, const mr_give *g);

/* norm_op.c: the factors of a norm operation, in its kept buffer. */
typedef struct mr_norm_factors {
    double *mean, *variance;       /* [channels] of the batch; together the layer's own `saved` */
    double *sums;                  /* [2][channels] over the masked gradient */
    float *scale, *shift, *centre; /* forward: scale*x + shift; the mean in float */
    float *a, *b, *c;              /* backward: gradient by the input = a*g + b*x + c */
} mr_norm_factors;
mr_norm_factors mr_norm_factors_of(const mr_run *r, const mr_op *op);

/* The backward pass of the convolution D, of which only the weights' gradients and the sums of the normalisation
 * F in front are wanted: adds to DW and DBIAS (NULL: not wanted) and sets F's sums. X is what the normalisation
 * reads. */
size_t mr_norm_by_weights_scratch(const mr_conv *d, int threads);
void mr_norm_by_weights(const mr_conv *d, mr_team *team, const mr_conv_gradient *g, const float *x,
                        const float *w, const mr_norm_factors *f, float *dw, float *dbias, void *scratch);

/* SCALE and SHIFT [channels] of a BatchNormalization L with its moving statistics. */
void mr_norm_fold(const mr_run *r, const mr_layer *l, float *scale, float *shift, size_t channels);

/* The geometry of a convolution for BATCH samples; buffer sizes rounded up to the alignment. */
static inline mr_conv mr_conv_op_geometry(const mr_plan *p, const mr_op *op, int batch)
{
    mr_conv d = op->conv.d;
    d.n = batch;
    d.half = p->mixed;
    return d;
}
static inline size_t mr_whole_piece(size_t bytes)
{
    return (bytes + MR_BUFFER_ALIGNMENT - 1) / MR_BUFFER_ALIGNMENT * MR_BUFFER_ALIGNMENT;
}

/* When the forward pass of operation OP reads value V, and what its backward pass reads of forward's numbers.
 */
void mr_plan_reads(mr_plan *p, int op, int v);
void mr_plan_reads_again(mr_plan *p, int op, int v);

#endif
