/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions as HDF5: chunked datasets that grow with every flush:
 *   path           [N] strings of variable length (the bytes of the name, whatever they are)
 *   class          [N] int32, index into the attribute class_names of the root; -1: none
 *   confidence     [N] float32
 *   probabilities  [N, classes] float32
 *   outputs/NAME   [N, …] float32: further outputs and layers
 *   status         [N] strings
 * A row without a prediction has NaN for numbers.
 *
 * A killed process leaves no readable HDF5 file. So it grows under another name beside FILE and gets its own
 * when it is closed; and every row goes into a journal (io/output/sink_journal.c) first, from which a resumed run
 * builds it anew. To the same bytes: what is written at a time depends on the rows alone, never on the
 * batches in which they came, and no times are kept in the file. */
#include "base/durable.h"
#include "io/hdf5/hdf5.h"
#include "base/permissions.h"
#include "io/output/sink_internal.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNK_BYTES = 1 << 16, CHUNK_ROWS = 1024, SPEND = 1 << 20 };

typedef struct column {
    hid_t set, type;    /* type: in memory */
    size_t size, width; /* bytes of an element; elements of a row */
    mr_shape shape;     /* dim[0]: rows; the rest of a row */
} column;

enum {
    PATH,
    CLASS,
    CONFIDENCE,
    STATUS,
    FLOATS
}; /* columns; from FLOATS on: probabilities if there are classes, tensors */

typedef struct hdf5_sink {
    mr_sink_schema schema;
    const char *file;
    mr_text journal_name, part_name;
    mr_row_file *journal;
    hid_t h5;
    column *column; /* [columns] */
    int columns;
    uint64_t rows; /* in the file */
    /* Rows gathered since the last write. */
    size_t count, capacity, bytes;
    int32_t *class;
    float *confidence, **floats; /* floats: of the columns from FLOATS on */
    size_t *path, *status;       /* places in TEXT */
    const char **pointer;
    mr_text text;
} hdf5_sink;

static int journal_of(const char *file, mr_text *name, mr_error *e)
{
    mr_text_format(name, "%s.journal", file);
    return mr_text_check(name, "a file's name", e);
}

/* A finished file has no journal: to begin anew would be to lose it. */
static int kept_in(const char *file, mr_text *name, mr_error *e)
{
    int status = journal_of(file, name, e);
    if (!status && access(mr_text_string(name), F_OK) && !access(file, F_OK))
        status =
            mr_hint(e, mr_fail(e, MR_EINVAL, "%s is there and finished: nothing is left to resume", file),
                    "remove it, or leave --resume out");
    return status;
}

/* --- columns ---------------------------------------------------------------------------- */

static hid_t string_type(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

/* Rows in a chunk: about CHUNK_BYTES of them. */
static hsize_t chunk_rows(const column *c)
{
    size_t rows = CHUNK_BYTES / (c->size * c->width + 1);
    return rows < 1 ? 1 : rows > CHUNK_ROWS ? CHUNK_ROWS : rows;
}

static hid_t create_set(hid_t file, const char *name, const column *c)
{
    hsize_t now[MR_MAX_RANK], most[MR_MAX_RANK], chunk[MR_MAX_RANK];
    for (int i = 0; i < c->shape.rank; i++)
        now[i] = most[i] = chunk[i] = i ? (hsize_t)c->shape.dim[i] : 0;
    most[0] = H5S_UNLIMITED;
    chunk[0] = chunk_rows(c);
    hid_t space = H5Screate_simple(c->shape.rank, now, most), how = H5Pcreate(H5P_DATASET_CREATE),
          link = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_chunk(how, c->shape.rank, chunk);
    H5Pset_obj_track_times(how, false);
    H5Pset_create_intermediate_group(link, 1);
    hid_t set = H5Dcreate2(file, name, c->type, space, link, how, H5P_DEFAULT);
    mr_hdf5_release(space);
    mr_hdf5_release(how);
    mr_hdf5_release(link);
    return set;
}

static int add_column(hdf5_sink *s, const char *name, hid_t type, const mr_shape *shape, mr_error *e)
{
    column *c = &s->column[s->columns];
    *c = (column){
        .set = -1, .type = type, .size = H5Tget_size(type), .width = mr_shape_sample(shape), .shape = *shape};
    s->columns++;
    c->set = create_set(s->h5, name, c);
    return c->set < 0 ? mr_hdf5_fail(e, MR_EIO, "%s: dataset '%s' cannot be made",
                                     mr_text_string(&s->part_name), name)
                      : 0;
}

static int add_tensor(hdf5_sink *s, const mr_sink_tensor *t, mr_error *e)
{
    mr_text name = {0};
    mr_text_format(&name, "outputs/%s", t->name);
    int status = mr_text_check(&name, "a dataset's name", e);
    if (!status)
        status = add_column(s, mr_text_string(&name), H5Tcopy(H5T_NATIVE_FLOAT), &t->shape, e);
    mr_text_destroy(&name);
    return status;
}

static int add_columns(hdf5_sink *s, mr_error *e)
{
    const mr_shape one = {1, {0}}, classes = {2, {0, s->schema.classes}};
    s->column = calloc((size_t)s->schema.tensors + FLOATS + 1, sizeof *s->column);
    if (!s->column)
        return mr_no_memory(e, "the output");
    int status = add_column(s, "path", string_type(), &one, e);
    if (!status)
        status = add_column(s, "class", H5Tcopy(H5T_NATIVE_INT32), &one, e);
    if (!status)
        status = add_column(s, "confidence", H5Tcopy(H5T_NATIVE_FLOAT), &one, e);
    if (!status)
        status = add_column(s, "status", string_type(), &one, e);
    if (!status && s->schema.classes)
        status = add_column(s, "probabilities", H5Tcopy(H5T_NATIVE_FLOAT), &classes, e);
    for (int i = 0; i < s->schema.tensors && !status; i++)
        status = add_tensor(s, &s->schema.tensor[i], e);
    return status;
}

static int name_classes(hdf5_sink *s, mr_error *e)
{
    mr_names names = {0};
    int status = 0;
    for (int i = 0; i < s->schema.classes && !status; i++)
        status = mr_names_add(&names, s->schema.class_names[i], e);
    if (!status && names.count)
        status = mr_hdf5_write_names(s->h5, "class_names", &names, e);
    mr_names_free(&names);
    return status;
}

/* --- gathering ---------------------------------------------------------------------------- */

static bool grow(void *pointer, size_t count, size_t size)
{
    void **at = pointer, *grown = reallocarray(*at, count, size ? size : 1);
    if (grown)
        *at = grown;
    return grown != NULL;
}

static int make_room(hdf5_sink *s, mr_error *e)
{
    if (s->count < s->capacity)
        return 0;
    size_t capacity = s->capacity ? 2 * s->capacity : 64;
    bool whole = grow(&s->class, capacity, sizeof *s->class) &&
                 grow(&s->confidence, capacity, sizeof *s->confidence) &&
                 grow(&s->path, capacity, sizeof *s->path) && grow(&s->status, capacity, sizeof *s->status) &&
                 grow(&s->pointer, capacity, sizeof *s->pointer);
    for (int i = FLOATS; i < s->columns && whole; i++)
        whole = grow(&s->floats[i - FLOATS], capacity, s->column[i].width * sizeof(float));
    if (!whole)
        return mr_no_memory(e, "the rows of %s", s->file);
    s->capacity = capacity;
    return 0;
}

static void put_floats(hdf5_sink *s, int i, const float *values)
{
    size_t width = s->column[i].width;
    float *to = s->floats[i - FLOATS] + s->count * width;
    if (values)
        memcpy(to, values, width * sizeof *to);
    for (size_t k = 0; k < width && !values; k++)
        to[k] = NAN;
}

static size_t put_text(hdf5_sink *s, const char *text)
{
    size_t at = s->text.length;
    mr_text_append_bytes(&s->text, text, strlen(text) + 1);
    return at;
}

/* --- writing ------------------------------------------------------------------------------ */

static herr_t append(hdf5_sink *s, column *c, const void *values)
{
    hsize_t size[MR_MAX_RANK], start[MR_MAX_RANK] = {s->rows}, count[MR_MAX_RANK];
    for (int i = 0; i < c->shape.rank; i++)
        size[i] = count[i] = i ? (hsize_t)c->shape.dim[i] : 0;
    size[0] = s->rows + s->count;
    count[0] = s->count;
    herr_t bad = H5Dset_extent(c->set, size);
    hid_t in_file = H5Dget_space(c->set), in_memory = H5Screate_simple(c->shape.rank, count, NULL);
    if (bad >= 0)
        bad = H5Sselect_hyperslab(in_file, H5S_SELECT_SET, start, NULL, count, NULL);
    if (bad >= 0)
        bad = H5Dwrite(c->set, c->type, in_memory, in_file, H5P_DEFAULT, values);
    mr_hdf5_release(in_file);
    mr_hdf5_release(in_memory);
    return bad;
}

static const void *values_of(hdf5_sink *s, int i)
{
    const size_t *place = i == PATH ? s->path : s->status;
    if (i == CLASS)
        return s->class;
    if (i == CONFIDENCE)
        return s->confidence;
    if (i >= FLOATS)
        return s->floats[i - FLOATS];
    for (size_t k = 0; k < s->count; k++)
        s->pointer[k] = s->text.data + place[k];
    return s->pointer;
}

static int write_gathered(hdf5_sink *s, mr_error *e)
{
    int status = 0;
    mr_hdf5_lock();
    for (int i = 0; i < s->columns && s->count && !status; i++)
        if (append(s, &s->column[i], values_of(s, i)) < 0)
            status = mr_hdf5_fail(e, MR_EIO, "cannot write %s", mr_text_string(&s->part_name));
    mr_hdf5_unlock();
    s->rows += s->count;
    s->count = s->bytes = 0;
    mr_text_clear(&s->text);
    return status;
}

static int gather(hdf5_sink *s, const mr_sink_row *row, mr_error *e)
{
    bool failed = row->error != NULL, none = failed || !s->schema.classes;
    int status = make_room(s, e);
    if (status)
        return status;
    s->class[s->count] = failed ? -1 : row->predicted;
    s->confidence[s->count] = none ? NAN : row->confidence;
    int next = FLOATS;
    if (s->schema.classes)
        put_floats(s, next++, failed ? NULL : row->probability);
    for (int i = 0; i < s->schema.tensors; i++)
        put_floats(s, next++, failed ? NULL : row->tensor[i]);
    s->path[s->count] = put_text(s, row->path);
    s->status[s->count] = put_text(s, mr_row_status(row));
    s->count++;
    s->bytes += strlen(row->path) + sizeof(float) * mr_schema_floats(&s->schema);
    status = mr_text_check(&s->text, s->file, e);
    return status || s->bytes < SPEND ? status : write_gathered(s, e);
}

static int add(void *state, const mr_sink_row *row, mr_error *e)
{
    hdf5_sink *s = state;
    int status = mr_row_file_add(s->journal, row, e);
    return status ? status : gather(s, row, e);
}

static int flush(void *state, mr_error *e)
{
    hdf5_sink *s = state;
    return mr_row_file_flush(s->journal, e);
}

/* --- opening -------------------------------------------------------------------------------- */

/* Everything that the journal has up to KEPT_BYTES goes into the new file. */
static int replay(hdf5_sink *s, const char *journal, uint64_t kept_bytes, mr_error *e)
{
    mr_row_reader *r = NULL;
    mr_past_row past;
    const char *bytes;
    float *floats = malloc((mr_schema_floats(&s->schema) + 1) * sizeof *floats);
    const float **tensor = calloc((size_t)s->schema.tensors + 1, sizeof *tensor);
    int status = floats && tensor ? 0 : mr_no_memory(e, "reading %s", journal);
    if (!status)
        status = mr_row_reader_open(&r, journal, &mr_rows_journal, &s->schema, e);
    while (!status && r && mr_row_reader_place(r) < kept_bytes) {
        mr_sink_row row;
        status = mr_row_reader_next(r, &past, &bytes, e) < 0 ? MR_EIO : 0;
        if (status)
            break;
        mr_journal_row(bytes, &s->schema, floats, tensor, &row);
        status = gather(s, &row, e);
    }
    mr_row_reader_close(r);
    free(floats);
    free(tensor);
    return status;
}

static int make_file(hdf5_sink *s, mr_error *e)
{
    s->floats = calloc((size_t)s->schema.tensors + 1, sizeof *s->floats);
    if (!s->floats)
        return mr_no_memory(e, "the output");
    mr_hdf5_lock();
    mr_permissions p = mr_permissions_of(s->file);
    int status = mr_hdf5_create(&s->h5, mr_text_string(&s->part_name), e);
    mr_permissions_end(&p);
    if (!status)
        status = name_classes(s, e);
    if (!status)
        status = add_columns(s, e);
    mr_hdf5_unlock();
    return status;
}

static int close_file(hdf5_sink *s, mr_error *e)
{
    mr_hdf5_lock();
    for (int i = 0; s->column && i < s->columns; i++) {
        mr_hdf5_release(s->column[i].set);
        mr_hdf5_release(s->column[i].type);
    }
    int status = s->h5 >= 0 ? mr_hdf5_close(s->h5, mr_text_string(&s->part_name), e) : 0;
    s->h5 = -1;
    mr_hdf5_unlock();
    return status;
}

static void destroy(hdf5_sink *s)
{
    for (int i = 0; s->floats && i <= s->schema.tensors; i++)
        free(s->floats[i]);
    free(s->floats);
    free(s->column);
    free(s->class);
    free(s->confidence);
    free(s->path);
    free(s->status);
    free(s->pointer);
    mr_text_destroy(&s->text);
    mr_text_destroy(&s->journal_name);
    mr_text_destroy(&s->part_name);
    free(s);
}

static int open_sink(void **state, const char *file, const mr_row_format *format,
                     const mr_sink_schema *schema, uint64_t kept_bytes, mr_error *e)
{
    hdf5_sink *s = calloc(1, sizeof *s);
    if (!s)
        return mr_no_memory(e, "the output");
    s->schema = *schema;
    s->file = file;
    s->h5 = -1;
    int status = journal_of(file, &s->journal_name, e);
    const char *journal = mr_text_string(&s->journal_name);
    mr_text_format(&s->part_name, "%s.part", file);
    if (!status)
        status = mr_text_check(&s->part_name, "a file's name", e);
    if (!status)
        status = kept_bytes ? mr_row_file_resume(&s->journal, journal, format, schema, kept_bytes, e)
                            : mr_row_file_create(&s->journal, journal, format, schema, e);
    if (!status)
        status = make_file(s, e);
    if (!status && kept_bytes)
        status = replay(s, journal, kept_bytes, e);
    if (status) {
        close_file(s, NULL);
        mr_row_file_close(s->journal, NULL);
        destroy(s);
        return status;
    }
    *state = s;
    return 0;
}

static int close_sink(void *state, bool complete, mr_error *e)
{
    hdf5_sink *s = state;
    int status = flush(s, e);
    status = status ? status : write_gathered(s, e);
    int closed = close_file(s, e);
    status = status ? status : closed;
    if (!status)
        status = mr_durable_publish(mr_text_string(&s->part_name), s->file, e);
    closed = mr_row_file_close(s->journal, e);
    status = status ? status : closed;
    if (!status && complete)
        unlink(mr_text_string(&s->journal_name));
    destroy(s);
    return status;
}

const mr_sink_kind mr_sink_hdf5 = {.endings = {".h5", ".hdf5"},
                                   .format = &mr_rows_journal,
                                   .kept_in = kept_in,
                                   .open = open_sink,
                                   .add = add,
                                   .flush = flush,
                                   .close = close_sink};
