/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/predict/merge.h"

#include "base/path.h"
#include "io/output/claim.h"
#include "base/durable.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MOST_PATH = 4096 };

typedef struct part {
    FILE *file;
    char *line;
    size_t size;
} part;

typedef struct merge {
    const char *output;
    int count, batch;
    bool csv;   /* a header; rows may hold line ends between quotes */
    part *part; /* [count] */
    FILE *to;
} merge;

int mr_part_path(char *out, size_t size, const char *output, int rank, int count, mr_error *e)
{
    const char *dot = strrchr(mr_file_name(output), '.');
    int stem = dot ? (int)(dot - output) : (int)strlen(output);
    int n = snprintf(out, size, "%.*s.part-%d-of-%d%s", stem, output, rank, count, dot ? dot : "");
    return n >= 0 && (size_t)n < size ? 0 : mr_fail(e, MR_ELIMIT, "%s: too long a path", output);
}

static int open_parts(merge *m, mr_error *e)
{
    char path[MOST_PATH];
    int status = 0;
    m->part = calloc((size_t)m->count, sizeof *m->part);
    if (!m->part)
        return mr_no_memory(e, "%d parts", m->count);
    for (int i = 0; i < m->count && !status; i++) {
        status = mr_part_path(path, sizeof path, m->output, i, m->count, e);
        if (!status && !(m->part[i].file = fopen(path, "rb")))
            status = mr_fail_errno(e, errno, "cannot open '%s'", path);
    }
    return status;
}

static void close_parts(merge *m)
{
    for (int i = 0; m->part && i < m->count; i++) {
        if (m->part[i].file)
            fclose(m->part[i].file);
        free(m->part[i].line);
    }
    free(m->part);
}

static bool odd_quotes(const char *line, ssize_t n)
{
    bool odd = false;
    for (ssize_t i = 0; i < n; i++)
        odd ^= line[i] == '"';
    return odd;
}

/* One row of P, header included, to m->to (KEEP) or nowhere. False at the end. */
static bool pass_row(const merge *m, part *p, bool keep)
{
    bool open = false, any = false;
    do {
        ssize_t n = getline(&p->line, &p->size, p->file);
        if (n < 0)
            break;
        any = true;
        open ^= m->csv && odd_quotes(p->line, n);
        if (keep)
            fwrite(p->line, 1, (size_t)n, m->to);
    } while (open);
    return any;
}

static int check_streams(const merge *m, const char *temporary, mr_error *e)
{
    if (fflush(m->to) || ferror(m->to))
        return mr_fail_errno(e, errno, "cannot write '%s'", temporary);
    for (int i = 0; i < m->count; i++) {
        if (ferror(m->part[i].file))
            return mr_fail(e, MR_EIO, "%s: its part %d cannot be read", m->output, i);
        if (getc(m->part[i].file) != EOF)
            return mr_hint(e,
                           mr_fail(e, MR_EFORMAT, "%s: its parts do not fit together, part %d has more rows",
                                   m->output, i),
                           "did a file come or go while the folders were walked?");
    }
    return 0;
}

/* Only the very last batch has fewer rows. */
static void copy_rows(merge *m)
{
    int rows = m->batch;
    for (int i = 0; m->csv && i < m->count; i++)
        pass_row(m, &m->part[i], i == 0);
    for (int i = 0; rows == m->batch; i = (i + 1) % m->count)
        for (rows = 0; rows < m->batch && pass_row(m, &m->part[i], true);)
            rows++;
}

static int write_output(void *context, const char *temporary, mr_error *e)
{
    merge *m = context;
    m->to = fopen(temporary, "wb");
    if (!m->to)
        return mr_fail_errno(e, errno, "cannot make '%s'", temporary);
    copy_rows(m);
    int status = check_streams(m, temporary, e);
    if (fclose(m->to) && !status)
        status = mr_fail_errno(e, errno, "cannot write '%s'", temporary);
    return status;
}

int mr_merge_parts(const char *output, int count, int batch, mr_error *e)
{
    const char *dot = strrchr(output, '.');
    merge m = {.output = output, .count = count, .batch = batch, .csv = dot && !strcasecmp(dot, ".csv")};
    int status = open_parts(&m, e);
    if (!status)
        status = mr_durable_write(output, write_output, &m, e);
    close_parts(&m);
    for (int i = 0; i < count && !status; i++) {
        char path[MOST_PATH];
        if (mr_part_path(path, sizeof path, output, i, count, NULL))
            continue;
        unlink(path); /* what stays is only in the way */
        mr_claim_remove(path);
    }
    return status;
}
