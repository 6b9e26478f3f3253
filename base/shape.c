/* SPDX-License-Identifier: Apache-2.0 */
#include "base/shape.h"

#include <stdio.h>
#include <string.h>

bool mr_shape_equal(const mr_shape *a, const mr_shape *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0;
}

int mr_shape_check(const mr_shape *s, int first, size_t limit, const char *what, mr_error *e)
{
    size_t product = 1;
    char text[128];
    for (int i = first; i < s->rank; i++) {
        if (s->dim[i] < 1)
            return mr_fail(e, MR_EINVAL, "%s: shape %s has no elements", what,
                           mr_shape_text(s, first > 0, text, sizeof text));
        if ((uint64_t)s->dim[i] > limit / product)
            return mr_fail(e, MR_ELIMIT, "%s: shape %s is over the limit of %zu elements", what,
                           mr_shape_text(s, first > 0, text, sizeof text), limit);
        product *= (size_t)s->dim[i];
    }
    return 0;
}

const char *mr_shape_text(const mr_shape *s, bool first_none, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "(");
    for (int i = 0; i < s->rank && used < size; i++) {
        if (i == 0 && first_none)
            used += (size_t)snprintf(text + used, size - used, "None");
        else
            used += (size_t)snprintf(text + used, size - used, "%lld", (long long)s->dim[i]);
        if (used < size && (i + 1 < s->rank || s->rank == 1))
            used += (size_t)snprintf(text + used, size - used, i + 1 < s->rank ? ", " : ",");
    }
    if (used < size)
        snprintf(text + used, size - used, ")");
    return text;
}
