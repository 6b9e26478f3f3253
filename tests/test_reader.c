/* SPDX-License-Identifier: Apache-2.0 */
/* The file reader, by io_uring and by pread: hundreds of files of many sizes, errors in between, odd things
 * under image names, buffers given back from another thread. */
#include "tests/files.h"

#include "io/files/reader.h"
#include "io/files/reader_backend.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { FILES = 400, MEMORY = 64 << 20 };

static const char *folder;

/* File I is sizes[i % 8] + i bytes long, each byte a function of file and place. */
static size_t size_of(int i)
{
    static const size_t sizes[8] = {1, 300, 4096, 12345, 70000, 0, 200000, 8192};
    return sizes[i % 8] ? sizes[i % 8] + (size_t)i : 0;
}

static uint8_t byte_of(int i, size_t at)
{
    return (uint8_t)((size_t)i * 131 + at * 7 + (at >> 8));
}

static const char *path_of(int i)
{
    static char paths[FILES][300];
    snprintf(paths[i], sizeof paths[i], "%s/file_%d", folder, i);
    return paths[i];
}

static bool is_missing(int i)
{
    return i % 13 == 5;
}

static int make_files(void **state)
{
    (void)state;
    folder = temporary_folder();
    uint8_t *bytes = malloc(300000);
    for (int i = 0; i < FILES; i++) {
        for (size_t k = 0; k < size_of(i); k++)
            bytes[k] = byte_of(i, k);
        if (!is_missing(i))
            write_file(path_of(i), bytes, size_of(i));
    }
    free(bytes);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static mr_reader *new_reader(bool force_pread, int depth)
{
    mr_reader *r;
    mr_error e = {0};
    mr_reader_options options = mr_reader_options_default();
    options.force_pread = force_pread;
    options.depth = depth;
    assert_int_equal(mr_reader_create(&r, options, &e), 0);
    if (force_pread)
        assert_false(mr_reader_uses_uring(r));
    else if (!mr_reader_uses_uring(r))
        print_message("no io_uring here: read with pread\n");
    return r;
}

static void check_read(const mr_read *read)
{
    int i = (int)read->serial;
    assert_string_equal(read->path, path_of(i));
    if (is_missing(i)) {
        assert_int_equal(read->error, MR_ENOTFOUND);
        assert_int_equal(read->sys_errno, ENOENT);
        assert_null(read->bytes);
        return;
    }
    assert_int_equal(read->error, 0);
    assert_int_equal(read->size, size_of(i));
    for (size_t k = 0; k < read->size; k++)
        if (read->bytes[k] != byte_of(i, k))
            fail_msg("file %d differs at %zu", i, k);
}

/* --- many files ------------------------------------------------------------------------------- */

static void read_all(bool force_pread, int depth)
{
    mr_error e = {0};
    mr_reader *r = new_reader(force_pread, depth);
    bool seen[FILES] = {false};
    int submitted = 0, fetched = 0;
    while (fetched < FILES) {
        while (submitted < FILES && mr_reader_has_room(r)) {
            assert_int_equal(mr_reader_submit(r, (uint64_t)submitted, path_of(submitted), &e), 0);
            submitted++;
        }
        assert_int_equal(mr_reader_pending(r), submitted - fetched);
        mr_read read;
        assert_int_equal(mr_reader_next(r, &read, &e), 0);
        check_read(&read);
        assert_false(seen[read.serial]);
        seen[read.serial] = true;
        fetched++;
        mr_reader_release(r, read.bytes);
    }
    assert_int_equal(mr_reader_next(r, &(mr_read){0}, &e), MR_EINVAL);
    mr_reader_destroy(r);
}

static void many_uring(void **state)
{
    (void)state;
    read_all(false, 32);
    read_all(false, 1);
}

static void many_pread(void **state)
{
    (void)state;
    read_all(true, 32);
    read_all(true, 1);
}

/* --- odd things under image names ------------------------------------------------------------- */

static void read_one(mr_reader *r, const char *path, mr_read *out)
{
    mr_error e = {0};
    assert_int_equal(mr_reader_submit(r, 7, path, &e), 0);
    assert_int_equal(mr_reader_next(r, out, &e), 0);
    assert_int_equal(out->serial, 7);
}

static void refuses(mr_reader *r, const char *path, int code, int sys_errno)
{
    mr_read read;
    read_one(r, path, &read);
    assert_int_equal(read.error, code);
    assert_int_equal(read.sys_errno, sys_errno);
    assert_null(read.bytes);
    assert_int_equal(read.size, 0);
}

static void odd_things(bool force_pread)
{
    mr_reader *r = new_reader(force_pread, 4);
    mkdir(below(folder, "dir.jpg"), 0777);
    mkfifo(below(folder, "fifo.jpg"), 0666);
    symlink("nowhere", below(folder, "dangling.jpg"));
    symlink("loop.jpg", below(folder, "loop.jpg"));
    refuses(r, below(folder, "dir.jpg"), MR_EIO, EISDIR);
    refuses(r, below(folder, "fifo.jpg"), MR_EUNSUPPORTED, 0);
    refuses(r, below(folder, "dangling.jpg"), MR_ENOTFOUND, ENOENT);
    refuses(r, below(folder, "loop.jpg"), MR_EIO, ELOOP);
    refuses(r, "/dev/zero", MR_EUNSUPPORTED, 0);
    refuses(r, "", MR_ENOTFOUND, ENOENT);
    refuses(r, below(path_of(0), "x"), MR_EIO, ENOTDIR);
    mr_reader_destroy(r);
    for (const char *const *name =
             (const char *const[]){"dir.jpg", "fifo.jpg", "dangling.jpg", "loop.jpg", NULL};
         *name; name++)
        remove(below(folder, *name));
}

static void odd_uring(void **state)
{
    (void)state;
    odd_things(false);
}

static void odd_pread(void **state)
{
    (void)state;
    odd_things(true);
}

static void too_large(void **state)
{
    (void)state;
    mr_error e = {0};
    for (int force = 0; force < 2; force++) {
        mr_reader *r;
        mr_reader_options options = mr_reader_options_default();
        options.max_file_size = size_of(4) - 1;
        options.force_pread = force;
        assert_int_equal(mr_reader_create(&r, options, &e), 0);
        refuses(r, path_of(4), MR_ELIMIT, EFBIG);
        mr_read read;
        read_one(r, path_of(3), &read);
        check_read(&(mr_read){.serial = 3, .path = path_of(3), .bytes = read.bytes, .size = read.size});
        mr_reader_release(r, read.bytes);
        mr_reader_destroy(r);
    }
}

/* A file in /proc says it has 0 bytes: an empty result, not a hang. A file that grows is read to the size it
 * had. */
static void sizes_that_lie(void **state)
{
    (void)state;
    for (int force = 0; force < 2; force++) {
        mr_reader *r = new_reader(force, 4);
        mr_read read;
        read_one(r, "/proc/self/status", &read);
        assert_int_equal(read.error, 0);
        assert_int_equal(read.size, 0);
        mr_reader_release(r, read.bytes);
        mr_reader_destroy(r);
    }
}

/* The file is cut to half between the look at its size and the read. */
static void shrinking(void **state)
{
    (void)state;
    const char *path = below(folder, "shrinking");
    static const uint8_t bytes[1000] = {42};
    mr_buffer_pool *pool = mr_buffer_pool_create(MEMORY);
    write_file(path, bytes, sizeof bytes);
    mr_read_slot slot = {.fd = open(path, O_RDONLY)};
    mr_slot_size_up(&slot, pool, mr_reader_options_default());
    assert_int_equal(slot.want, 1000);
    assert_true(mr_slot_take_buffer(&slot, pool, false));
    assert_int_equal(truncate(path, 500), 0);
    mr_slot_pread(&slot, pool);
    assert_int_equal(slot.read.size, 500);
    assert_int_equal(slot.read.error, 0);
    close(slot.fd);
    mr_buffer_give(pool, slot.read.bytes);
    mr_buffer_pool_destroy(pool);
    remove(path);
}

/* --- buffers ---------------------------------------------------------------------------------- */

/* A ring of one writer and one reader, as simple as can be. */
typedef struct handover {
    pthread_mutex_t lock;
    pthread_cond_t change;
    uint8_t *bytes[64];
    int count;
    bool closed;
    mr_reader *reader;
} handover;

static void *give_back(void *argument)
{
    handover *h = argument;
    pthread_mutex_lock(&h->lock);
    while (h->count > 0 || !h->closed) {
        if (h->count == 0) {
            pthread_cond_wait(&h->change, &h->lock);
            continue;
        }
        uint8_t *bytes = h->bytes[--h->count];
        pthread_mutex_unlock(&h->lock);
        bytes[0] ^= 1; /* the bytes belong to this thread now */
        mr_reader_release(h->reader, bytes);
        pthread_mutex_lock(&h->lock);
        pthread_cond_signal(&h->change);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

static void hand_over(handover *h, uint8_t *bytes)
{
    pthread_mutex_lock(&h->lock);
    while (h->count == 64)
        pthread_cond_wait(&h->change, &h->lock);
    h->bytes[h->count++] = bytes;
    pthread_cond_signal(&h->change);
    pthread_mutex_unlock(&h->lock);
}

static void other_thread(void **state)
{
    (void)state;
    mr_error e = {0};
    pthread_t thread;
    handover h = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};
    h.reader = new_reader(false, 16);
    pthread_create(&thread, NULL, give_back, &h);
    for (int i = 0, fetched = 0; fetched < 2 * FILES;) {
        while (i < 2 * FILES && mr_reader_has_room(h.reader)) {
            assert_int_equal(mr_reader_submit(h.reader, (uint64_t)(i % FILES), path_of(i % FILES), &e), 0);
            i++;
        }
        mr_read read;
        assert_int_equal(mr_reader_next(h.reader, &read, &e), 0);
        check_read(&read);
        fetched++;
        if (read.bytes)
            hand_over(&h, read.bytes);
    }
    pthread_mutex_lock(&h.lock);
    h.closed = true;
    pthread_cond_signal(&h.change);
    pthread_mutex_unlock(&h.lock);
    pthread_join(thread, NULL);
    mr_reader_destroy(h.reader);
}

/* --- the limit on memory ------------------------------------------------------------------------ */

typedef struct release_task {
    mr_reader *reader;
    uint8_t *bytes;
} release_task;

static void *release_one(void *argument)
{
    release_task *t = argument;
    mr_reader_release(t->reader, t->bytes);
    return NULL;
}

/* Files of 1 MiB and one of 8, with memory for two: each comes when what was fetched before is released, by
 * another thread. */
static void read_within_limit(bool force_pread)
{
    enum { LARGE_FILES = 12, MIB = 1 << 20 };
    mr_error e = {0};
    mr_reader *r;
    mr_reader_options options = mr_reader_options_default();
    options.force_pread = force_pread;
    options.memory = 2 * MIB;
    assert_int_equal(mr_reader_create(&r, options, &e), 0);
    const char *paths[LARGE_FILES];
    for (int i = 0; i < LARGE_FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "large_%d", i);
        paths[i] = below(folder, name);
        write_file(paths[i], "", 0);
        assert_int_equal(truncate(paths[i], i == 5 ? 8 * MIB : 1 * MIB), 0);
        assert_int_equal(mr_reader_submit(r, (uint64_t)i, paths[i], &e), 0);
    }
    release_task task = {.reader = r};
    pthread_t thread;
    for (int i = 0; i < LARGE_FILES; i++) {
        mr_read read;
        if (i)
            assert_int_equal(pthread_create(&thread, NULL, release_one, &task), 0);
        assert_int_equal(mr_reader_next(r, &read, &e), 0);
        assert_int_equal(read.error, 0);
        assert_int_equal(read.size, read.serial == 5 ? 8 * MIB : 1 * MIB);
        if (i)
            pthread_join(thread, NULL);
        task.bytes = read.bytes;
    }
    mr_reader_release(r, task.bytes);
    /* nothing is released: the end does not wait for it */
    for (int i = 0; i < LARGE_FILES; i++)
        assert_int_equal(mr_reader_submit(r, (uint64_t)i, paths[i], &e), 0);
    mr_read read;
    assert_int_equal(mr_reader_next(r, &read, &e), 0);
    mr_reader_destroy(r);
    for (int i = 0; i < LARGE_FILES; i++)
        remove(paths[i]);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    read_within_limit(false);
    read_within_limit(true);
}

/* --- few descriptors ---------------------------------------------------------------------------- */

static rlim_t limit_files(rlim_t most)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static void few_descriptors(bool force_pread)
{
    mr_error e = {0};
    mr_read read;
    mr_reader *r = new_reader(force_pread, 32);
    int first = open("/dev/null", O_RDONLY), second = open("/dev/null", O_RDONLY);
    rlim_t before = limit_files((rlim_t)second + 1);
    for (int i = 0; i < 32; i++)
        assert_int_equal(mr_reader_submit(r, (uint64_t)i, path_of(i), &e), 0);
    /* none is left: that is no file's fault */
    int status = mr_reader_next(r, &read, &e);
    limit_files(before);
    assert_int_equal(status, MR_EIO);
    assert_non_null(strstr(e.message, "Too many open files"));
    assert_non_null(strstr(e.hint, "ulimit -n"));
    mr_reader_destroy(r);
    mr_error_clear(&e);
    close(second);
    close(first);
    /* two are: all files come, one after the other */
    r = new_reader(force_pread, 32);
    first = open("/dev/null", O_RDONLY);
    before = limit_files((rlim_t)first + 3);
    for (int i = 0; i < 32; i++)
        assert_int_equal(mr_reader_submit(r, (uint64_t)i, path_of(i), &e), 0);
    for (int i = 0; i < 32; i++) {
        status = mr_reader_next(r, &read, &e);
        if (status)
            fail_msg("%s", e.message);
        check_read(&read);
        mr_reader_release(r, read.bytes);
    }
    limit_files(before);
    close(first);
    mr_reader_destroy(r);
}

static void descriptors_run_out(void **state)
{
    (void)state;
    few_descriptors(false);
    few_descriptors(true);
}

/* --- the end, and the way back to pread ------------------------------------------------------- */

static void destroyed_in_flight(void **state)
{
    (void)state;
    mr_error e = {0};
    for (int force = 0; force < 2; force++)
        for (int fetch = 0; fetch < 3; fetch++) {
            mr_reader *r = new_reader(force, 32);
            mr_read read;
            for (int i = 0; i < 32; i++)
                assert_int_equal(mr_reader_submit(r, (uint64_t)i, path_of(i), &e), 0);
            assert_false(mr_reader_has_room(r));
            assert_int_equal(mr_reader_submit(r, 99, path_of(0), &e), MR_EINVAL);
            mr_error_clear(&e);
            for (int i = 0; i < fetch; i++)
                assert_int_equal(mr_reader_next(r, &read, &e), 0); /* and not given back */
            mr_reader_destroy(r);
        }
    mr_reader_destroy(NULL);
}

/* In a child where the kernel refuses io_uring_setup with REFUSAL, as containers do. */
static int child_without_uring(int refusal)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)refusal),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof program / sizeof *program, .filter = program};
    mr_reader *r;
    mr_read read;
    mr_error e = {0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
        return 77;
    if (mr_reader_create(&r, mr_reader_options_default(), &e) || mr_reader_uses_uring(r))
        return 1;
    if (mr_reader_submit(r, 3, path_of(3), &e) || mr_reader_next(r, &read, &e) || read.size != size_of(3))
        return 2;
    mr_reader_destroy(r);
    return 0;
}

static void falls_back(void **state)
{
    (void)state;
    static const int refusals[] = {ENOSYS, EPERM, EACCES, ENOMEM};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(child_without_uring(refusals[i]));
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
            skip();
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

static void wrong_options(void **state)
{
    (void)state;
    mr_reader *r;
    mr_error e = {0};
    mr_reader_options options = mr_reader_options_default();
    options.depth = 0;
    assert_int_equal(mr_reader_create(&r, options, &e), MR_EINVAL);
    assert_null(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_uring),          cmocka_unit_test(many_pread),
        cmocka_unit_test(odd_uring),           cmocka_unit_test(odd_pread),
        cmocka_unit_test(too_large),           cmocka_unit_test(sizes_that_lie),
        cmocka_unit_test(shrinking),           cmocka_unit_test(other_thread),
        cmocka_unit_test(memory_is_bounded),   cmocka_unit_test(descriptors_run_out),
        cmocka_unit_test(falls_back),          cmocka_unit_test(wrong_options),
        cmocka_unit_test(destroyed_in_flight),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
