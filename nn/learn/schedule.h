/* SPDX-License-Identifier: Apache-2.0 */
/* Learning-rate schedules (keras/src/optimizers/schedules/learning_rate_schedule.py): the rate as a function
 * of the number of finished updates. */
#ifndef MR_NN_SCHEDULE_H
#define MR_NN_SCHEDULE_H

#include "base/error.h"

#include <jansson.h>
#include <stdint.h>

typedef struct mr_schedule mr_schedule;

/* From a configuration's learning_rate: a number (constant), or {"class_name": "ExponentialDecay", "config":
 * {…}}. */
int mr_schedule_create(mr_schedule **out, const json_t *config, mr_error *e);
void mr_schedule_free(mr_schedule *s);
/* The rate of the update after STEP finished ones. */
double mr_schedule_rate(const mr_schedule *s, int64_t step);
bool mr_schedule_is_constant(const mr_schedule *s);
/* A constant rate may be changed (reduce on plateau); not a schedule. */
void mr_schedule_set_constant(mr_schedule *s, double rate);
/* The configuration back: a number or an object as Keras 3 writes it. A new reference. */
json_t *mr_schedule_config(const mr_schedule *s);

#endif
