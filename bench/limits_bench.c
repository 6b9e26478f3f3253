/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine can do: the limits that every other figure is to be read against.
 *   limits_bench [THREADS]
 * GFLOP/s of float32 multiply-adds in registers, of OpenBLAS's sgemm and of bf16 AMX tiles; GB/s of a copy
 * that no cache holds (read + written). Each is the best of a few short rounds: a limit is what was reached
 * once. */
#include <cblas.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined __x86_64__
#include <immintrin.h>
#endif

enum { ROUNDS = 5, MOST_THREADS = 256, SIDE = 1024, COPY = 64 << 20 };

/* A way to keep one thread busy for a while; what it did, in units of 1e9. */
typedef struct limit {
    const char *name, *unit;
    double (*work)(void *memory);
    int (*present)(void);
} limit;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int always(void)
{
    return 1;
}

static double copy(void *memory)
{
    memcpy(memory, (char *)memory + COPY / 2, COPY / 2);
    return COPY / 1e9;
}

static double sgemm(void *memory)
{
    float *a = memory, *b = a + SIDE * SIDE, *c = b + SIDE * SIDE;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIDE, SIDE, SIDE, 1, a, SIDE, b, SIDE, 0, c, SIDE);
    return 2.0 * SIDE * SIDE * SIDE / 1e9;
}

#if defined __x86_64__
enum { TURNS = 1 << 22 };

static int has_avx512(void)
{
    return __builtin_cpu_supports("avx512f");
}

__attribute__((target("avx512f"))) static double multiply_add(void *memory)
{
    __m512 sum[16], a = _mm512_set1_ps(1e-3f), b = _mm512_set1_ps(.5f);
    for (int i = 0; i < 16; i++)
        sum[i] = _mm512_set1_ps((float)i);
    for (int k = 0; k < TURNS; k++) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            sum[i] = _mm512_fmadd_ps(sum[i], a, b);
    }
    for (int i = 0; i < 16; i++)
        _mm512_storeu_ps((float *)memory + 16 * i, sum[i]);
    return 2.0 * 16 * 16 * TURNS / 1e9;
}

/* The kernel hands out tiles only to who asks for them (arch_prctl ARCH_REQ_XCOMP_PERM, component 18). */
static int has_amx(void)
{
    enum { REQUEST = 0x1023, TILE_DATA = 18 };
    unsigned a = 7, b, c = 0, d;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (d >> 22 & 1) && (d >> 24 & 1) && syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}

__attribute__((target("amx-tile,amx-bf16"))) static double tiles(void *memory)
{
    static const struct {
        unsigned char palette, start, reserved[14];
        unsigned short bytes[16];
        unsigned char rows[16];
    } shape = {
        .palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&shape);
    _tile_loadd(4, memory, 64);
    _tile_loadd(5, (char *)memory + 1024, 64);
    _tile_loadd(6, (char *)memory + 2048, 64);
    _tile_loadd(7, (char *)memory + 3072, 64);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int k = 0; k < TURNS / 2; k++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
    return 2.0 * 4 * 16 * 16 * 32 * (TURNS / 2) / 1e9;
}
#endif

static const limit limits[] = {
#if defined __x86_64__
    {"AVX-512 multiply-add, float32", "GFLOP/s", multiply_add, has_avx512},
    {"AMX tiles, bf16", "GFLOP/s", tiles, has_amx},
#endif
    {"OpenBLAS sgemm 1024", "GFLOP/s", sgemm, always},
    {"copy, read + written", "GB/s", copy, always},
};

struct job {
    const limit *l;
    void *memory;
    double done;
    pthread_barrier_t *begin;
};

static void *run(void *argument)
{
    struct job *j = argument;
    pthread_barrier_wait(j->begin);
    j->done = j->l->work(j->memory);
    return NULL;
}

/* Of THREADS threads together, each in its own memory. */
static double rate(const limit *l, int threads, void **memory)
{
    struct job job[MOST_THREADS];
    pthread_t thread[MOST_THREADS];
    pthread_barrier_t begin;
    double done = 0;
    pthread_barrier_init(&begin, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        job[i] = (struct job){.l = l, .memory = memory[i], .begin = &begin};
        if (pthread_create(&thread[i], NULL, run, &job[i]))
            exit(1);
    }
    double start = now();
    pthread_barrier_wait(&begin);
    for (int i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
        done += job[i].done;
    }
    double seconds = now() - start;
    pthread_barrier_destroy(&begin);
    return done / seconds;
}

static double best(const limit *l, int threads, void **memory)
{
    double most = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double r = rate(l, threads, memory);
        most = r > most ? r : most;
    }
    return most;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    void *memory[MOST_THREADS];
    threads = threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : threads;
    openblas_set_num_threads(1);
    for (int i = 0; i < threads; i++) {
        memory[i] = aligned_alloc(64, COPY);
        if (!memory[i])
            return 1;
        memset(memory[i], 0, COPY);
    }
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const limit *l = &limits[i];
        if (!l->present())
            printf("limit: %-48s absent\n", l->name);
        else
            printf("limit: %-48s 1 core %8.1f   %d cores %8.1f %s\n", l->name, best(l, 1, memory), threads,
                   best(l, threads, memory), l->unit);
    }
    for (int i = 0; i < threads; i++)
        free(memory[i]);
    return 0;
}
