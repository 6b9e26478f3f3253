/* SPDX-License-Identifier: Apache-2.0 */
/* Which tables of kernels the processor can run. Chosen once; the choice never changes what a given table
 * computes. */
#include "nn/kernels/isa.h"

#include "nn/kernels/table.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined __x86_64__
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

bool mr_isa_has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool mr_isa_has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool mr_isa_has_avx512_bf16(void)
{
    unsigned a, b, c, d;
    return mr_isa_has_avx512() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 5 & 1;
}

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

bool mr_isa_has_amx_bf16(void)
{
    unsigned a, b, c, d;
    return mr_isa_has_avx512_bf16() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && d >> 22 & 1 &&
           d >> 24 & 1 && may_use_tiles();
}
#endif

static int rank(const char *name)
{
    static const char *const sets[] = {"portable", "avx2", "avx512", "amx"};
    for (int i = 1; i < (int)(sizeof sets / sizeof *sets); i++)
        if (strcmp(name, sets[i]) == 0)
            return i;
    return 0;
}

/* MILLRACE_ISA names the most that may be used; a name that is none of these leaves the portable kernels. */
static bool is_allowed(const struct mr_isa *table)
{
    const char *most = getenv("MILLRACE_ISA");
    return !most || rank(table->name) <= rank(most);
}

static bool can_run(const struct mr_isa *table)
{
    return !table->runs || table->runs();
}

/* Tables of one kind, the best first. The last one runs everywhere. */
struct choice {
    const struct mr_isa *const *tables;
    const struct mr_isa *_Atomic chosen;
};

static const struct mr_isa *best_of(const struct choice *c)
{
    const struct mr_isa *const *t = c->tables;
    while ((*t)->runs && !(is_allowed(*t) && can_run(*t)))
        t++;
    return *t;
}

static const void *chosen_of(struct choice *c)
{
    const struct mr_isa *t = atomic_load_explicit(&c->chosen, memory_order_relaxed);
    if (!t) { /* several threads may come here at once: all of them find the same table */
        t = best_of(c);
        atomic_store_explicit(&c->chosen, t, memory_order_relaxed);
    }
    return t;
}

static bool use(struct choice *c, const struct mr_isa *table)
{
    if (table && !can_run(table))
        return false;
    atomic_store_explicit(&c->chosen, table ? table : best_of(c), memory_order_relaxed);
    return true;
}

static const struct mr_isa *const kernel_tables[] = {
#if defined __x86_64__
    &mr_table_avx512.isa, &mr_table_avx2.isa,
#endif
    &mr_table_portable.isa};
static const struct mr_isa *const mixed_tables[] = {
#if defined __x86_64__
    &mr_mixed_amx.isa, &mr_mixed_avx512.isa, &mr_mixed_avx2.isa,
#endif
    &mr_mixed_portable.isa};
static struct choice kernels = {.tables = kernel_tables}, mixed_kernels = {.tables = mixed_tables};

const struct mr_kernel_table *mr_kernels(void)
{
    return chosen_of(&kernels);
}

const struct mr_mixed_table *mr_mixed_kernels(void)
{
    return chosen_of(&mixed_kernels);
}

bool mr_kernels_use(const struct mr_kernel_table *table)
{
    return use(&kernels, table ? &table->isa : NULL);
}

bool mr_mixed_kernels_use(const struct mr_mixed_table *table)
{
    return use(&mixed_kernels, table ? &table->isa : NULL);
}
