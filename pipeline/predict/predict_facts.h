/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows of a run of inference depend on, beside the files. */
#ifndef MR_PIPELINE_PREDICT_FACTS_H
#define MR_PIPELINE_PREDICT_FACTS_H

#include "io/output/claim.h"
#include "io/output/sink.h"
#include "pipeline/predict/predict_options.h"

enum { MR_PREDICT_FACTS = 16 };

/* Fills FACT [MR_PREDICT_FACTS]; the return value is how many there are, or an error. Free them in either case. */
int mr_predict_facts(mr_fact *fact, const mr_model *m, const mr_predict_options *o, const mr_sink_schema *s, mr_error *e);
void mr_predict_facts_free(mr_fact *fact);

#endif
