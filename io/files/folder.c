/* SPDX-License-Identifier: Apache-2.0 */
#include "io/files/folder.h"

#include "base/list.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* --- names ------------------------------------------------------------------------------------ */

int mr_paths_add(mr_paths *names, char *name, mr_error *e)
{
    if (!name)
        return mr_no_memory(e, "file names");
    if (!mr_list_grow(&names->name, names->count, sizeof *names->name))
        return mr_no_memory(e, "%zu file names", names->count + 1);
    names->name[names->count++] = name;
    return 0;
}

bool mr_is_image_name(const char *name)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".jpe", ".png",  ".gif",
                                          ".bmp", ".webp", ".tif", ".tiff", NULL};
    const char *dot = strrchr(name, '.');
    for (int i = 0; dot && endings[i]; i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

/* --- one folder ------------------------------------------------------------------------------- */

typedef struct walk {
    mr_strings *strings;
    mr_paths *folders; /* NULL: they are not asked for */
    mr_paths *files;   /* the same */
    mr_folder_counts *counts;
    mr_folder_tree *tree;
    mr_folder_ids above;
    int number;
    mr_error *e;
} walk;

static bool is_folder(const char *path, unsigned char type)
{
    struct stat st;
    if (type == DT_DIR || (type != DT_LNK && type != DT_UNKNOWN))
        return type == DT_DIR;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A path that is not kept is not given back to the arena: there are few of them. */
static int take_entry(walk *w, const char *dir, const struct dirent *entry)
{
    const char *name = entry->d_name;
    if (name[0] == '.') {
        w->counts->hidden += strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
        return 0;
    }
    bool image = mr_is_image_name(name),
         may_be_folder = entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
    if (!may_be_folder && !(image && w->files)) {
        mr_endings_add(&w->counts->not_images, name);
        return 0;
    }
    char *path = mr_strings_join(w->strings, dir, name);
    if (path && is_folder(path, entry->d_type))
        return mr_paths_add(w->folders, path, w->e);
    if (path && !(image && w->files)) {
        mr_endings_add(&w->counts->not_images, name);
        return 0;
    }
    return mr_paths_add(w->files, path, w->e);
}

static int read_folder(walk *w, const char *dir)
{
    DIR *d = opendir(dir);
    if (!d)
        return mr_fail_errno(w->e, errno, "cannot open folder %s", dir);
    int status = 0;
    const struct dirent *entry;
    errno = 0;
    while (!status && (entry = readdir(d))) {
        status = take_entry(w, dir, entry);
        errno = 0;
    }
    if (!status && errno)
        status = mr_fail_errno(w->e, errno, "cannot read folder %s", dir);
    closedir(d);
    return status;
}

int mr_folder_list(const char *dir, mr_strings *strings, mr_paths *folders, mr_folder_counts *counts,
                   mr_error *e)
{
    walk w = {.strings = strings, .folders = folders, .counts = counts, .e = e};
    int status = read_folder(&w, dir);
    for (size_t i = 0; i < folders->count; i++)
        folders->name[i] = strrchr(folders->name[i], '/') + 1;
    mr_names_sort(folders);
    return status;
}

/* --- all folders below ------------------------------------------------------------------------ */

static int shared(const walk *w, const char *dir, int other)
{
    mr_fail(w->e, MR_EINVAL, "%s also belongs to class \"%s\"", dir, w->tree->names[other]);
    return mr_hint(w->e, MR_EINVAL, "an image belongs to one class: remove the link");
}

/* 1: DIR, the FIRST of the walk or one below, is to be read; 0: it was, or is above the first; negative:
 * failed. */
static int may_enter(walk *w, const char *dir, bool first)
{
    struct stat st;
    int number = w->number;
    if (stat(dir, &st) != 0)
        return mr_fail_errno(w->e, errno, "cannot open folder %s", dir);
    if (!first && mr_folder_ids_has(&w->above, mr_folder_id_of(&st))) {
        w->counts->back++;
        return 0;
    }
    int added = mr_folder_ids_add(&w->tree->seen, mr_folder_id_of(&st), &number, w->e);
    return added == 0 && number != w->number ? shared(w, dir, number) : added;
}

/* A stack; of two ways to a folder the one whose name sorts first is taken. */
static int read_tree(walk *w, const char *dir)
{
    mr_paths folders = {0};
    int status = mr_paths_add(&folders, mr_strings_join(w->strings, NULL, dir), w->e);
    for (bool first = true; status >= 0 && folders.count > 0; first = false) {
        const char *next = folders.name[--folders.count];
        status = may_enter(w, next, first);
        if (status > 0)
            status = read_folder(w, next);
        mr_names_sort(w->folders);
        while (status >= 0 && w->folders->count > 0)
            status = mr_paths_add(&folders, w->folders->name[--w->folders->count], w->e);
    }
    free(folders.name);
    return status;
}

int mr_folder_walk(const char *dir, mr_folder_tree *tree, int number, mr_strings *strings, mr_paths *files,
                   mr_folder_counts *counts, mr_error *e)
{
    mr_paths found = {0};
    mr_folder_tree own = {0};
    walk w = {.strings = strings,
              .folders = &found,
              .files = files,
              .counts = counts,
              .tree = tree ? tree : &own,
              .number = number,
              .e = e};
    int status = mr_folder_ids_add_above(&w.above, dir, e);
    if (!status)
        status = read_tree(&w, dir);
    mr_names_sort(files);
    mr_folder_ids_free(&w.above);
    mr_folder_ids_free(&own.seen);
    free(found.name);
    return status;
}
