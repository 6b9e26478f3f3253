/* SPDX-License-Identifier: Apache-2.0 */
/* A file of rows: gathered in memory, handed to the system in one go per flush. */
#include "io/row_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct mr_row_file {
    const mr_row_format *format;
    mr_sink_schema schema;
    const char *name; /* for errors */
    int fd;
    bool owns_fd;
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
        mr_fail(e, MR_ENOMEM, "out of memory for the output");
        return NULL;
    }
    f->format = format;
    f->schema = *schema;
    f->name = file ? file : "standard output";
    f->fd = STDOUT_FILENO;
    return f;
}

int mr_row_file_create(mr_row_file **out, const char *file, const mr_row_format *format,
                       const mr_sink_schema *schema, mr_error *e)
{
    *out = NULL;
    mr_row_file *f = make(file, format, schema, e);
    if (!f)
        return MR_ENOMEM;
    if (file) {
        f->fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        f->owns_fd = f->fd >= 0;
    }
    if (f->fd < 0) {
        int status = mr_fail_errno(e, errno, "cannot create %s", file);
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
    if (f->fd >= 0 && ftruncate(f->fd, (off_t)kept_bytes) == 0 && lseek(f->fd, 0, SEEK_END) >= 0) {
        *out = f;
        return 0;
    }
    int status = mr_fail_errno(e, errno, "cannot go on with %s", file);
    destroy(f);
    return status;
}

int mr_row_file_add(mr_row_file *f, const mr_sink_row *row, mr_error *e)
{
    f->format->row(&f->text, &f->schema, row);
    return mr_text_check(&f->text, f->name, e);
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno != EINTR)
            return errno;
        bytes += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int mr_row_file_flush(mr_row_file *f, mr_error *e)
{
    int status = mr_text_check(&f->text, f->name, e);
    int error = status ? 0 : write_all(f->fd, mr_text_string(&f->text), f->text.length);
    mr_text_clear(&f->text);
    if (error == EPIPE && !f->owns_fd)
        return mr_fail(e, MR_ECANCELED, "nobody reads standard output any more");
    return error ? mr_fail_errno(e, error, "cannot write %s", f->name) : status;
}

/* Pipes and devices cannot be synced (EINVAL, EROFS): they are as durable as they get. */
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
