/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target without libFuzzer, in any build, under any sanitizer: on files as they are, and on
 * seeded mutations of them. mutate_TARGET [--count N] [--seed S] [--only I] FILE|FOLDER … Mutation I (0 …
 * N-1) is of file I modulo the number of files and depends on (S, I) and that file alone, so that a failure
 * is run again with --only I. The input that ended the process is left in mutate.crash. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fcntl.h>

enum { MAX_FILES = 4096, MAX_SIGNATURES = 4096, MAX_CHANGES = 8, SECONDS = 120, NEAR = 96 };

struct input {
    uint8_t *bytes;
    size_t size;
};

static struct {
    char *path[MAX_FILES];
    int count;
} files;

/* --- what a failure leaves behind ------------------------------------------------ */

static struct input current;
static char label[512];
static const char *crash_path = "mutate.crash";

static void leave_input(void)
{
    int fd = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    ssize_t n = write(STDERR_FILENO, label, strlen(label));
    if (fd >= 0 && current.bytes)
        n = write(fd, current.bytes, current.size);
    (void)n;
}

static void on_signal(int number)
{
    leave_input();
    signal(number, SIG_DFL);
    raise(number);
}

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void watch(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(leave_input);
        signal(SIGABRT, on_signal); /* our own abort() */
        signal(SIGALRM, on_signal);
        return;
    }
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], on_signal);
}

static void run(const struct input *in)
{
    current = *in;
    alarm(SECONDS); /* whatever hangs ends here */
    LLVMFuzzerTestOneInput(in->bytes, in->size);
    alarm(0);
}

/* --- files -------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add(const char *path)
{
    struct stat info;
    DIR *folder;
    struct dirent *entry;
    if (stat(path, &info) == 0 && S_ISREG(info.st_mode) && files.count < MAX_FILES)
        files.path[files.count++] = strdup(path);
    else if ((folder = opendir(path))) {
        while ((entry = readdir(folder)))
            if (entry->d_name[0] != '.') {
                char inner[4096];
                snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
                add(inner);
            }
        closedir(folder);
    }
}

/* With SPARE bytes of room behind the content. */
static struct input load(const char *path, size_t spare)
{
    struct input in = {NULL, 0};
    struct stat info;
    FILE *f = fopen(path, "rb");
    if (f && fstat(fileno(f), &info) == 0)
        in.bytes = malloc((size_t)info.st_size + spare + 1);
    if (in.bytes)
        in.size = fread(in.bytes, 1, (size_t)info.st_size, f);
    if (f)
        fclose(f);
    return in;
}

/* --- mutation ------------------------------------------------------------------------ */

static uint64_t random_state;

static uint64_t draw(void) /* splitmix64 */
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t below(size_t limit)
{
    return limit ? (size_t)(draw() % limit) : 0;
}

static struct {
    size_t at[MAX_SIGNATURES], count;
} marked;

/* Places where a format keeps its structure; most of a model's bytes are weights, which say nothing. */
static void find_signatures(const struct input *in)
{
    static const char *const marks[] = {"TREE",     "SNOD",     "HEAP",     "GCOL",     "OHDR",
                                        "\x89HDF",  "PK\1\2",   "PK\3\4",   "PK\5\6",   "IHDR",
                                        "PLTE",     "tRNS",     "IDAT",     "acTL",     "\xff\xc0",
                                        "\xff\xc2", "\xff\xc4", "\xff\xda", "\xff\xdb", "\xff\xdd",
                                        "\xff\xe0", "\xff\xee", "{\"",      "_names",   "_config",
                                        "OCHK",     "FRHP",     "FHDB",     "FHIB",     "BTHD",
                                        "BTIN",     "BTLF",     "FAHD",     "FADB",     "EAHD",
                                        "EAIB",     "EASB",     "EADB"};
    marked.count = 0;
    for (size_t i = 0; i < in->size && marked.count < MAX_SIGNATURES; i++)
        for (size_t k = 0; k < sizeof marks / sizeof *marks; k++) {
            size_t n = strlen(marks[k]);
            if (in->size - i >= n && !memcmp(in->bytes + i, marks[k], n)) {
                marked.at[marked.count++] = i;
                break;
            }
        }
}

static size_t place(const struct input *in)
{
    size_t p = 0;
    switch (below(4)) {
    case 0:
        return below(in->size);
    case 1:
        p = below(4096);
        break;
    default:
        p = marked.count ? marked.at[below(marked.count)] + below(NEAR) : below(in->size);
    }
    return p < in->size ? p : below(in->size);
}

static void set_number(struct input *in)
{
    static const uint64_t values[] = {0,
                                      1,
                                      2,
                                      0x7f,
                                      0x80,
                                      0xff,
                                      0x7fff,
                                      0x8000,
                                      0xffff,
                                      0x7fffffff,
                                      0x80000000,
                                      0xffffffff,
                                      0x100000000,
                                      0x7fffffffffffffff,
                                      0x8000000000000000,
                                      0xffffffffffffffff};
    size_t width = (size_t)1 << below(4), at = place(in);
    uint64_t value = below(2) ? values[below(sizeof values / sizeof *values)] : below(in->size + 16);
    int big = below(4) == 0;
    for (size_t i = 0; i < width && at + i < in->size; i++)
        in->bytes[at + i] = (uint8_t)(value >> (8 * (big ? width - 1 - i : i)));
}

static void copy_piece(struct input *in)
{
    size_t from = place(in), to = place(in), n = 1 + below(64);
    if (n > in->size - from)
        n = in->size - from;
    if (n > in->size - to)
        n = in->size - to;
    memmove(in->bytes + to, in->bytes + from, n);
}

static void cut_piece(struct input *in)
{
    size_t at = place(in), n = 1 + below(below(4) ? 32 : in->size);
    if (n > in->size - at)
        n = in->size - at;
    memmove(in->bytes + at, in->bytes + at + n, in->size - at - n);
    in->size -= n;
}

/* One of the usual small damages. IN has room for 64 bytes more per change. */
static void change(struct input *in)
{
    if (in->size == 0)
        return;
    size_t at = place(in), n;
    switch (below(8)) {
    case 0:
    case 1:
        in->bytes[at] ^= (uint8_t)(1u << below(8));
        break;
    case 2:
        in->bytes[at] = (uint8_t)draw();
        break;
    case 3:
    case 4:
        set_number(in);
        break;
    case 5:
        copy_piece(in);
        break;
    case 6:
        cut_piece(in);
        break;
    default: /* a piece twice */
        n = 1 + below(63);
        memmove(in->bytes + at + n, in->bytes + at, in->size - at);
        in->size += n;
    }
}

static void run_mutation(uint64_t seed, long number)
{
    const char *path = files.path[number % files.count];
    struct input in = load(path, 64 * MAX_CHANGES);
    if (!in.bytes)
        return;
    random_state = seed * 0x2545f4914f6cdd1du + (uint64_t)number;
    find_signatures(&in);
    fuzz_prepare(in.bytes, in.size);
    size_t changes = 1 + below(MAX_CHANGES);
    while (changes--)
        change(&in);
    if (below(8))
        fuzz_repair(in.bytes, in.size);
    snprintf(label, sizeof label, "mutation %ld of seed %llu, of %s\n", number, (unsigned long long)seed,
             path);
    struct input exact = {malloc(in.size ? in.size : 1),
                          in.size}; /* so that the sanitizer sees one step beyond */
    memcpy(exact.bytes, in.bytes, in.size);
    free(in.bytes);
    run(&exact);
    free(exact.bytes);
}

static void run_file(const char *path)
{
    struct input in = load(path, 0);
    snprintf(label, sizeof label, "%s\n", path);
    if (in.bytes)
        run(&in);
    free(in.bytes);
}

static void run_mutations(uint64_t seed, long first, long end)
{
    for (long i = first; i < end; i++)
        run_mutation(seed, i);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"count", 1, NULL, 'n'}, {"seed", 1, NULL, 's'}, {"only", 1, NULL, 'o'}, {0}};
    long count = 0, only = -1;
    uint64_t seed = 1;
    for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (key == 'n')
            count = atol(optarg);
        else if (key == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (key == 'o')
            only = atol(optarg);
        else
            return 2;
    for (int i = optind; i < argc; i++)
        add(argv[i]);
    if (files.count == 0)
        return fprintf(stderr, "%s: no files\n", argv[0]), 2;
    qsort(files.path, (size_t)files.count, sizeof *files.path, by_name);
    watch();
    for (int i = 0; i < files.count && only < 0; i++)
        run_file(files.path[i]);
    run_mutations(seed, only < 0 ? 0 : only, only < 0 ? count : only + 1);
    printf("%d files, %ld mutations: %lu accepted, %lu refused\n", files.count, only < 0 ? count : 1,
           fuzz_accepted, fuzz_refused);
    return 0;
}
