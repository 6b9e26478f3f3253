/* SPDX-License-Identifier: Apache-2.0 */
/* Which table of float32 kernels the processor can run. Chosen once; the choice never changes what a given
 * table computes. */
#include "nn/kernels/isa.h"

#include "nn/kernels/table.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static int rank(const char *name)
{
    static const char *const sets[] = {"portable", "avx2", "avx512", "amx"};
    for (int i = 1; i < (int)(sizeof sets / sizeof *sets); i++)
        if (strcmp(name, sets[i]) == 0)
            return i;
    return 0;
}

bool mr_isa_allows(const char *name)
{
    const char *most = getenv("MILLRACE_ISA");
    return !most || rank(name) <= rank(most);
}

bool mr_isa_has_avx2(void)
{
#if defined __x86_64__
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

bool mr_isa_has_avx512(void)
{
#if defined __x86_64__
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

static bool can_run(const struct mr_kernel_table *t)
{
#if defined __x86_64__
    if (t == &mr_table_avx512)
        return mr_isa_has_avx512();
    if (t == &mr_table_avx2)
        return mr_isa_has_avx2();
#endif
    return t == &mr_table_portable;
}

static const struct mr_kernel_table *best(void)
{
#if defined __x86_64__
    const struct mr_kernel_table *const tables[] = {&mr_table_avx512, &mr_table_avx2};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (mr_isa_allows(tables[i]->name) && can_run(tables[i]))
            return tables[i];
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
