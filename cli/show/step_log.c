/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show/step_log.h"

#include "base/csv.h"
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct mr_step_log {
    FILE *file;
    char *path;
    int error; /* errno of the first row that could not be written */
};

/* Does ROW belong to one of the first STEP steps? */
static bool is_until(const char *row, int64_t step)
{
    char *end;
    long long number = strtoll(row, &end, 10);
    return strchr(row, '\n') && end != row && *end == ',' && number <= step;
}

/* Where the rows after STEP begin: -1 where FILE is no step log. */
static off_t end_of_step(FILE *file, int64_t step)
{
    char row[128];
    off_t end = -1;
    if (!fgets(row, sizeof row, file) || strcmp(row, "step,loss\n"))
        return -1;
    do
        end = ftello(file);
    while (fgets(row, sizeof row, file) && is_until(row, step));
    return end;
}

/* The log of the run so far, cut off after STEP; NULL where there is none to go on with. */
static FILE *open_old(const char *path, int64_t step)
{
    struct stat st;
    FILE *file = step > 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "r+") : NULL;
    off_t end = file ? end_of_step(file, step) : -1;
    if (file && (end < 0 || fseeko(file, end, SEEK_SET) || ftruncate(fileno(file), end))) {
        fclose(file);
        file = NULL;
    }
    return file;
}

static int open_new(mr_step_log *l, const char *path, mr_error *e)
{
    mr_output o;
    int fd = -1, status = mr_output_resolve(&o, path, e);
    if (!status && o.stream)
        status = mr_output_open_stream(&fd, &o, e);
    else if (!status && (fd = open(o.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) < 0)
        status = mr_fail_errno(e, errno, "cannot write %s", path);
    if (!status && !(l->file = fdopen(fd, "w")))
        status = mr_fail_errno(e, errno, "cannot write %s", path);
    if (status && fd >= 0)
        close(fd);
    mr_output_clear(&o);
    return status;
}

int mr_step_log_open(mr_step_log **out, const char *path, int64_t step, mr_error *e)
{
    mr_step_log *l = *out = calloc(1, sizeof *l);
    if (!l)
        return mr_no_memory(e, "the step log");
    if (!path)
        return 0;
    l->path = strdup(path);
    if (!l->path)
        return mr_no_memory(e, "the step log");
    l->file = open_old(path, step);
    bool fresh = !l->file;
    int status = fresh ? open_new(l, path, e) : 0;
    if (status)
        return status;
    setvbuf(l->file, NULL, _IOLBF, 0); /* a killed run's rows are there up to its last step */
    if (fresh)
        fputs("step,loss\n", l->file);
    return 0;
}

void mr_step_log_add(mr_step_log *l, int64_t step, double loss)
{
    char text[MR_NUMBER_SIZE];
    if (!l->file)
        return;
    mr_format_double(text, loss);
    errno = 0;
    if (fprintf(l->file, "%lld,%s\n", (long long)step, text) < 0 && !l->error)
        l->error = errno;
}

int mr_step_log_close(mr_step_log *l, mr_error *e)
{
    int status = 0;
    if (!l)
        return 0;
    if (l->file && (ferror(l->file) | fclose(l->file)) && !l->error)
        l->error = errno ? errno : EIO;
    if (l->error)
        status = mr_fail_errno(e, l->error, "cannot write %s", l->path);
    free(l->path);
    free(l);
    return status;
}
