/* SPDX-License-Identifier: Apache-2.0 */
/* Are the rows of an output what this run would write? For one of which nothing else tells what it was made with. */
#ifndef MR_PIPELINE_PREDICT_VERIFY_H
#define MR_PIPELINE_PREDICT_VERIFY_H

#include "pipeline/predict/predict_rows.h"

/* Predicts the files of the first rows of FILE, a batch at most, again and compares. OUTPUT names it in errors: MR_EINVAL where
 * a row differs by more than rounding, or where none can be compared. */
int mr_predict_verify(mr_model *model, const mr_predict_options *options, mr_row_maker *maker, const char *file,
                      const char *output, mr_error *e);

#endif
