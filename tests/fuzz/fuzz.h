/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share. A target is one file that defines LLVMFuzzerTestOneInput and, where its format
 * carries checksums, fuzz_repair. It is built twice: against libFuzzer (./configure --enable-fuzzing), and in
 * every other build against tests/fuzz/mutate.c, which runs the kept inputs and seeded mutations of any
 * files. */
#ifndef MR_TESTS_FUZZ_H
#define MR_TESTS_FUZZ_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Makes the checksums of a mutated input right again, in place, so that mutations get behind them. The
 * default does nothing. */
void fuzz_repair(uint8_t *data, size_t size);

/* Shown an input before its mutations, where there is one. The default does nothing. */
void fuzz_prepare(const uint8_t *data, size_t size);

/* Ends the process where STATUS is a failure that E does not explain in one clear line, or the two disagree.
 * Counts. */
void fuzz_judge(int status, const mr_error *e);
/* Ends the process, saying what does not hold. */
void fuzz_fail(const char *what) __attribute__((noreturn));

extern unsigned long fuzz_accepted, fuzz_refused; /* what fuzz_judge has seen */

/* Numbers drawn from the input itself, for targets whose input is a set of parameters; 0 behind its end. */
typedef struct fuzz_bytes {
    const uint8_t *data;
    size_t size;
} fuzz_bytes;
uint32_t fuzz_take(fuzz_bytes *b, int bytes);
/* LOW … HIGH. */
int fuzz_int(fuzz_bytes *b, int low, int high);
/* Any double at all, NaN and infinities too. */
double fuzz_double(fuzz_bytes *b);

/* A file in memory that holds the input; its path is valid until the next call. */
const char *fuzz_file(const uint8_t *data, size_t size);

/* Runs M's network forward once on zeros where that is little work, so that what a file made us build is also
 * used. */
struct mr_graph;
void fuzz_forward(struct mr_graph *g);

#endif
