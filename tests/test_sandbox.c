/* SPDX-License-Identifier: Apache-2.0 */
/* What is given up is gone: each case enters the sandbox in a child and reports what it found in its exit
 * status. */
#include "tests/shared.h"

#include "io/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

/* seccomp does not see what io_uring does: Landlock must. */
static int ring_outside(void)
{
    struct io_uring ring;
    struct io_uring_cqe *done;
    if (!enter(MR_SANDBOX_FILES, false) || io_uring_queue_init(4, &ring, 0))
        return NOT_HELD;
    io_uring_prep_openat(io_uring_get_sqe(&ring), AT_FDCWD, outside, O_RDONLY, 0);
    if (io_uring_submit_and_wait(&ring, 1) != 1 || io_uring_peek_cqe(&ring, &done))
        return 1;
    return done->res == -EACCES ? AS_EXPECTED : 2;
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

static void io_uring_is_no_way_around(void **state)
{
    (void)state;
    in_child(ring_outside);
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
                                       cmocka_unit_test(io_uring_is_no_way_around),
                                       cmocka_unit_test(exec_fails), cmocka_unit_test(sockets_fail)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
