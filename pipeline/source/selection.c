/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/source/selection.h"

#include "io/files/folder.h"

#include <fnmatch.h>
#include <string.h>

static bool matches_any(const char *const *globs, int count, const char *name, const char *path)
{
    for (int i = 0; i < count; i++)
        if (fnmatch(globs[i], strchr(globs[i], '/') ? path : name, 0) == 0)
            return true;
    return false;
}

bool mr_selection_wants(const mr_selection *s, const char *name, const char *path, bool folder)
{
    if (name[0] == '.' || matches_any(s->exclude, s->excludes, name, path))
        return false;
    if (folder)
        return true;
    return s->includes ? matches_any(s->include, s->includes, name, path) : mr_is_image_name(name);
}
