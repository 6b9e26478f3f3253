/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as binary records, beside an output that cannot be gone on with after a kill (.h5). A record: uint32
 * bytes of payload, uint32 its CRC-32; payload: int32 predicted, float confidence, the floats, uint8 failed |
 * unsure << 1, path NUL, status NUL. In the machine's own byte order: it is read where it was written. */
#include "io/output/sink_internal.h"

#include <zlib.h>

enum { HEAD = 8, FIXED = 8 };

static void header(mr_text *out, const mr_sink_schema *s)
{
    mr_text_append(out, "millrace journal 1: ");
    mr_rows_csv.header(out, s);
}

static void append_floats(mr_text *out, const float *values, size_t count, bool missing)
{
    for (size_t i = 0; i < count; i++) {
        float value = missing ? 0 : values[i];
        mr_text_append_bytes(out, &value, sizeof value);
    }
}

static void append_payload(mr_text *out, const mr_sink_schema *s, const mr_sink_row *r)
{
    int32_t predicted = r->error ? -1 : r->predicted;
    float confidence = r->error ? 0 : r->confidence;
    const char *status = mr_row_status(r);
    mr_text_append_bytes(out, &predicted, sizeof predicted);
    mr_text_append_bytes(out, &confidence, sizeof confidence);
    append_floats(out, r->probability, (size_t)s->classes, r->error);
    for (int i = 0; i < s->tensors; i++)
        append_floats(out, r->error ? NULL : r->tensor[i], mr_shape_sample(&s->tensor[i].shape), r->error);
    mr_text_append_char(out, (char)((r->error != NULL) | (!r->error && r->unsure) << 1));
    mr_text_append_bytes(out, r->path, strlen(r->path) + 1);
    mr_text_append_bytes(out, status, strlen(status) + 1);
}

static void row(mr_text *out, const mr_sink_schema *s, const mr_sink_row *r)
{
    uint32_t head[2] = {0, 0};
    size_t at = out->length;
    mr_text_append_bytes(out, head, sizeof head);
    append_payload(out, s, r);
    if (out->failed)
        return;
    head[0] = (uint32_t)(out->length - at - HEAD);
    head[1] = (uint32_t)crc32(0, (const Bytef *)out->data + at + HEAD, head[0]);
    memcpy(out->data + at, head, sizeof head);
}

static size_t measure(const char *bytes, size_t size)
{
    uint32_t payload;
    if (size < HEAD)
        return 0;
    memcpy(&payload, bytes, sizeof payload);
    return size - HEAD >= payload ? HEAD + (size_t)payload : 0;
}

size_t mr_schema_floats(const mr_sink_schema *s)
{
    size_t n = (size_t)s->classes;
    for (int i = 0; i < s->tensors; i++)
        n += mr_shape_sample(&s->tensor[i].shape);
    return n;
}

void mr_journal_row(const char *bytes, const mr_sink_schema *s, float *floats, const float **tensor,
                    mr_sink_row *out)
{
    const char *p = bytes + HEAD;
    int32_t predicted;
    size_t n = mr_schema_floats(s), at = (size_t)s->classes;
    *out = (mr_sink_row){.probability = floats, .tensor = tensor};
    memcpy(&predicted, p, sizeof predicted);
    memcpy(&out->confidence, p + 4, sizeof out->confidence);
    memcpy(floats, p + FIXED, n * sizeof *floats);
    for (int i = 0; i < s->tensors; at += mr_shape_sample(&s->tensor[i++].shape))
        tensor[i] = floats + at;
    p += FIXED + n * sizeof *floats;
    out->predicted = predicted;
    out->unsure = *p & 2;
    out->path = p + 1;
    out->error = *p & 1 ? out->path + strlen(out->path) + 1 : NULL;
}

static bool parse(char *bytes, size_t size, const mr_sink_schema *s, mr_text *scratch, mr_past_row *out)
{
    (void)scratch;
    uint32_t head[2];
    size_t fixed = HEAD + FIXED + mr_schema_floats(s) * sizeof(float) + 1;
    memcpy(head, bytes, sizeof head);
    if (size < fixed + 2 || head[1] != (uint32_t)crc32(0, (const Bytef *)bytes + HEAD, head[0]) ||
        bytes[size - 1])
        return false;
    size_t path = strnlen(bytes + fixed, size - fixed);
    if (fixed + path + 1 >= size)
        return false;
    int32_t predicted;
    memcpy(&predicted, bytes + HEAD, sizeof predicted);
    *out = (mr_past_row){.path = bytes + fixed,
                         .status = bytes + fixed + path + 1,
                         .failed = bytes[fixed - 1] & 1,
                         .predicted = predicted >= 0 && predicted < s->classes ? predicted : -1};
    return true;
}

const mr_row_format mr_rows_journal = {.header = header, .row = row, .measure = measure, .parse = parse};
