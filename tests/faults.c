/* SPDX-License-Identifier: Apache-2.0 */
/* A library to preload: makes one call of one function fail, once, and nothing else.
 *
 *   MILLRACE_FAULT=rename:3   the third rename() since main() began fails
 *   MILLRACE_FAULT_COUNT=FILE at the end, how often each function was called: "NAME CALLS" lines
 *   MILLRACE_FAULT_LIBRARIES=1 memory that other libraries ask for counts too; otherwise the program's own
 * and libc's on its behalf (strdup, opendir), since libraries that give up when memory is out are not for us
 * to mend. Other calls count whoever makes them
 *   MILLRACE_FAULT_TRACE=1    shows on standard error where the failing call came from (for addr2line)
 *
 * Calls before main() and after it has returned pass unseen. The names are those of the table `seams`:
 * several functions of libc may be one seam. A call that fails does nothing besides, so that a rename
 * that "failed" left both files as they were. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <liburing.h>

#define EXPORTED __attribute__((visibility("default")))

typedef enum seam {
    MALLOC,
    CALLOC,
    REALLOC,
    ALIGNED_ALLOC, /* the last of memory */
    OPEN,
    READ,
    PREAD,
    WRITE,
    FOPEN,
    FWRITE,
    FCLOSE,
    OPENDIR,
    FSYNC,
    RENAME,
    PTHREAD_CREATE,
    URING_INIT,
    URING_SUBMIT,
    URING_COMPLETION, /* the kernel did the work, the result says EIO */
    URING_SHORT,      /* a read brings half of what it could */
    SEAMS
} seam;

static const char *const seams[SEAMS] = {
    "malloc",         "calloc",     "realloc",      "aligned_alloc",    "open",       "read",  "pread",
    "write",          "fopen",      "fwrite",       "fclose",           "opendir",    "fsync", "rename",
    "pthread_create", "uring_init", "uring_submit", "uring_completion", "uring_short"};

/* glibc's own names of what is replaced here: dlsym() itself allocates. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_bool armed; /* main() is running */
static atomic_long calls[SEAMS];
static int chosen = -1; /* the seam that fails */
static long chosen_call;
static bool with_libraries, trace;
static int (*real_main)(int, char **, char **);

/* Where the program's code lies. */
static uintptr_t code_from, code_to;

/* The program itself is the first object that is shown. */
static int note_program(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    (void)context;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type == PT_LOAD && h->p_flags & PF_X) {
            code_from = info->dlpi_addr + h->p_vaddr;
            code_to = code_from + h->p_memsz;
        }
    }
    return 1;
}

static bool is_ours(const void *caller)
{
    return with_libraries || ((uintptr_t)caller >= code_from && (uintptr_t)caller < code_to);
}

static void show_callers(void)
{
    void *frame[24];
    atomic_store(&armed, false);
    backtrace_symbols_fd(frame, backtrace(frame, 24), 2);
    atomic_store(&armed, true);
}

/* Counts a call; true for the one that is to fail. */
static bool fails(seam which, const void *caller)
{
    if (!atomic_load_explicit(&armed, memory_order_relaxed) || (which <= ALIGNED_ALLOC && !is_ours(caller)))
        return false;
    long number = atomic_fetch_add_explicit(&calls[which], 1, memory_order_relaxed) + 1;
    if ((int)which != chosen || number != chosen_call)
        return false;
    if (trace)
        show_callers();
    return true;
}
#define FAILS(which) fails(which, __builtin_return_address(0))

static void read_settings(void)
{
    const char *fault = getenv("MILLRACE_FAULT"), *colon = fault ? strchr(fault, ':') : NULL;
    dl_iterate_phdr(note_program, NULL);
    trace = getenv("MILLRACE_FAULT_TRACE") != NULL;
    with_libraries = getenv("MILLRACE_FAULT_LIBRARIES") != NULL;
    for (int i = 0; colon && i < SEAMS; i++)
        if (strlen(seams[i]) == (size_t)(colon - fault) && !strncmp(seams[i], fault, strlen(seams[i])))
            chosen = i;
    if (colon)
        chosen_call = strtol(colon + 1, NULL, 10);
    if (fault && *fault && (chosen < 0 || chosen_call < 1)) {
        fprintf(stderr, "faults: MILLRACE_FAULT=%s: NAME:NUMBER is expected\n", fault);
        _exit(99);
    }
}

static void write_counts(void)
{
    const char *path = getenv("MILLRACE_FAULT_COUNT");
    char line[64];
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
    for (int i = 0; fd >= 0 && i < SEAMS; i++) {
        int n = snprintf(line, sizeof line, "%s %ld\n", seams[i], atomic_load(&calls[i]));
        if (syscall(SYS_write, fd, line, (size_t)n) != n)
            break;
    }
    if (fd >= 0)
        close(fd);
}

static int main_with_faults(int argc, char **argv, char **environment)
{
    read_settings();
    atomic_store(&armed, true);
    int status = real_main(argc, argv, environment);
    atomic_store(&armed, false);
    write_counts();
    return status;
}

typedef int start_main(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),
                       void (*)(void), void *);
EXPORTED start_main __libc_start_main;
int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
    start_main *next = (start_main *)dlsym(RTLD_NEXT, "__libc_start_main");
    real_main = main;
    return next(main_with_faults, argc, argv, init, fini, rtld_fini, stack_end);
}

static int fail_with(int code)
{
    errno = code;
    return -1;
}

/* --- memory --------------------------------------------------------------------- */

static void *out_of_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

EXPORTED void *malloc(size_t size)
{
    return FAILS(MALLOC) ? out_of_memory() : __libc_malloc(size);
}

EXPORTED void *calloc(size_t count, size_t size)
{
    return FAILS(CALLOC) ? out_of_memory() : __libc_calloc(count, size);
}

EXPORTED void *realloc(void *block, size_t size)
{
    return FAILS(REALLOC) ? out_of_memory() : __libc_realloc(block, size);
}

EXPORTED void *reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || FAILS(REALLOC))
        return out_of_memory();
    return __libc_realloc(block, bytes);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t size)
{
    return FAILS(ALIGNED_ALLOC) ? out_of_memory() : __libc_memalign(alignment, size);
}

EXPORTED int posix_memalign(void **out, size_t alignment, size_t size)
{
    if (FAILS(ALIGNED_ALLOC))
        return ENOMEM;
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}

/* What libc allocates for the program. */
EXPORTED char *strndup(const char *text, size_t most)
{
    size_t size = strnlen(text, most);
    char *copy = FAILS(MALLOC) ? out_of_memory() : __libc_malloc(size + 1);
    if (!copy)
        return NULL;
    copy[size] = 0;
    return memcpy(copy, text, size);
}

EXPORTED char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = FAILS(MALLOC) ? out_of_memory() : __libc_malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

EXPORTED int asprintf(char **out, const char *format, ...)
{
    if (FAILS(MALLOC))
        return fail_with(ENOMEM);
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(out, format, arguments);
    va_end(arguments);
    return size;
}

/* --- files ---------------------------------------------------------------------- */

/* The next definition of NAME, looked up once (twice at worst, by two threads, with one result). */
#define NEXT(name)                                                                                           \
    ({                                                                                                       \
        static _Atomic(void *) found;                                                                        \
        void *f = atomic_load(&found);                                                                       \
        if (!f)                                                                                              \
            atomic_store(&found, f = dlsym(RTLD_NEXT, #name));                                               \
        (__typeof__(&name))f;                                                                                \
    })

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPEN_LIKE(name)                                                                                      \
    EXPORTED int name(const char *path, int flags, ...)                                                      \
    {                                                                                                        \
        va_list arguments;                                                                                   \
        va_start(arguments, flags);                                                                          \
        mode_t mode = mode_of(flags, arguments);                                                             \
        va_end(arguments);                                                                                   \
        return FAILS(OPEN) ? fail_with(EMFILE) : NEXT(name)(path, flags, mode);                              \
    }
OPEN_LIKE(open)
OPEN_LIKE(open64)

#define OPENAT_LIKE(name)                                                                                    \
    EXPORTED int name(int folder, const char *path, int flags, ...)                                          \
    {                                                                                                        \
        va_list arguments;                                                                                   \
        va_start(arguments, flags);                                                                          \
        mode_t mode = mode_of(flags, arguments);                                                             \
        va_end(arguments);                                                                                   \
        return FAILS(OPEN) ? fail_with(EMFILE) : NEXT(name)(folder, path, flags, mode);                      \
    }
OPENAT_LIKE(openat)
OPENAT_LIKE(openat64)

EXPORTED ssize_t read(int fd, void *bytes, size_t size)
{
    return FAILS(READ) ? fail_with(EIO) : NEXT(read)(fd, bytes, size);
}

EXPORTED ssize_t pread(int fd, void *bytes, size_t size, off_t at)
{
    return FAILS(PREAD) ? fail_with(EIO) : NEXT(pread)(fd, bytes, size, at);
}

EXPORTED ssize_t pread64(int fd, void *bytes, size_t size, off64_t at)
{
    return FAILS(PREAD) ? fail_with(EIO) : NEXT(pread64)(fd, bytes, size, at);
}

EXPORTED ssize_t write(int fd, const void *bytes, size_t size)
{
    return FAILS(WRITE) ? fail_with(ENOSPC) : NEXT(write)(fd, bytes, size);
}

EXPORTED ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    return FAILS(WRITE) ? fail_with(ENOSPC) : NEXT(pwrite)(fd, bytes, size, at);
}

EXPORTED ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    return FAILS(WRITE) ? fail_with(ENOSPC) : NEXT(pwrite64)(fd, bytes, size, at);
}

/* stdio reads and writes past the names above: its own calls are seams. */
EXPORTED FILE *fopen(const char *path, const char *mode)
{
    if (FAILS(FOPEN)) {
        errno = EMFILE;
        return NULL;
    }
    return NEXT(fopen)(path, mode);
}

EXPORTED size_t fwrite(const void *items, size_t size, size_t count, FILE *file)
{
    if (FAILS(FWRITE)) {
        errno = ENOSPC;
        file->_flags |= 0x20; /* what ferror() looks at */
        return 0;
    }
    return NEXT(fwrite)(items, size, count, file);
}

EXPORTED int fclose(FILE *file)
{
    bool failed = FAILS(FCLOSE);
    int status = NEXT(fclose)(file);
    return failed ? fail_with(ENOSPC) : status;
}

EXPORTED DIR *opendir(const char *path)
{
    if (FAILS(OPENDIR)) {
        errno = EMFILE;
        return NULL;
    }
    return NEXT(opendir)(path);
}

EXPORTED int fsync(int fd)
{
    return FAILS(FSYNC) ? fail_with(EIO) : NEXT(fsync)(fd);
}

EXPORTED int rename(const char *from, const char *to)
{
    return FAILS(RENAME) ? fail_with(EIO) : NEXT(rename)(from, to);
}

/* --- threads, io_uring ---------------------------------------------------------- */

EXPORTED int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                            void *context)
{
    return FAILS(PTHREAD_CREATE) ? EAGAIN : NEXT(pthread_create)(thread, attributes, run, context);
}

EXPORTED int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
    return FAILS(URING_INIT) ? -ENOMEM : NEXT(io_uring_queue_init)(entries, ring, flags);
}

EXPORTED int io_uring_submit(struct io_uring *ring)
{
    return FAILS(URING_SUBMIT) ? -ENOMEM : NEXT(io_uring_submit)(ring);
}

/* Completions that have come and are not seen yet: any of them may be counted twice when it is waited for
 * again before it is taken; `user_data` 0 (a close that nobody waits for) is left alone. */
static void spoil_completions(struct io_uring *ring, const void *caller)
{
    unsigned head;
    struct io_uring_cqe *completion;
    io_uring_for_each_cqe(ring, head, completion)
    {
        if (!completion->user_data || completion->res < 0)
            continue;
        if (fails(URING_COMPLETION, caller))
            completion->res = -EIO;
        else if (completion->res >= 512 && fails(URING_SHORT, caller)) /* no file descriptor, a size */
            completion->res /= 2;
    }
}

EXPORTED int io_uring_submit_and_wait(struct io_uring *ring, unsigned wait_nr)
{
    if (FAILS(URING_SUBMIT))
        return -ENOMEM;
    int status = NEXT(io_uring_submit_and_wait)(ring, wait_nr);
    spoil_completions(ring, __builtin_return_address(0));
    return status;
}
