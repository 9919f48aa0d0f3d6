/* SPDX-License-Identifier: MIT */
/*
 * The serving process reads what may be a hostile image. Before that it gives up: new privileges by exec, all capabilities, making the image file
 * longer, core dumps (they would hold what the files say), and every system call but those below. What a system call outside the list would do to us is
 * death by SIGSYS, not an error that something might paper over; but opening files and sockets fails with EPERM, since libc tries these in passing.
 *
 * seccomp(2), Documentation/userspace-api/seccomp_filter.rst; capabilities(7); prctl(2).
 */
#include "fs_host.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the list of system calls is that of x86_64"
#endif

static const unsigned short allowed[] = {
	/* requests, the image, the log */
	SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev, SYS_fdatasync, SYS_fsync, SYS_fallocate, SYS_poll,
	SYS_ppoll, SYS_close, SYS_fstat, SYS_newfstatat, SYS_lseek, SYS_recvmsg, SYS_fcntl,
	/* threads and time */
	SYS_futex, SYS_clock_gettime, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_sched_yield, SYS_sched_getaffinity, SYS_set_robust_list,
	SYS_rseq, SYS_membarrier, SYS_gettid, SYS_getpid, SYS_restart_syscall, SYS_prlimit64,
	/* memory */
	SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_brk, SYS_getrandom,
	/* signals and the end */
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack, SYS_tgkill, SYS_exit, SYS_exit_group,
};
static const unsigned short refused[] = {
	SYS_open, SYS_openat, SYS_socket, SYS_connect, SYS_access, SYS_readlink, SYS_ioctl, SYS_unlink, SYS_stat, SYS_pipe2, SYS_splice,
	SYS_vmsplice, SYS_getuid, SYS_geteuid, SYS_umask,
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))

/* Two instructions a call: if it is that number, the next one returns. */
static size_t add_calls(struct sock_filter *to, const unsigned short *nr, size_t n, unsigned what)
{
	for (size_t i = 0; i < n; i++) {
		to[2 * i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr[i], 0, 1);
		to[2 * i + 1] = (struct sock_filter)RETURN(what);
	}
	return 2 * n;
}

static int set_filter(void)
{
	static const struct sock_filter begin[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		/* threads, not processes; clone3's flags cannot be seen, without it libc takes clone */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
		RETURN(SECCOMP_RET_ERRNO | ENOSYS),
		/* a thread may say where it runs itself, not where others do */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setaffinity, 0, 4),
		LOAD(args[0]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
		LOAD(args[0]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_filter code[COUNT(begin) + 2 * COUNT(allowed) + 2 * COUNT(refused) + 1];
	struct sock_fprog prog = {.filter = code};
	size_t n = COUNT(begin);

	for (size_t i = 0; i < n; i++)
		code[i] = begin[i];
	n += add_calls(code + n, allowed, COUNT(allowed), SECCOMP_RET_ALLOW);
	n += add_calls(code + n, refused, COUNT(refused), SECCOMP_RET_ERRNO | EPERM);
	code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
	prog.len = (unsigned short)n;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) ? -errno : 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) ? -errno : 0;
}

static int limit(int resource, rlim_t most)
{
	struct rlimit r = {most, most};

	return setrlimit(resource, &r) ? -errno : 0;
}

int sandbox(uint64_t file_limit)
{
	int err = limit(RLIMIT_CORE, 0);

	if (!err)
		err = limit(RLIMIT_NOFILE, 64);
	if (!err && file_limit) {
		signal(SIGXFSZ, SIG_IGN); /* EFBIG is enough */
		err = limit(RLIMIT_FSIZE, file_limit);
	}
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	if (!err)
		err = drop_capabilities();
	return err ? err : set_filter();
}
