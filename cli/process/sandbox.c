/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/process/sandbox.h"

#include "base/output.h"
#include "cli/option/files.h"
#include "io/files/reader.h"
#include "cli/process/confine.h"
#include "pipeline/ranks/ranks.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_FOLDERS = 16 };

struct plan {
    mr_sandbox sandbox;
    char *folder[MOST_FOLDERS]; /* what sandbox's paths point to; owned */
    int folders;
    bool moves; /* images into other folders */
};

/* Cuts TEXT back to the nearest folder that is there: ".", where nothing is left. */
static void to_existing_folder(char *text)
{
    do {
        char *slash = strrchr(text, '/');
        if (!slash)
            strcpy(text, ".");
        else
            slash[slash == text] = 0;
    } while (access(text, F_OK) && strcmp(text, ".") && strcmp(text, "/"));
}

/* The folder that the file PATH is made in, and the file itself. */
static void written_file(struct plan *p, const char *path)
{
    char *folder = p->folders < MOST_FOLDERS ? malloc(strlen(path) + 2) : NULL;
    if (!folder) {
        p->sandbox.writes_anything = true;
        return;
    }
    p->folder[p->folders++] = folder;
    strcpy(folder, path);
    to_existing_folder(folder);
    mr_sandbox_allow(&p->sandbox, folder, true);
}

/* What a result's name leads to: a file and its folder, or a stream. One that is open already needs no permission. */
static void output(struct plan *p, const char *path)
{
    mr_output o;
    if (!path || !*path)
        return;
    int status = mr_output_resolve(&o, path, NULL);
    if (status) /* a folder, or what the command will refuse */
        written_file(p, path);
    else if (!o.stream)
        written_file(p, o.path);
    if (status || o.descriptor < 0)
        mr_sandbox_allow(&p->sandbox, path, true);
    mr_output_clear(&o);
}

static void input(struct plan *p, const char *path)
{
    if (path && *path)
        mr_sandbox_allow(&p->sandbox, path, false);
}

/* Images that are moved or linked leave their folder. A list on standard input may name any file. */
static void images(struct plan *p, const char *path)
{
    bool any = !strcmp(path, "-");
    p->sandbox.reads_anything = p->sandbox.reads_anything || any;
    p->sandbox.writes_anything = p->sandbox.writes_anything || (any && p->moves);
    mr_sandbox_allow(&p->sandbox, path, p->moves);
}

static int named(void *context, const mr_cli_file *f)
{
    if (f->marks & (MR_WRITES | MR_MAKES | MR_PLACES))
        output(context, f->path);
    else if (f->marks & MR_PICKS)
        images(context, f->path);
    else
        input(context, f->path);
    return 0;
}

/* Libraries' data: fonts, locales, plug-ins; what they ask about the machine. */
static void system_files(struct plan *p)
{
    static const char *const shown[] = {"/usr",      "/lib",
                                        "/lib64",    "/etc",
                                        "/proc",     "/var/cache/fontconfig",
                                        "/sys",      "/dev/urandom",
                                        "/dev/zero", "/usr/local/share/fonts"};
    const char *temporary = getenv("TMPDIR");
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        input(p, shown[i]);
    mr_sandbox_allow(&p->sandbox, temporary && *temporary ? temporary : "/tmp",
                     true); /* long lists are sorted there */
    mr_sandbox_allow(&p->sandbox, "/dev/null", true);
}

static void make_plan(struct plan *p, const mr_cli *c, unsigned command)
{
    p->moves = mr_cli_given_of(c, MR_PLACES) != NULL;
    p->sandbox.reads_anything = !c->sandbox && !(command & (MR_FOR_SUMMARY | MR_FOR_VERIFY | MR_FOR_CONVERT));
    p->sandbox.writes_anything = p->moves; /* symbolic links too */
    system_files(p);
    mr_cli_each_file(c, MR_INPUT | MR_WRITES | MR_MAKES | MR_PLACES, named, p);
}

int mr_cli_sandbox(const mr_cli *c, unsigned command, mr_error *e)
{
    struct plan p = {0};
    unsigned held = 0;
    if (c->sandbox && c->no_sandbox)
        return mr_fail(e, MR_EUSAGE, "--sandbox and --no-sandbox cannot be used together");
#ifdef MR_SANITIZED /* what the sanitizers and coverage write and trace is not known here */
    if (!c->sandbox)
        return 0;
#endif
    if (c->sandbox && mr_ranks_launched() > 1)
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "--sandbox closes the network, which the ranks of an mpirun need"),
                       "leave it out");
    if (c->no_sandbox || mr_ranks_launched() > 1)
        return 0;
    make_plan(&p, c, command);
    p.sandbox.keeps_uring = (command & MR_FOR_MODEL_RUNS) != 0;
    if (p.sandbox.keeps_uring)
        mr_reader_reserve(); /* inside, no ring can be made */
    int status = mr_sandbox_enter(&p.sandbox, &held, e);
#ifdef MR_SANITIZED /* their threads block all signals */
    held |= MR_SANDBOX_THREADS;
#endif
    const char *missing = !(held & MR_SANDBOX_FILES)     ? "this kernel has no Landlock of ABI 2 or later"
                          : !(held & MR_SANDBOX_THREADS) ? "a library has started a thread that stays outside"
                                                         : NULL;
    if (!status && c->sandbox && missing)
        status = mr_hint(e, mr_fail(e, MR_EIO, "--sandbox: %s", missing),
                         "leave --sandbox out to sandbox as far as this system allows");
    for (int i = 0; i < p.folders; i++)
        free(p.folder[i]);
    return status;
}
