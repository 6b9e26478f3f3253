/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/outputs.h"

#include "io/draw/canvas.h"
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* "--OPTION FILE", or the operand FILE alone; valid until the next call. */
static const char *called(const mr_cli_output *o)
{
    static char text[4200];
    snprintf(text, sizeof text, "%s%s%s%s", o->option ? "--" : "", o->option ? o->option : "", o->option ? " " : "",
             *o->file ? o->file : "''");
    return text;
}

static int check_folder(const mr_cli_output *o, const char *path, mr_error *e)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int status = 0;
    if (!folder)
        status = mr_no_memory(e, "a path");
    else if (access(folder, W_OK | X_OK))
        status = mr_fail_errno(e, errno, "%s: its folder does not exist or cannot be written", called(o));
    free(folder);
    return status;
}

/* A stream is opened when it is written to: to open a pipe earlier could end its reader's wait, or begin one of ours. */
static int check_stream(const mr_cli_output *o, const mr_output *to, mr_error *e)
{
    if (to->descriptor >= 0 ? fcntl(to->descriptor, F_GETFL) < 0 : access(to->path, W_OK) != 0)
        return mr_fail_errno(e, errno, "%s: cannot be written", called(o));
    return 0;
}

static int check_file(const mr_cli_output *o, mr_error *e)
{
    struct stat old;
    mr_output to;
    if (!*o->file)
        return mr_fail(e, MR_EUSAGE, "%s: a file's name is expected", called(o));
    if (o->file[strlen(o->file) - 1] == '/' || (stat(o->file, &old) == 0 && S_ISDIR(old.st_mode)))
        return mr_fail(e, MR_EIO, "%s: a file's name is expected, this is a folder's", called(o));
    int status = mr_output_resolve(&to, o->file, e);
    if (!status)
        status = to.stream ? check_stream(o, &to, e) : check_folder(o, to.path, e);
    mr_output_clear(&to);
    return status;
}

/* Of a folder that is not there yet: it is made in another one. */
static int check_parent(mr_cli_output output, mr_error *e)
{
    char *path = strdup(output.file), *end = path ? path + strlen(path) : NULL;
    while (path && end > path + 1 && end[-1] == '/')
        *--end = '\0';
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (slash)
        path[slash - path + 1] = '\0';
    int status = !path ? mr_no_memory(e, "a path") : 0;
    if (!status && access(slash ? path : ".", W_OK | X_OK))
        status = mr_fail_errno(e, errno, "--%s %s: cannot make the folder %s", output.option, output.file,
                               output.file);
    free(path);
    return status;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Of files that are not there yet: the same name in the same folder, whatever path leads there. */
static bool same_place(const mr_output *a, const mr_output *b)
{
    const char *names[2] = {a->path, b->path};
    struct stat folder[2];
    bool exist = true;
    for (int i = 0; i < 2; i++) {
        const char *slash = strrchr(names[i], '/');
        char *path = slash ? strndup(names[i], (size_t)(slash - names[i]) + 1) : strdup(".");
        exist = exist && path && stat(path, &folder[i]) == 0;
        names[i] = slash ? slash + 1 : names[i];
        free(path);
    }
    return exist && is_same(&folder[0], &folder[1]) && !strcmp(names[0], names[1]);
}

static bool same_file(const char *a, const char *b)
{
    struct stat sa, sb;
    mr_output to[2] = {{0}, {0}};
    if (stat(a, &sa) == 0 && stat(b, &sb) == 0)
        return S_ISREG(sa.st_mode) && is_same(&sa, &sb);
    bool same = !mr_output_resolve(&to[0], a, NULL) && !mr_output_resolve(&to[1], b, NULL) && same_place(&to[0], &to[1]);
    mr_output_clear(&to[0]);
    mr_output_clear(&to[1]);
    return same;
}

int mr_cli_check_outputs(const mr_cli_output *output, int count, mr_error *e)
{
    int status = 0;
    for (int i = 0; i < count && !status; i++) {
        if (!output[i].file)
            continue;
        status = check_file(&output[i], e);
        for (int k = 0; k < i && !status; k++)
            if (output[k].file && same_file(output[k].file, output[i].file))
                status = mr_fail(e, MR_EUSAGE, "--%s and --%s would be one file, %s", output[k].option,
                                 output[i].option, output[i].file);
    }
    return status;
}

int mr_cli_check_output_folder(mr_cli_output output, mr_error *e)
{
    struct stat st;
    const char *path = output.file;
    if (!path)
        return 0;
    if (!*path)
        return mr_fail(e, MR_EUSAGE, "--%s '': a folder's name is expected", output.option);
    if (stat(path, &st))
        return errno == ENOENT
                   ? check_parent(output, e)
                   : mr_fail_errno(e, errno, "--%s %s: cannot open the folder", output.option, path);
    if (!S_ISDIR(st.st_mode))
        return mr_fail(e, MR_EIO, "--%s %s: a folder's name is expected, this is a file's", output.option,
                       path);
    if (access(path, W_OK | X_OK))
        return mr_fail_errno(e, errno, "--%s %s: cannot write into the folder", output.option, path);
    return 0;
}

int mr_cli_check_output(const char *file, mr_error *e)
{
    const mr_cli_output output = {file, NULL};
    return check_file(&output, e);
}

int mr_cli_check_inputs(mr_cli_output output, const mr_cli_output *input, int count, mr_error *e)
{
    for (int i = 0; i < count && output.file; i++)
        if (input[i].file && same_file(output.file, input[i].file))
            return mr_fail(e, MR_EUSAGE, "--%s %s is what --%s reads: it would be overwritten", output.option,
                           output.file, input[i].option);
    return 0;
}

static bool ends_in(const char *name, const char *ending)
{
    size_t n = strlen(name), k = strlen(ending);
    return n > k && !strcmp(name + n - k, ending);
}

int mr_cli_check_picture_name(mr_cli_output output, mr_error *e)
{
    mr_picture_format format;
    mr_error why = {0};
    if (!output.file || !mr_picture_format_of(&format, output.file, &why))
        return 0;
    return mr_hint(e, mr_fail(e, MR_EUSAGE, "--%s %s", output.option, why.message), "%s", why.hint);
}

int mr_cli_check_model_name(const char *file, const char *what, mr_error *e)
{
    if (ends_in(file, ".h5") || ends_in(file, ".hdf5") || ends_in(file, ".keras"))
        return 0;
    return mr_fail(e, MR_EUSAGE, "%s: '%s' does not end in .h5 or .keras: which format?", what, file);
}
