/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/kernels/mixed_internal.h"

enum { PIECE = 16 << 10 }; /* numbers of a task */

struct pass {
    const mr_mixed_gradient *g;
    size_t c;
    mr_numbers out;
};

static void materialise(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct pass *p = argument;
    ptrdiff_t at = (ptrdiff_t)(first * p->c);
    mr_mixed_gradient rows = *p->g;
    rows.dy = mr_numbers_at(rows.dy, at);
    rows.x = mr_numbers_at(rows.x, at);
    rows.add = mr_numbers_at(rows.add, at);
    rows.store.at = NULL;
    mr_mixed_kernels()->load_gradient(&rows, end - first, p->c, mr_numbers_at(p->out, at));
}

void mr_mixed_materialise_gradient(mr_team *team, const mr_mixed_gradient *g, size_t rows, size_t c,
                                   mr_numbers out)
{
    struct pass p = {g, c, out};
    mr_team_ranges(team, rows, PIECE / c + 1, materialise, &p);
}
