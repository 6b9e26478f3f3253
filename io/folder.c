/* SPDX-License-Identifier: Apache-2.0 */
#include "io/folder.h"

#include <dirent.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* --- names ------------------------------------------------------------------------------------ */

int mr_paths_add(mr_paths *names, char *name, mr_error *e)
{
    if (!name)
        return mr_fail(e, MR_ENOMEM, "no memory for file names");
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? 2 * names->capacity : 64;
        char **grown = reallocarray(names->name, capacity, sizeof *grown);
        if (!grown)
            return mr_fail(e, MR_ENOMEM, "no memory for %zu file names", capacity);
        names->name = grown;
        names->capacity = capacity;
    }
    names->name[names->count++] = name;
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void mr_paths_sort(mr_paths *names)
{
    if (names->count)
        qsort(names->name, names->count, sizeof *names->name, by_bytes);
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
    void *seen; /* tsearch tree of folder_id */
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
        w->counts->not_images++;
        return 0;
    }
    char *path = mr_strings_join(w->strings, dir, name);
    if (path && is_folder(path, entry->d_type))
        return mr_paths_add(w->folders, path, w->e);
    if (path && !(image && w->files)) {
        w->counts->not_images++;
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
    mr_paths_sort(folders);
    return status;
}

/* --- all folders below ------------------------------------------------------------------------ */

typedef struct folder_id {
    dev_t device;
    ino_t inode;
} folder_id;

static int by_id(const void *a, const void *b)
{
    const folder_id *x = a, *y = b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

/* 1: DIR is seen for the first time; 0: it was seen; negative: failed. */
static int first_time(walk *w, const char *dir)
{
    struct stat st;
    if (stat(dir, &st) != 0)
        return mr_fail_errno(w->e, errno, "cannot open folder %s", dir);
    folder_id *id = malloc(sizeof *id);
    if (!id)
        return mr_fail(w->e, MR_ENOMEM, "no memory for folder %s", dir);
    *id = (folder_id){.device = st.st_dev, .inode = st.st_ino};
    folder_id **found = tsearch(id, &w->seen, by_id);
    if (!found || *found != id)
        free(id);
    return found ? *found == id : mr_fail(w->e, MR_ENOMEM, "no memory for folder %s", dir);
}

int mr_folder_walk(const char *dir, mr_strings *strings, mr_paths *files, mr_folder_counts *counts,
                   mr_error *e)
{
    mr_paths folders = {0}, found = {0};
    walk w = {.strings = strings, .folders = &found, .files = files, .counts = counts, .e = e};
    int status = mr_paths_add(&folders, mr_strings_join(strings, NULL, dir), e);
    /* A stack; of two ways to a folder the one whose name sorts first is taken. */
    while (!status && folders.count > 0) {
        const char *next = folders.name[--folders.count];
        status = first_time(&w, next);
        if (status > 0)
            status = read_folder(&w, next);
        mr_paths_sort(&found);
        while (!status && found.count > 0)
            status = mr_paths_add(&folders, found.name[--found.count], e);
    }
    mr_paths_sort(files);
    tdestroy(w.seen, free);
    free(folders.name);
    free(found.name);
    return status;
}
