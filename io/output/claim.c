/* SPDX-License-Identifier: Apache-2.0 */
#include "io/output/claim.h"

#include "base/path.h"
#include "base/durable.h"
#include "base/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* OUTPUT.resume: this line, "rows here" or "rows beside", a line for each fact (NAME, tab, value), an empty line. */
static const char title[] = "millrace resume 1\n", here[] = "rows here\n", beside[] = "rows beside\n";
enum { PATIENCE_MS = 500, LONGEST = 1 << 24 };

struct mr_claim {
    mr_claim_options options;
    mr_output output;
    mr_text record, part; /* names of OUTPUT.resume and NAME.part.EXT */
    mr_text facts;        /* lines of this run's */
    int lock;             /* the record, open; -1: none */
    char *text;           /* what the record held; NULL: nothing whole */
    char *unused;         /* the record's name while it is to go when the process is ended; mr_durable_note has it */
    bool is_beside, begun, existed;
};

static bool has_content(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > 0;
}

/* --- the record ------------------------------------------------------------------------- */

/* Is the file that was locked still the one of that name? Its owner may have removed it meanwhile. */
static bool is_current(int fd, const char *path)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && mr_same_stat(&a, &b);
}

/* A process that was killed lets its lock go late, and is waited for. One that ended and took its record away while we waited
 * was writing when we came. */
static int lock_record(mr_claim *c, mr_error *e)
{
    const char *path = mr_text_string(&c->record);
    for (;;) {
        c->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (c->lock < 0)
            return mr_fail_errno(e, errno, "cannot create %s", path);
        bool busy = mr_file_lock(c->lock, 0) == MR_LOCK_TAKEN;
        bool taken = busy && mr_file_lock(c->lock, PATIENCE_MS) == MR_LOCK_TAKEN;
        bool current = is_current(c->lock, path);
        if (!taken && current)
            return 0;
        close(c->lock);
        c->lock = -1;
        if (busy)
            return mr_hint(e, mr_fail(e, MR_EIO, "another process is writing %s", c->options.output),
                           "wait for it to end, or give another file");
    }
}

static int read_record(mr_claim *c, mr_error *e)
{
    struct stat st;
    if (fstat(c->lock, &st))
        return mr_fail_errno(e, errno, "cannot read %s", mr_text_string(&c->record));
    size_t size = st.st_size < LONGEST ? (size_t)st.st_size : 0;
    char *text = malloc(size + 1);
    if (!text)
        return mr_no_memory(e, "%s", mr_text_string(&c->record));
    ssize_t n = pread(c->lock, text, size, 0);
    text[n > 0 ? n : 0] = '\0';
    bool whole = n > 1 && !strncmp(text, title, strlen(title)) && !strcmp(text + n - 2, "\n\n");
    c->existed = size > 0;
    if (whole)
        c->text = text;
    else
        free(text);
    return 0;
}

/* One line each, whatever names hold. */
static int set_facts(mr_claim *c, mr_error *e)
{
    for (int i = 0; i < c->options.facts; i++) {
        const mr_fact *f = &c->options.fact[i];
        mr_text_format(&c->facts, "%s\t", f->name);
        mr_text_append_clean(&c->facts, f->value);
        mr_text_append_char(&c->facts, '\n');
    }
    return mr_text_check(&c->facts, "a record", e);
}

/* The value of the fact NAME among the lines of TEXT, malloc'ed; NULL: there is none. */
static char *find_fact(const char *text, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, name, n) && line[n] == '\t')
            return strndup(line + n + 1, strcspn(line + n + 1, "\n"));
    }
    return NULL;
}

/* THEN, NOW: "" where nothing was given. */
static int fact_differs(const mr_claim *c, const char *name, const char *then, const char *now, mr_error *e)
{
    const char *output = c->options.output;
    if (!*then)
        mr_fail(e, MR_EINVAL, "%s cannot be resumed: its rows were made without %s %s", output, name, now);
    else if (!*now)
        mr_fail(e, MR_EINVAL, "%s cannot be resumed: its rows were made with %s %s, which is not given now", output, name, then);
    else
        mr_fail(e, MR_EINVAL, "%s cannot be resumed: its rows were made with %s %s, not %s", output, name, then, now);
    return mr_hint(e, MR_EINVAL, "give the same model and options as before, or leave --resume out to start over");
}

static int check_fact(const mr_claim *c, const char *name, mr_error *e)
{
    char *then = find_fact(c->text, name), *now = find_fact(mr_text_string(&c->facts), name);
    int status = 0;
    if (!now || !then || strcmp(then, now))
        status = fact_differs(c, name, then ? then : "", now ? now : "", e);
    free(then);
    free(now);
    return status;
}

/* --- what is there ---------------------------------------------------------------------- */

static int check_facts(mr_claim *c, mr_error *e)
{
    int status = 0;
    c->is_beside = c->text && !strncmp(c->text + strlen(title), beside, strlen(beside));
    for (int i = 0; i < c->options.facts && c->text && !status; i++)
        status = check_fact(c, c->options.fact[i].name, e);
    return status;
}

static int name_files(mr_claim *c, mr_error *e)
{
    const char *path = c->output.path, *dot = strrchr(mr_file_name(path), '.');
    size_t stem = dot ? (size_t)(dot - path) : strlen(path);
    mr_text_format(&c->record, "%s.resume", path);
    mr_text_append_bytes(&c->part, path, stem);
    mr_text_format(&c->part, ".part%s", path + stem);
    int status = mr_text_check(&c->record, "a file's name", e);
    return status ? status : mr_text_check(&c->part, "a file's name", e);
}

static int claim(mr_claim *c, mr_error *e)
{
    int status = name_files(c, e);
    if (!status)
        status = set_facts(c, e);
    if (!status)
        status = lock_record(c, e);
    if (!status)
        status = read_record(c, e);
    if (!status && !c->existed)
        mr_durable_note(c->unused = strdup(mr_text_string(&c->record)));
    if (!status && c->options.resume)
        return check_facts(c, e);
    c->is_beside = !c->options.overwrite && !c->options.keep && has_content(c->output.path);
    return status;
}

/* The record stays, or is removed by its owner. */
static void settle(mr_claim *c)
{
    mr_durable_forget(c->unused);
    c->unused = NULL;
}

/* --- the face --------------------------------------------------------------------------- */

int mr_claim_open(mr_claim **out, const mr_claim_options *options, mr_error *e)
{
    mr_claim *c = *out = options->output ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return options->output ? mr_no_memory(e, "the output") : 0;
    c->options = *options;
    c->lock = -1;
    int status = mr_output_resolve(&c->output, options->output, e);
    bool stream = c->output.stream;
    if (!status && !stream)
        status = claim(c, e);
    if (status || stream) {
        mr_claim_close(c, false, NULL);
        *out = NULL;
    }
    return status;
}

const char *mr_claim_file(const mr_claim *c)
{
    return c->is_beside ? mr_text_string(&c->part) : c->output.path;
}

bool mr_claim_beside(const mr_claim *c)
{
    return c->is_beside;
}

bool mr_claim_is_known(const mr_claim *c)
{
    return c->options.resume && c->text;
}

int mr_claim_begin(mr_claim *c, mr_error *e)
{
    mr_text text = {0};
    settle(c);
    mr_text_append(&text, title);
    mr_text_append(&text, c->is_beside ? beside : here);
    mr_text_append_bytes(&text, mr_text_string(&c->facts), c->facts.length);
    mr_text_append_char(&text, '\n');
    int status = mr_text_check(&text, mr_text_string(&c->record), e);
    if (!status && (ftruncate(c->lock, 0) || pwrite(c->lock, text.data, text.length, 0) != (ssize_t)text.length ||
                    fsync(c->lock)))
        status = mr_fail_errno(e, errno ? errno : EIO, "cannot write %s", mr_text_string(&c->record));
    c->begun = !status;
    mr_text_destroy(&text);
    return status;
}

int mr_claim_close(mr_claim *c, bool complete, mr_error *e)
{
    if (!c)
        return 0;
    int status = complete && c->is_beside ? mr_durable_publish(mr_text_string(&c->part), c->output.path, e) : 0;
    bool needless = (complete && !status && !c->options.keep) || (!c->begun && !c->existed);
    if (c->lock >= 0 && needless && is_current(c->lock, mr_text_string(&c->record)))
        unlink(mr_text_string(&c->record));
    settle(c);
    if (c->lock >= 0)
        close(c->lock);
    mr_output_clear(&c->output);
    mr_text_destroy(&c->record);
    mr_text_destroy(&c->part);
    mr_text_destroy(&c->facts);
    free(c->text);
    free(c);
    return status;
}

void mr_claim_remove(const char *output)
{
    char *record = NULL;
    if (asprintf(&record, "%s.resume", output) >= 0)
        unlink(record);
    free(record);
}
