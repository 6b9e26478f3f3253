/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the sinks: what a kind of file has to offer. Of io/sink*.c only. */
#ifndef MR_IO_SINK_KIND_H
#define MR_IO_SINK_KIND_H

#include "io/sink.h"
#include "nn/text.h"

/* Text is handed to the system by io/sink.c; a kind only puts it together. */
typedef struct mr_text_kind {
    void (*header)(mr_text *out, const mr_sink_schema *schema); /* NULL: none */
    void (*row)(mr_text *out, const mr_sink_schema *schema, const mr_sink_row *row);
} mr_text_kind;

extern const mr_text_kind mr_text_csv, mr_text_jsonl;

static inline const char *mr_row_status(const mr_sink_row *row)
{
    return row->error ? row->error : row->remark ? row->remark : "ok";
}

#endif
