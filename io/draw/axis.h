/* SPDX-License-Identifier: Apache-2.0 */
/* Axes of a plot: the range that holds the data, and ticks at round numbers in it. No drawing. */
#ifndef MR_IO_AXIS_H
#define MR_IO_AXIS_H

#include <stdbool.h>
#include <stddef.h>

#define MR_AXIS_MAX_TICKS 32
#define MR_TICK_LABEL_SIZE 32
/* Greater magnitudes are not drawn: their differences could overflow. */
#define MR_AXIS_HUGE 1e300

typedef struct mr_axis {
    double low, high; /* what lies at the two ends; low < high */
    bool logarithmic; /* decades are equally long; low > 0 */
    int ticks;
    double at[MR_AXIS_MAX_TICKS];                       /* rising, within [low, high] */
    char labels[MR_AXIS_MAX_TICKS][MR_TICK_LABEL_SIZE]; /* UTF-8 */
} mr_axis;

/* Extends [*LOW, *HIGH] to the drawable ones of N VALUES. Begin with low = INFINITY, high = -INFINITY. */
void mr_range_extend(double *low, double *high, const double *values, size_t n);
bool mr_drawable(double value);

/* A linear axis over the data's LOW … HIGH (low <= high, both drawable) with some room at both ends and about
 * WANTED ticks at multiples of 1, 2 or 5 times a power of ten. Data that is nowhere negative gets no negative
 * room, and data that is nowhere above CEILING (INFINITY: none) gets no room above it. */
void mr_axis_linear(mr_axis *a, double low, double high, double ceiling, int wanted);
/* A logarithmic one; low > 0. */
void mr_axis_logarithmic(mr_axis *a, double low, double high, int wanted);
/* An axis of counted things (epochs) from FIRST to LAST, ticks only at whole numbers. */
void mr_axis_counted(mr_axis *a, double first, double last, int wanted);

/* Where VALUE lies: 0 at the low end, 1 at the high one. */
double mr_axis_place(const mr_axis *a, double value);

#endif
