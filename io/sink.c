/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sink.h"

#include "io/sink_kind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const struct {
    const char *ending;
    const mr_text_kind *kind;
} endings[] = {{".csv", &mr_text_csv}, {".jsonl", &mr_text_jsonl}, {NULL, NULL}};

struct mr_sink {
    const mr_text_kind *kind;
    mr_sink_schema schema;
    const char *name; /* for errors */
    int fd;
    bool owns_fd;
    mr_text text; /* rows that are not written yet */
};

static const mr_text_kind *kind_of(const char *file)
{
    const char *dot = file ? strrchr(file, '.') : ".csv";
    for (int i = 0; dot && endings[i].ending; i++)
        if (!strcasecmp(dot, endings[i].ending))
            return endings[i].kind;
    return NULL;
}

static int open_file(mr_sink *s, const char *file, mr_error *e)
{
    if (!file) {
        s->fd = STDOUT_FILENO;
        return 0;
    }
    s->fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    s->owns_fd = s->fd >= 0;
    return s->fd < 0 ? mr_fail_errno(e, errno, "cannot create %s", file) : 0;
}

int mr_sink_open(mr_sink **out, const char *file, const mr_sink_schema *schema, mr_error *e)
{
    *out = NULL;
    const mr_text_kind *kind = kind_of(file);
    if (!kind)
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "--output %s: its ending says no kind of file", file),
                       "FILE.csv or FILE.jsonl");
    mr_sink *s = calloc(1, sizeof *s);
    if (!s)
        return mr_fail(e, MR_ENOMEM, "out of memory for the output");
    s->kind = kind;
    s->schema = *schema;
    s->name = file ? file : "standard output";
    int status = open_file(s, file, e);
    if (status) {
        mr_sink_abandon(s);
        return status;
    }
    if (kind->header)
        kind->header(&s->text, schema);
    *out = s;
    return 0;
}

int mr_sink_add(mr_sink *s, const mr_sink_row *row, mr_error *e)
{
    s->kind->row(&s->text, &s->schema, row);
    return mr_text_check(&s->text, s->name, e);
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

int mr_sink_flush(mr_sink *s, mr_error *e)
{
    int status = mr_text_check(&s->text, s->name, e);
    int error = status ? 0 : write_all(s->fd, mr_text_string(&s->text), s->text.length);
    mr_text_clear(&s->text);
    if (error == EPIPE && !s->owns_fd)
        return mr_fail(e, MR_ECANCELED, "nobody reads standard output any more");
    return error ? mr_fail_errno(e, error, "cannot write %s", s->name) : status;
}

/* Pipes and devices cannot be synced (EINVAL, EROFS): they are as durable as they get. */
static int sync_file(mr_sink *s, mr_error *e)
{
    if (!s->owns_fd || fsync(s->fd) == 0 || errno == EINVAL || errno == EROFS)
        return 0;
    return mr_fail_errno(e, errno, "cannot sync %s", s->name);
}

int mr_sink_close(mr_sink *s, mr_error *e)
{
    if (!s)
        return 0;
    int status = mr_sink_flush(s, e);
    if (!status)
        status = sync_file(s, e);
    mr_sink_abandon(s);
    return status;
}

void mr_sink_abandon(mr_sink *s)
{
    if (!s)
        return;
    if (s->owns_fd)
        close(s->fd);
    mr_text_destroy(&s->text);
    free(s);
}
