/* SPDX-License-Identifier: Apache-2.0 */
/* Is a model file what its writer wrote, and does it compute here what it computed there? */
#ifndef MR_IO_VERIFY_H
#define MR_IO_VERIFY_H

#include "io/model_file/model_file.h"
#include "io/hdf5/seal.h"
#include "io/model/self_test.h"

typedef struct mr_verification {
    mr_file_check datasets;
    size_t checked, damaged; /* datasets with checksums, and those that do not match */
    bool sealed, has_self_test;
    mr_error seal, model, self_test; /* code 0: fine (or not in the file) */
    double difference;               /* of the self-test; 0: the same bits */
} mr_verification;

/* Looks at everything that FILE (.h5 or .keras) carries, also after something was found wrong. MR_EFORMAT
 * where anything is, E saying what first; other errors where FILE cannot be opened at all. Free OUT with
 * mr_verification_clear. */
int mr_verify_file(mr_verification *out, const char *file, mr_error *e);
void mr_verification_clear(mr_verification *v);

/* The self-test of FILE alone, run with G. *FOUND: the file has one. */
int mr_verify_self_test(const char *file, const mr_graph *g, bool *found, mr_error *e);

#endif
