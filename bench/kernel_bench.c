/* SPDX-License-Identifier: Apache-2.0 */
/* Speed of the convolution kernels at the shapes of the tutorial's ResNet (64x64, batch 32), as they run in
 * training: normalise + ReLU on load, statistics in the epilogue, backward by data and by weights in one
 * pass. Wall time, medians; the processors' own multiply-add rate and OpenBLAS at the same M, N, K (rows
 * shared out to the threads) run in alternation with them, so that the ratios hold on a busy machine. Two
 * "processors" may be one core: then one thread alone reaches nearly the peak of two. kernel_bench [-j
 * THREADS] [-t SECONDS per measurement] [NAME…] */
#include "nn/kernels/conv.h"
#include "nn/kernels/table.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#if defined __x86_64__
#include <immintrin.h>
#endif

static double seconds = 0.03;
static int threads;

struct shape {
    const char *name;
    int count; /* how often the network has it */
    mr_conv d;
};

#define CONV(n, h, c, k, r, stride, pad)                                                                     \
    {                                                                                                        \
        n, h, h, c, (h) / (stride), (h) / (stride), k, r, r, stride, stride, 1, 1, pad, pad, 0                \
    }

static const struct shape shapes[] = {
    {"stem 5x5 3-32 @64", 1, CONV(32, 64, 3, 32, 5, 1, 2)},
    {"s1 1x1 32-16 @32", 1, CONV(32, 32, 32, 16, 1, 1, 0)},
    {"s1 3x3 16-16 @32", 2, CONV(32, 32, 16, 16, 3, 1, 1)},
    {"s1 1x1 16-64 @32", 2, CONV(32, 32, 16, 64, 1, 1, 0)},
    {"s1 1x1 32-64 @32", 1, CONV(32, 32, 32, 64, 1, 1, 0)},
    {"s1 1x1 64-16 @32", 1, CONV(32, 32, 64, 16, 1, 1, 0)},
    {"s2 1x1 64-32 @32", 1, CONV(32, 32, 64, 32, 1, 1, 0)},
    {"s2 3x3/2 32-32 @32", 1, CONV(32, 32, 32, 32, 3, 2, 0)},
    {"s2 1x1 32-128 @16", 2, CONV(32, 16, 32, 128, 1, 1, 0)},
    {"s2 1x1/2 64-128 @32", 1, CONV(32, 32, 64, 128, 1, 2, 0)},
    {"s2 1x1 128-32 @16", 1, CONV(32, 16, 128, 32, 1, 1, 0)},
    {"s2 3x3 32-32 @16", 1, CONV(32, 16, 32, 32, 3, 1, 1)},
    {"s3 1x1 128-64 @16", 1, CONV(32, 16, 128, 64, 1, 1, 0)},
    {"s3 3x3/2 64-64 @16", 1, CONV(32, 16, 64, 64, 3, 2, 0)},
    {"s3 1x1 64-256 @8", 3, CONV(32, 8, 64, 256, 1, 1, 0)},
    {"s3 1x1/2 128-256 @16", 1, CONV(32, 16, 128, 256, 1, 2, 0)},
    {"s3 1x1 256-64 @8", 2, CONV(32, 8, 256, 64, 1, 1, 0)},
    {"s3 3x3 64-64 @8", 2, CONV(32, 8, 64, 64, 3, 1, 1)},
};

static double now(void)
{
    struct timespec t;
    clock_gettime(getenv("BENCH_CLOCK") ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *numbers(size_t count, float scale)
{
    enum { HUGE = 2 << 20 }; /* huge pages, as the plan's arena has */
    size_t bytes = (count * sizeof(float) + 256 + HUGE - 1) / HUGE * HUGE;
    float *p = aligned_alloc(HUGE, bytes);
    madvise(p, bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < count; i++)
        p[i] = scale * ((float)rand() / (float)RAND_MAX - 0.5f);
    return p;
}

/* Everything that one shape's runs touch. */
struct work {
    mr_conv d;
    mr_team *team;
    size_t in, out, weights;
    float *x, *w, *y, *dy, *dw, *dx, *scale, *shift, *packed, *back, *columns;
    double *sums;
    void *scratch;
};

static void set_up(struct work *k, const mr_conv *d, mr_team *team)
{
    *k = (struct work){.d = *d, .team = team};
    k->in = (size_t)d->n * (size_t)d->h * (size_t)d->w * (size_t)d->c;
    k->out = (size_t)d->n * (size_t)d->p * (size_t)d->q * (size_t)d->k;
    k->weights = (size_t)d->r * (size_t)d->s * (size_t)d->c * (size_t)d->k;
    k->x = numbers(k->in, 1), k->dx = numbers(k->in, 1);
    k->w = numbers(k->weights, 0.1f), k->dw = numbers(k->weights, 0);
    k->y = numbers(k->out, 1), k->dy = numbers(k->out, 1);
    size_t channels = (size_t)(d->c > d->k ? d->c : d->k);
    k->scale = numbers(channels, 1), k->shift = numbers(channels, 1);
    k->sums = calloc(2 * channels, sizeof *k->sums);
    k->packed = numbers(mr_conv_packed(d) / sizeof(float), 0), k->back = numbers(mr_conv_packed_backward(d) / sizeof(float), 0);
    size_t forward = mr_conv_scratch(d, mr_team_size(team)),
           backward = mr_conv_backward_scratch(d, mr_team_size(team));
    k->scratch = aligned_alloc(64, forward > backward ? forward : backward);
    k->columns = numbers((size_t)d->n * (size_t)d->p * (size_t)d->q * (size_t)(d->r * d->s * d->c), 1);
}

static void tear_down(struct work *k)
{
    free(k->x), free(k->dx), free(k->w), free(k->dw), free(k->y), free(k->dy), free(k->scale), free(k->shift);
    free(k->sums), free(k->packed), free(k->back), free(k->scratch), free(k->columns);
}

static void forward(struct work *k)
{
    mr_conv_input in = {mr_floats(k->x), k->scale, k->shift, 0, INFINITY};
    mr_conv_output out = {.y = mr_floats(k->y), .low = -INFINITY, .high = INFINITY, .sums = k->sums};
    mr_conv_pack(&k->d, k->team, k->w, NULL, k->packed);
    mr_conv_forward(&k->d, k->team, &in, k->packed, &out, k->scratch);
}

static void backward(struct work *k)
{
    bool first = k->d.c == 3; /* the gradient with respect to the images is not needed */
    mr_conv_input in = {mr_floats(k->x), k->scale, k->shift, 0, INFINITY};
    mr_conv_gradient g = {.dy = mr_floats(k->dy), .x = mr_floats(k->y), .a = k->scale, .b = k->scale, .c = k->shift};
    mr_conv_input_gradient dx = {.dx = mr_floats(k->dx),
                                 .x = mr_floats(k->x),
                                 .scale = k->scale,
                                 .shift = k->shift,
                                 .low = 0,
                                 .high = INFINITY,
                                 .mean = k->shift,
                                 .sums = k->sums};
    mr_conv_pack_backward(&k->d, k->team, k->w, k->back);
    mr_conv_backward(&k->d, k->team, &g, &in, k->back, k->dw, NULL, first ? NULL : &dx, k->scratch);
}

static void backward_weights(struct work *k)
{
    mr_conv_input in = {mr_floats(k->x), k->scale, k->shift, 0, INFINITY};
    mr_conv_gradient g = {.dy = mr_floats(k->dy), .x = mr_floats(k->y), .a = k->scale, .b = k->scale, .c = k->shift};
    mr_conv_backward(&k->d, k->team, &g, &in, k->back, k->dw, NULL, NULL, k->scratch);
}

static void openblas_rows(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    struct work *k = argument;
    int n = k->d.k, depth = k->d.r * k->d.s * k->d.c;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)(end - first), n, depth, 1,
                k->columns + first * (size_t)depth, depth, k->w, n, 0, k->y + first * (size_t)n, n);
}

/* OpenBLAS given its im2col matrix for nothing. */
static void openblas(struct work *k)
{
    size_t rows = (size_t)k->d.n * (size_t)k->d.p * (size_t)k->d.q;
    mr_team_ranges(k->team, rows, rows / (size_t)threads, openblas_rows, k);
}

/* 16 independent chains of multiply-adds: what the core can do. */
#if defined __x86_64__
__attribute__((target("avx512f"))) static float chains_avx512(long n)
{
    __m512 a[16], x = _mm512_set1_ps(0.999999f), y = _mm512_set1_ps(1e-7f);
    for (int i = 0; i < 16; i++)
        a[i] = _mm512_set1_ps((float)i);
    for (long k = 0; k < n; k++) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            a[i] = _mm512_fmadd_ps(a[i], x, y);
        __asm__ volatile("" : : "v"(a[0]));
    }
    for (int i = 1; i < 16; i++)
        a[0] = _mm512_add_ps(a[0], a[i]);
    return a[0][0];
}

__attribute__((target("avx2,fma"))) static float chains_avx2(long n)
{
    __m256 a[12], x = _mm256_set1_ps(0.999999f), y = _mm256_set1_ps(1e-7f);
    for (int i = 0; i < 12; i++)
        a[i] = _mm256_set1_ps((float)i);
    for (long k = 0; k < n; k++) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++)
            a[i] = _mm256_fmadd_ps(a[i], x, y);
        __asm__ volatile("" : : "x"(a[0]));
    }
    for (int i = 1; i < 12; i++)
        a[0] = _mm256_add_ps(a[0], a[i]);
    return a[0][0];
}
#endif

enum { CHAIN_TURNS = 20000 };

static void chains(void *argument, int task, int thread)
{
    (void)task, (void)thread;
    volatile float sink = 0;
#if defined __x86_64__
    if (mr_kernels() == &mr_table_avx512)
        sink = chains_avx512(CHAIN_TURNS);
    else if (mr_kernels() == &mr_table_avx2)
        sink = chains_avx2(CHAIN_TURNS);
#endif
    (void)sink, (void)argument;
}

/* GFLOP/s of the instruction set in use. */
static double peak(mr_team *team)
{
    double begin = now(), spent, done = 0;
    do {
        mr_team_run(team, 16, chains, NULL);
        done += 16. * CHAIN_TURNS * 2 * (mr_kernels()->lanes == 16 ? 16 * 16 : 12 * 8);
    } while ((spent = now() - begin) < seconds / 2);
    return done / spent / 1e9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double rate(void (*run)(struct work *), struct work *k)
{
    double begin = now(), spent, done = 0;
    do {
        run(k);
        done++;
    } while ((spent = now() - begin) < seconds);
    return spent / done;
}

enum { ROUNDS = 9 };

static double median(double *r)
{
    qsort(r, ROUNDS, sizeof *r, by_value);
    return r[ROUNDS / 2];
}

static void measure(const struct shape *s, mr_team *team, double total[4])
{
    struct work k;
    set_up(&k, &s->d, team);
    double f[ROUNDS], b[ROUNDS], w[ROUNDS], o[ROUNDS], p[ROUNDS];
    forward(&k);
    backward(&k);
    for (int i = 0; i < ROUNDS; i++) {
        p[i] = peak(team);
        f[i] = rate(forward, &k);
        o[i] = rate(openblas, &k);
        b[i] = rate(backward, &k);
        w[i] = rate(backward_weights, &k);
    }
    double flops = 2e-9 * (double)k.out * (double)(s->d.r * s->d.s * s->d.c), top = median(p);
    double products = s->d.c == 3 ? 1 : 2;
    double tf = median(f), tb = median(b), tw = median(w);
    printf("%-22s %6.1f %3.0f%%  %6.1f %3.0f%%  %6.1f %3.0f%%  %6.1f   %7.1f %7.1f\n", s->name, flops / tf,
           100 * flops / tf / top, products * flops / tb, 100 * products * flops / tb / top, flops / tw,
           100 * flops / tw / top, flops / median(o), tf / s->d.n * 1e6, tb / s->d.n * 1e6);
    fflush(stdout);
    total[0] += s->count * tf / s->d.n;
    total[1] += s->count * tb / s->d.n;
    total[2] += s->count * flops * (1 + products) / s->d.n;
    total[3] = top;
    tear_down(&k);
}

int main(int argc, char **argv)
{
    int option;
    threads = mr_processors();
    while ((option = getopt(argc, argv, "j:t:")) != -1)
        if (option == 'j')
            threads = atoi(optarg);
        else if (option == 't')
            seconds = atof(optarg);
        else
            return 2;
    mr_team *team;
    if (mr_team_create(&team, threads, NULL))
        return 1;
    printf("%s, %d threads, peak %.0f GFLOP/s\n%-22s %-13s%-13s%-13s%-9s%s\n", mr_kernels()->isa.name, threads,
           peak(team), "convolution", "forward", "backward", "by weights", "OpenBLAS",
           "µs/image forward, backward");
    double total[4] = {0};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        bool wanted = argc == optind;
        for (int a = optind; a < argc; a++)
            wanted |= strstr(shapes[i].name, argv[a]) != NULL;
        if (wanted)
            measure(&shapes[i], team, total);
    }
    printf("the network: %.3f ms/image forward, %.3f backward; %.0f%% of peak\n", total[0] * 1e3,
           total[1] * 1e3, 100 * total[2] / (total[0] + total[1]) / total[3]);
    mr_team_destroy(team);
    return 0;
}
