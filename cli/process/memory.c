/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/process/memory.h"

#include "base/cgroup.h"
#include "nn/compute/gemm.h"
#include "pipeline/ranks/ranks.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static mr_cgroup_memory cgroup; /* that bounds this process; limit 0: none does */

/* What counts for RLIMIT_DATA: private memory that can be written, touched or not. */
static rlim_t data_now(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "VmData:", 7))
            kib = strtoull(line + 7, NULL, 10);
    if (f)
        fclose(f);
    return (rlim_t)kib << 10;
}

/* The ranks of this machine most often share one cgroup. */
static unsigned sharers(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"};
    for (int i = 0; i < 2; i++) {
        const char *text = getenv(names[i]);
        unsigned long n = text ? strtoul(text, NULL, 10) : 0;
        if (n > 0 && n < 1 << 16)
            return (unsigned)n;
    }
    return (unsigned)mr_ranks_launched();
}

/* A thread's stack counts whole, and little of it is ever touched: 8 MiB each (the default) would be most of
 * a small limit. The deepest stacks here are those of libhdf5. */
static void make_stacks_small(void)
{
    pthread_attr_t attributes;
    size_t size = 0;
    if (pthread_attr_init(&attributes))
        return;
    if (!pthread_getattr_default_np(&attributes) && !pthread_attr_getstacksize(&attributes, &size) &&
        size > 2 << 20 && !pthread_attr_setstacksize(&attributes, 2 << 20))
        pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
}

static bool is_limited(int resource)
{
    struct rlimit bound;
    return !getrlimit(resource, &bound) && bound.rlim_cur != RLIM_INFINITY;
}

/* OpenBLAS starts threads of its own when it is loaded, which are never given work here. Each takes 128 MiB
 * of address space, and waits for it for ever where there is a limit: the process could not even end. Only
 * its environment keeps it from that. */
static void restart_without_blas_threads(char **argv)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (getenv("OPENBLAS_NUM_THREADS") || n <= 0 || setenv("OPENBLAS_NUM_THREADS", "1", 1))
        return;
    path[n] = 0;
    execv(path, argv);
}

/* A sixteenth is for what the kernel counts besides: tables of pages, rings, sockets. */
static void bound_data(void)
{
    uint64_t part = cgroup.left / sharers();
    struct rlimit bound;
    if (getrlimit(RLIMIT_DATA, &bound))
        return;
    rlim_t most = data_now() + (rlim_t)(part - part / 16);
    if (bound.rlim_cur <= most) {
        cgroup.limit = 0; /* another limit is reached first */
        return;
    }
    bound.rlim_cur = most;
    if (!setrlimit(RLIMIT_DATA, &bound))
        make_stacks_small();
}

int mr_cli_bound_memory(char **argv, int threads, mr_error *e)
{
#ifdef MR_SANITIZED /* their shadows are terabytes */
    return (void)argv, (void)threads, (void)e, 0;
#endif
    mr_cgroup_memory_left(&cgroup, NULL, NULL);
    if (!cgroup.limit && !is_limited(RLIMIT_AS) && !is_limited(RLIMIT_DATA))
        return 0;
    restart_without_blas_threads(argv);
    int status = mr_gemm_reserve(threads, e);
    if (!status && cgroup.limit)
        bound_data();
    return status;
}

const char *mr_cli_memory_note(char text[MR_MEMORY_NOTE], const mr_error *e)
{
    *text = 0;
    if (e->code == MR_ENOMEM && cgroup.limit)
        snprintf(text, MR_MEMORY_NOTE, " (%s allows %llu MiB, %llu of them were left)", cgroup.file,
                 (unsigned long long)cgroup.limit >> 20, (unsigned long long)cgroup.left >> 20);
    return text;
}
