/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/walk.h"

#include "io/folder.h"
#include "io/listing.h"
#include "io/path_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 4096 }; /* folders within one another: a path of the longest kind holds fewer */

typedef struct level { /* a folder that the walk is in */
    mr_listing *listing;
    size_t length; /* of its path, in walk.path */
    dev_t device;
    ino_t inode;
} level;

struct mr_walk { /* the thread that calls next() owns all of it */
    mr_walk_options options;
    int root; /* the next one */
    mr_path_list *list;
    level *levels; /* [depth], the innermost last */
    size_t depth, capacity;
    char *path; /* of the folder or file in hand */
    size_t path_capacity;
    uint64_t items;
};

/* --- paths ------------------------------------------------------------------------ */

/* w->path = its first LENGTH bytes, a slash where one is missing, NAME. */
static int set_path(mr_walk *w, size_t length, const char *name, mr_error *e)
{
    size_t n = strlen(name);
    if (length + n + 2 > w->path_capacity) {
        size_t capacity = 2 * (length + n + 2);
        char *grown = realloc(w->path, capacity);
        if (!grown)
            return mr_fail(e, MR_ENOMEM, "no memory for a path");
        w->path = grown;
        w->path_capacity = capacity;
    }
    if (length && w->path[length - 1] != '/')
        w->path[length++] = '/';
    memcpy(w->path + length, name, n + 1);
    return 0;
}

/* Gives PATH out as a sample. The copy is freed by release(), when the batch that holds it has been used. */
static int give(mr_walk *w, const char *path, mr_source_item *out, mr_error *e)
{
    char *copy = strdup(path);
    if (!copy)
        return mr_fail(e, MR_ENOMEM, "no memory for a path");
    *out = (mr_source_item){.path = copy, .label = -1, .id = w->items++};
    return 1;
}

static void release(void *context, const char *path)
{
    (void)context;
    free((char *)path);
}

/* --- folders ---------------------------------------------------------------------- */

static bool wanted(void *context, const char *name, bool folder)
{
    (void)context;
    return name[0] != '.' && (folder || mr_is_image_name(name));
}

/* A folder within itself, by a link: not entered again. */
static bool is_around(const mr_walk *w, const struct stat *st)
{
    for (size_t i = 0; i < w->depth; i++)
        if (w->levels[i].device == st->st_dev && w->levels[i].inode == st->st_ino)
            return true;
    return false;
}

static int add_level(mr_walk *w, const struct stat *st, mr_listing *listing, mr_error *e)
{
    if (w->depth == w->capacity) {
        size_t capacity = w->capacity ? 2 * w->capacity : 16;
        level *grown = reallocarray(w->levels, capacity, sizeof *grown);
        if (!grown)
            return mr_fail(e, MR_ENOMEM, "no memory for %zu folders", capacity);
        w->levels = grown;
        w->capacity = capacity;
    }
    w->levels[w->depth++] = (level){listing, strlen(w->path), st->st_dev, st->st_ino};
    return 0;
}

/* Enters the folder w->path. 0, or 1 where it cannot be opened: then it is an item, and reading it says why.
 */
static int enter(mr_walk *w, mr_source_item *out, mr_error *e)
{
    struct stat st;
    mr_listing *listing;
    if (stat(w->path, &st) || w->depth == DEPTH_MAX)
        return give(w, w->path, out, e);
    if (is_around(w, &st))
        return 0;
    int status = mr_listing_open(&listing, w->path, wanted, w, NULL);
    if (status == MR_ENOMEM)
        return mr_fail(e, status, "no memory for the names in %s", w->path);
    if (status)
        return give(w, w->path, out, e);
    status = add_level(w, &st, listing, e);
    if (status)
        mr_listing_close(listing);
    return status;
}

static int next_entry(mr_walk *w, mr_source_item *out, mr_error *e)
{
    level *l = &w->levels[w->depth - 1];
    const char *name;
    bool folder;
    int status = mr_listing_next(l->listing, &name, &folder, e);
    if (status == 0) {
        mr_listing_close(l->listing);
        w->depth--;
    }
    if (status <= 0)
        return status;
    status = set_path(w, l->length, name, e);
    if (status)
        return status;
    return folder ? enter(w, out, e) : give(w, w->path, out, e);
}

/* --- the source --------------------------------------------------------------------- */

static int next_listed(mr_walk *w, mr_source_item *out, mr_error *e)
{
    const char *path;
    int status = mr_path_list_next(w->list, &path, e);
    if (status == 1)
        return give(w, path, out, e);
    mr_path_list_free(w->list);
    w->list = NULL;
    return status;
}

static int next_root(mr_walk *w, mr_source_item *out, mr_error *e)
{
    const char *root = w->options.root[w->root++];
    struct stat st;
    if (!strcmp(root, "-"))
        return mr_path_list_create(&w->list, STDIN_FILENO, e);
    int status = set_path(w, 0, root, e);
    if (status)
        return status;
    return stat(root, &st) == 0 && S_ISDIR(st.st_mode) ? enter(w, out, e) : give(w, root, out, e);
}

static int next(void *context, mr_source_item *out, mr_error *e)
{
    mr_walk *w = context;
    int status = 0;
    while (!status && (w->list || w->depth || w->root < w->options.roots)) {
        if (w->list)
            status = next_listed(w, out, e);
        else if (w->depth)
            status = next_entry(w, out, e);
        else
            status = next_root(w, out, e);
    }
    return status;
}

int mr_walk_create(mr_walk **out, const mr_walk_options *options, mr_error *e)
{
    *out = NULL;
    for (int i = 0; i < options->roots; i++)
        if (strcmp(options->root[i], "-") && access(options->root[i], F_OK))
            return mr_fail_errno(e, errno, "cannot open %s", options->root[i]);
    mr_walk *w = calloc(1, sizeof *w);
    if (!w)
        return mr_fail(e, MR_ENOMEM, "no memory for a walk");
    w->options = *options;
    *out = w;
    return 0;
}

mr_source mr_walk_source(mr_walk *w)
{
    return (mr_source){.next = next, .release = release, .context = w};
}

void mr_walk_free(mr_walk *w)
{
    if (!w)
        return;
    while (w->depth)
        mr_listing_close(w->levels[--w->depth].listing);
    mr_path_list_free(w->list);
    free(w->levels);
    free(w->path);
    free(w);
}
