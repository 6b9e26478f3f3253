/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include <stdlib.h>
#include <string.h>

const char *mr_file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *mr_folder_of(const char *path)
{
    size_t length = (size_t)(mr_file_name(path) - path);
    return length ? strndup(path, length) : strdup("./");
}

bool mr_same_stat(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool mr_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && mr_same_stat(&x, &y);
}

bool mr_same_entry(const char *a, const char *b)
{
    if (strcmp(mr_file_name(a), mr_file_name(b)) != 0)
        return false;
    char *x = mr_folder_of(a), *y = mr_folder_of(b);
    bool same = x && y && mr_same_file(x, y);
    free(x);
    free(y);
    return same;
}
