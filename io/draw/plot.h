/* SPDX-License-Identifier: Apache-2.0 */
/* Line plots side by side in one picture, as the training plot needs them. Knows nothing of training: it is given
 * arrays and names. */
#ifndef MR_IO_PLOT_H
#define MR_IO_PLOT_H

#include "base/error.h"
#include <stddef.h>

typedef struct mr_plot_series {
    const char *name;     /* for the legend */
    const double *values; /* [count], borrowed; NaN and infinities are gaps, marked by a cross at the top */
    size_t count;         /* 0: neither drawn nor in the legend */
} mr_plot_series;

typedef struct mr_plot_panel {
    const char *title;
    const mr_plot_series *series; /* [series_count]; the order gives the colours */
    int series_count;
    bool may_be_logarithmic; /* a logarithmic axis where positive values span more than two decades; the title
                                then says so */
    double ceiling; /* values never exceed it (1 for an accuracy), so the axis ends there; 0: unknown */
} mr_plot_panel;

typedef struct mr_plot {
    const char *title;   /* NULL: none */
    const char *x_label; /* of every panel; NULL: none */
    double first_x;      /* x of values[0], a whole number; the next are one apart */
    const mr_plot_panel *panels;
    int panel_count;   /* 1 … 4, from left to right */
    int width, height; /* pixels; 0: 1200 x 600; at least 240 per panel x 200 */
} mr_plot;

/* Draws PLOT and puts it at PATH as PNG, SVG or PDF, by PATH's extension. Errors: MR_EINVAL (no panels, too small),
 * MR_EUSAGE (another extension), MR_ELIMIT, MR_ENOMEM,
 * MR_EIO, MR_ENOTFOUND. Thread safe. */
int mr_plot_write(const mr_plot *plot, const char *path, mr_error *e);

#endif
