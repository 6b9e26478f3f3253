/* SPDX-License-Identifier: Apache-2.0 */
/* nn/learn/task.h for a model file: what it says of its loss and its classes, and what arrays hold. */
#ifndef MR_PIPELINE_MODEL_TASK_H
#define MR_PIPELINE_MODEL_TASK_H

#include "io/hdf5/arrays.h"
#include "io/model_file/model_file.h"
#include "nn/learn/task.h"

/* What M's outputs mean where its file has to say it. TARGETS: of the samples in hand. GIVEN: by the user. Errors:
 * MR_EUSAGE where GIVEN contradicts the model. */
int mr_model_task(mr_output_task *out, const mr_model *m, mr_targets targets, mr_given_activation given, mr_error *e);
/* The same with another loss than the file's (NULL: none); no errors. */
mr_output_task mr_model_task_with(const mr_model *m, const mr_loss *loss, mr_targets targets, mr_given_activation given);

/* The loss that M's file says it was compiled with, for its first output; false where there is none that is known. */
bool mr_model_loss(mr_loss *out, const mr_model *m);

/* What the targets Y are for a model whose output is OUTPUT. */
mr_targets mr_targets_of(const mr_array *y, const mr_shape *output);
/* Of two sets that belong together: what both are. */
mr_targets mr_targets_of_both(mr_targets a, mr_targets b);

#endif
