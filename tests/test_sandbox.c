/* SPDX-License-Identifier: Apache-2.0 */
/* What is given up is gone: each case enters the sandbox in a child and reports what it found in its exit
 * status. */
#include "tests/shared.h"

#include "io/files/reader.h"
#include "cli/process/confine.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <liburing.h>

enum { AS_EXPECTED = 0, NOT_HELD = 77 };
static char folder[] = "/tmp/millrace-sandbox-XXXXXX";
static char inside[64], outside[64], link_inside[80];

static void in_child(int (*look)(void))
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(look());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NOT_HELD)
        skip();
    assert_int_equal(WEXITSTATUS(status), AS_EXPECTED);
}

/* True when the kernel holds WHAT. Reads: INSIDE alone; writes: the folder a/ alone. */
static bool enter(unsigned what, bool reads_anything)
{
    mr_sandbox s = {.reads_anything = reads_anything, .keeps_uring = true};
    unsigned held;
    mr_error e = {0};
    mr_sandbox_allow(&s, inside, true);
    return mr_sandbox_enter(&s, &held, &e) == 0 && (held & what) == what;
}

static bool refused(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    return fd < 0 && errno == EACCES;
}

static int reads_outside(void)
{
    char file[80];
    snprintf(file, sizeof file, "%s/new", inside);
    if (!enter(MR_SANDBOX_FILES, false))
        return NOT_HELD;
    if (!refused(outside, O_RDONLY) || !refused("/etc/passwd", O_RDONLY))
        return 1;
    if (!refused(link_inside, O_RDONLY)) /* a link is no way out */
        return 2;
    return open(file, O_CREAT | O_RDWR, 0600) >= 0 ? AS_EXPECTED : 3;
}

static int writes_outside(void)
{
    if (!enter(MR_SANDBOX_FILES, true))
        return NOT_HELD;
    if (open(outside, O_RDONLY) < 0)
        return 1;
    if (!refused(outside, O_WRONLY) || !refused("/tmp/millrace-sandbox-new", O_CREAT | O_WRONLY))
        return 2;
    return unlink(outside) == -1 && errno == EACCES ? AS_EXPECTED : 3;
}

static struct io_uring *reserved; /* the last ring that was made */

int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
    typedef int function(unsigned, struct io_uring *, unsigned);
    function *next = (function *)dlsym(RTLD_NEXT, "io_uring_queue_init");
    int status = next ? next(entries, ring, flags) : -ENOSYS;
    if (!status)
        reserved = ring;
    return status;
}

static struct io_uring_sqe *entry(void)
{
    return io_uring_get_sqe(reserved);
}

/* The result of the entry that was prepared last. */
static int result(void)
{
    struct io_uring_cqe *done;
    if (io_uring_submit_and_wait(reserved, 1) < 0 || io_uring_peek_cqe(reserved, &done))
        return 1;
    int value = done->res;
    io_uring_cqe_seen(reserved, done);
    return value;
}

/* Landlock and seccomp do not see all that io_uring does: the reader's ring takes nothing but what reading needs. */
static int ring_operations(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/none"};
    struct msghdr message = {.msg_name = &address, .msg_namelen = sizeof address};
    static const struct {
        int domain, type, protocol;
    } sockets[] = {{AF_INET, SOCK_DGRAM, 0}, {AF_INET, SOCK_STREAM, 0}, {AF_UNIX, SOCK_STREAM, 0}, {AF_INET6, SOCK_RAW, 58},
                   {AF_NETLINK, SOCK_RAW, 0}};
    mr_reader_reserve();
    if (!reserved || !enter(MR_SANDBOX_FILES | MR_SANDBOX_CALLS, true))
        return NOT_HELD;
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++) {
        io_uring_prep_socket(entry(), sockets[i].domain, sockets[i].type, sockets[i].protocol, 0);
        if (result() != -EACCES)
            return 1;
    }
    io_uring_prep_connect(entry(), 0, (struct sockaddr *)&address, sizeof address);
    if (result() != -EACCES)
        return 2;
    io_uring_prep_sendmsg(entry(), 0, &message, 0);
    if (result() != -EACCES)
        return 3;
    io_uring_prep_send(entry(), 0, "x", 1, 0);
    if (result() != -EACCES)
        return 4;
    io_uring_prep_write(entry(), 1, "", 0, 0);
    if (result() != -EACCES)
        return 5;
    io_uring_prep_unlinkat(entry(), AT_FDCWD, outside, 0);
    if (result() != -EACCES)
        return 6;
    io_uring_prep_openat(entry(), AT_FDCWD, outside, O_WRONLY, 0);
    if (result() != -EACCES)
        return 7;
    io_uring_prep_openat(entry(), AT_FDCWD, "/tmp/millrace-sandbox-new", O_WRONLY | O_CREAT, 0600);
    if (result() != -EACCES)
        return 8;
    io_uring_prep_openat(entry(), AT_FDCWD, outside, O_RDONLY, 0);
    return result() >= 0 ? AS_EXPECTED : 9;
}

/* Another ring cannot be made, and the reader's takes no more registrations. */
static int other_rings(void)
{
    static struct io_uring ring; /* lives on: io_uring_queue_init notes it */
    mr_reader_reserve();
    if (!enter(MR_SANDBOX_CALLS, true))
        return NOT_HELD;
    if (io_uring_queue_init(4, &ring, 0) != -ENOSYS)
        return 1;
    return !reserved || io_uring_register_personality(reserved) < 0 ? AS_EXPECTED : 2;
}

/* Two readers at a time have a ring of those that were made before, one after the other any number. */
static int readers_inside(void)
{
    mr_reader *r[3];
    mr_read read;
    mr_error e = {0};
    mr_reader_reserve();
    if (!reserved || !enter(MR_SANDBOX_CALLS, true))
        return NOT_HELD;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++) {
            if (mr_reader_create(&r[i], mr_reader_options_default(), &e) || mr_reader_uses_uring(r[i]) != (i < 2))
                return 1;
            if (mr_reader_submit(r[i], 7, "/etc/passwd", &e) || mr_reader_next(r[i], &read, &e) || read.error || !read.size)
                return 2;
            mr_reader_release(r[i], read.bytes);
        }
        for (int i = 0; i < 3; i++)
            mr_reader_destroy(r[i]);
    }
    return AS_EXPECTED;
}

/* Landlock has no rights for owners, permissions, times and attributes; a descriptor for reading would do for some. */
static int changes_attributes(void)
{
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    if (!enter(MR_SANDBOX_CALLS, true))
        return NOT_HELD;
    int fd = open(outside, O_RDONLY);
    const int all[] = {chmod(outside, 0666),
                       fchmod(fd, 0666),
                       fchmodat(AT_FDCWD, outside, 0666, 0),
                       (int)syscall(452, AT_FDCWD, outside, 0666, 0), /* fchmodat2, which is newer than the filter */
                       chown(outside, 65534, 65534),
                       lchown(outside, 65534, 65534),
                       fchown(fd, 65534, 65534),
                       utimensat(AT_FDCWD, outside, times, 0),
                       futimens(fd, times),
                       setxattr(outside, "user.x", "1", 1, 0),
                       fsetxattr(fd, "user.x", "1", 1, 0),
                       removexattr(outside, "user.x")};
    struct stat st;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] != -1)
            return 1 + (int)i;
    return stat(outside, &st) == 0 && (st.st_mode & 0777) == 0600 && st.st_mtim.tv_sec > 1 ? AS_EXPECTED : 20;
}

static bool denied(long status)
{
    return status == -1 && errno == EPERM;
}

static int other_processes(void)
{
    pid_t parent = getppid();
    struct rlimit limit;
    if (!enter(MR_SANDBOX_CALLS, true))
        return NOT_HELD;
    if (!denied(kill(parent, 0)) || !denied(kill(0, 0)) || !denied(syscall(SYS_tgkill, parent, parent, 0)))
        return 1;
    if (!denied(syscall(SYS_prlimit64, parent, RLIMIT_NOFILE, NULL, &limit)) || !denied(setpriority(PRIO_PROCESS, (id_t)parent, 19)))
        return 2;
    if (!denied(fcntl(0, F_SETOWN, parent)) || !denied(syscall(SYS_pidfd_open, parent, 0)))
        return 3;
    if (!denied(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600)) || !denied(semget(IPC_PRIVATE, 1, IPC_CREAT | 0600)) ||
        !denied(msgget(IPC_PRIVATE, IPC_CREAT | 0600)) || !denied(mq_open("/millrace-none", O_RDONLY)))
        return 4;
    if (!denied(unshare(CLONE_NEWUSER)) || !denied(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)))
        return 5;
    /* what a run needs */
    if (kill(getpid(), 0) || getrlimit(RLIMIT_NOFILE, &limit) || setpriority(PRIO_PROCESS, 0, 1) || unshare(CLONE_FS))
        return 6;
    signal(SIGUSR1, SIG_IGN);
    return raise(SIGUSR1) == 0 ? AS_EXPECTED : 7;
}

static atomic_int tried, got_through;

/* In whatever thread the signal arrives. */
static void attempt(int number)
{
    (void)number;
    int error = errno;
    if (open(outside, O_WRONLY) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || execl("/bin/true", "true", (char *)NULL) == 0)
        atomic_fetch_add(&got_through, 1);
    atomic_fetch_add(&tried, 1);
    errno = error;
}

static void *wait_for_signals(void *unused)
{
    while (atomic_load(&tried) < 3)
        usleep(1000);
    return unused;
}

static int every_thread(void)
{
    pthread_t thread[2];
    if (!enter(MR_SANDBOX_FILES | MR_SANDBOX_CALLS, true))
        return NOT_HELD;
    signal(SIGUSR1, attempt);
    for (int i = 0; i < 2; i++)
        if (pthread_create(&thread[i], NULL, wait_for_signals, NULL))
            return 1;
    DIR *tasks = opendir("/proc/self/task");
    for (const struct dirent *task; tasks && (task = readdir(tasks));)
        if (atoi(task->d_name) > 0)
            syscall(SYS_tgkill, getpid(), atoi(task->d_name), SIGUSR1);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    return atomic_load(&tried) == 3 && atomic_load(&got_through) == 0 ? AS_EXPECTED : 2;
}

static atomic_int left; /* errno of what the earlier thread was refused, or -1 */

static void *try_later(void *inside_now)
{
    while (!atomic_load((atomic_int *)inside_now))
        usleep(1000);
    atomic_store(&left, open(outside, O_WRONLY) < 0 ? errno : -1);
    return NULL;
}

/* As OpenBLAS's: it runs already when the sandbox is entered. */
static int earlier_thread(void)
{
    pthread_t thread;
    atomic_int inside_now = 0;
    mr_sandbox s = {.reads_anything = true};
    unsigned held;
    mr_error e = {0};
    if (pthread_create(&thread, NULL, try_later, &inside_now) || mr_sandbox_enter(&s, &held, &e))
        return 1;
    atomic_store(&inside_now, 1);
    pthread_join(thread, NULL);
    if (!(held & MR_SANDBOX_FILES))
        return NOT_HELD;
    return held & MR_SANDBOX_THREADS && atomic_load(&left) == EACCES ? AS_EXPECTED : 2;
}

static void *block_signals(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    atomic_store(&left, 1);
    sleep(60);
    return unused;
}

static int deaf_thread(void)
{
    pthread_t thread;
    mr_sandbox s = {.reads_anything = true};
    unsigned held;
    mr_error e = {0};
    if (pthread_create(&thread, NULL, block_signals, NULL))
        return 1;
    while (!atomic_load(&left))
        usleep(1000);
    return mr_sandbox_enter(&s, &held, &e) == 0 && !(held & MR_SANDBOX_THREADS) ? AS_EXPECTED : 2;
}

static int runs_programs(void)
{
    if (!enter(MR_SANDBOX_CALLS, true))
        return NOT_HELD;
    execl("/bin/true", "true", (char *)NULL);
    return errno == EPERM ? AS_EXPECTED : 1;
}

static int calls_out(void)
{
    if (!enter(MR_SANDBOX_CALLS, true))
        return NOT_HELD;
    if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM)
        return 1;
    return socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM ? AS_EXPECTED : 2;
}

static void reading_outside_fails(void **state)
{
    (void)state;
    in_child(reads_outside);
}

static void writing_outside_fails(void **state)
{
    (void)state;
    in_child(writes_outside);
}

static void the_ring_reads_only(void **state)
{
    (void)state;
    in_child(ring_operations);
}

static void no_other_ring(void **state)
{
    (void)state;
    in_child(other_rings);
}

static void readers_have_rings(void **state)
{
    (void)state;
    in_child(readers_inside);
}

static void attributes_stay(void **state)
{
    (void)state;
    in_child(changes_attributes);
}

static void other_processes_are_out_of_reach(void **state)
{
    (void)state;
    in_child(other_processes);
}

/* ThreadSanitizer puts off signals, and has a thread of its own that blocks them. */
static void needs_signals(void)
{
#ifdef __SANITIZE_THREAD__
    skip();
#endif
}

static void threads_are_inside(void **state)
{
    (void)state;
    needs_signals();
    in_child(every_thread);
}

static void an_earlier_thread_is_inside(void **state)
{
    (void)state;
    needs_signals();
    in_child(earlier_thread);
}

static void a_deaf_thread_is_noticed(void **state)
{
    (void)state;
    in_child(deaf_thread);
}

static void exec_fails(void **state)
{
    (void)state;
    in_child(runs_programs);
}

static void sockets_fail(void **state)
{
    (void)state;
    in_child(calls_out);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(inside, sizeof inside, "%s/a", folder);
    snprintf(outside, sizeof outside, "%s/outside", folder);
    snprintf(link_inside, sizeof link_inside, "%s/link", inside);
    int fd = open(outside, O_CREAT | O_WRONLY, 0600);
    return fd < 0 || close(fd) || mkdir(inside, 0700) || symlink(outside, link_inside);
}

static int tear_down(void **state)
{
    char file[80];
    (void)state;
    snprintf(file, sizeof file, "%s/new", inside);
    unlink(file);
    unlink(link_inside);
    unlink(outside);
    rmdir(inside);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reading_outside_fails),
                                       cmocka_unit_test(writing_outside_fails),
                                       cmocka_unit_test(the_ring_reads_only),
                                       cmocka_unit_test(no_other_ring),
                                       cmocka_unit_test(readers_have_rings),
                                       cmocka_unit_test(attributes_stay),
                                       cmocka_unit_test(other_processes_are_out_of_reach),
                                       cmocka_unit_test(threads_are_inside),
                                       cmocka_unit_test(an_earlier_thread_is_inside),
                                       cmocka_unit_test(a_deaf_thread_is_noticed),
                                       cmocka_unit_test(exec_fails), cmocka_unit_test(sockets_fail)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
