/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/process/confine.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>

/* --- the file system ------------------------------------------------------------ */

/* Debian 12's header ends with ABI 2; later rights are asked for where the kernel says that it has them. */
struct ruleset {
    uint64_t fs, net;
};
#define RIGHT_TRUNCATE (1ULL << 14) /* ABI 3 */
#define RIGHTS_TCP 3ULL             /* bind, connect: ABI 4 */

static const uint64_t file_reads = LANDLOCK_ACCESS_FS_READ_FILE;
static const uint64_t reads = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t file_writes = LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE;
static const uint64_t writes = LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE |
                               LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                               LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                               LANDLOCK_ACCESS_FS_REFER;
static const uint64_t never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                              LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                              LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM;

void mr_sandbox_allow(mr_sandbox *s, const char *path, bool writable)
{
    if (s->paths < MR_SANDBOX_PATHS)
        s->path[s->paths++] = (mr_sandbox_path){path, writable};
    else {
        s->reads_anything = true;
        s->writes_anything = s->writes_anything || writable;
    }
}

static uint64_t handled(const mr_sandbox *s, int abi)
{
    uint64_t rights = never | (s->writes_anything ? 0 : writes) | (s->reads_anything ? 0 : reads);
    if (s->writes_anything) /* links of both kinds may be what is written */
        rights &= ~(uint64_t)LANDLOCK_ACCESS_FS_MAKE_SYM;
    rights |= LANDLOCK_ACCESS_FS_REFER; /* denied where it is not handled: a rule must give it */
    return abi >= 3 ? rights : rights & ~RIGHT_TRUNCATE;
}

/* A path that cannot be opened is one that the run cannot open either: the run will say so. */
static int allow_path(int ruleset, const mr_sandbox_path *p, uint64_t all, mr_error *e)
{
    struct stat st;
    int fd = open(p->path, O_PATH | O_CLOEXEC), status = 0;
    if (fd < 0)
        return 0;
    bool folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    uint64_t rights = folder ? reads : file_reads;
    if (p->writable)
        rights |= folder ? writes : file_writes;
    struct landlock_path_beneath_attr rule = {.allowed_access = rights & all, .parent_fd = fd};
    if (rule.allowed_access && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
        status = mr_fail_errno(e, errno, "sandbox: no rule for '%s'", p->path);
    close(fd);
    return status;
}

/* Landlock's rules are a thread's own, and those that it starts later. A thread that runs already, as OpenBLAS's do when it
 * is loaded, could open files outside on behalf of the others: so a signal makes each thread apply the rules to itself. */
static struct {
    int ruleset;
    atomic_int done, failed;
} others;

static void restrict_this_thread(int number)
{
    int error = errno;
    (void)number;
    bool done = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_landlock_restrict_self, others.ruleset, 0) == 0;
    atomic_fetch_add(done ? &others.done : &others.failed, 1);
    errno = error;
}

/* Returns how many threads there are to answer; -1: they cannot be listed. */
static int signal_others(int number)
{
    int sent = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks)
        return -1;
    for (const struct dirent *entry; (entry = readdir(tasks));) {
        pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        if (thread > 0 && thread != gettid())
            sent += syscall(SYS_tgkill, getpid(), thread, number) == 0;
    }
    closedir(tasks);
    return sent;
}

/* False where a thread does not answer within a second: it blocks all signals. */
static bool restrict_other_threads(int ruleset)
{
    struct sigaction before, now = {.sa_handler = restrict_this_thread, .sa_flags = SA_RESTART};
    int number = SIGRTMAX - 1;
    sigfillset(&now.sa_mask);
    others.ruleset = ruleset;
    if (sigaction(number, &now, &before))
        return false;
    int sent = signal_others(number), answers = 0;
    for (int i = 0; i < 1000 && (answers = atomic_load(&others.done) + atomic_load(&others.failed)) < sent; i++)
        nanosleep(&(struct timespec){.tv_nsec = i < 10 ? 20000 : 1000000}, NULL);
    if (answers < sent) /* the handler stays for the signal that is still to come */
        return false;
    sigaction(number, &before, NULL);
    return sent >= 0 && atomic_load(&others.failed) == 0;
}

static int restrict_files(const mr_sandbox *s, unsigned *held, mr_error *e)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 2)
        return 0;
    struct ruleset rules = {.fs = handled(s, abi), .net = RIGHTS_TCP};
    size_t size = abi >= 4 ? sizeof rules : sizeof rules.fs;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0), status = 0;
    if (ruleset < 0)
        return mr_fail_errno(e, errno, "sandbox: the kernel takes no rules for files");
    if (s->writes_anything)
        status = allow_path(ruleset, &(mr_sandbox_path){"/", true}, LANDLOCK_ACCESS_FS_REFER, e);
    for (int i = 0; i < s->paths && !status; i++)
        status = allow_path(ruleset, &s->path[i], rules.fs, e);
    bool all = !status && restrict_other_threads(ruleset);
    if (!status && syscall(SYS_landlock_restrict_self, ruleset, 0))
        status = mr_fail_errno(e, errno, "sandbox: the rules for files cannot be put in force");
    close(ruleset);
    if (!status)
        *held |= all ? MR_SANDBOX_FILES | MR_SANDBOX_THREADS : MR_SANDBOX_FILES;
    return status;
}

/* --- system calls --------------------------------------------------------------- */

#if defined __x86_64__
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef THIS_ARCH
/* Calls that no run makes: other programs, other processes, the network, memory shared with others, the machine itself. */
static const uint32_t denied[] = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_process_mrelease,
    SYS_kcmp,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_pidfd_send_signal,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_sched_setscheduler,
    SYS_sched_setparam,
    SYS_sched_setattr,
    SYS_ioprio_set,
    SYS_migrate_pages,
    SYS_move_pages,
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_sendto,
    SYS_sendmsg,
    SYS_sendmmsg,
    SYS_recvmsg,
    SYS_recvmmsg,
    SYS_shmget,
    SYS_shmat,
    SYS_shmctl,
    SYS_msgget,
    SYS_msgsnd,
    SYS_msgrcv,
    SYS_msgctl,
    SYS_semget,
    SYS_semop,
    SYS_semtimedop,
    SYS_semctl,
    SYS_mq_open,
    SYS_mq_unlink,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_setns,
    SYS_open_by_handle_at,
    SYS_fanotify_init,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_register,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_syslog,
    SYS_vhangup,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_personality,
};

/* Owners, permissions, times and attributes: Landlock has no rights for them, and a file that may be read is enough. */
static const uint32_t attributes[] = {
#ifdef SYS_chmod
    SYS_chmod,        SYS_chown,       SYS_lchown,       SYS_utime, SYS_utimes, SYS_futimesat,
#endif
    SYS_fchmod,       SYS_fchmodat,    SYS_fchown,       SYS_fchownat, SYS_utimensat,
    SYS_setxattr,     SYS_lsetxattr,   SYS_fsetxattr,
    SYS_removexattr,  SYS_lremovexattr, SYS_fremovexattr,
};

/* What a library does without where the kernel is too old for it: a ring (there are those that were made before), and
 * clone3, whose flags a filter cannot read. */
static const uint32_t missing[] = {SYS_io_uring_setup, SYS_clone3};
static const uint32_t of_rings[] = {SYS_io_uring_enter};

/* Calls that depend on one argument's lower half. */
enum test { ONLY, NOT, NO_BITS };
struct conditional {
    uint32_t call;
    int argument;
    enum test test;
    uint32_t value; /* OWN_PID: of this process */
};
enum { OWN_PID = UINT32_MAX };
static const struct conditional conditional[] = {
    {SYS_kill, 0, ONLY, OWN_PID},
    {SYS_tgkill, 0, ONLY, OWN_PID}, /* raise, abort */
    {SYS_setpriority, 1, ONLY, 0},  /* the calling thread */
    {SYS_sched_setaffinity, 0, ONLY, 0},
    {SYS_prlimit64, 0, ONLY, 0},
    {SYS_unshare, 0, ONLY, CLONE_FS}, /* a thread's own umask (base/permissions.c) */
    {SYS_clone, 0, NO_BITS,
     CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET},
    {SYS_fcntl, 1, NOT, F_SETOWN}, /* signals to others when something can be read */
    {SYS_fcntl, 1, NOT, F_SETOWN_EX},
    {SYS_fcntl, 1, NOT, F_SETSIG},
    {SYS_ioctl, 1, NOT, TIOCSTI}, /* typing into the terminal for the person */
    {SYS_ioctl, 1, NOT, TIOCLINUX},
    {SYS_ioctl, 1, NOT, FS_IOC_SETFLAGS},
    {SYS_ioctl, 1, NOT, FS_IOC_FSSETXATTR},
};

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))
enum {
    MOST_RULES = 2 * (COUNT(denied) + COUNT(attributes) + COUNT(missing) + COUNT(of_rings)) + 5 * COUNT(conditional) + 16,
    /* set_mempolicy_home_node (Linux 5.17). What came later is not known here, fchmodat2 and setxattrat for example; C
     * libraries fall back on older calls. */
    LAST_KNOWN = 450
};

#define LOAD(field)                                                                                          \
    ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field)))
#define SKIP_UNLESS(op, value, skip)                                                                         \
    ((struct sock_filter)BPF_JUMP(BPF_JMP | (op) | BPF_K, (value), 0, (skip)))
#define SKIP_IF(op, value, skip) ((struct sock_filter)BPF_JUMP(BPF_JMP | (op) | BPF_K, (value), (skip), 0))
#define ANSWER(action) ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (action)))

struct filter {
    struct sock_filter rule[MOST_RULES];
    int rules;
};

static void add(struct filter *f, struct sock_filter rule)
{
    f->rule[f->rules++] = rule;
}

static void deny(struct filter *f, const uint32_t *call, int count, int error)
{
    for (int i = 0; i < count; i++) {
        add(f, SKIP_UNLESS(BPF_JEQ, call[i], 1));
        add(f, ANSWER(SECCOMP_RET_ERRNO | (uint32_t)error));
    }
}

/* Both architectures have an argument's lower half first. */
static void deny_conditionally(struct filter *f, const struct conditional *c)
{
    uint32_t value = c->value == OWN_PID ? (uint32_t)getpid() : c->value;
    add(f, SKIP_UNLESS(BPF_JEQ, c->call, 4));
    add(f, LOAD(args[c->argument]));
    add(f, c->test == ONLY  ? SKIP_IF(BPF_JEQ, value, 1)
           : c->test == NOT ? SKIP_UNLESS(BPF_JEQ, value, 1)
                            : SKIP_UNLESS(BPF_JSET, value, 1));
    add(f, ANSWER(SECCOMP_RET_ERRNO | EPERM));
    add(f, LOAD(nr));
}

/* Another architecture's numbers (int 0x80, x32) would mean other calls. */
static void make_filter(struct filter *f, const mr_sandbox *s)
{
    f->rules = 0;
    add(f, LOAD(arch));
    add(f, SKIP_IF(BPF_JEQ, THIS_ARCH, 1));
    add(f, ANSWER(SECCOMP_RET_KILL_PROCESS));
    add(f, LOAD(nr));
    add(f, SKIP_UNLESS(BPF_JGT, LAST_KNOWN, 1)); /* x32's as well */
    add(f, ANSWER(SECCOMP_RET_ERRNO | ENOSYS));
    deny(f, denied, COUNT(denied), EPERM);
    deny(f, missing, COUNT(missing), ENOSYS);
    if (!s->keeps_uring)
        deny(f, of_rings, COUNT(of_rings), EPERM);
    if (!s->writes_anything)
        deny(f, attributes, COUNT(attributes), EPERM);
    for (int i = 0; i < COUNT(conditional); i++)
        deny_conditionally(f, &conditional[i]);
    add(f, ANSWER(SECCOMP_RET_ALLOW));
}

static int restrict_calls(const mr_sandbox *s, unsigned *held, mr_error *e)
{
    struct filter filter;
    make_filter(&filter, s);
    struct sock_fprog program = {.len = (unsigned short)filter.rules, .filter = filter.rule};
    /* All threads, so that one that a library started when it was loaded is no way around. */
    long status = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    if (status && (errno == ENOSYS || errno == EINVAL))
        return 0; /* a kernel without it */
    if (status)
        return mr_fail_errno(e, status > 0 ? EBUSY : errno, "sandbox: system calls cannot be restricted");
    *held |= MR_SANDBOX_CALLS;
    return 0;
}
#else
static int restrict_calls(const mr_sandbox *s, unsigned *held, mr_error *e)
{
    (void)s, (void)held, (void)e;
    return 0;
}
#endif

int mr_sandbox_enter(const mr_sandbox *s, unsigned *held, mr_error *e)
{
    *held = 0;
    /* Without it, a program with set-user-ID rights could be started inside: the kernel wants it first. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return 0;
    int status = restrict_files(s, held, e);
    return status ? status : restrict_calls(s, held, e);
}
