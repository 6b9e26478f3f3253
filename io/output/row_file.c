/* SPDX-License-Identifier: Apache-2.0 */
/* A file of rows: gathered in memory, handed to the system in one go per flush. */
#include "base/output.h"
#include "io/output/sink_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct mr_row_file {
    const mr_row_format *format;
    mr_sink_schema schema;
    const char *name; /* for errors */
    int fd;
    bool owns_fd, shared; /* shared: standard output, or another descriptor that was open already */
    mr_text text; /* rows that are not written yet */
};

int mr_schema_class(const mr_sink_schema *s, const char *name)
{
    for (int i = 0; name && *name && i < s->classes; i++)
        if (!strcmp(s->class_names[i], name))
            return i;
    return -1;
}

static void destroy(mr_row_file *f)
{
    if (f->owns_fd)
        close(f->fd);
    mr_text_destroy(&f->text);
    free(f);
}

static mr_row_file *make(const char *file, const mr_row_format *format, const mr_sink_schema *schema,
                         mr_error *e)
{
    mr_row_file *f = calloc(1, sizeof *f);
    if (!f) {
        mr_no_memory(e, "the output");
        return NULL;
    }
    f->format = format;
    f->schema = *schema;
    f->name = file ? file : "standard output";
    f->fd = STDOUT_FILENO;
    f->shared = true;
    return f;
}

/* A stream is written as it is; what links lead to is made anew. */
static int open_file(mr_row_file *f, const char *file, mr_error *e)
{
    mr_output o;
    int status = mr_output_resolve(&o, file, e);
    f->fd = -1;
    if (status)
        return status;
    f->shared = o.descriptor >= 0;
    if (o.stream)
        status = mr_output_open_stream(&f->fd, &o, e);
    else if ((f->fd = open(o.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) < 0)
        status = mr_fail_errno(e, errno, "cannot create %s", file);
    f->owns_fd = f->fd >= 0;
    mr_output_clear(&o);
    return status;
}

int mr_row_file_create(mr_row_file **out, const char *file, const mr_row_format *format,
                       const mr_sink_schema *schema, mr_error *e)
{
    *out = NULL;
    mr_row_file *f = make(file, format, schema, e);
    if (!f)
        return MR_ENOMEM;
    int status = file ? open_file(f, file, e) : 0;
    if (status) {
        destroy(f);
        return status;
    }
    if (format->header)
        format->header(&f->text, schema);
    *out = f;
    return 0;
}

int mr_row_file_resume(mr_row_file **out, const char *file, const mr_row_format *format,
                       const mr_sink_schema *schema, uint64_t kept_bytes, mr_error *e)
{
    *out = NULL;
    mr_row_file *f = make(file, format, schema, e);
    if (!f)
        return MR_ENOMEM;
    f->fd = open(file, O_WRONLY | O_CLOEXEC);
    f->owns_fd = f->fd >= 0;
    f->shared = false;
    if (f->fd >= 0 && ftruncate(f->fd, (off_t)kept_bytes) == 0 && lseek(f->fd, 0, SEEK_END) >= 0) {
        *out = f;
        return 0;
    }
    int status = mr_fail_errno(e, errno, "cannot resume %s", file);
    destroy(f);
    return status;
}

int mr_row_file_add(mr_row_file *f, const mr_sink_row *row, mr_error *e)
{
    f->format->row(&f->text, &f->schema, row);
    return mr_text_check(&f->text, f->name, e);
}

int mr_row_file_flush(mr_row_file *f, mr_error *e)
{
    int status = mr_text_check(&f->text, f->name, e);
    int error = status ? 0 : mr_output_write(f->fd, mr_text_string(&f->text), f->text.length);
    mr_text_clear(&f->text);
    if (error == EPIPE && f->shared)
        return mr_fail(e, MR_ECANCELED, "%s was closed", f->name);
    if (error == ECANCELED)
        return mr_fail(e, MR_ECANCELED, "stopped: %s is not being read", f->name);
    return error ? mr_fail_errno(e, error, "cannot write %s", f->name) : status;
}

/* Pipes and devices cannot be synced (EINVAL, EROFS): nothing more can be done for them. */
static int sync_file(const mr_row_file *f, mr_error *e)
{
    if (!f->owns_fd || fsync(f->fd) == 0 || errno == EINVAL || errno == EROFS)
        return 0;
    return mr_fail_errno(e, errno, "cannot sync %s", f->name);
}

int mr_row_file_close(mr_row_file *f, mr_error *e)
{
    if (!f)
        return 0;
    int status = mr_row_file_flush(f, e);
    if (!status)
        status = sync_file(f, e);
    destroy(f);
    return status;
}
