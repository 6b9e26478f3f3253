/* SPDX-License-Identifier: Apache-2.0 */
#include "io/demo/jpeg_write.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <jpeglib.h>

typedef struct encoder {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf failed;
    char message[JMSG_LENGTH_MAX];
    unsigned char *bytes; /* libjpeg's, by malloc */
    unsigned long size;
} encoder;

static void give_up(j_common_ptr jpeg)
{
    encoder *c = jpeg->client_data;
    jpeg->err->format_message(jpeg, c->message);
    longjmp(c->failed, 1);
}

static void say_nothing(j_common_ptr jpeg)
{
    (void)jpeg;
}

/* Encodes into c->bytes. False where libjpeg gave up. Nothing in here but C is alive across the jump. */
static bool encode(encoder *c, const uint8_t *rgb, int width, int height, int quality)
{
    if (setjmp(c->failed))
        return false;
    jpeg_create_compress(&c->jpeg);
    jpeg_mem_dest(&c->jpeg, &c->bytes, &c->size);
    c->jpeg.image_width = (JDIMENSION)width;
    c->jpeg.image_height = (JDIMENSION)height;
    c->jpeg.input_components = 3;
    c->jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c->jpeg);
    jpeg_set_quality(&c->jpeg, quality, TRUE);
    jpeg_start_compress(&c->jpeg, TRUE);
    while (c->jpeg.next_scanline < c->jpeg.image_height) {
        /* libjpeg's interface lacks the const: it only reads. NOLINTNEXTLINE(performance-no-int-to-ptr) */
        JSAMPROW row = (JSAMPROW)(uintptr_t)(rgb + (size_t)c->jpeg.next_scanline * (size_t)width * 3);
        jpeg_write_scanlines(&c->jpeg, &row, 1);
    }
    jpeg_finish_compress(&c->jpeg);
    return true;
}

int mr_jpeg_encode(mr_text *out, const uint8_t *rgb, int width, int height, int quality, const char *what,
                   mr_error *e)
{
    if (width < 1 || height < 1 || width > JPEG_MAX_DIMENSION || height > JPEG_MAX_DIMENSION)
        return mr_fail(e, MR_EINVAL, "%s: %dx%d pixels cannot be a JPEG", what, width, height);
    encoder c = {0};
    c.jpeg.err = jpeg_std_error(&c.errors);
    c.jpeg.client_data = &c;
    c.errors.error_exit = give_up;
    c.errors.output_message = say_nothing;
    int status = MR_OK;
    if (encode(&c, rgb, width, height, quality))
        mr_text_append_bytes(out, c.bytes, c.size);
    else
        status = mr_fail(e, MR_ENOMEM, "%s: cannot be written as JPEG: %s", what, c.message);
    jpeg_destroy_compress(&c.jpeg);
    free(c.bytes);
    return status ? status : mr_text_check(out, what, e);
}
