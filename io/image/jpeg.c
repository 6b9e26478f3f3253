/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG by libjpeg-turbo, with the settings and the judgement of Pillow's JpegDecode.c: accurate DCT, fancy
 * upsampling, a source that suspends at the end of the bytes. A suspension before the last row is a truncated
 * file; libjpeg's warnings (damaged entropy-coded data) are accepted with the pixels that come out. */
#include "io/image/decoder.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* Each scan of a file costs a pass over the blocks of its components, even where it holds no data. Encoders
 * write about ten scans, together some five passes over the whole image; a file with more scans has data for them.
 * So a file may have PASSES for its pixels, BLOCKS_PER_BYTE for its size, and FREE_BLOCKS, whose
 * cost does not matter. */
enum { MAX_SCANS = 500, PASSES = 8, START_OF_SCAN = 0xda, BLOCKS_PER_BYTE = 4, FREE_BLOCKS = 1 << 18 };

typedef struct jpeg_state {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;   /* valid only inside the call that set it */
    bool reads_scans; /* of a file of several, all before the first row */
    bool too_many_scans, too_much_work;
    uint64_t blocks, most_blocks; /* visited in all scans so far, and how many may be */
    int scans;                    /* counted so far */
    size_t size;                  /* of the file */
    bool to_gray;                 /* rows come as RGB and are handed on as gray */
    mr_scratch row;               /* one row of 3 or 4 channels where it is converted afterwards */
    void *(*alloc_small)(j_common_ptr cinfo, int pool, size_t size); /* libjpeg's own */
} jpeg_state;

static jpeg_state *state_of(j_common_ptr cinfo)
{
    return cinfo->client_data;
}

/* --- what libjpeg calls ----------------------------------------------------------------------- */

static void on_error(j_common_ptr cinfo)
{
    longjmp(state_of(cinfo)->failed, 1);
}

static void on_message(j_common_ptr cinfo)
{
    (void)cinfo; /* the text is asked for where a failure is reported */
}

/* Blocks that libjpeg visits between two calls of on_progress. */
static uint64_t blocks_of_row(const struct jpeg_decompress_struct *c)
{
    uint64_t blocks = 0;
    for (int i = 0; i < c->comps_in_scan; i++)
        blocks +=
            (uint64_t)c->cur_comp_info[i]->width_in_blocks * (unsigned)c->cur_comp_info[i]->v_samp_factor;
    return blocks;
}

static bool exceeds(jpeg_state *s)
{
    s->too_many_scans = s->scans > MAX_SCANS;
    s->too_much_work = s->blocks > s->most_blocks;
    return s->too_many_scans || s->too_much_work;
}

/* libjpeg calls it for each row of blocks, and then for rows of pixels. */
static void on_progress(j_common_ptr cinfo)
{
    jpeg_state *s = state_of(cinfo);
    if (!s->reads_scans)
        return;
    s->blocks += blocks_of_row(&s->cinfo);
    s->scans = s->cinfo.input_scan_number;
    if (exceeds(s))
        on_error(cinfo);
}

/* The tables of an image go with the image: libjpeg keeps them for the next one, and a file that brings none
 * would then be decoded with a stranger's. So what is asked for the object's life after its creation is given
 * from the image's pool. */
static void *alloc_for_image(j_common_ptr cinfo, int pool, size_t size)
{
    (void)pool;
    return state_of(cinfo)->alloc_small(cinfo, JPOOL_IMAGE, size);
}

static void source_nothing(j_decompress_ptr cinfo)
{
    (void)cinfo;
}

static boolean source_suspend(j_decompress_ptr cinfo)
{
    (void)cinfo;
    return FALSE;
}

static void source_skip(j_decompress_ptr cinfo, long count)
{
    struct jpeg_source_mgr *s = cinfo->src;
    size_t n = count <= 0 ? 0 : (size_t)count < s->bytes_in_buffer ? (size_t)count : s->bytes_in_buffer;
    s->next_input_byte += n;
    s->bytes_in_buffer -= n;
}

/* --- life ------------------------------------------------------------------------------------- */

static void jpeg_destroy_state(void *state)
{
    jpeg_state *s = state;
    if (!s)
        return;
    jpeg_destroy_decompress(&s->cinfo);
    mr_scratch_free(&s->row);
    free(s);
}

static int start_libjpeg(jpeg_state *s, mr_error *e)
{
    s->cinfo.err = jpeg_std_error(&s->errors);
    s->errors.error_exit = on_error;
    s->errors.output_message = on_message;
    s->cinfo.client_data = s;
    if (setjmp(s->failed))
        return mr_fail(e, MR_ENOMEM, "libjpeg cannot be started");
    jpeg_create_decompress(&s->cinfo);
    s->alloc_small = s->cinfo.mem->alloc_small;
    s->cinfo.mem->alloc_small = alloc_for_image;
    s->source = (struct jpeg_source_mgr){
        .init_source = source_nothing,
        .fill_input_buffer = source_suspend,
        .skip_input_data = source_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = source_nothing,
    };
    s->cinfo.src = &s->source;
    s->progress.progress_monitor = on_progress;
    s->cinfo.progress = &s->progress;
    return 0;
}

static void *jpeg_create_state(mr_error *e)
{
    jpeg_state *s = calloc(1, sizeof *s);
    if (s && start_libjpeg(s, e) == 0)
        return s;
    mr_no_memory(e, "a JPEG decoder");
    jpeg_destroy_state(s);
    return NULL;
}

/* --- failures --------------------------------------------------------------------------------- */

static int code_of(int message)
{
    switch (message) {
    case JERR_OUT_OF_MEMORY:
        return MR_ENOMEM;
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
        return MR_EUNSUPPORTED;
    default:
        return MR_EFORMAT;
    }
}

/* After a longjmp. */
static int report(jpeg_state *s, mr_error *e)
{
    char text[JMSG_LENGTH_MAX];
    if (s->too_many_scans)
        return mr_fail(e, MR_ELIMIT, "JPEG of more than %d scans", MAX_SCANS);
    if (s->too_much_work)
        return mr_fail(e, MR_ELIMIT,
                       "JPEG of %d scans or more of %ux%u pixels: too many for a file of %zu bytes",
                       s->scans, s->cinfo.image_width, s->cinfo.image_height, s->size);
    s->errors.format_message((j_common_ptr)&s->cinfo, text);
    return mr_fail(e, code_of(s->errors.msg_code), "bad JPEG: %s", text);
}

static int truncated(mr_error *e)
{
    return mr_fail(e, MR_EFORMAT, "truncated JPEG: the file ends within the image");
}

/* --- decoding --------------------------------------------------------------------------------- */

static void forget_image(jpeg_state *s)
{
    struct jpeg_decompress_struct *c = &s->cinfo;
    jpeg_abort_decompress(c);
    memset(c->quant_tbl_ptrs, 0, sizeof c->quant_tbl_ptrs);
    memset(c->dc_huff_tbl_ptrs, 0, sizeof c->dc_huff_tbl_ptrs);
    memset(c->ac_huff_tbl_ptrs, 0, sizeof c->ac_huff_tbl_ptrs);
    s->too_many_scans = s->too_much_work = s->reads_scans = false;
    s->blocks = 0;
}

/* --- the scans of a file, before any is decoded ----------------------------------------------- */

/* The next marker that is neither data nor a restart, in front of what *P is moved to; -1: there is none. */
static int next_marker(const uint8_t **p, const uint8_t *end)
{
    const uint8_t *at = *p;
    while ((at = end > at ? memchr(at, 0xff, (size_t)(end - at)) : NULL)) {
        while (at < end && *at == 0xff)
            at++;
        bool data = at < end && (*at <= 1 || (*at >= 0xd0 && *at <= 0xd7)); /* a stuffed 0, TEM, RST0 to RST7 */
        if (at < end && !data) {
            *p = at + 1;
            return *at;
        }
    }
    return -1;
}

/* A row of blocks of a scan whose header is the SIZE bytes at P, counted as blocks_of_row does. */
static uint64_t blocks_of_header(const struct jpeg_decompress_struct *c, const uint8_t *p, size_t size)
{
    uint64_t blocks = 0;
    for (size_t i = 0; size > 3 && i < p[2] && 4 + 2 * i < size; i++)
        for (int k = 0; k < c->num_components; k++)
            if (c->comp_info[k].component_id == p[3 + 2 * i])
                blocks += (uint64_t)c->comp_info[k].width_in_blocks * (unsigned)c->comp_info[k].v_samp_factor;
    return blocks;
}

/* libjpeg has read the header of the first scan. What all of them will cost is known from their headers, so that a file that
 * exceeds it is refused before memory is taken and time is spent: the size alone says nothing, as a blank image of a
 * million blocks has 125 bytes in arithmetic coding. */
static bool scans_exceed(jpeg_state *s)
{
    const struct jpeg_decompress_struct *c = &s->cinfo;
    const uint8_t *p = s->source.next_input_byte, *end = p + s->source.bytes_in_buffer;
    s->blocks = blocks_of_row(c) * c->total_iMCU_rows;
    s->scans = 1;
    for (int marker; !exceeds(s) && (marker = next_marker(&p, end)) >= 0 && marker != JPEG_EOI;) {
        size_t size = end - p < 2 ? 0 : (size_t)p[0] << 8 | p[1];
        if (size < 2 || size > (size_t)(end - p))
            break;
        if (marker == START_OF_SCAN) {
            s->blocks += blocks_of_header(c, p, size) * c->total_iMCU_rows;
            s->scans++;
        }
        p += size;
    }
    bool exceeded = exceeds(s);
    s->blocks = 0; /* visited so far */
    return exceeded;
}

/* Of a file of several scans libjpeg keeps all coefficients, and reads to the end of the file before it gives
 * the first row. */
static int prepare_scans(jpeg_state *s, const mr_image_source *in, mr_error *e)
{
    const struct jpeg_decompress_struct *c = &s->cinfo;
    uint64_t blocks = 0, stored = 0;
    for (int i = 0; i < c->num_components; i++) {
        const jpeg_component_info *k = &c->comp_info[i];
        uint64_t h = (unsigned)k->h_samp_factor, v = (unsigned)k->v_samp_factor;
        blocks += (uint64_t)k->width_in_blocks * k->height_in_blocks;
        stored += (k->width_in_blocks + h - 1) / h * h * ((k->height_in_blocks + v - 1) / v * v);
    }
    s->size = in->size;
    s->most_blocks = PASSES * blocks + BLOCKS_PER_BYTE * (uint64_t)in->size + FREE_BLOCKS;
    s->reads_scans = jpeg_has_multiple_scans(&s->cinfo);
    if (s->reads_scans && scans_exceed(s))
        return report(s, e);
    mr_claim_memory(in, c->image_height, s->reads_scans ? stored * sizeof(JBLOCK) : 0);
    return 0;
}

/* The largest 1/n at which the image still covers the wanted size. */
static unsigned dct_denominator(const struct jpeg_decompress_struct *c, const mr_preprocess *pre)
{
    unsigned n = 8;
    while (n > 1 && ((c->image_width + n - 1) / n < (unsigned)pre->width ||
                     (c->image_height + n - 1) / n < (unsigned)pre->height))
        n /= 2;
    return n;
}

/* As JpegImagePlugin chooses: 1 component is gray, 3 are made RGB, 4 are made CMYK. Where gray is wanted of
 * colour it is computed from RGB, as Pillow does, and not taken from the Y channel. */
static int choose_output(jpeg_state *s, const mr_preprocess *pre, mr_image *shape, mr_error *e)
{
    struct jpeg_decompress_struct *c = &s->cinfo;
    int components = c->num_components;
    if (components != 1 && components != 3 && components != 4)
        return mr_fail(e, MR_EUNSUPPORTED, "JPEG of %d components", components);
    bool gray = pre->color_mode == MR_COLOR_GRAYSCALE;
    c->out_color_space = components == 4 ? JCS_CMYK : components == 1 && gray ? JCS_GRAYSCALE : JCS_RGB;
    s->to_gray = gray && components != 1;
    if (pre->dct_scaling) {
        c->scale_num = 1;
        c->scale_denom = dct_denominator(c, pre);
    }
    shape->channels = gray ? 1 : 3;
    return 0;
}

static int jpeg_open(void *state, const mr_image_source *in, mr_image *shape, mr_error *e)
{
    jpeg_state *s = state;
    struct jpeg_decompress_struct *c = &s->cinfo;
    if (setjmp(s->failed))
        return report(s, e);
    forget_image(s);
    s->source.next_input_byte = in->bytes;
    s->source.bytes_in_buffer = in->size;

    int found;
    do
        found = jpeg_read_header(c, FALSE);
    while (found == JPEG_HEADER_TABLES_ONLY);
    if (found == JPEG_SUSPENDED)
        return truncated(e);
    int status = mr_check_pixels(c->image_width, c->image_height, in->limits, e);
    if (!status)
        status = choose_output(s, in->pre, shape, e);
    if (!status)
        status = prepare_scans(s, in, e);
    if (status)
        return status;
    if (!jpeg_start_decompress(c))
        return truncated(e);
    s->reads_scans = false;
    shape->width = (int)c->output_width;
    shape->height = (int)c->output_height;
    bool converts = s->to_gray || c->out_color_space == JCS_CMYK;
    if (converts && !mr_scratch_reserve(&s->row, (size_t)c->output_width * 4, e))
        return MR_ENOMEM;
    return 0;
}

/* One row that libjpeg does not give in the wanted colours. */
static int read_converted(jpeg_state *s, uint8_t *row)
{
    struct jpeg_decompress_struct *c = &s->cinfo;
    uint8_t *raw = s->row.bytes;
    int width = (int)c->output_width;
    if (jpeg_read_scanlines(c, &raw, 1) != 1)
        return 0;
    if (c->out_color_space == JCS_CMYK)
        mr_row_inverted_cmyk_to_rgb(s->to_gray ? raw : row, raw, width);
    if (s->to_gray)
        mr_row_rgb_to_gray(row, raw, width);
    return 1;
}

static int read_rows(jpeg_state *s, uint8_t *const *rows, int count, mr_error *e)
{
    struct jpeg_decompress_struct *c = &s->cinfo;
    bool converts = s->to_gray || c->out_color_space == JCS_CMYK;
    while (count > 0) {
        int n = converts ? read_converted(s, *rows)
                         : (int)jpeg_read_scanlines(c, (JSAMPARRAY)rows, (JDIMENSION)count);
        if (n == 0)
            return truncated(e);
        rows += n;
        count -= n;
    }
    return 0;
}

static int jpeg_read(void *state, uint8_t *const *rows, int count, mr_error *e)
{
    jpeg_state *s = state;
    if (setjmp(s->failed))
        return report(s, e);
    return read_rows(s, rows, count, e);
}

/* A missing end is accepted once all rows are there; what libjpeg calls an error is one. */
static int jpeg_finish(void *state, mr_error *e)
{
    jpeg_state *s = state;
    if (setjmp(s->failed))
        return report(s, e);
    jpeg_finish_decompress(&s->cinfo);
    return 0;
}

static void jpeg_close(void *state)
{
    jpeg_state *s = state;
    jpeg_abort_decompress(&s->cinfo);
}

const mr_image_format mr_format_jpeg = {
    .kind = MR_KIND_JPEG,
    .create = jpeg_create_state,
    .destroy = jpeg_destroy_state,
    .open = jpeg_open,
    .read = jpeg_read,
    .finish = jpeg_finish,
    .close = jpeg_close,
};
