/* SPDX-License-Identifier: Apache-2.0 */
/* What the numbers that a model gives mean: one class of many, two classes in one number, several labels, or plain
 * numbers; and whether they are probabilities or have to be made into some. Decided in this one place, by the graph's
 * last operation, the loss, what is known of the targets, and what the user says. Pure; thread safe. */
#ifndef MR_NN_TASK_H
#define MR_NN_TASK_H

#include "nn/graph/graph.h"
#include "nn/learn/loss.h"

/* The operation that made a model's output, seen through what does not change the values' scale (Flatten, Dropout,
 * averages). */
typedef enum mr_last_operation {
    MR_LAST_OTHER,
    MR_LAST_LINEAR, /* a Dense or a convolution without activation */
    MR_LAST_SIGMOID,
    MR_LAST_SOFTMAX,
} mr_last_operation;
/* Of output OUTPUT of G (0 … outputs-1). */
mr_last_operation mr_graph_last_operation(const mr_graph *g, int output);

typedef enum mr_task_kind {
    MR_TASK_NUMBERS, /* no classes, no accuracy */
    MR_TASK_CLASSES, /* one class of many; a single number tells two apart */
    MR_TASK_LABELS,  /* each number is a label of its own, of which a sample may have several or none */
} mr_task_kind;

/* How the model's numbers become probabilities. */
typedef enum mr_link {
    MR_LINK_NONE,     /* they are not probabilities, and how to make some of them is unknown */
    MR_LINK_IDENTITY, /* they are probabilities */
    MR_LINK_SIGMOID,  /* they are logits */
    MR_LINK_SOFTMAX,
} mr_link;

/* What is known of the samples' truth. */
typedef enum mr_targets {
    MR_TARGETS_UNKNOWN,
    MR_TARGETS_CLASSES, /* a class index, or a row with a single 1 */
    MR_TARGETS_SHARES,  /* rows of probabilities: each sums to 1 */
    MR_TARGETS_LABELS,  /* rows of 0 and 1 with any number of ones */
    MR_TARGETS_NUMBERS, /* others */
} mr_targets;

/* What the user says of the outputs (--activation). */
typedef enum mr_given_activation {
    MR_GIVEN_NOTHING,
    MR_GIVEN_SOFTMAX,
    MR_GIVEN_SIGMOID,
    MR_GIVEN_LINEAR, /* plain numbers */
} mr_given_activation;

typedef struct mr_task_facts {
    const mr_graph *graph;
    const mr_loss *loss; /* that the model was or will be trained with; NULL: not known */
    mr_targets targets;
    bool named; /* the model file names as many classes as its output tells apart: it was trained on class folders */
    mr_given_activation given;
} mr_task_facts;

typedef struct mr_output_task {
    mr_task_kind kind;
    mr_link link;
    mr_last_operation last;
    bool vector;       /* a sample's output is one row of numbers, not a map of them */
    size_t width;      /* numbers in a row: the output's last dimension */
    int classes;       /* classes or labels; 0: MR_TASK_NUMBERS */
    mr_real threshold; /* where a single number, or a label's, is a yes if it is above it */
} mr_output_task;

/* Of the model's first output. */
mr_output_task mr_task_of(const mr_task_facts *facts);
/* Whether what FACTS say was GIVEN goes with the model; MR_EUSAGE. */
int mr_task_check_given(const mr_task_facts *facts, mr_error *e);
/* "softmax", "sigmoid" or "linear"; -1: another word. */
int mr_given_activation_by_name(const char *name);

/* Classes that WIDTH numbers tell apart: a single one tells two. */
int mr_classes_of_width(size_t width);

/* Row OUTPUT [width] → PROBABILITY [classes]; a single number gives those of both classes. The outputs as they are
 * where the link is MR_LINK_NONE. Only of classes and labels. */
void mr_task_probabilities(const mr_output_task *t, const mr_real *output, mr_real *probability);
/* The class of row OUTPUT: the first of the largest, or by the threshold. */
int mr_task_class(const mr_output_task *t, const mr_real *output);

/* How many samples of a batch are right, of targets as mr_loss_batch takes them: by class, as Keras's
 * categorical_accuracy and its kin; of labels the share that is right, as its binary_accuracy; over the rows of a
 * sample the mean. 0 for MR_TASK_NUMBERS. */
double mr_task_right(const mr_output_task *t, const mr_loss *l, const mr_shape *out, int batch, const mr_real *target,
                     const mr_real *prediction);
/* How many have a true class whose prediction is among the K largest, as Keras's top_k_categorical_accuracy (equal
 * predictions share a place); for one output it is the accuracy. 0 where there are no classes. */
double mr_task_top_k(const mr_output_task *t, const mr_loss *l, const mr_shape *out, int batch, const mr_real *target,
                     const mr_real *prediction, int k);
/* What mr_task_right counts, as Keras calls it: "accuracy", "binary_accuracy"; NULL where there is nothing to count. */
const char *mr_task_metric(const mr_output_task *t);
/* One line for people: "one class of 3, from logits by softmax". */
const char *mr_task_text(const mr_output_task *t, char *text, size_t size);

#endif
