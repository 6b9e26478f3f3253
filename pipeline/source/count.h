/* SPDX-License-Identifier: Apache-2.0 */
/* Counts what a walk will find, on a thread of its own, for those who want to know how much is left. */
#ifndef MR_PIPELINE_CENSUS_H
#define MR_PIPELINE_CENSUS_H

#include "pipeline/source/walk.h"

typedef struct mr_census mr_census;

/* Starts counting. OPTIONS' strings must outlive the census. Where a root is a list nothing can be counted.
 */
int mr_census_start(mr_census **out, const mr_walk_options *options, mr_error *e);
/* How many files there are, or 0 while that is not known. Thread safe; C may be NULL. */
int64_t mr_census_total(const mr_census *c);
/* Stops it wherever it is. NULL is fine. */
void mr_census_stop(mr_census *c);

#endif
