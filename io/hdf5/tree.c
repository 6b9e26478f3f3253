/* SPDX-License-Identifier: Apache-2.0 */
/* Every object of a file once. H5Ovisit goes by the reference counts in object headers to know what it has
 * met before, so a file with wrong counts sends it round a circle of links, or down each of the 2^n ways
 * through n diamonds. Here each address is visited once, whatever the counts say. */
#include "io/hdf5/hdf5.h"

#include "base/list.h"
#include "io/hdf5/parse_internal.h"

#include <stdlib.h>
#include <string.h>

#if H5_VERSION_GE(1, 12, 0)
typedef H5L_info1_t link_info;
#define iterate_links H5Literate1
#else
typedef H5L_info_t link_info;
#define iterate_links H5Literate
#endif

struct link {
    char *name;
    haddr_t address; /* of the object that a hard link leads to */
};

/* A group being listed. */
struct level {
    struct link *link;
    size_t count, next;
    size_t path; /* length of the path of what lies in it, without the name */
};

struct tree {
    hid_t file;
    mr_h5_walk met; /* no more than its table of addresses */
    struct level *level;
    size_t depth;
    char path[MR_HDF5_MAX_NAME + 1];
    mr_hdf5_visitor visit;
    void *context;
    mr_error *e;
    int status;
};

/* --- listing a group --- */

static int no_memory(mr_error *e)
{
    return mr_no_memory(e, "the list of what is in the file");
}

static int add_link(struct tree *t, const char *name, haddr_t address)
{
    struct level *v = &t->level[t->depth - 1];
    if (!mr_list_grow(&v->link, v->count, sizeof *v->link))
        return no_memory(t->e);
    v->link[v->count] = (struct link){strdup(name), address};
    return v->link[v->count].name ? (v->count++, 0) : no_memory(t->e);
}

/* Links into other files and soft links are no objects of their own. */
static herr_t on_link(hid_t group, const char *name, const link_info *info, void *context)
{
    struct tree *t = context;
    (void)group;
    if (info->type == H5L_TYPE_HARD)
        t->status = add_link(t, name, info->u.address);
    return t->status ? -1 : 0;
}

static int open_level(struct tree *t, hid_t group, size_t path)
{
    struct level *larger = t->depth & (t->depth - 1)
                               ? t->level
                               : reallocarray(t->level, t->depth ? 2 * t->depth : 1, sizeof *larger);
    if (!larger)
        return no_memory(t->e);
    t->level = larger;
    t->level[t->depth++] = (struct level){.path = path};
    if (iterate_links(group, H5_INDEX_NAME, H5_ITER_INC, NULL, on_link, t) < 0 && !t->status)
        t->status = mr_hdf5_fail(t->e, MR_EFORMAT, "cannot list group '%s'", path ? t->path : "/");
    return t->status;
}

static void close_level(struct tree *t)
{
    struct level *v = &t->level[--t->depth];
    for (size_t i = 0; i < v->count; i++)
        free(v->link[i].name);
    free(v->link);
}

/* --- objects --- */

/* What LINK of the innermost level leads to. */
static int visit_link(struct tree *t, const struct link *link)
{
    size_t at = t->level[t->depth - 1].path, length = strlen(link->name);
    mr_h5_visited *seen;
    bool before;
    int status = mr_h5_mark_visited(&t->met, link->address, &seen, &before);
    if (status || before)
        return status;
    if (at + length + 1 > MR_HDF5_MAX_NAME)
        return mr_fail(t->e, MR_ELIMIT, "the path of an object has more than %d bytes", MR_HDF5_MAX_NAME);
    memcpy(t->path + at, link->name, length + 1);
    hid_t object = H5Oopen_by_addr(t->file, link->address);
    if (object < 0)
        return mr_hdf5_fail(t->e, MR_EFORMAT, "cannot open '%s'", t->path);
    H5I_type_t type = H5Iget_type(object);
    status = t->visit(t->context, object, type, t->path, t->e);
    if (!status && type == H5I_GROUP) {
        memcpy(t->path + at + length, "/", 2);
        status = open_level(t, object, at + length + 1);
    }
    mr_hdf5_release(object);
    return status;
}

static int visit_root(struct tree *t)
{
    H5O_info_t info;
    mr_h5_visited *seen;
    bool before;
    hid_t root = H5Gopen2(t->file, "/", H5P_DEFAULT);
    if (root < 0 || H5Oget_info2(root, &info, H5O_INFO_BASIC) < 0) {
        mr_hdf5_release(root);
        return mr_hdf5_fail(t->e, MR_EFORMAT, "cannot list what is in the file");
    }
    int status = mr_h5_mark_visited(&t->met, info.addr, &seen, &before);
    if (!status)
        status = t->visit(t->context, root, H5I_GROUP, ".", t->e);
    if (!status)
        status = open_level(t, root, 0);
    mr_hdf5_release(root);
    return status;
}

int mr_hdf5_visit(hid_t file, mr_hdf5_visitor visit, void *context, mr_error *e)
{
    struct tree t = {
        .file = file, .met = {.what = "the file", .e = e}, .visit = visit, .context = context, .e = e};
    int status = visit_root(&t);
    while (!status && t.depth) {
        struct level *v = &t.level[t.depth - 1];
        if (v->next < v->count)
            status = visit_link(&t, &v->link[v->next++]);
        else
            close_level(&t);
    }
    while (t.depth)
        close_level(&t);
    free(t.level);
    free(t.met.visited);
    return status;
}
