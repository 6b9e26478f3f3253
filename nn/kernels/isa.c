/* SPDX-License-Identifier: Apache-2.0 */
/* Which table the processor can run. Chosen once; the choice never changes what a given table computes. */
#include "nn/kernels/table.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static bool can_run(const struct mr_kernel_table *t)
{
#if defined __x86_64__
    if (t == &mr_table_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (t == &mr_table_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return t == &mr_table_portable;
}

static const struct mr_kernel_table *best(void)
{
    const char *asked = getenv("MILLRACE_ISA");
#if defined __x86_64__
    const struct mr_kernel_table *const tables[] = {&mr_table_avx512, &mr_table_avx2};
    if (asked && strcmp(asked, "amx") == 0) /* which is for mixed precision alone */
        asked = NULL;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        bool allowed = !asked || strcmp(asked, tables[i]->name) == 0;
        if (allowed && can_run(tables[i]))
            return tables[i];
        if (asked && allowed)
            asked = NULL; /* more than the processor has: the next best */
    }
#else
    (void)asked;
#endif
    return &mr_table_portable;
}

static const struct mr_kernel_table *_Atomic chosen;

const struct mr_kernel_table *mr_kernels(void)
{
    const struct mr_kernel_table *t = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!t) { /* several threads may come here at once: all of them find the same table */
        t = best();
        atomic_store_explicit(&chosen, t, memory_order_relaxed);
    }
    return t;
}

bool mr_kernels_use(const struct mr_kernel_table *table)
{
    if (table && !can_run(table))
        return false;
    atomic_store_explicit(&chosen, table ? table : best(), memory_order_relaxed);
    return true;
}
