/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/source/walk.h"

#include "base/list.h"
#include "io/files/folder.h"
#include "io/files/listing.h"
#include "io/files/path_list.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TURN = 100 };       /* milliseconds in which a wait for a list looks whether to stop */
enum { DEPTH_MAX = 2048 }; /* folders within one another; the longest path that Linux opens holds as many */

typedef struct level { /* a folder that the walk is in */
    mr_listing *listing;
    size_t length; /* of its path, in walk.path */
    mr_folder_id id;
} level;

struct mr_walk { /* the thread that calls next() owns all of it */
    mr_walk_options options;
    int root; /* the next one */
    mr_path_list *list;
    level *levels; /* [depth], the innermost last */
    size_t depth;
    mr_folder_id avoid;   /* zero: none */
    mr_folder_ids linked; /* folders entered through a link */
    mr_folder_ids above;  /* those around the root */
    mr_endings passed;    /* files that no one asked for */
    char *path;           /* of the folder or file in hand */
    size_t path_capacity, root_length;
    mr_text below; /* an entry's path below the root */
    uint64_t items;
    mr_error failure; /* of the item given out last */
};

static int no_memory(mr_error *e)
{
    return mr_no_memory(e, "walk through the folders");
}

/* --- paths ------------------------------------------------------------------------ */

/* w->path = its first LENGTH bytes, a slash where one is missing, NAME. */
static bool set_path(mr_walk *w, size_t length, const char *name)
{
    size_t n = strlen(name);
    if (length + n + 2 > w->path_capacity) {
        size_t capacity = 2 * (length + n + 2);
        char *grown = realloc(w->path, capacity);
        if (!grown)
            return false;
        w->path = grown;
        w->path_capacity = capacity;
    }
    if (length && w->path[length - 1] != '/')
        w->path[length++] = '/';
    memcpy(w->path + length, name, n + 1);
    return true;
}

/* Gives PATH out as a sample. The copy is freed by release(), when the batch that holds it has been used. */
static int give(mr_walk *w, const char *path, mr_source_item *out, mr_error *e)
{
    char *copy = strdup(path);
    if (!copy)
        return no_memory(e);
    *out = (mr_source_item){.path = copy, .label = -1, .id = w->items++};
    return 1;
}

/* A folder of which w->failure says why it cannot be listed: the hole is to be seen in the output. */
static int give_failure(mr_walk *w, mr_source_item *out, mr_error *e)
{
    int status = give(w, w->path, out, e);
    if (status == 1)
        out->failure = &w->failure;
    return status;
}

static void release(void *context, const char *path)
{
    (void)context;
    free((char *)path);
}

/* --- folders ---------------------------------------------------------------------- */

/* An entry of the folder w->path. */
static int wanted(void *context, const char *name, bool folder, mr_error *e)
{
    mr_walk *w = context;
    mr_text_clear(&w->below);
    mr_text_append(&w->below, w->path + w->root_length);
    mr_text_append_char(&w->below, '/');
    mr_text_append(&w->below, name);
    int status = mr_text_check(&w->below, "a path", e);
    const char *path = mr_text_string(&w->below);
    if (status)
        return status;
    bool wants = mr_selection_wants(&w->options.selection, name, path + strspn(path, "/"), folder);
    if (!wants && !folder && name[0] != '.')
        mr_endings_add(&w->passed, name);
    return wants;
}

/* 1: the folder w->path, of ST, is to be entered. 0: it was, or is around us. */
static int may_enter(mr_walk *w, const struct stat *st, mr_error *e)
{
    mr_folder_id id = mr_folder_id_of(st);
    struct stat link;
    int tag = 0;
    if (mr_folder_is(w->avoid, id) || (w->depth && mr_folder_ids_has(&w->above, id)))
        return 0;
    for (size_t i = 0; i < w->depth; i++)
        if (mr_folder_is(w->levels[i].id, id))
            return 0;
    bool linked = w->depth && lstat(w->path, &link) == 0 && S_ISLNK(link.st_mode);
    return linked ? mr_folder_ids_add(&w->linked, id, &tag, e) : 1;
}

static int add_level(mr_walk *w, const struct stat *st, mr_listing *listing, mr_error *e)
{
    if (!mr_list_grow(&w->levels, w->depth, sizeof *w->levels))
        return no_memory(e);
    w->levels[w->depth++] = (level){listing, strlen(w->path), mr_folder_id_of(st)};
    return 0;
}

/* Enters the folder w->path, or gives it out as one that cannot be entered. */
static int enter(mr_walk *w, mr_source_item *out, mr_error *e)
{
    struct stat st;
    mr_listing *listing;
    mr_error_clear(&w->failure);
    if (stat(w->path, &st)) {
        mr_fail_errno(&w->failure, errno, "the folder cannot be opened");
        return give_failure(w, out, e);
    }
    int status = may_enter(w, &st, e);
    if (status < 1)
        return status;
    if (w->depth == DEPTH_MAX) {
        mr_fail(&w->failure, MR_ELIMIT, "over %d folders within one another", DEPTH_MAX);
        return give_failure(w, out, e);
    }
    if (mr_listing_open(&listing, w->path, wanted, w, w->options.names_in_memory, &w->failure))
        return w->failure.code == MR_ENOMEM ? mr_fail_as(e, &w->failure) : give_failure(w, out, e);
    status = add_level(w, &st, listing, e);
    if (status)
        mr_listing_close(listing);
    return status;
}

static void leave(mr_walk *w)
{
    mr_listing_close(w->levels[--w->depth].listing);
}

static int next_entry(mr_walk *w, mr_source_item *out, mr_error *e)
{
    level *l = &w->levels[w->depth - 1];
    const char *name;
    bool folder;
    mr_error_clear(&w->failure);
    int status = mr_listing_next(l->listing, &name, &folder, &w->failure);
    if (status < 1) {
        w->path[l->length] = '\0';
        leave(w);
        return status ? give_failure(w, out, e) : 0;
    }
    if (!set_path(w, l->length, name))
        return no_memory(e);
    return folder ? enter(w, out, e) : give(w, w->path, out, e);
}

/* --- the source --------------------------------------------------------------------- */

static int next_listed(mr_walk *w, mr_source_item *out, mr_error *e)
{
    const char *path;
    if (!mr_path_list_ready(w->list, TURN))
        return 0; /* next() looks whether to stop, and comes again */
    int status = mr_path_list_next(w->list, &path, e);
    if (status == 1)
        return *path ? give(w, path, out, e) : 0; /* an empty name is passed over, next() comes again */
    mr_path_list_free(w->list);
    w->list = NULL;
    return status;
}

static int next_root(mr_walk *w, mr_source_item *out, mr_error *e)
{
    const char *root = w->options.root[w->root++];
    struct stat st;
    if (!strcmp(root, "-"))
        return mr_path_list_create(&w->list, STDIN_FILENO, w->options.nul_ended, e);
    if (!set_path(w, 0, root))
        return no_memory(e);
    w->root_length = strlen(root);
    if (stat(root, &st) != 0 || !S_ISDIR(st.st_mode))
        return give(w, root, out, e);
    mr_folder_ids_free(&w->above);
    int status = mr_folder_ids_add_above(&w->above, root, e);
    return status ? status : enter(w, out, e);
}

static bool stopped(const mr_walk *w)
{
    return w->options.stop && w->options.stop(w->options.context);
}

static int next(void *context, mr_source_item *out, mr_error *e)
{
    mr_walk *w = context;
    int status = 0;
    while (!status && !stopped(w) && (w->list || w->depth || w->root < w->options.roots)) {
        if (w->list)
            status = next_listed(w, out, e);
        else if (w->depth)
            status = next_entry(w, out, e);
        else
            status = next_root(w, out, e);
    }
    return status;
}

/* Folders are listed at once; a list may come slowly. */
static bool ready(void *context, int milliseconds)
{
    mr_walk *w = context;
    return !w->list || stopped(w) || mr_path_list_ready(w->list, milliseconds);
}

int mr_walk_create(mr_walk **out, const mr_walk_options *options, mr_error *e)
{
    *out = NULL;
    for (int i = 0; i < options->roots; i++)
        if (strcmp(options->root[i], "-") && access(options->root[i], F_OK))
            return mr_fail_errno(e, errno, "cannot open %s", options->root[i]);
    mr_walk *w = calloc(1, sizeof *w);
    if (!w)
        return no_memory(e);
    w->options = *options;
    struct stat avoid;
    if (options->avoid && stat(options->avoid, &avoid) == 0)
        w->avoid = mr_folder_id_of(&avoid);
    *out = w;
    return 0;
}

mr_source mr_walk_source(mr_walk *w)
{
    return (mr_source){.next = next, .ready = ready, .release = release, .context = w};
}

const mr_endings *mr_walk_passed_over(const mr_walk *w)
{
    return &w->passed;
}

void mr_walk_free(mr_walk *w)
{
    if (!w)
        return;
    while (w->depth)
        leave(w);
    mr_path_list_free(w->list);
    mr_folder_ids_free(&w->linked);
    mr_folder_ids_free(&w->above);
    free(w->levels);
    free(w->path);
    mr_text_destroy(&w->below);
    free(w);
}
