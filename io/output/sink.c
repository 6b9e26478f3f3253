/* SPDX-License-Identifier: Apache-2.0 */
#include "io/output/sink.h"

#include "base/output.h"
#include "io/output/sink_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROUNDING 1e-4 /* other processors, and batches of other sizes, give other last digits */

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
    const char *last; /* bytes of the row given last */
    size_t last_size;
    uint64_t kept_bytes;
};

static bool is_stream(const char *file)
{
    mr_output o;
    bool stream = !mr_output_resolve(&o, file, NULL) && o.stream;
    mr_output_clear(&o);
    return stream;
}

/* A stream whose name has no known extension (/dev/fd/63) gets what standard output would. */
static const mr_sink_kind *kind_of(const char *file, mr_error *e)
{
    const char *dot = file ? strrchr(file, '.') : ".csv";
    for (int i = 0; dot && kinds[i]; i++)
        for (int k = 0; kinds[i]->endings[k]; k++)
            if (!strcasecmp(dot, kinds[i]->endings[k]))
                return kinds[i];
    if (is_stream(file))
        return &csv;
    mr_hint(e, mr_fail(e, MR_EUSAGE, "output %s: unknown file extension", file),
            "FILE.csv, FILE.jsonl or FILE.h5");
    return NULL;
}

static int open_sink(mr_sink **out, const mr_sink_kind *kind, const char *file, const mr_sink_schema *schema,
                     uint64_t kept_bytes, mr_error *e)
{
    mr_sink *s = *out = calloc(1, sizeof *s);
    if (!s)
        return mr_no_memory(e, "the output");
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
    if (!kind)
        return MR_EUSAGE;
    if (kind == &mr_sink_hdf5 && is_stream(file))
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "output %s: HDF5 cannot be written to a pipe or a device", file),
                       "give a file, or .csv or .jsonl");
    return open_sink(out, kind, file, schema, 0, e);
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
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "cannot resume into standard output"),
                       "give --output FILE");
    const mr_sink_kind *kind = kind_of(file, e);
    mr_past *p = kind ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return kind ? mr_no_memory(e, "reading %s", file) : MR_EUSAGE;
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
    uint64_t before = mr_row_reader_place(p->reader);
    int status = mr_row_reader_next(p->reader, row, &p->last, e);
    p->last_size = (size_t)(mr_row_reader_place(p->reader) - before);
    return status;
}

/* Goes back from AT, which lies behind TEXT's beginning, to the beginning of the number around it. */
static const char *number_start(const char *text, const char *at)
{
    while (at > text && strchr("0123456789+-.eE", at[-1]))
        at--;
    return at;
}

/* Two rows as text. Where they differ there must be a number in each, and these nearly the same. */
static bool same_but_rounding(const char *a, const char *b)
{
    const char *x = a, *y = b;
    while (*x && *y) {
        if (*x == *y) {
            x++, y++;
            continue;
        }
        const char *from = number_start(a, x), *with = number_start(b, y);
        char *end, *other;
        double u = strtod(from, &end), v = strtod(with, &other);
        if (end == from || other == with || end < x || other < y ||
            !(fabs(u - v) <= ROUNDING + ROUNDING * fabs(u)))
            return false;
        a = x = end;
        b = y = other;
    }
    return !*x && !*y;
}

int mr_past_matches(const mr_past *p, const mr_sink_row *row, mr_error *e)
{
    mr_text now = {0}, then = {0};
    if (p->kind->format == &mr_rows_journal)
        return 0;
    p->kind->format->row(&now, &p->schema, row);
    mr_text_append_bytes(&then, p->last, p->last_size);
    int status = mr_text_check(&now, p->file, e);
    if (!status)
        status = mr_text_check(&then, p->file, e);
    if (!status)
        status = same_but_rounding(mr_text_string(&then), mr_text_string(&now));
    mr_text_destroy(&now);
    mr_text_destroy(&then);
    return status;
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
