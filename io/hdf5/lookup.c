/* SPDX-License-Identifier: Apache-2.0 */
/* Reading from the index: objects by address and path, the strings of attributes. */
#include "io/hdf5/parse_internal.h"

#include <stdlib.h>
#include <string.h>

enum { SOFT_LINKS = 16 }; /* on the way to one object, as libhdf5 has it */

uint64_t mr_h5_index_size(const mr_h5_index *x)
{
    return x->size;
}

const mr_h5_object *mr_h5_index_object(const mr_h5_index *x, uint64_t address)
{
    return mr_h5_visited_slot(x->visited, x->visited_capacity, address)->object;
}

void mr_h5_index_reopen(mr_h5_index *x, int fd)
{
    mr_h5_forget_global_heap(x);
    x->fd = fd;
}

/* --- paths --- */

struct search {
    const mr_h5_index *index;
    int links; /* soft links that were followed */
};

struct name {
    const char *at;
    size_t length;
};

static int compare_name(const void *key, const void *entry)
{
    const struct name *n = key;
    const char *other = ((const mr_h5_entry *)entry)->name;
    int order = strncmp(n->at, other, n->length);
    return order ? order : -(other[n->length] != '\0');
}

static const mr_h5_object *find(struct search *s, const mr_h5_object *from, const char *path);

static const mr_h5_object *follow(struct search *s, const mr_h5_object *group, const mr_h5_entry *entry)
{
    if (!entry->target)
        return entry->object == MR_H5_UNDEFINED ? NULL : mr_h5_index_object(s->index, entry->object);
    return s->links++ < SOFT_LINKS ? find(s, group, entry->target) : NULL;
}

static const mr_h5_object *find(struct search *s, const mr_h5_object *from, const char *path)
{
    const mr_h5_object *o = *path == '/' ? mr_h5_index_object(s->index, s->index->root) : from;
    for (path += strspn(path, "/"); *path && o; path += strspn(path, "/")) {
        struct name name = {path, strcspn(path, "/")};
        path += name.length;
        if (name.length == 1 && *name.at == '.')
            continue;
        const mr_h5_entry *entry =
            o->entries ? bsearch(&name, o->entry, o->entries, sizeof *o->entry, compare_name) : NULL;
        o = entry ? follow(s, o, entry) : NULL;
    }
    return o;
}

const mr_h5_object *mr_h5_index_find(const mr_h5_index *x, const mr_h5_object *from, const char *path)
{
    return find(&(struct search){.index = x}, from, path);
}

/* --- strings --- */

/* Padded with NUL, ended by NUL, or padded with blanks. */
static int add_fixed(mr_names *out, const mr_h5_attribute *a, mr_error *e)
{
    int status = 0;
    for (uint64_t i = 0; i < a->count && !status; i++) {
        const char *text = (const char *)a->value + i * a->type.size;
        size_t n = strnlen(text, a->type.size);
        while (a->type.space_padded && n && text[n - 1] == ' ')
            n--;
        status = mr_names_take(out, strndup(text, n), e);
    }
    return status;
}

/* Each string may be referred to any number of times: no more than the file's size of them is copied. */
static int add_variable(mr_names *out, mr_h5_index *x, const mr_h5_attribute *a, mr_error *e)
{
    mr_h5_cursor c = mr_h5_cursor_at(a->value, (size_t)(a->count * a->type.size));
    uint64_t left = x->size;
    int status = 0;
    x->e = e;
    x->reread = MR_H5_REREAD(x->size);
    for (uint64_t i = 0; i < a->count && !status; i++) {
        uint64_t length = mr_h5_get(&c, 4), address = mr_h5_get(&c, 8), object = mr_h5_get(&c, 4);
        const uint8_t *text = (const uint8_t *)"";
        if (length > left)
            return mr_h5_damaged(x, address, "more strings than the file holds");
        left -= length;
        if (length)
            status = mr_h5_global_heap_object(x, address, (uint32_t)object, length, &text);
        if (!status)
            status = mr_names_take(out, strndup((const char *)text, length), e);
    }
    return status;
}

int mr_h5_index_strings(mr_names *out, mr_h5_index *x, const mr_h5_attribute *a, mr_error *e)
{
    return a->type.variable_string ? add_variable(out, x, a, e) : add_fixed(out, a, e);
}
