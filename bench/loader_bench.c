/* SPDX-License-Identifier: Apache-2.0 */
/* The data plane alone: images per second from a folder of class folders to batches, with nothing behind it.
 *
 *     bench/loader_bench DIR [--size N] [--threads N] [--batch N] [--ahead N] [--seconds S] [--augment]
 * [--pread]
 *                            [--interpolation NAME] [--dct-scaling] [--seed N]
 *
 * Prints the throughput of each pass over the folder and, at the end, the median and what every stage did.
 * --augment is the tutorial's augmentation. The first pass also fills the page cache: it is not counted. */
#include "pipeline/load/epochs.h"
#include "pipeline/load/loader.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

typedef struct bench {
    const char *dir;
    mr_loader_options options;
    mr_augmentation augmentation;
    double seconds;
} bench;

enum { PASSES_MAX = 10000 };

static mr_augmentation tutorial_augmentation(void)
{
    mr_augmentation a = mr_augmentation_none();
    a.rotation_range = 20;
    a.zoom_range[0] = 0.95;
    a.zoom_range[1] = 1.05;
    a.width_shift_range = a.height_shift_range = 0.05;
    a.shear_range = 0.05;
    a.horizontal_flip = true;
    return a;
}

static int parse(bench *b, int argc, char **argv)
{
    static const struct option names[] = {
        {"size", 1, 0, 's'},
        {"threads", 1, 0, 't'},
        {"batch", 1, 0, 'b'},
        {"ahead", 1, 0, 'a'},
        {"seconds", 1, 0, 'S'},
        {"augment", 0, 0, 'A'},
        {"pread", 0, 0, 'p'},
        {"seed", 1, 0, 'e'},
        {"interpolation", 1, 0, 'i'},
        {"dct-scaling", 0, 0, 'd'},
        {0},
    };
    mr_loader_options *o = &b->options;
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;)
        switch (c) {
        case 's':
            o->preprocess.width = o->preprocess.height = atoi(optarg);
            break;
        case 't':
            o->decode_threads = atoi(optarg);
            break;
        case 'b':
            o->batch_size = atoi(optarg);
            break;
        case 'a':
            o->batches_ahead = atoi(optarg);
            break;
        case 'S':
            b->seconds = atof(optarg);
            break;
        case 'A':
            o->augmentation = &b->augmentation;
            break;
        case 'p':
            o->force_pread = true;
            break;
        case 'e':
            o->seed = strtoull(optarg, NULL, 10);
            break;
        case 'd':
            o->preprocess.dct_scaling = true;
            break;
        case 'i':
            if (mr_interpolation_by_name(optarg) < 0)
                return -1;
            o->preprocess.interpolation = (mr_interpolation)mr_interpolation_by_name(optarg);
            break;
        default:
            return -1;
        }
    if (optind != argc - 1)
        return -1;
    b->dir = argv[optind];
    return 0;
}

/* One pass over the set: images per second, or a negative number at the end. */
static double run_pass(mr_loader *l, double *sum, mr_error *e)
{
    double start = mr_now();
    mr_batch *b;
    for (int images = 0; mr_loader_next(l, &b, e) == 1;) {
        bool last = b->last_of_epoch;
        images += b->count;
        *sum += b->count ? b->x[0] : 0; /* something has to look at the result */
        mr_loader_release(l, b);
        if (last)
            return images / (mr_now() - start);
    }
    return -1;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_stages(const mr_loader *l)
{
    mr_stage_stats s[8];
    int n = mr_loader_stats(l, s, 8);
    printf("%-8s %3s %9s %9s %9s %9s %9s %7s\n", "stage", "thr", "items", "MB", "busy s", "in s", "out s",
           "depth");
    for (int i = 0; i < n; i++)
        printf("%-8s %3d %9llu %9.1f %9.3f %9.3f %9.3f %4.1f/%d\n", s[i].name, s[i].threads,
               (unsigned long long)s[i].items, (double)s[i].bytes / 1e6, s[i].busy_seconds,
               s[i].wait_input_seconds, s[i].wait_output_seconds, s[i].mean_queue_depth, s[i].queue_capacity);
}

static double processor_seconds(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           1e-6 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static int measure(const bench *b, const mr_dataset *set, mr_error *e)
{
    static double rates[PASSES_MAX];
    mr_epoch_source *source = NULL;
    mr_loader *l = NULL;
    double sum = 0;
    int n = 0, status = mr_epoch_source_create(&source, set, 1, true, 0, PASSES_MAX + 1, 0, e);
    if (!status)
        status = mr_loader_open(&l, mr_epoch_source_face(source), &b->options, e);
    if (status)
        goto done;
    run_pass(l, &sum, e);
    double start = mr_now(), cpu = processor_seconds();
    while (n < PASSES_MAX && (n < 3 || mr_now() - start < b->seconds) &&
           (rates[n] = run_pass(l, &sum, e)) >= 0)
        n++;
    double wall = mr_now() - start;
    cpu = processor_seconds() - cpu;
    qsort(rates, (size_t)n, sizeof *rates, ascending);
    printf("%s, %s, %d decode threads, batch %d, %dx%d %s%s: median %.0f images/s (min %.0f, max %.0f, %d "
           "passes of %zu), "
           "%.1f us of processor an image (checksum %g)\n",
           b->dir, mr_loader_reader_kind(l), b->options.decode_threads, b->options.batch_size,
           b->options.preprocess.height, b->options.preprocess.width,
           mr_interpolation_name(b->options.preprocess.interpolation),
           b->options.augmentation ? ", augmented" : "", n ? rates[n / 2] : 0, n ? rates[0] : 0,
           n ? rates[n - 1] : 0, n, set->count, n ? cpu * 1e6 / ((double)n * (double)set->count) : 0, sum);
    printf("processor in use: %.2f of %.2f s\n", cpu, wall);
    print_stages(l);
    status = e->code;
done:
    mr_loader_close(l);
    mr_epoch_source_free(source);
    return status;
}

int main(int argc, char **argv)
{
    bench b = {.options = mr_loader_options_default(), .augmentation = tutorial_augmentation(), .seconds = 5};
    b.options.decode_threads = 2;
    if (parse(&b, argc, argv)) {
        fprintf(stderr,
                "usage: %s DIR [--size N] [--threads N] [--batch N] [--ahead N] [--seconds S] [--augment]\n"
                "       [--pread] [--interpolation NAME] [--dct-scaling] [--seed N]\n",
                argv[0]);
        return 2;
    }
    mr_error e = {0};
    mr_dataset *set = NULL;
    int status = mr_dataset_scan(&set, b.dir, NULL, 0, 1, &e);
    if (!status)
        status = measure(&b, set, &e);
    if (status)
        fprintf(stderr, "%s\n", e.message);
    mr_dataset_free(set);
    return status ? 1 : 0;
}
