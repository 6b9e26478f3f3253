/* SPDX-License-Identifier: Apache-2.0 */
/* Every object of a file once. H5Ovisit relies on the reference counts in object headers to know what it has
 * visited, so a file with wrong counts sends it round a circle of links, or down each of the 2^n ways through
 * n diamonds. Here each address is visited once, whatever the counts say. */
#include "io/hdf5/open_files.h"
#include "io/hdf5/parse_internal.h"

#include <stdlib.h>
#include <string.h>

struct tree {
    hid_t file;
    const mr_h5_index *index;
    mr_h5_walk visited; /* no more than its table of addresses */
    char path[MR_HDF5_MAX_NAME + 2];
    mr_hdf5_visitor visit;
    void *context;
    mr_error *e;
};

static H5I_type_t type_of(const mr_h5_object *o)
{
    return o->kind == MR_H5_GROUP ? H5I_GROUP : o->kind == MR_H5_DATASET ? H5I_DATASET : H5I_DATATYPE;
}

static int visit_object(struct tree *t, const mr_h5_object *o, size_t length);

/* What is in a group whose path has LENGTH bytes; no deeper than the longest path. */
static int visit_group(struct tree *t, const mr_h5_object *group, size_t length)
{
    int status = 0;
    if (length)
        t->path[length++] = '/';
    for (size_t i = 0; i < group->entries && !status; i++) {
        const mr_h5_entry *entry = &group->entry[i];
        size_t name = strlen(entry->name);
        if (entry->object == MR_H5_UNDEFINED)
            continue;
        if (length + name + 1 > MR_HDF5_MAX_NAME)
            return mr_fail(t->e, MR_ELIMIT, "the path of an object has more than %d bytes", MR_HDF5_MAX_NAME);
        memcpy(t->path + length, entry->name, name + 1);
        status = visit_object(t, mr_h5_index_object(t->index, entry->object), length + name);
    }
    return status;
}

static int visit_object(struct tree *t, const mr_h5_object *o, size_t length)
{
    mr_h5_visited *slot;
    bool before;
    if (!o || o->kind == MR_H5_NO_OBJECT)
        return mr_fail(t->e, MR_EFORMAT, "damaged HDF5 file: '%s' leads to no object", t->path);
    int status = mr_h5_mark_visited(&t->visited, o->address, &slot, &before);
    if (status || before)
        return status;
    hid_t id = H5Oopen_by_addr(t->file, o->address);
    if (id < 0)
        return mr_hdf5_fail(t->e, MR_EFORMAT, "cannot open '%s'", t->path);
    status = t->visit(t->context, id, type_of(o), length ? t->path : ".", t->e);
    mr_hdf5_release(id);
    return status || o->kind != MR_H5_GROUP ? status : visit_group(t, o, length);
}

int mr_hdf5_visit(hid_t file, mr_hdf5_visitor visit, void *context, mr_error *e)
{
    mr_h5_place root;
    int status = mr_h5_freeze(file, e);
    if (!status)
        status = mr_h5_locate(&root, file, e);
    if (status)
        return status;
    struct tree t = {.file = file,
                     .index = root.index,
                     .visited = {.what = "the file", .e = e},
                     .visit = visit,
                     .context = context,
                     .e = e};
    status = visit_object(&t, root.object, 0);
    free(t.visited.visited);
    mr_h5_unfreeze();
    return status;
}
