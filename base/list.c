/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"

#include <stdlib.h>
#include <string.h>

bool mr_list_grow(void *array, size_t count, size_t size)
{
    if (count & (count - 1)) /* full at every power of two, and while it is empty */
        return true;
    void *old, *larger;
    memcpy(&old, array, sizeof old); /* the pointer's type is the caller's */
    larger = reallocarray(old, count ? 2 * count : 1, size);
    if (larger)
        memcpy(array, &larger, sizeof larger);
    return larger != NULL;
}

int mr_names_take(mr_names *names, char *name, mr_error *e)
{
    if (!name || !mr_list_grow(&names->name, names->count, sizeof *names->name)) {
        free(name);
        return mr_no_memory(e, "a list of names");
    }
    names->name[names->count++] = name;
    return 0;
}

int mr_names_add(mr_names *names, const char *name, mr_error *e)
{
    return mr_names_take(names, strdup(name), e);
}

ptrdiff_t mr_names_find(const mr_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (!strcmp(names->name[i], name))
            return (ptrdiff_t)i;
    return -1;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void mr_names_sort(mr_names *names)
{
    if (names->count)
        qsort(names->name, names->count, sizeof *names->name, by_bytes);
}

void mr_names_free(mr_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->name[i]);
    free(names->name);
    *names = (mr_names){0};
}
