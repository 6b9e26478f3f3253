/* SPDX-License-Identifier: Apache-2.0 */
/* Writing of JPEG files. */
#ifndef MR_IO_JPEG_WRITE_H
#define MR_IO_JPEG_WRITE_H

#include "base/text.h"

/* Appends RGB, [HEIGHT, WIDTH, 3] with rows packed, as a baseline JPEG (4:2:0, accurate DCT) of QUALITY 1 …
 * 100 to OUT. WHAT names the picture in errors: MR_EINVAL, MR_ENOMEM. Thread safe. */
int mr_jpeg_encode(mr_text *out, const uint8_t *rgb, int width, int height, int quality, const char *what,
                   mr_error *e);

#endif
