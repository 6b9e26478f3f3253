/* SPDX-License-Identifier: Apache-2.0 */
#include "io/files/folder_ids.h"

#include "base/text.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

typedef struct member {
    mr_folder_id id; /* first: a key is an id */
    int tag;
} member;

static int by_id(const void *a, const void *b)
{
    const mr_folder_id *x = a, *y = b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return (x->inode > y->inode) - (x->inode < y->inode);
}

bool mr_folder_is(mr_folder_id a, mr_folder_id b)
{
    return by_id(&a, &b) == 0;
}

int mr_folder_ids_add(mr_folder_ids *s, mr_folder_id id, int *tag, mr_error *e)
{
    member *own = malloc(sizeof *own);
    if (!own)
        return mr_no_memory(e, "the folders");
    *own = (member){id, *tag};
    member **found = tsearch(own, &s->tree, by_id);
    bool added = found && *found == own;
    if (!added)
        free(own);
    if (!found)
        return mr_no_memory(e, "the folders");
    *tag = (*found)->tag;
    return added;
}

bool mr_folder_ids_has(const mr_folder_ids *s, mr_folder_id id)
{
    return tfind(&id, &s->tree, by_id) != NULL;
}

/* The folder PATH, which is taken over, the one around it, and so on: ".." goes by what a folder is, not by
 * its name, and the root is around itself. */
static int add_chain(mr_folder_ids *s, mr_text *path, mr_error *e)
{
    struct stat st;
    mr_folder_id before = {0};
    int status = 0, tag = 0;
    while (status >= 0 && !path->failed && stat(mr_text_string(path), &st) == 0 &&
           !mr_folder_is(before, mr_folder_id_of(&st))) {
        before = mr_folder_id_of(&st);
        status = mr_folder_ids_add(s, before, &tag, e);
        mr_text_append(path, "/..");
    }
    if (status >= 0)
        status = mr_text_check(path, "a path", e);
    mr_text_destroy(path);
    return status < 0 ? status : 0;
}

int mr_folder_ids_add_above(mr_folder_ids *s, const char *path, mr_error *e)
{
    mr_text real = {0}, named = {0};
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    mr_text_append_bytes(&real, path, n);
    mr_text_append(&real, "/..");
    while (n > 0 && path[n - 1] != '/')
        n--;
    mr_text_append_bytes(&named, path, n);
    mr_text_append(&named, ".");
    int status = add_chain(s, &real, e), other = add_chain(s, &named, e);
    return status ? status : other;
}

void mr_folder_ids_free(mr_folder_ids *s)
{
    tdestroy(s->tree, free);
    s->tree = NULL;
}
