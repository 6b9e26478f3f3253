/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
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
    if (!status && syscall(SYS_landlock_restrict_self, ruleset, 0))
        status = mr_fail_errno(e, errno, "sandbox: the rules for files cannot be put in force");
    close(ruleset);
    if (!status)
        *held |= MR_SANDBOX_FILES;
    return status;
}

/* --- system calls --------------------------------------------------------------- */

#if defined __x86_64__
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef THIS_ARCH
/* Calls that no run makes: other programs, other processes, the network, the machine itself. */
static const uint32_t denied[] = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
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
    SYS_unshare,
    SYS_open_by_handle_at,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_personality,
};
enum { DENIED = sizeof denied / sizeof *denied, MOST_RULES = 2 * DENIED + 20, X32_BIT = 0x40000000 };

#define LOAD(field)                                                                                          \
    ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field)))
#define SKIP_UNLESS(op, value, skip)                                                                         \
    ((struct sock_filter)BPF_JUMP(BPF_JMP | (op) | BPF_K, (value), 0, (skip)))
#define ANSWER(action) ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (action)))

static int add_denial(struct sock_filter *rule, int n, uint32_t call, int error)
{
    rule[n++] = SKIP_UNLESS(BPF_JEQ, call, 1);
    rule[n++] = ANSWER(SECCOMP_RET_ERRNO | (uint32_t)error);
    return n;
}

/* Returns the number of rules. Another architecture's numbers (int 0x80, x32) would mean other calls. */
static int make_filter(struct sock_filter *rule, bool keeps_uring)
{
    int n = 0;
    rule[n++] = LOAD(arch);
    rule[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0);
    rule[n++] = ANSWER(SECCOMP_RET_KILL_PROCESS);
    rule[n++] = LOAD(nr);
    rule[n++] = SKIP_UNLESS(BPF_JGE, X32_BIT, 1);
    rule[n++] = ANSWER(SECCOMP_RET_ERRNO | ENOSYS);
    for (int i = 0; i < DENIED; i++)
        n = add_denial(rule, n, denied[i], EPERM);
    if (!keeps_uring)
        n = add_denial(rule, n, SYS_io_uring_setup, ENOSYS);
    rule[n++] = SKIP_UNLESS(BPF_JEQ, SYS_ioctl, 3); /* typing into the terminal for the person */
    rule[n++] = LOAD(args[1]);                      /* the low half: both architectures have it first */
    rule[n++] = SKIP_UNLESS(BPF_JEQ, TIOCSTI, 1);
    rule[n++] = ANSWER(SECCOMP_RET_ERRNO | EPERM);
    rule[n++] = ANSWER(SECCOMP_RET_ALLOW);
    return n;
}

static int restrict_calls(const mr_sandbox *s, unsigned *held, mr_error *e)
{
    struct sock_filter rule[MOST_RULES];
    struct sock_fprog program = {.len = (unsigned short)make_filter(rule, s->keeps_uring), .filter = rule};
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
