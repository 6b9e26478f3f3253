/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/option/schedules.h"

#include <stddef.h>

const mr_schedule_row mr_schedule_rows[MR_SCHEDULES] = {
    [MR_SCHEDULE_EXPONENTIAL] = {"exponential", "ExponentialDecay", " decay-steps decay-rate staircase "},
    [MR_SCHEDULE_STEP] = {"step", "ExponentialDecay", " decay-steps decay-rate "},
    [MR_SCHEDULE_INVERSE_TIME] = {"inverse-time", "InverseTimeDecay", " decay-steps decay-rate staircase "},
    [MR_SCHEDULE_POLYNOMIAL] = {"polynomial", "PolynomialDecay", " decay-steps end-learning-rate power cycle "},
    [MR_SCHEDULE_PIECEWISE] = {"piecewise", "PiecewiseConstantDecay", " boundaries values "},
    [MR_SCHEDULE_COSINE] = {"cosine", "CosineDecay", " decay-steps schedule-alpha warmup-steps warmup-target "},
    [MR_SCHEDULE_COSINE_RESTARTS] = {"cosine-restarts", "CosineDecayRestarts", " first-decay-steps t-mul m-mul schedule-alpha "},
};

const char *mr_cli_schedule_name(int i)
{
    return i < MR_SCHEDULES ? mr_schedule_rows[i].name : NULL;
}
