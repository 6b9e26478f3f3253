/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a file of rows again, as far as it is whole. */
#include "io/output/sink_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST = 1 << 20, LONGEST = 1 << 30 };

struct mr_row_reader {
    const mr_row_format *format;
    mr_sink_schema schema;
    const char *name;
    int fd;
    char *buffer; /* the file's bytes from PLACE on: AT … FILL are not given out yet */
    size_t at, fill, capacity;
    uint64_t place;
    char *row; /* the one given out, taken apart */
    size_t row_capacity;
    mr_text scratch;
    bool fits; /* the file is known to be of this schema */
    bool ended;
};

/* More of the file behind what is there. *MORE: there was some. */
static int read_more(mr_row_reader *r, bool *more, mr_error *e)
{
    if (r->at) /* never before there is a buffer */
        memmove(r->buffer, r->buffer + r->at, r->fill - r->at);
    r->fill -= r->at;
    r->at = 0;
    if (r->fill == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : FIRST;
        char *grown = capacity <= LONGEST ? realloc(r->buffer, capacity) : NULL;
        if (!grown)
            return mr_no_memory(e, "a row of %s", r->name);
        r->buffer = grown;
        r->capacity = capacity;
    }
    ssize_t n;
    do
        n = read(r->fd, r->buffer + r->fill, r->capacity - r->fill);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return mr_fail_errno(e, errno, "cannot read %s", r->name);
    r->fill += (size_t)n;
    *more = n > 0;
    return 0;
}

/* Reads until SIZE bytes are there, or the file's end. */
static int want(mr_row_reader *r, size_t size, mr_error *e)
{
    bool more = true;
    int status = 0;
    while (!status && more && r->fill - r->at < size)
        status = read_more(r, &more, e);
    return status;
}

static int refuse(const mr_row_reader *r, mr_error *e)
{
    return mr_hint(e,
                   mr_fail(e, MR_EINVAL, "%s was written with other columns: it cannot be resumed", r->name),
                   "give the same model and options as before, or leave --resume out");
}

/* 1: the header is as the schema has it. 0: the file ends within it. */
static int check_header(mr_row_reader *r, mr_error *e)
{
    mr_text header = {0};
    if (r->format->header)
        r->format->header(&header, &r->schema);
    int status = mr_text_check(&header, r->name, e);
    if (!status)
        status = want(r, header.length + 1, e);
    size_t there = r->fill < header.length ? r->fill : header.length;
    if (!status && there && memcmp(r->buffer, mr_text_string(&header), there))
        status = refuse(r, e);
    r->at = r->place = there;
    bool whole = there == header.length;
    mr_text_destroy(&header);
    return status ? status : whole;
}

int mr_row_reader_open(mr_row_reader **out, const char *file, const mr_row_format *format,
                       const mr_sink_schema *schema, mr_error *e)
{
    *out = NULL;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : mr_fail_errno(e, errno, "cannot open %s", file);
    mr_row_reader *r = calloc(1, sizeof *r);
    if (!r) {
        close(fd);
        return mr_no_memory(e, "reading %s", file);
    }
    *r = (mr_row_reader){.format = format, .schema = *schema, .name = file, .fd = fd, .fits = !format->fits};
    int status = check_header(r, e);
    if (status == 1)
        *out = r;
    else
        mr_row_reader_close(r);
    return status < 0 ? status : 0;
}

static int find_row(mr_row_reader *r, size_t *size, mr_error *e)
{
    bool more = true;
    int status = 0;
    while (!(*size = r->format->measure(r->buffer + r->at, r->fill - r->at)) && more && !status)
        status = read_more(r, &more, e);
    return status;
}

/* The row is taken apart in a copy: its bytes stay as they are. */
static bool keep_copy(mr_row_reader *r, size_t size)
{
    if (size > r->row_capacity) {
        char *grown = realloc(r->row, 2 * size);
        if (!grown)
            return false;
        r->row = grown;
        r->row_capacity = 2 * size;
    }
    memcpy(r->row, r->buffer + r->at, size);
    return true;
}

/* The first row with a prediction decides for all. */
static int check_fit(mr_row_reader *r, size_t size, mr_error *e)
{
    int fits = r->format->fits(r->buffer + r->at, size, &r->schema);
    r->fits = fits == 1;
    return fits < 0 ? mr_fail(e, fits, "no memory for a row of %s", r->name) : fits ? 0 : refuse(r, e);
}

int mr_row_reader_next(mr_row_reader *r, mr_past_row *row, const char **bytes, mr_error *e)
{
    size_t size = 0;
    int status = r->ended ? 0 : find_row(r, &size, e);
    if (status || !size)
        return status;
    if (!keep_copy(r, size))
        return mr_no_memory(e, "a row of %s", r->name);
    r->ended = !r->format->parse(r->row, size, &r->schema, &r->scratch, row);
    if (r->ended)
        return 0;
    if (!r->fits && !row->failed && (status = check_fit(r, size, e)))
        return status;
    if (bytes)
        *bytes = r->buffer + r->at;
    r->at += size;
    r->place += size;
    return 1;
}

uint64_t mr_row_reader_place(const mr_row_reader *r)
{
    return r->place;
}

void mr_row_reader_close(mr_row_reader *r)
{
    if (!r)
        return;
    close(r->fd);
    free(r->buffer);
    free(r->row);
    mr_text_destroy(&r->scratch);
    free(r);
}
