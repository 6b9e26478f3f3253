/* SPDX-License-Identifier: Apache-2.0 */
/* Which table the processor, and the operating system, let this process run. */
#include "nn/kernels/isa.h"
#include "nn/kernels/mixed_table.h"

#include <stdatomic.h>
#include <stddef.h>

#if defined __x86_64__
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux gives the 8 KiB of tile registers to processes that ask for them (arch/x86/include/uapi/asm/prctl.h).
 * The permission is the process's: threads that are there already have it too. */
static bool may_use_tiles(void)
{
#if defined __linux__ && defined SYS_arch_prctl
    enum { REQUEST_COMPONENT = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_COMPONENT, TILE_DATA) == 0;
#else
    return false;
#endif
}

static bool has_avx512_bf16(void)
{
    unsigned a, b, c, d;
    return mr_isa_has_avx512() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 5 & 1;
}

static bool has_amx_bf16(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && d >> 22 & 1 && d >> 24 & 1;
}
#endif

static bool can_run(const struct mr_mixed_table *t)
{
#if defined __x86_64__
    if (t == &mr_mixed_amx)
        return has_avx512_bf16() && has_amx_bf16() && may_use_tiles();
    if (t == &mr_mixed_avx512)
        return has_avx512_bf16();
    if (t == &mr_mixed_avx2)
        return mr_isa_has_avx2();
#endif
    return t == &mr_mixed_portable;
}

static const struct mr_mixed_table *best(void)
{
#if defined __x86_64__
    const struct mr_mixed_table *const tables[] = {&mr_mixed_amx, &mr_mixed_avx512, &mr_mixed_avx2};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (mr_isa_allows(tables[i]->name) && can_run(tables[i]))
            return tables[i];
#endif
    return &mr_mixed_portable;
}

static const struct mr_mixed_table *_Atomic chosen;

const struct mr_mixed_table *mr_mixed_kernels(void)
{
    const struct mr_mixed_table *t = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!t) { /* several threads may come here at once: all of them find the same table */
        t = best();
        atomic_store_explicit(&chosen, t, memory_order_relaxed);
    }
    return t;
}

bool mr_mixed_kernels_use(const struct mr_mixed_table *table)
{
    if (table && !can_run(table))
        return false;
    atomic_store_explicit(&chosen, table ? table : best(), memory_order_relaxed);
    return true;
}
