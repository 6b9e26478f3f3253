/* SPDX-License-Identifier: Apache-2.0 */
/* An affine warp of a small image with bilinear interpolation: scipy.ndimage.affine_transform with order=1,
 * to the bit, mirrored where wanted, and with value*scale+bias in the same pass.
 *
 * The same bytes from every kernel, by construction: each output value comes from the same IEEE-754
 * operations in the same order in every one of them (coordinates and interpolation in double, as scipy does
 * them; then one rounding to float, one product, one sum). The vector kernels do nothing across lanes, use no
 * fused multiply-add, and the build forbids the compiler to contract (-ffp-contract=off). Coordinates are
 * computed from the column's number, not by adding up steps, so there is no drift and a span may start
 * anywhere. */
#ifndef MR_PIPELINE_WARP_H
#define MR_PIPELINE_WARP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As scipy.ndimage 1.6 and later compute them: "constant" is CVAL as soon as a coordinate is outside 0 …
 * length-1 (nothing is blended), "reflect" is (d c b a | a b c d | d c b a), and "wrap" has the peculiar
 * period length-1. */
typedef enum mr_fill_mode { MR_FILL_NEAREST, MR_FILL_CONSTANT, MR_FILL_REFLECT, MR_FILL_WRAP } mr_fill_mode;
int mr_fill_mode_by_name(const char *name); /* -1 where there is none */
const char *mr_fill_mode_name(mr_fill_mode m);

typedef struct mr_warp {
    double matrix[2][2], shift[2]; /* source (row, column) = matrix · (output row, output column) + shift */
    int height, width, channels;   /* of source and output alike; each >= 1 */
    bool flip_horizontal, flip_vertical; /* of the output, after the warp */
    mr_fill_mode mode;
    double cval;
    float scale, bias; /* output = (float)value * scale + bias; 1 and 0 leave the value as it is */
} mr_warp;

/* A run of columns of one output row, as a kernel gets it. Column numbers are those before the horizontal
 * flip. */
typedef struct mr_warp_span {
    double row_y, row_x; /* the output row's share in the source's row and column: row * matrix[0][0], row *
                            matrix[1][0] */
    int column;          /* the first column's number, and how it goes on */
    int step;            /* +1, or -1 where flipped */
    int count;
} mr_warp_span;

/* How spans are computed on one kind of processor. A kernel clamps coordinates to the image, which is the
 * fill mode "nearest"; for the other modes it is given only what lies inside. DST holds count*channels
 * floats. */
typedef struct mr_warp_kernel {
    const char *name;
    bool (*usable)(void); /* on this processor */
    void (*rgb8)(const mr_warp *w, const mr_warp_span *s, const uint8_t *src, float *dst);
    void (*gray8)(const mr_warp *w, const mr_warp_span *s, const uint8_t *src, float *dst);
    void (*floats)(const mr_warp *w, const mr_warp_span *s, const float *src, float *dst);
} mr_warp_kernel;

/* All kernels of this build, the plain one first, the best last. */
extern const mr_warp_kernel *const mr_warp_kernels[];
extern const int mr_warp_kernel_count;
/* The last usable one. */
const mr_warp_kernel *mr_warp_best_kernel(void);

/* What the vector kernels can do; the plain one does the rest. */
enum { MR_WARP_LANES_CHANNELS = 4 };

/* SRC [height,width,channels] → DST, the same shape; no overlap. KERNEL must be usable. Images that are too
 * narrow or too large for the vector kernels are done by the plain one. */
void mr_warp_u8(const mr_warp *w, const mr_warp_kernel *kernel, const uint8_t *src, float *dst);
void mr_warp_float(const mr_warp *w, const mr_warp_kernel *kernel, const float *src, float *dst);

#endif
