/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/outputs.h"

#include "io/draw/canvas.h"
#include "base/output.h"
#include "base/path.h"
#include "base/text.h"
#include "cli/option/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_folder(const mr_cli_file *f, const char *path, mr_error *e)
{
    char *folder = mr_folder_of(path);
    int status = 0;
    if (!folder)
        status = mr_no_memory(e, "a path");
    else if (access(folder, W_OK | X_OK))
        status = mr_fail_errno(e, errno, "%s: its folder does not exist or cannot be written", mr_cli_file_text(f));
    free(folder);
    return status;
}

/* A stream is opened when it is written to: to open a pipe earlier could end its reader's wait, or begin one of ours. */
static int check_stream(const mr_cli_file *f, const mr_output *to, mr_error *e)
{
    if (to->descriptor >= 0 ? fcntl(to->descriptor, F_GETFL) < 0 : access(to->path, W_OK) != 0)
        return mr_fail_errno(e, errno, "%s: cannot be written", mr_cli_file_text(f));
    return 0;
}

static int check_file(const mr_cli_file *f, mr_error *e)
{
    struct stat old;
    mr_output to;
    if (!*f->path)
        return mr_fail(e, MR_EUSAGE, "%s: expected a file name", mr_cli_file_text(f));
    if (f->path[strlen(f->path) - 1] == '/' || (stat(f->path, &old) == 0 && S_ISDIR(old.st_mode)))
        return mr_fail(e, MR_EIO, "%s: is a directory", mr_cli_file_text(f));
    int status = mr_output_resolve(&to, f->path, e);
    if (!status)
        status = to.stream ? check_stream(f, &to, e) : check_folder(f, to.path, e);
    mr_output_clear(&to);
    return status;
}

/* Of a folder that is not there yet: it is made in another one. */
static int check_parent(const mr_cli_file *f, mr_error *e)
{
    size_t length = strlen(f->path);
    while (length > 1 && f->path[length - 1] == '/')
        length--;
    char *path = strndup(f->path, length), *parent = path ? mr_folder_of(path) : NULL;
    int status = parent ? 0 : mr_no_memory(e, "a path");
    if (!status && access(parent, W_OK | X_OK))
        status = mr_fail_errno(e, errno, "%s: cannot make the folder %s", mr_cli_file_text(f), f->path);
    free(parent);
    free(path);
    return status;
}

/* Also of files that are not there yet. */
static bool same_output(const char *a, const char *b)
{
    struct stat sa, sb;
    mr_output to[2] = {{0}, {0}};
    if (stat(a, &sa) == 0 && stat(b, &sb) == 0)
        return mr_same_stat(&sa, &sb) && !S_ISCHR(sa.st_mode); /* /dev/null takes any number of results */
    bool same = !mr_output_resolve(&to[0], a, NULL) && !mr_output_resolve(&to[1], b, NULL) && mr_same_entry(to[0].path, to[1].path);
    mr_output_clear(&to[0]);
    mr_output_clear(&to[1]);
    return same;
}

/* FILE is a folder that can be written into, or can be made. */
static int check_output_folder(const mr_cli_file *f, mr_error *e)
{
    struct stat st;
    if (!*f->path)
        return mr_fail(e, MR_EUSAGE, "%s: expected a directory name", mr_cli_file_text(f));
    if (stat(f->path, &st))
        return errno == ENOENT ? check_parent(f, e)
                               : mr_fail_errno(e, errno, "%s: cannot open the folder", mr_cli_file_text(f));
    if (!S_ISDIR(st.st_mode))
        return mr_fail(e, MR_EIO, "%s: not a directory", mr_cli_file_text(f));
    if (access(f->path, W_OK | X_OK))
        return mr_fail_errno(e, errno, "%s: cannot write into the folder", mr_cli_file_text(f));
    return 0;
}

static int check_picture_name(const mr_cli_file *f, mr_error *e)
{
    mr_picture_format format;
    mr_error why = {0};
    if (!mr_picture_format_of(&format, f->path, &why))
        return 0;
    return mr_hint(e, mr_fail(e, MR_EUSAGE, "--%s %s", f->option, why.message), "%s", why.hint);
}

/* A trained model is not to be lost with the reader of a pipe; what was converted can be converted again. */
static int check_model(const mr_cli_file *f, mr_error *e)
{
    struct stat st;
    const char *path = f->path;
    if (!mr_ends_with(path, ".h5") && !mr_ends_with(path, ".hdf5") && !mr_ends_with(path, ".keras"))
        return mr_fail(e, MR_EUSAGE, "%s does not end in .h5 or .keras: which format?", mr_cli_file_text(f));
    if (f->option && stat(path, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "%s: a trained model cannot be written to a pipe", mr_cli_file_text(f)),
                       "give a file, and copy it when the run has ended");
    return 0;
}

static int check_name(const mr_cli_file *f, mr_error *e)
{
    if (f->marks & MR_MODEL)
        return check_model(f, e);
    return f->marks & MR_PICTURE ? check_picture_name(f, e) : 0;
}

/* --- all of them -------------------------------------------------------------------------- */

enum { MOST_OUTPUTS = 16 };

struct outputs {
    mr_cli_file file[MOST_OUTPUTS];
    struct stat there[MOST_OUTPUTS]; /* of those that are there; else no regular file */
    int count;
    mr_error *e;
};

static int add_output(void *context, const mr_cli_file *f)
{
    struct outputs *all = context;
    int status = check_name(f, all->e);
    if (!status)
        status = f->marks & MR_MAKES ? check_output_folder(f, all->e) : check_file(f, all->e);
    for (int i = 0; i < all->count && !status; i++)
        if (same_output(all->file[i].path, f->path) && (f->marks | all->file[i].marks) & MR_WRITES)
            status = mr_fail(all->e, MR_EUSAGE, "--%s and --%s would be one file, %s", all->file[i].option, f->option,
                             f->path);
    if (status || all->count == MOST_OUTPUTS)
        return status;
    if (stat(f->path, &all->there[all->count]))
        all->there[all->count].st_mode = 0;
    all->file[all->count++] = *f;
    return 0;
}

static int refuse(const mr_cli_file *output, const mr_cli_file *input, mr_error *e)
{
    const char *text = mr_cli_file_text(output);
    if (input->option)
        return mr_fail(e, MR_EUSAGE, "%s is what --%s reads: it would be overwritten", text, input->option);
    return mr_fail(e, MR_EUSAGE, "%s is one of the inputs: it would be overwritten", text);
}

static int compare_input(void *context, const mr_cli_file *f)
{
    const struct outputs *all = context;
    struct stat st;
    bool list = f->marks & MR_PICKS && !strcmp(f->path, "-");
    if (list ? fstat(STDIN_FILENO, &st) : stat(f->path, &st))
        return 0; /* its reader will report it */
    for (int i = 0; i < all->count; i++)
        if (S_ISREG(all->there[i].st_mode) && mr_same_stat(&all->there[i], &st) && !(f->marks & all->file[i].marks & MR_MODEL))
            return refuse(&all->file[i], f, all->e);
    return 0;
}

int mr_cli_check_files(const mr_cli *c, mr_error *e)
{
    struct outputs all = {.e = e};
    int status = mr_cli_each_file(c, MR_WRITES | MR_MAKES, add_output, &all);
    return status ? status : mr_cli_each_file(c, MR_INPUT, compare_input, &all);
}

int mr_cli_check_training_files(const mr_cli *c, mr_error *e)
{
    if (!c->model && !c->checkpoint_dir)
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "no output given for the trained model"),
                       "give --model FILE.h5 or FILE.keras");
    return mr_cli_check_files(c, e);
}
