/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sink.h"

#include "io/sink_kind.h"

#include <stdlib.h>
#include <strings.h>

/* --- files that are rows and nothing else ----------------------------------------------- */

static int in_itself(const char *file, mr_text *name, mr_error *e)
{
    mr_text_append(name, file);
    return mr_text_check(name, "a file's name", e);
}

static int open_rows(void **state, const char *file, const mr_row_format *format,
                     const mr_sink_schema *schema, uint64_t kept_bytes, mr_error *e)
{
    mr_row_file *f;
    int status = kept_bytes ? mr_row_file_resume(&f, file, format, schema, kept_bytes, e)
                            : mr_row_file_create(&f, file, format, schema, e);
    *state = f;
    return status;
}

static int add_row(void *state, const mr_sink_row *row, mr_error *e)
{
    return mr_row_file_add(state, row, e);
}

static int flush_rows(void *state, mr_error *e)
{
    return mr_row_file_flush(state, e);
}

static int close_rows(void *state, bool complete, mr_error *e)
{
    (void)complete;
    return mr_row_file_close(state, e);
}

#define ROWS .kept_in = in_itself, .open = open_rows, .add = add_row, .flush = flush_rows, .close = close_rows
static const mr_sink_kind csv = {.endings = {".csv"}, .format = &mr_rows_csv, ROWS};
static const mr_sink_kind jsonl = {.endings = {".jsonl", ".ndjson"}, .format = &mr_rows_jsonl, ROWS};

static const mr_sink_kind *const kinds[] = {&csv, &jsonl, &mr_sink_hdf5, NULL};

/* --- the face --------------------------------------------------------------------------- */

struct mr_sink {
    const mr_sink_kind *kind;
    void *state;
};

struct mr_past {
    const mr_sink_kind *kind;
    const char *file;
    mr_sink_schema schema;
    mr_text kept_in;
    mr_row_reader *reader;
    uint64_t kept_bytes;
};

static const mr_sink_kind *kind_of(const char *file, mr_error *e)
{
    const char *dot = file ? strrchr(file, '.') : ".csv";
    for (int i = 0; dot && kinds[i]; i++)
        for (int k = 0; kinds[i]->endings[k]; k++)
            if (!strcasecmp(dot, kinds[i]->endings[k]))
                return kinds[i];
    mr_hint(e, mr_fail(e, MR_EUSAGE, "--output %s: its ending says no kind of file", file),
            "FILE.csv, FILE.jsonl or FILE.h5");
    return NULL;
}

static int open_sink(mr_sink **out, const mr_sink_kind *kind, const char *file, const mr_sink_schema *schema,
                     uint64_t kept_bytes, mr_error *e)
{
    mr_sink *s = *out = calloc(1, sizeof *s);
    if (!s)
        return mr_fail(e, MR_ENOMEM, "out of memory for the output");
    s->kind = kind;
    int status = kind->open(&s->state, file, kind->format, schema, kept_bytes, e);
    if (status) {
        free(s);
        *out = NULL;
    }
    return status;
}

int mr_sink_open(mr_sink **out, const char *file, const mr_sink_schema *schema, mr_error *e)
{
    const mr_sink_kind *kind = kind_of(file, e);
    *out = NULL;
    return kind ? open_sink(out, kind, file, schema, 0, e) : MR_EUSAGE;
}

int mr_sink_add(mr_sink *s, const mr_sink_row *row, mr_error *e)
{
    return s->kind->add(s->state, row, e);
}

int mr_sink_flush(mr_sink *s, mr_error *e)
{
    return s->kind->flush(s->state, e);
}

int mr_sink_close(mr_sink *s, bool complete, mr_error *e)
{
    if (!s)
        return 0;
    int status = s->kind->close(s->state, complete, e);
    free(s);
    return status;
}

int mr_past_open(mr_past **out, const char *file, const mr_sink_schema *schema, mr_error *e)
{
    *out = NULL;
    if (!file)
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "--resume cannot go on with standard output"),
                       "give --output FILE");
    const mr_sink_kind *kind = kind_of(file, e);
    mr_past *p = kind ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return kind ? mr_fail(e, MR_ENOMEM, "out of memory to read %s", file) : MR_EUSAGE;
    *p = (mr_past){.kind = kind, .file = file, .schema = *schema};
    int status = kind->kept_in(file, &p->kept_in, e);
    if (!status)
        status = mr_row_reader_open(&p->reader, mr_text_string(&p->kept_in), kind->format, schema, e);
    if (status || !p->reader)
        mr_past_close(p);
    else
        *out = p;
    return status;
}

int mr_past_next(mr_past *p, mr_past_row *row, mr_error *e)
{
    return mr_row_reader_next(p->reader, row, NULL, e);
}

void mr_past_keep(mr_past *p)
{
    p->kept_bytes = mr_row_reader_place(p->reader);
}

void mr_past_close(mr_past *p)
{
    if (!p)
        return;
    mr_row_reader_close(p->reader);
    mr_text_destroy(&p->kept_in);
    free(p);
}

int mr_sink_resume(mr_sink **out, const mr_past *p, mr_error *e)
{
    return open_sink(out, p->kind, p->file, &p->schema, p->kept_bytes, e);
}
