/* SPDX-License-Identifier: Apache-2.0 */
/* The self-test that a model file carries: one made-up input and the model's output for it, as datasets
 * input_0, …, output_0, … of the group /millrace_self_test. It tells whether a reader (this program on
 * another machine or in another version, or any other) computes what the writer computed.
 *
 * The input is not an image of the training data, which may be confidential: waves of colour in the range that
 * images have after the model's preprocessing, or numbers between 0 and 1. The same processor kind gives
 * the same output to the bit; others, whose sums are taken in other orders, must stay within
 * MR_SELF_TEST_TOLERANCE. */
#ifndef MR_IO_SELF_TEST_H
#define MR_IO_SELF_TEST_H

#include "io/hdf5/hdf5.h"
#include "io/image/preprocess.h"
#include "nn/graph/graph.h"

#define MR_SELF_TEST_GROUP "millrace_self_test"
/* The most that an output may differ, as a share of the largest expected one (or of 1 where all are smaller).
 */
#define MR_SELF_TEST_TOLERANCE 1e-4

typedef struct mr_self_test_array {
    mr_shape shape; /* dim[0] = 1 */
    float *values;
} mr_self_test_array;

typedef struct mr_self_test {
    int inputs, outputs; /* 0: no self-test */
    mr_self_test_array *input, *output;
} mr_self_test;

void mr_self_test_clear(mr_self_test *t);

/* Makes an input for G and runs it, on the calling thread alone. CONTRACT (may be NULL) says how images are
 * scaled. Models with inputs of unknown or enormous size get none: OUT->inputs is 0 then. Errors: MR_ENOMEM.
 * G is only read. */
int mr_self_test_make(mr_self_test *out, const mr_graph *g, const mr_preprocess *contract, mr_error *e);
/* Whether the model gave numbers at all. */
bool mr_self_test_is_finite(const mr_self_test *t);

/* Callers hold mr_hdf5_lock(). Reading: inputs is 0 where FILE has none; MR_EFORMAT where it is broken. */
int mr_self_test_write(hid_t file, const mr_self_test *t, mr_error *e);
int mr_self_test_read(mr_self_test *out, hid_t file, mr_error *e);

/* Runs T's input through G. *DIFFERENCE: the largest, as above; 0 means the same bits. MR_EFORMAT where it is
 * over the tolerance, or where T does not fit G. */
int mr_self_test_run(const mr_self_test *t, const mr_graph *g, double *difference, mr_error *e);

#endif
